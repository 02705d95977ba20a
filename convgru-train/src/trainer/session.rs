//! The training loop.

use std::path::{Path, PathBuf};
use std::time::Instant;

use convgru_model::{Parameters, Tensor};

use super::assess::{Assessment, Assessor};
use super::folder::RunFolder;
use super::learner::Step;
use super::log::{Log, Timing};
use super::observer::{Event, Observer};
use super::parts::Parts;
use super::shown::Showing;
use super::weights::TrainedModel;
use crate::checkpoint::{
    Checkpoint, CheckpointStore, Cursor, History, Loaded, SkippedRecord, ValidationRecord,
};
use crate::config::TrainingConfig;
use crate::dataset::Split;
use crate::interrupt::{Interrupt, Signal};
use crate::{Error, Result, write_atomically};

/// A run from its first or next step to its end.
pub struct Session<'a> {
    config: TrainingConfig,
    folder: RunFolder,
    parts: Parts,
    store: CheckpointStore,
    log: Log,
    cursor: Cursor,
    history: History,
    began: Instant,
    earlier_seconds: f64,
    interrupt: &'a Interrupt,
}

/// How a session ended.
pub enum Outcome {
    /// All steps are done.
    Finished(Box<Trained>),
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

/// The result of a finished session.
pub struct Trained {
    /// The model of the best validation.
    pub model: TrainedModel,
    /// Its checkpoint.
    pub checkpoint: PathBuf,
    /// The mean frame of the training data, `[C, H, W]`.
    pub mean_frame: Tensor<f32>,
    /// Everything measured on the way.
    pub history: History,
    /// The share of the time of this session's steps in which they waited for data, 0 to 1.
    pub data_wait: f64,
}

impl<'a> Session<'a> {
    /// Begins a run in a new folder in `out`, named after the configuration:
    /// writes `config.toml` and a checkpoint before the first step. The folder
    /// is created last, so that a configuration or data that cannot be used
    /// leaves none behind.
    ///
    /// # Errors
    /// Those of the configuration, the data and the files.
    pub fn begin(config: TrainingConfig, out: &Path, interrupt: &'a Interrupt) -> Result<Self> {
        let parts = interrupt.at_once("no run was begun", || Parts::assemble(&config))?;
        let folder = RunFolder::create(out, &config.name)?;
        write_atomically(&folder.config(), config.to_toml().as_bytes())?;
        let session = Self::at([0, 0], config, parts, folder, interrupt)?;
        session.save()?;
        Ok(session)
    }

    /// Goes on with a run from its newest intact checkpoint. Newer files that
    /// are damaged are reported as warnings and renamed to `*.damaged`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if no checkpoint is intact or if it was trained
    /// with another configuration, naming the fields that differ.
    pub fn resume(
        config: TrainingConfig,
        folder: RunFolder,
        interrupt: &'a Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let store = CheckpointStore::new(folder.checkpoints(), config.training.keep_checkpoints);
        let Loaded { checkpoint, path, rejected } = store.load_newest()?;
        verify(&config, &checkpoint, &path)?;
        let parts =
            interrupt.at_once("the run stands as it was saved; resume it", || Parts::assemble(&config))?;
        for rejected in rejected {
            let aside = rejected.set_aside()?;
            observer.observe(&Event::Warning(&format!(
                "checkpoint {} is unusable ({}); it is now {}, and the run goes on from step {}",
                rejected.path.display(),
                rejected.reason,
                aside.display(),
                checkpoint.cursor.step
            )));
        }
        let validated = checkpoint.history.validations.last().map_or(0, |last| last.step);
        let mut session = Self::at([checkpoint.cursor.step, validated], config, parts, folder, interrupt)?;
        if session.cursor != checkpoint.cursor {
            let reason = format!(
                "it stands at epoch {}, batch {}, but step {} of this data is epoch {}, batch {}",
                checkpoint.cursor.epoch,
                checkpoint.cursor.batch,
                checkpoint.cursor.step,
                session.cursor.epoch,
                session.cursor.batch
            );
            return Err(Error::Checkpoint { path, reason });
        }
        session.parts.learner.restore(&checkpoint)?;
        session.earlier_seconds = checkpoint.history.seconds;
        session.history = checkpoint.history;
        Ok(session)
    }

