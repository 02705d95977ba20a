//! mlcast's network in every command, and its checkpoints.

use std::fs;
use std::path::Path;

use convgru_model::{Forecaster, ForecasterConfig, Parameters, Tensor, export, import};
use convgru_train::trainer::TrainedModel;

use crate::cases::recorded_data;
use crate::program::{array, convgru};

const CONFIG: &str = r#"
name = "rain"
[data]
input_frames = 3
output_frames = 2
train_sequences = 4
[model]
kind = "mlcast"
blocks = 2
[training]
steps = 4
batch_size = 2
threads = 1
"#;

fn numbers(path: &Path) -> (Vec<u64>, Vec<f32>) {
    let file = npyz::NpyFile::new(fs::File::open(path).unwrap()).unwrap();
    (file.shape().to_vec(), file.into_vec().unwrap())
}

#[test]
fn a_network_is_trained_used_and_written_under_the_names_of_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Frames of a size that is no multiple of the factor.
    array(&path("a.npy"), &[60, 13, 18], |at| 0.1 * (at * 7 % 10) as f32);
    array(&path("input.npy"), &[4, 13, 18], |at| 0.1 * (at * 3 % 10) as f32);
    fs::write(path("rain.toml"), CONFIG).unwrap();
    convgru(folder.path(), "train --config rain.toml --data a.npy").succeeded();
    convgru(folder.path(), "eval --checkpoint runs/rain --json").succeeded();
    let predict = "predict --checkpoint runs/rain --input input.npy --frames 5 --out next.npy";
    convgru(folder.path(), predict).succeeded();
    let (shape, forecast) = numbers(&path("next.npy"));
    assert_eq!(shape, [5, 13, 18]);
    assert!(forecast.iter().all(|x| (0.0..=1.0).contains(x)));

    let more = "--set model.members=3 --set training.loss=crps --set name=members";
    convgru(folder.path(), &format!("train --config rain.toml --data a.npy {more}")).succeeded();
    let predict =
        "predict --checkpoint runs/members --input input.npy --frames 2 --members all --out all.npy";
    convgru(folder.path(), predict).succeeded();
    let (shape, members) = numbers(&path("all.npy"));
    assert_eq!(shape, [3, 2, 1, 13, 18]);
    let member = |index: usize| &members[index * 2 * 13 * 18..][..2 * 13 * 18];
    assert!(member(0) != member(1) && member(1) != member(2));

    let export = "export --checkpoint runs/rain --out theirs.safetensors --layout mlcast --cells network";
    let ran = convgru(folder.path(), export).succeeded();
    let name = "network.decoder.blocks.0.convgru.cell.combined_gates.weight [32, 32, 3, 3]";
    assert!(ran.stdout.contains(name), "{}", ran.stdout);
    let ran = convgru(folder.path(), "import --input theirs.safetensors --out ours.safetensors").succeeded();
    assert!(ran.stdout.contains("network.  2 blocks of mlcast, kernel 3 x 3"), "{}", ran.stdout);
    let read: Forecaster<f32> =
        import::read(&fs::read(path("ours.safetensors")).unwrap()).unwrap().into_forecaster().unwrap();
    let trained = TrainedModel::read(&path("runs/rain")).unwrap();
    assert_eq!(read.parameters(), trained.model.parameters());
    convgru(
        folder.path(),
        "export --weights ours.safetensors --out again.safetensors --layout mlcast --cells network.",
    )
    .succeeded();
    let [theirs, again] =
        ["theirs.safetensors", "again.safetensors"].map(|name| fs::read(path(name)).unwrap());
    assert!(theirs == again);
    let ran = convgru(
        folder.path(),
        "predict --checkpoint ours.safetensors --input input.npy --frames 1 --out no.npy",
    );
    assert!(ran.code == Some(1) && ran.stderr.contains("an imported network without"), "{ran:?}");
    convgru(folder.path(), "export --checkpoint runs/rain --out rain.onnx").succeeded();
    let ran = convgru(folder.path(), "export --checkpoint runs/members --out members.onnx");
    assert!(ran.code == Some(1) && ran.stderr.contains("noise"), "{ran:?}");
}

#[test]
fn what_the_network_has_not_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    array(&folder.path().join("a.npy"), &[60, 13, 18], |at| 0.1 * (at * 7 % 10) as f32);
    fs::write(folder.path().join("rain.toml"), CONFIG).unwrap();
    for (set, said) in [
        ("data.mask_channel=true", "a network of the kind mlcast reads no mask"),
        ("training.loss=bce-with-logits", "a network of the kind mlcast predicts none"),
        ("model.blocks=9", "9 is not between 1 and 8"),
        ("model.patch=2", "patch"),
        ("training.loss=crps", "model.members is 1"),
    ] {
        let ran = convgru(folder.path(), &format!("train --config rain.toml --data a.npy --set {set}"));
        assert!(ran.code != Some(0) && ran.stderr.contains(said), "{set}: {ran:?}");
        assert!(!folder.path().join("runs").exists(), "{set}");
    }
}

/// A checkpoint as Lightning writes it becomes ours, and what is written of that has the names and bits that it had.
#[test]
fn a_checkpoint_of_lightning_is_read_and_goes_back() {
    let Some(recorded) = recorded_data::folder("CONVGRU_MLCAST", "") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let checkpoint = recorded.join("mlcast_lightning.ckpt");
    let import = format!("import --input {} --out ours.safetensors --json", checkpoint.display());
    let json = convgru(folder.path(), &import).succeeded().json();
    assert_eq!(json["networks"][0]["name"], "state_dict.network.");
    assert_eq!(json["networks"][0]["network"]["forecaster"]["kind"], "mlcast");
    let export = "export --weights ours.safetensors --out theirs.safetensors --layout mlcast --cells network";
    convgru(folder.path(), export).succeeded();
    let original = "export --weights ours.safetensors --out original.safetensors --layout original";
    convgru(folder.path(), original).succeeded();
    let tensors = |bytes: Vec<u8>| import::named_tensors(&bytes).unwrap();
    let sorted = |mut tensors: Vec<(String, Tensor<f64>)>| {
        tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
        tensors
    };
    let expected = sorted(tensors(fs::read(&checkpoint).unwrap()).under("state_dict.").tensors);
    assert_eq!(sorted(tensors(fs::read(path("theirs.safetensors")).unwrap()).tensors), expected);
    let original = tensors(fs::read(path("original.safetensors")).unwrap()).under("state_dict.");
    assert_eq!(sorted(original.tensors), expected);
    let read: Forecaster<f32> =
        import::read(&fs::read(path("ours.safetensors")).unwrap()).unwrap().into_forecaster().unwrap();
    let ForecasterConfig::Mlcast(config) = read.config() else { panic!("{:?}", read.config()) };
    assert_eq!(export::mlcast(config, read.parameters()).unwrap().tensors.len(), expected.len());
    assert_eq!(read.parameters().count(), config.parameter_count());
}
