//! Batches and the choice of a data set.

use std::path::Path;

use convgru_model::Tensor;

use super::*;

/// Value = step + 100 index + 10000 epoch + pixel / 100.
struct Counting;

impl SequenceDataset for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    fn len(&self) -> usize {
        50
    }

    fn frame_shape(&self) -> [usize; 3] {
        [2, 3, 4]
    }

    fn steps(&self) -> usize {
        5
    }

    fn has_missing(&self) -> bool {
        true
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        for (at, value) in into.frames.iter_mut().enumerate() {
            *value = (at / 24 + 100 * index) as f32 + 10_000.0 * epoch as f32 + (at % 24) as f32 / 100.0;
        }
        for (at, valid) in into.valid.iter_mut().flat_map(|valid| valid.iter_mut()).enumerate() {
            *valid = ((at + index) % 3).min(1) as f32;
        }
        Ok(())
    }
}

#[test]
fn a_batch_has_time_first_and_then_the_sequences() {
    let indices = [7, 0, 49];
    let Batch { frames: tensor, valid, .. } = batch(&Counting, 1, &indices).unwrap();
    let valid = valid.unwrap();
    assert_eq!((tensor.shape(), valid.shape()), (&[5, 3, 2, 3, 4][..], &[5, 3, 2, 3, 4][..]));
    for (n, &index) in indices.iter().enumerate() {
        let (mut frames, mut mask) = (vec![0.0; 5 * 24], vec![0.5; 5 * 24]);
        let mut into = SequenceMut { frames: &mut frames, valid: Some(&mut mask) };
        Counting.sequence(1, index, &mut into).unwrap();
        for step in 0..5 {
            assert_eq!(valid.slice(step)[n * 24..(n + 1) * 24], mask[step * 24..(step + 1) * 24]);
            assert_eq!(tensor.slice(step)[n * 24..(n + 1) * 24], frames[step * 24..(step + 1) * 24]);
        }
    }
}

#[test]
fn a_batch_is_split_with_its_mask() {
    let whole = batch(&Counting, 0, &[3, 4]).unwrap();
    let (input, truth) = whole.split(2).unwrap();
    assert_eq!((input.frames.shape()[0], truth.frames.shape()[0]), (2, 3));
    let valid = [input.valid.as_ref().unwrap(), truth.valid.as_ref().unwrap()];
    for step in 0..5 {
        let (part, at) = if step < 2 { (0, step) } else { (1, step - 2) };
        assert_eq!([&input, &truth][part].frames.slice(at), whole.frames.slice(step));
        assert_eq!(valid[part].slice(at), whole.valid.as_ref().unwrap().slice(step));
    }
    let ones = truth.measured(Tensor::from_fn(truth.frames.shape(), |_| 1.0));
    assert_eq!(&ones, valid[1]);
    let error = whole.split(5).unwrap_err().to_string();
    assert!(error.contains("5 frames"), "{error}");
}

#[test]
fn a_mask_goes_with_data_that_may_miss_pixels() {
    let mut frames = vec![0.0; 5 * 24];
    let error = Counting.sequence(0, 0, &mut SequenceMut { frames: &mut frames, valid: None });
    assert!(error.unwrap_err().to_string().contains("mask"));
    let mut mask = [0.0; 7];
    let error = Counting.sequence(0, 0, &mut SequenceMut { frames: &mut frames, valid: Some(&mut mask) });
    assert!(error.unwrap_err().to_string().contains("the mask holds 7 values"));
}

