//! `inspect`: what it shows, and that its configuration trains.

use std::path::Path;

use crate::cases::cases;
use crate::program::{Ran, array, convgru, finished_run};

/// Trains a step with the configuration of an inspection.
fn trains(folder: &Path, arguments: &str) -> Ran {
    let found = convgru(folder, &format!("inspect {arguments} --json")).succeeded().json();
    std::fs::write(folder.join("data.toml"), found["configuration"].as_str().unwrap()).unwrap();
    let train = "train --config data.toml --name t --steps 1 --batch-size 1 --set data.test_sequences=1 --set data.validation_sequences=1";
    convgru(folder, train).succeeded()
}

#[test]
fn its_configuration_trains_as_it_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    array(&folder.path().join("rain.npy"), &[60, 18, 20], |at| match at % 20 {
        0..4 => -9999.0,
        _ => (at % 301) as f32 / 4.0,
    });
    let ran = convgru(folder.path(), "inspect rain.npy --out look.png").succeeded();
    for words in [
        "rain.npy: NumPy array, 84.5 KiB",
        "1 sequence of 60 frames, 18 x 20 pixels; axes \"thw\", by the shape",
        "0 to 75, mean",
        "marked by -9999",
        "/: not measured",
        "wrote the picture to look.png",
        "convgru train --config data.toml",
        "  missing = [-9999.0]",
        "  range = [0.0, 75.0]",
        "  patch = 2",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    assert!(std::fs::read(folder.path().join("look.png")).unwrap().starts_with(b"\x89PNG"));
    // The lines as a person copies them.
    let lines = ran.stdout.split("train --config data.toml\n").nth(1).unwrap();
    std::fs::write(folder.path().join("copied.toml"), lines).unwrap();
    let copied = "train --config copied.toml --name c --steps 1 --batch-size 1";
    convgru(folder.path(), copied).succeeded();
    trains(folder.path(), "rain.npy");
    let measured = convgru(folder.path(), "eval --checkpoint runs/c --json").succeeded().json();
    assert!(measured["mse"].as_f64().unwrap().is_finite());
}

#[test]
fn colour_is_trained_once_the_axes_are_chosen() {
    let folder = tempfile::tempdir().unwrap();
    array(&folder.path().join("video.npy"), &[40, 16, 16, 3], |at| (at * 7 % 251) as f32);
    let ran = convgru(folder.path(), "inspect video.npy").succeeded();
    for words in
        ["--set data.frames.axes=thwc", "40 sequences of 3 frames of 16 x 16 pixels", "# axes = \"nhwt\""]
    {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    trains(folder.path(), "video.npy --set data.frames.axes=thwc");
}

#[test]
fn what_cannot_be_inspected_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.npy"), "no array").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "notes").unwrap();
    array(&folder.path().join("b.npy"), &[9, 4, 6], |at| at as f32);
    for (arguments, words) in [
        ("a.npy", "is no .npy file"),
        ("notes.txt", "is no file of data"),
        ("missing.npy", "cannot find missing.npy"),
        ("b.npy --set data.frames.axes=nthw", "[9, 4, 6]"),
    ] {
        let ran = convgru(folder.path(), &format!("inspect {arguments}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{arguments}");
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    for (arguments, words) in [
        ("b.npy --out look.jpg", "a name that ends with .png or .gif is needed"),
        ("b.npy --set data.frames.axes=thx", "names no axes"),
    ] {
        let ran = convgru(folder.path(), &format!("inspect {arguments}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments}");
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    assert!(!folder.path().join("look.jpg").exists());
}

#[test]
fn cases_of_users_are_told_and_their_configurations_train() {
    let Some(cases) = cases() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, settings, words) in [
        ("predict_range/u2_0to1000.npy", "", "range = [0.0, 1000.0]"),
        ("hdf5_other/a.h5", "--set data.input_frames=1 --set data.output_frames=1", "cannot be read: "),
        ("axes/sevir_nhwt.h5", "--set data.frames.axes=nhwt", "4 sequences of 4 frames, 12 x 16 pixels"),
        ("axes/nthwc.h5", "", "axes \"nthwc\", by the shape"),
        ("frames/minus9999.npy", "--set data.input_frames=1", "missing = [-9999.0]"),
        ("frames/mac", "", "3 sequences of 8 frames"),
        ("frames/capital", "", "1 train, 1 validation, 1 test"),
        ("frames/testsize", "", "resize = [32, 32]"),
        ("frames/eval_folder10", "", "10 sequences of 4 frames"),
        ("frames/nc_file_per_time", "", "by the names of the dimensions"),
    ] {
        let path = cases.join(name);
        let ran = convgru(folder.path(), &format!("inspect {} {settings}", path.display())).succeeded();
        assert!(ran.stdout.contains(words), "{name}: {}", ran.stdout);
        if !ran.stdout.contains("A window has") {
            trains(folder.path(), &format!("{} {settings}", path.display()));
            std::fs::remove_dir_all(folder.path().join("runs")).unwrap();
        }
    }
    let nothing = convgru(folder.path(), &format!("inspect {}", cases.join("frames/npy_f2.npy").display()));
    assert!(nothing.succeeded().stdout.contains("float16"));
}

#[test]
fn data_too_short_for_a_training_get_no_configuration_to_train_with() {
    let folder = tempfile::tempdir().unwrap();
    array(&folder.path().join("short.npy"), &[4, 16, 16], |at| (at % 37) as f32);
    let ran = convgru(folder.path(), "inspect short.npy").succeeded();
    assert!(ran.stdout.contains("No training is possible with these data"), "{}", ran.stdout);
    assert!(
        !ran.stdout.contains("Configuration") && !ran.stdout.contains("train --config"),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_the_program_wrote_itself_is_told_and_is_no_data() {
    let folder = finished_run();
    for (path, words) in [
        ("runs/tiny", &["folder of a run", "`convgru runs --out runs`"][..]),
        ("runs", &["1 run", "`convgru runs --out runs`"]),
        ("runs/tiny/checkpoints", &["checkpoints of a run", "eval --checkpoint runs/tiny"]),
        ("runs/tiny/checkpoints/best.ckpt", &["is a checkpoint", "eval --checkpoint"]),
        ("runs/tiny/model.safetensors", &["trained model tiny of step", "eval --checkpoint"]),
    ] {
        for command in ["inspect", "train --config tiny.toml --out other --data"] {
            let ran = convgru(folder, &format!("{command} {path}"));
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{path}: {}", ran.stderr);
            let is_told = |word: &&str| ran.stderr.contains(*word);
            assert!(words.iter().all(is_told) && ran.stderr.contains("no data"), "{path}: {}", ran.stderr);
        }
    }
    let example = convgru(folder, "inspect runs/tiny/example.gif").succeeded();
    assert!(example.stdout.contains("pictures"), "{}", example.stdout);
}
