//! A model and the two baselines measured over a data set.

use convgru_model::{Forecaster, Tensor, Workspace, mean_of_members};
use serde_json::{Map, Value, json};

use super::nowcast::{NowcastOptions, NowcastScores};
use crate::Result;
use crate::dataset::{Batch, SequenceDataset, Split, batch};
use crate::interrupt::Interrupt;
use crate::loss::{Objective, PredictedFrames, Truth};
use crate::metric::{
    self, EnsembleAccumulator, EnsembleScores, EventDefinition, ForecastScores, MeanFrame, MetricAccumulator,
    Metrics, Scores,
};
use crate::trainer::observer::{Observer, TrainerEvent};

/// Training sequences whose frames make the mean frame.
const SEQUENCES_OF_THE_MEAN: usize = 256;

/// A model beside the baselines on the same sequences.
#[derive(Clone, Debug)]
pub struct EvaluationResult {
    /// The model, in values; of an ensemble the mean over the values of its members.
    pub model: Scores,
    /// The members, where the model is an ensemble.
    pub ensemble: Option<EnsembleScores>,
    /// Repeating the last input frame, where the network continues frames.
    pub copy_last: Option<Scores>,
    /// Predicting the mean frame, where one was given.
    pub mean: Option<Scores>,
    /// Loss of the model's predictions, where one was asked for.
    pub loss: Option<f64>,
    /// The model beside persistence and optical flow, where that was asked for.
    pub nowcasts: Option<NowcastScores>,
    /// The model's scores of events, of [`Evaluator::evaluate_with_events`].
    pub events: Option<ForecastScores>,
}

/// What is measured, and how.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// The sequences.
    pub dataset: &'a dyn SequenceDataset,
    /// What they are used for, for the observer.
    pub split: Split,
    /// Frames that the model reads; the rest of a sequence is the truth.
    pub input_frames: usize,
    /// Sequences per batch.
    pub batch_size: usize,
    /// The mean frame, `[C, H, W]`, for the baseline that predicts it.
    pub mean_frame: Option<&'a Tensor<f32>>,
    /// The loss to measure besides the metrics.
    pub loss: Option<&'a Objective>,
    /// How it is compared with persistence and optical flow, if it is.
    pub nowcasts: Option<&'a NowcastOptions>,
    /// Ends the evaluation early.
    pub interrupt: &'a Interrupt,
}

impl Evaluator<'_> {
    /// Measures the model over all sequences; `None` if a signal ended it.
    ///
    /// # Errors
    /// The errors of the data set and of the model.
    pub fn evaluate(
        &self,
        model: &Forecaster<f32>,
        observer: &mut dyn Observer,
    ) -> Result<Option<EvaluationResult>> {
        self.evaluate_with_events(model, None, observer)
    }

    /// As [`evaluate`](Self::evaluate), with scores of events for the model alone, if any are given.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and the errors of [`ForecastScores::new`].
    pub fn evaluate_with_events(
        &self,
        model: &Forecaster<f32>,
        events: Option<&EventDefinition>,
        observer: &mut dyn Observer,
    ) -> Result<Option<EvaluationResult>> {
        let total = self.dataset.len();
        let is_continuing = self.dataset.inputs().is_none();
        let steps = self.dataset.steps().saturating_sub(if is_continuing { self.input_frames } else { 0 });
        let mut scored = MetricAccumulator::new(steps);
        let mut copy_last = is_continuing.then(|| MetricAccumulator::new(steps));
        let mut mean = MetricAccumulator::new(steps);
        let members = model.members();
        let mut ensemble = (members > 1).then(|| EnsembleAccumulator::new(members, steps));
        let new = |options| NowcastScores::new(options, self.dataset, steps);
        let mut nowcasts = self.nowcasts.map(new).transpose()?;
        let mut events = events.map(|events| ForecastScores::new(events, steps)).transpose()?;
        let quantity = self.dataset.quantity();
        let mut loss_sum = 0.0;
        let mut done = 0;
        while done < total {
            let chunk: Vec<usize> = (done..total.min(done + self.batch_size.max(1))).collect();
            let (input, truth) = batch(self.dataset, 0, &chunk)?.split(self.input_frames)?;
            let (prediction, loss) = self.predict(model, &input.as_read_by(model.config()), &truth)?;
            loss_sum += loss * chunk.len() as f64;
            if let Some(ensemble) = &mut ensemble {
                ensemble.add(&prediction, &truth.frames, truth.valid.as_ref())?;
            }
            if nowcasts.is_some() || events.is_some() {
                let forecast = quantity.mean_of_members(prediction.clone(), members)?;
                if let (Some(nowcasts), Some(options)) = (&mut nowcasts, self.nowcasts) {
                    nowcasts.add(options, &input, &truth, &forecast)?;
                }
                if let Some(events) = &mut events {
                    events.add(&forecast, &truth.in_units(&quantity))?;
                }
            }
            let prediction = mean_of_members(prediction, members)?;
            // A missing pixel is 0 in the truth, and in what is compared with it.
            scored.add(&truth.measured(prediction), &truth.frames)?;
            if let Some(copy_last) = &mut copy_last {
                let repeated = metric::copy_last(&input.frames, steps)?;
                copy_last.add(&truth.measured(repeated), &truth.frames)?;
            }
            if let Some(frame) = self.mean_frame {
                let frames = metric::mean(frame, steps, chunk.len())?;
                mean.add(&truth.measured(frames), &truth.frames)?;
            }
            done += chunk.len();
            observer.observe(&TrainerEvent::Evaluating { split: self.split, done, total });
            if self.interrupt.raised().is_some() && done < total {
                return Ok(None);
            }
        }
        Ok(Some(EvaluationResult {
            model: scored.scores()?,
            ensemble: ensemble.map(|ensemble| ensemble.scores()),
            copy_last: copy_last.map(|copy_last| copy_last.scores()).transpose()?,
            mean: self.mean_frame.map(|_| mean.scores()).transpose()?,
            loss: self.loss.map(|_| loss_sum / total as f64),
            nowcasts,
            events,
        }))
    }

    /// Predicted frames of all members and the loss, 0 where none was asked for.
    fn predict(
        &self,
        model: &Forecaster<f32>,
        input: &Tensor<f32>,
        truth: &Batch,
    ) -> Result<(Tensor<f32>, f64)> {
        let steps = truth.frames.shape()[0];
        let Some(objective) = self.loss else {
            return Ok((model.forward(input, steps)?, 0.0));
        };
        let prediction = model.forward_train(input, steps, None, &mut Workspace::default())?;
        let forecast = PredictedFrames { output: &prediction.output, logits: &prediction.logits };
        let value = objective.value(&forecast, &Truth::from(truth))?;
        Ok((prediction.output, value))
    }
}

