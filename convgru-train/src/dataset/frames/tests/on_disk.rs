//! Frames that the memory does not hold.

use super::*;

/// A split of which no more than `memory_mib` is held.
fn windows(data: &DataConfig, path: &Path, split: Split) -> Box<dyn SequenceDataset> {
    open(&Reader::new(data, settings(data), path), split).unwrap_or_else(|error| panic!("{error}"))
}

/// The same sequences from the disk and from memory: numbers, masks, names, times, and all that is said about them.
fn expect_equal(mut data: DataConfig, path: &Path, has_missing: bool) {
    for split in [Split::Train, Split::Validation, Split::Test] {
        data.memory_mib = 1;
        let on_disk = windows(&data, path, split);
        // Where the memory holds a split it is read as before.
        let is_stored = on_disk.name().contains("from the disk");
        assert!(is_stored || split != Split::Train, "{}", on_disk.name());
        data.memory_mib = 512;
        let in_memory = open_split(&data, path, split).unwrap();
        assert_eq!((on_disk.len(), on_disk.frame_shape()), (in_memory.len(), in_memory.frame_shape()));
        assert_eq!(on_disk.quantity(), in_memory.quantity());
        assert_eq!(on_disk.has_missing(), if is_stored { has_missing } else { in_memory.has_missing() });
        for index in [0, on_disk.len() / 2, on_disk.len() - 1] {
            assert_eq!(on_disk.label(index), in_memory.label(index));
            assert_eq!(on_disk.times(index), in_memory.times(index));
            let (stored, held) =
                (batch(on_disk.as_ref(), 3, &[index]).unwrap(), batch(&in_memory, 3, &[index]).unwrap());
            assert_eq!(stored.frames, held.frames, "{split} {index}");
            let is_one = |mask: &Tensor<f32>| mask.as_slice().iter().all(|&own| own == 1.0);
            match held.valid {
                None => assert!(stored.valid.is_none_or(|mask| is_one(&mask))),
                held => assert_eq!(stored.valid, held),
            }
        }
        assert!(batch(on_disk.as_ref(), 0, &[on_disk.len()]).is_err());
    }
}

#[test]
fn one_long_sequence_is_drawn_window_by_window() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.npy");
    npy(&path, &[900, 40, 30], &counting(900 * 1200));
    let mut data = config(3, 2);
    (data.train_sequences, data.validation_sequences, data.test_sequences) = (100, 7, 1000);
    expect_equal(data.clone(), &path, false);
    frames_config(&mut data).stride = 4;
    frames_config(&mut data).resize = [20, 20];
    frames_config(&mut data).channels = 3;
    expect_equal(data, &path, false);
}

#[test]
fn sequences_of_several_files_are_drawn_window_by_window() {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..4 {
        npy(&folder.path().join(format!("{at}.npy")), &[2, 60, 60, 40], &counting(120 * 2400));
    }
    let mut data = config(2, 1);
    data.train_sequences = 50;
    expect_equal(data, folder.path(), false);
}

#[test]
fn missing_pixels_are_looked_for_when_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.npy");
    let mut rain: Vec<f32> = (0..400 * 1200).map(|at| (at % 61) as f32).collect();
    rain[777] = f32::NAN;
    npy(&path, &[400, 40, 30], &rain);
    let mut data = config(2, 1);
    frames_config(&mut data).range = [0.0, 60.0];
    expect_equal(data.clone(), &path, true);
    // A number out of the range is refused with its frame when it is drawn.
    rain[300 * 1200] = 1e6;
    npy(&path, &[400, 40, 30], &rain);
    data.memory_mib = 1;
    let train = windows(&data, &path, Split::Train);
    let error = batch(train.as_ref(), 0, &[300]).unwrap_err().to_string();
    assert!(error.contains("1000000") && error.contains("frame 300"), "{error}");
}

#[test]
fn what_is_read_from_its_beginning_alone_is_refused_by_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turned.npy");
    npy(&path, &[40, 30, 900], &counting(900 * 1200));
    let mut data = config(3, 2);
    frames_config(&mut data).axes = "hwt".parse().unwrap();
    data.memory_mib = 1;
    let error =
        open(&Reader::new(&data, settings(&data), &path), Split::Train).err().expect("refused").to_string();
    assert!(error.contains("data.memory_mib"), "{error}");
}
