//! What PyTorch is told about a training.

use convgru_model::ForecasterConfig;
use convgru_train::config::TrainingConfig;
use convgru_train::loss::{LeadWeights, LossConstants, LossKind, LossTerm};
use convgru_train::optimizer::OptimizerConfig;
use serde::Serialize;

/// The contents of `plan.json` for `peers/python/retrain.py`.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    /// The class in docs/export.md.
    kind: &'static str,
    model: serde_json::Value,
    loss: &'static str,
    loss_constants: LossConstants,
    optimizer: OptimizerConfig,
    clip_norm: f64,
    clip_norm_type: f64,
    clip_value: f64,
    input_frames: usize,
    /// Of a batch, `[T, N, C, H, W]`.
    shape: Vec<usize>,
    threads: usize,
    compile: bool,
}

impl Plan {
    /// Refuses what the script does not train.
    pub(super) fn new(config: &TrainingConfig, shape: &[usize], compile: bool) -> anyhow::Result<Self> {
        let training = &config.training;
        let ForecasterConfig::EncoderForecaster(model) = &config.model else {
            anyhow::bail!(
                "PyTorch's module has no network of the kind \"{}\"; set model.kind to \"encoder-forecaster\"",
                config.model.kind()
            );
        };
        anyhow::ensure!(
            model.members == 1,
            "PyTorch's module predicts one future, and this one {}; set model.members to 1",
            model.members
        );
        let own = training.reverse_sampling;
        anyhow::ensure!(
            own.start == 0.0 && own.end == 0.0,
            "PyTorch's training reads true frames, and this one replaces some with a probability from {} to {}; set \
             training.reverse_sampling.start and .end to 0",
            own.start,
            own.end
        );
        let forcing = training.teacher_forcing;
        anyhow::ensure!(
            !config.model.reads_predictions() || (forcing.start == 0.0 && forcing.end == 0.0),
            "PyTorch's training has no teacher forcing, and this one begins with a probability of {} and ends \
             with {}; set training.teacher_forcing.start and .end to 0, or model.feedback to \"unconditioned\"",
            forcing.start,
            forcing.end
        );
        let pointwise = [LossKind::Mse, LossKind::L1, LossKind::Huber, LossKind::SmoothL1];
        let loss = match training.loss.0[..] {
            [LossTerm { kind, weight: 1.0 }] if pointwise.contains(&kind) => kind.name(),
            _ => anyhow::bail!(
                "PyTorch's training has no loss {}; set training.loss to \"mse\", \"l1\", \"huber\" or \"smooth-l1\"",
                training.loss
            ),
        };
        anyhow::ensure!(
            training.lead_weights == LeadWeights::default()
                && training.ema_decay == 0.0
                && training.truncate == 0,
            "PyTorch's training has no weights of lead times, no average of parameters and no truncation; set \
             training.lead_weights to \"uniform\", training.ema_decay and training.truncate to 0"
        );
        Ok(Self {
            kind: "EncoderForecaster",
            model: serde_json::to_value(model)?,
            loss,
            loss_constants: training.loss_constants,
            optimizer: config.optimizer.clone(),
            clip_norm: training.clip_norm,
            clip_norm_type: training.clip_norm_type,
            clip_value: training.clip_value,
            input_frames: config.data.input_frames,
            shape: shape.to_vec(),
            threads: rayon::current_num_threads(),
            compile,
        })
    }
}
