//! Parts of frames, and frames of rain.

use super::*;
use crate::dataset::{RainScale, open as open_dataset};

const SHAPE: [usize; 3] = [600, 24, 40];
/// Above all numbers, so that values are exact.
const HIGH: f64 = 1_048_576.0;

/// Frames whose numbers say where they are.
fn written(folder: &Path) -> PathBuf {
    let path = folder.join("long.npy");
    let numbers: Vec<f32> =
        (0..SHAPE.iter().product()).map(|at| (at / 960 * 1024 + at % 960) as f32).collect();
    npy(&path, &SHAPE.map(|length| length as u64), &numbers);
    path
}

fn parts() -> DataConfig {
    let mut data = config(2, 1);
    (data.train_sequences, data.validation_sequences, data.test_sequences) = (200, 50, 1000);
    let frames = frames_config(&mut data);
    (frames.range, frames.crop) = ([0.0, HIGH], [4, 3]);
    data
}

/// Frame, row and column of the first pixel of a sequence, whose others must follow.
fn place(dataset: &dyn SequenceDataset, epoch: u64, index: usize) -> [usize; 3] {
    let frames = batch(dataset, epoch, &[index]).unwrap().frames;
    assert_eq!(frames.shape(), [3, 1, 1, 4, 3]);
    let number = |at: usize| (f64::from(frames.as_slice()[at]) * HIGH) as usize;
    let [t, y, x] = [number(0) / 1024, number(0) % 1024 / 40, number(0) % 1024 % 40];
    for at in 0..36 {
        assert_eq!(number(at), (t + at / 12) * 1024 + (y + at % 12 / 3) * 40 + x + at % 3);
    }
    [t, y, x]
}

#[test]
fn parts_are_drawn_anywhere_in_training_and_lie_side_by_side_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = (written(folder.path()), parts());
    let open = |data: &DataConfig, split| open_dataset(data, Some(&path), split, 7).unwrap();
    let train = open(&data, Split::Train);
    assert_eq!((train.len(), train.frame_shape(), train.found().unwrap().frame), (200, [1, 4, 3], [1, 4, 3]));
    let epoch = |epoch| -> Vec<[usize; 3]> { (0..200).map(|at| place(train.as_ref(), epoch, at)).collect() };
    let (first, second) = (epoch(0), epoch(1));
    assert_eq!(first, epoch(0));
    assert!(first != second);
    for (axis, last) in [477usize, 20, 37].into_iter().enumerate() {
        let along: Vec<usize> = first.iter().chain(&second).map(|place| place[axis]).collect();
        let (least, most) = (along.iter().min().unwrap(), along.iter().max().unwrap());
        // Of 400 draws one lies in each tenth of the places, but for one time in 10^18.
        assert!(least * 10 <= last && (last - most) * 10 <= last && *most <= last, "{axis} {least} {most}");
    }
    let validation = open(&data, Split::Validation);
    let fixed: Vec<[usize; 3]> = (0..50).map(|at| place(validation.as_ref(), 0, at)).collect();
    assert_eq!(validation.len(), 50);
    assert!((0..50).all(|at| place(validation.as_ref(), 9, at) == fixed[at]));
    // Six rows and thirteen columns of parts, one column in the middle of what is left.
    assert!(fixed.iter().all(|&[t, y, x]| (480..=537).contains(&t) && y % 4 == 0 && x % 3 == 0), "{fixed:?}");
    assert_eq!(open(&data, Split::Test).len(), 1000);
    assert!(train.label(0).contains(", row ") && train.label(0).contains(", column "));

    // From the disk the same.
    let on_disk = open(&DataConfig { memory_mib: 1, ..data.clone() }, Split::Train);
    assert!(on_disk.name().contains("from the disk"), "{}", on_disk.name());
    assert!((0..200).all(|at| place(on_disk.as_ref(), 1, at) == second[at]));

    let mut large = data;
    frames_config(&mut large).crop = [25, 3];
    let error = open_dataset(&large, Some(&path), Split::Train, 7).err().unwrap().to_string();
    assert!(
        error.contains("24 x 40") && error.contains("25 x 3") && error.contains("data.frames.crop"),
        "{error}"
    );
}

