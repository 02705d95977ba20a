//! `convgru predict` with networks that give a frame for each frame: FireNet, imported from another program's names.

use std::fs;
use std::path::Path;

use convgru_model::composed::{
    CellConfig, CellKind, Context, ConvStageConfig, Recurrent, RecurrentConfig, RecurrentParameters, Stage,
    Wiring,
};
use convgru_model::import::network::{Hints, read};
use convgru_model::import::{NamedNetwork, NamedTensors};
use convgru_model::{ConvGru, ConvGruConfig, Network, Sequence, Tensor, export};
use convgru_train::dataset::{FramesConfig, read_frames};
use convgru_train::{ReadBudget, apply_to_frames, frame_channels};

use crate::program::{array, convgru, finished_run, folder, zip_of};

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
pub(crate) fn imported() -> tempfile::TempDir {
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

pub(crate) fn numbers(path: &Path) -> (Vec<u64>, Vec<f32>) {
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
    let network = ConvGru::<f32>::new(ConvGruConfig::new(0, &[2]), 0).unwrap();
    let blind = NamedNetwork { name: String::new(), network: network.into(), origin: None };
    fs::write(folder.path().join("blind.safetensors"), export::networks(&vec![blind]).unwrap()).unwrap();
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(0, 2)]), 0).unwrap();
    assert!(frame_channels(&Network::from(network)).unwrap_err().to_string().contains("reads no frames"));
    array(&folder.path().join("one.npy"), &SHAPE[1..], number);
    let voxels = fs::read(folder.path().join("voxels.npy")).unwrap();
    let archive = zip_of(&[("grids.npy", &voxels), ("other.npy", &voxels)]);
    fs::write(folder.path().join("both.npz"), archive).unwrap();
    let with = |input: &str| format!("predict --checkpoint firenet.safetensors --input {input} --out y.npy");
    for (arguments, code, told) in [
        (with("three.npy"), 1, "3 channels, but the network reads 5 channels"),
        (with("one.npy"), 1, "--axes chw for one frame"),
        (
            with("both.npz"),
            1,
            "holds the arrays grids, other; set data.frames.member (--variable of eval, predict and watch)",
        ),
        (with("nan.npy"), 1, "nan.npy: frame 1: 1 of 210 numbers are NaN, infinite or too large for 32 bits"),
        (with("nan.npy --newest 3"), 1, "nan.npy, of the newest 3 frames: frame 0: "),
        (with("two.npy --axes ntchw"), 1, "holds 2 sequences, and one is needed"),
        (
            "predict --checkpoint blind.safetensors --input voxels.npy --out y.npy".into(),
            1,
            "reads no frames",
        ),
        (format!("{PREDICT} --out y.npy --frames 3"), 2, "Leave --frames out"),
        (format!("{PREDICT} --out y.npy --range 0,1"), 2, "reads the numbers of the file as they are"),
        (format!("{PREDICT} --out y.npy --members all"), 2, "are for networks that continue frames"),
        (format!("{PREDICT} --out y.nc"), 2, "neither unit nor time"),
        (format!("{PREDICT} --out y.npy --picture-range 1,0"), 2, "the second one larger"),
        (format!("{PREDICT} --out y.npy --picture-range 0,1e-50"), 2, "0e0 and 0e0 in 32 bits"),
        (format!("{PREDICT} --out y.npy --picture-range 0,1e39"), 2, "0e0 and inf in 32 bits"),
        (format!("{PREDICT} --out voxels.npy"), 2, "voxels.npy"),
    ] {
        let ran = convgru(folder.path(), &arguments);
        assert_eq!(ran.code, Some(code), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{arguments}: {}", ran.stderr);
        assert!(!folder.path().join("y.npy").exists());
    }
    // As the errors say.
    for more in ["one.npy --axes chw --out frame.npy", "both.npz --variable grids --out grids.npy"] {
        convgru(folder.path(), &format!("predict --checkpoint firenet.safetensors --input {more}"))
            .succeeded();
    }
    convgru(folder.path(), &format!("{PREDICT} --out frames.npy")).succeeded();
    assert_eq!(numbers(&folder.path().join("frame.npy")).0, [1, 1, 6, 7]);
    assert_eq!(numbers(&folder.path().join("grids.npy")), numbers(&folder.path().join("frames.npy")));
}

