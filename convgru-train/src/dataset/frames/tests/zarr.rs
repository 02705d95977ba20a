//! Frames in stores of Zarr.

use super::*;
use crate::dataset::gridded::tests::zarr::stored;
use crate::dataset::{Fingerprint, SourceKind};

/// The frames of one sequence, in numbers, NaN where a pixel is missing.
fn numbers(name: &str, config: &FramesConfig) -> (Vec<usize>, Vec<f64>) {
    let read = read_frames(stored(name), config, &crate::dataset::fixtures::budget());
    let read = read.unwrap_or_else(|error| panic!("{error}"));
    let meaning = config.meaning().transform;
    let number = |value: &f32| (100.0 * meaning.to_units(f64::from(*value))).round() / 100.0;
    (read.shape().to_vec(), read.as_slice().iter().map(number).collect())
}

#[test]
fn rain_is_found_by_its_name_and_by_its_standard_name() {
    for name in ["radar_v2.zarr", "radar_v3.zarr"] {
        let mut data = config(1, 1);
        frames_config(&mut data).range = [0.0, 100.0];
        let error = message(&data, &stored(name));
        for words in ["radar/quality [7, 2, 3] uint8", "radar/rain [7, 2, 3] int16", "data.frames.variable"] {
            assert!(error.contains(words), "{error}");
        }
        for variable in ["radar/rain", "rainfall_rate"] {
            frames_config(&mut data).variable = variable.into();
            // The frames after the gap, in the order of time.
            let (shape, read) = numbers(name, settings(&data));
            assert_eq!(shape, [4, 1, 2, 3]);
            for (step, frame) in read.chunks_exact(6).enumerate() {
                assert_eq!(frame[..5], [40.0 + 5.0 * step as f64; 5]);
                assert!(frame[5].is_nan());
            }
            let all = open_whole(&data, settings(&data), &stored(name)).unwrap();
            assert_eq!((all.len(), all.quantity().minutes_per_step, all.has_missing()), (5, Some(5.0), true));
            assert_eq!([all.label(0), all.label(2)], ["2020-02-29 23:00", "2020-02-29 23:40"]);
            frames_config(&mut data).shares = [0.6, 0.2, 0.2];
            assert_eq!(open_split(&data, &stored(name), Split::Train).unwrap().len(), 2);
        }
        frames_config(&mut data).variable = "air_temperature".into();
        let error = message(&data, &stored(name));
        assert!(error.contains("standard_name") && error.contains("air_temperature"), "{error}");
        assert_eq!(crate::dataset::detect(&stored(name)).unwrap(), SourceKind::Frames);
    }
}

#[test]
fn archives_are_read_and_nan_is_missing() {
    for name in ["floats_v2.zarr.zip", "floats_v3.zarr.zip"] {
        let mut data = config(1, 1);
        frames_config(&mut data).range = [0.0, 100.0];
        let (shape, read) = numbers(name, settings(&data));
        assert_eq!(shape, [4, 1, 2, 3]);
        for (at, number) in read.iter().enumerate() {
            // The first frame is 0 everywhere but where it is not: no rain is measured.
            if at == 16 { assert!(number.is_nan()) } else { assert_eq!(*number, at as f64, "{name}") }
        }
        assert_eq!(crate::dataset::detect(&stored(name)).unwrap(), SourceKind::Frames);
    }
}

#[test]
fn a_folder_of_stores_is_a_folder_of_sequences() {
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        std::fs::create_dir(folder.path().join(split)).unwrap();
        std::fs::copy(stored("floats_v2.zarr.zip"), folder.path().join(split).join("a.zarr.zip")).unwrap();
    }
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 100.0];
    frames_config(&mut data).shares = [0.5, 0.49, 0.01];
    assert_eq!(open_split(&data, folder.path(), Split::Test).unwrap().len(), 3);
    assert_eq!(open_split(&data, folder.path(), Split::Train).unwrap().len(), 1);
}

#[test]
fn other_chunks_and_other_metadata_are_other_data() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("a.zarr");
    let write = |name: &str, bytes: &[u8]| {
        let path = store.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let read = |name: &str| std::fs::read(stored("radar_v2.zarr/radar").join(name)).unwrap();
    for name in [".zgroup", "rain/.zarray", "rain/.zattrs", "rain/0.0.0"] {
        write(name, &read(name));
    }
    let of = || Fingerprint::of(&config(1, 1), Some(&store)).unwrap();
    let before = of();
    assert_eq!(before.count, 4);
    assert_eq!(before, of());
    for name in ["rain/0.0.0", "rain/.zattrs"] {
        let mut other = read(name);
        let last = other.len() - 1;
        other[last] ^= 1;
        write(name, &other);
        assert!(before.changes(&of())[0].contains(name), "{:?}", before.changes(&of()));
        write(name, &read(name));
    }
}

/// A store of rain every five minutes whose variable has attributes besides its axes.
fn rain(folder: &Path, attributes: &str) -> std::path::PathBuf {
    let store = folder.join("rain.zarr");
    let put = |name: &str, bytes: &[u8]| {
        let file = store.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    };
    let array = |shape: &str| {
        format!(
            r#"{{"zarr_format": 2, "shape": {shape}, "chunks": {shape}, "dtype": "<f8", "compressor": null, "fill_value": -1, "order": "C", "filters": null}}"#
        )
    };
    put(".zgroup", br#"{"zarr_format": 2}"#);
    put("RR/.zarray", array("[6, 4, 5]").as_bytes());
    put("RR/.zattrs", format!(r#"{{"_ARRAY_DIMENSIONS": ["time", "y", "x"], {attributes}}}"#).as_bytes());
    put("RR/0.0.0", &[0; 6 * 4 * 5 * 8]);
    put("time/.zarray", array("[6]").as_bytes());
    put("time/.zattrs", br#"{"_ARRAY_DIMENSIONS": ["time"], "units": "minutes since 2020-01-01"}"#);
    let times: Vec<u8> = (0..6).flat_map(|step| (5.0 * f64::from(step)).to_le_bytes()).collect();
    put("time/0", &times);
    store
}

#[test]
fn headers_of_rain_that_contradict_its_unit_are_refused_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = config(1, 1);
    frames_config(&mut data).rain = Some(crate::dataset::RainScale::default());
    let opened = |attributes: &str| open_whole(&data, settings(&data), &rain(folder.path(), attributes));
    let hourly = r#""units": "mm", "cell_methods": "time: sum (interval: 1 hour)""#;
    let error = opened(hourly).err().unwrap().to_string();
    assert!(error.contains("60 minutes") && error.contains("every 5 minutes"), "{error}");
    let flux = opened(r#""units": "mm/h", "standard_name": "rainfall_flux""#).unwrap();
    assert!(flux.warnings().iter().any(|told| told.contains("rainfall_flux")), "{:?}", flux.warnings());
    for sound in [
        r#""units": "mm", "cell_methods": "time: sum (interval: 1 minute)""#,
        r#""units": "mm/h", "standard_name": "rainfall_rate""#,
    ] {
        assert!(opened(sound).unwrap().warnings().is_empty(), "{sound}");
    }
}
