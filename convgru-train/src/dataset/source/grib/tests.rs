//! Files that ecCodes wrote, whole and damaged.

use super::*;
use crate::dataset::fixtures::budget;
use crate::dataset::read_frames;
use crate::dataset::source;

/// A file or folder of those that `make.py` wrote.
fn written(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/grib").join(name)
}

fn config() -> FramesConfig {
    FramesConfig { range: [0.0, 100.0], ..FramesConfig::default() }
}

/// The numbers 0, 0.5, 1, ..., 49 from a step on, as `make.py` has them.
fn counted(step: usize) -> Vec<f64> {
    (0..99).map(|at| ((at + 7 * step) % 99) as f64 / 2.0).collect()
}

/// The frames of a file, in numbers rounded to a hundredth.
fn numbers(path: &Path, config: &FramesConfig) -> Vec<Vec<f64>> {
    let read = read_frames(path, config, &budget()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.shape()[1..], [1, 9, 11]);
    let number = |value: &f32| (1e4 * f64::from(*value)).round() / 100.0;
    read.as_slice().chunks_exact(99).map(|frame| frame.iter().map(number).collect()).collect()
}

fn message(path: &Path, config: &FramesConfig) -> String {
    read_frames(path, config, &budget()).unwrap_err().to_string()
}

#[test]
fn every_packing_gives_the_numbers_that_were_written() {
    let complex = "complex_spatial_differencing";
    let names = [
        "simple".into(),
        "complex".into(),
        format!("{complex}_1"),
        format!("{complex}_2"),
        "png".into(),
        "ieee".into(),
    ];
    for name in names {
        assert_eq!(numbers(&written(&format!("{name}.grib2")), &config()), [counted(0)], "{name}");
        let read = numbers(&written(&format!("{name}_missing.grib2")), &config());
        for (at, (read, written)) in read[0].iter().zip(counted(0)).enumerate() {
            if at % 10 == 3 {
                assert!(read.is_nan(), "{name} {at}")
            } else {
                assert_eq!(*read, written, "{name} {at}")
            }
        }
    }
    assert_eq!(numbers(&written("constant.grib2"), &config()), [[2.5; 99]]);
}

#[test]
fn other_packings_are_named() {
    for (name, words) in [("ccsds", "5.42 (CCSDS)"), ("jpeg", "5.40 (JPEG 2000)")] {
        let error = message(&written(&format!("{name}.grib2")), &config());
        assert!(error.contains(words) && error.contains("grib_set") && error.contains("REFD"), "{error}");
    }
}

#[test]
fn messages_of_a_field_are_frames_in_the_order_of_time() {
    for name in ["several.grib2", "several.grib2.gz"] {
        let path = written(name);
        let error = message(&path, &config());
        for words in ["TMP@103:2 (0.0.0, K)", "REFD@1 (0.16.4, dBZ)", "data.frames.variable"] {
            assert!(error.contains(words), "{error}");
        }
        for variable in ["REFD", "refd@1", "0.16.4", "equivalent_reflectivity_factor"] {
            let config = FramesConfig { variable: variable.into(), ..config() };
            assert_eq!(numbers(&path, &config), [counted(0), counted(1), counted(2)]);
            let source = source::open(&path, &config, &budget()).unwrap();
            let times = source.step_times().unwrap().unwrap();
            // 2020-02-29 23:50, and the frame 5 minutes later comes first.
            assert_eq!(times.seconds, [300.0, 0.0, 600.0].map(|own| 1_583_020_200.0 + own));
            assert_eq!(source.is_seekable(), name == "several.grib2");
        }
        let error = message(&path, &FramesConfig { variable: "UGRD".into(), ..config() });
        assert!(error.contains("\"UGRD\"") && error.contains("TMP@103:2"), "{error}");
    }
    let config = FramesConfig { variable: String::new(), ..config() };
    assert_eq!(numbers(&written("forecast.grib2"), &config), [counted(1), counted(2), counted(3)]);
    let source = source::open(&written("forecast.grib2"), &config, &budget()).unwrap();
    assert_eq!(source.step_times().unwrap().unwrap().seconds[0], 1_583_020_500.0);
}