/// Sums of such numbers are infinite in 32 bits.
#[test]
fn results_that_are_not_finite_are_refused() {
    let folder = imported();
    array(&folder.path().join("large.npy"), &SHAPE, |i| if i / 210 == 1 { 3e38 } else { 1.0 });
    let large = "predict --checkpoint firenet.safetensors --input large.npy";
    for out in ["y.npy", "y.gif", "pictures"] {
        let ran = convgru(folder.path(), &format!("{large} --out {out}"));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let told = [
            "large.npy: frame 1: ",
            "of 42 numbers that the network gives are NaN or infinite",
            "up to 3e38",
        ];
        assert!(told.iter().all(|told| ran.stderr.contains(told)), "{}", ran.stderr);
        assert!(!folder.path().join(out).exists());
    }
}

#[test]
fn foreign_files_are_read_in_64_bits_or_refused_with_the_reason() {
    let folder = imported();
    let write = |name: &str, tensors: Vec<(String, Tensor<f64>)>| {
        let theirs = NamedTensors { tensors, skipped: Vec::new() };
        fs::write(folder.path().join(name), export::to_safetensors(&theirs, &[]).unwrap()).unwrap();
    };
    let wide = |scale: f64, prefix: &str| -> Vec<(String, Tensor<f64>)> {
        let scaled = |tensor: &Tensor<f32>| {
            Tensor::from_fn(tensor.shape(), |i| scale * f64::from(tensor.as_slice()[i]))
        };
        tensors().iter().map(|(name, tensor)| (format!("{prefix}{name}"), scaled(tensor))).collect()
    };
    // No number of it has 32 bits, and each is the nearest one to a number of the imported network.
    write("wide.safetensors", wide(1.0 + 1e-12, ""));
    convgru(folder.path(), &format!("{PREDICT} --out frames.npy")).succeeded();
    convgru(folder.path(), "predict --checkpoint wide.safetensors --input voxels.npy --out wide.npy")
        .succeeded();
    assert_eq!(numbers(&folder.path().join("wide.npy")), numbers(&folder.path().join("frames.npy")));

    write("vast.safetensors", wide(1e200, ""));
    let mut broken = wide(1.0, "");
    broken[0].1.as_mut_slice()[3] = f64::NAN;
    write("nan.safetensors", broken);
    let cell = |prefix: &str| {
        let gates = ["convz", "convr", "convq"];
        gates.map(|gate| (format!("{prefix}.{gate}.weight"), Tensor::from_fn(&[2, 5, 3, 3], |i| i as f64)))
    };
    write("several.safetensors", [cell("one"), cell("two")].concat());
    fs::write(folder.path().join("notes.txt"), "The weights are elsewhere.\n").unwrap();
    fs::write(folder.path().join("nothing.pth"), "").unwrap();
    for (file, told) in [
        ("vast.safetensors", "hold numbers that are too large for 32 bits"),
        ("nan.safetensors", "the tensor `head.conv.conv2d.weight` holds numbers that are NaN or infinite"),
        ("several.safetensors", "holds 2 networks, `one.`, `two.`, and one is needed"),
        ("notes.txt", "it is a text, not a file of weights"),
        ("nothing.pth", "the file is empty"),
    ] {
        for more in ["", " --frames 2"] {
            let predict = format!("predict --checkpoint {file} --input voxels.npy --out y.npy{more}");
            let ran = convgru(folder.path(), &predict);
            assert_eq!(ran.code, Some(1), "{predict}: {}", ran.stderr);
            assert!(ran.stderr.contains(file) && ran.stderr.contains(told), "{predict}: {}", ran.stderr);
        }
    }
}

