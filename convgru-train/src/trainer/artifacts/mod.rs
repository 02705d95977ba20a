//! What a finished run leaves: weights, the figures on the test set, the
//! report and the animation.

pub(super) mod sample_panels;

use std::path::PathBuf;

use convgru_model::Parameters;
use serde_json::Value;

use self::sample_panels::SamplePanels;
use super::evaluation::{EvaluationResult, Evaluator, NowcastOptions};
use super::observer::Observer;
use super::training_loop::TrainedRun;
use crate::Result;
use crate::counted::counted;
use crate::dataset::{SequenceDataset, Split, batch};
use crate::interrupt::Interrupt;
use crate::media::{DEFAULT_DELAY, encode_gif};
use crate::printable::printable;
use crate::report::{self, Report, SequencePanel};

/// Sequences shown in the report and the animation.
const SEQUENCES_SHOWN: usize = 6;

/// The figures and files of a finished run.
pub struct Artifacts {
    /// The model and the baselines on the test set.
    pub evaluation: EvaluationResult,
    /// `model.safetensors`.
    pub weights: PathBuf,
    /// `report.html`.
    pub report: PathBuf,
    /// `prediction.gif`.
    pub animation: PathBuf,
}

impl TrainedRun {
    /// Writes `model.safetensors`, measures the model on the test set and
    /// writes `report.html`, `prediction.gif` and `example.gif`. `next` are commands the
    /// report proposes. `None` if a signal ended the measuring; one that comes later ends the program, and a run that is
    /// resumed makes what is missing.
    ///
    /// # Errors
    /// The errors of the data and files.
    pub fn write_artifacts(
        &self,
        next: &[String],
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Option<Artifacts>> {
        let folder = &self.folder;
        folder.write(&folder.weights(), &self.model.to_safetensors()?)?;
        let told = "the run is trained and saved; resume it for its results";
        let config = &self.model.config;
        let quantity = self.test.quantity();
        let nowcasts = (quantity.is_rain() && self.test.inputs().is_none())
            .then(|| NowcastOptions::suited_to(&quantity));
        let evaluator = Evaluator {
            dataset: self.test.as_ref(),
            split: Split::Test,
            input_frames: config.data.input_frames,
            batch_size: config.training.micro_batch_size(),
            mean_frame: Some(&self.mean_frame),
            loss: None,
            nowcasts: nowcasts.as_ref(),
            interrupt,
        };
        let Some(evaluation) = evaluator.evaluate(&self.model.model, observer)? else {
            return Ok(None);
        };
        interrupt.at_once(told, || self.write_results(evaluation, next, self.test.name())).map(Some)
    }

    /// Writes the figures and pictures.
    fn write_results(&self, evaluation: EvaluationResult, next: &[String], data: &str) -> Result<Artifacts> {
        let folder = &self.folder;
        folder.write(&folder.test(), format!("{}\n", Value::Object(evaluation.to_json())).as_bytes())?;
        let validation = self.validation.as_ref();
        let panels = self.panels(validation)?;
        folder.write(&folder.animation(), &report::animation(&panels)?)?;
        let (first, _) = batch(validation, 0, &[0])?.split(self.model.config.data.input_frames)?;
        let shown = sample_panels::shown_input(validation, &first)?;
        let example = encode_gif(&sample_panels::sequence(&shown, 0)?, DEFAULT_DELAY)?;
        folder.write(&folder.example(), &example)?;
        let artifacts = Artifacts {
            evaluation,
            weights: folder.weights(),
            report: folder.report(),
            animation: folder.animation(),
        };
        let page = report::html(&self.report(&artifacts, panels, next, data))?;
        folder.write(&folder.report(), page.as_bytes())?;
        Ok(artifacts)
    }

    /// Validation sequences with their predictions, evenly over all of them: neighbours show the same rain.
    fn panels(&self, dataset: &dyn SequenceDataset) -> Result<Vec<SequencePanel>> {
        let most = dataset.len().min(SEQUENCES_SHOWN);
        let indices: Vec<usize> = (0..most).map(|at| at * dataset.len() / most).collect();
        let input_frames = self.model.config.data.input_frames;
        SamplePanels { model: &self.model.model, dataset, input_frames }.panels(&indices)
    }

    fn report(
        &self,
        artifacts: &Artifacts,
        sequences: Vec<SequencePanel>,
        next: &[String],
        data: &str,
    ) -> Report {
        let (config, folder) = (&self.model.config, &self.folder);
        let [inputs, outputs] = [config.data.input_frames, config.data.output_frames];
        let evaluation = &artifacts.evaluation;
        let path = |path: &PathBuf| printable(path);
        Report {
            title: folder.name(),
            summary: format!(
                "A network of recurrent convolutions, of the kind {}, reads {} and predicts {}. {}",
                config.model.kind(),
                counted(inputs, "frame"),
                match config.data.input() {
                    Some(_) => "a frame for each of them".to_owned(),
                    None => format!("the next {outputs}"),
                },
                evaluation.sentence_of_ratio()
            ),
            facts: self.facts(evaluation, data),
            config_toml: config.to_toml(),
            loss_name: config.training.loss.to_string(),
            steps: self.history.steps.clone(),
            validations: self.history.validations.clone(),
            table: evaluation.overall().into_iter().map(|(name, means)| (name.to_owned(), means)).collect(),
            lead_times: evaluation
                .rows()
                .into_iter()
                .map(|(name, scores)| {
                    (name.to_owned(), scores.per_step.iter().map(|means| means.mse).collect())
                })
                .collect(),
            scores: evaluation.nowcasts.iter().flat_map(sample_panels::score_charts).collect(),
            sequences,
            files: vec![
                ("weights".into(), path(&artifacts.weights)),
                ("checkpoint".into(), path(&self.checkpoint)),
                ("animation".into(), path(&artifacts.animation)),
                ("metrics".into(), path(&folder.metrics())),
                ("curves for TensorBoard".into(), path(&folder.events())),
                ("test scores".into(), path(&folder.test())),
                ("configuration".into(), path(&folder.config())),
            ],
            next: next.to_vec(),
        }
    }

    fn facts(&self, evaluation: &EvaluationResult, data: &str) -> Vec<(String, String)> {
        let config = &self.model.config;
        let sequences = self.history.steps.len() * config.training.batch_size;
        let [channels, height, width] = [0, 1, 2].map(|axis| self.mean_frame.shape()[axis]);
        let begun_with = match config.init.file() {
            Some(file) => format!("the weights of {} (blake3 {})", printable(file), config.init.hash),
            None => "weights drawn from the seed".to_owned(),
        };
        let facts = [
            ("Parameters", self.model.model.parameters().count().to_string()),
            ("Network", config.model.kind().to_owned()),
            ("Members", config.model.members().to_string()),
            ("Hidden channels", format!("{:?}", config.model.hidden_channels())),
            ("Data", data.to_owned()),
            ("Frame", format!("{height} x {width} pixels, {}", counted(channels, "channel"))),
            (
                "Trained",
                format!("{}, {}", counted(self.history.steps.len(), "step"), counted(sequences, "sequence")),
            ),
            ("Began with", begun_with),
            (
                "Skipped",
                format!(
                    "{} whose loss or gradient was no number",
                    counted(self.history.skipped.len(), "step")
                ),
            ),
            ("Time", format!("{:.0} seconds", self.history.seconds)),
            ("Waiting for data", format!("{:.1} % of the time of its steps", 100.0 * self.data_wait)),
            (
                "Model shown",
                format!("step {}, the best validation by {}", self.model.step, config.training.monitor),
            ),
            ("Measured on", format!("{} test sequences", evaluation.model.sequences)),
            ("Threads", rayon::current_num_threads().to_string()),
            ("Seed", config.training.seed.to_string()),
        ];
        facts.map(|(label, value)| (label.to_owned(), value)).to_vec()
    }
}
