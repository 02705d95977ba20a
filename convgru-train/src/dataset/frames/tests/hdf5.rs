//! Frames in HDF5 and netCDF files.

use super::*;
use crate::dataset::SourceKind;
use crate::dataset::gridded::GriddedFile;
use crate::dataset::gridded::tests::{damage, written};

/// As [`config`], of arrays with axes that are named.
fn config_of(axes: &str, input: usize, output: usize) -> DataConfig {
    let mut data = config(input, output);
    frames_config(&mut data).axes = axes.parse().unwrap();
    data
}

#[test]
fn the_only_dataset_with_the_axes_of_frames_is_found() {
    for file in ["frames_old.h5", "frames_new.h5"] {
        let parts = [Split::Train, Split::Validation, Split::Test]
            .map(|split| open_split(&config_of("nthw", 2, 1), &written(file), split).unwrap());
        assert_eq!(parts.each_ref().map(|part| part.len()), [2, 1, 1]);
        assert!(!parts[0].has_missing());
        let last = batch(&parts[2], 0, &[0]).unwrap();
        assert_eq!(last.frames.shape(), [3, 1, 1, 5, 6]);
        let expected = (270..360).map(|i| (i % 251) as f32 / 255.0);
        assert!(last.frames.as_slice().iter().copied().eq(expected));
    }
    let mut named = config_of("nthw", 2, 1);
    frames_config(&mut named).variable = "/group/rain".into();
    assert_eq!(open_split(&named, &written("frames_old.h5"), Split::Train).unwrap().len(), 2);
    // Time before sequences, whose second window begins at frame 1.
    frames_config(&mut named).axes = "tnhw".parse().unwrap();
    let train = open_split(&named, &written("frames_old.h5"), Split::Train).unwrap();
    let frames = batch(&train, 0, &[1]).unwrap().frames;
    for step in 0..3 {
        assert_eq!(frames.slice(step)[0], ((step * 90 + 90) % 251) as f32 / 255.0);
    }
}

#[test]
fn a_virtual_dataset_is_refused_by_name() {
    let mut data = config(2, 1);
    frames_config(&mut data).variable = "rain".into();
    let error = open_split(&data, &written("virtual.h5"), Split::Train).map(|split| split.len()).unwrap_err();
    assert!(error.to_string().contains("has a virtual dataset at rain"), "{error}");
}

#[test]
fn of_several_datasets_one_must_be_named() {
    let error = message(&config(1, 1), &written("types_old.h5"));
    for words in
        ["f4_big [4, 2, 3] float32", "u1_little [4, 2, 3] uint8", "data.frames.variable", "one of 16"]
    {
        assert!(error.contains(words), "{error}");
    }
    let mut data = config(1, 1);
    frames_config(&mut data).variable = "rain".into();
    let error = message(&data, &written("frames_old.h5"));
    assert!(error.contains("group/rain [4, 3, 5, 6] uint8, mask") && error.contains("\"rain\""), "{error}");
    frames_config(&mut data).variable = "mask".into();
    let error = message(&data, &written("frames_old.h5"));
    assert!(error.contains("has 1 frame,") && error.contains("data.frames.axes"), "{error}");
    frames_config(&mut data).variable = "f4_big".into();
    let error = message(&data, &written("types_old.h5"));
    assert!(error.contains("[4, 2, 3]") && error.contains("\"hwt\""), "{error}");
    frames_config(&mut data).axes = "thw".parse().unwrap();
    frames_config(&mut data).range = [0.0, 24.0];
    frames_config(&mut data).shares = [0.5, 0.25, 0.25];
    data.output_frames = 1;
    let train = open_split(&data, &written("types_new.h5"), Split::Train).unwrap();
    let frames = batch(&train, 0, &[0]).unwrap().frames;
    assert_eq!(frames.as_slice()[..3], [0.0, 1.0, 2.0].map(|v| v / 24.0));
}

