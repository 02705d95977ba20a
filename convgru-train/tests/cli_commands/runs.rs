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
