//! `convgru predict` with networks that give a frame for each frame: FireNet, imported from another program's names.

use std::fs;
use std::path::Path;

use convgru_model::composed::{Recurrent, RecurrentParameters};
use convgru_model::import::network::{Hints, read};
use convgru_model::import::{NamedTensors, named_tensors};
use convgru_model::{Tensor, export};
use convgru_train::ReadBudget;
use convgru_train::dataset::{FramesConfig, read_frames};

use crate::program::{array, convgru, finished_run, folder};

const BINS: usize = 5;
const CHANNELS: usize = 3;
const SHAPE: [u64; 4] = [4, BINS as u64, 6, 7];

/// The tensors of a FireNet under its own names.
fn tensors() -> Vec<(String, Tensor<f32>)> {
    let mut tensors = Vec::new();
    let mut add = |name: &str, shape: &[usize]| {
        let salt = tensors.len() * 17;
        let values = |shape: &[usize]| Tensor::from_fn(shape, |i| ((i * 7 + salt) % 23) as f32 / 40.0 - 0.25);
        tensors.push((format!("{name}.weight"), values(shape)));
        tensors.push((format!("{name}.bias"), values(&shape[..1])));
    };
    add("head.conv.conv2d", &[CHANNELS, BINS, 3, 3]);
    for cell in ["head", "resblocks.0"] {
        for gate in ["reset_gate", "update_gate", "out_gate"] {
            add(&format!("{cell}.recurrent_block.{gate}"), &[CHANNELS, 2 * CHANNELS, 3, 3]);
        }
    }
    for block in ["resblocks.0.conv", "resblocks.1"] {
        add(&format!("{block}.conv1"), &[CHANNELS, CHANNELS, 3, 3]);
        add(&format!("{block}.conv2"), &[CHANNELS, CHANNELS, 3, 3]);
    }
    add("pred.conv2d", &[1, CHANNELS, 1, 1]);
    tensors
}

fn number(i: usize) -> f32 {
    (i * 37 % 101) as f32 / 50.0 - 1.0
}

/// A folder with `firenet.safetensors`, which `import` wrote, and `voxels.npy`.
fn imported() -> tempfile::TempDir {
    let folder = folder();
    let theirs = NamedTensors { tensors: tensors(), skipped: Vec::new() };
    fs::write(folder.path().join("theirs.safetensors"), export::to_safetensors(&theirs, &[]).unwrap())
        .unwrap();
    convgru(folder.path(), "import --input theirs.safetensors --out firenet.safetensors").succeeded();
    array(&folder.path().join("voxels.npy"), &SHAPE, number);
    folder
}

/// What the network gives, by the composed engine.
fn expected() -> Tensor<f32> {
    let imported = read("firenet", &tensors(), &Hints::default()).unwrap();
    let parameters = RecurrentParameters::new(imported.parameters.named().to_vec());
    let network = Recurrent::from_parameters(imported.config, parameters).unwrap();
    network.forward(&Tensor::from_fn(&[4, 1, BINS, 6, 7], number)).unwrap().outputs.pop().unwrap()
}

fn numbers(path: &Path) -> (Vec<u64>, Vec<f32>) {
    let file = npyz::NpyFile::new(fs::File::open(path).unwrap()).unwrap();
    (file.shape().to_vec(), file.into_vec().unwrap())
}

const PREDICT: &str = "predict --checkpoint firenet.safetensors --input voxels.npy";