#[test]
fn scales_are_applied_and_fill_values_are_missing() {
    for name in ["packed.nc", "packed_cdf1.nc", "packed_cdf2.nc", "packed_cdf5.nc"] {
        let mut data = config_of("thw", 1, 1);
        let error = message(&data, &written(name));
        frames_config(&mut data).range = [10.0, 30.0];
        assert!(error.contains("the number 10 in frame 0") && error.contains("data.frames.range"), "{error}");
        let train = open_split(&data, &written(name), Split::Train).unwrap();
        assert!(train.has_missing());
        assert_eq!(train.quantity().transform.to_units(0.5), 20.0);
        let batch = batch(&train, 0, &[0]).unwrap();
        let valid = batch.valid.unwrap();
        for pixel in 0..24 {
            let missing = matches!(pixel, 1 | 11);
            assert_eq!(valid.as_slice()[pixel], f32::from(!missing));
            let number = 10.0 + 0.5 * (pixel % 41) as f64;
            let expected = if missing { 0.0 } else { (number - 10.0) / 20.0 };
            assert!((f64::from(batch.frames.as_slice()[pixel]) - expected).abs() < 1e-6, "{name} {pixel}");
        }
    }
}

#[test]
fn coordinates_tell_axes_and_the_order_of_frames() {
    for name in ["named_axes.nc", "named_axes_cdf1.nc"] {
        let mut data = config(1, 1);
        frames_config(&mut data).range = [0.0, 30.0];
        frames_config(&mut data).shares = [0.6, 0.2, 0.2];
        let frames = |data: &FramesConfig| {
            read_frames(written(name), data, &crate::dataset::fixtures::budget()).unwrap()
        };
        // All frames after the gap, in the order of time.
        let newest = frames(settings(&data));
        assert_eq!(newest.shape(), [3, 1, 2, 4]);
        let minutes: Vec<f32> = newest.as_slice().iter().map(|value| (value * 30.0).round()).collect();
        assert_eq!(minutes, [[20.0; 8], [25.0; 8], [30.0; 8]].concat());
        // The first four of six frames: three before the gap, which make two windows, and one after it.
        let train = open_split(&data, &written(name), Split::Train).unwrap();
        assert_eq!((train.len(), train.quantity().minutes_per_step), (2, Some(5.0)));
        assert_eq!([train.label(0), train.label(1)], ["2020-02-29 23:50", "2020-02-29 23:55"]);
        let all = open_whole(&data, settings(&data), &written(name)).unwrap();
        assert_eq!(all.len(), 4);
        // Axes that contradict the dimensions are refused, for a split, for all frames and for the newest.
        frames_config(&mut data).axes = "thw".parse().unwrap();
        let read = read_frames(written(name), settings(&data), &crate::dataset::fixtures::budget());
        let errors = [
            read.unwrap_err().to_string(),
            message(&data, &written(name)),
            open_whole(&data, settings(&data), &written(name)).map(drop).unwrap_err().to_string(),
        ];
        for error in errors {
            assert!(error.contains("\"thw\" contradicts") && error.contains("--axes auto"), "{error}");
        }
        // Two axes are not those of any dataset here, which is the axes' fault.
        frames_config(&mut data).axes = "hw".parse().unwrap();
        let error = message(&data, &written(name));
        assert!(error.contains("data.frames.axes = \"hw\"") && error.contains("--axes auto"), "{error}");
    }
}

#[test]
fn times_are_found_where_no_dimension_names_them() {
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 20.0];
    let frames =
        |name: &str| read_frames(written(name), settings(&data), &crate::dataset::fixtures::budget());
    let names = [
        "scales_elsewhere.h5",
        "text_times.h5",
        "time_characters.nc",
        "time_characters_cdf1.nc",
        "wrf_characters.nc",
        "wrf_characters_cdf1.nc",
        "auxiliary_time.nc",
        "scalar_time",
    ];
    for name in names {
        let read = frames(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.shape(), [5, 1, 2, 6], "{name}");
        let minutes: Vec<f32> = read.as_slice().iter().map(|value| (value * 20.0).round()).collect();
        assert_eq!(minutes, [[0.0; 12], [5.0; 12], [10.0; 12], [15.0; 12], [20.0; 12]].concat(), "{name}");
    }
    // Numbers without a unit that run downwards leave the order open.
    let error = frames("no_unit_of_time.nc").unwrap_err().to_string();
    assert!(error.contains("coordinate time") && error.contains("units"), "{error}");
}

