//! The configuration of a run: data, model and training, as TOML.

mod early_stopping;
mod init;
pub(crate) mod path_text;
mod preset;
mod read;
mod sampling_schedule;
mod saved;
mod suggest;
mod tagged;
#[cfg(test)]
mod tests;
mod text_error;
mod validate;

use std::path::{Path, PathBuf};

use convgru_model::ForecasterConfig;
use serde::{Deserialize, Serialize};

pub(crate) use self::read::text;
pub(crate) use self::tagged::{kinds_with, tag_of};
pub use early_stopping::EarlyStoppingConfig;
pub use init::InitConfig;
pub use preset::Preset;
pub use sampling_schedule::{SamplingDecay, SamplingSchedule};

use crate::checkpoint::ValidationRecord;
use crate::dataset::{DataConfig, FramesConfig, Source, Transform};
use crate::loss::{Clamp, LeadWeights, Loss, LossTerm, LossTerms, Objective};
use crate::optimizer::OptimizerConfig;
use crate::schedule::{Monitor, ScheduleConfig, ScheduleKind};

/// Everything that decides the result of a run.
///
/// ```
/// use convgru_train::config::{Preset, RunConfig};
///
/// let config = RunConfig::preset(Preset::Quick).with("training.steps=100")?;
/// config.validate()?;
/// assert!(config.to_toml().contains("steps = 100"));
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Name of the run and of its folder.
    pub name: String,
    /// Folder with MNIST's files for `data.source = "mnist"`; empty for none. A path that is no text is a list of bytes in TOML.
    #[serde(with = "path_text")]
    pub data_folder: PathBuf,
    /// The sequences to learn from.
    pub data: DataConfig,
    /// The network.
    pub model: ForecasterConfig,
    /// The weights that it begins with.
    pub init: InitConfig,
    /// The training loop.
    pub training: TrainingConfig,
    /// The optimiser, with the highest learning rate.
    pub optimizer: OptimizerConfig,
    /// How the learning rate rises and falls.
    pub schedule: ScheduleConfig,
}

/// How the network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Optimiser steps, at least 1.
    pub steps: u64,
    /// Sequences per step, at least 1.
    pub batch_size: usize,
    /// Micro-batches of a batch that are learned from one after the other, to take less memory; the
    /// gradients of all are added up before the step. At least 1, at most `batch_size`.
    pub accumulate: usize,
    /// What is minimised: the name of a loss, a loss with its constants, or a list of losses with weights.
    pub loss: LossTerms,
    /// How much each lead time counts in the loss.
    pub lead_weights: LeadWeights,
    /// Bounds that predictions are clamped to before every loss, in the values of frames.
    pub clamp: Clamp,
    /// Gradients are scaled down to this norm; 0 leaves them as they are.
    pub clip_norm: f64,
    /// Which norm: 1 for the sum of absolute values, 2 for the Euclidean length, `inf`
    /// for the largest absolute value, or anything between.
    pub clip_norm_type: f64,
    /// After that, each element of the gradients is bounded by this; 0 leaves them as
    /// they are.
    pub clip_value: f64,
    /// Seed of the parameters, the samples and their order, below 2^63.
    pub seed: u64,
    /// Steps between validations; 0 validates at the end only.
    pub validate_every: u64,
    /// Steps between checkpoints; 0 saves by time and at the end only.
    pub checkpoint_every: u64,
    /// Seconds after which a checkpoint is written whatever the step; 0 for never. Where saving takes long the time
    /// is longer, so that at most a twentieth of a run goes into it.
    pub checkpoint_seconds: u64,
    /// Generations of checkpoints to keep, at least 2.
    pub keep_checkpoints: usize,
    /// The result of validations that decides which model is the best, and, unless they have a metric of their own, when a plateau
    /// lowers the learning rate and when a run ends early.
    pub monitor: Monitor,
    /// Checkpoints of the best validations to keep, at least 1: of more than one each is `best_STEP.ckpt` beside `best.ckpt`.
    pub keep_best: usize,
    /// Threads; 0 means one per core. The result does not depend on it.
    pub threads: usize,
    /// Names of tensors that training does not change, with `*` for any characters: `["encoder.*"]`. The optimiser, the
    /// norm of the gradient and the moving average leave them out.
    pub freeze: Vec<String>,
    /// How often the forecaster reads the truth instead of its own prediction.
    pub teacher_forcing: SamplingSchedule,
    /// How often the network reads its own prediction instead of a frame of the input after the first: reverse
    /// scheduled sampling. Never, unless `start` or `end` are above 0.
    pub reverse_sampling: SamplingSchedule,
    /// Frames of the input, the last ones, through which gradients flow; what is known of those
    /// before is a constant in each step. 0 lets them flow through all.
    pub truncate: usize,
    /// MiB for what a micro-batch keeps for its backward pass; where more would be needed,
    /// gates are computed again on the way back. 0 keeps everything.
    pub memory_budget: usize,
    /// Decay of the moving average of the parameters, which is then what is measured and
    /// exported, from 0 to below 1; 0 keeps none.
    pub ema_decay: f64,
    /// How many steps in a row may be skipped because their loss or gradient is no number; one
    /// more ends the run. Steps without a measured pixel do not count.
    pub stop_after_nonfinite: u64,
    /// When the run ends before its last step.
    pub early_stopping: EarlyStoppingConfig,
}

impl TrainingConfig {
    /// Sequences that are in memory at once: the sequences of the largest micro-batch.
    pub(crate) fn micro_batch_size(&self) -> usize {
        self.batch_size.div_ceil(self.accumulate.max(1))
    }

