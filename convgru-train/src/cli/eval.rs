//! `convgru eval`: measure a trained model.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use convgru_train::dataset::{DataConfig, Source, Split, detect, open};
use convgru_train::interrupt::Interrupt;
use convgru_train::metric::Metrics;
use convgru_train::trainer::{Assessment, Assessor, TrainedModel, with_threads};
use serde_json::{Value, json};

use super::output;
use super::progress::Progress;

/// Measures a trained model on test sequences
///
/// Without --data on the test sequences of its own training; with a folder on
/// moving digits made of MNIST's test images in it, or on the events to test on
/// of radar images; with a .npy file, such as
/// mnist_test_seq.npy ([20, N, 64, 64], uint8), on the sequences in it.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru eval --checkpoint runs/quick/model.safetensors
  convgru eval --checkpoint runs/quick/checkpoints/best.ckpt --data mnist_test_seq.npy --json")]
pub(crate) struct Eval {
    /// model.safetensors or a checkpoint (*.ckpt)
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Folder with MNIST's idx files or radar images, or a .npy file of sequences [default: the data of the training]
    #[arg(long, value_name = "DIR|FILE.npy")]
    data: Option<PathBuf>,
    /// Sequences per batch
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = super::count)]
    batch_size: usize,
    /// Threads, 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Eval {
    /// Measures, and prints the figures.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let interrupt = Interrupt::on_signals()?;
        let trained = TrainedModel::read(&self.checkpoint)?;
        let assessed = with_threads(self.threads, || self.assess(&trained, &interrupt))??;
        match (assessed, interrupt.raised()) {
            (Some(assessment), _) => {
                self.report(&trained, &assessment)?;
                Ok(ExitCode::SUCCESS)
            }
            (None, signal) => {
                output::note("stopped before all sequences were measured; there is no result");
                Ok(signal.map_or(ExitCode::FAILURE, |signal| ExitCode::from(signal.exit_code())))
            }
        }
    }

    fn assess(&self, trained: &TrainedModel, interrupt: &Interrupt) -> anyhow::Result<Option<Assessment>> {
        let config = &trained.config;
        let path = match &self.data {
            Some(path) => {
                path.metadata().with_context(|| format!("--data {}", path.display()))?;
                Some(path.as_path())
            }
            None => config.data_folder(),
        };
        let source = match &self.data {
            // A whole file of sequences is measured, whatever part of it training would leave for it.
            Some(path) if path.is_file() => Source::Mnist,
            Some(path) => detect(path).with_context(|| format!("--data {}", path.display()))?,
            None => config.data.source,
        };
        let data = DataConfig { source, ..config.data.clone() };
        let dataset = open(&data, path, Split::Test, config.training.seed)?;
        let assessor = Assessor {
            dataset: dataset.as_ref(),
            split: Split::Test,
            input_frames: config.data.input_frames,
            batch_size: self.batch_size,
            mean_frame: None,
            loss: None,
            interrupt,
        };
        Ok(assessor.assess(&trained.model, &mut Progress::new())?)
    }

    fn report(&self, trained: &TrainedModel, assessment: &Assessment) -> anyhow::Result<()> {
        let scores = &assessment.model;
        let mut rows = assessment.overall();
        let lead_times: Vec<String> = (1..=scores.per_step.len()).map(|t| format!("  frame {t}")).collect();
        rows.extend(lead_times.iter().map(String::as_str).zip(scores.per_step.iter().copied()));
        let text = format!(
            "{} of step {} on {} sequences\n\n{}\n\nThe model's MSE is {:.3} of that of copying the last frame.",
            self.checkpoint.display(),
            trained.step,
            scores.sequences,
            output::table(&rows),
            assessment.ratio()
        );
        if !self.json {
            return output::result(&text);
        }
        output::note(&text);
        let mut value = values(&scores.overall);
        value["mse_copy_last"] = json!(assessment.copy_last.overall.mse);
        value["sequences"] = json!(scores.sequences);
        value["per_step"] = scores.per_step.iter().map(values).collect();
        output::result(&value.to_string())
    }
}

fn values(metrics: &Metrics) -> Value {
    json!({ "mse": metrics.mse, "mae": metrics.mae, "ssim": metrics.ssim, "psnr": metrics.psnr })
}
