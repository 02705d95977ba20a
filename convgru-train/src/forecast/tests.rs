//! Forecasts in memory and in files.

use super::*;
use crate::dataset::{Coordinate, Georeference, GridMapping, Reflectivity, Transform};

fn rain() -> Quantity {
    let transform = Transform::Reflectivity(Reflectivity { low: 0.0, high: 60.0, a: 223.0, b: 1.53 });
    Quantity { name: "rain rate".into(), unit: "mm/h".into(), minutes_per_step: Some(5.0), transform }
}

/// Values 0 to 1 of frames.
fn predicted(shape: &[usize; 4]) -> Tensor<f32> {
    Tensor::from_fn(shape, |at| ((at * 37) % 101) as f32 / 101.0)
}

fn coordinate(name: &str, standard_name: &str, count: usize) -> Coordinate {
    let attributes = vec![Attribute::text("standard_name", standard_name), Attribute::text("units", "m")];
    Coordinate { name: name.into(), attributes, values: (0..count).map(|at| 1000.0 * at as f64).collect() }
}

fn about() -> About {
    let mapping = GridMapping {
        name: "crs".into(),
        attributes: vec![
            Attribute::text("grid_mapping_name", "polar_stereographic"),
            Attribute::numbers("standard_parallel", &[60.0]),
        ],
    };
    let georeference = Georeference {
        mapping: Some(mapping),
        rows: Some(coordinate("y", "projection_y_coordinate", 6)),
        columns: Some(coordinate("x", "projection_x_coordinate", 7)),
        pixels: Vec::new(),
    };
    About {
        quantity: rain(),
        description: Description::of_rain_rates(georeference),
        axes: Axes::default(),
        times: ForecastTimes { reference: Some(1_475_073_900.0), minutes_per_step: Some(5.0) },
        provenance: Provenance {
            title: "t".into(),
            source: "s".into(),
            history: "h".into(),
            model_hash: "00".into(),
        },
        is_mean: false,
    }
}

/// A forecast of two members and three lead times.
pub(super) fn of_two_members() -> Forecast {
    Forecast::new(&predicted(&[3, 2, 6, 7]), 2, None, about()).unwrap()
}

fn names<'a>(dataset: &'a CfDataset<'_>) -> Vec<(&'a str, String)> {
    dataset.variables.iter().map(|own| (own.name.as_str(), own.dimensions.join(" "))).collect()
}

#[test]
fn variables_have_the_dimensions_of_cf() {
    let one = Forecast::new(&predicted(&[3, 1, 6, 7]), 1, None, about()).unwrap();
    let dataset = one.dataset().unwrap();
    assert_eq!(
        names(&dataset),
        [
            ("rainfall_rate", "time y x".into()),
            ("forecast_reference_time", String::new()),
            ("time", "time".into()),
            ("lead_time", "time".into()),
            ("y", "y".into()),
            ("x", "x".into()),
            ("crs", String::new()),
        ]
    );
    let own = &dataset.variables[0].attributes;
    for (name, text) in [
        ("units", "mm/h"),
        ("standard_name", "rainfall_rate"),
        ("grid_mapping", "crs"),
        ("coordinates", "forecast_reference_time lead_time"),
    ] {
        assert_eq!(crate::dataset::text_of(own, name), Some(text));
    }
    assert_eq!(
        dataset.variables[2].values,
        CfValues::Doubles(vec![1_475_074_200.0, 1_475_074_500.0, 1_475_074_800.0].into())
    );
    assert_eq!(one.times.reference_text().unwrap(), "2016-09-28T14:45:00Z");
    assert_eq!(one.times.reference_name().unwrap(), "20160928T144500Z");

    // Members, several channels, and no dates.
    let unknown = About {
        times: ForecastTimes { reference: None, minutes_per_step: None },
        description: Description::of_rain_rates(Georeference::default()),
        ..about()
    };
    let several = Forecast::new(&predicted(&[2, 6, 6, 7]), 2, None, unknown).unwrap();
    assert_eq!(several.shape(), [2, 2, 3, 6, 7]);
    let dataset = several.dataset().unwrap();
    assert_eq!(
        names(&dataset),
        [
            ("rainfall_rate", "realization lead_time channel y x".into()),
            ("lead_time", "lead_time".into()),
            ("realization", "realization".into()),
        ]
    );
    assert_eq!(crate::dataset::text_of(&dataset.variables[1].attributes, "units"), Some("1"));
    assert_eq!(crate::dataset::text_of(&dataset.variables[1].attributes, "standard_name"), None);
}