#[test]
fn numbers_go_in_and_come_out_as_they_are() {
    let folder = imported();
    let value = convgru(folder.path(), &format!("{PREDICT} --out frames.npy --json")).succeeded().json();
    assert_eq!(value["input_shape"], serde_json::json!(SHAPE));
    assert_eq!(value["shape"], serde_json::json!([4, 1, 6, 7]));
    let (shape, given) = numbers(&folder.path().join("frames.npy"));
    assert_eq!(shape, [4, 1, 6, 7]);
    let expected = expected();
    let worst = given.iter().zip(expected.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
    let most = given.iter().copied().fold(f32::MIN, f32::max);
    assert!((value["maximum"].as_f64().unwrap() - f64::from(most)).abs() < 1e-6);
    // The newest frames alone, as the first of their own sequence.
    let ran = convgru(folder.path(), &format!("{PREDICT} --newest 2 --out two.npy")).succeeded();
    assert!(ran.stdout.contains("read 2 frames of 6 x 7 pixels and 5 channels"), "{}", ran.stdout);
    assert_eq!(numbers(&folder.path().join("two.npy")).0, [2, 1, 6, 7]);
}

#[test]
fn pictures_are_clipped_to_their_range() {
    let folder = imported();
    convgru(folder.path(), &format!("{PREDICT} --out frames.npy")).succeeded();
    let (_, given) = numbers(&folder.path().join("frames.npy"));
    let middle = given.iter().sum::<f32>() / given.len() as f32;
    for (argument, [low, high]) in [
        (String::new(), [0.0, 1.0]),
        (format!("--picture-range={},{}", middle - 0.2, middle + 0.3), [middle - 0.2, middle + 0.3]),
    ] {
        convgru(folder.path(), &format!("{PREDICT} --out pictures {argument}")).succeeded();
        let budget = ReadBudget::new(64, "a limit");
        let shades = read_frames(folder.path().join("pictures"), &FramesConfig::default(), &budget).unwrap();
        assert_eq!(shades.len(), given.len());
        for (shade, value) in shades.as_slice().iter().zip(&given) {
            let expected = ((value - low) / (high - low)).clamp(0.0, 1.0);
            assert!((shade - expected).abs() <= 0.51 / 255.0, "{shade} {expected}");
        }
    }
    convgru(folder.path(), &format!("{PREDICT} --out frames.gif")).succeeded();
}

#[test]
fn what_does_not_fit_is_refused_with_what_to_do() {
    let folder = imported();
    array(&folder.path().join("three.npy"), &[4, 3, 6, 7], number);
    array(&folder.path().join("nan.npy"), &SHAPE, |i| if i == 300 { f32::NAN } else { 0.0 });
    array(&folder.path().join("two.npy"), &[2, 4, 5, 6, 7], number);
    let with = |input: &str| format!("predict --checkpoint firenet.safetensors --input {input} --out y.npy");
    for (arguments, code, told) in [
        (with("three.npy"), 1, "3 channels, but the network reads 5 channels"),
        (with("nan.npy"), 1, "frame 1: "),
        (with("two.npy --axes ntchw"), 1, "holds 2 sequences, and one is needed"),
        (format!("{PREDICT} --out y.npy --frames 3"), 2, "Leave --frames out"),
        (format!("{PREDICT} --out y.npy --range 0,1"), 2, "reads the numbers of the file as they are"),
        (format!("{PREDICT} --out y.npy --members all"), 2, "are for networks that continue frames"),
        (format!("{PREDICT} --out y.nc"), 2, "neither unit nor time"),
        (format!("{PREDICT} --out y.npy --picture-range 1,0"), 2, "the second one larger"),
        (format!("{PREDICT} --out voxels.npy"), 2, "voxels.npy"),
    ] {
        let ran = convgru(folder.path(), &arguments);
        assert_eq!(ran.code, Some(code), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{arguments}: {}", ran.stderr);
        assert!(!folder.path().join("y.npy").exists());
    }
}

#[test]
fn forecasters_need_frames_and_have_their_own_range() {
    let folder = folder();
    array(&folder.path().join("x.npy"), &[3, 16, 16], |i| (i % 16) as f32 / 16.0);
    let predict = format!(
        "predict --checkpoint {} --input x.npy --out y.npy",
        finished_run().join("runs/tiny/model.safetensors").display()
    );
    for (more, told) in
        [("", "--frames N is needed"), ("--frames 2 --picture-range 0,1", "networks that continue no frames")]
    {
        let ran = convgru(folder.path(), &format!("{predict} {more}"));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}
