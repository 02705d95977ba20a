//! The arguments that make the configuration of a training.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use convgru_model::ForecasterConfig;
use convgru_train::Error;
use convgru_train::config::{Preset, RunConfig};
use convgru_train::dataset::{SourceKind, detect};
use convgru_train::printable::printable;
use convgru_train::trainer::InitialWeights;

use super::{exit_codes, output, own_files};

/// A preset, and what is laid over it.
#[derive(Args, Clone)]
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
    /// Start with the weights of a trained model (model.safetensors, *.ckpt, the folder of a run) or of a file that `import` wrote, as
    /// --set init.from=FILE; the file also sets the network, unless --config or --set sets a field of model
    #[arg(long, value_name = "CHECKPOINT|WEIGHTS")]
    init_from: Option<PathBuf>,
    /// The part of the network that gets the cells of --init-from, such as encoder, as --set init.part=PART [default: chosen by name or shape]
    #[arg(long, value_name = "PART")]
    init_part: Option<String>,
    /// Take only the tensors of --init-from that fit the network, and draw and list the other tensors, as --set init.partial=true
    #[arg(long)]
    init_partial: bool,
    /// Do not train tensors whose names match PATTERN (* stands for any characters), as --set 'training.freeze=["PATTERN"]'; can be repeated
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
    /// Change a field of the configuration, as a line of TOML; text needs no quotes. Can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Name of the run, as --set name=NAME
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Steps of the optimiser, as --set training.steps=N
    #[arg(long, value_name = "N", value_parser = super::positive)]
    steps: Option<u64>,
    /// Sequences in a step, as --set training.batch_size=N
    #[arg(long, value_name = "N", value_parser = super::positive)]
    batch_size: Option<u64>,
    /// Learning rate, as --set optimizer.learning_rate=RATE
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = rate)]
    lr: Option<f64>,
    /// Seed of all random numbers [default: training.seed of the configuration, 0]
    #[arg(long, value_name = "N", value_parser = super::whole)]
    seed: Option<u64>,
    /// Number of threads; 0: one per core; the result is the same for any number [default: 0]
    #[arg(long, value_name = "N", value_parser = super::threads)]
    threads: Option<usize>,
}

/// The option of its own that a field has, and what it is given.
struct Shorthand {
    option: &'static str,
    field: &'static str,
    /// As TOML.
    value: String,
}

impl ConfigurationArguments {
    /// The preset that is named, or that goes with the data, with what the command line says laid over it.
    /// The network of the initial weights, unless another is given.
    ///
    /// An option that says again what another says, and a value that no field can have, are errors of the command line.
    pub(super) fn fresh(&self) -> anyhow::Result<RunConfig> {
        self.expect_said_once()?;
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
                config.model = match config.data.input() {
                    Some(_) => weights.network_of_images(&config.model),
                    None => weights.network_for(&config.model),
                };
            } else if !self.has_model_in_file()? && is_mlcast(&config) {
                // Networks of mlcast tell how large they are, and not how they are used.
                let network = weights.network_for(&config.model);
                let taken = RunConfig { model: network, ..config.clone() };
                if is_mlcast(&taken) {
                    config = taken.with_all(&self.of_model())?;
                }
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
        Ok(!self.of_model().is_empty() || self.has_model_in_file()?)
    }

    /// What the command line says about the network.
    fn of_model(&self) -> Vec<String> {
        let is_of_model = |set: &&String| key_of(set).split('.').next() == Some("model");
        self.set.iter().filter(is_of_model).cloned().collect()
    }

    /// Whether the file of the command line says anything about the network.
    fn has_model_in_file(&self) -> anyhow::Result<bool> {
        let in_file = |path: &PathBuf| RunConfig::has_section_in_file(path, "model");
        Ok(self.config.as_ref().map(in_file).transpose()?.unwrap_or(false))
    }