    /// Whether schedule and early stopping hear a validation: those every `validate_every` steps, but not one that was made at the
    /// end of a run, which may go on for more steps.
    pub(crate) fn is_heard(&self, validation: &ValidationRecord) -> bool {
        self.validate_every > 0 && validation.step.is_multiple_of(self.validate_every)
    }

    /// What is minimised, of data whose values mean what `transform` says.
    pub fn objective(&self, transform: &Transform) -> Objective {
        let over_values = |term: &LossTerm| {
            let mut term = term.clone();
            if let Loss::BalancedMse { rain } | Loss::BalancedMae { rain } = &mut term.loss {
                *rain = rain.over_values(transform);
            }
            term
        };
        let terms = LossTerms(self.loss.0.iter().map(over_values).collect());
        Objective { terms, lead_weights: self.lead_weights.clone(), clamp: self.clamp }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 400,
            batch_size: 8,
            accumulate: 1,
            loss: Loss::Mse.into(),
            lead_weights: LeadWeights::default(),
            clamp: Clamp::default(),
            clip_norm: 1.0,
            clip_norm_type: 2.0,
            clip_value: 0.0,
            seed: 0,
            validate_every: 100,
            checkpoint_every: 100,
            checkpoint_seconds: 60,
            keep_checkpoints: 2,
            monitor: Monitor::default(),
            keep_best: 1,
            threads: 0,
            freeze: Vec::new(),
            teacher_forcing: SamplingSchedule::default(),
            reverse_sampling: SamplingSchedule { start: 0.0, ..SamplingSchedule::default() },
            truncate: 0,
            memory_budget: 0,
            ema_decay: 0.0,
            stop_after_nonfinite: 10,
            early_stopping: EarlyStoppingConfig::default(),
        }
    }
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            name: "run".to_owned(),
            data_folder: PathBuf::new(),
            data: DataConfig::default(),
            model: ForecasterConfig::default(),
            init: InitConfig::default(),
            training: TrainingConfig::default(),
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
        }
    }
}

impl RunConfig {
    /// The whole configuration as TOML, every field written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field of a configuration is a TOML value")
    }

    /// Reads a configuration that [`to_toml`](Self::to_toml) wrote, in this version of the program or in one whose
    /// checkpoints are read. Fields that are left out have their defaults.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn from_toml(text: &str) -> std::result::Result<Self, String> {
        Self::default().overlaid_by(&saved::in_todays_form(text))
    }

    /// Reads a file as [`from_toml`](Self::from_toml) reads a text, such as `config.toml` in the folder of a run.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot be read, [`Error::Format`](crate::Error::Format) if it holds no
    /// configuration.
    pub fn read(path: &Path) -> crate::Result<Self> {
        let refuse = |reason| crate::Error::Format { path: path.into(), reason };
        Self::from_toml(&text(path)?).map_err(refuse)
    }

    /// The blake3 hash, in hexadecimal, of all fields that decide the result:
    /// two runs of the same hash end with the same bits. The name, the folder
    /// of the data, the path of initial weights, the threads, the batches made ahead and how often the run is saved do not count.
    pub fn hash(&self) -> String {
        blake3::hash(self.decisive().to_toml().as_bytes()).to_hex().to_string()
    }

    /// The fields in which two configurations lead to different results, each
    /// as `field: this, other`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (Self::table_of(&self.decisive()), Self::table_of(&other.decisive()));
        let mut found = Vec::new();
        compare(&ours, &theirs, "", &mut found);
        found
    }

    /// The results of validations that decide something, each with the field that names it.
    pub(crate) fn monitors(&self) -> Vec<(&'static str, Monitor)> {
        let training = &self.training;
        let mut monitors = vec![("training.monitor", training.monitor)];
        if training.early_stopping.patience > 0 {
            monitors
                .extend(training.early_stopping.metric.map(|own| ("training.early_stopping.metric", own)));
        }
        if let ScheduleKind::Plateau(plateau) = &self.schedule.kind {
            monitors.extend(plateau.metric.map(|own| ("schedule.metric", own)));
        }
        monitors
    }

    /// The folder with the files of the data, if there is one.
    pub fn data_folder(&self) -> Option<&Path> {
        Some(self.data_folder.as_path()).filter(|folder| !folder.as_os_str().is_empty())
    }

    fn decisive(&self) -> Self {
        let mut config = self.clone();
        config.name = String::new();
        config.data_folder = PathBuf::new();
        config.init.from = PathBuf::new();
        config.data.memory_mib = 0;
        config.data.prefetch = 0;
        config.data.found = None;
        if let Source::Frames(FramesConfig { input: Some(input), .. }) = &mut config.data.source {
            input.path = PathBuf::new();
        }
        config.training.threads = 0;
        config.training.checkpoint_every = 0;
        config.training.checkpoint_seconds = 0;
        config.training.keep_checkpoints = 0;
        config.training.keep_best = 0;
        config
    }
}

fn compare(ours: &toml::Table, theirs: &toml::Table, section: &str, found: &mut Vec<String>) {
    let both: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for key in both {
        let path = suggest::join(section, key);
        match (ours.get(key), theirs.get(key)) {
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => compare(a, b, &path, found),
            (a, b) if a == b => {}
            (a, b) => {
                let text =
                    |value: Option<&toml::Value>| value.map_or("absent".to_owned(), ToString::to_string);
                found.push(format!("{path}: {}, {}", text(a), text(b)));
            }
        }
    }
}
