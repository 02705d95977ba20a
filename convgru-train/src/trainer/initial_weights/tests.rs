//! What a run begins with.

use std::path::Path;

use convgru_model::composed::{CellConfig, CellKind, ConvStageConfig, Recurrent, RecurrentConfig, Stage};
use convgru_model::{ConvGru, ConvGruConfig, Forecaster, RecurrentForecasterConfig, ResetGate, export};

use super::*;
use crate::config::RunConfig;
use crate::trainer::TrainedModel;

fn config(settings: &[&str]) -> RunConfig {
    let small = ["data.size=16", "data.digit_size=8", "model.patch=2", "model.hidden_channels=[4, 3]"];
    RunConfig::default().with_all(&small).unwrap().with_all(settings).unwrap()
}

/// Writes weights of stacks of cells as `convgru import` does.
fn write_stacks(path: &Path, stacks: &[(&str, ConvGru<f32>)]) {
    let named = stacks.iter().map(|(name, network)| NamedNetwork {
        name: (*name).to_owned(),
        network: network.clone().into(),
        origin: None,
    });
    std::fs::write(path, export::networks(&named.collect()).unwrap()).unwrap();
}

fn filled(path: &Path, config: &RunConfig) -> crate::Result<(Forecaster<f32>, String)> {
    let mut model = Forecaster::new(config.model.clone(), config.training.seed).unwrap();
    let before = model.clone();
    let told = InitialWeights::read(path)?.fill(config, &mut model);
    if told.is_err() {
        assert_eq!(model.parameters(), before.parameters(), "nothing is changed");
    }
    Ok((model, told?))
}

