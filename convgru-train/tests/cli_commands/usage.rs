//! Help and version.

use crate::program::{LAST_FRAME, array, convgru, folder};

#[test]
fn every_command_explains_itself_with_an_example() {
    let folder = folder();
    for (command, option) in [
        ("train", "--resume"),
        ("eval", "--checkpoint"),
        ("predict", "--frames"),
        ("import", "--out"),
        ("export", "--layout"),
    ] {
        let ran = convgru(folder.path(), &format!("{command} --help")).succeeded();
        assert!(ran.stdout.contains(&format!("  convgru {command}")), "{command}: {}", ran.stdout);
        assert!(ran.stdout.contains("Example"), "{command}: {}", ran.stdout);
        assert!(ran.stdout.contains(option), "{command}: {}", ran.stdout);
        assert!(ran.stdout.contains("--json"), "{command}: {}", ran.stdout);
        // All that import needs has no default.
        assert!(command == "import" || ran.stdout.contains("[default: "), "{command}: {}", ran.stdout);
    }
    let ran = convgru(folder.path(), "--help").succeeded();
    assert!(ran.stdout.contains("train") && ran.stdout.contains("Example"), "{}", ran.stdout);
}

#[test]
fn the_version_is_that_of_the_package() {
    let folder = folder();
    let ran = convgru(folder.path(), "--version").succeeded();
    assert_eq!(ran.stdout.trim(), concat!("convgru ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn proposed_commands_name_the_wrapper_that_was_called() {
    let folder = folder();
    let output = crate::program::command(folder.path(), "train --config tiny.toml --set training.steps=1")
        .env("CONVGRU_PROGRAM", "cargo xtask")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("cargo xtask eval --checkpoint"), "{stdout}");
}

#[test]
fn a_configuration_is_printed_without_data_and_a_run_needs_them() {
    let folder = folder();
    let printed = convgru(folder.path(), "train --preset radar --lr 0.0005 --print-config").succeeded();
    assert!(printed.stdout.contains("learning_rate = 0.0005"), "{}", printed.stdout);
    std::fs::write(folder.path().join("ranges.toml"), RANGES).unwrap();
    for command in ["train --preset radar", "tune --preset radar --ranges ranges.toml"] {
        let ran = convgru(folder.path(), command);
        assert!(ran.code == Some(2) && ran.stderr.contains("give --data DIR"), "{command}: {ran:?}");
    }
}

#[test]
fn a_search_whose_trials_all_fail_has_failed_and_says_why() {
    let folder = folder();
    std::fs::write(folder.path().join("ranges.toml"), RANGES).unwrap();
    // That no number is an event is known with the data.
    array(&folder.path().join("x.npy"), &[60, 16, 16], |at| (at % 7) as f32 / 6.0);
    std::fs::write(folder.path().join("config.toml"), LAST_FRAME).unwrap();
    let ran = convgru(folder.path(), "tune --ranges ranges.toml --config config.toml --data x.npy");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("trial 1 failed:") && ran.stderr.contains("csi"), "{}", ran.stderr);
}

#[test]
fn arguments_that_contradict_each_other_are_refused_and_change_nothing() {
    let folder = folder();
    convgru(folder.path(), "train --config tiny.toml").succeeded();
    let ranges = format!("trials = 1\nmetric = \"mse\"\n{}", RANGES.split_once("trials = 1\n").unwrap().1);
    std::fs::write(folder.path().join("ranges.toml"), ranges).unwrap();
    let config = std::fs::read(folder.path().join("runs/tiny/config.toml")).unwrap();
    for (arguments, words) in [
        ("train --resume=tiny --preset quick", "--preset quick"),
        ("train --resume=tiny --name other", "called tiny"),
        ("train --resume=tiny --set name=other", "called tiny"),
        ("train --steps 3 --set training.steps=4", "both change training.steps"),
        ("train --lr 0.1 --set optimizer.learning_rate=0.1", "both change optimizer.learning_rate"),
        ("train --seed 1 --set training.seed=1", "both change training.seed"),
        ("train --threads 1 --set training.threads=1", "both change training.threads"),
        ("train --data x --set data_folder=y", "both change data_folder"),
        ("train --init-from x --set init.from=y", "both change init.from"),
        ("train --print-config --json", "cannot be used with"),
        ("tune --ranges ranges.toml --lr 0.1", "varies optimizer.learning_rate"),
        ("tune --ranges ranges.toml --set optimizer.learning_rate=0.1", "varies optimizer.learning_rate"),
        ("tune --ranges ranges.toml --name x", "names its trials itself"),
        ("tune --ranges ranges.toml --set training.monitor=ssim", "`metric`"),
        ("runs --compare tiny tiny --sort mse", "cannot be used with"),
    ] {
        let ran = convgru(folder.path(), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
    assert_eq!(std::fs::read(folder.path().join("runs/tiny/config.toml")).unwrap(), config);
    assert!(!folder.path().join("runs/tune").exists() && !folder.path().join("runs/quick").exists());
    // The same run by its name, by its path and as a value of its own.
    for named in [
        "--resume=tiny",
        "--resume tiny",
        "--resume=runs/tiny",
        "--resume tiny --name tiny",
        "--resume --steps 6",
    ] {
        let ran = convgru(folder.path(), &format!("train {named} --json")).succeeded();
        assert_eq!(ran.json()["run"], "runs/tiny", "{named}");
    }
    let checkpoints = convgru(folder.path(), "train --resume=tiny/checkpoints");
    assert!(
        checkpoints.code == Some(1) && checkpoints.stderr.contains("of the run runs/tiny"),
        "{checkpoints:?}"
    );
    let model = convgru(folder.path(), "eval --checkpoint runs/tiny/checkpoints");
    assert!(model.code == Some(1) && model.stderr.contains("of the run runs/tiny"), "{model:?}");
}

#[test]
fn a_trial_has_one_number_everywhere() {
    let folder = folder();
    let ranges = format!("trials = 2\n{}", RANGES.split_once("trials = 1\n").unwrap().1);
    std::fs::write(folder.path().join("ranges.toml"), ranges).unwrap();
    let tune = "tune --ranges ranges.toml --config tiny.toml --threads 1";
    let ran = convgru(folder.path(), &format!("{tune} --json")).succeeded();
    assert!(ran.stderr.contains("trial 1/2:") && ran.stderr.contains("trial 2/2:"), "{}", ran.stderr);
    for trial in ran.json().as_array().unwrap() {
        let number = trial["number"].as_u64().unwrap();
        assert_eq!(trial["run"].as_str().unwrap(), format!("runs/tune/trial-{number:04}"));
    }
    let table = convgru(folder.path(), tune).succeeded().stdout;
    let numbers: Vec<_> = table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(numbers.contains(&"1") && numbers.contains(&"2"), "{table}");
}

/// A search by a score that drawn digits do not have.
const RANGES: &str =
    "metric = \"csi@3\"\ntrials = 1\n[ranges]\n\"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }\n";
