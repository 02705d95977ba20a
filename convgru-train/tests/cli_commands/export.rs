//! Networks for other programs.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use convgru_model::export::onnx::{self, Form, Part};
use convgru_model::import::layout::Layout;
use convgru_model::import::{self, NamedNetwork, NamedTensors, named_tensors};
use convgru_model::{
    ConvGru, ConvGruConfig, ForecasterConfig, NetworkDescription, Parameters, ResetGate, Tensor, export,
};
use convgru_train::trainer::TrainedModel;

use crate::program::{convgru, finished_run, folder, weights};

fn named(name: &str, network: ConvGru<f32>) -> NamedNetwork<f32> {
    NamedNetwork { name: name.to_owned(), network: network.into(), origin: None }
}

/// Writes a stack as `import` does.
fn write_stack(path: &Path, config: ConvGruConfig) -> ConvGru<f32> {
    let mut network = ConvGru::<f32>::new(config, 4).unwrap();
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        if name.ends_with("bias") {
            let shape = tensor.shape().to_vec();
            *tensor = Tensor::from_fn(&shape, |i| 0.25 * i as f32 - 1.0);
        }
    });
    fs::write(path, export::networks(&vec![named("net.", network.clone())]).unwrap()).unwrap();
    network
}

fn tensors(path: &Path) -> Vec<(String, Tensor<f32>)> {
    let tensors = named_tensors(&fs::read(path).unwrap()).unwrap().tensors;
    tensors.into_iter().map(|(name, tensor)| (name, tensor.cast())).collect()
}

#[test]
fn a_trained_model_becomes_its_forecast_or_the_step_of_a_part() {
    let folder = folder();
    let best = finished_run().join("runs/tiny/checkpoints/best.ckpt");
    let trained = TrainedModel::read(&best).unwrap();
    for (options, part, said) in [
        ("", Part::Forecast { steps: 2 }, "2 where it is left out"),
        ("--form sequence --frames 5", Part::Forecast { steps: 5 }, "prediction [steps, N, 1, H, W]"),
        ("--form step --part encoder", Part::EncoderStep, "outputs: next_state.0"),
        ("--form step --part forecaster", Part::ForecasterStep, "inputs: state.0"),
    ] {
        let arguments = format!("export --checkpoint {} --out model.onnx {options}", best.display());
        let ran = convgru(folder.path(), &arguments).succeeded();
        assert!(ran.stdout.starts_with("wrote model.onnx: ") && ran.stdout.contains("opset 17"), "{ran:?}");
        assert!(ran.stdout.contains(said), "{ran:?}");
        let written = fs::read(folder.path().join("model.onnx")).unwrap();
        assert!(written == onnx::forecaster(&trained.model, part).unwrap(), "{options}");
    }
}

/// A cell of DROID-SLAM that reads patches of 2x2 of one channel.
fn droid() -> NamedTensors<f64> {
    let mut tensors = Vec::new();
    for (name, shape) in [
        ("convz", [3, 7, 3, 3]),
        ("convr", [3, 7, 3, 3]),
        ("convq", [3, 7, 3, 3]),
        ("w", [3, 3, 1, 1]),
        ("convz_glo", [3, 3, 1, 1]),
        ("convr_glo", [3, 3, 1, 1]),
        ("convq_glo", [3, 3, 1, 1]),
    ] {
        let values = |shape: &[usize]| Tensor::from_fn(shape, |i| ((i * 7) % 11) as f64 / 40.0 - 0.125);
        tensors.push((format!("update.gru.{name}.weight"), values(&shape)));
        tensors.push((format!("update.gru.{name}.bias"), values(&shape[..1])));
    }
    NamedTensors { tensors, skipped: Vec::new() }
}

