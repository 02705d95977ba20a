//! In what two networks differ.

use std::collections::BTreeMap;

use convgru_model::{Forecaster, ForecasterConfig, Parameters};

use super::imported_for;
use crate::config::RunConfig;

/// Tensors that a message names before it is cut short.
const SHOWN: usize = 6;

/// In what the network of a file is not the configured one, if it is another: tensors with their shapes, then fields.
pub(super) fn of_networks(
    (file, is_trained): (&Forecaster<f32>, bool),
    config: &RunConfig,
    model: &Forecaster<f32>,
) -> Option<String> {
    let tensors = of_tensors(file.parameters(), model.parameters());
    let fields = of_fields(file.config(), is_trained, config);
    (tensors.is_some() || fields.is_some())
        .then(|| tensors.into_iter().chain(fields).collect::<Vec<_>>().join("; "))
}

/// The fields in which a network is not the configured one.
pub(super) fn of_fields(file: &ForecasterConfig, is_trained: bool, config: &RunConfig) -> Option<String> {
    let file = if is_trained { file.clone() } else { imported_for(file, &config.model) };
    let theirs = RunConfig { model: computing_alike(&file, &config.model), ..config.clone() };
    let fields = theirs.differences(config);
    (!fields.is_empty()).then(|| format!("{} (file, configuration)", fields.join("; ")))
}

/// The configuration of a file with the fields of the other that change no result of the same weights.
fn computing_alike(file: &ForecasterConfig, configured: &ForecasterConfig) -> ForecasterConfig {
    use ForecasterConfig::{EncoderForecaster, Mlcast, Pyramid, Recurrent};
    let mut alike = file.clone();
    match (&mut alike, configured) {
        (EncoderForecaster(file), EncoderForecaster(other)) => {
            (file.initializer, file.precision) = (other.initializer, other.precision);
        }
        (Pyramid(file), Pyramid(other)) => {
            (file.initializer, file.precision) = (other.initializer, other.precision);
        }
        (Mlcast(file), Mlcast(other)) => {
            (file.initializer, file.precision) = (other.initializer, other.precision);
        }
        (Recurrent(file), Recurrent(other)) => {
            for (stage, other) in file.stages.iter_mut().zip(&other.stages) {
                stage.compute_like(other);
            }
        }
        _ => {}
    }
    alike
}

/// The tensors of which one has not the name, or not the shape.
pub(super) fn of_tensors(file: &impl Parameters<f32>, network: &impl Parameters<f32>) -> Option<String> {
    let (mut of_file, of_network) = (shapes(file), shapes(network));
    let mut told = Vec::new();
    for (name, shape) in of_network {
        match of_file.remove(&name) {
            Some(theirs) if theirs == shape => {}
            Some(theirs) => {
                told.push(format!("`{name}` is {theirs:?} in the file, {shape:?} in the network"))
            }
            None => told.push(format!("the file has no `{name}` {shape:?}")),
        }
    }
    told.extend(of_file.into_iter().map(|(name, shape)| format!("the network has no `{name}` {shape:?}")));
    let more = told.len().saturating_sub(SHOWN);
    told.truncate(SHOWN);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

fn shapes(parameters: &impl Parameters<f32>) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = BTreeMap::new();
    parameters.for_each(&mut |name, tensor| {
        shapes.insert(name.to_owned(), tensor.shape().to_vec());
    });
    shapes
}
