//! One optimiser step: forward, loss, backward, clip, optimiser.

use convgru_model::{
    EncoderForecaster, EncoderForecasterParameters, OutputGradient, Parameters, TeacherForcing,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::checkpoint::{Checkpoint, Cursor, History, NamedTensor, StepRecord, ValidationRecord};
use crate::config::TrainingConfig;
use crate::dataset::{Batch, Transform};
use crate::loss::{Forecast, FrameGradient, Objective, Truth};
use crate::optimizer::{NormType, Optimizer, clip_global_norm, clip_value};
use crate::schedule::{Schedule, Watched};
use crate::{Error, Result};

/// Sets the random numbers of teacher forcing apart from those of the data.
const TEACHER_FORCING_SEED: u64 = 0x7465_6163_6865_7221;

/// The model with all that its training changes.
pub(super) struct Learner {
    pub(super) model: EncoderForecaster<f32>,
    optimizer: Optimizer<f32>,
    gradients: EncoderForecasterParameters<f32>,
    schedule: Schedule,
    pub(super) objective: Objective,
    config: TrainingConfig,
}

impl Learner {
    /// A learner before its first step, of data whose values mean what `transform` says.
    pub(super) fn new(config: &TrainingConfig, transform: &Transform) -> Result<Self> {
        let model = EncoderForecaster::new(config.model.clone(), config.training.seed)?;
        Ok(Self {
            gradients: model.parameters().zeros_like(),
            optimizer: Optimizer::new(config.optimizer.clone(), model.parameters())?,
            schedule: schedule(config)?,
            objective: config.training.objective(transform),
            config: config.clone(),
            model,
        })
    }

    /// Takes over the parameters and moments of a checkpoint.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.restore(self.model.parameters_mut())?;
        let state = checkpoint.optimizer.clone();
        self.optimizer =
            Optimizer::from_state(self.config.optimizer.clone(), state, self.model.parameters())?;
        self.schedule = schedule(&self.config)?;
        checkpoint.history.validations.iter().for_each(|validation| self.validated(validation));
        Ok(())
    }

    /// Tells the schedule what a validation measured.
    pub(super) fn validated(&mut self, validation: &ValidationRecord) {
        let metrics = &validation.metrics;
        self.schedule.observe(match self.config.schedule.plateau.metric {
            Watched::Loss => validation.loss,
            Watched::Mse => metrics.mse,
            Watched::Mae => metrics.mae,
            Watched::Psnr => metrics.psnr,
            Watched::Ssim => metrics.ssim,
        });
    }

    /// Everything at this moment, as a checkpoint.
    pub(super) fn checkpoint(&self, cursor: Cursor, history: &History) -> Checkpoint {
        Checkpoint {
            config_toml: self.config.to_toml(),
            config_hash: self.config.hash(),
            seed: self.config.training.seed,
            cursor,
            parameters: NamedTensor::collect(self.model.parameters()),
            optimizer: self.optimizer.state().clone(),
            history: history.clone(),
        }
    }

    /// Learns from one batch of `T_in + T_out` frames. Missing pixels of the truth have no
    /// part in the loss.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if loss or gradient is infinite or NaN; the
    /// parameters are then as before the step.
    pub(super) fn step(&mut self, batch: &Batch, cursor: Cursor) -> Result<StepRecord> {
        let training = &self.config.training;
        let (input, target) = batch.split(self.config.data.input_frames)?;
        let steps = target.frames.shape()[0];
        let probability = training.teacher_forcing.probability(cursor.step, training.steps);
        let forced = draw_forced(training.seed, cursor.step, probability, steps);
        let teacher = TeacherForcing { frames: &target.frames, forced: &forced };

        let (prediction, mut workspace) = self.model.forward_train(&input.frames, steps, Some(teacher))?;
        let forecast = Forecast { output: &prediction.output, logits: &prediction.logits };
        let truth = Truth::from(&target);
        let counts = self.objective.counts(&truth)?;
        let (loss, gradient) = self.objective.value_and_gradient(&forecast, &truth, &counts)?;
        if !loss.is_finite() {
            return Err(not_finite("the loss", cursor, self.config.optimizer.learning_rate));
        }
        self.gradients.zero();
        let gradient = match &gradient {
            FrameGradient::Output(gradient) => OutputGradient::Output(gradient),
            FrameGradient::Logits(gradient) => OutputGradient::Logits(gradient),
        };
        self.model.backward_parameters(&mut workspace, gradient, &mut self.gradients)?;

        let limit = if training.clip_norm > 0.0 { training.clip_norm } else { f64::INFINITY };
        let norm_type = NormType::new(training.clip_norm_type)?;
        let gradient_norm = clip_global_norm(&mut self.gradients, limit, norm_type);
        if !gradient_norm.is_finite() {
            return Err(not_finite("the gradient", cursor, self.config.optimizer.learning_rate));
        }
        if training.clip_value > 0.0 {
            clip_value(&mut self.gradients, training.clip_value);
        }
        if let Some(momentum) = self.schedule.momentum(cursor.step) {
            self.optimizer.set_momentum(momentum)?;
        }
        let learning_rate = self.schedule.learning_rate(cursor.step);
        self.optimizer.step(self.model.parameters_mut(), &self.gradients, learning_rate)?;
        Ok(StepRecord {
            step: cursor.step + 1,
            epoch: cursor.epoch,
            loss,
            learning_rate,
            gradient_norm,
            teacher_forcing: probability,
        })
    }
}

/// The schedule before the first step.
fn schedule(config: &TrainingConfig) -> Result<Schedule> {
    Schedule::new(&config.schedule, config.optimizer.learning_rate, config.training.steps)
}

fn not_finite(what: &'static str, cursor: Cursor, learning_rate: f64) -> Error {
    let advice = format!(
        "lower optimizer.learning_rate ({learning_rate}) or training.clip_norm; the last checkpoint is intact"
    );
    Error::NotFinite { what, step: cursor.step + 1, advice }
}

/// Which output steps read the truth: each with the given probability, drawn
/// from the seed and the number of the optimiser step alone.
fn draw_forced(seed: u64, step: u64, probability: f64, steps: usize) -> Vec<bool> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ TEACHER_FORCING_SEED);
    random.set_stream(step);
    // 53 bits make a uniform number in [0, 1).
    let uniform = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64;
    (0..steps).map(|_| uniform(random.next_u64()) < probability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forcing_follows_its_probability_and_derives_from_seed_and_step() {
        assert!(draw_forced(1, 2, 1.0, 50).iter().all(|&f| f));
        assert!(draw_forced(1, 2, 0.0, 50).iter().all(|&f| !f));
        assert_eq!(draw_forced(1, 2, 0.5, 50), draw_forced(1, 2, 0.5, 50));
        assert_ne!(draw_forced(1, 2, 0.5, 50), draw_forced(1, 3, 0.5, 50));
        assert_ne!(draw_forced(1, 2, 0.5, 50), draw_forced(2, 2, 0.5, 50));
        let share = draw_forced(7, 7, 0.3, 10_000).iter().filter(|&&f| f).count();
        assert!((2_800..3_200).contains(&share), "{share}");
    }
}
