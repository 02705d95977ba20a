use npyz::WriterBuilder;

use super::*;
use crate::dataset::RainScale;

/// Rain of 2 mm/h in the right half, none in the left one, and a missing column.
fn written(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("rain.npy");
    let number = |at: usize| match at % 20 {
        19 => f32::NAN,
        10.. => 2.0,
        _ => 0.0,
    };
    let file = std::fs::File::create(&path).unwrap();
    let options = npyz::WriteOptions::new().default_dtype().shape(&[40, 8, 20]);
    let mut writer = options.writer(file).begin_nd().unwrap();
    writer.extend((0..40 * 160).map(number)).unwrap();
    writer.finish().unwrap();
    path
}

fn data() -> DataConfig {
    let frames = FramesConfig {
        unit: "mm/h".into(),
        crop: [4, 5],
        time_depth: 6,
        rain: Some(RainScale::default()),
        ..FramesConfig::default()
    };
    DataConfig { source: Source::Frames(frames), ..DataConfig::default() }
}

#[test]
fn parts_are_taken_as_often_as_their_rain_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let sampling = CropSampling {
        frame_stride: 1,
        pixel_stride: 1,
        most_missing: 0.0,
        least_probability: 0.1,
        ..Default::default()
    };
    let (mut dry, mut wet, mut half) = (0, 0, 0);
    for seed in 0..8 {
        let sampled = CropSampling { seed, rain_weight: 0.9, ..sampling.clone() }
            .sample(&data(), &path, &mut |_, _| ())
            .unwrap();
        // 35 windows, five rows and fifteen columns of parts without the missing one.
        assert_eq!(sampled.looked_at, 35 * 5 * 15);
        let count = |column: usize| sampled.crops.iter().filter(|[_, x, _]| *x == column).count();
        (dry, half, wet) = (dry + count(0), half + count(8), wet + count(12));
        assert!(sampled.crops.iter().all(|&[t, x, y]| t <= 34 && x <= 14 && y <= 4));
    }
    // Of 1400 parts each; five standard deviations.
    for (count, rain) in [(dry, 0.0), (half, 0.6), (wet, 1.0)] {
        let chance = 0.1 + 0.9 * rain * (1.0 - (-2.0f64).exp());
        let (mean, deviation) = (1400.0 * chance, (1400.0 * chance * (1.0 - chance)).sqrt());
        assert!((count as f64 - mean).abs() < 5.0 * deviation, "{rain}: {count}, not {mean}");
    }
}

#[test]
fn settings_that_a_list_cannot_follow_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    type Change = fn(&mut FramesConfig);
    let cases: [(&str, &str, Change); 5] = [
        ("resize", "[4, 8]", |frames| frames.resize = [4, 8]),
        ("stride", "is 2", |frames| frames.stride = 2),
        ("time_depth", "is 0", |frames| frames.time_depth = 0),
        ("time_depth", "is 1", |frames| frames.time_depth = 1),
        ("crop_list", "nope.csv", |frames| frames.crop_list = "nope.csv".into()),
    ];
    let sampled = |data: &DataConfig| CropSampling::default().sample(data, &path, &mut |_, _| ());
    for (field, number, change) in cases {
        let mut data = data();
        if let Source::Frames(frames) = &mut data.source {
            change(frames);
        }
        let error = sampled(&data).unwrap_err().to_string();
        assert!(error.contains(&format!("data.frames.{field}")) && error.contains(number), "{error}");
    }
    let mut shortest = data();
    if let Source::Frames(frames) = &mut shortest.source {
        frames.time_depth = 2;
    }
    assert!(sampled(&shortest).unwrap().looked_at > 0);
}

#[test]
fn a_list_is_the_same_for_the_same_seed_and_is_read_by_a_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path());
    let sampling =
        CropSampling { least_probability: 0.5, frame_stride: 2, pixel_stride: 3, ..Default::default() };
    let mut heard = Vec::new();
    let sampled = sampling.sample(&data(), &path, &mut |done, all| heard.push((done, all))).unwrap();
    assert_eq!(heard.last(), Some(&(18, 18)));
    assert_eq!(sampling.sample(&data(), &path, &mut |_, _| ()).unwrap(), sampled);
    let list = folder.path().join("crops.csv");
    std::fs::write(&list, sampled.to_csv()).unwrap();
    let mut data = DataConfig { input_frames: 2, output_frames: 2, ..data() };
    if let Source::Frames(frames) = &mut data.source {
        frames.crop_list = list.to_str().unwrap().into();
    }
    let train = crate::dataset::open(&data, Some(&path), Split::Train, 0).unwrap();
    assert_eq!(train.len(), sampled.crops.iter().filter(|[t, _, _]| t + 6 <= 32).count());
    let refused =
        |sampling: CropSampling| sampling.sample(&data, &path, &mut |_, _| ()).unwrap_err().to_string();
    assert!(refused(CropSampling { rate_scale: 0.0, ..Default::default() }).contains("rate_scale"));
    assert!(refused(CropSampling { least_probability: 2.0, ..Default::default() }).contains("0 to 1"));
}
