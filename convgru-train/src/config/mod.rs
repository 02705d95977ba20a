//! The configuration of a run: data, model and training, as TOML.

mod assign;
mod preset;
mod read;
mod renamed;
mod suggest;
mod validate;

use std::path::{Path, PathBuf};

use convgru_model::EncoderForecasterConfig;
use serde::{Deserialize, Serialize};

pub use preset::Preset;

use crate::dataset::{DataConfig, Transform};
use crate::loss::{LeadWeights, Loss, LossConstants, LossTerms, Objective, RainWeights};
use crate::optimizer::OptimizerConfig;
use crate::schedule::ScheduleConfig;

/// Everything that decides the result of a run.
///
/// ```
/// use convgru_train::config::{Preset, TrainingConfig};
///
/// let config = TrainingConfig::preset(Preset::Quick).with("training.steps=100")?;
/// config.validate()?;
/// assert!(config.to_toml().contains("steps = 100"));
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Name of the run and of its folder.
    pub name: String,
    /// Folder with MNIST's files for `data.source = "mnist"`; empty for none.
    pub data_folder: PathBuf,
    /// The sequences to learn from.
    pub data: DataConfig,
    /// The network.
    pub model: EncoderForecasterConfig,
    /// The training loop.
    pub training: LoopConfig,
    /// The optimiser, with the highest learning rate.
    pub optimizer: OptimizerConfig,
    /// How the learning rate rises and falls.
    pub schedule: ScheduleConfig,
}

/// How the network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoopConfig {
    /// Optimiser steps, at least 1.
    pub steps: u64,
    /// Sequences per step, at least 1.
    pub batch_size: usize,
    /// What is minimised: the name of a loss, or a list of losses with weights.
    pub loss: LossTerms,
    /// The constants of the losses that have any.
    pub loss_constants: LossConstants,
    /// How much each lead time counts in the loss.
    pub lead_weights: LeadWeights,
    /// The weights of pixels in the balanced losses, by their true value.
    pub rain: RainWeights,
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
    /// Steps between checkpoints; 0 saves at the end only.
    pub checkpoint_every: u64,
    /// Generations of checkpoints to keep, at least 2.
    pub keep_checkpoints: usize,
    /// Threads; 0 means one per core. The result does not depend on it.
    pub threads: usize,
    /// How often the forecaster reads the truth instead of its own prediction.
    pub teacher_forcing: TeacherForcingConfig,
}

/// The probability of teacher forcing: it goes linearly from `start` to `end`
/// over the first part of the training and stays there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TeacherForcingConfig {
    /// Probability at the first step, 0 to 1.
    pub start: f64,
    /// Probability once `until` is reached, 0 to 1.
    pub end: f64,
    /// The share of all steps after which `end` is reached, above 0, at most 1.
    pub until: f64,
}

impl TeacherForcingConfig {
    /// The probability at `step` (from 0) of `steps`.
    ///
    /// `p = start + (end - start) min(1, step / (until steps))`
    pub fn probability(&self, step: u64, steps: u64) -> f64 {
        let progress = step as f64 / (self.until * steps as f64).max(1.0);
        self.start + (self.end - self.start) * progress.min(1.0)
    }
}

impl LoopConfig {
    /// What is minimised, of data whose values mean what `transform` says.
    pub fn objective(&self, transform: &Transform) -> Objective {
        Objective {
            terms: self.loss.clone(),
            constants: self.loss_constants,
            rain: self.rain.over_values(transform),
            lead_weights: self.lead_weights.clone(),
        }
    }
}

impl Default for TeacherForcingConfig {
    fn default() -> Self {
        Self { start: 1.0, end: 0.0, until: 0.5 }
    }
}

impl Default for LoopConfig {
    fn default() -> Self {
        Self {
            steps: 400,
            batch_size: 8,
            loss: Loss::Mse.into(),
            loss_constants: LossConstants::default(),
            lead_weights: LeadWeights::default(),
            rain: RainWeights::default(),
            clip_norm: 1.0,
            clip_norm_type: 2.0,
            clip_value: 0.0,
            seed: 0,
            validate_every: 100,
            checkpoint_every: 100,
            keep_checkpoints: 2,
            threads: 0,
            teacher_forcing: TeacherForcingConfig::default(),
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            name: "run".to_owned(),
            data_folder: PathBuf::new(),
            data: DataConfig::default(),
            model: EncoderForecasterConfig::default(),
            training: LoopConfig::default(),
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
        }
    }
}

