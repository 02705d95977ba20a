//! The arguments that make the configuration of a training.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use convgru_train::Error;
use convgru_train::config::{Preset, RunConfig};
use convgru_train::dataset::{SourceKind, detect};
use convgru_train::printable::printable;
use convgru_train::trainer::InitialWeights;

use super::output;

/// A preset, and what is laid over it.
#[derive(Args)]
pub(super) struct ConfigurationArguments {
    /// Configuration to start from [default: quick; radar if --data holds radar images]
    #[arg(long, value_parser = PossibleValuesParser::new(Preset::ALL.map(possible))
        .map(|name| Preset::named(&name).expect("the parser allows only names of presets")))]
    preset: Option<Preset>,
    /// TOML file with fields that differ from the preset
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// MNIST's idx files, radar images (of FMI, MeteoNet, KNMI, ODIM) or sequences of your own (.npy, .npz, .h5, .nc, .gif, folders of .png or .jpg)
    #[arg(long, value_name = "DIR|FILE")]
    data: Option<PathBuf>,
    /// Begin with the weights of a trained model (model.safetensors, *.ckpt, the folder of a run) or of cells that `import` wrote, as
    /// --set init.from=FILE; the network is that of the file unless --config or --set gives a section model
    #[arg(long, value_name = "CHECKPOINT|WEIGHTS")]
    init_from: Option<PathBuf>,
    /// The part of the network that cells of --init-from fill, such as encoder, as --set init.part=PART [default: by their name or form]
    #[arg(long, value_name = "PART")]
    init_part: Option<String>,
    /// Change a field of the configuration, as a line of TOML; text needs no quotes. May be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Name of the run, as --set name=NAME
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Steps of the optimiser, as --set training.steps=N
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Sequences of a step, as --set training.batch_size=N
    #[arg(long, value_name = "N")]
    batch_size: Option<u64>,
    /// Learning rate, as --set optimizer.learning_rate=RATE
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Seed of all random numbers [default: that of the configuration, 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads, 0 for one per core; the result does not depend on it [default: 0]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl ConfigurationArguments {
    /// The preset that is named, or that goes with the data, with what the command line says laid over it.
    /// The network is that of the weights that it begins with, unless one is given.
    pub(super) fn fresh(&self) -> anyhow::Result<RunConfig> {
        let preset = match (self.preset, &self.data, self.chosen_source()?) {
            (Some(preset), _, _) => preset,
            (None, _, Some(kind)) if kind != SourceKind::Radar => Preset::default(),
            (None, Some(data), _) if held(data)? == SourceKind::Radar => Preset::Radar,
            (None, _, _) => Preset::default(),
        };
        let mut config = self.laid_over(RunConfig::preset(preset))?;
        if let Some(file) = config.init.file() {
            let file = std::fs::canonicalize(file).with_context(|| {
                format!("--init-from {}: give a file of weights or the folder of a run", printable(file))
            })?;
            let weights = InitialWeights::read(&file)?;
            if !self.gives_a_model()? {
                config.model = weights.network_for(&config.model);
            }
            config.init.from = weights.path().to_path_buf();
        }
        Ok(config)
    }

    /// The source of files that the command line or its file names.
    fn chosen_source(&self) -> anyhow::Result<Option<SourceKind>> {
        let named = |set: &String| {
            let (key, name) = set.split_once('=')?;
            let is_named = |kind: &SourceKind| kind.name() == name.trim().trim_matches('"');
            let kinds = [SourceKind::Mnist, SourceKind::Radar, SourceKind::Frames];
            kinds.into_iter().find(|kind| key.trim() == "data.source" && is_named(kind))
        };
        if let Some(kind) = self.set.iter().rev().find_map(named) {
            return Ok(Some(kind));
        }
        let in_file = |path: &PathBuf| RunConfig::source_chosen_by_file(path);
        let chosen = self.config.as_ref().map(in_file).transpose()?.flatten();
        Ok(chosen.filter(|kind| *kind != SourceKind::Strokes))
    }

    /// Whether the command line or its file says anything about the network.
    fn gives_a_model(&self) -> anyhow::Result<bool> {
        let is_of_model = |set: &String| key_of(set).split('.').next() == Some("model");
        let in_file = |path: &PathBuf| RunConfig::has_section_in_file(path, "model");
        Ok(self.set.iter().any(is_of_model)
            || self.config.as_ref().map(in_file).transpose()?.unwrap_or(false))
    }

    /// The configuration with what the command line says laid over it.
    pub(super) fn laid_over(&self, mut config: RunConfig) -> anyhow::Result<RunConfig> {
        let mut is_chosen = false;
        if let Some(path) = &self.config {
            config = config.overlaid_by_file(path)?;
            // A file that chooses a source of files says how the data are read.
            let chosen = RunConfig::source_chosen_by_file(path)?;
            is_chosen = chosen.is_some_and(|kind| kind != SourceKind::Strokes);
        }
        if let Some(data) = &self.data {
            config.data_folder = std::fs::canonicalize(data)
                .with_context(|| format!("--data {}: give the folder with the data", printable(data)))?;
            let held = held(data)?;
            if !is_chosen {
                config.data.source = config.data.source.of_kind(held);
            }
        }
        if let Some(file) = &self.init_from {
            config.init.from.clone_from(file);
        }
        let assignments = self.assignments();
        config = config.with_all(&assignments).map_err(|error| {
            let told = told_of(&assignments, &error);
            anyhow::Error::new(error).context(told)
        })?;
        config.training.seed = self.seed.unwrap_or(config.training.seed);
        config.training.threads = self.threads.unwrap_or(config.training.threads);
        Ok(config)
    }

    /// Fails if the source of the data reads files, and none are named.
    pub(super) fn expect_data(config: &RunConfig) -> anyhow::Result<()> {
        anyhow::ensure!(
            config.data.source.kind() == SourceKind::Strokes || config.data_folder().is_some(),
            "data.source is \"{}\", but there is no folder with its files; give --data DIR, or --set data.source=strokes for drawn digits",
            config.data.source.name()
        );
        Ok(())
    }

    /// The fields that the command line changes: those of `--set`, then those with an option of their own.
    fn assignments(&self) -> Vec<String> {
        let name = self.name.as_ref().map(|name| format!("name={}", toml::Value::from(name.as_str())));
        let part =
            self.init_part.as_ref().map(|part| format!("init.part={}", toml::Value::from(part.as_str())));
        let steps = self.steps.map(|steps| format!("training.steps={steps}"));
        let batch_size = self.batch_size.map(|size| format!("training.batch_size={size}"));
        let rate = self.lr.map(|rate| format!("optimizer.learning_rate={rate:?}"));
        self.set.iter().cloned().chain(name).chain(part).chain(steps).chain(batch_size).chain(rate).collect()
    }

    /// Says in detail what is configured otherwise than in the preset.
    pub(super) fn tell_details(&self, config: &RunConfig) {
        let preset = self.preset.unwrap_or_default();
        let changes = RunConfig::preset(preset).differences(config);
        let listed = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join("\n  ") };
        output::detail(&format!(
            "configuration {}, against the preset {} (preset, run):\n  {listed}",
            &config.hash()[..16],
            preset.name()
        ));
    }

    /// Whether the command line names weights that a run begins with.
    pub(super) fn names_weights(&self) -> bool {
        self.init_from.is_some() || self.assignments().iter().any(|set| key_of(set).starts_with("init."))
    }

    /// Whether anything but the data could have chosen the name of the run.
    pub(super) fn names_a_run(&self) -> bool {
        let sets_name = self.assignments().iter().any(|set| key_of(set) == "name");
        self.preset.is_some() || self.config.is_some() || sets_name
    }
}

/// The `--set` that an error is about; all of them where it names none.
fn told_of(assignments: &[String], error: &Error) -> String {
    let is_of = |set: &&String| matches!(error, Error::Config { field, .. } if key_of(set) == field);
    match assignments.iter().rfind(is_of) {
        Some(set) => format!("--set {set}"),
        None => format!("--set {}", assignments.join(" --set ")),
    }
}

/// A preset as a value of `--preset`.
fn possible(preset: Preset) -> PossibleValue {
    PossibleValue::new(preset.name())
}

/// What a path holds.
fn held(data: &Path) -> anyhow::Result<SourceKind> {
    detect(data).with_context(|| format!("--data {}", printable(data)))
}

/// The key of an assignment.
fn key_of(assignment: &str) -> &str {
    assignment.split('=').next().unwrap_or_default().trim()
}
