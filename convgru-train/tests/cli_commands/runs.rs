//! `convgru runs`.

use crate::program::{convgru, finished_run, folder};

#[test]
fn runs_are_listed_with_their_figures_and_compared() {
    let made = finished_run();
    let listed = convgru(made, "runs --json --sort test").succeeded().json();
    let run = &listed[0];
    assert_eq!((&run["name"], &run["step"], &run["steps"]), (&"tiny".into(), &6.into(), &6.into()));
    let eval = convgru(made, "eval --checkpoint runs/tiny/model.safetensors --json").succeeded().json();
    assert_eq!(run["test"]["mse"], eval["mse"], "what eval measures");
    assert!(run["best"]["mse"].is_number() && run["config_hash"].is_string(), "{run}");
    let table = convgru(made, "runs").succeeded().stdout;
    assert!(table.contains("test MSE") && table.contains("tiny"), "{table}");

    let folder = folder();
    for (name, seed) in [("a", 1), ("b", 2)] {
        convgru(folder.path(), &format!("train --config tiny.toml --set name={name} --seed {seed}"))
            .succeeded();
    }
    let compared = convgru(folder.path(), "runs --compare a b").succeeded().stdout;
    assert!(compared.contains("training.seed"), "{compared}");
    let same = convgru(folder.path(), "runs --compare a a --json").succeeded().json();
    assert_eq!(same["differences"], serde_json::json!([]));
}

#[test]
fn folders_that_are_no_runs_are_named() {
    let folder = folder();
    let missing = convgru(folder.path(), "runs --out nowhere");
    assert!(missing.code == Some(1) && missing.stderr.contains("nowhere"), "{}", missing.stderr);
    std::fs::create_dir(folder.path().join("runs")).unwrap();
    let none = convgru(folder.path(), "runs").succeeded().stdout;
    assert!(none.contains("no runs in runs"), "{none}");
    let unknown = convgru(folder.path(), "runs --compare a b");
    assert!(unknown.code == Some(1) && unknown.stderr.contains('a'), "{}", unknown.stderr);
}

#[test]
fn damaged_runs_are_left_out_and_named() {
    let folder = folder();
    for name in ["a", "b", "c", "d"] {
        let train = format!("train --config tiny.toml --set name={name} --set training.steps=1");
        convgru(folder.path(), &train).succeeded();
    }
    let at = |path: &str| folder.path().join("runs").join(path);
    std::fs::write(at("a/config.toml"), [0xff, 0xfe]).unwrap();
    std::fs::write(at("b/test.json"), "{").unwrap();
    std::fs::write(at("c/metrics.jsonl"), [0xff, 0xfe]).unwrap();
    for arguments in ["runs --json", "runs --json --sort mse"] {
        let listed = convgru(folder.path(), arguments).succeeded();
        let runs = listed.json();
        let mut names: Vec<_> =
            runs.as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["c", "d"], "{}", listed.stderr);
        for file in ["a/config.toml", "b/test.json"] {
            assert!(
                listed.stderr.contains("warning: a run is left out") && listed.stderr.contains(file),
                "{}",
                listed.stderr
            );
        }
    }
}