#[test]
fn dimensions_of_netcdf_without_a_variable_have_no_coordinates() {
    for (name, with_coordinates) in [("packed.nc", &["time"][..]), ("unsigned.nc", &[])] {
        let file = GriddedFile::open(&written(name), &crate::dataset::fixtures::budget()).unwrap();
        let listed = file.datasets().unwrap();
        let (frames, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|own| own.shape.len() > 1);
        let others: Vec<&str> = others.iter().map(|own| own.path.as_str()).collect();
        assert_eq!(others, with_coordinates, "{name}");
        let variable = file.variable(&frames[0].path).unwrap();
        let dimensions: Vec<_> = variable.dimensions().iter().map(|own| own.as_ref().unwrap()).collect();
        assert_eq!(dimensions.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), ["time", "y", "x"]);
        for own in dimensions {
            assert_eq!(
                own.variable.is_some(),
                with_coordinates.contains(&own.name.as_str()),
                "{name}: {}",
                own.name
            );
        }
    }
}

/// A store of Zarr of version 2 with frames of the minutes 30, 25, ..., 10 and texts for their times.
#[cfg(feature = "zarr")]
fn store_with_texts(folder: &Path, dtype: &str, texts: &[&str; 5]) -> PathBuf {
    let path = folder.join("texts.zarr");
    let array = |name: &str, metadata: &str, attributes: &str, key: &str, bytes: &[u8]| {
        std::fs::create_dir_all(path.join(name)).unwrap();
        for (key, bytes) in
            [(".zarray", metadata.as_bytes()), (".zattrs", attributes.as_bytes()), (key, bytes)]
        {
            std::fs::write(path.join(name).join(key), bytes).unwrap();
        }
    };
    let metadata = |shape: &str, dtype: &str| {
        format!(
            r#"{{"zarr_format":2,"shape":{shape},"chunks":{shape},"dtype":"{dtype}","fill_value":null,"order":"C","filters":null,"compressor":null}}"#
        )
    };
    let numbers: Vec<u8> =
        (0..5).flat_map(|step| [30.0f32 - 5.0 * step as f32; 12]).flat_map(f32::to_le_bytes).collect();
    array(
        "rain",
        &metadata("[5,2,6]", "<f4"),
        r#"{"_ARRAY_DIMENSIONS":["time","y","x"]}"#,
        "0.0.0",
        &numbers,
    );
    let width: usize = dtype[2..].parse().unwrap();
    let characters = texts.iter().flat_map(|text| {
        let of_text = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
        of_text.flat_map(|own| if dtype.contains('U') { own.to_le_bytes().to_vec() } else { vec![own as u8] })
    });
    array(
        "time",
        &metadata("[5]", dtype),
        r#"{"_ARRAY_DIMENSIONS":["time"]}"#,
        "0",
        &characters.collect::<Vec<u8>>(),
    );
    std::fs::write(path.join(".zgroup"), r#"{"zarr_format":2}"#).unwrap();
    path
}

#[cfg(feature = "zarr")]
#[test]
fn texts_of_a_store_tell_the_order_of_frames() {
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 30.0];
    let read = |dtype: &str, texts: [&str; 5]| {
        let folder = tempfile::tempdir().unwrap();
        let path = store_with_texts(folder.path(), dtype, &texts);
        let read = read_frames(path, settings(&data), &crate::dataset::fixtures::budget());
        read.map(|frames| {
            frames.as_slice().iter().step_by(12).map(|value| value * 30.0).collect::<Vec<f32>>()
        })
    };
    let dates =
        ["2020-01-01T00:20", "2020-01-01T00:15", "2020-01-01T00:10", "2020-01-01T00:05", "2020-01-01T00:00"];
    for dtype in ["<U16", "<U19", "|S16"] {
        let minutes: Vec<f32> = read(dtype, dates).unwrap().into_iter().map(f32::round).collect();
        assert_eq!(minutes, [10.0, 15.0, 20.0, 25.0, 30.0], "{dtype}");
    }
    // Texts of any length: their number in a chunk, and each behind its length; with zarr's codec in version 2 and in version 3.
    let of_any_length = |texts: &[&str], is_version_3: bool| {
        let folder = tempfile::tempdir().unwrap();
        let path = store_with_texts(folder.path(), "<U16", &dates);
        let mut times = (texts.len() as u32).to_le_bytes().to_vec();
        for text in texts {
            times.extend_from_slice(&(text.len() as u32).to_le_bytes());
            times.extend_from_slice(text.as_bytes());
        }
        let time = path.join("time");
        std::fs::write(time.join("0"), &times).unwrap();
        let metadata = r#"{"zarr_format":2,"shape":[5],"chunks":[5],"dtype":"|O","fill_value":"","order":"C","filters":[{"id":"vlen-utf8"}],"compressor":null}"#;
        std::fs::write(time.join(".zarray"), metadata).unwrap();
        if is_version_3 {
            let array = |name: &str, shape: &str, kind: &str, codec: &str, dimensions: &str| {
                let text = format!(
                    r#"{{"zarr_format":3,"node_type":"array","shape":{shape},"data_type":"{kind}","chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":{shape}}}}},"chunk_key_encoding":{{"name":"v2","configuration":{{"separator":"."}}}},"fill_value":{},"codecs":[{{"name":"{codec}"}}],"attributes":{{}},"dimension_names":{dimensions}}}"#,
                    if kind == "string" { "\"\"" } else { "0.0" }
                );
                std::fs::write(path.join(name).join("zarr.json"), text).unwrap();
            };
            array("rain", "[5,2,6]", "float32", "bytes", r#"["time","y","x"]"#);
            array("time", "[5]", "string", "vlen-utf8", r#"["time"]"#);
            std::fs::write(
                path.join("zarr.json"),
                r#"{"zarr_format":3,"node_type":"group","attributes":{}}"#,
            )
            .unwrap();
        }
        let read = read_frames(path, settings(&data), &crate::dataset::fixtures::budget());
        read.map(|frames| {
            frames.as_slice().iter().step_by(12).map(|value| (value * 30.0).round()).collect::<Vec<f32>>()
        })
    };
    for is_version_3 in [false, true] {
        assert_eq!(
            of_any_length(&dates, is_version_3).unwrap(),
            [10.0, 15.0, 20.0, 25.0, 30.0],
            "{is_version_3}"
        );
        // A chunk with too few texts, or with one that is too long, tells no times.
        let long = "9".repeat(200);
        for texts in [&dates[..4], &[&dates[..4], &[&long[..]]].concat()] {
            let error = of_any_length(texts, is_version_3).unwrap_err().to_string();
            assert!(error.contains("coordinate time holds neither numbers nor short texts"), "{error}");
        }
    }
    // Texts that are no dates leave the order open, unless they run upwards.
    assert!(read("<U3", ["t1", "t2", "t3", "t9", "t10"]).is_ok());
    let error = read("<U3", ["t5", "t4", "t3", "t2", "t1"]).unwrap_err().to_string();
    assert!(error.contains("coordinate time has texts that are no dates"), "{error}");
    // So do texts that are too long, and those of another type.
    for dtype in ["<U99", "|V16"] {
        let error = read(dtype, dates).unwrap_err().to_string();
        assert!(error.contains("coordinate time holds neither numbers nor short texts"), "{error}");
    }
}

#[test]
fn files_of_other_distances_in_time_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let minutes = std::fs::read(written("auxiliary_time.nc")).unwrap();
    let at = minutes.windows(7).position(|text| text == b"Minutes").unwrap();
    let mut hours = minutes.clone();
    hours[at..at + 7].copy_from_slice(b"Hours  ");
    for (name, bytes) in [("a.nc", &minutes), ("b.nc", &hours), ("c.nc", &minutes), ("d.nc", &minutes)] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 20.0];
    let error = message(&data, folder.path());
    assert!(error.contains("every 5 minutes") && error.contains("b.nc every 300"), "{error}");
    // A distance that is set is no other meaning of the times.
    frames_config(&mut data).minutes_per_step = 5.0;
    let error = message(&data, folder.path());
    assert!(error.contains("b.nc") && error.contains("every 300 minutes by its times"), "{error}");
    std::fs::write(folder.path().join("b.nc"), &minutes).unwrap();
    assert_eq!(
        open_split(&data, folder.path(), Split::Train).unwrap().quantity().minutes_per_step,
        Some(5.0)
    );
}

