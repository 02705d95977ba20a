//! One optimiser step: forward, loss, backward, clip, optimiser.

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use convgru_model::{
    Forecaster, ForecasterParameters, Isa, MemoryBudget, Noise, Parameters, Sequence, TeacherForcing,
    Workspace,
};

mod freezing;
mod micro_batches;
mod moving_average;
mod scheduled_sampling;

use self::freezing::Freezing;
use self::micro_batches::micro_batches;
use self::moving_average::MovingAverage;
use self::scheduled_sampling::{PredictedInputs, draw_teacher_forced};
use super::initial_weights::InitialWeights;
use crate::checkpoint::{
    Checkpoint, Cursor, History, NamedTensor, SkipReason, SkippedRecord, StepRecord, ValidationRecord,
};
use crate::config::RunConfig;
use crate::dataset::{Batch, Transform};
use crate::loss::{Objective, PartCounts, PredictedFrames, Truth};
use crate::optimizer::{NormType, Optimizer, clip_global_norm, clip_value};
use crate::schedule::{Schedule, ScheduleKind};
use crate::{Error, Result};

/// The model with all that its training changes.
pub struct Learner {
    pub(super) model: Forecaster<f32>,
    optimizer: Optimizer<f32>,
    gradients: ForecasterParameters<f32>,
    schedule: Schedule,
    pub(super) objective: Objective,
    average: Option<MovingAverage>,
    /// The tensors that no step changes.
    freezing: Freezing,
    config: RunConfig,
}

/// Which frames a step reads that are not what comes by itself.
struct Sampling {
    /// Predicted frames whose truth the forecaster reads.
    forced: Vec<bool>,
    /// Frames of the input that are predicted.
    predicted_inputs: PredictedInputs,
}

/// The noise of a step of training, where the network reads noise or has dropout: decided by the seed of the run, the step and the first sample.
#[derive(Clone, Copy)]
struct NoiseOfStep {
    seed: u64,
    step: u64,
}

impl NoiseOfStep {
    /// The seed of the samples of a batch beginning at one, which is none of validations and forecasts.
    fn beginning_at(self, first: usize) -> u64 {
        let place = ((first as u64) << 40).wrapping_add(self.step + 1);
        self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(place)
    }
}

/// What became of a batch.
pub enum StepOutcome {
    /// The model learned from it.
    Taken(StepRecord),
    /// Loss or gradient was no number, or no pixel of the truth was measured; nothing has changed.
    Skipped(SkippedRecord),
}

impl Learner {
    /// A learner before its first step, of data whose values mean what `transform` says.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Model`] if a field of the configuration is out of its range.
    pub fn new(config: &RunConfig, transform: &Transform) -> Result<Self> {
        let mut model = Forecaster::new(config.model.clone(), config.training.seed)?;
        model.set_truncation(NonZeroUsize::new(config.training.truncate));
        if config.training.memory_budget > 0 {
            let bytes = config.training.memory_budget.saturating_mul(1 << 20);
            model.set_memory_budget(MemoryBudget::Bytes(bytes));
        }
        let decay = config.training.ema_decay;
        let freezing = Freezing::new(&config.training.freeze, model.parameters())?;
        Ok(Self {
            gradients: model.parameters().zeros_like(),
            optimizer: Optimizer::new(config.optimizer.clone(), &freezing.trained(model.parameters_mut()))?,
            freezing,
            schedule: schedule(config)?,
            objective: config.training.objective(transform),
            average: (decay > 0.0).then(|| MovingAverage::new(&model, decay)),
            config: config.clone(),
            model,
        })
    }

    /// Takes over the weights of a file before the first step, and says which ones.
    ///
    /// # Errors
    /// [`Error::Config`] if they do not fit the network.
    pub(super) fn begin_with(&mut self, weights: &InitialWeights) -> Result<String> {
        let told = weights.fill(&self.config, &mut self.model)?;
        if let Some(average) = &mut self.average {
            *average = MovingAverage::new(&self.model, self.config.training.ema_decay);
        }
        Ok(told)
    }

    /// How many tensors are frozen, and how many parameters they hold; `None` if all are trained.
    pub(super) fn frozen(&self) -> Option<[usize; 2]> {
        self.freezing.count(self.model.parameters())
    }

