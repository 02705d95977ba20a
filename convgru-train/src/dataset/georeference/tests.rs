//! Places against PROJ 9, and what files tell.

use super::projection::Projection;
use super::*;

/// A number of an attribute.
fn number(attributes: &[Attribute], name: &str) -> Option<f64> {
    match &attributes.iter().find(|own| own.name == name)?.value {
        AttributeValue::Doubles(numbers) => numbers.first().copied(),
        _ => None,
    }
}

#[test]
fn places_are_those_of_proj() {
    // pyproj 3.7.2.
    for (text, at, place) in [
        (
            "+proj=stere +lat_0=90 +lon_0=25 +lat_ts=60 +R=6371288",
            [18.6, 57.93],
            [-380_886.305_017_7, -3_395_677.910_268],
        ),
        (
            "+proj=stere +lat_0=90 +lon_0=25E +lat_ts=60 +a=6371.288 +b=6371.288",
            [18.6, 57.93],
            [-380_886.305_017_7, -3_395_677.910_268],
        ),
        (
            "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378137 +b=6356752",
            [0.0, 55.973602],
            [0.0, -3_649_995.463_898_9],
        ),
        (
            "+proj=laea +lat_0=55.0 +lon_0=10.0 +x_0=1950000.0 +y_0=-2100000.0 +units=m +ellps=WGS84",
            [-10.434576838640398, 31.746215319325056],
            [-0.000_245_4, -4_400_000.001_057_6],
        ),
        (
            "+proj=lcc +lat_1=46 +lat_2=49 +lat_0=47.5 +lon_0=13.333333 +ellps=bessel",
            [9.5, 49.0],
            [-280_343.964_446_4, 173_652.322_827_7],
        ),
        (
            "+proj=tmerc +lat_0=0 +lon_0=15 +k=0.9996 +x_0=500000 +ellps=GRS80 +units=km",
            [12.0, 55.0],
            [308_124.367_860_3, 6_098_907.825_005],
        ),
        ("+proj=merc +lat_ts=50 +lon_0=3 +ellps=WGS84", [9.0, 51.0], [430_174.521_696, 4_243_070.052_245_1]),
        (
            "+proj=aeqd +lat_0=50.1 +lon_0=14.2 +datum=WGS84",
            [15.2, 51.1],
            [70_048.098_314_8, 111_711.851_348_2],
        ),
        (
            "+proj=stere +lat_0=46 +lon_0=11 +k_0=1 +R=6371000",
            [12.0, 47.0],
            [75_839.419_043_4, 111_677.849_867_4],
        ),
        ("+proj=longlat +ellps=WGS84", [12.0, 47.0], [12.0, 47.0]),
    ] {
        let found = Projection::of_text(text).place(at).unwrap();
        let is_near = found.iter().zip(place).all(|(own, expected)| (own - expected).abs() < 1e-5);
        assert!(is_near, "{text}: {found:?}");
    }
    for text in ["", "+proj=unknown", "stere", "+proj=stere +lat_0=x"] {
        let place = Projection::of_text(text).place([8.0, 50.0]);
        assert!(place.is_none() || text.contains("lat_0"), "{text}: {place:?}");
    }
}

