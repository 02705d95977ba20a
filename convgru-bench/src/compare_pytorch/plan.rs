//! What PyTorch is told about a training.

use convgru_model::{ForecasterConfig, Residual};
use convgru_train::config::RunConfig;
use convgru_train::dataset::Batch;
use convgru_train::loss::{Clamp, LeadWeights, Loss, LossTerm};
use convgru_train::optimizer::OptimizerConfig;
use convgru_train::schedule::ScheduleKind;
use serde::Serialize;

use super::package::PackageLoss;
use crate::python::{self, Packages};

/// The kind of the network of the package mlcast.
const MLCAST: &str = "Mlcast";

/// The contents of `plan.json` for `peers/python/compare_pytorch.py`.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    /// The class in python/convgru_torch.py, or `Mlcast` for the network of the package.
    kind: &'static str,
    model: serde_json::Value,
    loss: PlannedLoss,
    clamp: Clamp,
    optimizer: OptimizerConfig,
    clip_norm: f64,
    clip_norm_type: f64,
    clip_value: f64,
    input_frames: usize,
    /// Of a batch, `[T, N, C, H, W]`; empty until there is one.
    pub(super) shape: Vec<usize>,
    /// Of the noise of a batch, `[members, steps, N, C', H', W']`, where the network reads noise.
    pub(super) noise: Option<[usize; 6]>,
    /// Whether known pixels come with each batch.
    masked: bool,
    threads: usize,
    compile: bool,
}

/// A loss in the words of who computes it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum PlannedLoss {
    /// `torch.nn.functional`.
    Torch(Loss),
    /// `mlcast.losses`.
    Package(PackageLoss),
}

impl PlannedLoss {
    fn torch(config: &RunConfig) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.model.members() == 1,
            "PyTorch's training predicts one future, and this one {}; set model.members to 1",
            config.model.members()
        );
        match &config.training.loss.0[..] {
            [
                LossTerm {
                    loss: loss @ (Loss::Mse | Loss::L1 | Loss::Huber { .. } | Loss::SmoothL1 { .. }),
                    weight: 1.0,
                },
            ] => Ok(Self::Torch(loss.clone())),
            _ => anyhow::bail!(
                "PyTorch's training has no loss {}; set training.loss to \"mse\", \"l1\", \"huber\" or \"smooth-l1\"",
                config.training.loss
            ),
        }
    }
}

impl Plan {
    /// The packages that the training needs.
    pub(super) fn packages(&self) -> Packages {
        if self.kind == MLCAST { python::MLCAST } else { python::PYTORCH }
    }

    /// Takes the shapes of batches from the first.
    pub(super) fn of_batch(&mut self, config: &RunConfig, batch: &Batch) -> anyhow::Result<()> {
        let shape = batch.frames.shape();
        self.shape = shape.to_vec();
        self.masked = batch.valid.is_some();
        anyhow::ensure!(
            self.kind == MLCAST || !self.masked,
            "PyTorch's training has no mask of missing pixels, and these data may have missing pixels"
        );
        if let (ForecasterConfig::Mlcast(model), &[_, batch, _, height, width]) = (&config.model, shape) {
            let noise = model.noise_shape(batch, [height, width], config.data.output_frames);
            self.noise = model.reads_noise().then_some(noise);
        }
        Ok(())
    }

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
            ForecasterConfig::Mlcast(model) => (MLCAST, serde_json::to_value(model)?),
            ForecasterConfig::Recurrent(_) => anyhow::bail!(
                "PyTorch's training has encoder-forecasters, pyramids and networks of mlcast, and model.kind is \"{}\"",
                config.model.kind()
            ),
        };
        let loss = match &config.model {
            ForecasterConfig::Mlcast(model) => PlannedLoss::Package(PackageLoss::new(config, model)?),
            _ => PlannedLoss::torch(config)?,
        };
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
            clamp: training.clamp,
            optimizer: config.optimizer.clone(),
            clip_norm: training.clip_norm,
            clip_norm_type: training.clip_norm_type,
            clip_value: training.clip_value,
            input_frames: config.data.input_frames,
            shape: Vec::new(),
            noise: None,
            masked: false,
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
        let mse = PlannedLoss::Torch(Loss::Mse);
        assert_eq!((digits.kind, &digits.loss, digits.input_frames), ("Pyramid", &mse, 10));
        let model = |name: &str| &digits.model[name];
        assert_eq!((model("head_channels"), model("residual")), (&64.into(), &"none".into()));
        assert_eq!(model("scales")[1]["down"], 2);
        let changes = ["model.skip=true", "model.residual=last-frame", "model.output_activation=sigmoid"];
        let skip = plan(Preset::Digits, &changes).unwrap();
        assert_eq!((&skip.model["skip"], &skip.model["residual"]), (&true.into(), &"last-frame".into()));
    }

    fn package_loss(changes: &[&str]) -> serde_json::Value {
        let changes = [&["model.kind=mlcast", "model.members=2", "data.output_frames=5"], changes].concat();
        serde_json::to_value(plan(Preset::MovingMnist, &changes).unwrap().loss).unwrap()
    }

    #[test]
    fn losses_of_the_package_have_its_names() {
        let crps = "training.loss=crps";
        assert_eq!(package_loss(&[crps]), serde_json::json!({"class": "crps"}));
        let penalty = |spread: &str| {
            format!(
                "training.loss=[{{ kind = \"crps\", spread = {spread} }}, {{ kind = \"temporal-penalty\", weight = 0.01 }}]"
            )
        };
        let expected = serde_json::json!({"class": "crps", "temporal_lambda": 0.01});
        assert_eq!(package_loss(&[&penalty("\"ensemble\"")]), expected);
        let expected = serde_json::json!({"class": "afcrps", "alpha": 0.95, "temporal_lambda": 0.01});
        assert_eq!(package_loss(&[&penalty("\"almost-fair\"")]), expected);
        let fair = "training.loss={ kind = \"crps\", spread = \"fair\" }";
        assert_eq!(package_loss(&[fair]), serde_json::json!({"class": "afcrps", "alpha": 1.0}));
        assert_eq!(
            package_loss(&["model.members=1", "training.loss=l1"]),
            serde_json::json!({"class": "mae"})
        );
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
            (Preset::Digits, &["model.kind=mlcast", "model.members=2"], "mlcast has no loss mse"),
            (
                Preset::Digits,
                &["model.kind=mlcast", "model.members=2", "training.loss=crps", "training.accumulate=2"],
                "set training.accumulate to 1",
            ),
            (Preset::Digits, &["training.ema_decay=0.9"], "training.ema_decay"),
            (Preset::Digits, &["training.truncate=2"], "training.truncate"),
        ] {
            let error = plan(preset, changes).unwrap_err().to_string();
            assert!(error.contains(named), "{changes:?} gave {error:?}");
        }
    }
}
