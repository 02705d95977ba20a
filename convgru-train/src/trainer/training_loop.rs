//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use convgru_model::{Parameters, Tensor};

use super::artifacts::sample_panels::SamplePanels;
use super::checkpoint_timer::CheckpointTimer;
use super::evaluation::{EvaluationResult, Evaluator};
use super::learner::StepOutcome;
use super::logging::MetricsLog;
use super::observer::{Observer, TrainerEvent};
use super::run_folder::RunFolder;
use super::setup::Setup;
use super::trained_model::TrainedModel;
use crate::checkpoint::{
    Checkpoint, CheckpointStore, Cursor, History, SkippedRecord, Timing, ValidationRecord,
};
use crate::config::{RunConfig, TrainingConfig};
use crate::dataset::{Quantity, SequenceDataset, Split};
use crate::interrupt::{Interrupt, Signal};
use crate::metric::{EventDefinition, EventMeans};
use crate::storage::{self, Storage};
use crate::{Error, Result};

/// Trains a run from its first or next step to its last.
pub struct Trainer<'a> {
    config: RunConfig,
    folder: RunFolder,
    pub(super) setup: Setup,
    store: CheckpointStore,
    log: MetricsLog,
    timer: CheckpointTimer,
    pub(super) cursor: Cursor,
    history: History,
    began: Instant,
    earlier_seconds: f64,
    interrupt: &'a Interrupt,
}

/// How [`Trainer::fit`] ended.
pub enum Outcome {
    /// All steps are done.
    Finished(Box<TrainedRun>),
    /// A signal ended it early; everything is saved.
    Interrupted {
        /// The signal.
        signal: Signal,
        /// Steps done.
        step: u64,
        /// The checkpoint to go on from.
        checkpoint: PathBuf,
    },
}

/// A run whose steps are all done.
pub struct TrainedRun {
    /// The model of the best validation.
    pub model: TrainedModel,
    /// Its checkpoint.
    pub checkpoint: PathBuf,
    /// The folder of the run, locked for other processes.
    pub folder: RunFolder,
    /// The mean frame of the training data, `[C, H, W]`.
    pub mean_frame: Tensor<f32>,
    /// The validation sequences.
    pub(super) validation: Box<dyn SequenceDataset>,
    /// The test sequences.
    pub(super) test: Box<dyn SequenceDataset>,
    /// Everything measured on the way.
    pub history: History,
    /// The share of the time of the steps since the run began or was resumed in which they waited for data, 0 to 1.
    pub data_wait: f64,
}

impl<'a> Trainer<'a> {
    /// Begins a run in a new folder in `out`, named after the configuration:
    /// writes `config.toml` and a checkpoint before the first step. The folder
    /// is created last, so that a configuration or data that cannot be used
    /// leaves none behind.
    ///
    /// # Errors
    /// The errors of the configuration, the data and the files.
    pub fn start(config: RunConfig, out: &Path, interrupt: &'a Interrupt) -> Result<Self> {
        Self::start_on(storage::disk(), config, out, interrupt)
    }

    /// As [`start`](Self::start), on any storage.
    pub(super) fn start_on(
        storage: Arc<dyn Storage>,
        mut config: RunConfig,
        out: &Path,
        interrupt: &'a Interrupt,
    ) -> Result<Self> {
        let setup = interrupt.at_once("no run was begun", || Setup::begin(&mut config))?;
        let folder = RunFolder::create_on(storage, out, &config.name)?;
        folder.write(&folder.config(), config.to_toml().as_bytes())?;
        let mut trainer = Self::at(0, History::default(), config, setup, folder, interrupt)?;
        trainer.save()?;
        Ok(trainer)
    }