fn error(path: &Path, config: &RunConfig) -> String {
    match filled(path, config) {
        Ok((_, told)) => panic!("{told}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_network_of_a_file_is_taken_or_told_apart_by_tensor_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let theirs = config(&["model.initializer=xavier"]);
    let model = Forecaster::new(theirs.model.clone(), 9).unwrap();
    TrainedModel { model: model.clone(), config: theirs.clone(), step: 40 }.write(&path).unwrap();
    let (ours, told) = filled(&path, &config(&["model.precision=exact"])).unwrap();
    assert_eq!(ours.parameters(), model.parameters());
    assert!(told.contains("all ") && told.contains("of step 40"), "{told}");
    let error = |settings: &[&str]| error(&path, &config(settings));
    let wider = error(&["model.hidden_channels=[4, 5]"]);
    for words in [
        "model.safetensors",
        "`encoder.layers.1.bias` is [9] in the file, [15] in the network",
        "`forecaster.layers.1.input_weights` is [9, 4, 3, 3] in the file, [15, 4, 3, 3] in the network; and 1 more",
        "model.hidden_channels: [4, 3], [4, 5]",
    ] {
        assert!(wider.contains(words), "{wider} lacks {words}");
    }
    let deeper = error(&["model.hidden_channels=[4, 3, 2]"]);
    assert!(deeper.contains("the file has no `encoder.layers.2.bias` [6]"), "{deeper}");
    // Fields that tensors do not tell.
    let activation = error(&["model.output_activation=sigmoid"]);
    assert!(activation.contains("model.output_activation: \"identity\", \"sigmoid\""), "{activation}");
    let other_kind = error(&["model.kind=pyramid"]);
    assert!(other_kind.contains("model.kind: \"encoder-forecaster\", \"pyramid\""), "{other_kind}");
    assert!(error(&["init.from=x", "init.part=encoder"]).contains("whole network"));
}

/// A network without the configuration of a training, as `convgru import` writes a network of mlcast.
#[test]
fn an_imported_network_gives_what_its_tensors_tell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imported.safetensors");
    let own = MlcastConfig { blocks: 2, kernel_size: [1, 3], ..MlcastConfig::default() };
    let imported = Forecaster::<f32>::new(own.clone(), 9).unwrap();
    let written = NamedNetwork { name: String::new(), network: imported.clone().into(), origin: None };
    std::fs::write(&path, export::networks(&vec![written]).unwrap()).unwrap();
    let weights = InitialWeights::read(&path).unwrap();
    // The configuration decides the fields that no tensor decides.
    let members = MlcastConfig { members: 3, blocks: 4, ..MlcastConfig::default() };
    let network = weights.network_for(&members.into());
    assert_eq!(network, MlcastConfig { members: 3, ..own.clone() }.into());
    assert_eq!(weights.network_for(&ForecasterConfig::default()), own.into());
    let (model, told) = filled(&path, &RunConfig { model: network, ..config(&[]) }).unwrap();
    assert_eq!(model.parameters(), imported.parameters());
    assert!(told.contains("all 12 tensors, imported"), "{told}");
    let deeper =
        RunConfig { model: MlcastConfig { blocks: 3, ..MlcastConfig::default() }.into(), ..config(&[]) };
    let refused = error(&path, &deeper);
    for words in [
        "`encoder.0.layers.0.hidden_weights` is [3, 1, 1, 3] in the file, [3, 1, 3, 3] in the network",
        "and 8 more",
        "--init-partial",
    ] {
        assert!(refused.contains(words), "{refused} lacks {words}");
    }
    let other = error(&path, &config(&[]));
    assert!(other.contains("model.kind: \"mlcast\", \"encoder-forecaster\""), "{other}");
}

#[test]
fn the_tensors_that_fit_are_taken_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let theirs = config(&[]);
    let model = Forecaster::new(theirs.model.clone(), 9).unwrap();
    TrainedModel { model: model.clone(), config: theirs, step: 40 }.write(&path).unwrap();
    let partial = |settings: &[&str]| {
        let mut config = config(settings);
        config.init = InitConfig { from: path.clone(), partial: true, ..InitConfig::default() };
        config
    };
    let wider = partial(&["model.hidden_channels=[4, 5]"]);
    let (ours, told) = filled(&path, &wider).unwrap();
    let drawn = Forecaster::<f32>::new(wider.model.clone(), wider.training.seed).unwrap();
    let [file, drawn] = [&model, &drawn].map(|model| named(model.parameters(), ""));
    let mut taken = 0;
    for (name, tensor) in named(ours.parameters(), "") {
        let fits = file.get(&name).filter(|given| given.shape() == tensor.shape());
        taken += usize::from(fits.is_some());
        assert_eq!(&tensor, fits.unwrap_or(&drawn[&name]), "{name}");
    }
    assert!(0 < taken && taken < drawn.len());
    assert!(
        told.contains(&format!("{taken} of {} tensors, of step 40, those that fit", drawn.len())),
        "{told}"
    );
    assert!(told.contains("`encoder.layers.1.bias` is [9] in the file, [15] in the network"), "{told}");
    // Nothing fits, and cells fill a stack whole.
    let none = error(&path, &partial(&["model.kind=mlcast", "model.blocks=2"]));
    assert!(none.contains("none of its tensors fits"), "{none}");
    let cells = folder.path().join("cells.safetensors");
    write_stacks(&cells, &[("encoder.", ConvGru::new(wider.model.stacks()[0].1.clone(), 1).unwrap())]);
    assert!(error(&cells, &wider).contains("`init.partial`"));
}

#[test]
fn a_file_of_another_hash_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let config = config(&[]);
    let model = Forecaster::new(config.model.clone(), 9).unwrap();
    TrainedModel { model, config, step: 40 }.write(&path).unwrap();
    let hash = blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string();
    let init = |hash: &str| InitConfig { from: path.clone(), hash: hash.into(), ..InitConfig::default() };
    assert_eq!(InitialWeights::of(&init("")).unwrap().unwrap().hash(), hash);
    assert!(InitialWeights::of(&init(&hash)).unwrap().is_some());
    assert!(InitialWeights::of(&InitConfig::default()).unwrap().is_none());
    let Err(error) = InitialWeights::of(&init("ab")) else { panic!("ab is no hash of it") };
    assert!(error.to_string().contains("`init.hash`") && error.to_string().contains(&hash), "{error}");
}

