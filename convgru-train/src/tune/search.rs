//! The trials of a search, one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::median::{best_by, is_behind};
use super::ranges::SearchConfig;
use crate::config::RunConfig;
use crate::interrupt::{Interrupt, Signal};
use crate::schedule::{Mode, Watched};
use crate::storage::{Disk, Lock, create_folders, read_if_there, remove_leftovers};
use crate::trainer::{Event, Observer, Outcome, Resumption, RunFolder, Trainer};
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
    /// Its number, from 0.
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
    /// folder, [`Error::Format`] if the folder holds another search, and those of the files.
    pub fn open(search: SearchConfig, base: RunConfig, folder: &Path) -> Result<Self> {
        search.validate()?;
        // Every trial must exist before the first is trained.
        (0..search.trials).try_for_each(|number| search.apply(&base, number)?.validate())?;
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
                if same != opened.search || record.base != opened.base.to_toml() {
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
        let sign = sign(self.search.metric);
        let mut ranked: Vec<_> = self.trials.iter().collect();
        let key = |trial: &Trial| trial.best.map_or(f64::INFINITY, |best| sign * best);
        ranked.sort_by(|a, b| key(a).total_cmp(&key(b)).then(a.number.cmp(&b.number)));
        ranked
    }

    /// Runs the trials that are not done. `begin` is told of each before it starts, and `observer`
    /// of what happens in it.
    ///
    /// # Errors
    /// Those of the files; a trial that cannot go on is a result.
    pub fn run(
        &mut self,
        interrupt: &Interrupt,
        observer: &mut dyn Observer,
        mut begin: impl FnMut(usize, &BTreeMap<String, String>),
    ) -> Result<SearchOutcome> {
        for number in self.trials.len()..self.search.trials {
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
        trial.best = best_by(&trial.curve, u64::MAX).map(|best| sign(self.search.metric) * best);
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

/// The factor that makes lower better.
fn sign(metric: Watched) -> f64 {
    if metric.mode() == Mode::Min { 1.0 } else { -1.0 }
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
        let metric = self.search.search.metric;
        self.curve = validations.iter().map(|v| (v.step, sign(metric) * v.watched(metric))).collect();
    }
}

impl Observer for Watch<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        if let Event::Validation { record, .. } = event {
            let SearchConfig { metric, median_stopping, median_after, .. } = self.search.search;
            self.curve.push((record.step, sign(metric) * record.watched(metric)));
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
mod tests {
    use super::*;
    use crate::trainer::Silent;

    fn base() -> RunConfig {
        let text = "[data]\nsize = 16\ndigit_size = 8\nmin_speed = 1.0\nmax_speed = 2.0\ninput_frames = 2\n\
                    output_frames = 1\ntrain_sequences = 8\nvalidation_sequences = 2\n[model]\npatch = 2\n\
                    hidden_channels = [2]\n[training]\nsteps = 4\nbatch_size = 2\nvalidate_every = 1\n\
                    checkpoint_every = 1\nthreads = 1";
        RunConfig::from_toml(text).unwrap()
    }

    fn search(extra: &str) -> SearchConfig {
        let text =
            format!("trials = 4\n{extra}\n[ranges]\n\"optimizer.learning_rate\" = {{ log = [1e-4, 1e-1] }}");
        SearchConfig::from_toml(&text).unwrap()
    }

    /// Raises a signal after a number of steps of the whole search.
    struct StopAfter<'a>(usize, &'a Interrupt);

    impl Observer for StopAfter<'_> {
        fn observe(&mut self, event: &Event<'_>) {
            if matches!(event, Event::Step(_)) {
                self.0 = self.0.saturating_sub(1);
                if self.0 == 0 {
                    self.1.raise(Signal::Terminate);
                }
            }
        }
    }

    /// Without the folders, which differ.
    fn results(search: &Search) -> Vec<Trial> {
        search.trials().iter().map(|trial| Trial { run: None, ..trial.clone() }).collect()
    }

    #[test]
    fn a_search_that_was_stopped_goes_on_to_the_same_results() {
        let out = tempfile::tempdir().unwrap();
        let mut whole = Search::open(search(""), base(), &out.path().join("whole")).unwrap();
        let outcome = whole.run(&Interrupt::manual(), &mut Silent, |_, _| {}).unwrap();
        assert_eq!((outcome, whole.trials().len()), (SearchOutcome::Finished, 4));
        assert!(whole.trials().iter().all(|trial| trial.ending == Ending::Finished && trial.best.is_some()));
        let ranked = whole.ranked();
        assert!(ranked.windows(2).all(|pair| pair[0].best <= pair[1].best));
        assert_ne!(ranked[0].best, ranked[3].best, "equal results would prove nothing");

        let parts = out.path().join("parts");
        for stop in [2, 3, 7] {
            let mut search = Search::open(search(""), base(), &parts).unwrap();
            let interrupt = Interrupt::manual();
            let outcome = search.run(&interrupt, &mut StopAfter(stop, &interrupt), |_, _| {}).unwrap();
            assert_eq!(outcome, SearchOutcome::Interrupted(Signal::Terminate));
        }
        let mut search = Search::open(search(""), base(), &parts).unwrap();
        search.run(&Interrupt::manual(), &mut Silent, |_, _| {}).unwrap();
        assert_eq!(results(&search), results(&whole));
        for trial in search.trials() {
            assert!(trial.run.as_ref().unwrap().join("config.toml").is_file());
        }
    }

    #[test]
    fn trials_behind_the_median_end() {
        let out = tempfile::tempdir().unwrap();
        let mut search = Search::open(
            SearchConfig { trials: 8, ..search("median_stopping = true\nmedian_after = 1") },
            base(),
            out.path(),
        )
        .unwrap();
        search.run(&Interrupt::manual(), &mut Silent, |_, _| {}).unwrap();
        let behind: Vec<_> = search.trials().iter().filter(|trial| trial.ending == Ending::Behind).collect();
        assert!(!behind.is_empty(), "{:?}", search.trials());
        assert!(behind.iter().all(|trial| trial.steps <= 4 && trial.number > 0));
        for trial in behind {
            let (step, _) = *trial.curve.last().unwrap();
            let best = best_by(&trial.curve, step).unwrap();
            assert!(is_behind(best, step, &search.trials()[..trial.number], 1), "{trial:?}");
        }
    }

    #[test]
    fn another_search_in_the_folder_is_refused_and_more_trials_are_not() {
        let out = tempfile::tempdir().unwrap();
        Search::open(search(""), base(), out.path()).unwrap();
        let more = SearchConfig { trials: 9, ..search("") };
        Search::open(more, base(), out.path()).unwrap();
        let Err(error) = Search::open(search("seed = 3"), base(), out.path()) else { panic!("another seed") };
        assert!(error.to_string().contains("other ranges"), "{error}");
        let Err(error) = Search::open(search(""), base().with("training.steps=5").unwrap(), out.path())
        else {
            panic!("another configuration")
        };
        assert!(error.to_string().contains("another configuration"), "{error}");
    }

    #[test]
    fn a_trial_that_cannot_go_on_is_a_result() {
        let out = tempfile::tempdir().unwrap();
        let text = "trials = 1\n[ranges]\n\"optimizer.learning_rate\" = [1e38]";
        let base = base().with("training.stop_after_nonfinite=0").unwrap();
        let base = base.with("schedule.kind=constant").unwrap();
        let mut search = Search::open(SearchConfig::from_toml(text).unwrap(), base, out.path()).unwrap();
        search.run(&Interrupt::manual(), &mut Silent, |_, _| {}).unwrap();
        let Ending::Failed(reason) = &search.trials()[0].ending else { panic!("{:?}", search.trials()) };
        assert!(reason.contains("not finite"), "{reason}");
    }
}
