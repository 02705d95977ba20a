//! `convgru train`: train, or go on with a run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use convgru_train::Error;
use convgru_train::ReadBudget;
use convgru_train::checkpoint::CheckpointStore;
use convgru_train::config::{RunConfig, TrainingConfig};
use convgru_train::dataset::{InputOptions, Source};
use convgru_train::interrupt::{Interrupt, Signal};
use convgru_train::printable::printable;
use convgru_train::schedule::Monitor;
use convgru_train::trainer::{Artifacts, Outcome, Resumption, RunFolder, TrainedRun, Trainer, with_threads};
use serde_json::{Value, json};

use super::configuration::ConfigurationArguments;
use super::progress::Progress;
use super::{exit_codes, output};

/// Writes OUT/NAME/ with config.toml, metrics.jsonl, checkpoints/,
/// model.safetensors, report.html, prediction.gif and example.gif. Ctrl-C saves
/// a checkpoint and ends; --resume continues, with the same bits as a training without an
/// interruption. Only one process at a time can work in the folder of a run.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru train
  convgru train --steps 1000 --set model.hidden_channels=[64,64]
  convgru train --preset radar --lr 0.0005 --print-config
  convgru train --set optimizer.kind=adamw --set optimizer.weight_decay=0.01 --set schedule.kind=cosine
  convgru train --preset moving-mnist --data ../shared/data/mnist
  convgru train --data ../shared/data/radar-fmi --set data.radar.downsample=2
  convgru train --preset digits --dry-run
  convgru train --init-from runs/quick --lr 0.0005 --name quick-fine
  convgru train --config events.toml --data images --init-from firenet.safetensors
  convgru train --resume
  convgru train --resume=quick --steps 3000")]
