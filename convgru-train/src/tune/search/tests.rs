//! A search is the same however often it was stopped.

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
    fn observe(&mut self, event: &TrainerEvent<'_>) {
        if matches!(event, TrainerEvent::Step(_)) {
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
    assert!(behind.iter().all(|trial| trial.steps <= 4 && trial.number > 1));
    for trial in behind {
        let (step, _) = *trial.curve.last().unwrap();
        let best = best_by(&trial.curve, step).unwrap();
        assert!(is_behind(best, step, &search.trials()[..trial.number - 1], 1), "{trial:?}");
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
    let Err(error) = Search::open(search(""), base().with("training.steps=5").unwrap(), out.path()) else {
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

#[test]
fn the_metric_of_a_search_is_the_monitor_of_its_trials() {
    let out = tempfile::tempdir().unwrap();
    for (name, of_base, metric) in [
        ("own", "mse", "metric = \"fss@0.4\""),
        ("run", "fss@0.4", ""),
        ("named", "fss@0.4", "metric = \"monitor\""),
    ] {
        let base = base().with(&format!("training.monitor={of_base}")).unwrap();
        let mut search = Search::open(search(metric), base, &out.path().join(name)).unwrap();
        assert_eq!(search.monitor().to_string(), "fss@0.4");
        search.run(&Interrupt::manual(), &mut Silent, |_, _| {}).unwrap();
        let ranked = search.ranked();
        assert!(ranked[0].best.is_some(), "{ranked:?}");
        assert!(ranked.windows(2).all(|pair| pair[0].best.unwrap_or(-1.0) >= pair[1].best.unwrap_or(-1.0)));
        let config = RunConfig::read(&ranked[0].run.as_ref().unwrap().join("config.toml")).unwrap();
        assert_eq!(config.training.monitor, search.monitor());
    }
}