    /// Takes over the parameters, their average and the moments of a checkpoint.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.restore(self.model.parameters_mut())?;
        if let Some(average) = &mut self.average {
            checkpoint.restore_average(average.model.parameters_mut())?;
        }
        let state = checkpoint.optimizer.clone();
        let trained = self.freezing.trained(self.model.parameters_mut());
        self.optimizer = Optimizer::from_state(self.config.optimizer.clone(), state, &trained)?;
        self.schedule = schedule(&self.config)?;
        checkpoint.history.validations.iter().for_each(|validation| self.validated(validation));
        Ok(())
    }

    /// Tells the schedule what a validation measured.
    pub(super) fn validated(&mut self, validation: &ValidationRecord) {
        if let ScheduleKind::Plateau(plateau) = &self.config.schedule.kind
            && self.config.training.is_heard(validation)
        {
            self.schedule.observe(validation.result(plateau.metric.unwrap_or(self.config.training.monitor)));
        }
    }

    /// The model that is measured and exported: with the average of the parameters, if there
    /// is one.
    pub fn evaluated(&self) -> &Forecaster<f32> {
        self.average.as_ref().map_or(&self.model, |average| &average.model)
    }

    /// The noise that the network reads in a step, where it reads noise and the batch is not cut into micro-batches.
    pub fn noise(&self, cursor: Cursor) -> Noise<f32> {
        Noise::Seed(NoiseOfStep { seed: self.config.training.seed, step: cursor.step }.beginning_at(0))
    }

    /// Everything at this moment, as a checkpoint; neither the time nor the data are known here.
    pub(super) fn checkpoint(&self, cursor: Cursor, history: &History) -> Checkpoint {
        Checkpoint {
            saved: None,
            data: None,
            instruction_set: Isa::current().name().to_owned(),
            config_toml: self.config.to_toml(),
            config_hash: self.config.hash(),
            seed: self.config.training.seed,
            cursor,
            parameters: NamedTensor::collect(self.model.parameters()),
            optimizer: self.optimizer.state().clone(),
            average: self.average.as_ref().map(|average| NamedTensor::collect(average.model.parameters())),
            history: history.clone(),
        }
    }

    /// Learns from one batch of `T_in + T_out` frames, one micro-batch after the other. Missing
    /// pixels of the truth have no part in the loss.
    ///
    /// Where loss or gradient is infinite or NaN, or no pixel of the truth is measured, nothing
    /// changes: neither parameters nor moments nor average, nor where the schedule stands, which
    /// goes by the steps taken.
    ///
    /// # Errors
    /// The errors of the model.
    pub fn step(&mut self, batch: &Batch, cursor: Cursor) -> Result<StepOutcome> {
        let training = &self.config.training;
        let skip = |reason| {
            Ok(StepOutcome::Skipped(SkippedRecord { step: cursor.step + 1, epoch: cursor.epoch, reason }))
        };
        let probability = training.teacher_forcing.probability(cursor.step, training.steps);
        let steps = self.config.data.output_frames;
        let forced = draw_teacher_forced(training.seed, cursor.step, probability, steps);
        let (clip_norm, clip_bound) = (training.clip_norm, training.clip_value);
        let norm_type = NormType::new(training.clip_norm_type)?;

        let replaced = training.reverse_sampling.probability(cursor.step, training.steps);
        let read = [batch.frames.shape().get(1).copied().unwrap_or(0), self.config.data.input_frames];
        let sampling = Sampling {
            forced,
            predicted_inputs: PredictedInputs::draw(training.seed, cursor.step, replaced, read),
        };

        let noise = NoiseOfStep { seed: training.seed, step: cursor.step };
        let loss = self.accumulate(batch, &sampling, noise);
        // Validations read the same noise whatever was trained before.
        self.model.set_noise(Noise::default());
        let Some(loss) = loss? else { return skip(SkipReason::Unmeasured) };
        if !loss.is_finite() {
            return skip(SkipReason::Loss);
        }
        let limit = if clip_norm > 0.0 { clip_norm } else { f64::INFINITY };
        let mut gradients = self.freezing.trained(&mut self.gradients);
        let gradient_norm = clip_global_norm(&mut gradients, limit, norm_type);
        if !gradient_norm.is_finite() {
            return skip(SkipReason::Gradient);
        }
        if clip_bound > 0.0 {
            clip_value(&mut gradients, clip_bound);
        }
        let taken = self.optimizer.state().step;
        if let Some(momentum) = self.schedule.momentum(taken) {
            self.optimizer.set_momentum(momentum)?;
        }
        let learning_rate = self.schedule.learning_rate(taken);
        let mut trained = self.freezing.trained(self.model.parameters_mut());
        self.optimizer.step(&mut trained, &gradients, learning_rate)?;
        self.model.iterate_spectral_norms(|name| self.freezing.trains(name))?;
        if let Some(average) = &mut self.average {
            average.update(&self.freezing, &self.freezing.trained(self.model.parameters_mut()), taken)?;
        }
        Ok(StepOutcome::Taken(StepRecord {
            step: cursor.step + 1,
            epoch: cursor.epoch,
            loss,
            learning_rate,
            gradient_norm,
            teacher_forcing: probability,
        }))
    }

    /// The loss of a batch, and its gradients in `self.gradients`; `None` if no pixel of the truth is measured. A micro-batch
    /// whose loss is no number ends it.
    fn accumulate(&mut self, batch: &Batch, sampling: &Sampling, noise: NoiseOfStep) -> Result<Option<f64>> {
        self.gradients.zero();
        let input_frames = self.config.data.input_frames;
        if self.config.training.accumulate == 1 {
            let (input, target) = batch.split(input_frames)?;
            let counts = self.objective.counts(&Truth::from(&target))?;
            if counts.is_empty() {
                return Ok(None);
            }
            let seed = noise.beginning_at(0);
            self.model.set_noise(Noise::Seed(seed));
            let input = sampling.predicted_inputs.apply(&self.model, input, 0)?;
            return self.backpropagate(&[input, target], &counts, &sampling.forced, seed).map(Some);
        }
        let counts = self.objective.counts(&Truth::from(&batch.split(input_frames)?.1))?;
        if counts.is_empty() {
            return Ok(None);
        }
        let (mut loss, mut first) = (0.0, 0);
        for samples in micro_batches(batch, self.config.training.accumulate)? {
            let (input, target) = samples.split(input_frames)?;
            let count = input.frames.shape()[1];
            let seed = noise.beginning_at(first);
            self.model.set_noise(Noise::Seed(seed));
            let input = sampling.predicted_inputs.apply(&self.model, input, first)?;
            first += count;
            loss += self.backpropagate(&[input, target], &counts, &sampling.forced, seed)?;
            if !loss.is_finite() {
                break;
            }
        }
        Ok(Some(loss))
    }

    /// The share of some samples in the loss; adds that in its gradients. Dropout is drawn from `seed`.
    fn backpropagate(
        &mut self,
        [input, target]: &[Batch; 2],
        counts: &PartCounts,
        forced: &[bool],
        seed: u64,
    ) -> Result<f64> {
        let [read, truth] = [input, target].map(|batch| batch.as_read_by(self.model.config()));
        let sequence = Sequence { dropout_seed: Some(seed), ..Sequence::from(&*read) };
        let is_continuing = self.model.config().input_channels() == 0;
        let teacher = is_continuing.then_some(TeacherForcing { frames: &truth, forced });
        let mut workspace = Workspace::default();
        let prediction = self.model.forward_train(sequence, forced.len(), teacher, &mut workspace)?;
        let forecast = PredictedFrames { output: &prediction.output, logits: &prediction.logits };
        let (loss, gradient) = self.objective.value_and_gradient(&forecast, &Truth::from(target), counts)?;
        if loss.is_finite() {
            self.model.backward(&mut workspace, gradient, &mut self.gradients)?;
        }
        Ok(loss)
    }

    /// The error of a run that meets too many such steps in a row.
    pub(super) fn not_finite(&self, skipped: &SkippedRecord, in_a_row: u64) -> Error {
        let advice = format!(
            "{in_a_row} in a row, and training.stop_after_nonfinite allows {}; lower optimizer.learning_rate ({}) or \
             training.clip_norm; the last checkpoint is intact",
            self.config.training.stop_after_nonfinite, self.config.optimizer.learning_rate
        );
        Error::NotFinite { what: skipped.reason.name(), step: skipped.step, advice }
    }
}

/// The schedule before the first step.
fn schedule(config: &RunConfig) -> Result<Schedule> {
    let mut schedule = config.schedule.clone();
    if let ScheduleKind::Plateau(plateau) = &mut schedule.kind {
        plateau.metric = plateau.metric.or(Some(config.training.monitor));
    }
    Schedule::new(&schedule, config.optimizer.learning_rate, config.training.steps)
}
