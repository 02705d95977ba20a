//! What PyTorch is told about a training.

use convgru_model::{ForecasterConfig, Residual};
use convgru_train::config::RunConfig;
use convgru_train::loss::{LeadWeights, Loss, LossTerm};
use convgru_train::optimizer::OptimizerConfig;
use convgru_train::schedule::ScheduleKind;
use serde::Serialize;

/// The contents of `plan.json` for `peers/python/compare_pytorch.py`.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    /// The class in docs/export.md.
    kind: &'static str,
    model: serde_json::Value,
    loss: Loss,
    optimizer: OptimizerConfig,
    clip_norm: f64,
    clip_norm_type: f64,
    clip_value: f64,
    input_frames: usize,
    /// Of a batch, `[T, N, C, H, W]`; empty until there is one.
    pub(super) shape: Vec<usize>,
    threads: usize,
    compile: bool,
}

impl Plan {
    /// Refuses what the script does not train.
    pub(super) fn new(config: &RunConfig, compile: bool) -> anyhow::Result<Self> {
        let training = &config.training;
        let (kind, model) = match &config.model {
            ForecasterConfig::EncoderForecaster(model) => ("EncoderForecaster", serde_json::to_value(model)?),
            ForecasterConfig::Pyramid(model) => {
                anyhow::ensure!(
                    model.residual != Residual::Motion,
                    "PyTorch's module has no optical flow, and model.residual is \"motion\"; set it to \"last-frame\" \
                     or \"none\""
                );
                ("Pyramid", serde_json::to_value(model)?)
            }
            ForecasterConfig::Mlcast(_) | ForecasterConfig::Recurrent(_) => anyhow::bail!(
                "PyTorch's training is of an encoder-forecaster or a pyramid, and model.kind is \"{}\"",
                config.model.kind()
            ),
        };
        anyhow::ensure!(
            config.model.members() == 1,
            "PyTorch's training predicts one future, and this one {}; set model.members to 1",
            config.model.members()
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
        let loss = match &training.loss.0[..] {
            [
                LossTerm {
                    loss: loss @ (Loss::Mse | Loss::L1 | Loss::Huber { .. } | Loss::SmoothL1 { .. }),
                    weight: 1.0,
                },
            ] => loss.clone(),
            _ => anyhow::bail!(
                "PyTorch's training has no loss {}; set training.loss to \"mse\", \"l1\", \"huber\" or \"smooth-l1\"",
                training.loss
            ),
        };
        anyhow::ensure!(
            !matches!(&config.schedule.kind, ScheduleKind::OneCycle(cycle) if cycle.cycle_momentum),
            "PyTorch's training keeps its momentum, and this one moves it; set schedule.cycle_momentum to false"
        );
        anyhow::ensure!(
            training.lead_weights == LeadWeights::default()
                && training.ema_decay == 0.0
                && training.truncate == 0,
            "PyTorch's training has no weights of lead times, no average of parameters and no truncation; set \
             training.lead_weights to \"uniform\", training.ema_decay and training.truncate to 0"
        );
        Ok(Self {
            kind,
            model,
            loss,
            optimizer: config.optimizer.clone(),
            clip_norm: training.clip_norm,
            clip_norm_type: training.clip_norm_type,
            clip_value: training.clip_value,
            input_frames: config.data.input_frames,
            shape: Vec::new(),
            threads: rayon::current_num_threads(),
            compile,
        })
    }
}

#[cfg(test)]
mod tests {
    use convgru_train::config::Preset;

    use super::*;

    fn plan(preset: Preset, changes: &[&str]) -> anyhow::Result<Plan> {
        let change = |config: RunConfig, change: &&str| config.with(change);
        let config = changes.iter().try_fold(RunConfig::preset(preset), change)?;
        config.validate()?;
        Plan::new(&config, false)
    }

    #[test]
    fn both_kinds_are_trained_with_every_field_of_theirs() {
        assert_eq!(plan(Preset::MovingMnist, &[]).unwrap().kind, "EncoderForecaster");
        let digits = plan(Preset::Digits, &[]).unwrap();
        assert_eq!((digits.kind, &digits.loss, digits.input_frames), ("Pyramid", &Loss::Mse, 10));
        let model = |name: &str| &digits.model[name];
        assert_eq!((model("head_channels"), model("residual")), (&64.into(), &"none".into()));
        assert_eq!(model("scales")[1]["down"], 2);
        let changes = ["model.skip=true", "model.residual=last-frame", "model.output_activation=sigmoid"];
        let skip = plan(Preset::Digits, &changes).unwrap();
        assert_eq!((&skip.model["skip"], &skip.model["residual"]), (&true.into(), &"last-frame".into()));
    }

    #[test]
    fn what_pytorch_does_not_train_is_refused_by_its_field() {
        for (preset, changes, named) in [
            (Preset::Radar, &[][..], "model.residual is \"motion\""),
            (Preset::Digits, &["model.residual=motion"], "set it to \"last-frame\" or \"none\""),
            (Preset::Digits, &["model.members=3"], "set model.members to 1"),
            (Preset::MovingMnist, &["model.members=2"], "set model.members to 1"),
            (Preset::Digits, &["training.reverse_sampling.start=0.5"], "training.reverse_sampling.start"),
            (
                Preset::Quick,
                &["model.feedback=predictions", "training.teacher_forcing.start=0.5"],
                "training.teacher_forcing.start",
            ),
            (Preset::Digits, &["training.loss=ssim"], "set training.loss to"),
            (Preset::Digits, &["schedule.cycle_momentum=true"], "set schedule.cycle_momentum to false"),
            (Preset::Digits, &["training.ema_decay=0.9"], "training.ema_decay"),
            (Preset::Digits, &["training.truncate=2"], "training.truncate"),
        ] {
            let error = plan(preset, changes).unwrap_err().to_string();
            assert!(error.contains(named), "{changes:?} gave {error:?}");
        }
    }
}
