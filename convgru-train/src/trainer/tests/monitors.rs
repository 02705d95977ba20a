//! Which validation is the best, and which of its checkpoints stay.

use super::*;
use crate::checkpoint::Checkpoint;
use crate::schedule::Monitor;

/// The [`tiny`] run with a validation after each step.
fn validated(settings: &[&str]) -> RunConfig {
    tiny().with("training.validate_every=1").unwrap().with_all(settings).unwrap()
}

/// Names of the checkpoints of the best validations.
fn best_files(out: &Path) -> Vec<String> {
    let entries = fs::read_dir(run(out).join("checkpoints")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("best")).collect();
    names.sort();
    names
}

fn finished(config: &RunConfig, out: &Path) -> Box<TrainedRun> {
    let (Outcome::Finished(trained), _) = train(config, out, 0).unwrap() else {
        panic!("no signal was sent")
    };
    trained
}

#[test]
fn the_best_model_is_that_of_the_monitored_result() {
    for (name, members) in [
        ("loss", false),
        ("mse", false),
        ("mae", false),
        ("psnr", false),
        ("ssim", false),
        ("crps", true),
        ("fair_crps", true),
        ("csi@0.3", false),
        ("far@0.2", false),
        ("fss@0.45", false),
    ] {
        let monitor: Monitor = name.parse().unwrap();
        let setting = format!("training.monitor={name}");
        let mut config = validated(&[&setting, "training.keep_best=3", "optimizer.learning_rate=0.05"]);
        if members {
            let ensemble = ["model.feedback=unconditioned", "model.members=3", "training.loss=crps"];
            config = config.with_all(&ensemble).unwrap();
        }
        let out = tempfile::tempdir().unwrap();
        let trained = finished(&config, out.path());
        let results: Vec<(u64, f64)> =
            trained.history.validations.iter().map(|v| (v.step, v.result(monitor))).collect();
        assert_eq!(results.len(), 6);
        assert!(results.iter().all(|(_, value)| value.is_finite()), "{name}: {results:?}");
        assert!(
            results.windows(2).any(|pair| pair[0].1 != pair[1].1),
            "{name} changes with the steps: {results:?}"
        );
        let lower = |value: f64| monitor.lower_is_better(value);
        let least = results.iter().map(|(_, value)| lower(*value)).fold(f64::INFINITY, f64::min);
        let best = results.iter().find(|(_, value)| lower(*value) == least).unwrap();
        assert_eq!(trained.history.best, Some(*best), "{name}");
        assert_eq!(trained.model.step, best.0, "{name}");
        // The lines of the log name every result.
        let logged = log(out.path());
        let logged = logged
            .iter()
            .filter(|line| line["kind"] == "validation")
            .map(|line| line[name].as_f64().unwrap());
        assert_eq!(logged.collect::<Vec<_>>(), results.iter().map(|(_, value)| *value).collect::<Vec<_>>());
        let folder = RunFolder::open(&run(out.path())).unwrap();
        let summary = RunSummary::read(&folder).unwrap();
        assert_eq!(
            (summary.monitor, summary.best.map(|best| (best.step, best.value))),
            (monitor, Some(*best))
        );
        // The three best, each with its model.
        let kept = trained.history.best_validations(monitor, 3);
        assert_eq!(kept[0], *best);
        let mut expected: Vec<_> = kept.iter().map(|(step, _)| format!("best_{step:08}.ckpt")).collect();
        expected.push("best.ckpt".to_owned());
        expected.sort();
        assert_eq!(best_files(out.path()), expected, "{name}");
        for (step, _) in kept {
            let path = folder.checkpoints().join(format!("best_{step:08}.ckpt"));
            assert_eq!(Checkpoint::read(&path).unwrap().cursor.step, step);
            // As eval --checkpoint RUN/best_00000004.ckpt finds it.
            TrainedModel::read(&run(out.path()).join(format!("best_{step:08}.ckpt"))).unwrap();
        }
    }
}