#[test]
fn stacks_of_cells_find_their_place_by_name_or_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.safetensors");
    let network = config(&["model.feedback=unconditioned"]);
    let places = network.model.stacks();
    let of = |place: usize, seed| ConvGru::<f32>::new(places[place].1.clone(), seed).unwrap();
    // By its form: only the forecaster reads nothing.
    write_stacks(&path, &[("gru.", of(1, 5))]);
    let (model, told) = filled(&path, &network).unwrap();
    assert!(told.contains("the tensors of forecaster; the others are drawn"), "{told}");
    let drawn = Forecaster::<f32>::new(network.model.clone(), network.training.seed).unwrap();
    let tensors = |model: &Forecaster<f32>| named(model.parameters(), "");
    for (name, tensor) in tensors(&model) {
        match name.strip_prefix("forecaster.") {
            Some(cell) => assert_eq!(tensor, named(of(1, 5).parameters(), "")[cell], "{name}"),
            None => assert_eq!(tensor, tensors(&drawn)[&name], "{name}"),
        }
    }
    // By their names, or by --init-part where both would do.
    let alike = config(&[]);
    let places = alike.model.stacks();
    let of = |place: usize, seed| ConvGru::<f32>::new(places[place].1.clone(), seed).unwrap();
    write_stacks(&path, &[("net.forecaster.", of(1, 6)), ("net.encoder.", of(0, 5))]);
    let (model, told) = filled(&path, &alike).unwrap();
    assert!(told.contains("forecaster and encoder"), "{told}");
    assert_eq!(tensors(&model)["encoder.layers.0.bias"], named(of(0, 5).parameters(), "")["layers.0.bias"]);
    assert_eq!(
        tensors(&model)["forecaster.layers.0.input_weights"],
        named(of(1, 6).parameters(), "")["layers.0.input_weights"]
    );
    write_stacks(&path, &[("gru.", of(0, 5))]);
    let both = error(&path, &alike);
    assert!(both.contains("fit encoder and forecaster alike") && both.contains("--init-part"), "{both}");
    let part = |part: &str| config(&["init.from=x", &format!("init.part={part}")]);
    let (model, _) = filled(&path, &part("forecaster")).unwrap();
    assert_eq!(
        tensors(&model)["forecaster.layers.0.input_weights"],
        named(of(0, 5).parameters(), "")["layers.0.input_weights"]
    );
    let unknown = error(&path, &part("decoder"));
    assert!(unknown.contains("no part `decoder`") && unknown.contains("encoder, forecaster"), "{unknown}");
}

#[test]
fn cells_that_fit_nowhere_are_told_by_tensor_and_function() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.safetensors");
    let configured = config(&[]);
    let write = |config: ConvGruConfig| write_stacks(&path, &[("gru.", ConvGru::new(config, 1).unwrap())]);
    write(ConvGruConfig::new(4, &[6]));
    let error_of_shapes = error(&path, &configured);
    for words in [
        "`gru.`",
        "encoder of the configured network",
        "`layers.0.bias` is [18] in the file, [12] in the network",
    ] {
        assert!(error_of_shapes.contains(words), "{error_of_shapes} lacks {words}");
    }
    // Without a [model] the fields are those of the stack.
    let derived = InitialWeights::read(&path).unwrap().network_for(&configured.model);
    let config = RunConfig { model: derived, ..configured.clone() };
    let ForecasterConfig::EncoderForecaster(model) = &config.model else { panic!("{:?}", config.model) };
    assert_eq!((model.patch, &model.hidden_channels[..]), (2, &[6][..]));
    let config = config.with_all(&["init.from=x", "init.part=encoder"]).unwrap();
    filled(&path, &config).unwrap();
    // What an encoder-forecaster has no field for is refused.
    let leaky = ConvGruConfig {
        candidate_activation: convgru_model::layer::Activation::LeakyRelu(0.2),
        ..configured.model.stacks()[0].1.clone()
    };
    write(leaky);
    assert_eq!(InitialWeights::read(&path).unwrap().network_for(&configured.model), configured.model);
    let error_of_function = error(&path, &configured);
    assert!(
        error_of_function.contains("compute otherwise") && error_of_function.contains("leaky"),
        "{error_of_function}"
    );
    write(ConvGruConfig { reset: ResetGate::After, bias: false, ..configured.model.stacks()[0].1.clone() });
    assert!(error(&path, &configured).contains("the file has no `layers.0.bias`"));
    std::fs::write(&path, "weights").unwrap();
    assert!(error(&path, &configured).contains("convgru import"));
}

