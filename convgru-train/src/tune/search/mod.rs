//! The trials of a search, one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::median::{best_by, is_behind};
use super::ranges::SearchConfig;
use crate::config::RunConfig;
use crate::interrupt::{Interrupt, Signal};
use crate::schedule::Monitor;
use crate::storage::{Disk, Lock, create_folders, read_if_there, remove_leftovers};
use crate::trainer::{Observer, Outcome, Resumption, RunFolder, Trainer, TrainerEvent};
use crate::{Error, Result, write_atomically};

/// The file that holds what is done.
const RECORD: &str = "tune.json";

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "reason")]
pub enum Ending {
    /// It took all its steps, or stopped early as its configuration says.
    Finished,
    /// It was behind the median of the others.
    Behind,
    /// It could not go on, for this reason.
    Failed(String),
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number, from 1, as in the name of its folder.
    pub number: usize,
    /// What it drew: fields with their values as TOML.
    pub settings: BTreeMap<String, String>,
    /// How it ended.
    pub ending: Ending,
    /// The best result of its validations, if there was any.
    pub best: Option<f64>,
    /// Steps up to its last validation.
    pub steps: u64,
    /// The folder of its run, if one was made.
    #[serde(default, with = "crate::config::path_text::optional")]
    pub run: Option<PathBuf>,
    /// Each validation: the step, and the result with the sign that makes lower better.
    pub curve: Vec<(u64, f64)>,
}

/// A search in a folder: `tune.json`, and a folder for the run of each trial.
pub struct Search {
    search: SearchConfig,
    base: RunConfig,
    folder: PathBuf,
    trials: Vec<Trial>,
    /// Whether a trial goes on although the data have changed since it was stopped.
    pub allow_changed_data: bool,
    /// Held until the search is dropped.
    _lock: Lock,
}

/// How [`Search::run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchOutcome {
    /// All trials are done.
    Finished,
    /// A signal ended it; the same call goes on.
    Interrupted(Signal),
}

/// `tune.json`.
#[derive(Serialize, Deserialize)]
struct Record {
    search: SearchConfig,
    /// The configuration that the trials vary, as TOML.
    base: String,
    trials: Vec<Trial>,
}

impl Search {
    /// Begins a search in a folder, or goes on with the one in it.
    ///
    /// # Errors
    /// [`Error::Config`] if no trial could be made of the ranges, [`Error::Locked`] if another process searches in the
    /// folder, [`Error::Format`] if the folder holds another search, and the errors of the files.
    pub fn open(search: SearchConfig, mut base: RunConfig, folder: &Path) -> Result<Self> {
        search.validate()?;
        base.training.monitor = search.metric.unwrap_or(base.training.monitor);
        // Every trial must exist before the first is trained.
        (1..=search.trials).try_for_each(|number| search.apply(&base, number)?.validate())?;
        create_folders(&Disk, folder)?;
        let lock = Lock::take(&Disk, &folder.join("tune.lock"))?;
        remove_leftovers(&Disk, folder, |name| name == RECORD)?;
        let path = folder.join(RECORD);
        let mut opened = Self {
            search,
            base,
            folder: folder.to_path_buf(),
            trials: Vec::new(),
            allow_changed_data: false,
            _lock: lock,
        };
        match read_if_there(&Disk, &path)? {
            Some(text) => {
                let refuse = |reason: String| Error::Format { path: path.clone(), reason };
                let record: Record = serde_json::from_slice(&text)
                    .map_err(|error| refuse(format!("this is no record of a search: {error}")))?;
                let same = SearchConfig { trials: opened.search.trials, ..record.search };
                let base = RunConfig::from_toml(&record.base).map_err(refuse)?;
                if same != opened.search || base != opened.base {
                    return Err(refuse(
                        "the folder holds a search with other ranges or another configuration; give it again, or \
                         another folder with --out"
                            .to_owned(),
                    ));
                }
                opened.trials = record.trials;
            }
            None => opened.save()?,
        }
        Ok(opened)
    }

    /// The trials that are done, in order.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The trials that are done, the best first and those without a result last.
    pub fn ranked(&self) -> Vec<&Trial> {
        let monitor = self.monitor();
        let mut ranked: Vec<_> = self.trials.iter().collect();
        let key = |trial: &Trial| trial.best.map_or(f64::INFINITY, |best| monitor.lower_is_better(best));
        ranked.sort_by(|a, b| key(a).total_cmp(&key(b)).then(a.number.cmp(&b.number)));
        ranked
    }

    /// The result of validations that decides.
    pub fn monitor(&self) -> Monitor {
        self.base.training.monitor
    }