    /// A trainer that goes on after `step` steps with what was measured in them, and nothing learned yet.
    pub(super) fn at(
        step: u64,
        mut history: History,
        config: RunConfig,
        setup: Setup,
        folder: RunFolder,
        interrupt: &'a Interrupt,
    ) -> Result<Self> {
        Ok(Self {
            store: folder.store(config.training.keep_checkpoints),
            log: MetricsLog::resume(&folder, &mut history)?,
            timer: CheckpointTimer::new(&config.training),
            cursor: setup.loader.cursor(step),
            began: Instant::now(),
            earlier_seconds: history.seconds,
            history,
            setup,
            config,
            folder,
            interrupt,
        })
    }

    /// The folder of the run.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Which weights of a file the run began with just now, in words; none where they were drawn, or the run goes on.
    pub fn begun_with(&self) -> Option<&str> {
        self.setup.begun_with.as_deref()
    }

    /// What the user should know about the weights that the run began with.
    pub fn doubts(&self) -> &[String] {
        &self.setup.doubts
    }

    /// The validations of the run so far.
    pub fn validations(&self) -> &[ValidationRecord] {
        &self.history.validations
    }

    /// Trains to the last step or until a signal.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if loss or gradient is no number too often in a row, [`Error::Data`] if a whole epoch has no measured pixel, and those
    /// of the data and files. The checkpoints written before stay usable.
    pub fn fit(mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let training = self.config.training.clone();
        observer.observe(&TrainerEvent::Begin {
            folder: self.folder.path(),
            parameters: self.setup.learner.model.parameters().count(),
            done: self.cursor.step,
            steps: training.steps,
            batch_size: training.batch_size,
        });
        let Setup { loader, validation, test, data_doubt, .. } = &self.setup;
        for data in [loader.dataset(), validation.as_ref(), test.as_ref()] {
            data.warnings().iter().for_each(|warning| observer.observe(&TrainerEvent::Warning(warning)));
        }
        data_doubt.iter().for_each(|doubt| observer.observe(&TrainerEvent::Warning(doubt)));
        self.began = Instant::now();
        loop {
            if self.validation_is_due() && !self.validate(observer)? {
                return self.stop(observer);
            }
            if self.cursor.step >= training.steps || self.is_stopped_early(observer) {
                break;
            }
            if self.interrupt.raised().is_some() {
                return self.stop(observer);
            }
            // While steps are not finite nothing is saved: what may end the run drives out no generation from before. After
            // the validation of the same step, so that the checkpoint knows its result.
            if self.timer.is_due(self.cursor.step) && self.history.not_finite_in_a_row() == 0 {
                let path = self.save()?;
                observer.observe(&TrainerEvent::Saved { path: &path });
            }
            self.advance(observer)?;
        }
        let path = self.save()?;
        observer.observe(&TrainerEvent::Saved { path: &path });
        self.finish(path, observer)
    }

    /// Takes one step.
    fn advance(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let began = Instant::now();
        let Setup { loader, learner, .. } = &mut self.setup;
        let batch = loader.batch(self.cursor)?;
        let ready = Instant::now();
        let step = learner.step(&batch, self.cursor)?;
        loader.waiting.count(began, ready);
        self.cursor = loader.cursor(self.cursor.step + 1);
        observer.observe(&TrainerEvent::Waiting { share: loader.waiting.of_all_steps() });
        self.history.seconds = self.seconds();
        match step {
            StepOutcome::Taken(record) => {
                self.history.steps.push(record);
                self.history.timings.steps.push(self.timing());
                self.log.step(&record, self.timing())?;
                observer.observe(&TrainerEvent::Step(&record));
            }
            StepOutcome::Skipped(record) => self.skip(record, observer)?,
        }
        Ok(())
    }

    /// When the last step ended, and how long it waited.
    fn timing(&self) -> Timing {
        Timing { seconds: self.history.seconds, data_wait: self.setup.loader.waiting.of_last_step() }
    }

