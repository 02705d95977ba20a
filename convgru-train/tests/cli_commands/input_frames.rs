//! Networks that read other frames than they give: training, and every command after it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::frame_by_frame::{imported, numbers};
use crate::program::{Ran, array, convgru};

/// Frames of a sequence, and rows and columns of a frame.
const STEPS: usize = 8;
const SIDE: usize = 8;
const BINS: usize = 5;
const SEQUENCES: usize = 6;

/// A moving wave, 0.1 to 0.9.
fn image(sequence: usize, step: usize, pixel: usize) -> f32 {
    let (row, column) = (pixel / SIDE, pixel % SIDE);
    let phase = 0.9 * row as f32 + 0.5 * column as f32 + 0.7 * step as f32 + sequence as f32;
    0.5 + 0.4 * phase.sin()
}

/// Signed numbers beyond 0 to 1 that follow from the image, in each bin others.
fn voxel(sequence: usize, step: usize, bin: usize, pixel: usize) -> f32 {
    (image(sequence, step, pixel) - 0.5) * (bin as f32 - 0.5)
}

/// `frames.npy`, `[N, T, H, W]`, and `voxels.npy`, `[N, T, 5, H, W]`.
fn write_data(folder: &Path) {
    let area = SIDE * SIDE;
    let long = STEPS * area;
    array(&folder.join("frames.npy"), &[SEQUENCES as u64, STEPS as u64, SIDE as u64, SIDE as u64], |i| {
        image(i / long, i % long / area, i % area)
    });
    let shape = [SEQUENCES as u64, STEPS as u64, BINS as u64, SIDE as u64, SIDE as u64];
    array(&folder.join("voxels.npy"), &shape, |i| {
        let (sequence, rest) = (i / (BINS * long), i % (BINS * long));
        voxel(sequence, rest / (BINS * area), rest % (BINS * area) / area, i % area)
    });
    // One sequence, `[T, 5, H, W]`, as a camera of events would give it.
    array(&folder.join("new.npy"), &shape[1..], |i| {
        voxel(9, i / (BINS * area), i % (BINS * area) / area, i % area)
    });
    fs::write(folder.join("events.toml"), CONFIG).unwrap();
}

const CONFIG: &str = r#"
name = "events"
[data]
input_frames = 6
output_frames = 6
train_sequences = 4
validation_sequences = 2
test_sequences = 2
[data.frames]
stride = 2
[data.frames.input]
path = "voxels.npy"
[training]
steps = 150
batch_size = 2
validate_every = 50
checkpoint_every = 10
threads = 1
[optimizer]
learning_rate = 0.01
[schedule]
kind = "constant"
"#;

/// As FireNet, with few channels.
const MODEL: &str = r#"
[model]
kind = "recurrent"
input_channels = 5
patch = 1
[[model.stages]]
convolution = { in_channels = 5, out_channels = 4, activation = "tanh" }
[[model.stages]]
cell = { in_channels = 4, hidden_channels = 4 }
[[model.stages]]
residual = { in_channels = 4, out_channels = 4, activation = "tanh" }
[[model.stages]]
convolution = { in_channels = 4, out_channels = 1, kernel_size = [1, 1] }
"#;

const TRAIN: &str = "train --config events.toml --data frames.npy --json";

/// A folder with the data and a configuration with the network.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    fs::write(folder.path().join("events.toml"), format!("{CONFIG}{MODEL}")).unwrap();
    folder
}

fn losses(folder: &Path, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(folder.join("runs").join(name).join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == "step").map(|line| line["loss"].as_f64().unwrap()).collect()
}

