//! Forecasts that the library of the HDF Group wrote (`tests/data/hdf5/make.py`).

use std::path::{Path, PathBuf};

use crate::dataset::fixtures::budget;
use crate::dataset::gridded::tests::damage;
use crate::dataset::source::open;
use crate::dataset::{DataConfig, FramesConfig, RadarConfig, Source, SourceKind, Split, detect, read_frames};

fn written(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/knmi_forecast").join(name)
}

fn config(axes: &str) -> FramesConfig {
    let axes = axes.parse().expect("a test names axes");
    FramesConfig { range: [-32.0, 95.5], axes, ..FramesConfig::default() }
}

/// The stored number of a value, where it is the same in both.
fn stored(value: f32) -> f64 {
    f64::from(value) * 255.0
}

#[test]
fn images_are_the_frames_of_one_sequence_in_the_order_of_time() {
    for (name, count) in [("forecast.h5", 12), ("order.h5", 4)] {
        let frames = read_frames(written(name), &config("auto"), &budget()).unwrap();
        assert_eq!(frames.shape(), [count, 1, 5, 7], "{name}");
        for (at, &value) in frames.as_slice().iter().enumerate() {
            let (frame, pixel) = (at / 35, at % 35);
            match pixel {
                0 => assert!(value.is_nan()),
                _ => assert!(
                    (stored(value) - (10 * (frame + 1) + pixel % 7) as f64).abs() < 1e-3,
                    "{name} {at}: {value}"
                ),
            }
        }
    }
    // Images come one after the other, and any part of them is read.
    let error = open(&written("forecast.h5"), &config("hwt"), &budget()).err().unwrap().to_string();
    assert!(error.contains("\"hwt\" contradicts") && error.contains("time (t), y (h), x (w)"), "{error}");
    let source = open(&written("forecast.h5"), &config("thw"), &budget()).unwrap();
    let info = source.info().unwrap();
    assert_eq!((info.steps, info.height, info.width), (12, 5, 7));
    let mut steps = Vec::new();
    source
        .visit(0..1, 3..5, &mut |frame| {
            steps.push(frame.step);
            let wanted = (0..35).map(|pixel| (10 * (frame.step + 1) + pixel % 7) as f64);
            let differs =
                |(&value, wanted): (&f32, f64)| !value.is_nan() && (stored(value) - wanted).abs() > 1e-3;
            assert!(!frame.values.iter().zip(wanted).any(differs));
            Ok(())
        })
        .unwrap();
    assert_eq!(steps, [3, 4]);
}

#[test]
fn the_unit_and_the_times_are_those_of_the_file() {
    let source = open(&written("forecast.h5"), &config("auto"), &budget()).unwrap();
    let content = source.content().unwrap().unwrap();
    assert_eq!((content.name.as_str(), content.unit.as_str()), ("reflectivity", "dBZ"));
    let times = source.step_times().unwrap().unwrap();
    assert!(times.seconds.windows(2).all(|two| two[1] - two[0] == 300.0));
}

#[test]
fn a_forecast_is_no_radar_image() {
    let path = written("forecast.h5");
    assert_eq!(detect(&path).unwrap(), SourceKind::Frames);
    let data = DataConfig { source: Source::Radar(RadarConfig::default()), ..DataConfig::default() };
    let error = crate::dataset::open(&data, Some(&path), Split::Train, 0).map(drop).unwrap_err().to_string();
    for words in [
        "is a forecast: 12 images",
        "image1 for 2018-06-07 12:05",
        "image12 for 2018-06-07 13:00",
        "data.source = \"frames\"",
    ] {
        assert!(error.contains(words), "{error}");
    }
    // Several images of one time are read as they were: the first.
    assert_eq!(detect(&written("one_time.h5")).unwrap(), SourceKind::Radar);
}

#[test]
fn images_that_are_not_alike_are_refused() {
    let refused =
        |name: &str| read_frames(written(name), &config("auto"), &budget()).unwrap_err().to_string();
    let error = refused("sizes.h5");
    assert!(error.contains("image3") && error.contains("[5, 8]") && error.contains("[5, 7]"), "{error}");
    let error = refused("quantities.h5");
    assert!(error.contains("image2") && error.contains("PRECIP_[MM]"), "{error}");
    let error = refused("one_time.h5");
    assert!(error.contains("image1/image_data") && error.contains("data.frames.variable"), "{error}");
    let named = FramesConfig { variable: "image2/image_data".into(), ..FramesConfig::default() };
    assert_eq!(read_frames(written("forecast.h5"), &named, &budget()).unwrap().shape(), [1, 1, 5, 7]);
}

#[test]
fn an_inspection_tells_the_sequence() {
    let data = DataConfig { source: Source::Frames(FramesConfig::default()), ..DataConfig::default() };
    let found = crate::dataset::inspect(&written("forecast.h5"), &data).unwrap();
    let frames = found.frames.unwrap();
    assert_eq!((frames.steps, frames.unit.as_str()), ([12, 12], "dBZ"));
    assert_eq!(found.time.unwrap().minutes_per_step, Some(5.0));
    assert!(found.choices.is_empty() && !found.configuration.contains("variable"), "{}", found.configuration);
}

#[test]
fn no_damage_is_a_panic() {
    damage("../knmi_forecast/order.h5", 61, |path: &Path| {
        let _ = read_frames(path, &config("auto"), &budget());
    });
}
