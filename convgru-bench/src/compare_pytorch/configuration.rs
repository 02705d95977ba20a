//! The configuration of the training that is repeated.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use convgru_train::config::{Preset, RunConfig};
use convgru_train::dataset::detect;

/// What makes it.
#[derive(Debug, Clone, Args)]
pub(super) struct ConfigurationOptions {
    #[command(flatten)]
    start: Start,
    /// The data, in place of the data of the configuration: MNIST's files or sequences of your own
    #[arg(long, value_name = "DIR|FILE")]
    data: Option<PathBuf>,
    /// Change a field of the configuration (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Where it starts: one of the two, or a file laid over a preset.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
struct Start {
    /// The training of a preset
    #[arg(long, value_parser = PossibleValuesParser::new(Preset::ALL.map(possible))
        .map(|name| Preset::named(&name).expect("the parser allows only names of presets")))]
    preset: Option<Preset>,
    /// The configuration of the training; with --preset, fields that differ from it
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
}

fn possible(preset: Preset) -> PossibleValue {
    PossibleValue::new(preset.name())
}

impl ConfigurationOptions {
    /// The configuration, every field checked.
    pub(super) fn read(&self) -> anyhow::Result<RunConfig> {
        let mut config = self.start.preset.map_or_else(RunConfig::default, RunConfig::preset);
        if let Some(file) = &self.start.config {
            config = config.overlaid_by_file(file)?;
        }
        if let Some(data) = &self.data {
            let missing = || format!("--data {}: give the folder with the data", data.display());
            config.data_folder = std::fs::canonicalize(data).with_context(missing)?;
            let kind = detect(data).with_context(|| format!("--data {}", data.display()))?;
            config.data.source = config.data.source.of_kind(kind);
        }
        config = config.with_all(&self.set).with_context(|| format!("--set {}", self.set.join(" --set ")))?;
        config.validate()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};
    use convgru_model::ForecasterConfig;
    use convgru_train::dataset::SourceKind;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: ConfigurationOptions,
    }

    fn parsed(arguments: &[&str]) -> Result<ConfigurationOptions, clap::Error> {
        let arguments = [&["compare-pytorch"], arguments].concat();
        let matches = Line::command().try_get_matches_from(arguments)?;
        Line::from_arg_matches(&matches).map(|line| line.options)
    }

    #[test]
    fn a_preset_and_what_is_laid_over_it() {
        let folder = tempfile::tempdir().unwrap();
        let [file, data] = ["fewer.toml", "train-images-idx3-ubyte.gz"].map(|name| folder.path().join(name));
        std::fs::write(&file, "[training]\nbatch_size = 2\n").unwrap();
        std::fs::write(&data, "").unwrap();
        let (file, folder) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
        let arguments =
            ["--preset", "digits", "--config", file, "--data", folder, "--set", "model.skip=true"];
        let config = parsed(&arguments).unwrap().read().unwrap();
        let ForecasterConfig::Pyramid(model) = &config.model else { panic!("{:?}", config.model) };
        assert!(model.skip && model.head_channels == 64);
        assert_eq!((config.training.batch_size, config.training.steps), (2, 2000));
        assert_eq!(config.data.source.kind(), SourceKind::Mnist);

        let alone = parsed(&["--config", file]).unwrap().read().unwrap();
        let mut expected = RunConfig::default();
        expected.training.batch_size = 2;
        assert_eq!(alone, expected);
    }

    #[test]
    fn a_training_has_to_be_named() {
        let error = parsed(&[]).unwrap_err().to_string();
        assert!(error.contains("--preset") && error.contains("--config"), "{error}");
        let error = parsed(&["--preset", "figures"]).unwrap_err().to_string();
        assert!(error.contains("digits") && error.contains("moving-mnist"), "{error}");
        let options = parsed(&["--preset", "digits", "--set", "model.skips=true"]).unwrap();
        let error = format!("{:#}", options.read().unwrap_err());
        assert!(error.contains("--set model.skips=true") && error.contains("`model.skip`"), "{error}");
    }
}