    /// As [`fresh`](Self::fresh), of a configuration that can work.
    pub(super) fn fresh_and_valid(&self) -> anyhow::Result<RunConfig> {
        let config = self.fresh()?;
        match config.validate() {
            Ok(()) => Ok(config),
            Err(error) => Err(self.judged(error, |plain| plain.fresh())),
        }
    }

    /// The configuration of a run with what the command line says laid over it, if it can work. The run keeps its name.
    pub(super) fn of_run(&self, stored: RunConfig) -> anyhow::Result<RunConfig> {
        self.expect_said_once()?;
        let mut config = self.laid_over(stored.clone())?;
        if self.given_fields().any(|(_, field)| field == "name") && config.name != stored.name {
            let (own, other) = (printable(&stored.name), printable(&config.name));
            return Err(exit_codes::wrong_argument(anyhow::anyhow!(
                "--name {other}: the run that is resumed is called {own} and keeps its name; leave --name out, or leave --resume out to begin \
                 a new run"
            )));
        }
        config.name.clone_from(&stored.name);
        match config.validate() {
            Ok(()) => Ok(config),
            Err(error) => Err(self.judged(error, |plain| plain.laid_over(stored))),
        }
    }

    /// An error of a configuration: one of the command line if it can work without the fields that the command line changes.
    fn judged(
        &self,
        error: Error,
        configuration: impl FnOnce(&Self) -> anyhow::Result<RunConfig>,
    ) -> anyhow::Error {
        let plain = Self {
            set: Vec::new(),
            name: None,
            steps: None,
            batch_size: None,
            lr: None,
            seed: None,
            threads: None,
            init_part: None,
            init_partial: false,
            freeze: Vec::new(),
            ..self.clone()
        };
        let is_sound = configuration(&plain).is_ok_and(|config| config.validate().is_ok());
        if is_sound { exit_codes::wrong_argument(error) } else { error.into() }
    }

    /// Fails if an option of its own and `--set` change the same field.
    fn expect_said_once(&self) -> anyhow::Result<()> {
        let own = self.shorthands().into_iter().map(|own| (own.option, own.field));
        let elsewhere = [
            ("--data", "data_folder", self.data.is_some()),
            ("--init-from", "init.from", self.init_from.is_some()),
            ("--seed", "training.seed", self.seed.is_some()),
            ("--threads", "training.threads", self.threads.is_some()),
        ];
        let elsewhere = elsewhere.into_iter().filter(|(_, _, is_given)| *is_given);
        for (option, field) in own.chain(elsewhere.map(|(option, field, _)| (option, field))) {
            if let Some(set) = self.set.iter().find(|set| key_of(set) == field) {
                return Err(exit_codes::wrong_argument(anyhow::anyhow!(
                    "{option} and --set {set} both change {field}; leave one of them out"
                )));
            }
        }
        Ok(())
    }

    /// Fails if the command line changes a field that `decides` says something else decides, with the reason.
    pub(super) fn expect_undecided(&self, decides: impl Fn(&str) -> Option<String>) -> anyhow::Result<()> {
        match self.given_fields().find_map(|(option, field)| Some((option, decides(field)?))) {
            Some((option, reason)) => Err(exit_codes::wrong_argument(anyhow::anyhow!("{option}: {reason}"))),
            None => Ok(()),
        }
    }

    /// The fields that the command line changes, each with how it does.
    fn given_fields(&self) -> impl Iterator<Item = (String, &str)> {
        let set = self.set.iter().map(|set| (format!("--set {set}"), key_of(set)));
        let own = self.shorthands().into_iter().map(|own| (own.option.to_owned(), own.field));
        let seed = self.seed.map(|_| ("--seed".to_owned(), "training.seed"));
        let threads = self.threads.map(|_| ("--threads".to_owned(), "training.threads"));
        set.chain(own).chain(seed).chain(threads)
    }