#[test]
fn projections_are_told_in_the_words_of_cf() {
    for (text, name, parameters) in [
        (
            "+proj=stere +lat_0=90 +lon_0=25 +lat_ts=60 +R=6371288",
            "polar_stereographic",
            &[
                ("straight_vertical_longitude_from_pole", 25.0),
                ("standard_parallel", 60.0),
                ("earth_radius", 6_371_288.0),
                ("latitude_of_projection_origin", 90.0),
                ("false_easting", 0.0),
            ][..],
        ),
        (
            "+proj=stere +lat_0=46 +lon_0=11 +R=6371000",
            "stereographic",
            &[("longitude_of_projection_origin", 11.0), ("scale_factor_at_projection_origin", 1.0)],
        ),
        (
            "+proj=laea +lat_0=55 +lon_0=10 +x_0=1950000 +y_0=-2100000",
            "lambert_azimuthal_equal_area",
            &[
                ("semi_major_axis", 6_378_137.0),
                ("semi_minor_axis", 6_356_752.314_245_179),
                ("false_northing", -2_100_000.0),
            ],
        ),
        (
            "+proj=lcc +lat_1=46 +lat_2=49 +lat_0=47.5 +lon_0=13.3 +ellps=bessel",
            "lambert_conformal_conic",
            &[("standard_parallel", 46.0), ("longitude_of_central_meridian", 13.3)],
        ),
        (
            "+proj=tmerc +lon_0=15W +k=0.9996",
            "transverse_mercator",
            &[("longitude_of_central_meridian", -15.0), ("scale_factor_at_central_meridian", 0.9996)],
        ),
        (
            "+proj=aeqd +lat_0=50 +lon_0=14",
            "azimuthal_equidistant",
            &[("latitude_of_projection_origin", 50.0)],
        ),
        ("+proj=merc +lon_0=3", "mercator", &[("scale_factor_at_projection_origin", 1.0)]),
        (
            "+proj=latlong +a=6378.14 +b=6356.75",
            "latitude_longitude",
            &[("semi_major_axis", 6_378_140.0), ("semi_minor_axis", 6_356_750.0)],
        ),
    ] {
        let mapping = Projection::of_text(text).mapping();
        assert_eq!(text_of(&mapping.attributes, "grid_mapping_name"), Some(name), "{text}");
        assert_eq!(text_of(&mapping.attributes, "proj4"), Some(text));
        for (parameter, expected) in parameters {
            let found = number(&mapping.attributes, parameter).unwrap_or(f64::NAN);
            assert!((found - expected).abs() < 1e-6, "{text}: {parameter} {found}");
        }
    }
    // A projection that CF does not know.
    let mapping = Projection::of_text("+proj=moll +lon_0=0").mapping();
    assert_eq!(mapping.attributes, [Attribute::text("proj4", "+proj=moll +lon_0=0")]);
}

const FMI: &str = "P5
# obstime 201609281445
# metersperpixel_x 999.674053
# metersperpixel_y 999.62859
# projection radar {
# type stereographic
# centrallongitude 25
# centrallatitude 90
# truelatitude 60
# bottomleft 18.600000 57.930000
# topright 34.903000 69.005000
# }
760 1226
255
";

#[test]
fn comments_of_the_finnish_institute_tell_the_places_of_pixels() {
    let found = of_comments(FMI, [1226, 760]);
    let (rows, columns) = (found.rows.unwrap(), found.columns.unwrap());
    // The size of pixels is that of the comments.
    assert!(
        (columns.values[1] - columns.values[0] - 999.674053).abs() < 1e-5,
        "{}",
        columns.values[1] - columns.values[0]
    );
    assert!(
        (rows.values[0] - rows.values[1] - 999.62859).abs() < 1e-3,
        "{}",
        rows.values[0] - rows.values[1]
    );
    assert_eq!((rows.values.len(), columns.values.len()), (1226, 760));
    // The lowest row begins half a pixel above the corner.
    assert!((rows.values[1225] - (-3_395_677.91 + 0.5 * 999.62859)).abs() < 0.1);
    assert_eq!(text_of(&rows.attributes, "standard_name"), Some("projection_y_coordinate"));
    let mapping = found.mapping.unwrap();
    assert_eq!(text_of(&mapping.attributes, "grid_mapping_name"), Some("polar_stereographic"));
    for header in [
        "P5\n3 4\n255\n",
        &FMI.replace("stereographic", "other"),
        &FMI.replace("truelatitude 60", "truelatitude x"),
    ] {
        assert!(of_comments(header, [1226, 760]).is_empty());
    }
    // Corners that are no image leave the projection.
    let odd = of_comments(&FMI.replace("# topright 34.903000 69.005000", "# topright 1 2"), [1226, 760]);
    assert!(odd.rows.is_none() && odd.mapping.is_some());
}