#[test]
fn a_network_of_one_stack_has_one_step_and_keeps_the_stage_that_training_added() {
    let folder = folder();
    fs::write(folder.path().join("theirs.safetensors"), export::to_safetensors(&droid(), &[]).unwrap())
        .unwrap();
    convgru(folder.path(), "import --input theirs.safetensors --out cells.safetensors").succeeded();
    let train = "train --preset quick --set data.size=16 --set data.digit_size=8 --set data.input_frames=3 \
                 --set data.output_frames=2 --set data.train_sequences=4 --set data.validation_sequences=2 \
                 --set data.test_sequences=2 --set training.validate_every=2 --steps 2 --batch-size 2 --threads 1 \
                 --init-from cells.safetensors --name cells";
    convgru(folder.path(), train).succeeded();

    let step = "export --checkpoint runs/cells --out step.onnx --form step";
    let ran = convgru(folder.path(), step).succeeded();
    assert!(ran.stdout.contains("one step of the network"), "{}", ran.stdout);
    let trained = TrainedModel::read(&folder.path().join("runs/cells")).unwrap();
    let written = fs::read(folder.path().join("step.onnx")).unwrap();
    assert!(written == onnx::forecaster(&trained.model, Part::ForecasterStep).unwrap());

    for (arguments, code, words) in [
        ("--out no.onnx --form step --part encoder", 2, "has no parts"),
        (
            "--out no.safetensors --layout original",
            1,
            "the training added stage 1, a convolution from 3 to 4 channels",
        ),
        ("--out no.safetensors --layout raft", 1, "droid has no place"),
        ("--out no.safetensors --part encoder", 1, "no two stacks"),
    ] {
        let ran = convgru(folder.path(), &format!("export --checkpoint runs/cells {arguments}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(words) && !ran.stderr.contains("choose --part"), "{}", ran.stderr);
    }
}

#[test]
fn a_checkpoint_becomes_weights_that_every_command_reads() {
    let folder = folder();
    let best = finished_run().join("runs/tiny/checkpoints/best.ckpt");
    let arguments = format!("export --checkpoint {} --out model.safetensors --json", best.display());
    let json = convgru(folder.path(), &arguments).succeeded().json();
    let path = folder.path().join("model.safetensors");
    assert_eq!(json["bytes"], fs::metadata(&path).unwrap().len());
    let (read, trained) = (TrainedModel::read(&path).unwrap(), TrainedModel::read(&best).unwrap());
    assert_eq!(read.model.parameters().to_named(), trained.model.parameters().to_named());
    assert_eq!(read.config, trained.config);
}

#[test]
fn a_part_of_a_trained_model_is_a_stack_like_others() {
    let folder = folder();
    let trained = TrainedModel::read(&weights()).unwrap();
    let arguments =
        format!("export --checkpoint {} --out encoder.safetensors --part encoder", weights().display());
    convgru(folder.path(), &arguments).succeeded();
    convgru(folder.path(), "export --weights encoder.safetensors --out encoder.onnx --form step").succeeded();
    let ForecasterConfig::EncoderForecaster(model) = &trained.config.model else {
        panic!("{:?}", trained.config.model)
    };
    let named: HashMap<String, Tensor<f32>> = trained.model.parameters().to_named().into_iter().collect();
    let mut take = |name: &str, _: &[usize]| Ok(named[&format!("encoder.{name}")].clone());
    let network = ConvGru::from_tensors(model.encoder(), &mut take).unwrap();
    let expected = onnx::conv_gru(&network, Form::Step).unwrap();
    assert!(fs::read(folder.path().join("encoder.onnx")).unwrap() == expected);

    let arguments = format!(
        "export --checkpoint {} --out seed.safetensors --part encoder --layout jacobkimmel",
        weights().display()
    );
    let ran = convgru(folder.path(), &arguments).succeeded();
    assert!(ran.stdout.contains("ConvGRUCell_00.update_gate.weight [4, 8, 3, 3]"), "{}", ran.stdout);
    let read = Layout::SEED.read(&tensors(&folder.path().join("seed.safetensors"))).unwrap();
    assert_eq!(read.layers, network.parameters().layers);
}

#[test]
fn a_stack_becomes_steps_and_sequences() {
    let folder = folder();
    for reset in [ResetGate::Before, ResetGate::After] {
        let config = ConvGruConfig { reset, ..ConvGruConfig::new(3, &[4, 2]) };
        let network = write_stack(&folder.path().join("net.safetensors"), config);
        for (option, form) in [("", Form::Sequence), ("--form step", Form::Step)] {
            let ran =
                convgru(folder.path(), &format!("export --weights net.safetensors --out net.onnx {option}"))
                    .succeeded();
            assert!(ran.stdout.contains(&format!("2 layers, reset {reset} the convolution")), "{ran:?}");
            assert!(ran.stdout.contains("state.1 [N, 2, H, W]"), "{ran:?}");
            let written = fs::read(folder.path().join("net.onnx")).unwrap();
            assert!(written == onnx::conv_gru(&network, form).unwrap());
        }
    }
}

/// What was imported, exported and imported again has the same bits; so has the file between.
#[test]
fn what_is_exported_in_a_layout_is_imported_as_it_was() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    for (layout, cells, reset, kernel) in [
        ("jacobkimmel", "", ResetGate::Before, 3),
        ("rvm", " --cells decoder.gru{}", ResetGate::Before, 5),
        ("bionick87", "", ResetGate::Before, 3),
        ("metnet", "", ResetGate::After, 3),
        ("torch_nn_gru_1x1", "", ResetGate::After, 1),
    ] {
        let config = ConvGruConfig { reset, kernel_size: kernel.into(), ..ConvGruConfig::new(4, &[4, 4]) };
        let network = write_stack(&path("ours.safetensors"), config);
        let export = |from: &str, to: &str| {
            let arguments = format!("export --weights {from} --out {to} --layout {layout}{cells} --json");
            convgru(folder.path(), &arguments).succeeded();
        };
        export("ours.safetensors", "theirs.safetensors");
        convgru(folder.path(), "import --input theirs.safetensors --out back.safetensors").succeeded();
        export("back.safetensors", "again.safetensors");
        assert!(
            fs::read(path("theirs.safetensors")).unwrap() == fs::read(path("again.safetensors")).unwrap()
        );
        let mut read = network.parameters().zeros_like();
        import::from_safetensors(&fs::read(path("back.safetensors")).unwrap(), &mut read).unwrap();
        let bits = |parameters: &convgru_model::ConvGruParameters<f32>| {
            let mut bits = Vec::new();
            parameters.for_each(&mut |_, tensor| bits.extend(tensor.as_slice().iter().map(|x| x.to_bits())));
            bits
        };
        assert!(bits(&read) == bits(network.parameters()), "{layout}");
    }
}

#[test]
fn of_several_stacks_one_is_chosen() {
    let folder = folder();
    let (one, two) = (ConvGruConfig::new(1, &[2]), ConvGruConfig::new(3, &[4]));
    let networks =
        [("a.", one), ("b.", two)].map(|(name, config)| named(name, ConvGru::new(config, 0).unwrap()));
    fs::write(folder.path().join("two.safetensors"), export::networks(&networks.into()).unwrap()).unwrap();
    let ran = convgru(folder.path(), "export --weights two.safetensors --out b.onnx --stack b.").succeeded();
    assert!(ran.stdout.contains("input [T, N, 3, H, W]"), "{}", ran.stdout);
    let ran = convgru(folder.path(), "export --weights two.safetensors --out c.onnx");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("2 networks; choose one of `a.`, `b.`"), "{}", ran.stderr);
    let ran = convgru(folder.path(), "export --weights two.safetensors --out c.onnx --stack c.");
    assert!(ran.stderr.contains("no network `c.`"), "{}", ran.stderr);
    assert!(!folder.path().join("c.onnx").exists());
}