/// A copy of `scalar_time` with the bytes that `change` makes of the name and the bytes of each file.
fn changed_frames(change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["jan", "feb", "mar", "apr", "may"] {
        let bytes = std::fs::read(written("scalar_time").join(format!("{name}.nc"))).unwrap();
        std::fs::write(folder.path().join(format!("{name}.nc")), change(name, bytes)).unwrap();
    }
    folder
}

/// Bytes with a text in place of another of its length.
fn replaced(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty() && from.len() == to.len());
    places.iter().for_each(|&at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    bytes
}

#[test]
fn files_of_a_sequence_that_hold_other_things_are_refused() {
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 20.0];
    let read = |folder: &tempfile::TempDir, config: &FramesConfig| {
        let read = read_frames(folder.path(), config, &crate::dataset::fixtures::budget());
        read.map_err(|error| error.to_string())
    };
    // The quantity has another name in one file, but the unit that is set is theirs.
    let temperature = changed_frames(|name, bytes| match name {
        "mar" => replaced(bytes, "rain", "temp"),
        _ => bytes,
    });
    let error = read(&temperature, settings(&data)).unwrap_err();
    assert!(error.contains("mar.nc") && error.contains("dataset temp"), "{error}");
    let set = FramesConfig { unit: "mm".into(), ..settings(&data).clone() };
    assert_eq!(read(&temperature, &set).unwrap().shape(), [5, 1, 2, 6]);
    // Times of names such as rain2020 are no other quantity.
    let timed = changed_frames(|name, bytes| match name {
        "mar" => replaced(bytes, "rain", "rai7"),
        _ => replaced(bytes, "rain", "rai8"),
    });
    assert_eq!(read(&timed, settings(&data)).unwrap().shape(), [5, 1, 2, 6]);
    // One without a time among others that are not in the order of their names.
    let untimed = changed_frames(|name, bytes| match name {
        "mar" => replaced(bytes, "minutes since", "metres from  "),
        _ => bytes,
    });
    let error = read(&untimed, settings(&data)).unwrap_err();
    assert!(error.contains("mar.nc") && error.contains("tells no time that compares"), "{error}");
}