#[test]
fn monitored_events_stop_slow_down_and_resume_with_the_same_bits() {
    for settings in [
        &["schedule.kind=plateau", "schedule.patience=0", "training.monitor=csi@0.3"][..],
        &["schedule.kind=plateau", "schedule.patience=0", "schedule.metric=far@0.2", "training.keep_best=2"],
        &[
            "training.early_stopping.patience=2",
            "training.early_stopping.metric=fss@0.4",
            "training.monitor=ssim",
        ],
        &["training.keep_best=4", "training.monitor=psnr"],
    ] {
        let config = validated(settings);
        let out = tempfile::tempdir().unwrap();
        let (whole, parts) = (out.path().join("whole"), out.path().join("parts"));
        train(&config, &whole, 0).unwrap();
        for stop in [2, 3, 5, 0] {
            train(&config, &parts, stop).unwrap();
        }
        assert_eq!(log(&parts), log(&whole), "{settings:?}");
        assert!(weights(&parts) == weights(&whole), "{settings:?}: the files differ");
        assert_eq!(best_files(&parts), best_files(&whole));
        for name in best_files(&whole) {
            let of =
                |out: &Path| Checkpoint::read(&run(out).join("checkpoints").join(&name)).unwrap().parameters;
            assert!(of(&parts) == of(&whole), "{settings:?}: {name}");
        }
    }
}

#[test]
fn a_plateau_and_early_stopping_listen_to_the_monitor_of_the_run() {
    let rates = |settings: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        train(&validated(settings), out.path(), 0).unwrap();
        let steps = log(out.path()).into_iter().filter(|line| line["kind"] == "step");
        steps.map(|line| line["learning_rate"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let plateau = ["schedule.kind=plateau", "schedule.patience=0", "schedule.threshold=0"];
    for name in ["ssim", "csi@0.3", "far@0.2"] {
        let (monitor, metric) = (format!("training.monitor={name}"), format!("schedule.metric={name}"));
        assert_eq!(rates(&[&plateau[..], &[&monitor]].concat()), rates(&[&plateau[..], &[&metric]].concat()));
    }
    assert_ne!(rates(&[&plateau[..], &["training.monitor=csi@0.3"]].concat()), rates(&plateau));
    let stopping = ["training.early_stopping.patience=1", "training.early_stopping.min_delta=0.1"];
    let [of_run, own] = ["training.monitor=ssim", "training.early_stopping.metric=ssim"]
        .map(|setting| rates(&[&stopping[..], &[setting]].concat()).len());
    assert_eq!(of_run, own);
    assert!(of_run < 6, "{of_run}");
}

#[test]
fn a_result_that_is_never_defined_leaves_the_last_model() {
    // Frames of this network are hardly ever above 0.9, and those of the data are: POD is 0, FAR undefined.
    let config = validated(&["training.monitor=far@1", "training.keep_best=2"]);
    let out = tempfile::tempdir().unwrap();
    let trained = finished(&config, out.path());
    assert_eq!((trained.history.best, trained.model.step), (None, 6));
    assert!(best_files(out.path()).is_empty());
    let folder = RunFolder::open(&run(out.path())).unwrap();
    assert_eq!(RunSummary::read(&folder).unwrap().best, None);
}

#[test]
fn results_that_there_are_not_are_refused_with_those_there_are() {
    for (settings, words) in [
        (&["training.monitor=csi"][..], &["`training.monitor`", "csi@T", "loss, mse, mae, psnr, ssim"][..]),
        (&["training.early_stopping.metric=rmse"], &["`rmse`", "csi@T"]),
        (&["schedule.kind=plateau", "schedule.metric=csi@rain"], &["`csi@rain`", "csi@T"]),
    ] {
        let error = tiny().with_all(settings).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let out = tempfile::tempdir().unwrap();
    for (settings, words) in [
        (
            &["training.monitor=crps"][..],
            &["`training.monitor`", "model.members is 1", "mse, mae, psnr, ssim, and"][..],
        ),
        (
            &["schedule.kind=plateau", "schedule.metric=fair_crps"],
            &["`schedule.metric`", "model.members is 1"],
        ),
        (
            &["training.monitor=csi@2"],
            &["`training.monitor`", "values of the data go from 0 to 1", "T above 0 and at most 1"],
        ),
        (&["training.monitor=pod@0"], &["values of 0 or more as events"]),
        (&["training.keep_best=0"], &["training.keep_best"]),
    ] {
        let Err(error) = train(&tiny().with_all(settings).unwrap(), out.path(), 0) else {
            panic!("{settings:?}")
        };
        let error = error.to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(!run(out.path()).exists(), "nothing is written");
    }
    // What no run of this configuration looks at is not refused.
    tiny().with("training.early_stopping.metric=crps").unwrap().validate().unwrap();
}