    /// Counts a step that was skipped.
    fn skip(&mut self, record: SkippedRecord, observer: &mut dyn Observer) -> Result<()> {
        self.history.skipped.push(record);
        self.history.timings.skipped.push(self.timing());
        self.log.skipped(&record, self.timing())?;
        observer.observe(&TrainerEvent::Skipped { record: &record, total: self.history.skipped.len() });
        let TrainingConfig { steps, stop_after_nonfinite, .. } = self.config.training;
        let in_a_row = self.history.not_finite_in_a_row();
        if record.reason.is_not_finite() && in_a_row > stop_after_nonfinite {
            return Err(self.setup.learner.not_finite(&record, in_a_row));
        }
        let nothing =
            self.setup.loader.steps_per_epoch().max(stop_after_nonfinite.saturating_add(1)).min(steps);
        match self.history.unmeasured_in_a_row() {
            in_a_row if in_a_row >= nothing => Err(self.setup.loader.unmeasured(in_a_row)),
            _ => Ok(()),
        }
    }

    fn is_stopped_early(&self, observer: &mut dyn Observer) -> bool {
        let stopping = &self.config.training.early_stopping;
        let heard = |validation: &&ValidationRecord| self.config.training.is_heard(validation);
        let validations = self.history.validations.iter().filter(heard);
        let reached = stopping.is_reached(self.config.training.monitor, validations);
        if reached {
            observer
                .observe(&TrainerEvent::EarlyStop { step: self.cursor.step, validations: stopping.patience });
        }
        reached
    }

    /// Seconds of training, over all starts of the run.
    fn seconds(&self) -> f64 {
        self.earlier_seconds + self.began.elapsed().as_secs_f64()
    }

    /// Whether the model is to be measured now; not while steps are not finite, which leave it as it
    /// was, except at the end.
    fn validation_is_due(&self) -> bool {
        let (step, training) = (self.cursor.step, &self.config.training);
        let every = training.validate_every;
        let regular = every > 0 && step.is_multiple_of(every) && self.history.not_finite_in_a_row() == 0;
        let done = self.history.validations.last().is_some_and(|last| last.step >= step);
        step > 0 && (regular || step >= training.steps) && !done
    }

