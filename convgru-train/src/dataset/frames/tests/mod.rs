//! Data sets of a user's own files.

use npyz::WriterBuilder;

#[cfg(feature = "hdf5")]
mod hdf5;
mod on_disk;
mod paired;
mod parts;
#[cfg(feature = "zarr")]
mod zarr;

use super::*;
use crate::dataset::fixtures::frames_config;
use crate::dataset::{Batch, OnCorrupt, Source, batch};
use crate::media::write_frames;

fn config(input: usize, output: usize) -> DataConfig {
    let source = Source::Frames(FramesConfig::default());
    DataConfig { source, input_frames: input, output_frames: output, ..DataConfig::default() }
}

fn settings(data: &DataConfig) -> &FramesConfig {
    match &data.source {
        Source::Frames(frames) => frames,
        other => panic!("{other:?}"),
    }
}

/// A split whose frames are in memory.
fn open_split(data: &DataConfig, path: &Path, split: Split) -> Result<WindowDataset> {
    let reader = Reader::new(data, settings(data), path);
    let mut left_out = Vec::new();
    let files = split_files::split_files(&reader, split, &mut left_out)?;
    reader.windows(files, &format!("the {split} split"), data.sequences(split), &mut left_out)
}

fn npy<T: npyz::AutoSerialize + Copy>(path: &Path, shape: &[u64], values: &[T]) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
}

fn counting(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i % 251) as u8).collect()
}

fn message(data: &DataConfig, path: &Path) -> String {
    open_split(data, path, Split::Train).err().expect("refused").to_string()
}

#[test]
fn sequences_of_an_array_are_split() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npy");
    npy(&path, &[10, 4, 3, 5], &counting(10 * 4 * 15));
    let parts = [Split::Train, Split::Validation, Split::Test]
        .map(|split| open_split(&config(2, 2), &path, split).unwrap());
    assert_eq!(parts.each_ref().map(|part| part.len()), [8, 1, 1]);
    let test = batch(&parts[2], 0, &[0]).unwrap();
    assert_eq!(test.frames.shape(), [4, 1, 1, 3, 5]);
    assert!(test.valid.is_none());
    let expected = (9 * 60..600).map(|i| (i % 251) as f32 / 255.0);
    assert!(test.frames.as_slice().iter().copied().eq(expected));
    assert_eq!(parts[2].label(0), "mine 9, frame 0");
    // In windows of two frames each sequence of four has three.
    assert_eq!(open_split(&config(1, 1), &path, Split::Train).unwrap().len(), 24);
    let mut strided = config(1, 1);
    frames_config(&mut strided).stride = 2;
    assert_eq!(open_split(&strided, &path, Split::Train).unwrap().len(), 16);
}

#[test]
fn one_long_sequence_is_split_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.npy");
    let values: Vec<f32> = (0..100 * 4).map(|i| i as f32 / 400.0).collect();
    npy(&path, &[100, 2, 2], &values);
    let parts = [Split::Train, Split::Validation, Split::Test]
        .map(|split| open_split(&config(2, 3), &path, split).unwrap());
    assert_eq!(parts.each_ref().map(|part| part.len()), [76, 6, 6]);
    let last = batch(&parts[2], 0, &[5]).unwrap();
    assert_eq!(last.frames.as_slice().last(), Some(&(399.0 / 400.0)));
    let error = message(&config(50, 50), &path);
    assert!(error.contains("80 frames") && error.contains("= 100"), "{error}");
}

#[test]
fn the_file_of_moving_mnist_is_known_by_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mnist_test_seq.npy");
    npy(&path, &[20, 5, 64, 64], &counting(20 * 5 * 64 * 64));
    let train = open_split(&config(10, 10), &path, Split::Train).unwrap();
    let frames = batch(&train, 0, &[1]).unwrap().frames;
    assert_eq!((train.len(), frames.shape()), (3, &[20, 1, 1, 64, 64][..]));
    for step in [0, 7, 19] {
        let at = (step * 5 + 1) * 4096;
        assert_eq!(frames.slice(step)[0], (at % 251) as f32 / 255.0);
    }
}

