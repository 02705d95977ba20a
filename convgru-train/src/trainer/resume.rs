//! Going on with a run.

use std::path::Path;

use convgru_model::Isa;

use super::continuation::expect_same_course;
use super::observer::{Observer, TrainerEvent};
use super::run_folder::RunFolder;
use super::setup::Setup;
use super::training_loop::Trainer;
use crate::checkpoint::{Checkpoint, Loaded};
use crate::config::RunConfig;
use crate::counted::counted;
use crate::dataset::Fingerprint;
use crate::interrupt::Interrupt;
use crate::printable::printable;
use crate::{Error, Result};

/// The run that a [`Trainer`] goes on with.
#[derive(Clone, Debug)]
pub struct Resumption {
    /// Its folder.
    pub folder: RunFolder,
    /// Whether it goes on although the data have changed.
    pub allow_changed_data: bool,
}

impl From<RunFolder> for Resumption {
    fn from(folder: RunFolder) -> Self {
        Self { folder, allow_changed_data: false }
    }
}

impl<'a> Trainer<'a> {
    /// Goes on with a run from its newest intact checkpoint. Newer files that
    /// are damaged are reported as warnings and renamed to `*.damaged`; what a kill left of files that were being
    /// written is removed, and `metrics.jsonl` is what follows from the checkpoint.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process works in the folder, [`Error::Checkpoint`] if no checkpoint is intact or if
    /// it was trained with another configuration, naming the fields that differ (more steps are none, where no step that is done
    /// would have been another), [`Error::ChangedData`] if it was
    /// trained on other data, and [`Error::Io`] if a file cannot be read now. Nothing is lost then.
    pub fn resume(
        mut config: RunConfig,
        run: impl Into<Resumption>,
        interrupt: &'a Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let Resumption { folder, allow_changed_data } = run.into();
        let folder = folder.locked()?;
        if let Some(holder) = folder.killed_holder() {
            let text =
                format!("{} was held by {holder}, which did not end by itself", printable(folder.path()));
            observer.observe(&TrainerEvent::Warning(&text));
        }
        let store = folder.store(config.training.keep_checkpoints);
        let told = "the run stands as it was saved; resume it";
        let Loaded { checkpoint, path, rejected } = interrupt.at_once(told, || store.load_latest())?;
        let is_changed = verify(&mut config, &checkpoint, &path)?;
        let mut setup = interrupt.at_once(told, || Setup::new(&mut config))?;
        let are_same = same_data(checkpoint.data.as_ref(), &setup.data, allow_changed_data, observer)?;
        let cursor = setup.loader.cursor(checkpoint.cursor.step);
        if are_same && cursor != checkpoint.cursor {
            let reason = format!(
                "it stands at epoch {}, batch {}, but step {} of this data is epoch {}, batch {}",
                checkpoint.cursor.epoch,
                checkpoint.cursor.batch,
                checkpoint.cursor.step,
                cursor.epoch,
                cursor.batch
            );
            return Err(Error::Checkpoint { path, reason });
        }
        setup.learner.restore(&checkpoint)?;
        tell_other_instructions(&checkpoint.instruction_set, observer);
        // Only what can go on changes anything.
        folder.remove_leftovers()?;
        if is_changed {
            folder.write(&folder.config(), config.to_toml().as_bytes())?;
        }
        for rejected in rejected {
            let aside = store.set_aside(&rejected)?;
            observer.observe(&TrainerEvent::Warning(&format!(
                "checkpoint {} is unusable ({}); it is now {}, and the run goes on from step {}",
                printable(&rejected.path),
                rejected.reason,
                printable(&aside),
                checkpoint.cursor.step
            )));
        }
        folder.sync()?;
        Self::at(checkpoint.cursor.step, checkpoint.history, config, setup, folder, interrupt)
    }
}

/// Warns if the instruction set differs from the instruction set of the checkpoint, as far as it is known.
fn tell_other_instructions(then: &str, observer: &mut dyn Observer) {
    let now = Isa::current().name();
    if then.is_empty() || then == now {
        return;
    }
    observer.observe(&TrainerEvent::Warning(&format!(
        "the checkpoint was computed with {then} and the run goes on with {now}; the last digits differ from a run \
         on one instruction set (CONVGRU_ISA={then} goes on to the same bits where the processor has it)"
    )));
}

/// Whether the data are the data of a checkpoint, as far as is known; warns of any doubt.
///
/// # Errors
/// [`Error::ChangedData`] if they are not, unless that is allowed.
fn same_data(
    then: Option<&Fingerprint>,
    now: &Fingerprint,
    is_change_allowed: bool,
    observer: &mut dyn Observer,
) -> Result<bool> {
    let Some(then) = then else {
        let text = "the checkpoint is of an earlier version and has no fingerprint of the data; whether they have changed is not known";
        observer.observe(&TrainerEvent::Warning(text));
        return Ok(true);
    };
    let changes = then.changes(now);
    if changes.is_empty() {
        let touched = then.only_times_differ(now);
        if touched > 0 {
            observer.observe(&TrainerEvent::Warning(&format!(
                "{} of the data changed in time since the checkpoint was written, but not in size or in the bytes that are compared",
                counted(touched, "file")
            )));
        }
        return Ok(true);
    }
    if !is_change_allowed {
        return Err(Error::ChangedData { changes });
    }
    observer.observe(&TrainerEvent::Warning(&format!(
        "the run goes on with changed data: {}",
        changes.join("; ")
    )));
    Ok(false)
}

/// Fails if the checkpoint was trained with a configuration that leads elsewhere; whether it is another that does not. The hash
/// of initial weights is the one of the checkpoint.
fn verify(config: &mut RunConfig, checkpoint: &Checkpoint, path: &Path) -> Result<bool> {
    let refuse = |reason| Error::Checkpoint { path: path.into(), reason };
    // A checkpoint may lack fields that have come since, which have their defaults then.
    let then = RunConfig::from_toml(&checkpoint.config_toml).map_err(refuse)?;
    if config.init.hash.is_empty() && config.init.from == then.init.from {
        config.init.hash.clone_from(&then.init.hash);
    }
    if config.init.from != then.init.from {
        return Err(refuse(format!(
            "it began with init.from = \"{}\", not \"{}\"; weights are read when a run begins; leave it as it was, or \
             leave --resume out to begin a new run",
            printable(&then.init.from),
            printable(&config.init.from)
        )));
    }
    if checkpoint.config_hash == config.hash() {
        return Ok(false);
    }
    expect_same_course(&then, config, checkpoint).map_err(refuse)?;
    Ok(!then.differences(config).is_empty())
}