    /// Measures the model; false if a signal ended it early.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<bool> {
        let evaluator = Evaluator {
            dataset: self.setup.validation.as_ref(),
            split: Split::Validation,
            input_frames: self.config.data.input_frames,
            batch_size: self.config.training.micro_batch_size(),
            mean_frame: Some(&self.setup.mean_frame),
            loss: Some(&self.setup.learner.objective),
            nowcasts: None,
            interrupt: self.interrupt,
        };
        let model = self.setup.learner.evaluated();
        let events = monitored_events(&self.config, &self.setup.validation.quantity());
        let Some(evaluation) = evaluator.evaluate_with_events(model, events.as_ref(), observer)? else {
            return Ok(false);
        };
        let showing = SamplePanels {
            model,
            dataset: self.setup.validation.as_ref(),
            input_frames: self.config.data.input_frames,
        };
        let shown = showing.panels(&[0])?;
        let record = validation_record(self.cursor.step, &evaluation);
        self.history.seconds = self.seconds();
        let TrainingConfig { monitor, keep_best, .. } = self.config.training;
        let best = self.history.record(record.clone(), monitor);
        self.setup.learner.validated(&record);
        if best {
            self.store.save_best(&self.checkpoint())?;
        }
        if keep_best > 1 {
            let steps: Vec<u64> =
                self.history.best_validations(monitor, keep_best).iter().map(|(step, _)| *step).collect();
            if steps.contains(&record.step) {
                self.store.save_among_best(&self.checkpoint(), &steps)?;
            }
        }
        self.log.validation(&record, Timing::at(self.history.seconds))?;
        shown.iter().try_for_each(|panel| self.log.picture(record.step, panel))?;
        observer.observe(&TrainerEvent::Validation { record: &record, best, monitor });
        Ok(true)
    }

    fn checkpoint(&self) -> Checkpoint {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Checkpoint {
            saved: now.ok().and_then(|time| u64::try_from(time.as_millis()).ok()),
            data: Some(self.setup.data.clone()),
            ..self.setup.learner.checkpoint(self.cursor, &self.history)
        }
    }

    /// Saves a generation, and makes durable what belongs to it.
    fn save(&mut self) -> Result<PathBuf> {
        let began = Instant::now();
        self.log.sync()?;
        self.folder.sync()?;
        let path = self.store.save(&self.checkpoint())?;
        self.timer.saved(self.cursor.step, began);
        Ok(path)
    }

    fn stop(mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let signal = self.interrupt.raised().unwrap_or(Signal::Interrupt);
        let checkpoint = self.save()?;
        observer.observe(&TrainerEvent::Saved { path: &checkpoint });
        Ok(Outcome::Interrupted { signal, step: self.cursor.step, checkpoint })
    }

    /// Takes over the checkpoint of the best validation, which is of step `best`.
    fn restore_best(&mut self, best: u64, path: &Path) -> Result<()> {
        let checkpoint = Checkpoint::read_from(self.folder.storage(), path)?;
        if checkpoint.cursor.step != best {
            let reason = format!("it is of step {}, not {best}", checkpoint.cursor.step);
            return Err(Error::Checkpoint { path: path.into(), reason });
        }
        self.setup.learner.restore(&checkpoint)
    }

    /// Chooses the model of the best validation.
    fn finish(mut self, last: PathBuf, observer: &mut dyn Observer) -> Result<Outcome> {
        let mut chosen = (self.cursor.step, last);
        if let Some((best, _)) = self.history.best.filter(|(best, _)| *best != self.cursor.step) {
            let path = self.store.best_path();
            match self.restore_best(best, &path) {
                Ok(()) => chosen = (best, path),
                // It may be there the next time.
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(error) => observer.observe(&TrainerEvent::Warning(&format!(
                    "the best model, of step {best}, cannot be used ({error}); the last one takes its place"
                ))),
            }
        }
        let (step, checkpoint) = chosen;
        let model = self.setup.learner.evaluated().clone();
        let model = TrainedModel { model, config: self.config, step };
        let data_wait = self.setup.loader.waiting.of_all_steps();
        let mean_frame = self.setup.mean_frame;
        Ok(Outcome::Finished(Box::new(TrainedRun {
            model,
            checkpoint,
            folder: self.folder,
            mean_frame,
            validation: self.setup.validation,
            test: self.setup.test,
            history: self.history,
            data_wait,
        })))
    }
}

/// The events that validations count: the usual ones of rain, and those that are monitored.
fn monitored_events(config: &RunConfig, quantity: &Quantity) -> Option<EventDefinition> {
    let mut events = EventDefinition::suited_to(quantity);
    if !quantity.is_rain() {
        events.thresholds.clear();
    }
    events.thresholds.extend(config.monitors().iter().filter_map(|(_, monitor)| monitor.threshold()));
    events.thresholds.sort_by(f64::total_cmp);
    events.thresholds.dedup();
    (!events.thresholds.is_empty()).then_some(events)
}

fn validation_record(step: u64, evaluation: &EvaluationResult) -> ValidationRecord {
    ValidationRecord {
        step,
        loss: evaluation.loss.unwrap_or(f64::NAN),
        metrics: evaluation.model.overall,
        mse_copy_last: evaluation.copy_last.as_ref().map_or(f64::NAN, |copy_last| copy_last.overall.mse),
        mse_mean: evaluation.mean.as_ref().map_or(f64::NAN, |mean| mean.overall.mse),
        ensemble: evaluation.ensemble.as_ref().map(|ensemble| Box::new(ensemble.overall)),
        events: evaluation.events.as_ref().map(EventMeans::of).unwrap_or_default(),
    }
}