#[test]
fn pixels_that_are_means_lie_in_the_middle() {
    let coordinate =
        |name: &str, values: Vec<f64>| Coordinate { name: name.into(), attributes: Vec::new(), values };
    let fine = Georeference {
        rows: Some(coordinate("y", vec![0.0, 1.0, 2.0])),
        columns: Some(coordinate("x", vec![10.0, 20.0])),
        pixels: vec![coordinate("lat", vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0]), coordinate("odd", vec![1.0])],
        mapping: None,
    };
    let coarse = fine.averaged(&squares(3, 2), &squares(2, 2));
    assert_eq!(coarse.rows.unwrap().values, [0.5, 2.0]);
    assert_eq!(coarse.columns.unwrap().values, [15.0]);
    assert_eq!(coarse.pixels.len(), 1);
    assert_eq!(coarse.pixels[0].values, [5.5, 20.5]);
}

#[cfg(feature = "hdf5")]
mod files {
    use netcdf_writer::{NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};
    use tempfile::TempDir;

    use super::*;
    use crate::dataset::FramesConfig;
    use crate::dataset::fixtures::budget;
    use crate::dataset::gridded::GriddedFile;
    use crate::dataset::source;

    fn text(text: &str) -> NcAttrValue {
        NcAttrValue::Chars(text.into())
    }

    fn one(number: f64) -> NcAttrValue {
        NcAttrValue::Doubles(vec![number])
    }

