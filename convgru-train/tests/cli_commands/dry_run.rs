//! `convgru train --dry-run`: what a training would take.

use std::fs;

use crate::program::{convgru, folder, weights};

#[test]
fn a_dry_run_measures_and_writes_nothing() {
    let folder = folder();
    let files = || {
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    let ran = convgru(folder.path(), "train --config tiny.toml --dry-run --json --steps 5000").succeeded();
    let value = ran.json();
    assert_eq!((value["steps"].as_u64(), value["batch_size"].as_u64()), (Some(5000), Some(2)));
    assert_eq!(value["frame"], serde_json::json!([1, 16, 16]));
    assert_eq!(value["sequences"], serde_json::json!([8, 2, 3]));
    assert_eq!(
        (value["validations"].as_u64(), value["network"].as_str()),
        (Some(2500), Some("encoder-forecaster"))
    );
    assert_eq!(value["measured_steps"], 8);
    let number = |key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key}: {value}"));
    let whole = 5000.0 * number("seconds_per_step") + 2500.0 * number("seconds_per_validation");
    assert!(number("seconds") > whole && number("seconds_per_step") > 0.0, "{value}");
    assert!(number("memory") > 1e4 && number("first_loss") > 0.0 && number("parameters") > 1000.0, "{value}");
    // The first step is that of the training.
    convgru(folder.path(), "train --config tiny.toml --out run").succeeded();
    let log = fs::read_to_string(folder.path().join("run/tiny/metrics.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(value["first_loss"], first["loss"]);
    fs::remove_dir_all(folder.path().join("run")).unwrap();

    let fine = format!("train --config tiny.toml --dry-run --steps 1 --init-from {}", weights().display());
    let table = convgru(folder.path(), &fine).succeeded().stdout;
    for words in [
        "nothing was written",
        "parameters",
        "begins with",
        "16 x 16 pixels, 1 channel",
        "MiB",
        "ms",
        "whole run",
        "for 1 step,",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert_eq!(files(), before);
}

#[test]
fn what_a_training_refuses_a_dry_run_refuses() {
    let folder = folder();
    for (arguments, code, words) in [
        ("--set data.train_sequences=10000000 --batch-size 10000000", 1, "GiB"),
        ("--set model.patch=5", 2, "model.patch"),
        ("--set training.monitor=csi@7", 2, "training.monitor"),
        ("--resume", 2, "cannot be used with"),
        ("--print-config", 2, "cannot be used with"),
    ] {
        let ran = convgru(folder.path(), &format!("train --config tiny.toml --dry-run {arguments}"));
        assert!(ran.code == Some(code) && ran.stderr.contains(words), "{arguments}: {ran:?}");
        assert!(!folder.path().join("runs").exists());
    }
}

#[test]
fn a_dry_run_tells_of_a_learning_rate_that_leaves_no_finite_numbers() {
    let folder = folder();
    let linear = "--set training.loss=mse --set model.output_activation=identity --lr 1e38";
    for (arguments, steps, words) in [
        (format!("{linear} --steps 500"), 8, "8 of 9 tried steps were not finite, first the"),
        // The step itself is finite, and what it leads to is not.
        (format!("{linear} --steps 1"), 0, "after 1 step a validation fails"),
        ("--lr 1e30 --steps 500".to_owned(), 0, "the loss grew from"),
    ] {
        let ran = convgru(
            folder.path(),
            &format!("train --config tiny.toml --set schedule.kind=constant --dry-run --json {arguments}"),
        );
        let ran = ran.succeeded();
        assert!(
            ran.stderr.contains(words) && ran.stderr.contains("lower optimizer.learning_rate (1e3"),
            "{arguments}: {}",
            ran.stderr
        );
        assert_eq!(ran.json()["not_finite_steps"], steps, "{arguments}");
    }
    let sound = convgru(folder.path(), "train --config tiny.toml --dry-run --json").succeeded();
    assert!(
        sound.json()["not_finite_steps"] == 0 && !sound.stderr.contains("learning_rate"),
        "{}",
        sound.stderr
    );
}