#[test]
fn batches_that_cannot_be_are_errors() {
    let error = batch(&Counting, 0, &[]).unwrap_err().to_string();
    assert!(error.contains("no sequences"), "{error}");
    let error = batch(&Counting, 0, &[1, 50]).unwrap_err().to_string();
    assert_eq!(error, "counting: sequence 50 was asked for, but there are 50 (from 0)");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let dataset = open(&DataConfig::default(), None, Split::Train, 11).unwrap();
    let indices: Vec<usize> = order(11, 2, dataset.len())[..13].to_vec();
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| batch(&*dataset, 2, &indices).unwrap().frames)
    };
    let bits = |tensor: &Tensor<f32>| tensor.as_slice().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let one = bits(&with_threads(1));
    for threads in [2, 3, 8] {
        assert_eq!(bits(&with_threads(threads)), one, "{threads} threads");
    }
    let single = batch(&*dataset, 2, &indices[4..5]).unwrap().frames;
    let frame = 64 * 64;
    for step in 0..20 {
        assert_eq!(bits(&single)[step * frame..(step + 1) * frame], one[(step * 13 + 4) * frame..][..frame]);
    }
}

#[test]
fn the_source_and_the_path_must_go_together() {
    let strokes = DataConfig::default();
    let mnist = DataConfig { source: Source::Mnist(DigitsConfig::default()), ..DataConfig::default() };
    let message = |config: &DataConfig, path: Option<&Path>, split| match open(config, path, split, 0) {
        Ok(dataset) => panic!("opened {}", dataset.name()),
        Err(error) => error.to_string(),
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(message(&mnist, None, Split::Train).contains("no data folder is given"));
    assert!(message(&strokes, Some(folder.path()), Split::Train).contains("reads no files"));
    assert!(message(&mnist, Some(folder.path()), Split::Train).contains("train-images-idx3-ubyte.gz"));
    assert!(message(&mnist, Some(&folder.path().join("none")), Split::Train).contains("none"));
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "hello").unwrap();
    assert!(message(&mnist, Some(&text), Split::Test).starts_with("cannot open the data folder"));
    let frames = DataConfig { source: Source::Frames(FramesConfig::default()), ..DataConfig::default() };
    assert!(message(&frames, None, Split::Test).contains("no data folder is given"));
    assert!(message(&frames, Some(Path::new("none.npy")), Split::Test).starts_with("cannot "));
    assert!(message(&frames, Some(&text), Split::Test).contains("holds no sequences"));
    let array = folder.path().join("test.npy");
    std::fs::write(&array, "hello").unwrap();
    assert!(message(&frames, Some(&array), Split::Test).contains("no .npy file"));
}

#[test]
fn the_splits_draw_different_digits() {
    let first = |split| {
        let dataset = open(&DataConfig::default(), None, split, 0).unwrap();
        batch(&*dataset, 0, &[0]).unwrap()
    };
    assert_ne!(first(Split::Train), first(Split::Validation));
    assert_ne!(first(Split::Train), first(Split::Test));
    assert_ne!(first(Split::Validation), first(Split::Test));
}

#[test]
fn splits_that_are_opened_together_are_those_opened_alone() {
    let data = DataConfig::default();
    let Splits { train, validation, test } = Splits::open(&data, None, 7).unwrap();
    for (split, together) in [(Split::Train, train), (Split::Validation, validation), (Split::Test, test)] {
        let alone = open(&data, None, split, 7).unwrap();
        assert_eq!(batch(&*together, 0, &[3]).unwrap(), batch(&*alone, 0, &[3]).unwrap(), "{split}");
    }
}

#[test]
fn splits_have_frames_of_one_shape() {
    let folder = tempfile::tempdir().unwrap();
    for (split, width) in [("train", 6), ("validation", 6), ("test", 5)] {
        std::fs::create_dir(folder.path().join(split)).unwrap();
        let frames = Tensor::from_fn(&[4, 1, 4, width], |i| (i % 3) as f32 / 2.0);
        crate::media::write_frames(folder.path().join(split).join("a.npy"), &frames).unwrap();
    }
    let source = Source::Frames(FramesConfig::default());
    let data = DataConfig { source, input_frames: 2, output_frames: 2, ..DataConfig::default() };
    let error = Splits::open(&data, Some(folder.path()), 0).err().unwrap().to_string();
    for words in ["[1, 4, 5]", "[1, 4, 6]", "(test", "(train"] {
        assert!(error.contains(words), "{error}");
    }
}