    fn saved(file: &NcFileBuilder) -> (TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        let (_, bytes) = file.to_vec(NcWriteOptions { format: NcWriteFormat::Nc4 }).unwrap();
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    /// A file of groups with attributes.
    fn of_groups(groups: &[(&str, &[(&str, NcAttrValue)])]) -> (TempDir, GriddedFile) {
        let mut file = NcFileBuilder::new();
        for (group, attributes) in groups {
            for (name, value) in *attributes {
                file.add_group_attribute(*group, *name, value.clone()).unwrap();
            }
        }
        let (folder, path) = saved(&file);
        (folder, GriddedFile::open(&path, &budget()).unwrap())
    }

    #[test]
    fn corners_of_odim_are_those_of_the_image() {
        let projection =
            "+proj=laea +lat_0=55.0 +lon_0=10.0 +x_0=1950000.0 +y_0=-2100000.0 +units=m +ellps=WGS84";
        // The composite of OPERA: 2200 x 1900 pixels of 2 km.
        let [lower_left, upper_right] =
            [[-10.434576838640398, 31.746215319325056], [57.81196475014995, 67.62103710275053]];
        let attributes = [
            ("projdef", text(projection)),
            ("LL_lon", one(lower_left[0])),
            ("LL_lat", one(lower_left[1])),
            ("UR_lon", one(upper_right[0])),
            ("UR_lat", one(upper_right[1])),
        ];
        let (_folder, file) = of_groups(&[("where", &attributes)]);
        let found = of_odim(&file, [2200, 1900]).unwrap();
        let (rows, columns) = (found.rows.unwrap(), found.columns.unwrap());
        assert!(
            (columns.values[0] - 1000.0).abs() < 0.1 && (columns.values[1899] - 3_799_000.0).abs() < 0.1,
            "{:?}",
            columns.values[1899]
        );
        assert!(
            (rows.values[0] + 1000.0).abs() < 0.1 && (rows.values[2199] + 4_399_000.0).abs() < 0.1,
            "{:?}",
            rows.values[0]
        );
        // A corner that is missing leaves the projection, no projection nothing.
        let (_folder, file) = of_groups(&[("where", &attributes[..4])]);
        let found = of_odim(&file, [2200, 1900]).unwrap();
        assert!(found.mapping.is_some() && found.rows.is_none());
        let (_folder, file) = of_groups(&[("where", &attributes[1..])]);
        assert!(of_odim(&file, [2200, 1900]).unwrap().is_empty());
    }

    #[test]
    fn offsets_of_knmi_count_pixels() {
        let (_folder, file) = of_groups(&[
            (
                "geographic",
                &[
                    ("geo_column_offset", one(0.0)),
                    ("geo_row_offset", one(3649.9819)),
                    ("geo_pixel_size_x", one(1.0000035)),
                    ("geo_pixel_size_y", one(-1.0000048)),
                    ("geo_dim_pixel", text("KM,KM")),
                ],
            ),
            (
                "geographic/map_projection",
                &[(
                    "projection_proj4_params",
                    text("+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 +a=6378.14 +b=6356.75 +x_0=0 y_0=0"),
                )],
            ),
        ]);
        let found = of_knmi(&file, [765, 700]).unwrap();
        let (rows, columns) = (found.rows.unwrap(), found.columns.unwrap());
        assert!((columns.values[0] - 500.00175).abs() < 1e-6);
        assert!((rows.values[0] + 3650.4819 * 1000.0048).abs() < 1e-6, "{}", rows.values[0]);
        assert!(rows.values[764] < rows.values[0]);
        assert_eq!(number(&found.mapping.unwrap().attributes, "semi_major_axis"), Some(6_378_140.0));
    }

    #[test]
    fn coordinates_and_grid_mapping_of_netcdf_are_kept() {
        let mut file = NcFileBuilder::new();
        file.add_attribute("institution", text("An institute")).unwrap();
        file.add_attribute("history", text("made")).unwrap();
        let dimensions =
            [("time", 3), ("y", 4), ("x", 5)].map(|(name, length)| file.add_dimension(name, length).unwrap());
        let coordinate = |file: &mut NcFileBuilder,
                          name: &str,
                          axis: usize,
                          values: &[f64],
                          attributes: &[(&str, &str)]| {
            let id = file.add_variable::<f64>(name, &dimensions[axis..=axis]).unwrap();
            file.write_variable(id, values).unwrap();
            for (name, value) in attributes {
                file.add_variable_attribute(id, *name, text(value)).unwrap();
            }
        };
        coordinate(
            &mut file,
            "y",
            1,
            &[4.0, 3.0, 2.0, 1.0],
            &[("standard_name", "projection_y_coordinate"), ("units", "km"), ("bounds", "y_bnds")],
        );
        coordinate(
            &mut file,
            "x",
            2,
            &[1.0, 2.0, 3.0, 4.0, 5.0],
            &[("standard_name", "projection_x_coordinate"), ("units", "km")],
        );
        let latitude = file.add_variable::<f32>("lat", &dimensions[1..]).unwrap();
        let latitudes: Vec<f32> = (0..20).map(|at| 50.0 + at as f32).collect();
        file.write_variable(latitude, &latitudes).unwrap();
        let crs = file.add_variable::<i32>("stereo", &[]).unwrap();
        file.write_variable(crs, &[0]).unwrap();
        file.add_variable_attribute(crs, "grid_mapping_name", text("polar_stereographic")).unwrap();
        file.add_variable_attribute(crs, "standard_parallel", NcAttrValue::Floats(vec![60.0])).unwrap();
        let rain = file.add_variable::<f32>("rain", &dimensions).unwrap();
        for (name, value) in [
            ("coordinates", "lat lon"),
            ("grid_mapping", "stereo: y x"),
            ("units", "mm/h"),
            ("standard_name", "rainfall_rate"),
            ("other", "left"),
        ] {
            file.add_variable_attribute(rain, name, text(value)).unwrap();
        }
        file.write_variable(rain, &[0.5f32; 60]).unwrap();
        let (_folder, path) = saved(&file);
        let config = FramesConfig { variable: "rain".into(), ..FramesConfig::default() };
        let found = source::open(&path, &config, &budget()).unwrap().description().unwrap();
        assert_eq!(found.name, "rain");
        assert_eq!(
            found.attributes.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(),
            ["units", "standard_name"]
        );
        assert_eq!(
            (text_of(&found.file, "institution"), text_of(&found.file, "history")),
            (Some("An institute"), Some("made"))
        );
        let Georeference { mapping, rows, columns, pixels } = found.georeference;
        let (rows, mapping) = (rows.unwrap(), mapping.unwrap());
        assert_eq!((rows.name.as_str(), &rows.values[..]), ("y", &[4.0, 3.0, 2.0, 1.0][..]));
        assert_eq!(
            rows.attributes,
            [Attribute::text("standard_name", "projection_y_coordinate"), Attribute::text("units", "km")]
        );
        assert_eq!(columns.unwrap().values.len(), 5);
        assert_eq!((mapping.name.as_str(), mapping.attributes.len()), ("stereo", 2));
        assert_eq!(mapping.attributes[1].value, AttributeValue::Singles(vec![60.0]));
        assert_eq!((pixels.len(), pixels[0].name.as_str(), pixels[0].values[19]), (1, "lat", 69.0));
    }
}