#[test]
fn files_of_one_message_are_frames_of_a_sequence() {
    // The names are in another order than the times. The field of MRMS has no name here.
    assert_eq!(numbers(&written("folder"), &config()), [counted(0), counted(1), counted(2)]);
    let by_numbers = FramesConfig { variable: "209.10.0".into(), ..config() };
    assert_eq!(numbers(&written("folder"), &by_numbers).len(), 3);
    // One that lies upside down is none of them.
    let folder = tempfile::tempdir().unwrap();
    for name in ["simple.grib2", "up.grib2"] {
        std::fs::copy(written(name), folder.path().join(name)).unwrap();
    }
    let error = message(folder.path(), &config());
    assert!(error.contains("two frames of one time") || error.contains("downwards"), "{error}");
}

#[test]
fn what_a_field_is_and_where_it_lies_is_told() {
    let source = source::open(&written("simple.grib2"), &config(), &budget()).unwrap();
    let content = source.content().unwrap().unwrap();
    assert_eq!((content.unit.as_str(), content.downwards), ("dBZ", vec!["y".to_owned()]));
    let description = source.description().unwrap();
    assert_eq!(description.name, "REFD");
    let near = |coordinate: &Option<crate::dataset::Coordinate>, values: [f64; 2]| {
        let own = &coordinate.as_ref().unwrap().values;
        assert!(
            (own[0] - values[0]).abs() < 1e-9 && (own[own.len() - 1] - values[1]).abs() < 1e-9,
            "{own:?}"
        );
    };
    near(&description.georeference.rows, [60.0, 59.2]);
    near(&description.georeference.columns, [20.0, 21.0]);
    let up = source::open(&written("up.grib2"), &config(), &budget()).unwrap();
    assert!(up.content().unwrap().unwrap().downwards.is_empty());
    near(&up.description().unwrap().georeference.rows, [59.2, 60.0]);
}

#[test]
fn sentinels_are_missing_where_they_are_told() {
    // 0 is no measurement here, as -3 and -999 are none in MRMS.
    let config = FramesConfig { range: [0.5, 100.0], missing: vec![0.0], ..config() };
    let read = read_frames(written("simple.grib2"), &config, &budget()).unwrap();
    assert!(read.as_slice()[0].is_nan() && read.as_slice()[1] == 0.0);
    let error = message(&written("simple.grib2"), &FramesConfig { missing: Vec::new(), ..config });
    assert!(error.contains("data.frames.missing"), "{error}");
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(written("simple.grib2")).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut changed = whole.clone();
        changed[at] = byte;
        changed
    };
    for (bytes, words) in [
        (Vec::new(), "holds no message"),
        (vec![7; 9000], "no message of GRIB in 4096 bytes"),
        (changed(7, 1), "edition 1"),
        (whole[..200].to_vec(), "damaged or incomplete"),
        ([&whole[..], b"GRIB"].concat(), "damaged or incomplete"),
    ] {
        let path = folder.path().join("a.grib2");
        std::fs::write(&path, bytes).unwrap();
        let error = message(&path, &config());
        assert!(error.contains(words) && error.contains("a.grib2"), "{error}");
    }
}

#[test]
fn no_damage_is_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let small = ReadBudget::new(1, "a test");
    let names = [
        "simple_missing",
        "complex_missing",
        "complex_spatial_differencing_2_missing",
        "png_missing",
        "several",
    ];
    for name in names {
        let whole = std::fs::read(written(&format!("{name}.grib2"))).unwrap();
        let mut count = 0;
        let mut given = |bytes: &[u8]| {
            count += 1;
            let path = folder.path().join(format!("{count}.grib2"));
            std::fs::write(&path, bytes).unwrap();
            let _ = read_frames(&path, &config(), &small);
            std::fs::remove_file(path).unwrap();
        };
        for at in 0..whole.len().min(400) {
            given(&whole[..at]);
            for flip in [0xff, 0x01, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= flip;
                given(&changed);
            }
        }
    }
}