#[test]
fn a_whole_file_is_read_sequence_by_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sequences.npy");
    npy(&path, &[20, 3, 64, 64], &counting(20 * 3 * 4096));
    let whole = |data: &DataConfig, path: &Path| open_whole(data, settings(data), path);
    let dataset = whole(&config(10, 10), &path).unwrap();
    assert_eq!((dataset.name(), dataset.len(), dataset.steps()), ("sequences.npy", 3, 20));
    assert!(!dataset.has_missing());
    let read = batch(dataset.as_ref(), 0, &[0, 1, 2]).unwrap().frames;
    // The axes of the file and of the batch agree, so that the values do, too.
    assert!(read.as_slice().iter().enumerate().all(|(i, &v)| v == (i % 251) as f32 / 255.0));
    // Shorter sequences are windows, the same as of a folder with the file, whose frames are in memory.
    let folder_too = whole(&config(3, 2), folder.path()).unwrap();
    let dataset = whole(&config(3, 2), &path).unwrap();
    assert_eq!((dataset.len(), folder_too.len()), (3 * 16, 3 * 16));
    for index in [0, 15, 16, 47] {
        let both = [&dataset, &folder_too].map(|own| batch(own.as_ref(), 0, &[index]).unwrap());
        assert_eq!(both[0], both[1], "{index}");
    }
    let error = whole(&config(11, 10), &path).err().unwrap().to_string();
    assert!(error.contains("20 frames") && error.contains("= 21") && error.contains("axes"), "{error}");
    // Missing numbers are known before a sequence is asked for.
    let rain = folder.path().join("rain.npy");
    npy(&rain, &[2, 2, 1, 2], &[0.0f32, 60.0, f32::NAN, 30.0, 1.0, 2.0, 3.0, 4.0]);
    let mut data = config(1, 1);
    assert!(whole(&data, &rain).err().unwrap().to_string().contains("data.frames.range"));
    frames_config(&mut data).range = [0.0, 60.0];
    let dataset = whole(&data, &rain).unwrap();
    let read = batch(dataset.as_ref(), 0, &[0]).unwrap();
    assert_eq!(read.frames.as_slice(), [0.0, 1.0, 0.0, 0.5]);
    assert_eq!(read.valid.unwrap().as_slice(), [1.0, 1.0, 0.0, 1.0]);
    assert_eq!(dataset.quantity().transform.to_units(0.5), 30.0);
}

#[test]
fn folders_for_splits_are_measured_by_their_test() {
    let folder = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 5), ("test", 2)] {
        std::fs::create_dir(folder.path().join(split)).unwrap();
        npy(&folder.path().join(split).join("a.npy"), &[count, 2, 1, 2], &counting(4 * count as usize));
    }
    let data = config(1, 1);
    assert_eq!(open_whole(&data, settings(&data), folder.path()).unwrap().len(), 2);
}

#[test]
fn missing_numbers_are_missing_pixels_and_ranges_are_kept_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rain.npy");
    npy(&path, &[3, 2, 1, 2], &[0.0f32, 60.0, f32::NAN, 30.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let error = message(&config(1, 1), &path);
    assert!(error.contains("60 in frame 0 of sequence 0") && error.contains("data.frames.range"), "{error}");
    let mut data = config(1, 1);
    frames_config(&mut data).range = [0.0, 60.0];
    let train = open_split(&data, &path, Split::Train).unwrap();
    let batch = batch(&train, 0, &[0]).unwrap();
    assert_eq!(batch.frames.as_slice(), [0.0, 1.0, 0.0, 0.5]);
    assert_eq!(batch.valid.unwrap().as_slice(), [1.0, 1.0, 0.0, 1.0]);
    assert_eq!(train.quantity().transform.to_units(0.5), 30.0);
    // Of whole numbers of 16 bits too.
    let whole = folder.path().join("whole.npy");
    npy(&whole, &[3, 2, 1, 2], &[0i16, 60, 15, 30, 0, 0, 0, 0, 0, 0, 0, 0]);
    let train = open_split(&data, &whole, Split::Train).unwrap();
    assert_eq!(super::super::batch(&train, 0, &[0]).unwrap().frames.as_slice(), [0.0, 1.0, 0.25, 0.5]);
}

#[test]
fn folders_of_images_and_gifs_are_sequences() {
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "validation", "test"] {
        for number in [1, 2, 10] {
            let path = folder.path().join(split).join(format!("clip{number}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let frames = Tensor::from_fn(&[5, 1, 4, 6], |i| ((i + number) % 200) as f32 / 255.0);
            write_frames(&path, &frames).unwrap();
        }
    }
    let train = open_split(&config(2, 2), folder.path(), Split::Train).unwrap();
    assert_eq!((train.len(), train.frame_shape()), (6, [1, 4, 6]));
    assert_eq!(train.label(4), "clip10, frame 0");
    let frames = batch(&train, 0, &[5]).unwrap().frames;
    assert_eq!(frames.as_slice()[0], 34.0 / 255.0);
    let gif = folder.path().join("train/clip3.gif");
    write_frames(&gif, &Tensor::from_fn(&[4, 1, 4, 6], |_| 0.2)).unwrap();
    assert_eq!(open_split(&config(2, 2), folder.path(), Split::Train).unwrap().len(), 7);
    write_frames(folder.path().join("train/clip4"), &Tensor::from_fn(&[4, 1, 8, 6], |_| 0.2)).unwrap();
    let error = message(&config(2, 2), folder.path());
    assert!(error.contains("[1, 8, 6]") && error.contains("data.frames.resize"), "{error}");
    let mut data = config(2, 2);
    frames_config(&mut data).resize = [2, 3];
    let train = open_split(&data, folder.path(), Split::Train).unwrap();
    assert_eq!((train.len(), train.frame_shape()), (8, [1, 2, 3]));
    std::fs::write(&gif, b"GIF89a nothing").unwrap();
    assert!(message(&data, folder.path()).contains("clip3.gif"));
    data.on_corrupt = OnCorrupt::Skip;
    let train = open_split(&data, folder.path(), Split::Train).unwrap();
    assert_eq!((train.len(), train.warnings().len()), (7, 1));
}

#[test]
fn a_file_without_a_readable_header_ends_it_or_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("b.npy"), b"\x93NUMPY nothing").unwrap();
    for name in ["a.npy", "c.npy", "d.npy"] {
        npy(&folder.path().join(name), &[4, 2, 2], &counting(16));
    }
    assert!(message(&config(1, 1), folder.path()).contains("b.npy"));
    let data = DataConfig { on_corrupt: OnCorrupt::Skip, ..config(1, 1) };
    for (split, label) in [(Split::Train, "a"), (Split::Validation, "c"), (Split::Test, "d")] {
        let part = open_split(&data, folder.path(), split).unwrap();
        assert_eq!((part.len(), part.label(0)), (3, format!("{label}, frame 0")));
        let [warning] = part.warnings() else { panic!("{:?}", part.warnings()) };
        assert!(warning.contains("b.npy"), "{warning}");
    }
}