impl EvaluationResult {
    /// The squared error of the model as a share of the error of a baseline, which the second part names: of repeating the last frame, or of a network
    /// that gives a frame for each input frame of the mean frame. `None` where neither was measured.
    pub fn ratio(&self) -> Option<(f64, &'static str)> {
        let copy_last = self.copy_last.as_ref().map(|scores| (scores, "copying the last frame"));
        let (scores, name) =
            copy_last.or(self.mean.as_ref().map(|scores| (scores, "predicting the mean frame")))?;
        Some((self.model.overall.mse / scores.overall.mse, name))
    }

    /// The sentence about [`ratio`](Self::ratio); empty where there is none.
    pub fn sentence_of_ratio(&self) -> String {
        let sentence = |(ratio, name)| format!("The model's MSE is {ratio:.3} times the MSE of {name}.");
        self.ratio().map(sentence).unwrap_or_default()
    }

    /// For programs: `mse`, `mae`, `ssim`, `psnr` of the model over all frames, `mse_copy_last` (null where the network continues no frames), `sequences`,
    /// the four metrics by lead time in `per_step`, and the keys of [`NowcastScores::to_json`] where there is one. Of
    /// an ensemble besides `crps`, an object of `members`, `crps`, `fair_crps` and `spread` over all frames and, by lead time,
    /// in `per_step`.
    pub fn to_json(&self) -> Map<String, Value> {
        let metrics = |metrics: &Metrics| {
            let Metrics { mse, mae, psnr, ssim } = *metrics;
            let parts = [("mse", mse), ("mae", mae), ("ssim", ssim), ("psnr", psnr)];
            parts.map(|(key, value)| (key.to_owned(), json!(value))).into_iter().collect::<Map<_, _>>()
        };
        let mut value = metrics(&self.model.overall);
        let copy_last = self.copy_last.as_ref().map(|scores| scores.overall.mse);
        value.insert("mse_copy_last".to_owned(), json!(copy_last));
        value.insert("sequences".to_owned(), json!(self.model.sequences));
        let per_step = self.model.per_step.iter().map(metrics).map(Value::Object).collect();
        value.insert("per_step".to_owned(), per_step);
        value.extend(self.ensemble.iter().map(|scores| ("crps".to_owned(), json!(scores))));
        value.extend(self.nowcasts.iter().flat_map(NowcastScores::to_json));
        value
    }

    /// The rows of the table: name and scores, the model first.
    pub fn rows(&self) -> Vec<(&'static str, &Scores)> {
        let mut rows = vec![("model", &self.model)];
        rows.extend(self.copy_last.iter().map(|copy_last| ("copy last frame", copy_last)));
        rows.extend(self.mean.iter().map(|mean| ("predict the mean", mean)));
        rows
    }

    /// The rows with their means over all frames.
    pub fn overall(&self) -> Vec<(&'static str, Metrics)> {
        self.rows().into_iter().map(|(name, scores)| (name, scores.overall)).collect()
    }
}

/// The mean frame of the first training sequences, `[C, H, W]`. `look` is given each batch of them.
///
/// # Errors
/// The errors of the data set.
pub fn mean_frame(
    train: &dyn SequenceDataset,
    batch_size: usize,
    look: &mut dyn FnMut(&Batch),
) -> Result<Tensor<f32>> {
    let mut gathered = MeanFrame::new(train.frame_shape());
    let indices: Vec<usize> = (0..train.len().min(SEQUENCES_OF_THE_MEAN)).collect();
    for chunk in indices.chunks(batch_size.max(1)) {
        let batch = batch(train, 0, chunk)?;
        gathered.add(&batch.frames, batch.valid.as_ref())?;
        look(&batch);
    }
    gathered.frame()
}