#[test]
fn a_network_learns_frames_from_other_frames_and_goes_on_to_the_same_bits() {
    let folder = prepared();
    let ran = convgru(folder.path(), TRAIN).succeeded();
    let losses_of = losses(folder.path(), "events");
    assert_eq!(losses_of.len(), 150);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses_of[140..]) < 0.2 * mean(&losses_of[..5]), "{losses_of:?}");
    assert!(ran.json()["mse_copy_last"].is_null());
    assert!(ran.stderr.contains("of predicting the mean frame"), "{}", ran.stderr);
    // Another run ends in the middle, and goes on in another process.
    convgru(folder.path(), &format!("{TRAIN} --name part --steps 17")).succeeded();
    convgru(folder.path(), "train --resume=part --steps 150").succeeded();
    assert_eq!(losses_of, losses(folder.path(), "part"));
    let predict = |run: &str| {
        let out = format!("{run}.npy");
        let predict = format!("predict --checkpoint runs/{run} --input new.npy --out {out} --json");
        let value = convgru(folder.path(), &predict).succeeded().json();
        assert_eq!(value["input_shape"], serde_json::json!([STEPS, BINS, SIDE, SIDE]));
        numbers(&folder.path().join(out))
    };
    let (shape, given) = predict("events");
    assert_eq!(shape, [STEPS as u64, 1, SIDE as u64, SIDE as u64]);
    assert_eq!((shape, given.clone()), predict("part"));
    // An image for each frame, near the image of its own time.
    let error = |shift: usize| {
        let pairs = given.iter().enumerate().skip(2 * 64);
        let squares = pairs.map(|(i, value)| (value - image(9, i / 64 + shift, i % 64)).powi(2));
        squares.sum::<f32>()
    };
    assert!(error(0) < 0.5 * error(1), "{} {}", error(0), error(1));
}

