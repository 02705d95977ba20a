//! Networks of mlcast: forecasts and all gradients, and checkpoints with their forecasts.

use std::path::{Path, PathBuf};

use convgru_model::import::NamedNetwork;
use convgru_model::{
    Forecaster, ForecasterConfig, MlcastConfig, Network, Noise, Parameters, Precision, PredictionGradient,
    Scalar, Sequence, Tensor, Workspace, export, import,
};

use super::{Errors, Record, originals};
use convgru_train::{Error, Result, read_file};

/// The end of the name of a file with what the network of a checkpoint beside it forecasts.
const EXPECTED: &str = "_expected";

/// Computes what a record holds and compares.
pub(super) fn compare(record: &Record) -> Result<Errors> {
    let (frames, y) = (record.tensor("x")?, record.tensor("y")?);
    let tensors = record.with_prefix("param.");
    originals::expect_detected(record, &tensors)?;
    let read = import::mlcast::read(&tensors)?;
    let (config, network) = with_noise(&read, record, members(record, frames, y)?)?;
    let steps = y.shape()[0];
    let mut errors = Errors::default();
    errors.output(record, "y", &network.forward(frames, steps)?)?;
    let computed = Computed::new(&network, &config, frames, record)?;
    errors.output(record, "y", &computed.output)?;
    for (name, gradient) in &computed.gradients {
        errors.gradient(record, name, gradient)?;
    }
    for precision in [Precision::Exact, Precision::Fast] {
        let network = single(&network, &config, precision)?;
        let computed = Computed::new(&network, &config, &frames.cast(), record)?;
        errors.single(record, "y", &computed.output)?;
        for (name, gradient) in &computed.gradients {
            errors.single_gradient(record, name, gradient)?;
        }
    }
    // Nothing that is recorded goes without a comparison.
    let mut recorded = record.names().filter(|name| name.starts_with("grad."));
    match recorded.find(|name| computed.gradients.iter().all(|(other, _)| other != name)) {
        Some(name) => Err(record.refuse(format!("nothing was computed that is `{name}`"))),
        None => Ok(errors),
    }
}

/// A forecast and all gradients, under the names of a record.
struct Computed<T> {
    output: Tensor<T>,
    gradients: Vec<(String, Tensor<T>)>,
}

impl<T: Scalar> Computed<T> {
    fn new(
        network: &Forecaster<T>,
        config: &MlcastConfig,
        frames: &Tensor<T>,
        record: &Record,
    ) -> Result<Self> {
        let probe = record.tensor("probe")?;
        let mut workspace = Workspace::default();
        let sequence = Sequence { input_gradient: true, ..Sequence::from(frames) };
        let prediction = network.forward_train(sequence, probe.shape()[0], None, &mut workspace)?;
        let mut gradients = network.parameters().zeros_like();
        let back =
            network.backward(&mut workspace, PredictionGradient::Output(probe.cast()), &mut gradients)?;
        let named = export::mlcast(config, &gradients)?.tensors.into_iter();
        let mut gradients: Vec<_> =
            named.map(|(name, tensor)| (format!("grad.param.{name}"), tensor)).collect();
        gradients.extend(back.inputs.into_iter().map(|d_frames| ("grad.x".to_owned(), d_frames)));
        Ok(Self { output: prediction.output, gradients })
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
    originals::expect_detected(record, &tensors)?;
    let found = import::detect(tensors);
    let [NamedNetwork { network: Network::Forecaster(detected), .. }] = &found.networks[..] else {
        return Err(refuse(format!("{} networks where one of mlcast is expected", found.networks.len())));
    };
    let (frames, steps) = (record.tensor("x")?, record.tensor("y")?.shape()[0]);
    let ForecasterConfig::Mlcast(config) = detected.config() else {
        return Err(refuse(format!("a network of the kind {}", detected.config().kind())));
    };
    let mut errors = Errors::default();
    errors.output(record, "y", &detected.forward(frames, steps)?)?;
    for precision in [Precision::Exact, Precision::Fast] {
        let network = single(detected, config, precision)?;
        errors.single(record, "y", &network.forward(&frames.cast(), steps)?)?;
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

/// The network in 32 bits.
fn single(network: &Forecaster<f64>, config: &MlcastConfig, precision: Precision) -> Result<Forecaster<f32>> {
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
    Ok(copy)
}