impl TrainingConfig {
    /// The whole configuration as TOML, every field written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field of a configuration is a TOML value")
    }

    /// Reads a configuration that [`to_toml`](Self::to_toml) wrote.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn from_toml(text: &str) -> std::result::Result<Self, String> {
        Self::default().overlaid_by(text)
    }

    /// The blake3 hash, in hexadecimal, of all fields that decide the result:
    /// two runs of the same hash end with the same bits. The name, the folder
    /// of the data, the threads and how often the run is saved do not count.
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

    /// The folder with the files of the data, if there is one.
    pub fn data_folder(&self) -> Option<&Path> {
        Some(self.data_folder.as_path()).filter(|folder| !folder.as_os_str().is_empty())
    }

    fn decisive(&self) -> Self {
        let mut config = self.clone();
        config.name = String::new();
        config.data_folder = PathBuf::new();
        config.training.threads = 0;
        config.training.checkpoint_every = 0;
        config.training.keep_checkpoints = 0;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_round_trips() {
        for preset in Preset::ALL {
            let config = TrainingConfig::preset(preset);
            assert_eq!(TrainingConfig::from_toml(&config.to_toml()).unwrap(), config);
        }
    }

    #[test]
    fn examples_of_the_documentation_are_valid() {
        for (page, fewest) in [("training.md", 4), ("data.md", 4)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
            let text = std::fs::read_to_string(path).unwrap();
            let examples: Vec<_> = text.split("```toml\n").skip(1).collect();
            assert!(examples.len() >= fewest, "only {} examples in {page}", examples.len());
            for example in examples {
                let example = example.split("```").next().unwrap();
                let config = TrainingConfig::from_toml(example).unwrap();
                config.validate().unwrap();
                assert_ne!(config, TrainingConfig::default(), "{example}");
            }
        }
    }

    #[test]
    fn examples_of_networks_in_the_documentation_are_valid_and_round_trip() {
        use convgru_model::recurrent::{Recurrent, RecurrentConfig};
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cells.md");
        let text = std::fs::read_to_string(path).unwrap();
        let examples: Vec<_> = text.split("```toml\n").skip(1).collect();
        assert!(examples.len() >= 2, "only {} examples", examples.len());
        for example in examples {
            let example = example.split("```").next().unwrap();
            let config: RecurrentConfig = toml::from_str(example).unwrap();
            Recurrent::<f32>::new(config.clone(), 0).unwrap();
            let written = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<RecurrentConfig>(&written).unwrap(), config);
        }
    }

    #[test]
    fn the_hash_sees_what_decides_the_result_and_nothing_else() {
        let config = TrainingConfig::default();
        for neutral in ["name=other", "training.threads=3", "training.checkpoint_every=5"] {
            assert_eq!(config.with(neutral).unwrap().hash(), config.hash(), "{neutral}");
        }
        for decisive in ["training.seed=5", "training.steps=5", "model.patch=2", "schedule.pct_start=0.2"] {
            let other = config.with(decisive).unwrap();
            assert_ne!(other.hash(), config.hash(), "{decisive}");
            assert_eq!(config.differences(&other).len(), 1, "{decisive}");
        }
        let difference = &config.differences(&config.with("training.seed=5").unwrap())[0];
        assert_eq!(difference, "training.seed: 0, 5");
    }

    #[test]
    fn teacher_forcing_goes_linearly_and_stays() {
        let config = TeacherForcingConfig { start: 1.0, end: 0.2, until: 0.5 };
        for (step, expected) in [(0, 1.0), (25, 0.6), (50, 0.2), (99, 0.2)] {
            assert!((config.probability(step, 100) - expected).abs() < 1e-12, "step {step}");
        }
    }
}
