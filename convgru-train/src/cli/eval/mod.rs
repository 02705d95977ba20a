//! `convgru eval`: measure a trained model.

mod baselines;
mod ensemble;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Args};
use convgru_train::dataset::{InputOptions, SequenceDataset, Split};
use convgru_train::interrupt::Interrupt;
use convgru_train::printable::printable;
use convgru_train::trainer::{EvaluationResult, Evaluator, NowcastOptions, TrainedModel, with_threads};

use super::input::InputArguments;
use super::output::{self, Stream};
use super::progress::Progress;

/// Without --data, or with the folder of the training data, the command measures the network on the test sequences of its training. With another folder
/// it uses moving digits from MNIST's test images, sequences of all radar images (at most data.test_sequences of the training, evenly over time), or all
/// sequences of frames (only the subfolder test, if there is also a subfolder train). With a file, such as mnist_test_seq.npy ([20, N, 64, 64], uint8), it uses all sequences in the file. Data are read as in the training
/// (range, unit, axes, size and radar scale). The command refuses other units, number types that cannot hold the numbers of the training, other time steps, and
/// frames of a size that the model cannot read.
///
/// With --baselines the command also measures persistence (the last frame stays) and optical flow (the last frame moves on): CSI, POD, FAR, HSS and FSS by
/// threshold and lead time, and the mean absolute error, on measured pixels alone. Optical flow fills pixels that enter across an edge with no rain. The JSON
/// then also has thresholds, lead_minutes, sequences and models. In models, each of convgru, persistence and optical_flow has csi, pod, far, hss and fss, each
/// a list over lead times for each threshold, and mae by lead time, in units of the data; a score without events is null. `mae` outside of `models` is the
/// error of pixel values from 0 to 1, summed over a frame.
///
/// For an ensemble, the errors are measured on the mean of its members. The command also prints the CRPS of the members, the fair CRPS, and the spread, by lead
/// time; the JSON has them in `crps`.
#[derive(Args)]
#[command(group(ArgGroup::new("reading").args(READING).multiple(true).requires("data")))]
#[command(after_help = "Examples:
  convgru eval --checkpoint runs/quick/model.safetensors
  convgru eval --checkpoint runs/quick/checkpoints/best.ckpt --data mnist_test_seq.npy --json
  convgru eval --checkpoint runs/radar/checkpoints/best.ckpt --baselines
  convgru eval --checkpoint runs/events --data other_images --input other_voxels
  convgru eval --checkpoint runs/radar/model.safetensors --baselines --data other_radar --threshold 1 --threshold 10")]
pub(crate) struct Eval {
    /// model.safetensors, a checkpoint (*.ckpt) or the folder of a run
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: PathBuf,
    /// Folder with MNIST's idx files, radar images or frames, or a file of frames [default: the data of the training]
    #[arg(long, value_name = "DIR|FILE")]
    data: Option<PathBuf>,
    /// Input frames that go with the frames of --data, for a model that was trained with data.frames.input
    #[arg(long, value_name = "DIR|FILE", requires = "data")]
    input: Option<PathBuf>,
    #[command(flatten)]
    reading: InputArguments,
    /// Compare with persistence and optical flow, in the unit of the data
    #[arg(long)]
    baselines: bool,
    /// Lowest number of an event, in the unit of the data; can be repeated [default: 0.5, 2 and 5 mm/h of rain, otherwise half of the highest number]
    #[arg(long = "threshold", value_name = "UNITS", requires = "baselines", value_parser = |text: &str| super::number(text, "0.5"))]
    thresholds: Vec<f64>,
    /// Side of the FSS window in pixels
    #[arg(long, value_name = "N", default_value_t = 5, requires = "baselines", value_parser = super::count)]
    fss_window: usize,
    /// Limit of the memory for reading the data, in MiB [default: data.memory_mib of the training, 4096 unless set]
    #[arg(long, value_name = "MIB", value_parser = super::mebibytes)]
    memory_mib: Option<usize>,
    /// Number of sequences in a batch
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = super::count)]
    batch_size: usize,
    /// Number of threads; 0: one per core
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
        if self.baselines && dataset.inputs().is_some() {
            anyhow::bail!(
                "--baselines: persistence and optical flow continue frames, and the network gives a frame for each frame of data.frames.input; leave \
                 --baselines out"
            );
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
        evaluation.context("the evaluation was ended early")
    }

    fn dataset(&self, trained: &TrainedModel) -> anyhow::Result<Box<dyn SequenceDataset>> {
        let path = self.data.as_deref();
        let options = InputOptions { input_frames: self.input.clone(), ..self.reading.options() };
        let opened = trained.open_data(path, &options, self.memory_mib);
        match path {
            Some(path) => opened.with_context(|| format!("--data {}", printable(path))),
            None => Ok(opened?),
        }
    }

    /// The options of the comparison: the thresholds of the command line, or thresholds that suit the quantity.
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
            "{} of step {} on {}\n\n{}\n\n{}",
            printable(&self.checkpoint),
            trained.step,
            output::counted(scores.sequences, "sequence"),
            output::table(&rows),
            evaluation.sentence_of_ratio()
        );
        text.truncate(text.trim_end().len());
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