#[test]
fn a_file_without_a_time_leaves_the_times_of_the_others() {
    use crate::dataset::OnCorrupt;
    let untimed = changed_frames(|name, bytes| match name {
        "mar" => replaced(bytes, "minutes since", "metres from  "),
        _ => bytes,
    });
    // The names are in the order of time.
    for (from, to) in [("jan", "1"), ("feb", "2"), ("mar", "3"), ("apr", "4"), ("may", "5")] {
        let [from, to] = [from, to].map(|name| untimed.path().join(format!("{name}.nc")));
        std::fs::rename(from, to).unwrap();
    }
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 20.0];
    let newest = |data: &DataConfig| {
        let budget = crate::dataset::fixtures::budget();
        crate::dataset::frames::newest(untimed.path(), (settings(data), data), usize::MAX, &budget)
    };
    let error = newest(&data).err().expect("refused").to_string();
    assert!(error.contains("3.nc") && error.contains("tells no time that compares"), "{error}");
    data.on_corrupt = OnCorrupt::Skip;
    let read = newest(&data).unwrap();
    let told = read.warnings.concat();
    assert!(told.contains("3.nc") && told.contains("2 frames before its last gap"), "{told}");
    assert_eq!(read.frames.shape()[0], 2);
}

#[test]
fn files_of_several_units_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, unit) in [("a.nc", "mm/h"), ("b.nc", "mm/h"), ("c.nc", "dBZ."), ("d.nc", "mm/h")] {
        let bytes = std::fs::read(written("units.nc")).unwrap();
        std::fs::write(folder.path().join(name), replaced(bytes, "mm/h", unit)).unwrap();
    }
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 20.0];
    frames_config(&mut data).shares = [0.8, 0.1, 0.1];
    let mut whole = data.clone();
    let error = open_whole(&data, settings(&data), folder.path()).err().expect("refused").to_string();
    assert!(error.contains("c.nc") && error.contains("dBZ") && error.contains("data.frames.unit"), "{error}");
    frames_config(&mut whole).unit = "mm/h".into();
    assert!(open_whole(&whole, settings(&whole), folder.path()).is_ok());
}