#[test]
fn every_command_after_a_training_takes_the_run_or_says_why_not() {
    let folder = prepared();
    let path = folder.path();
    convgru(path, &format!("{TRAIN} --steps 4")).succeeded();
    for file in ["report.html", "prediction.gif", "example.gif", "test.json", "model.safetensors"] {
        assert!(path.join("runs/events").join(file).is_file(), "{file}");
    }
    let report = fs::read_to_string(path.join("runs/events/report.html")).unwrap();
    for words in
        ["a frame for each of them", "predict the mean", "Error by frame", "input 1|", "|prediction 6"]
    {
        assert!(report.contains(words), "{words}");
    }
    assert!(!report.contains("t+1") && !report.contains("copy last"));
    let eval = convgru(path, "eval --checkpoint runs/events --json").succeeded();
    assert!(eval.json()["mse"].as_f64().unwrap() > 0.0 && eval.json()["mse_copy_last"].is_null());
    assert_eq!(eval.json()["per_step"].as_array().unwrap().len(), 6);
    // Both windows of all sequences of a file, with their input frames.
    let whole = "eval --checkpoint runs/events --data frames.npy --input voxels.npy --json";
    assert_eq!(convgru(path, whole).succeeded().json()["sequences"], 2 * SEQUENCES);
    array(&path.join("other.npy"), &[7, 8, 8], |i| image(9, i / 64, i % 64));
    let runs = convgru(path, "runs --json").succeeded().json();
    assert!(runs[0]["best"]["mse"].is_f64() && runs[0]["test"]["mse"].is_f64(), "{runs}");
    convgru(path, "runs").succeeded();
    convgru(path, "predict --checkpoint runs/events --input new.npy --out pictures").succeeded();
    convgru(path, "export --checkpoint runs/events --out copy.safetensors").succeeded();
    convgru(path, "predict --checkpoint copy.safetensors --input new.npy --out a.npy").succeeded();
    convgru(path, "predict --checkpoint runs/events --input new.npy --out b.npy").succeeded();
    assert_eq!(numbers(&path.join("a.npy")), numbers(&path.join("b.npy")));
    convgru(path, "export --checkpoint runs/events --out all.onnx").succeeded();
    convgru(path, "export --checkpoint runs/events --form step --out step.onnx").succeeded();
    convgru(path, &format!("{TRAIN} --dry-run")).succeeded();
    fs::create_dir(path.join("in")).unwrap();
    for (arguments, words) in [
        ("predict --checkpoint runs/events --input new.npy --out c.npy --frames 3", "--frames"),
        ("predict --checkpoint runs/events --input new.npy --out c.npy --unit K", "--unit"),
        ("predict --checkpoint runs/events --input frames.npy --out c.npy", "5 channels"),
        ("eval --checkpoint runs/events --data other.npy", "name these with --input"),
        ("eval --checkpoint runs/events --data other.npy --input voxels.npy", "6 sequences"),
        ("eval --checkpoint runs/events --data frames.npy --input none.npy", "none.npy"),
        ("eval --checkpoint runs/events --baselines", "leave --baselines out"),
        ("watch --checkpoint runs/events --input in --out out --once", "continues no frames"),
        ("export --checkpoint runs/events --frames 3 --out c.onnx", "--frames"),
    ] {
        let ran = convgru(path, arguments);
        assert!(ran.code != Some(0) && ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    // Changed input frames are noticed.
    let area = STEPS * BINS * SIDE * SIDE;
    array(&path.join("voxels.npy"), &[SEQUENCES as u64, 8, 5, 8, 8], |i| (i / area) as f32);
    let ran = convgru(path, "train --resume=events --steps 6");
    assert!(ran.code == Some(1) && ran.stderr.contains("data.frames.input"), "{}", ran.stderr);
}

#[test]
fn an_imported_network_is_trained_further_and_goes_back_to_its_own_program() {
    let folder = imported();
    let path = folder.path();
    write_data(path);
    let before = convgru(path, "predict --checkpoint firenet.safetensors --input new.npy --out before.npy");
    before.succeeded();
    let ran = convgru(path, &format!("{TRAIN} --init-from firenet.safetensors --steps 30")).succeeded();
    assert!(
        ran.stderr.contains("beginning with") && ran.stderr.contains("18 of 18 tensors"),
        "{}",
        ran.stderr
    );
    let losses = losses(path, "events");
    assert!(losses[25..].iter().sum::<f64>() < 0.7 * losses[..5].iter().sum::<f64>(), "{losses:?}");
    convgru(path, "predict --checkpoint runs/events --input new.npy --out after.npy").succeeded();
    assert_ne!(numbers(&path.join("before.npy")), numbers(&path.join("after.npy")));
    // Under the names of FireNet, and from there again.
    convgru(path, "export --checkpoint runs/events --layout original --out theirs2.safetensors").succeeded();
    convgru(path, "import --input theirs2.safetensors --out again.safetensors").succeeded();
    convgru(path, "predict --checkpoint again.safetensors --input new.npy --out again.npy").succeeded();
    let [after, again] = ["after.npy", "again.npy"].map(|name| numbers(&path.join(name)).1);
    let worst = after.iter().zip(&again).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn parts_of_frames_and_of_input_frames_lie_at_one_place() {
    let folder = prepared();
    let path = folder.path();
    // Each input frame is its image, so that a network of one weight is exact where both are cut alike.
    let long = STEPS * SIDE * SIDE;
    array(&path.join("voxels.npy"), &[SEQUENCES as u64, 8, 1, 8, 8], |i| {
        image(i / long, i % long / 64, i % 64)
    });
    let identity = "[model]\nkind = \"recurrent\"\ninput_channels = 1\npatch = 1\n[[model.stages]]\n\
                    convolution = { in_channels = 1, out_channels = 1, kernel_size = [1, 1] }\n[[model.stages]]\n\
                    cell = { in_channels = 1, hidden_channels = 1 }\n[[model.stages]]\n\
                    convolution = { in_channels = 1, out_channels = 1, kernel_size = [1, 1] }\n";
    fs::write(path.join("events.toml"), format!("{CONFIG}{identity}")).unwrap();
    let crop =
        "--set data.frames.crop=[4,4] --set data.train_sequences=40 --set training.batch_size=8 --steps 150";
    convgru(path, &format!("{TRAIN} {crop}")).succeeded();
    let mse =
        convgru(path, "eval --checkpoint runs/events --json").succeeded().json()["mse"].as_f64().unwrap();
    // The sum over the 16 pixels of a frame, whose variance is 16 * 0.08.
    assert!(mse < 0.3, "{mse}");
}

/// The error of a training that is refused before it begins.
fn refused(folder: &Path, arguments: &str) -> String {
    let Ran { code, stderr, .. } = convgru(folder, &format!("{TRAIN} {arguments}"));
    assert!(code.is_some_and(|code| code != 0), "{arguments}");
    assert!(!folder.join("runs").exists(), "{arguments}");
    stderr
}

#[test]
fn input_frames_that_do_not_fit_are_refused_with_the_numbers() {
    let folder = prepared();
    let path = folder.path();
    array(&path.join("few.npy"), &[5, 8, 5, 8, 8], |_| 0.5);
    array(&path.join("short.npy"), &[6, 7, 5, 8, 8], |_| 0.5);
    array(&path.join("small.npy"), &[6, 8, 5, 8, 6], |_| 0.5);
    array(&path.join("three.npy"), &[6, 8, 3, 8, 8], |_| 0.5);
    array(&path.join("nan.npy"), &[6, 8, 5, 8, 8], |i| if i % 321 == 0 { f32::NAN } else { 0.5 });
    let header = "{'descr': '|i1', 'fortran_order': False, 'shape': (6, 8, 5, 8, 8), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(118u16.to_le_bytes());
    bytes.extend(format!("{header:<117}\n").bytes());
    bytes.resize(bytes.len() + 6 * 8 * 5 * 64, 1);
    fs::write(path.join("counts.npy"), bytes).unwrap();
    for (input, words) in [
        ("few.npy", &["5 sequences", "6 sequences"][..]),
        ("short.npy", &["7 frames", "8 frames"]),
        ("small.npy", &["8 x 6 pixels", "8 x 8"]),
        ("three.npy", &["model.input_channels", "is 5", "3 channels"]),
        ("nan.npy", &["NaN or infinite"]),
        ("counts.npy", &["int8", "floating-point"]),
        ("none.npy", &["none.npy"]),
    ] {
        let error = refused(path, &format!("--set data.frames.input.path={input}"));
        assert!(words.iter().all(|word| error.contains(word)), "{input}: {error}");
    }
    for (settings, words) in [
        ("--set data.output_frames=5", &["data.output_frames", "is 5", "is 6"][..]),
        (
            "--set data.input_frames=9 --set data.output_frames=9",
            &["8 frames", "but data.input_frames = 9 are needed"],
        ),
        ("--set data.mask_channel=true", &["mask_channel"]),
        ("--set data.on_corrupt=skip", &["data.on_corrupt", "stop"]),
        ("--set data.frames.resize=[4,4]", &["data.frames.resize"]),
        ("--set training.truncate=2", &["training.truncate", "is 2"]),
        ("--set training.reverse_sampling.start=0.5", &["training.reverse_sampling"]),
        ("--set model.kind=pyramid", &["model.input_channels", "kind pyramid"]),
        ("--set model.input_channels=0", &["stages"]),
        ("--set data.frames.input.axes=nthw", &["axes"]),
    ] {
        let error = refused(path, settings);
        assert!(words.iter().all(|word| error.contains(word)), "{settings}: {error}");
    }
    fs::write(
        path.join("events.toml"),
        format!("{}{MODEL}", CONFIG.replace("[data.frames.input]\npath = \"voxels.npy\"", "")),
    )
    .unwrap();
    let error = refused(path, "");
    assert!(error.contains("data.frames.input") && error.contains("model.input_channels is 5"), "{error}");
}

#[test]
fn sequences_of_folders_go_together_by_name() {
    let folder = prepared();
    let path = folder.path();
    let area = SIDE * SIDE;
    for kind in ["frames", "voxels"] {
        fs::create_dir(path.join(kind)).unwrap();
    }
    for (sequence, name) in ["a", "b", "c", "d"].iter().enumerate() {
        let steps = 8 + sequence as u64;
        array(&path.join(format!("frames/{name}.npy")), &[steps, 8, 8], |i| {
            image(sequence, i / area, i % area)
        });
        array(&path.join(format!("voxels/{name}.npy")), &[steps, 5, 8, 8], |i| {
            voxel(sequence, i / (BINS * area), i % (BINS * area) / area, i % area)
        });
    }
    let train = "train --config events.toml --data frames --set data.frames.input.path=voxels";
    convgru(path, &format!("{train} --steps 2 --set data.memory_mib=64")).succeeded();
    fs::rename(path.join("voxels/d.npy"), path.join("voxels/e.npy")).unwrap();
    let ran = convgru(path, &format!("{train} --name other"));
    assert!(ran.code == Some(1) && ran.stderr.contains("names differ"), "{}", ran.stderr);
}