    /// Runs the trials that are not done. `begin` is told of each before it starts, and `observer`
    /// of what happens in it.
    ///
    /// # Errors
    /// The errors of the files; a trial that cannot go on is a result.
    pub fn run(
        &mut self,
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
        mut begin: impl FnMut(usize, &BTreeMap<String, String>),
    ) -> Result<SearchOutcome> {
        for number in self.trials.len() + 1..=self.search.trials {
            if let Some(signal) = interrupt.raised() {
                return Ok(SearchOutcome::Interrupted(signal));
            }
            let settings = self.search.draw(number)?;
            begin(number, &settings);
            match self.trial(number, settings, interrupt, observer)? {
                Some(trial) => self.trials.push(trial),
                None => {
                    return Ok(SearchOutcome::Interrupted(interrupt.raised().unwrap_or(Signal::Interrupt)));
                }
            }
            self.save()?;
        }
        Ok(SearchOutcome::Finished)
    }

    /// One trial, from where it stands; `None` if a signal ended it.
    fn trial(
        &self,
        number: usize,
        settings: BTreeMap<String, String>,
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Option<Trial>> {
        let config = self.search.apply(&self.base, number)?;
        let own = interrupt.apart();
        let mut watch =
            Watch { search: self, interrupt, own: &own, inner: observer, curve: Vec::new(), behind: false };
        let mut trial = Trial {
            number,
            settings,
            ending: Ending::Finished,
            best: None,
            steps: 0,
            run: None,
            curve: Vec::new(),
        };
        let done = self.trainer(config, &own, &mut watch).and_then(|trainer| {
            trial.run = Some(trainer.folder().path().to_path_buf());
            watch.read(trainer.validations());
            trainer.fit(&mut watch)
        });
        match done {
            Ok(Outcome::Finished(_)) => {}
            Ok(Outcome::Interrupted { .. }) if watch.behind => trial.ending = Ending::Behind,
            Ok(Outcome::Interrupted { .. }) => return Ok(None),
            // What says nothing about the trial.
            Err(
                error @ (Error::Io { .. }
                | Error::Locked { .. }
                | Error::ChangedData { .. }
                | Error::DamagedCheckpoint { .. }),
            ) => return Err(error),
            Err(error) => trial.ending = Ending::Failed(error.to_string()),
        }
        // JSON has no number that is none.
        trial.curve = watch.curve.into_iter().filter(|(_, result)| result.is_finite()).collect();
        trial.steps = trial.curve.last().map_or(0, |(step, _)| *step);
        trial.best = best_by(&trial.curve, u64::MAX).map(|best| self.monitor().lower_is_better(best));
        Ok(Some(trial))
    }

    /// The trainer of a trial: what an earlier one saved goes on.
    fn trainer<'a>(
        &self,
        config: RunConfig,
        own: &'a Interrupt,
        observer: &mut dyn Observer,
    ) -> Result<Trainer<'a>> {
        let told = "the trials before are saved; the same command goes on";
        let latest = own.at_once(told, || RunFolder::latest(&self.folder, Some(&config.name)));
        let folder = match latest {
            Ok(latest) => latest.folder,
            // It was not begun, or killed before its first checkpoint, or none is intact.
            Err(Error::Checkpoint { .. }) => return Trainer::start(config, &self.folder, own),
            Err(error) => return Err(error),
        };
        let run = Resumption { folder, allow_changed_data: self.allow_changed_data };
        Trainer::resume(config, run, own, observer)
    }

    fn save(&self) -> Result<()> {
        let record =
            Record { search: self.search.clone(), base: self.base.to_toml(), trials: self.trials.clone() };
        let text = serde_json::to_string_pretty(&record).expect("texts and numbers are JSON");
        write_atomically(&self.folder.join(RECORD), text.as_bytes())
    }
}

/// Listens to a trial: remembers its validations, and ends it when it is behind or a signal came.
struct Watch<'a> {
    search: &'a Search,
    interrupt: &'a Interrupt,
    own: &'a Interrupt,
    inner: &'a mut dyn Observer,
    curve: Vec<(u64, f64)>,
    behind: bool,
}

impl Watch<'_> {
    /// Takes in validations from before.
    fn read(&mut self, validations: &[crate::checkpoint::ValidationRecord]) {
        let monitor = self.search.monitor();
        self.curve =
            validations.iter().map(|v| (v.step, monitor.lower_is_better(v.result(monitor)))).collect();
    }
}

impl Observer for Watch<'_> {
    fn observe(&mut self, event: &TrainerEvent<'_>) {
        if let TrainerEvent::Validation { record, .. } = event {
            let monitor = self.search.monitor();
            let SearchConfig { median_stopping, median_after, .. } = self.search.search;
            self.curve.push((record.step, monitor.lower_is_better(record.result(monitor))));
            let best = best_by(&self.curve, record.step).unwrap_or(f64::NAN);
            if median_stopping && is_behind(best, record.step, &self.search.trials, median_after) {
                self.behind = true;
                self.own.raise(Signal::Interrupt);
            }
        }
        if let Some(signal) = self.interrupt.raised() {
            self.behind = false;
            self.own.raise(signal);
        }
        self.inner.observe(event);
    }
}

#[cfg(test)]
mod tests;
