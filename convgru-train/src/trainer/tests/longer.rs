//! More steps for a run that was to have fewer.

use super::*;
use crate::checkpoint::Checkpoint;

/// The [`tiny`] run whose probability of teacher forcing does not depend on the number of steps.
fn steady(settings: &[&str]) -> RunConfig {
    let steady = ["training.teacher_forcing.start=0.5", "training.teacher_forcing.end=0.5"];
    tiny().with_all(&steady).unwrap().with_all(settings).unwrap()
}

fn with_steps(config: &RunConfig, steps: u64) -> RunConfig {
    config.with(&format!("training.steps={steps}")).unwrap()
}

/// The last checkpoint of a run of `steps`.
fn last(out: &Path, steps: u64) -> Checkpoint {
    Checkpoint::read(&run(out).join(format!("checkpoints/step_{steps:08}.ckpt"))).unwrap()
}

/// What a run says that may not go on for `steps` steps with `settings`; nothing has changed then.
fn refusal(config: &RunConfig, out: &Path, settings: &[&str]) -> String {
    let before = fs::read(run(out).join("config.toml")).unwrap();
    let Err(error) = train(&config.with_all(settings).unwrap(), out, 0) else {
        panic!("{settings:?} are allowed")
    };
    assert!(fs::read(run(out).join("config.toml")).unwrap() == before);
    error.to_string()
}

#[test]
fn more_steps_have_the_bits_of_a_run_that_had_them_from_the_beginning() {
    for settings in [
        &["schedule.kind=constant", "training.ema_decay=0.9"][..],
        &["schedule.kind=step", "schedule.step_size=3", "optimizer.kind=sgd", "optimizer.momentum=0.9"],
        &["schedule.kind=multi-step", "schedule.milestones=[3, 7]", "schedule.warmup.steps=2"],
        &["schedule.kind=exponential", "schedule.gamma=0.9"],
        &["schedule.kind=cosine-restarts", "schedule.t_0=3"],
        &["schedule.kind=cosine", "schedule.t_max=5"],
        &["schedule.kind=linear", "schedule.total_iters=5"],
        &["schedule.kind=polynomial", "schedule.total_iters=5"],
        &["schedule.kind=plateau", "schedule.patience=0", "schedule.threshold=0.9"],
        &["schedule.kind=constant", "training.early_stopping.patience=9"],
    ] {
        let config = steady(settings);
        let out = tempfile::tempdir().unwrap();
        let (whole, parts) = (out.path().join("whole"), out.path().join("parts"));
        train(&with_steps(&config, 8), &whole, 0).unwrap();
        for steps in [4, 6, 8] {
            train(&with_steps(&config, steps), &parts, 0).unwrap();
        }
        assert_eq!(log(&parts), log(&whole), "{settings:?}");
        assert!(weights(&parts) == weights(&whole), "{settings:?}: the files differ");
        let config_toml = |out: &Path| fs::read_to_string(run(out).join("config.toml")).unwrap();
        assert_eq!(config_toml(&parts), config_toml(&whole));

        // The validation at the old end is none of the longer run, which has none there: it moves no rate.
        let odd = out.path().join("odd");
        for steps in [3, 5, 8] {
            train(&with_steps(&config, steps), &odd, 0).unwrap();
        }
        let steps =
            |out: &Path| log(out).into_iter().filter(|line| line["kind"] == "step").collect::<Vec<_>>();
        assert_eq!(steps(&odd), steps(&whole), "{settings:?}");
        let [odd, whole] = [last(&odd, 8), last(&whole, 8)];
        assert!(odd.parameters == whole.parameters && odd.optimizer == whole.optimizer, "{settings:?}");
    }
}

#[test]
fn a_run_goes_on_where_it_was_killed_between_its_configuration_and_its_next_checkpoint() {
    let config = steady(&["schedule.kind=constant"]);
    let out = tempfile::tempdir().unwrap();
    let (whole, parts) = (out.path().join("whole"), out.path().join("parts"));
    train(&with_steps(&config, 6), &whole, 0).unwrap();
    train(&with_steps(&config, 4), &parts, 0).unwrap();
    fs::write(run(&parts).join("config.toml"), with_steps(&config, 6).to_toml()).unwrap();
    let again = RunConfig::read(&run(&parts).join("config.toml")).unwrap();
    train(&again, &parts, 0).unwrap();
    assert!(weights(&parts) == weights(&whole));
}