#[test]
fn parts_of_a_list_are_taken_in_the_split_of_their_frames() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut data) = (written(folder.path()), parts());
    let list = folder.path().join("crops.csv");
    frames_config(&mut data).crop_list = list.to_str().unwrap().into();
    let open = |rows: &str, split| {
        std::fs::write(&list, format!("t,x,y\n{rows}")).unwrap();
        open_dataset(&data, Some(&path), split, 7)
    };
    // The third reaches into the validation.
    let rows = "0,3,2\n100,37,20\n470,5,1\n480,1,1\n576,0,0\n";
    let train = open(rows, Split::Train).unwrap();
    assert_eq!(train.len(), 2);
    assert!(train.warnings().iter().any(|told| told.contains("1 row of the list")), "{:?}", train.warnings());
    let drawn: Vec<[usize; 3]> = (0..300).map(|epoch| place(train.as_ref(), epoch, 0)).collect();
    assert!(drawn.iter().all(|&[t, y, x]| t <= 21 && (y, x) == (2, 3)));
    let times: std::collections::BTreeSet<usize> = drawn.iter().map(|place| place[0]).collect();
    assert_eq!((times.len(), times.last()), (22, Some(&21)));
    assert_eq!(place(train.as_ref(), 0, 1)[1..], [20, 37]);
    let validation = open(rows, Split::Validation).unwrap();
    assert_eq!((validation.len(), place(validation.as_ref(), 3, 0)), (1, [480, 1, 1]));
    let test = open(rows, Split::Test).unwrap();
    assert_eq!((test.len(), place(test.as_ref(), 3, 0)), (1, [576, 0, 0]));

    let error = |rows: &str, split| open(rows, split).err().expect("refused").to_string();
    let outside = error("577,0,0\n0,38,0\n0,0,0\n0,0,21\n", Split::Train);
    for words in ["lines 2, 3, 5", "t goes to 576, x to 37 and y to 20", "600 frames of 24 x 40"] {
        assert!(outside.contains(words), "{outside}");
    }
    assert!(error("0,0\n", Split::Train).contains("line 2 is"));
    assert!(error("0,0,0\n", Split::Test).contains("the test split"));
    let depth = |time_depth| {
        let mut data = data.clone();
        frames_config(&mut data).time_depth = time_depth;
        open_dataset(&data, Some(&path), Split::Train, 7).map(drop)
    };
    assert!(depth(2).unwrap_err().to_string().contains("data.frames.time_depth"));
}

#[test]
fn rows_of_a_list_are_found_between_gaps() {
    use super::super::on_disk::Span;
    let spans = vec![Span { frames: 0..30, first_window: 0 }, Span { frames: 50..100, first_window: 28 }];
    let frames = super::super::parts::Frames { total: 200, spans, size: [1, 8, 8] };
    let listed = |t| crate::dataset::crop_list::ListedCrop { line: 2, t, x: 1, y: 2 };
    let config = FramesConfig { crop: [4, 4], ..FramesConfig::default() };
    let (rows, cut_off) = frames.rows(&[6, 7, 40, 50, 76, 150].map(listed), &config, 3).unwrap();
    assert_eq!(rows.iter().map(|row| row.window).collect::<Vec<_>>(), [6, 28, 54]);
    assert!(rows.iter().all(|row| (row.starts, row.top, row.left) == (22, 2, 1)));
    assert_eq!(cut_off, 1);
}

#[test]
fn a_list_of_parts_of_an_array_in_another_order_names_its_axes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scattered.npy");
    npy(&path, &[24, 40, 60], &vec![0.0; 24 * 40 * 60]);
    let list = folder.path().join("crops.csv");
    std::fs::write(&list, "t,x,y\n0,0,0\n").unwrap();
    let mut data = parts();
    let frames = frames_config(&mut data);
    frames.axes = "hwt".parse().unwrap();
    frames.crop_list = list.to_str().unwrap().into();
    let error = open_dataset(&data, Some(&path), Split::Train, 0).err().expect("refused").to_string();
    assert!(error.contains("scattered.npy are \"hwt\"") && error.contains("\"thw\""), "{error}");
}

#[test]
fn frames_of_rain_become_values_of_the_scale_in_every_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.npy");
    let rates = [0.0f32, 0.02, 0.5, 10.0, 300.0, f32::NAN];
    let one_hour = |unit: f32| (0..60).map(|at| rates[at % 6] / unit).collect::<Vec<f32>>();
    let mut data = config(2, 1);
    let rain = RainScale { z_r: [200.0, 1.6], no_rain_below: 0.0, ..RainScale::default() };
    (frames_config(&mut data).rain, frames_config(&mut data).axes) =
        (Some(rain.clone()), "thw".parse().unwrap());
    let transform = rain.quantity(None).transform;
    for (unit, of_rate, minutes) in
        [("mm h-1", 1.0, 0.0), ("kg m-2 s-1", 3600.0, 15.0), ("kg m-2", 12.0, 5.0)]
    {
        npy(&path, &[10, 2, 3], &one_hour(of_rate));
        let frames = frames_config(&mut data);
        (frames.unit, frames.minutes_per_step) = (unit.into(), minutes);
        let train = open_dataset(&data, Some(&path), Split::Train, 0).unwrap();
        let quantity = train.quantity();
        assert_eq!((quantity.unit.as_str(), quantity.transform), ("mm/h", transform), "{unit}");
        let read = batch(train.as_ref(), 0, &[0]).unwrap();
        for (at, (value, valid)) in
            read.frames.as_slice().iter().zip(read.valid.unwrap().as_slice()).enumerate()
        {
            let rate = f64::from(rates[at % 6]);
            let expected = if rate.is_nan() { 0.0 } else { transform.from_units(rate) };
            assert!((f64::from(*value) - expected).abs() < 1e-5, "{unit} {rate}: {value} {expected}");
            assert_eq!(*valid > 0.0, !rate.is_nan());
        }
    }
    let mut error = |unit: &str, minutes| {
        let frames = frames_config(&mut data);
        (frames.unit, frames.minutes_per_step) = (unit.into(), minutes);
        open_dataset(&data, Some(&path), Split::Train, 0).err().expect("refused").to_string()
    };
    assert!(error("", 0.0).contains("tells no unit"));
    assert!(error("mm", 15.0).contains("every 15 minutes"));
    assert!(error("dBZ", 0.0).contains("\"dBZ\""));
}