pub(crate) struct Train {
    #[command(flatten)]
    configuration: ConfigurationArguments,
    /// Folder in which each run gets a folder
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Resume the newest run (with the given --name, if any), or RUN: the name of a run in --out, or the path of its folder
    #[arg(long, value_name = "RUN", num_args = 0..=1, value_parser = OsStringValueParser::new().try_map(name_of_run))]
    resume: Option<Option<OsString>>,
    /// With --resume: resume although the data have changed since the run began
    #[arg(long, requires = "resume")]
    allow_changed_data: bool,
    /// Print the complete configuration as TOML for --config, and end
    #[arg(long, conflicts_with = "json")]
    print_config: bool,
    /// Open the data, build the network, take a few steps, print the memory and the time of a step and of the whole run, and end; write nothing
    #[arg(long, conflicts_with_all = ["resume", "print_config"])]
    dry_run: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Train {
    /// Trains, and says how it ended.
    pub(crate) fn run(self, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
        let (config, earlier) = interrupt.at_once("nothing was trained", || self.configuration())?;
        if self.print_config {
            output::result(config.to_toml().trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        self.configuration.expect_data(&config)?;
        self.configuration.tell_details(&config);
        let threads = config.training.threads;
        if self.dry_run {
            with_threads(threads, || super::dry_run::run(config, self.json, interrupt))??;
            return Ok(ExitCode::SUCCESS);
        }
        with_threads(threads, || self.train(config, earlier, interrupt))?
    }

    /// The configuration, and the folder of the run to go on with, if any.
    fn configuration(&self) -> anyhow::Result<(RunConfig, Option<RunFolder>)> {
        let Some(run) = &self.resume else {
            return Ok((self.configuration.fresh_and_valid()?, None));
        };
        if let Some(option) = self.configuration.names_weights() {
            return Err(exit_codes::wrong_argument(anyhow::anyhow!(
                "{option}: a run that is resumed goes on with its own weights; leave it out, or leave --resume out to begin a new run"
            )));
        }
        let folder = if let Some(run) = run {
            self.configuration.expect_no_preset(Path::new(run))?;
            RunFolder::named(&self.out, Path::new(run))?
        } else {
            let named = self.configuration.names_a_run().then(|| self.configuration.fresh()).transpose()?;
            let latest = RunFolder::latest(&self.out, named.as_ref().map(|named| named.name.as_str()))?;
            latest
                .passed_over
                .iter()
                .for_each(|reason| output::warn(&format!("a later run is passed over: {reason}")));
            latest.folder
        };
        let stored = RunConfig::read(&folder.config())?;
        Ok((self.configuration.of_run(stored)?, Some(folder)))
    }

    fn train(
        &self,
        config: RunConfig,
        earlier: Option<RunFolder>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<ExitCode> {
        let mut progress = Progress::new();
        let name = config.name.clone();
        let trainer = match earlier {
            Some(folder) => {
                let run = Resumption { folder, allow_changed_data: self.allow_changed_data };
                Trainer::resume(config, run, interrupt, &mut progress)?
            }
            None => Trainer::start(config, &self.out, interrupt)?,
        };
        if let Some(weights) = trainer.begun_with() {
            output::note(&format!("beginning with {weights}"));
        }
        trainer.doubts().iter().for_each(|doubt| output::warn(doubt));
        let folder = trainer.folder().clone();
        if self.resume.is_none() && folder.name() != name {
            output::note(&format!(
                "{} exists; this run is {} (--resume goes on with an earlier run)",
                printable(self.out.join(&name)),
                printable(folder.path())
            ));
        }
        let trained = match trainer.fit(&mut progress) {
            Ok(Outcome::Finished(trained)) => trained,
            Ok(Outcome::Interrupted { signal, step, checkpoint }) => {
                drop(progress);
                return Ok(self.stopped(signal, step, &checkpoint, &folder));
            }
            Err(error) => {
                drop(progress);
                return Err(self.with_advice(error, &folder));
            }
        };
        let next = next_commands(&trained, &folder);
        let artifacts = trained.write_artifacts(&next, interrupt, &mut progress);
        drop(progress);
        match artifacts.map_err(|error| self.with_advice(error, &folder))? {
            Some(artifacts) => self.report(&trained, &artifacts, &folder, &next)?,
            None => {
                let signal = interrupt.raised().unwrap_or(Signal::Interrupt);
                let step = trained.history.steps.len() as u64;
                return Ok(self.stopped(signal, step, &trained.checkpoint, &folder));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The error, after how to go on if a file could not be read or written.
    fn with_advice(&self, error: Error, folder: &RunFolder) -> anyhow::Error {
        if matches!(error, Error::Io { .. }) {
            let again = self.resume_command(folder);
            output::advise(&format!("what was saved before is intact; continue with: {again}"));
        }
        error.into()
    }

    fn stopped(&self, signal: Signal, step: u64, checkpoint: &Path, folder: &RunFolder) -> ExitCode {
        output::advise(&format!(
            "{}: saved step {step} as {}\ncontinue with: {}",
            signal.name(),
            printable(checkpoint),
            self.resume_command(folder),
        ));
        ExitCode::from(signal.exit_code())
    }

    /// The command that goes on with a run.
    fn resume_command(&self, folder: &RunFolder) -> String {
        let out = output::shell_path(folder.path().parent().unwrap_or(&self.out));
        let name = folder.path().file_name().map_or(folder.path(), Path::new);
        format!("{} train --out {out} --resume={}", output::program(), output::shell_path(name))
    }

    fn report(
        &self,
        trained: &TrainedRun,
        artifacts: &Artifacts,
        folder: &RunFolder,
        next: &[String],
    ) -> anyhow::Result<()> {
        let evaluation = &artifacts.evaluation;
        let steps = trained.history.steps.len();
        let skipped = match trained.history.skipped.len() {
            0 => String::new(),
            number => format!(
                " ({number} more were skipped: their loss or gradient was no number, or they had no measured pixel)"
            ),
        };
        let by = match trained.model.config.training.monitor {
            Monitor::Mse => String::new(),
            monitor => format!(" by {monitor}"),
        };
        let next = match output::shows_notes() {
            true => format!("\n\nnext:\n  {}", next.join("\n  ")),
            false => String::new(),
        };
        let text = format!(
            "\n{}\n\n{} ({})\n\
             {}{skipped} in {}, {:.1} % of their time waiting for data; the model is from step {}, the best \
             validation{by}.\n\n\
             report      {}\nanimation   {}\nweights     {}\ncheckpoint  {}{next}",
            output::table(&evaluation.overall()),
            evaluation.sentence_of_ratio(),
            output::counted(evaluation.model.sequences, "test sequence"),
            output::counted(steps, "step"),
            output::duration(trained.history.seconds),
            100.0 * trained.data_wait,
            trained.model.step,
            printable(&artifacts.report),
            printable(&artifacts.animation),
            printable(&artifacts.weights),
            printable(&trained.checkpoint),
        );
        if !self.json {
            return output::result(&text);
        }
        output::note(&text);
        let metrics = evaluation.model.overall;
        let value = json!({
            "mse": metrics.mse,
            "mae": metrics.mae,
            "ssim": metrics.ssim,
            "psnr": metrics.psnr,
            "mse_copy_last": evaluation.copy_last.as_ref().map(|scores| scores.overall.mse),
            "mse_mean": evaluation.mean.as_ref().map(|mean| mean.overall.mse),
            "seconds": trained.history.seconds,
            "data_wait": trained.data_wait,
            "steps": steps,
            "skipped": trained.history.skipped.len(),
            "report": artifacts.report.to_string_lossy(),
            "checkpoint": trained.checkpoint.to_string_lossy(),
            "run": folder.path().to_string_lossy(),
            "monitor": trained.model.config.training.monitor,
            "best": best_checkpoints(trained, folder),
            "init": trained.model.config.init.file().map(|_| &trained.model.config.init),
        });
        output::json(&value)
    }
}

/// The run of `--resume=RUN`.
fn name_of_run(text: OsString) -> Result<OsString, &'static str> {
    if text.is_empty() {
        return Err("the name or the path of a run is needed; --resume alone goes on with the newest run");
    }
    Ok(text)
}

/// The checkpoints of the best validations, the best first.
fn best_checkpoints(trained: &TrainedRun, folder: &RunFolder) -> Vec<Value> {
    let TrainingConfig { monitor, keep_best, .. } = trained.model.config.training;
    let store = CheckpointStore::new(folder.checkpoints(), trained.model.config.training.keep_checkpoints);
    let path = |step| if keep_best > 1 { store.best_path_of(step) } else { store.best_path() };
    let best = trained.history.best_validations(monitor, keep_best).into_iter();
    best.map(
        |(step, value)| json!({ "step": step, "value": value, "checkpoint": path(step).to_string_lossy() }),
    )
    .collect()
}

/// What can be done with the model.
fn next_commands(trained: &TrainedRun, folder: &RunFolder) -> Vec<String> {
    let program = output::program();
    let weights = output::shell_path(&folder.weights());
    let continued = output::shell_path(&folder.path().join("continued.gif"));
    let steps = trained.model.config.data.output_frames;
    let eval = format!("{program} eval --checkpoint {weights}");
    if trained.model.config.data.input().is_some() {
        return vec![eval];
    }
    if let Err(error) = expect_whole_frames(trained) {
        output::note(&format!("{error}; \"next\" therefore has no command that continues whole images"));
        return vec![format!("{eval} --baselines")];
    }
    let input = Example::of(trained).map_or_else(|| pictures(trained, folder), |example| example.arguments());
    vec![
        eval,
        format!(
            "{program} predict --checkpoint {weights} --input {input} --frames {steps} --out {continued}"
        ),
    ]
}

/// Fails if the network learned from parts of frames of rain and cannot read whole ones.
fn expect_whole_frames(trained: &TrainedRun) -> convgru_train::Result<()> {
    let Some(Example { data, unit, minutes, .. }) = Example::of(trained) else { return Ok(()) };
    let newest = InputOptions {
        newest: Some(1),
        unit: unit.map(str::to_owned),
        minutes_per_step: minutes,
        ..InputOptions::default()
    };
    let budget = ReadBudget::new(trained.model.config.data.memory_mib, "data.memory_mib");
    trained.model.read_input(data, &newest, &budget).map(drop)
}

/// The data of a training on rain as an input, which pictures of them are none of.
struct Example<'a> {
    data: &'a Path,
    /// The unit and the minutes from a frame to the next, where the configuration tells them and not the files.
    unit: Option<&'a str>,
    minutes: Option<f64>,
    /// How many frames are read, where it is not the usual number.
    newest: Option<usize>,
}

impl<'a> Example<'a> {
    /// Of radar images, and of frames that are read as rain.
    fn of(trained: &'a TrainedRun) -> Option<Self> {
        let config = &trained.model.config;
        match (&config.data.source, config.data_folder()?) {
            (Source::Radar(_), data) => Some(Self { data, unit: None, minutes: None, newest: None }),
            (Source::Frames(frames), data) if frames.rain.is_some() => Some(Self {
                data,
                unit: Some(frames.unit.as_str()).filter(|unit| !unit.is_empty()),
                minutes: Some(frames.minutes_per_step).filter(|&minutes| minutes > 0.0),
                newest: Some(config.data.input_frames),
            }),
            _ => None,
        }
    }

    /// What follows `--input`.
    fn arguments(&self) -> String {
        let unit = self.unit.map(|unit| format!(" --unit {}", output::shell_path(Path::new(unit))));
        let minutes = self.minutes.map(|minutes| format!(" --minutes-per-step {minutes}"));
        let newest = self.newest.map(|newest| format!(" --newest {newest}"));
        let options: String = [unit, minutes, newest].into_iter().flatten().collect();
        format!("{}{options}", output::shell_path(self.data))
    }
}

/// Pictures of a sequence as the input of an example, with what they stand for where numbers have a unit or a range.
fn pictures(trained: &TrainedRun, folder: &RunFolder) -> String {
    let config = &trained.model.config;
    let example = output::shell_path(&folder.example());
    match (&config.data.source, &config.data.found) {
        (Source::Frames(_), Some(found)) if !found.full_scale => {
            let ([low, high], unit) = (found.range, output::shell_path(Path::new(&found.unit)));
            let unit = if found.unit.is_empty() { String::new() } else { format!(" --unit {unit}") };
            format!("{example} --range={low},{high}{unit}")
        }
        _ => example,
    }
}