    /// A session that goes on after `step` steps, the last validation after `validated`, with nothing
    /// learned yet.
    fn at(
        [step, validated]: [u64; 2],
        config: TrainingConfig,
        parts: Parts,
        folder: RunFolder,
        interrupt: &'a Interrupt,
    ) -> Result<Self> {
        Ok(Self {
            store: CheckpointStore::new(folder.checkpoints(), config.training.keep_checkpoints),
            log: Log::resume(&folder, step, validated)?,
            cursor: parts.feed.cursor(step),
            history: History::default(),
            began: Instant::now(),
            earlier_seconds: 0.0,
            parts,
            config,
            folder,
            interrupt,
        })
    }

    /// The folder of the run.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// The validations of the run so far.
    pub fn validations(&self) -> &[ValidationRecord] {
        &self.history.validations
    }

    /// Trains to the last step or until a signal.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if loss or gradient is no number too often in a row, and those of
    /// the data and files. The checkpoints written before stay usable.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let training = self.config.training.clone();
        observer.observe(&Event::Begin {
            folder: self.folder.path(),
            parameters: self.parts.learner.model.count(),
            done: self.cursor.step,
            steps: training.steps,
            batch_size: training.batch_size,
        });
        for data in [self.parts.feed.dataset(), self.parts.validation.as_ref()] {
            data.warnings().iter().for_each(|warning| observer.observe(&Event::Warning(warning)));
        }
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
            if self.save_is_due(training.checkpoint_every) {
                let path = self.save()?;
                observer.observe(&Event::Saved { path: &path });
            }
            self.advance(observer)?;
        }
        let path = self.save()?;
        observer.observe(&Event::Saved { path: &path });
        self.finish(path, observer)
    }

    /// Takes one step.
    fn advance(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let began = Instant::now();
        let Parts { feed, learner, .. } = &mut self.parts;
        let batch = feed.at(self.cursor)?;
        let ready = Instant::now();
        let step = learner.step(&batch, self.cursor)?;
        feed.waiting.count(began, ready);
        self.cursor = feed.cursor(self.cursor.step + 1);
        observer.observe(&Event::Waiting { share: feed.waiting.of_all_steps() });
        self.history.seconds = self.seconds();
        match step {
            Step::Taken(record) => {
                self.history.steps.push(record);
                self.log.step(&record, self.timing())?;
                observer.observe(&Event::Step(&record));
            }
            Step::Skipped(record) => self.skip(record, observer)?,
        }
        Ok(())
    }

    /// When the last step ended, and how long it waited.
    fn timing(&self) -> Timing {
        Timing { seconds: self.history.seconds, data_wait: self.parts.feed.waiting.of_last_step() }
    }

    /// Counts a step that was skipped.
    fn skip(&mut self, record: SkippedRecord, observer: &mut dyn Observer) -> Result<()> {
        self.history.skipped.push(record);
        self.log.skipped(&record, self.timing())?;
        observer.observe(&Event::Skipped { record: &record, total: self.history.skipped.len() });
        let in_a_row = self.history.skipped_in_a_row();
        if in_a_row > self.config.training.stop_after_nonfinite {
            return Err(self.parts.learner.not_finite(&record, in_a_row));
        }
        Ok(())
    }

    fn is_stopped_early(&self, observer: &mut dyn Observer) -> bool {
        let stopping = &self.config.training.early_stopping;
        let reached = stopping.is_reached(&self.history.validations);
        if reached {
            observer.observe(&Event::EarlyStop { step: self.cursor.step, validations: stopping.patience });
        }
        reached
    }

    /// Seconds of training, over all sessions of the run.
    fn seconds(&self) -> f64 {
        self.earlier_seconds + self.began.elapsed().as_secs_f64()
    }

    /// Whether the model is to be measured now; not while steps are skipped, which leave it as it
    /// was, except at the end.
    fn validation_is_due(&self) -> bool {
        let (step, training) = (self.cursor.step, &self.config.training);
        let every = training.validate_every;
        let regular = every > 0 && step.is_multiple_of(every) && self.history.skipped_in_a_row() == 0;
        let done = self.history.validations.last().is_some_and(|last| last.step >= step);
        step > 0 && (regular || step >= training.steps) && !done
    }

    /// Whether the regular checkpoint of this step is due. Looked at after the
    /// validation of the same step, so that the checkpoint knows its result. While steps are
    /// skipped none is: what may end the run drives out no generation from before.
    fn save_is_due(&self, every: u64) -> bool {
        let step = self.cursor.step;
        every > 0 && step > 0 && step.is_multiple_of(every) && self.history.skipped_in_a_row() == 0
    }

    /// Measures the model; false if a signal ended it early.
    fn validate(&mut self, observer: &mut dyn Observer) -> Result<bool> {
        let assessor = Assessor {
            dataset: self.parts.validation.as_ref(),
            split: Split::Validation,
            input_frames: self.config.data.input_frames,
            batch_size: self.config.training.batch_size.div_ceil(self.config.training.accumulate.max(1)),
            mean_frame: Some(&self.parts.mean_frame),
            loss: Some(&self.parts.learner.objective),
            nowcasts: None,
            interrupt: self.interrupt,
        };
        let model = self.parts.learner.evaluated();
        let Some(assessment) = assessor.assess(model, observer)? else {
            return Ok(false);
        };
        let showing = Showing {
            model,
            dataset: self.parts.validation.as_ref(),
            input_frames: self.config.data.input_frames,
        };
        let shown = showing.panels(&[0])?;
        let record = validation_record(self.cursor.step, &assessment);
        self.history.seconds = self.seconds();
        let best = self.history.record(record);
        self.parts.learner.validated(&record);
        if best {
            self.store.save_best(&self.parts.learner.checkpoint(self.cursor, &self.history))?;
        }
        self.log.validation(&record, self.history.seconds)?;
        shown.iter().try_for_each(|panel| self.log.picture(record.step, panel))?;
        observer.observe(&Event::Validation { record: &record, best });
        Ok(true)
    }

    fn save(&self) -> Result<PathBuf> {
        self.store.save(&self.parts.learner.checkpoint(self.cursor, &self.history))
    }

    fn stop(self, observer: &mut dyn Observer) -> Result<Outcome> {
        let signal = self.interrupt.raised().unwrap_or(Signal::Interrupt);
        let checkpoint = self.save()?;
        observer.observe(&Event::Saved { path: &checkpoint });
        Ok(Outcome::Interrupted { signal, step: self.cursor.step, checkpoint })
    }

    /// Chooses the model of the best validation.
    fn finish(mut self, last: PathBuf, observer: &mut dyn Observer) -> Result<Outcome> {
        let mut chosen = (self.cursor.step, last);
        if let Some((best, _)) = self.history.best.filter(|(best, _)| *best != self.cursor.step) {
            let path = self.store.best_path();
            let restored = Checkpoint::read(&path).and_then(|checkpoint| {
                if checkpoint.cursor.step != best {
                    let reason = format!("it is of step {}, not {best}", checkpoint.cursor.step);
                    return Err(Error::Checkpoint { path: path.clone(), reason });
                }
                self.parts.learner.restore(&checkpoint)
            });
            match restored {
                Ok(()) => chosen = (best, path),
                Err(error) => observer.observe(&Event::Warning(&format!(
                    "the best model, of step {best}, cannot be used ({error}); the last one takes its place"
                ))),
            }
        }
        let (step, checkpoint) = chosen;
        let model = self.parts.learner.evaluated().clone();
        let model = TrainedModel { model, config: self.config, step };
        let data_wait = self.parts.feed.waiting.of_all_steps();
        let mean_frame = self.parts.mean_frame;
        let trained = Trained { model, checkpoint, mean_frame, history: self.history, data_wait };
        Ok(Outcome::Finished(Box::new(trained)))
    }
}

/// Fails if the checkpoint was trained with a configuration that leads elsewhere.
fn verify(config: &TrainingConfig, checkpoint: &Checkpoint, path: &Path) -> Result<()> {
    if checkpoint.config_hash == config.hash() {
        return Ok(());
    }
    // A checkpoint may lack fields that have come since, which have their defaults then.
    let differences = TrainingConfig::from_toml(&checkpoint.config_toml)
        .map_or_else(|reason| vec![reason], |theirs| theirs.differences(config));
    if differences.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "it was trained with another configuration ({}: checkpoint, now); go on without these changes, or start a new run without --resume",
        differences.join("; ")
    );
    Err(Error::Checkpoint { path: path.into(), reason })
}

fn validation_record(step: u64, assessment: &Assessment) -> ValidationRecord {
    ValidationRecord {
        step,
        loss: assessment.loss.unwrap_or(f64::NAN),
        metrics: assessment.model.overall,
        mse_copy_last: assessment.copy_last.overall.mse,
        mse_mean: assessment.mean.as_ref().map_or(f64::NAN, |mean| mean.overall.mse),
    }
}