/// A file with a network of composed cells.
fn write_composed(path: &Path, config: RecurrentConfig) -> Recurrent<f32> {
    let network = Recurrent::<f32>::new(config, 5).unwrap();
    let named = NamedNetwork { name: String::new(), network: network.clone().into(), origin: None };
    std::fs::write(path, export::networks(&vec![named]).unwrap()).unwrap();
    network
}

#[test]
fn composed_cells_fill_the_first_stages_of_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.safetensors");
    let lstm = |inputs| CellConfig { kind: CellKind::Lstm, ..CellConfig::new(inputs, 3) };
    let cells = write_composed(&path, RecurrentConfig::chain([lstm(4), lstm(3)]));
    let configured = config(&["model.output_activation=sigmoid"]);
    let network = InitialWeights::read(&path).unwrap().network_for(&configured.model);
    assert_eq!(
        (network.kind(), network.frame_multiple(), network.hidden_channels()),
        ("recurrent", 2, vec![3, 3])
    );
    let run = RunConfig { model: network.clone(), ..configured.clone() };
    let (model, told) = filled(&path, &run).unwrap();
    assert!(told.contains("6 of 8 tensors, from the first 2 stages; the others are drawn"), "{told}");
    let drawn = Forecaster::<f32>::new(network.clone(), run.training.seed).unwrap();
    let drawn = named(drawn.parameters(), "");
    let given = named(cells.parameters(), "body.");
    for (name, tensor) in named(model.parameters(), "") {
        assert_eq!(&tensor, given.get(&name).unwrap_or(&drawn[&name]), "{name}");
    }
    // Another kind of network, and other cells.
    let told = error(&path, &configured);
    assert!(told.contains("model.kind is \"encoder-forecaster\""), "{told}");
    write_composed(&path, RecurrentConfig::chain([lstm(4), CellConfig::new(3, 3)]));
    let told = error(&path, &run);
    assert!(told.contains("stage 1 is") && told.contains("\"kind\":\"gru\""), "{told}");
    let part = RunConfig { init: InitConfig { part: "encoder".into(), ..InitConfig::default() }, ..run };
    assert!(error(&path, &part).contains("--init-part"));
}

#[test]
fn composed_cells_that_give_no_frames_are_refused_but_begin_a_network_that_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.safetensors");
    // As in FireNet: five channels to one image.
    let convolution = |in_channels, out_channels| {
        Stage::Convolution(ConvStageConfig { in_channels, out_channels, ..Default::default() })
    };
    let stages = vec![convolution(5, 3), Stage::Cell(CellConfig::new(3, 3)), convolution(3, 1)];
    write_composed(&path, RecurrentConfig { stages: stages.clone(), ..Default::default() });
    let configured = config(&[]);
    let weights = InitialWeights::read(&path).unwrap();
    assert_eq!(weights.network_for(&configured.model), configured.model);
    let told = error(&path, &configured);
    assert!(told.contains("reads 5 channels and gives 1") && told.contains("own predictions"), "{told}");
    // No frames of a training have patches of five channels.
    assert!(
        told.contains("data.frames.input.path to frames of 5") && !told.contains("set [model]"),
        "{told}"
    );
    let ForecasterConfig::Recurrent(images) = weights.network_of_images(&configured.model) else { panic!() };
    assert_eq!((images.input_channels, images.image_channels, images.patch), (5, 1, 1));
    assert_eq!(images.stages, stages);
    let (_, told) = filled(&path, &RunConfig { model: images.into(), ..configured.clone() }).unwrap();
    assert!(told.contains("from the first 3 stages"), "{told}");
    let of_four = vec![convolution(4, 3), Stage::Cell(CellConfig::new(3, 3)), convolution(3, 1)];
    write_composed(&path, RecurrentConfig { stages: of_four, ..Default::default() });
    let told = error(&path, &configured);
    assert!(told.contains("reads 4 channels and gives 1") && told.contains("set [model]"), "{told}");
    write_composed(&path, RecurrentConfig { stages: stages.clone(), ..Default::default() });
    let stages = [&stages[..2], &[convolution(3, 5)]].concat();
    let model = RecurrentForecasterConfig { image_channels: 5, patch: 1, stages, ..Default::default() };
    let (_, told) = filled(&path, &RunConfig { model: model.into(), ..configured }).unwrap();
    assert!(told.contains("from the first 2 stages"), "{told}");
}