#[test]
fn nothing_is_written_where_something_is_wrong() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    write_stack(&path("net.safetensors"), ConvGruConfig::new(3, &[4, 2]));
    let bytes = fs::read(path("net.safetensors")).unwrap();
    let at = bytes.len() - 9;
    fs::write(path("cut.safetensors"), &bytes[..at]).unwrap();
    let network = ConvGru::<f32>::new(ConvGruConfig::new(3, &[4, 2]), 0).unwrap();
    let deeper = NetworkDescription::ConvGru(ConvGruConfig::new(3, &[4, 2, 1]));
    let wrong = import::FileDescription::of_config("", deeper, None).to_json();
    let metadata = [(import::DESCRIPTION_ENTRY.to_owned(), wrong)];
    fs::write(path("wrong.safetensors"), export::to_safetensors(network.parameters(), &metadata).unwrap())
        .unwrap();
    fs::write(path("bare.safetensors"), export::to_safetensors(network.parameters(), &[]).unwrap()).unwrap();
    fs::create_dir(path("folder.onnx")).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();
    let model = weights().display().to_string();
    for (arguments, words) in [
        ("--checkpoint missing.ckpt --out a.onnx", "cannot read missing.ckpt"),
        ("--weights missing.safetensors --out a.onnx", "cannot read missing.safetensors"),
        (
            "--weights cut.safetensors --out a.onnx",
            "cut.safetensors: neither a checkpoint nor weights of a network (not a readable",
        ),
        ("--weights wrong.safetensors --out a.onnx", "no tensor `layers.2.input_weights`"),
        ("--weights bare.safetensors --out a.onnx", "no network of a known system is among its 6 tensors"),
        ("--weights MODEL --out a.onnx", "for --checkpoint"),
        ("--checkpoint net.safetensors --out a.onnx", "an imported network without"),
        ("--weights net.safetensors --out a.pb", "--out a.pb: .pb, where .onnx or .safetensors"),
        ("--weights net.safetensors --out model", "no extension"),
        ("--weights net.safetensors --out missing/a.onnx", "cannot write missing/a.onnx"),
        ("--weights net.safetensors --out folder.onnx", "cannot write folder.onnx"),
        ("--weights net.safetensors --out a.safetensors --layout metnet", "in metnet it acts after"),
        (
            "--weights net.safetensors --out a.safetensors --layout rvm",
            "as many input channels as state channels: layer 0 has 3 and 4",
        ),
        ("--weights net.safetensors --out a.safetensors --layout raft --cells gru", "2 layers need `{}`"),
        ("--weights net.safetensors --out a.safetensors --form step", "--form is for .onnx"),
        ("--weights net.safetensors --out a.safetensors --frames 2", "--frames is for .onnx"),
        ("--weights net.safetensors --out a.onnx --layout raft", "--layout is for .safetensors"),
        ("--weights net.safetensors --out a.safetensors --layout original", "does not say which program"),
        ("--weights net.safetensors --out a.safetensors --layout firenet", "does not say which program"),
        (
            "--weights net.safetensors --out a.safetensors --layout original --cells a",
            "--cells: the names are",
        ),
        ("--weights net.safetensors --out a.onnx --frames 2", "predicts no frames"),
        ("--weights net.safetensors --out a.onnx --part encoder", "have no such part"),
        ("--checkpoint MODEL --out a.onnx --form step", "--part encoder or --part forecaster"),
        ("--checkpoint MODEL --out a.onnx --part encoder", "has --form step"),
        ("--checkpoint MODEL --out a.onnx --form step --part encoder --frames 2", "predicts one frame"),
        ("--checkpoint MODEL --out a.safetensors --layout raft", "two stacks"),
        (
            "--checkpoint MODEL --out a.safetensors --layout torch_nn_gru_1x1 --part encoder",
            "acts before the convolution",
        ),
    ] {
        let ran = convgru(folder.path(), &format!("export {}", arguments.replace("MODEL", &model)));
        // Options that contradict each other are told before a file is read.
        let is_of_options = [
            ".pb",
            "no extension",
            "is for .",
            "predicts",
            "have no such part",
            "--cells: the names",
            "--part encoder or",
            "has --form",
            "two stacks",
        ];
        let code = if is_of_options.iter().any(|own| words.contains(own)) { 2 } else { 1 };
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "{arguments}");
    }
}