#[test]
fn members_and_missing_pixels_find_their_places() {
    let frames = predicted(&[2, 2, 2, 3]);
    let valid = [1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
    let forecast = Forecast::new(&frames, 2, Some(&valid), about()).unwrap();
    let transform = rain().transform;
    for member in 0..2 {
        for step in 0..2 {
            for pixel in 0..6 {
                let value = forecast.values.as_slice()[(member * 2 + step) * 6 + pixel];
                let expected =
                    transform.to_units(f64::from(frames.as_slice()[(step * 2 + member) * 6 + pixel])) as f32;
                assert!(if pixel == 1 { value.is_nan() } else { value == expected });
            }
        }
    }
    let refused = |result: Result<Forecast>| result.unwrap_err().to_string();
    assert!(refused(Forecast::new(&frames, 3, None, about())).contains("2 channels"));
    assert!(refused(Forecast::new(&frames, 1, Some(&valid), about())).contains("6 pixels"));
}

#[test]
fn the_variable_is_called_as_in_the_input() {
    let named = |name: &str, attributes: &[(&str, &str)], unit: &str| {
        let attributes = attributes.iter().map(|(name, text)| Attribute::text(name, *text)).collect();
        let quantity = Quantity { unit: unit.into(), ..Quantity::intensity() };
        let description = Description { name: name.into(), attributes, ..Description::default() };
        Forecast::new(&predicted(&[1, 1, 2, 2]), 1, None, About { quantity, description, ..about() }).unwrap()
    };
    let told = named(
        "zr",
        &[("standard_name", "equivalent_reflectivity_factor"), ("units", "dBZ"), ("long_name", "echo")],
        "",
    );
    assert_eq!((told.name().as_str(), told.unit()), ("zr", "dBZ"));
    assert_eq!(told.names().len(), 3);
    // A standard name says which units a number may have: another unit has none.
    let other = named("zr", &[("standard_name", "equivalent_reflectivity_factor"), ("units", "dBZ")], "K");
    let of = |long_name, unit| vec![Attribute::text("long_name", long_name), Attribute::text("units", unit)];
    assert_eq!((other.unit(), other.names()), ("K", of("zr", "K")));
    assert_eq!((named("", &[], "").name().as_str(), named("", &[], "").unit()), ("intensity", "1"));
    // Nothing is said that the input does not say: mm/h may be of snow.
    let snow = named("snow", &[("units", "mm/h")], "mm/h");
    assert_eq!((snow.name().as_str(), snow.names()), ("snow", of("snow", "mm/h")));
    assert_eq!(named("", &[], "mm/h").names(), of("intensity", "mm/h"));
    let temperature = named("t", &[("standard_name", "air_temperature"), ("units", "K")], "mm/h");
    assert_eq!(temperature.names(), of("t", "mm/h"));
    for (name, called) in [("2 t/x", "data_2_t_x"), ("time", "time_forecast"), ("ä", "data__")] {
        assert_eq!(named(name, &[], "").name(), called);
    }
}

#[test]
fn nothing_is_written_where_something_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = about();
    wrong.description.georeference.rows = Some(coordinate("y", "projection_y_coordinate", 5));
    let wrong = Forecast::new(&predicted(&[1, 1, 6, 7]), 1, None, wrong).unwrap();
    let error = wrong.write(&folder.path().join("a.nc")).unwrap_err().to_string();
    if cfg!(feature = "hdf5") {
        assert!(error.contains("y has 5 numbers where 6"), "{error}");
    }
    let error = wrong.write(&folder.path().join("a.tif")).unwrap_err().to_string();
    assert!(error.contains(".tif") && error.contains(".nc"), "{error}");
    let two = Forecast::new(&predicted(&[1, 2, 6, 7]), 2, None, about()).unwrap();
    let error = two.write(&folder.path().join("a.gif")).unwrap_err().to_string();
    assert!(error.contains("mean"), "{error}");
    let mut twice = about();
    twice.description.georeference.pixels = vec![coordinate("time", "latitude", 42)];
    let twice = Forecast::new(&predicted(&[1, 1, 6, 7]), 1, None, twice).unwrap();
    assert!(twice.dataset().unwrap_err().to_string().contains("two variables would be called time"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn arrays_have_the_unit_and_pictures_none() {
    let folder = tempfile::tempdir().unwrap();
    let valid: Vec<f32> = (0..42).map(|at| if at == 3 { 0.0 } else { 1.0 }).collect();
    let frames = predicted(&[2, 1, 6, 7]);
    let forecast = Forecast::new(&frames, 1, Some(&valid), about()).unwrap();
    let path = folder.path().join("a.npy");
    forecast.write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let array = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(array.shape(), [2, 6, 7]);
    let numbers: Vec<f32> = array.into_vec().unwrap();
    assert!(numbers.iter().zip(forecast.values.as_slice()).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert!(numbers[3].is_nan() && numbers[45].is_nan());
    forecast.write(&folder.path().join("frames")).unwrap();
    let config = crate::dataset::FramesConfig { channels: 1, ..Default::default() };
    let shown =
        crate::dataset::read_frames(folder.path().join("frames"), &config, &crate::ReadBudget::new(64, "m"))
            .unwrap();
    for (at, (shade, value)) in shown.as_slice().iter().zip(frames.as_slice()).enumerate() {
        let expected = if at % 42 == 3 { 0.0 } else { *value };
        assert!((shade - expected).abs() <= 0.5 / 255.0 + 1e-6, "{at}");
    }
}

#[test]
fn the_history_of_the_input_follows_and_ends_at_a_line() {
    let before = format!("{}\nlast", "a line\n".repeat(4000));
    let of_input = [Attribute::text("history", before), Attribute::text("institution", "i")];
    let attributes = about().provenance.attributes(&of_input);
    let history = crate::dataset::text_of(&attributes, "history").unwrap();
    assert!(history.starts_with("h\na line\n") && history.ends_with("a line") && history.len() < 17_000);
    assert_eq!(crate::dataset::text_of(&attributes, "model_blake3"), Some("00"));
    assert_eq!(crate::dataset::text_of(&attributes, "institution"), Some("i"));
}

#[cfg(feature = "hdf5")]
#[test]
fn a_written_file_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nc");
    // Large enough to be compressed, with missing pixels.
    let mut about = about();
    about.provenance.source = "convgru 0.1.0".into();
    about.description.georeference.rows = Some(coordinate("y", "projection_y_coordinate", 40));
    about.description.georeference.columns = Some(coordinate("x", "projection_x_coordinate", 50));
    let valid: Vec<f32> = (0..2000).map(|at| if at % 50 < 4 { 0.0 } else { 1.0 }).collect();
    let forecast = Forecast::new(&predicted(&[3, 1, 40, 50]), 1, Some(&valid), about.clone()).unwrap();
    forecast.write(&path).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 3 * 2000 * 4, "it is compressed");
    let config = crate::dataset::FramesConfig { range: [0.0, 1000.0], ..Default::default() };
    let read = crate::dataset::read_frames(&path, &config, &crate::ReadBudget::new(64, "m")).unwrap();
    assert_eq!(read.shape(), [3, 1, 40, 50]);
    for (value, number) in read.as_slice().iter().zip(forecast.values.as_slice()) {
        let expected = (f64::from(*number) / 1000.0) as f32;
        assert!(value.to_bits() == expected.to_bits() || value.is_nan() && number.is_nan());
    }
    // An ensemble is a sequence for each member.
    let members = Forecast::new(&predicted(&[3, 2, 40, 50]), 2, Some(&valid), about).unwrap();
    members.write(&path).unwrap();
    let error = crate::dataset::read_frames(&path, &config, &crate::ReadBudget::new(64, "m")).unwrap_err();
    assert!(error.to_string().contains("2 sequences of 3 frames"), "{error}");
}
