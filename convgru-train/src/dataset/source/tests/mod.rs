//! Frames in files of every format, whole and damaged.

mod arrays;
mod file_per_frame;
mod pictures;

use std::path::PathBuf;

use convgru_model::Tensor;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::dataset::fixtures::budget;
use crate::media::{encode_png, write_frames};

fn read(path: impl AsRef<Path>) -> Result<Tensor<f32>> {
    crate::dataset::read_frames(path, &FramesConfig::default(), &budget())
}

/// A file of the given bytes in a folder that vanishes with the test.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Frames whose values are levels of 8 bits, different everywhere.
fn levels(shape: &[usize]) -> Tensor<f32> {
    Tensor::from_fn(shape, |i| ((i * 37 + i / 7) % 256) as f32 / 255.0)
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

/// A version 1.0 `.npy` file with the given description and data.
fn npy_bytes(description: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{description}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn npy_of(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> (TempDir, PathBuf) {
    let fortran = if fortran { "True" } else { "False" };
    let description = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    file("frames.npy", &npy_bytes(&description, data))
}

/// `[sequences, steps, channels, height, width]` of a file.
fn opened(path: &Path, axes: &str) -> ([usize; 5], Box<dyn FrameSource>) {
    let config = FramesConfig { axes: axes.parse().unwrap(), ..FramesConfig::default() };
    let source = open(path, &config, &budget()).unwrap();
    let FrameInfo { sequences, steps, channels, height, width, .. } = source.info().unwrap();
    ([sequences, steps, channels.unwrap(), height, width], source)
}

/// Places `[sequence, step]` and values of frames.
fn visited(
    source: &dyn FrameSource,
    sequences: Range<usize>,
    steps: Range<usize>,
) -> Vec<([usize; 2], Vec<f32>)> {
    let mut visited = Vec::new();
    source
        .visit(sequences, steps, &mut |frame| {
            visited.push(([frame.sequence, frame.step], frame.values.to_vec()));
            Ok(())
        })
        .unwrap();
    visited
}

#[test]
fn a_source_gives_what_it_says_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let frames = levels(&[4, 3, 5, 6]);
    for name in ["a.npy", "a.gif", "a"] {
        let path = folder.path().join(name);
        write_frames(&path, &frames).unwrap();
        let source = open(&path, &FramesConfig::default(), &budget()).unwrap();
        expect_what_it_says(source.as_ref(), 4);
    }
    let pgm = folder.path().join("201609281445.pgm");
    std::fs::write(&pgm, [b"P5 6 5 255\n", &[9u8; 30][..]].concat()).unwrap();
    let config = crate::dataset::RadarConfig { downsample: 2, ..Default::default() };
    let of = |path: &Path, format| {
        let source = radar::RadarFile { path, format, config: &config, budget: &budget() };
        expect_what_it_says(&source, 1);
        assert_eq!(source.times().unwrap().len(), 1);
        source.info().unwrap()
    };
    let info = of(&pgm, radar::Format::FmiPgm);
    assert_eq!((info.channels, info.height, info.width, info.may_miss), (Some(1), 3, 3, true));
    #[cfg(feature = "hdf5")]
    for (name, model) in [
        ("odim/composite00.h5", radar::composite::Model::Odim),
        ("knmi/reflectivity0.h5", radar::composite::Model::Knmi),
    ] {
        of(&crate::dataset::gridded::tests::written(name), radar::Format::Hdf5(model));
    }
}

/// Frames of the shapes that are announced, in their order.
fn expect_what_it_says(source: &dyn FrameSource, steps: usize) {
    let info = source.info().unwrap();
    assert_eq!((info.sequences, info.steps), (1, steps));
    let mut next = 0;
    source
        .visit(0..1, 0..steps, &mut |frame| {
            assert_eq!((frame.sequence, frame.step), (0, next));
            let [channels, height, width] = frame.shape;
            assert_eq!([height, width], [info.height, info.width]);
            assert!(info.channels.is_none_or(|announced| announced == channels));
            assert_eq!(frame.values.len(), channels * height * width);
            next += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(next, steps);
    // The caller ends a reading by an error of its own.
    let ended = source
        .visit(0..1, 0..steps, &mut |_| Err(Error::Data { what: "a test".into(), reason: "ends".into() }));
    assert!(ended.unwrap_err().to_string().contains("ends"));
}

/// A file of small frames: its path, the path that is read, and its bytes.
fn small_file(folder: &Path, name: &str) -> (PathBuf, PathBuf, Vec<u8>) {
    let path = folder.join(name);
    let is_png = name.ends_with("png");
    if is_png {
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, encode_png(5, 3, 1, &[9; 15]).unwrap()).unwrap();
    } else {
        write_frames(&path, &levels(&[2, 1, 3, 5])).unwrap();
    }
    let target = if is_png { path.parent().unwrap() } else { &path }.to_path_buf();
    let whole = std::fs::read(&path).unwrap();
    (path, target, whole)
}

#[test]
fn prefixes_of_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npy", "a.gif", "one/frame.png"] {
        let (path, target, whole) = small_file(folder.path(), name);
        assert!(read(&target).is_ok());
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let error = message(read(&target));
            assert!(error.contains('a') && error.len() > 20, "{name} cut at {end}: {error}");
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npy", "a.gif", "one/frame.png"] {
        let (path, target, whole) = small_file(folder.path(), name);
        // The palette of 256 grey levels of a GIF fills bytes 13 to 781.
        let changed = (0..whole.len()).filter(|&at| !name.ends_with("gif") || !(20..780).contains(&at));
        for at in changed {
            for change in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                std::fs::write(&path, &bytes).unwrap();
                if let Ok(frames) = read(&target) {
                    assert!(frames.as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
                }
            }
        }
    }
}

#[test]
fn paths_that_hold_no_frames_say_what_is_supported() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["clip.mp4", "plain", "one.png", "a.gif", "a.npy"] {
        std::fs::write(at(name), b"something else entirely").unwrap();
    }
    for (name, needle) in [
        ("missing.npy", "cannot read"),
        ("missing", "cannot read"),
        ("clip.mp4", ".gif file, an animated .png or a folder of PNG"),
        ("plain", "without an extension"),
        ("one.png", "give the folder"),
        ("a.gif", "damaged GIF"),
        ("a.npy", "no .npy file"),
    ] {
        let error = message(read(at(name)));
        assert!(error.contains(needle) && error.contains(name), "{name}: {error}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(message(read(empty.path())).contains("without a .png"));
    // A folder of arrays that is no sequence.
    let several = tempfile::tempdir().unwrap();
    for name in ["a.npy", "b.npy"] {
        let description = "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 8, 8), }";
        std::fs::write(several.path().join(name), npy_bytes(description, &[0; 256])).unwrap();
    }
    let error = message(read(several.path()));
    for words in ["holds 2 files with frames", "a.npy has 1 sequence of 4 frames", "give one of the files"] {
        assert!(error.contains(words), "{error}");
    }
    for name in ["a.npy", "b.npy"] {
        std::fs::write(several.path().join(name), b"something else entirely").unwrap();
    }
    assert!(message(read(several.path())).contains("no .npy file"));
}