#[test]
fn schedules_over_all_steps_are_named_with_what_to_do() {
    for (settings, words) in [
        (
            &["schedule.kind=one-cycle"][..],
            &["\"one-cycle\"", "spreads over all steps", "--init-from RUN"][..],
        ),
        (
            &["schedule.kind=cosine"],
            &["\"cosine\"", "--set schedule.t_max=6", "rises again", "--init-from RUN"],
        ),
        (&["schedule.kind=cosine", "schedule.warmup.steps=2"], &["--set schedule.t_max=4"]),
        (
            &["schedule.kind=linear", "schedule.total_iters=0"],
            &["\"linear\"", "--set schedule.total_iters=6"],
        ),
        (&["schedule.kind=polynomial", "schedule.total_iters=0"], &["--set schedule.total_iters=6"]),
    ] {
        let config = steady(settings);
        let out = tempfile::tempdir().unwrap();
        train(&config, out.path(), 0).unwrap();
        let error = refusal(&config, out.path(), &["training.steps=9"]);
        for words in words.iter().chain(&["training.steps: 6, 9", "learning rate"]) {
            assert!(error.contains(words), "{error} lacks {words}");
        }
        // What is advised is taken.
        if let Some((_, advice)) = error.split_once("--set ") {
            let advice = advice.split(' ').next().unwrap();
            train(&config.with_all(&["training.steps=9", advice]).unwrap(), out.path(), 0).unwrap();
            assert_eq!(last(out.path(), 9).history.steps.len(), 9);
        }
    }
}

#[test]
fn teacher_forcing_over_a_share_of_all_steps_is_kept_by_another_share() {
    for name in ["teacher_forcing", "reverse_sampling"] {
        let start = format!("training.{name}.start=0.9");
        let config = tiny()
            .with_all(&["schedule.kind=constant", "training.teacher_forcing.end=1", &start])
            .unwrap()
            .with("training.teacher_forcing.end=0")
            .unwrap();
        let config = match name {
            "teacher_forcing" => config,
            _ => config.with("training.teacher_forcing.start=0").unwrap(),
        };
        let out = tempfile::tempdir().unwrap();
        train(&config, out.path(), 0).unwrap();
        let error = refusal(&config, out.path(), &["training.steps=9"]);
        let advice = error.split_once("--set ").unwrap().1.split(' ').next().unwrap();
        assert!(advice.starts_with(&format!("training.{name}.until=0.33")), "{error}");
        let longer = config.with_all(&["training.steps=9", advice]).unwrap();
        train(&longer, out.path(), 0).unwrap();
        let whole = tempfile::tempdir().unwrap();
        train(&longer, whole.path(), 0).unwrap();
        assert!(last(out.path(), 9).parameters == last(whole.path(), 9).parameters);
    }
}

#[test]
fn a_run_that_stopped_early_goes_on_with_more_patience() {
    let out = tempfile::tempdir().unwrap();
    let stopping = ["training.early_stopping.patience=1", "training.early_stopping.min_delta=1e9"];
    let config = steady(&["schedule.kind=constant"]);
    train(&config.with_all(&stopping).unwrap(), out.path(), 0).unwrap();
    let config = config.with_all(&stopping).unwrap();
    let error = refusal(&config, out.path(), &["training.steps=9"]);
    for words in
        ["ends it at step 4", "after 1 validation without", "--set training.early_stopping.patience=N"]
    {
        assert!(error.contains(words), "{error} lacks {words}");
    }
    // To the last step it was to have, and beyond.
    for steps in [6, 8] {
        let patient = with_steps(&config, steps).with("training.early_stopping.patience=0").unwrap();
        train(&patient, out.path(), 0).unwrap();
        assert_eq!(last(out.path(), steps).history.steps.len() as u64, steps);
        let whole = tempfile::tempdir().unwrap();
        train(&patient, whole.path(), 0).unwrap();
        assert!(weights(out.path()) == weights(whole.path()));
    }
}

#[test]
fn fewer_steps_and_other_changes_are_refused() {
    let config = steady(&["schedule.kind=constant"]);
    let out = tempfile::tempdir().unwrap();
    train(&config, out.path(), 0).unwrap();
    let error = refusal(&config, out.path(), &["training.steps=4"]);
    assert!(error.contains("training.steps: 6, 4") && error.contains("not fewer"), "{error}");
    let error = refusal(&config, out.path(), &["training.steps=9", "training.batch_size=1"]);
    assert!(error.contains("training.batch_size: 2, 1"), "{error}");
    // Without more steps a schedule that has not changed anything yet is refused as it always was.
    let error = refusal(&config, out.path(), &["schedule.kind=multi-step", "schedule.milestones=[100]"]);
    assert!(error.contains("schedule.kind"), "{error}");
    let plateau = refusal(&config, out.path(), &["training.steps=9", "schedule.kind=plateau"]);
    assert!(plateau.contains("a plateau keeps its fields"), "{plateau}");
}