#[test]
fn a_frame_of_another_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let north = std::fs::read(written("upside_down").join("north.nc")).unwrap();
    let moved = |[first, last]: [f32; 2]| {
        let bytes = |pair: [f32; 2]| pair.map(f32::to_be_bytes).concat();
        let at = north.windows(8).position(|own| own == bytes([50.0, 49.0])).unwrap();
        let mut own = north.clone();
        own[at..at + 8].copy_from_slice(&bytes([first, last]));
        own
    };
    let read = |latitudes| {
        std::fs::write(folder.path().join("a.nc"), &north).unwrap();
        std::fs::write(folder.path().join("b.nc"), moved(latitudes)).unwrap();
        read_frames(folder.path(), &FramesConfig::default(), &crate::dataset::fixtures::budget())
            .map_err(|error| error.to_string())
    };
    // Rounded numbers are the same place.
    assert_eq!(read([50.001, 49.001]).unwrap().shape(), [2, 1, 2, 6]);
    for latitudes in [[70.0, 69.0], [50.0, 48.0], [50.5, 49.5]] {
        let error = read(latitudes).unwrap_err();
        let numbers = format!("from {} to {}", latitudes[0], latitudes[1]);
        for words in ["b.nc", "a.nc", "lat", "from 50 to 49", &numbers] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}

#[test]
fn a_frame_that_lies_the_other_way_round_is_refused() {
    let read =
        read_frames(written("upside_down"), &FramesConfig::default(), &crate::dataset::fixtures::budget());
    let error = read.unwrap_err().to_string();
    assert!(error.contains("south.nc") && error.contains("downwards on no axis"), "{error}");
}

#[test]
fn frames_of_files_with_and_without_a_scale_are_no_sequence() {
    let mut data = config(1, 1);
    let read = |data: &DataConfig| {
        read_frames(written("scaled_or_not"), settings(data), &crate::dataset::fixtures::budget())
    };
    let error = read(&data).unwrap_err().to_string();
    assert!(error.contains("whole.nc") && error.contains("data.frames.range"), "{error}");
    frames_config(&mut data).range = [0.0, 255.0];
    assert_eq!(read(&data).unwrap().shape(), [2, 1, 2, 3]);
}

#[test]
fn bytes_without_a_sign_may_be_stored_with_one() {
    for name in ["unsigned.nc", "unsigned_cdf1.nc"] {
        let mut data = config(1, 1);
        frames_config(&mut data).shares = [0.5, 0.25, 0.25];
        let train = open_split(&data, &written(name), Split::Train).unwrap();
        let batch = batch(&train, 0, &[0]).unwrap();
        let expected = [0.0, 1.0, 127.0, 128.0, 254.0, 0.0, 5.0, 5.0].map(|v| v / 255.0);
        assert_eq!(batch.frames.as_slice(), expected, "{name}");
        assert_eq!(batch.valid.unwrap().as_slice(), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0], "{name}");
    }
}

