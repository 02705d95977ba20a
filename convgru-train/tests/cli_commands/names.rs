//! Paths of any bytes work, and names out of files do nothing to a terminal.
#![cfg(unix)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use convgru_model::Tensor;
use convgru_train::ReadBudget;
use convgru_train::dataset::{FramesConfig, read_frames};
use convgru_train::media::write_frames;

use crate::program::{Ran, command, folder, weights};

/// A name that is no text, with sequences for a terminal in it.
const NAME: &[u8] = b"d\xff\x1b[31m\xc2\x9b2J";

fn named(folder: &Path) -> PathBuf {
    folder.join(OsStr::from_bytes(NAME))
}

/// Runs the program with arguments and paths between them.
fn run(folder: &Path, arguments: &str, paths: &[(&str, &Path)]) -> Ran {
    let mut command = command(folder, arguments);
    for (option, path) in paths {
        command.arg(option).arg(path);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is text");
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    for printed in [&ran.stdout, &ran.stderr] {
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{printed:?}");
    }
    ran
}

fn frames(path: &Path) {
    write_frames(path, &Tensor::from_fn(&[30, 1, 16, 16], |i| (i % 7) as f32 / 6.0)).unwrap();
}

#[test]
fn runs_read_data_from_any_folder() {
    let folder = folder();
    let data = named(folder.path());
    std::fs::create_dir(&data).unwrap();
    frames(&data.join("a.npy"));
    let set = "--set training.steps=2 --set data.input_frames=2 --set data.output_frames=1 --set model.patch=2 \
               --set model.hidden_channels=[2] --set training.batch_size=1";
    let out = folder.path().join(OsStr::from_bytes(b"runs\xfe"));
    run(folder.path(), &format!("train --preset quick {set} --json"), &[("--data", &data), ("--out", &out)])
        .succeeded();
    let weights = out.join("quick/model.safetensors");
    run(folder.path(), "eval", &[("--checkpoint", &weights)]).succeeded();
    run(folder.path(), "eval --json", &[("--checkpoint", &weights), ("--data", &data)]).succeeded();
    run(folder.path(), "train --resume", &[("--out", &out)]).succeeded();
}

#[test]
fn predictions_are_read_and_written_anywhere() {
    let folder = folder();
    let at = |end: &str| {
        let mut path = named(folder.path()).into_os_string();
        path.push(end);
        PathBuf::from(path)
    };
    frames(&at("in.npy"));
    let weights = weights();
    for out in ["out.npy", "out.gif", "out"] {
        for json in ["", " --json"] {
            let (input, output) = (at("in.npy"), at(out));
            let paths = [("--checkpoint", &*weights), ("--input", &*input), ("--out", &*output)];
            run(folder.path(), &format!("predict --frames 2{json}"), &paths).succeeded();
            let budget = ReadBudget::new(16, "a test");
            assert_eq!(read_frames(at(out), &FramesConfig::default(), &budget).unwrap().shape()[0], 2);
        }
    }
}

#[test]
fn names_in_errors_are_shown_and_do_nothing() {
    let folder = folder();
    let absent = named(folder.path());
    for (arguments, option) in [
        ("train", "--data"),
        ("train", "--config"),
        ("tune", "--ranges"),
        ("import", "--input"),
        ("eval", "--checkpoint"),
        ("runs", "--out"),
        ("predict --checkpoint x --frames 1 --out y.npy", "--input"),
        ("export --checkpoint x", "--out"),
    ] {
        let ran = run(folder.path(), arguments, &[(option, &absent)]);
        assert!(ran.code != Some(0), "{arguments}: {}", ran.stdout);
    }
    let ran = run(folder.path(), "train", &[("--data", &absent)]);
    assert!(ran.stderr.contains("\u{fffd}\\u{1b}[31m\\u{9b}2J"), "{}", ran.stderr);
}
