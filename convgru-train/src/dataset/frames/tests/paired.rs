//! Frames with input frames of the same times and places.

use super::*;
use crate::dataset::{InputFramesConfig, open as open_dataset, open_whole as open_whole_dataset};

const SHAPE: [u64; 3] = [600, 24, 40];
/// Above all numbers, so that values are exact.
const HIGH: f64 = 1_048_576.0;

/// Frames whose numbers say where they are, and input frames with these numbers below 0 and doubled.
fn written(folder: &Path) -> [PathBuf; 2] {
    let [frames, input] = ["frames.npy", "voxels.npy"].map(|name| folder.join(name));
    let number = |frame: usize, pixel: usize| (frame * 1024 + pixel) as f32;
    npy(&frames, &SHAPE, &(0..600 * 960).map(|at| number(at / 960, at % 960)).collect::<Vec<f32>>());
    let of_input = |at: usize| {
        let (frame, channel, pixel) = (at / 1920, at % 1920 / 960, at % 960);
        number(frame, pixel) * [-1.0, 2.0][channel]
    };
    npy(&input, &[600, 2, 24, 40], &(0..600 * 1920).map(of_input).collect::<Vec<f32>>());
    [frames, input]
}

fn paired(input: &Path) -> DataConfig {
    let mut data = config(3, 3);
    (data.train_sequences, data.validation_sequences, data.test_sequences) = (50, 20, 30);
    let frames = frames_config(&mut data);
    frames.range = [0.0, HIGH];
    frames.input = Some(Box::new(InputFramesConfig { path: input.into(), ..InputFramesConfig::default() }));
    data
}

/// Every number of the input frames is the number of the frame at its time and place.
fn expect_pairs(dataset: &dyn SequenceDataset, indices: &[usize]) {
    let Batch { frames, input, .. } = batch(dataset, 2, indices).unwrap();
    let input = input.unwrap();
    let [channels, height, width] = dataset.inputs().unwrap().frame_shape();
    let area = height * width;
    assert_eq!((channels, input.shape()), (2, &[3, indices.len(), 2, height, width][..]));
    let images = frames.as_slice().chunks_exact(area).zip(input.as_slice().chunks_exact(2 * area));
    for (image, input) in images {
        for (pixel, value) in image.iter().enumerate() {
            let number = (f64::from(*value) * HIGH) as f32;
            assert_eq!([input[pixel], input[area + pixel]], [-number, 2.0 * number]);
        }
    }
}

#[test]
fn input_frames_are_of_the_times_and_places_of_their_frames_and_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let [frames, input] = written(folder.path());
    for crop in [[0, 0], [4, 3]] {
        for memory_mib in [1, 512] {
            let mut data = paired(&input);
            data.memory_mib = memory_mib;
            frames_config(&mut data).crop = crop;
            for split in [Split::Train, Split::Validation, Split::Test] {
                let opened = open_dataset(&data, Some(&frames), split, 7).unwrap();
                assert_eq!(opened.steps(), 3);
                expect_pairs(opened.as_ref(), &[0, 9, opened.len() - 1]);
            }
            let whole = open_whole_dataset(&data, &frames, 7).unwrap();
            expect_pairs(whole.as_ref(), &[0, whole.len() - 1]);
        }
    }
}

#[test]
fn small_whole_numbers_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let [frames, input] = ["frames.npy", "counts.npy"].map(|name| folder.path().join(name));
    npy(&frames, &[40, 2, 2], &[0.5f32; 160]);
    let counts: Vec<f32> = (0..320).map(|at| (at % 5) as f32 - 1.0).collect();
    npy(&input, &[40, 2, 2, 2], &counts);
    let mut data = paired(&input);
    frames_config(&mut data).range = [0.0, 1.0];
    let train = open_dataset(&data, Some(&frames), Split::Train, 7).unwrap();
    assert_eq!(batch(train.as_ref(), 0, &[0]).unwrap().input.unwrap().as_slice(), &counts[..24]);
}

#[test]
fn a_number_that_is_none_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let [frames, input] = ["frames.npy", "voxels.npy"].map(|name| folder.path().join(name));
    npy(&frames, &[40, 2, 2], &[0.5f32; 160]);
    for wrong in [f32::NAN, f32::INFINITY] {
        let mut voxels = vec![0.5f32; 320];
        voxels[6 * 8 + 3] = wrong;
        npy(&input, &[40, 2, 2, 2], &voxels);
        let mut data = paired(&input);
        frames_config(&mut data).range = [0.0, 1.0];
        let train = open_dataset(&data, Some(&frames), Split::Train, 7).unwrap();
        batch(train.as_ref(), 0, &[0, 1]).unwrap();
        let error = batch(train.as_ref(), 0, &[1, 5]).unwrap_err().to_string();
        assert!(error.contains("frame 1 (from 0) of voxels, frame 5"), "{error}");
    }
}

#[test]
fn files_of_a_frame_each_go_with_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let [pictures, voxels] = ["pictures", "voxels"].map(|name| folder.path().join(name));
    let shades = Tensor::from_fn(&[40, 1, 2, 3], |at| (at % 256) as f32 / 255.0);
    write_frames(&pictures, &shades).unwrap();
    std::fs::create_dir(&voxels).unwrap();
    for at in 0..40 {
        let values: Vec<f32> = (0..12).map(|pixel| (12 * at + pixel) as f32 - 100.0).collect();
        npy(&voxels.join(format!("{at}.npy")), &[2, 2, 3], &values);
    }
    let mut data = paired(&voxels);
    let frames = frames_config(&mut data);
    frames.range = [0.0, 0.0];
    let input = frames.input.as_mut().unwrap();
    input.axes = "chw".parse().unwrap();
    let test = open_dataset(&data, Some(&pictures), Split::Test, 7).unwrap();
    let Batch { frames, input, .. } = batch(test.as_ref(), 0, &[0]).unwrap();
    // The last tenth of the time.
    assert!(frames.as_slice().iter().copied().eq((36 * 6..39 * 6).map(|at| (at % 256) as f32 / 255.0)));
    assert!(input.unwrap().as_slice().iter().copied().eq((36 * 12..39 * 12).map(|at| at as f32 - 100.0)));
}
