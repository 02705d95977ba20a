//! What a finished run leaves: weights, the figures on the test set, the
//! report and the animation.

use std::path::PathBuf;

use convgru_model::{Parameters, Tensor};

use super::assess::{Assessment, Assessor};
use super::folder::RunFolder;
use super::observer::Observer;
use super::session::Trained;
use crate::dataset::{Split, batch, open};
use crate::interrupt::Interrupt;
use crate::media::write_frames;
use crate::report::{self, CurvePoint, LeadTimeSeries, MetricRow, Report, SequencePanel, ValidationPoint};
use crate::{Result, write_atomically};

/// Sequences shown in the report and the animation.
const SEQUENCES_SHOWN: usize = 6;

/// The figures and files of a finished run.
pub struct Conclusion {
    /// The model and the baselines on the test set.
    pub assessment: Assessment,
    /// `model.safetensors`.
    pub weights: PathBuf,
    /// `report.html`.
    pub report: PathBuf,
    /// `prediction.gif`.
    pub animation: PathBuf,
}

impl Trained {
    /// Writes `model.safetensors`, measures the model on the test set and
    /// writes `report.html`, `prediction.gif` and `example.gif`. `next` are commands the
    /// report proposes. `None` if a signal ended the measuring.
    ///
    /// # Errors
    /// Those of the data and files.
    pub fn conclude(
        &self,
        folder: &RunFolder,
        next: &[String],
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Option<Conclusion>> {
        self.model.write(&folder.weights())?;
        let config = &self.model.config;
        let dataset = open(&config.data, config.data_folder(), Split::Test, config.training.seed)?;
        let assessor = Assessor {
            dataset: dataset.as_ref(),
            split: Split::Test,
            input_frames: config.data.input_frames,
            batch_size: config.training.batch_size,
            mean_frame: Some(&self.mean_frame),
            loss: None,
            interrupt,
        };
        let Some(assessment) = assessor.assess(&self.model.model, observer)? else {
            return Ok(None);
        };
        let panels = self.panels()?;
        write_atomically(&folder.animation(), &report::animation(&panels)?)?;
        if let Some(first) = panels.first() {
            write_frames(folder.example(), &first.input)?;
        }
        let conclusion = Conclusion {
            assessment,
            weights: folder.weights(),
            report: folder.report(),
            animation: folder.animation(),
        };
        let page = report::html(&self.report(folder, &conclusion, panels, next, dataset.name()))?;
        write_atomically(&folder.report(), page.as_bytes())?;
        Ok(Some(conclusion))
    }

    /// The first validation sequences with their predictions.
    fn panels(&self) -> Result<Vec<SequencePanel>> {
        let config = &self.model.config;
        let dataset = open(&config.data, config.data_folder(), Split::Validation, config.training.seed)?;
        let indices: Vec<usize> = (0..dataset.len().min(SEQUENCES_SHOWN)).collect();
        let batch = batch(dataset.as_ref(), 0, &indices)?;
        let (input, truth) = batch.split(config.data.input_frames)?;
        let (input, truth) = (input.frames, truth.frames);
        let prediction = self.model.model.forward(&input, truth.shape()[0])?;
        let panel = |&index: &usize| {
            Ok(SequencePanel {
                input: sequence(&input, index)?,
                truth: sequence(&truth, index)?,
                prediction: sequence(&prediction, index)?,
            })
        };
        indices.iter().map(panel).collect()
    }

    fn report(
        &self,
        folder: &RunFolder,
        conclusion: &Conclusion,
        sequences: Vec<SequencePanel>,
        next: &[String],
        data: &str,
    ) -> Report {
        let config = &self.model.config;
        let [inputs, outputs] = [config.data.input_frames, config.data.output_frames];
        let assessment = &conclusion.assessment;
        let shown = |path: &PathBuf| path.display().to_string();
        Report {
            title: folder.name(),
            summary: format!(
                "An encoder-forecaster of convolutional GRUs reads {inputs} frames and predicts the next {outputs}. \
                 Its squared error is {:.3} of that of repeating the last frame.",
                assessment.ratio()
            ),
            facts: self.facts(assessment, data),
            config_toml: config.to_toml(),
            loss_name: config.training.loss.to_string(),
            curve: self
                .history
                .steps
                .iter()
                .map(|r| CurvePoint { step: r.step, loss: r.loss, learning_rate: r.learning_rate })
                .collect(),
            validation: self
                .history
                .validations
                .iter()
                .map(|r| ValidationPoint { step: r.step, loss: r.loss, mse: r.metrics.mse })
                .collect(),
            table: assessment
                .overall()
                .into_iter()
                .map(|(name, m)| MetricRow {
                    name: name.to_owned(),
                    mse: m.mse,
                    mae: m.mae,
                    ssim: m.ssim,
                    psnr: m.psnr,
                })
                .collect(),
            lead_times: assessment
                .rows()
                .into_iter()
                .map(|(name, scores)| LeadTimeSeries {
                    name: name.to_owned(),
                    mse: scores.per_step.iter().map(|m| m.mse).collect(),
                })
                .collect(),
            sequences,
            files: vec![
                ("weights".into(), shown(&conclusion.weights)),
                ("checkpoint".into(), shown(&self.checkpoint)),
                ("animation".into(), shown(&conclusion.animation)),
                ("metrics".into(), shown(&folder.metrics())),
                ("configuration".into(), shown(&folder.config())),
            ],
            next: next.to_vec(),
        }
    }

    fn facts(&self, assessment: &Assessment, data: &str) -> Vec<(String, String)> {
        let config = &self.model.config;
        let sequences = self.history.steps.len() * config.training.batch_size;
        let [channels, height, width] = [0, 1, 2].map(|axis| self.mean_frame.shape()[axis]);
        let plural = if channels == 1 { "" } else { "s" };
        let facts = [
            ("Parameters", self.model.model.count().to_string()),
            ("Network", config.model.kind().to_owned()),
            ("Hidden channels", format!("{:?}", config.model.hidden_channels())),
            ("Data", data.to_owned()),
            ("Frame", format!("{height} x {width} pixels, {channels} channel{plural}")),
            ("Trained", format!("{} steps, {sequences} sequences", self.history.steps.len())),
            ("Skipped", format!("{} steps whose loss or gradient was no number", self.history.skipped.len())),
            ("Time", format!("{:.0} seconds", self.history.seconds)),
            ("Model shown", format!("step {}, the best validation", self.model.step)),
            ("Measured on", format!("{} test sequences", assessment.model.sequences)),
            ("Threads", rayon::current_num_threads().to_string()),
            ("Seed", config.training.seed.to_string()),
        ];
        facts.map(|(label, value)| (label.to_owned(), value)).to_vec()
    }
}

/// Sequence `index` of `[T, N, C, H, W]` as `[T, C, H, W]`.
fn sequence(frames: &Tensor<f32>, index: usize) -> Result<Tensor<f32>> {
    let (steps, shape) = (frames.shape()[0], &frames.shape()[2..]);
    let size: usize = shape.iter().product();
    let data = (0..steps).flat_map(|step| &frames.slice(step)[index * size..][..size]).copied().collect();
    let shape = [&[steps], shape].concat();
    Ok(Tensor::from_vec(&shape, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_cut_out_of_its_batch() {
        let frames = Tensor::from_fn(&[2, 3, 1, 1, 2], |i| i as f32);
        let cut = sequence(&frames, 1).unwrap();
        assert_eq!(cut.shape(), [2, 1, 1, 2]);
        assert_eq!(cut.as_slice(), [2.0, 3.0, 8.0, 9.0]);
    }
}
