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
