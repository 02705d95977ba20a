//! Help and version.

use crate::program::{convgru, folder};

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
        assert!(ran.code == Some(1) && ran.stderr.contains("give --data DIR"), "{command}: {ran:?}");
    }
}

#[test]
fn a_search_whose_trials_all_fail_has_failed_and_says_why() {
    let folder = folder();
    std::fs::write(folder.path().join("ranges.toml"), RANGES).unwrap();
    let ran = convgru(folder.path(), "tune --ranges ranges.toml --config tiny.toml --threads 1");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("trial 1 failed:") && ran.stderr.contains("csi"), "{}", ran.stderr);
}

/// A search by a score that drawn digits do not have.
const RANGES: &str =
    "metric = \"csi@3\"\ntrials = 1\n[ranges]\n\"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }\n";
