//! Written frames.

use std::path::Path;

use super::*;
use crate::dataset::{FramesConfig, read_frames};

fn read(path: impl AsRef<Path>) -> Result<Tensor<f32>> {
    read_frames(path, &FramesConfig::default(), &crate::ReadBudget::new(512, "a test"))
}

/// Frames whose values are levels of 8 bits, different everywhere.
fn levels(shape: &[usize]) -> Tensor<f32> {
    Tensor::from_fn(shape, |i| ((i * 37 + i / 7) % 256) as f32 / 255.0)
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn every_kind_gives_back_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for shape in [[1, 1, 1, 2], [3, 1, 7, 5], [12, 1, 1, 9], [2, 1, 64, 64], [5, 3, 3, 11]] {
        let frames = levels(&shape);
        for name in ["a.npy", "a.gif", "a.GIF", "a"] {
            let path = folder.path().join(name);
            write_frames(&path, &frames).unwrap();
            assert_eq!(read(&path).unwrap(), frames, "{name} {shape:?}");
        }
    }
}

#[test]
fn arrays_keep_many_channels_and_have_axes_that_need_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    for (shape, written) in [([2, 8, 3, 9], "(1, 2, 8, 3, 9)"), ([5, 1, 3, 9], "(5, 3, 9)")] {
        let frames = levels(&shape);
        write_frames(&path, &frames).unwrap();
        assert!(String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(written));
        assert_eq!(read(&path).unwrap(), frames);
    }
}

#[test]
fn frames_that_cannot_be_shown_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.gif", "a"] {
        let path = folder.path().join(name);
        assert!(message(write_frames(&path, &levels(&[2, 2, 4, 4]))).contains("got 2"));
        assert!(message(write_frames(&path, &levels(&[2, 4, 4]))).contains("[2, 4, 4]"));
        assert!(message(write_frames(&path, &Tensor::zeros(&[0, 1, 4, 4]))).contains("no pixels"));
        assert!(
            message(write_frames(&path, &Tensor::from_fn(&[1, 1, 1, 1], |_| f32::NAN)))
                .contains("not a number")
        );
        assert!(!path.exists());
    }
    assert!(message(encode_gif(&Tensor::zeros(&[1, 1, 1, 65536]), 1)).contains("65536"));
    assert!(message(write_frames(folder.path().join("a.npy"), &levels(&[4, 4]))).contains("[4, 4]"));
}

#[test]
fn pictures_clamp_values_and_arrays_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Tensor::from_vec(&[1, 1, 1, 5], vec![-0.5, 1.5, 0.2, 0.0, 1.0]).unwrap();
    for name in ["a.gif", "a"] {
        let path = folder.path().join(name);
        write_frames(&path, &frames).unwrap();
        assert_eq!(read(&path).unwrap().as_slice(), [0.0, 1.0, 0.2, 0.0, 1.0], "{name}");
    }
    let path = folder.path().join("a.npy");
    write_frames(&path, &frames).unwrap();
    let file = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    assert_eq!(file.into_vec::<f32>().unwrap(), frames.as_slice());
}

#[test]
fn a_shorter_run_leaves_no_frames_of_a_longer_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    write_frames(&path, &levels(&[5, 1, 2, 2])).unwrap();
    write_frames(&path, &levels(&[2, 1, 2, 2])).unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["frame_000.png", "frame_001.png"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_gif_repeats_with_the_delay_asked_for() {
    let bytes = encode_gif(&levels(&[3, 1, 4, 4]), 25).unwrap();
    let mut decoder = ::gif::DecodeOptions::new().read_info(&bytes[..]).unwrap();
    let mut delays = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        delays.push(frame.delay);
    }
    assert_eq!(delays, [25; 3]);
    assert_eq!(decoder.repeat(), ::gif::Repeat::Infinite);
}

#[test]
fn other_names_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let frames = levels(&[1, 1, 2, 2]);
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("plain"), "text").unwrap();
    assert!(message(write_frames(at("clip.avi"), &frames)).contains(".avi"));
    assert!(message(write_frames(at("no/such/a.gif"), &frames)).contains("a.gif"));
    assert!(message(write_frames(folder.path(), &frames)).contains("not a frame of an earlier run"));
}
