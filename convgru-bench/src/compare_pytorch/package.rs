//! A network of mlcast in its own package: the plan and the data for PyTorch's side, and its answers.

use anyhow::Context;
use convgru_model::{Forecaster, ForecasterConfig, MlcastConfig, export, import};
use convgru_train::checkpoint::Cursor;
use convgru_train::config::RunConfig;
use convgru_train::loss::{Loss, LossTerm};
use convgru_train::metric::Spread;
use convgru_train::trainer::{Learner, TrainedModel};
use serde::Serialize;

/// A loss of `mlcast.losses`.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct PackageLoss {
    /// Its name there.
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temporal_lambda: Option<f64>,
}

impl PackageLoss {
    /// The loss of a configuration in the package's words.
    pub(super) fn new(config: &RunConfig, model: &MlcastConfig) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.training.accumulate == 1,
            "the package takes each batch as a whole, and this training takes {} micro-batches with noise of their own; set \
             training.accumulate to 1",
            config.training.accumulate
        );
        let of = |class, alpha| Self { class, alpha, temporal_lambda: None };
        let terms = &config.training.loss.0[..];
        let (first, temporal_lambda) = match terms {
            [LossTerm { loss, weight: 1.0 }] => (Some(loss), None),
            [LossTerm { loss, weight: 1.0 }, LossTerm { loss: Loss::TemporalPenalty, weight }] => {
                (Some(loss).filter(|loss| matches!(loss, Loss::Crps { .. })), Some(*weight))
            }
            _ => (None, None),
        };
        let loss = match first {
            Some(Loss::Mse) if model.members == 1 => of("mse", None),
            Some(Loss::L1) if model.members == 1 => of("mae", None),
            Some(Loss::Crps { spread: Spread::Ensemble }) => of("crps", None),
            Some(Loss::Crps { spread: Spread::AlmostFair { alpha } }) => of("afcrps", Some(*alpha)),
            Some(Loss::Crps { spread: Spread::Fair }) => of("afcrps", Some(1.0)),
            _ => anyhow::bail!(
                "mlcast has no loss {}; set training.loss to \"crps\", with \"temporal-penalty\" behind it or without, or of one \
                 member to \"mse\" or \"l1\"",
                config.training.loss
            ),
        };
        anyhow::ensure!(
            model.image_channels == 1 || matches!(loss.class, "mse" | "mae"),
            "the package has the CRPS of one channel, and model.image_channels is {}",
            model.image_channels
        );
        Ok(Self { temporal_lambda, ..loss })
    }
}

/// The noise of a step in the package's order, where the network reads noise.
pub(super) fn noise(
    learner: &Learner,
    cursor: Cursor,
    shape: Option<[usize; 6]>,
) -> anyhow::Result<Vec<f32>> {
    let (Some(shape), ForecasterConfig::Mlcast(config)) = (shape, learner.evaluated().config()) else {
        return Ok(Vec::new());
    };
    Ok(export::mlcast_noise(config, &learner.noise(cursor).to_tensor(shape)?)?.as_slice().to_vec())
}

/// The weights of a network under the names that PyTorch's side reads.
pub(super) fn weights(trained: &TrainedModel) -> anyhow::Result<Vec<u8>> {
    match trained.model.config() {
        ForecasterConfig::Mlcast(config) => {
            let theirs = export::mlcast(config, trained.model.parameters())?;
            Ok(export::to_safetensors(&theirs, &[])?)
        }
        _ => Ok(trained.to_safetensors()?),
    }
}

/// Our network with the weights that PyTorch's side wrote.
pub(super) fn with_weights(ours: &Forecaster<f32>, bytes: &[u8]) -> anyhow::Result<Forecaster<f32>> {
    if let ForecasterConfig::Mlcast(config) = ours.config() {
        let tensors = import::named_tensors_in_single_precision(bytes)?.tensors;
        let theirs = import::mlcast::read(&tensors).context("the weights that the package wrote")?;
        return Ok(Forecaster::from_parameters(config.clone(), theirs.parameters().clone())?);
    }
    let mut model = ours.clone();
    import::from_safetensors(bytes, model.parameters_mut())?;
    Ok(model)
}
