//! Networks of mlcast: forecasts and all gradients, and checkpoints with their forecasts.

use std::path::{Path, PathBuf};

use convgru_model::{
    Forecaster, ForecasterConfig, MlcastConfig, Noise, Parameters, Precision, PredictionGradient, Sequence,
    Tensor, Workspace, export, import,
};

use super::{Errors, Record};
use convgru_train::{Error, Result, read_file};

/// The end of the name of a file with what the network of a checkpoint beside it forecasts.
const EXPECTED: &str = "_expected";

/// Computes what a record holds and compares.
pub(super) fn compare(record: &Record) -> Result<Errors> {
    let y = record.tensor("y")?;
    let frames = record.tensor("x")?;
    let read = import::mlcast::read(&record.with_prefix("param."))?;
    let (config, network) = with_noise(&read, record, members(record, frames, y)?)?;
    let steps = y.shape()[0];
    let mut workspace = Workspace::default();
    let sequence = Sequence { input_gradient: true, ..Sequence::from(frames) };
    let trained = network.forward_train(sequence, steps, None, &mut workspace)?;
    let mut errors = Errors::default();
    errors.output(record, "y", &trained.output)?;
    errors.output(record, "y", &network.forward(frames, steps)?)?;
    for precision in [Precision::Exact, Precision::Fast] {
        errors.single(record, "y", &single(&network, &config, precision, frames, steps)?)?;
    }
    let mut gradients = network.parameters().zeros_like();
    let loss = PredictionGradient::Output(record.tensor("probe")?.clone());
    let back = network.backward(&mut workspace, loss, &mut gradients)?;
    let named = export::mlcast(&config, &gradients)?.tensors;
    let mut computed: Vec<(String, Tensor<f64>)> =
        named.into_iter().map(|(name, tensor)| (format!("grad.param.{name}"), tensor)).collect();
    computed.extend(back.inputs.into_iter().map(|d_frames| ("grad.x".to_owned(), d_frames)));
    for (name, gradient) in &computed {
        errors.gradient(record, name, gradient)?;
    }
    // Nothing that is recorded goes without a comparison.
    let mut recorded = record.names().filter(|name| name.starts_with("grad."));
    match recorded.find(|name| computed.iter().all(|(other, _)| other != name)) {
        Some(name) => Err(record.refuse(format!("nothing was computed that is `{name}`"))),
        None => Ok(errors),
    }
}

/// The checkpoint whose forecast a file holds, by its name: `some.ckpt` beside `some_expected.safetensors`.
pub(super) fn checkpoint_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_stem()?.to_str()?.strip_suffix(EXPECTED)?;
    Some(path.with_file_name(format!("{name}.ckpt"))).filter(|checkpoint| checkpoint.is_file())
}

/// Forecasts with the network of a checkpoint, whose numbers and forecast have 32 bits.
pub(super) fn compare_checkpoint(record: &Record, checkpoint: &Path) -> Result<Errors> {
    let refuse = |reason: String| Error::Format { path: checkpoint.to_owned(), reason };
    let bytes = read_file(checkpoint)?;
    let tensors = import::named_tensors(&bytes).map_err(|error| refuse(error.to_string()))?.tensors;
    let found = import::detect(tensors);
    let [detected] = &found.forecasters[..] else {
        return Err(refuse(format!("{} networks of mlcast where one is expected", found.forecasters.len())));
    };
    let (frames, steps) = (record.tensor("x")?, record.tensor("y")?.shape()[0]);
    let ForecasterConfig::Mlcast(config) = detected.network.config() else {
        return Err(refuse(format!("a network of the kind {}", detected.network.config().kind())));
    };
    let mut errors = Errors::default();
    errors.output(record, "y", &detected.network.forward(frames, steps)?)?;
    for precision in [Precision::Exact, Precision::Fast] {
        errors.single(record, "y", &single(&detected.network, config, precision, frames, steps)?)?;
    }
    Ok(errors)
}

/// How many members a recorded forecast has.
fn members(record: &Record, frames: &Tensor<f64>, y: &Tensor<f64>) -> Result<usize> {
    match (frames.shape(), y.shape()) {
        (&[_, _, channels, ..], &[_, _, predicted, ..]) if channels > 0 => Ok(predicted / channels),
        (frames, y) => Err(record.refuse(format!("`x` has shape {frames:?} and `y` {y:?}"))),
    }
}

/// The network with the members and the noise of a record.
fn with_noise(
    network: &Forecaster<f64>,
    record: &Record,
    members: usize,
) -> Result<(MlcastConfig, Forecaster<f64>)> {
    let ForecasterConfig::Mlcast(config) = network.config() else {
        return Err(record.refuse(format!("a network of the kind {}", network.config().kind())));
    };
    let noise = record.find("noise");
    let config = MlcastConfig { members, noise: noise.is_some(), ..config.clone() };
    let mut network = Forecaster::from_parameters(config.clone(), network.parameters().clone())?;
    if let Some(noise) = noise {
        network.set_noise(import::mlcast::noise(&config, noise)?);
    }
    Ok((config, network))
}

/// The forecast computed in 32 bits.
fn single(
    network: &Forecaster<f64>,
    config: &MlcastConfig,
    precision: Precision,
    frames: &Tensor<f64>,
    steps: usize,
) -> Result<Tensor<f32>> {
    let mut named = network.parameters().to_named().into_iter();
    let config = MlcastConfig { precision, ..config.clone() };
    let mut copy = Forecaster::<f32>::from_tensors(config, &mut |name, shape| {
        let next = named.next().filter(|(other, tensor)| other == name && tensor.shape() == shape);
        let found = String::new();
        let missing = || convgru_model::Error::MissingTensor { name: name.to_owned(), found };
        Ok(next.ok_or_else(missing)?.1.cast())
    })?;
    if let Noise::Given(noise) = network.noise() {
        copy.set_noise(Noise::Given(noise.cast()));
    }
    let frames: Tensor<f32> = frames.cast();
    Ok(copy.forward(&frames, steps)?)
}
