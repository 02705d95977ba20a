//! `convgru eval`: measure a trained model.

mod baselines;
mod ensemble;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Args};
use convgru_train::dataset::{SequenceDataset, Split};
use convgru_train::interrupt::Interrupt;
use convgru_train::printable::printable;
use convgru_train::trainer::{EvaluationResult, Evaluator, NowcastOptions, TrainedModel, with_threads};

use super::input::InputArguments;
use super::output::{self, Stream};
use super::progress::Progress;

/// Without --data it measures on the test sequences of its own training; with the folder of the training
/// on its test data; with another folder on moving digits made of MNIST's test
/// images in it, on all radar images or on all sequences of frames (those of its folder test, where it has one for each split);
/// with a file of sequences, such as mnist_test_seq.npy ([20, N, 64, 64], uint8), on all in it. Data are read as the training read its own
/// (range, unit, axes, size and radar scale); other units, types that cannot have the numbers of the training, other distances in time and frames of
/// a size that the model cannot read are refused.
///
/// With --baselines it is measured beside persistence (the last frame stays) and
/// optical flow (the last frame moves on): CSI, POD, FAR, HSS and FSS by threshold
/// and lead time, and the mean absolute error, on the pixels that were measured. What flows in
/// from beyond an edge is no rain. The JSON then has besides thresholds, lead_minutes, sequences and
/// models, in which each of convgru, persistence and optical_flow has csi, pod, far, hss and fss, a list
/// over lead times for each threshold, and mae by lead time, in units; a score that is
/// undefined for want of events is null. `mae` outside of `models` is that of pixels' values, summed over a frame.
///
/// Of an ensemble the figures are those of the mean over its members; besides there are
/// the CRPS of its members, as they are and fair, and their spread, by lead time: in the JSON
/// in `crps`.
#[derive(Args)]
#[command(group(ArgGroup::new("reading").args(READING).multiple(true).requires("data")))]
#[command(after_help = "Examples:
  convgru eval --checkpoint runs/quick/model.safetensors
  convgru eval --checkpoint runs/quick/checkpoints/best.ckpt --data mnist_test_seq.npy --json
  convgru eval --checkpoint runs/radar/checkpoints/best.ckpt --baselines
  convgru eval --checkpoint runs/radar/model.safetensors --baselines --data other_radar --threshold 1 --threshold 10")]
pub(crate) struct Eval {
    /// model.safetensors, a checkpoint (*.ckpt) or the folder of a run
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: PathBuf,
    /// Folder with MNIST's idx files, radar images or frames, or a file of frames [default: the data of the training]
    #[arg(long, value_name = "DIR|FILE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reading: InputArguments,
    /// Compare with persistence and optical flow, in units of what was measured
    #[arg(long)]
    baselines: bool,
    /// An event is this much or more; may be given several times [default: 0.5, 2 and 5 mm/h of rain, or half of what values reach]
    #[arg(long = "threshold", value_name = "UNITS", requires = "baselines")]
    thresholds: Vec<f64>,
    /// Side in pixels of the window of FSS
    #[arg(long, value_name = "N", default_value_t = 5, requires = "baselines", value_parser = super::count)]
    fss_window: usize,
    /// MiB of memory that reading the data may take [default: data.memory_mib of the training, 4096 unless set]
    #[arg(long, value_name = "MIB", value_parser = super::mebibytes)]
    memory_mib: Option<usize>,
    /// Sequences per batch
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = super::count)]
    batch_size: usize,
    /// Threads, 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::threads)]
    threads: usize,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// The arguments that say how --data is read.
const READING: [&str; 6] = ["axes", "variable", "unit", "range", "missing", "minutes_per_step"];

impl Eval {
    /// Measures, and prints the figures.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let trained = TrainedModel::read(&self.checkpoint)?;
        let measured = with_threads(self.threads, || self.measure(&trained))??;
        self.report(&trained, &measured)?;
        Ok(ExitCode::SUCCESS)
    }

    fn measure(&self, trained: &TrainedModel) -> anyhow::Result<EvaluationResult> {
        let dataset = self.dataset(trained)?;
        for warning in dataset.warnings() {
            output::warn(warning);
        }
        let nowcasts = self.baselines.then(|| self.nowcasts(dataset.as_ref())).transpose()?;
        let evaluator = Evaluator {
            dataset: dataset.as_ref(),
            split: Split::Test,
            input_frames: trained.config.data.input_frames,
            batch_size: self.batch_size,
            mean_frame: None,
            loss: None,
            nowcasts: nowcasts.as_ref(),
            interrupt: &Interrupt::manual(),
        };
        let evaluation = evaluator.evaluate(&trained.model, &mut Progress::new())?;
        evaluation.context("the measuring was ended early")
    }

    fn dataset(&self, trained: &TrainedModel) -> anyhow::Result<Box<dyn SequenceDataset>> {
        let path = self.data.as_deref();
        let opened = trained.open_data(path, &self.reading.options(), self.memory_mib);
        match path {
            Some(path) => opened.with_context(|| format!("--data {}", printable(path))),
            None => Ok(opened?),
        }
    }

    /// What it is compared with; events are what was asked for, or what suits the quantity.
    fn nowcasts(&self, dataset: &dyn SequenceDataset) -> anyhow::Result<NowcastOptions> {
        let quantity = dataset.quantity();
        let [low, high] = quantity.ends();
        let has_events = |threshold: &f64| !threshold.is_finite() || low < *threshold && *threshold <= high;
        if let Some(threshold) = self.thresholds.iter().find(|threshold| !has_events(threshold)) {
            let unit = if quantity.unit.is_empty() { String::new() } else { format!(" {}", quantity.unit) };
            anyhow::bail!(
                "--threshold {threshold}: values go from {low}{unit} to {high}{unit}, so that all or none of them are such events; give a number \
                 above {low} and at most {high}"
            );
        }
        let mut options = NowcastOptions::suited_to(&quantity);
        options.events.window = self.fss_window;
        if !self.thresholds.is_empty() {
            options.events.thresholds.clone_from(&self.thresholds);
            options.events.thresholds.sort_by(f64::total_cmp);
            options.events.thresholds.dedup();
        }
        Ok(options)
    }

    fn report(&self, trained: &TrainedModel, evaluation: &EvaluationResult) -> anyhow::Result<()> {
        let stream = if self.json { Stream::Stderr } else { Stream::Stdout };
        let scores = &evaluation.model;
        let mut rows = evaluation.overall();
        let lead_times: Vec<String> = (1..=scores.per_step.len()).map(|t| format!("  frame {t}")).collect();
        rows.extend(lead_times.iter().map(String::as_str).zip(scores.per_step.iter().copied()));
        let mut text = format!(
            "{} of step {} on {} sequences\n\n{}\n\nThe model's MSE is {:.3} of that of copying the last frame.",
            printable(&self.checkpoint),
            trained.step,
            scores.sequences,
            output::table(&rows),
            evaluation.ratio()
        );
        if let Some(ensemble) = &evaluation.ensemble {
            text += &format!("\n\n{}", ensemble::table(ensemble));
        }
        if let Some(nowcasts) = &evaluation.nowcasts {
            let best = output::highlighter(stream);
            text += &format!("\n\n{}", baselines::table(nowcasts, &best));
        }
        output::highlighted(stream, &text)?;
        if self.json { output::json(&evaluation.to_json()) } else { Ok(()) }
    }
}