#[test]
fn classic_netcdf_holds_frames_as_hdf5_does() {
    let mut data = config(1, 1);
    let error = message(&data, &written("types_cdf5.nc"));
    assert!(error.contains("f4 [4, 2, 3] float32") && error.contains("one of 10"), "{error}");
    frames_config(&mut data).variable = "f4".into();
    frames_config(&mut data).axes = "thw".parse().unwrap();
    frames_config(&mut data).range = [0.0, 24.0];
    frames_config(&mut data).shares = [0.5, 0.25, 0.25];
    let train = open_split(&data, &written("types_cdf5.nc"), Split::Train).unwrap();
    let frames = batch(&train, 0, &[0]).unwrap().frames;
    assert!(frames.as_slice().iter().copied().eq((0..12).map(|v| v as f32 / 24.0)));
    // By what lies in it, not by its name; no radar's image.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.h5");
    std::fs::copy(written("one_record.nc"), &path).unwrap();
    assert_eq!(crate::dataset::detect(folder.path()).unwrap(), SourceKind::Frames);
    frames_config(&mut data).variable.clear();
    frames_config(&mut data).range = [0.0, 120.0];
    let test = open_split(&data, folder.path(), Split::Test).unwrap();
    let frames = batch(&test, 0, &[0]).unwrap().frames;
    assert!(frames.as_slice().iter().copied().eq((90..120).map(|v| v as f32 / 120.0)));
    // A file that is cut is damage like any other.
    let whole = std::fs::read(written("one_record.nc")).unwrap();
    std::fs::write(folder.path().join("cut.nc"), &whole[..whole.len() - 1]).unwrap();
    assert!(message(&data, folder.path()).contains("cut.nc"));
    data.on_corrupt = OnCorrupt::Skip;
    let train = open_split(&data, folder.path(), Split::Train).unwrap();
    let [warning] = train.warnings() else { panic!("{:?}", train.warnings()) };
    assert!(warning.contains("cut.nc"), "{warning}");
}

#[test]
fn damaged_files_are_refused_or_left_out() {
    let mut data = DataConfig { memory_mib: 1, ..config(1, 1) };
    frames_config(&mut data).range = [-1e9, 1e9];
    for (name, step) in [
        ("frames_old.h5", 37),
        ("frames_new.h5", 37),
        ("packed.nc", 37),
        ("unsigned.nc", 37),
        ("packed_cdf1.nc", 9),
        ("packed_cdf5.nc", 9),
    ] {
        damage(name, step, |path| {
            let _ = open_split(&data, path, Split::Train);
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(written("frames_new.h5")).unwrap();
    std::fs::write(folder.path().join("cut.h5"), &whole[..whole.len() / 2]).unwrap();
    let error = message(&config(1, 1), folder.path());
    assert!(error.contains("cut.h5"), "{error}");
}

#[test]
fn a_file_with_a_damaged_header_ends_it_or_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(written("frames_new.h5")).unwrap();
    let mut changed = whole.clone();
    changed[8..64].fill(0xff);
    std::fs::write(folder.path().join("header.h5"), &changed).unwrap();
    let stop = config_of("nthw", 1, 1);
    let skip = DataConfig { on_corrupt: OnCorrupt::Skip, ..stop.clone() };
    // Nothing but damage is an error all the same.
    for data in [&stop, &skip] {
        let error = message(data, folder.path());
        assert!(error.contains("header.h5") && error.contains("h5repack"), "{error}");
    }
    std::fs::write(folder.path().join("whole.h5"), &whole).unwrap();
    assert!(message(&stop, folder.path()).contains("header.h5"));
    let alone = open_split(&skip, &written("frames_new.h5"), Split::Train).unwrap();
    let train = open_split(&skip, folder.path(), Split::Train).unwrap();
    assert_eq!((train.len(), train.label(0)), (alone.len(), "whole 0, frame 0".into()));
    let [warning] = train.warnings() else { panic!("{:?}", train.warnings()) };
    assert!(warning.contains("header.h5") && warning.contains("train split"), "{warning}");
}