#[test]
fn archives_hold_one_array_or_name_it() {
    use rawzip::{CompressionMethod, ZipArchiveWriter};
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    npy(&folder.path().join("a.npy"), &[3, 2, 1, 2], &counting(12));
    let array = std::fs::read(folder.path().join("a.npy")).unwrap();
    let written = |names: &[&str]| {
        let mut bytes = Vec::new();
        let mut archive = ZipArchiveWriter::new(&mut bytes);
        for name in names {
            let options = archive.new_file(name).compression_method(CompressionMethod::DEFLATE);
            let (mut entry, config) = options.start().unwrap();
            let encoder = flate2::write::DeflateEncoder::new(&mut entry, flate2::Compression::default());
            let mut writer = config.wrap(encoder);
            writer.write_all(&array).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        archive.finish().unwrap();
        bytes
    };
    let path = folder.path().join("b.npz");
    std::fs::write(&path, written(&["frames.npy"])).unwrap();
    let train = open_split(&config(1, 1), &path, Split::Train).unwrap();
    assert_eq!(batch(&train, 0, &[0]).unwrap().frames.as_slice(), [0.0, 1.0, 2.0, 3.0].map(|v| v / 255.0));
    let two = written(&["frames.npy", "dates.npy"]);
    std::fs::write(&path, &two).unwrap();
    let error = message(&config(1, 1), &path);
    assert!(error.contains("frames, dates") && error.contains("data.frames.member"), "{error}");
    let mut data = config(1, 1);
    frames_config(&mut data).member = "dates".into();
    assert_eq!(open_split(&data, &path, Split::Train).unwrap().len(), 1);
    // Cut or changed, no archive is a panic.
    for at in (0..two.len()).step_by(7) {
        std::fs::write(&path, &two[..at]).unwrap();
        assert!(open_split(&data, &path, Split::Train).is_err(), "{at} bytes");
        let mut changed = two.clone();
        changed[at] ^= 0x55;
        std::fs::write(&path, changed).unwrap();
        let _ = open_split(&data, &path, Split::Train);
    }
}

#[test]
fn other_shapes_are_refused_with_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.npy");
    npy(&path, &[6], &counting(6));
    let error = message(&config(1, 1), &path);
    assert!(error.contains("mine.npy") && error.contains("[6]") && error.contains("[N, T, H, W]"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(message(&config(1, 1), empty.path()).contains("*.npz"));
    npy(&path, &[6, 40, 64, 64], &counting(6 * 40 * 64 * 64));
    let error = message(&DataConfig { memory_mib: 1, ..config(1, 1) }, &path);
    assert!(error.contains("raise data.memory_mib") && error.contains("1 MiB"), "{error}");
}