/// Four axes are `[T, C, H, W]`, three are `[T, H, W]`.
#[test]
fn frames_of_one_channel_have_the_axes_that_are_documented() {
    let folder = folder();
    let gates = ["convz", "convr", "convq"];
    let weight = || Tensor::from_fn(&[2, 3, 3, 3], |i| (i % 7) as f32 / 20.0 - 0.1);
    let tensors = gates.map(|gate| (format!("gru.{gate}.weight"), weight())).into();
    let theirs = NamedTensors { tensors, skipped: Vec::new() };
    fs::write(folder.path().join("theirs.safetensors"), export::to_safetensors(&theirs, &[]).unwrap())
        .unwrap();
    convgru(folder.path(), "import --input theirs.safetensors --out ours.safetensors").succeeded();
    array(&folder.path().join("four.npy"), &[5, 1, 12, 10], number);
    array(&folder.path().join("three.npy"), &[5, 12, 10], number);
    for name in ["four", "three"] {
        let predict =
            format!("predict --checkpoint ours.safetensors --input {name}.npy --out {name}-states.npy");
        convgru(folder.path(), &predict).succeeded();
        assert_eq!(numbers(&folder.path().join(format!("{name}-states.npy"))).0, [5, 2, 12, 10]);
    }
    let [four, three] =
        ["four-states.npy", "three-states.npy"].map(|name| numbers(&folder.path().join(name)));
    assert_eq!(four, three);
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

fn frames(shape: &[usize]) -> Tensor<f32> {
    Tensor::from_fn(shape, |i| (i * 37 % 101) as f32 / 50.0 - 1.0)
}

fn distance(a: &Tensor<f32>, b: &Tensor<f32>) -> f32 {
    assert_eq!(a.len(), b.len());
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn results_are_those_of_the_whole_sequence() {
    let frames = frames(&[4, 3, 6, 7]);
    let sequence = frames.clone().reshape(&[4, 1, 3, 6, 7]).unwrap();
    let stack = ConvGru::new(ConvGruConfig::new(3, &[4, 5]), 1).unwrap();
    let expected = stack.forward(&sequence).unwrap().outputs.remove(0);
    let given = apply_to_frames(&Network::ConvGru(stack), &frames).unwrap();
    assert_eq!((given.shape(), given.as_slice()), (&[4, 5, 6, 7][..], expected.as_slice()));
    // On the fused engine, and on the composed one.
    for kind in [CellKind::Gru, CellKind::Lstm] {
        let cell = CellConfig { kind, ..CellConfig::new(3, 4) };
        let last = ConvStageConfig { in_channels: 4, out_channels: 2, ..Default::default() };
        let stages = vec![Stage::Cell(cell), Stage::Convolution(last)];
        let network = Recurrent::new(RecurrentConfig { stages, wiring: Wiring::Chain }, 1).unwrap();
        let expected = network.forward(Sequence::from(&sequence)).unwrap().outputs.remove(0);
        let given = apply_to_frames(&Network::Recurrent(network), &frames).unwrap();
        assert_eq!(given.shape(), [4, 2, 6, 7]);
        assert!(distance(&given, &expected) < 1e-5);
    }
}

#[test]
fn frames_that_do_not_fit_are_refused_with_the_numbers() {
    let network = Network::ConvGru(ConvGru::new(ConvGruConfig::new(5, &[2]), 1).unwrap());
    let refused = |frames: &Tensor<f32>| apply_to_frames(&network, frames).unwrap_err().to_string();
    assert!(
        refused(&frames(&[2, 3, 6, 7])).contains("they have 3 channels, and the network reads 5 channels")
    );
    assert!(refused(&frames(&[2, 6, 7])).contains("[T, C, H, W], got [2, 6, 7]"));
    assert!(refused(&Tensor::zeros(&[0, 5, 6, 7])).contains("there are none"));
    let mut broken = frames(&[2, 5, 6, 7]);
    broken.slice_mut(1)[3] = f32::INFINITY;
    assert!(refused(&broken).starts_with("frame 1: "), "{}", refused(&broken));
    let config = RecurrentConfig::chain([CellConfig { context: Context::Additive, ..CellConfig::new(5, 2) }]);
    let network = Network::Recurrent(Recurrent::new(config, 0).unwrap());
    let text = frame_channels(&network).unwrap_err().to_string();
    assert!(text.contains("it reads 1 input and 1 context"), "{text}");
    let network =
        Network::Recurrent(Recurrent::new(RecurrentConfig::chain([CellConfig::new(0, 2)]), 0).unwrap());
    let text = frame_channels(&network).unwrap_err().to_string();
    assert!(text.contains("it reads no frames"), "{text}");
}