    /// Fails if a preset is named: a run has a configuration of its own.
    pub(super) fn expect_no_preset(&self, run: &Path) -> anyhow::Result<()> {
        match self.preset {
            Some(preset) => Err(exit_codes::wrong_argument(anyhow::anyhow!(
                "--preset {}: the run {run} keeps its own configuration; leave --preset out, or leave --resume out to start a new run",
                preset.name(),
                run = printable(run)
            ))),
            None => Ok(()),
        }
    }

    /// The configuration with what the command line says laid over it.
    fn laid_over(&self, mut config: RunConfig) -> anyhow::Result<RunConfig> {
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
            exit_codes::wrong_argument(anyhow::Error::new(error).context(told))
        })?;
        config.training.seed = self.seed.unwrap_or(config.training.seed);
        config.training.threads = self.threads.unwrap_or(config.training.threads);
        Ok(config)
    }

    /// Fails if the source of the data reads files, and none are named.
    ///
    /// It is an error of the command line where that alone chose the source.
    pub(super) fn expect_data(&self, config: &RunConfig) -> anyhow::Result<()> {
        if config.data.source.kind() == SourceKind::Strokes || config.data_folder().is_some() {
            return Ok(());
        }
        let error = anyhow::anyhow!(
            "data.source is \"{}\", but there is no folder with its files; give --data DIR, or --set data.source=strokes for drawn digits",
            config.data.source.name()
        );
        let of_file = self.config.as_ref().map(|path| RunConfig::source_chosen_by_file(path)).transpose()?;
        Err(if of_file.flatten().is_some() { error } else { exit_codes::wrong_argument(error) })
    }

    /// The fields that the command line changes: the fields of `--set`, then fields with an option of their own.
    fn assignments(&self) -> Vec<String> {
        let own = self.shorthands().into_iter().map(|own| format!("{}={}", own.field, own.value));
        self.set.iter().cloned().chain(own).collect()
    }

    /// The options of fields that are given.
    fn shorthands(&self) -> Vec<Shorthand> {
        let text = |text: &String| toml::Value::from(text.as_str()).to_string();
        let given = [
            ("--name", "name", self.name.as_ref().map(text)),
            ("--init-part", "init.part", self.init_part.as_ref().map(text)),
            ("--init-partial", "init.partial", self.init_partial.then(|| true.to_string())),
            (
                "--freeze",
                "training.freeze",
                (!self.freeze.is_empty()).then(|| toml::Value::from(self.freeze.clone()).to_string()),
            ),
            ("--steps", "training.steps", self.steps.map(|steps| steps.to_string())),
            ("--batch-size", "training.batch_size", self.batch_size.map(|size| size.to_string())),
            ("--lr", "optimizer.learning_rate", self.lr.map(|rate| format!("{rate:?}"))),
        ];
        let own =
            |(option, field, value): (_, _, Option<String>)| Some(Shorthand { option, field, value: value? });
        given.into_iter().filter_map(own).collect()
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

    /// How the command line names weights that a run begins with, if it does.
    pub(super) fn names_weights(&self) -> Option<String> {
        let of_init = |(option, field): (String, &str)| {
            (field == "init" || field.starts_with("init.")).then_some(option)
        };
        self.init_from
            .as_ref()
            .map(|_| "--init-from".to_owned())
            .or_else(|| self.given_fields().find_map(of_init))
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
    own_files::expect_data(data).with_context(|| "--data")?;
    detect(data).with_context(|| format!("--data {}", printable(data)))
}

/// Whether the network is one of mlcast.
fn is_mlcast(config: &RunConfig) -> bool {
    matches!(config.model, ForecasterConfig::Mlcast(_))
}

/// A learning rate on the command line.
fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number > 0.0 && number.is_finite());
    number.ok_or_else(|| "a number above 0 is needed, such as 0.001".into())
}

/// The key of an assignment.
fn key_of(assignment: &str) -> &str {
    assignment.split('=').next().unwrap_or_default().trim()
}
