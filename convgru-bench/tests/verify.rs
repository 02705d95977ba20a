//! The commands `gradcheck` and `parity`, called as programs.

#![expect(clippy::unwrap_used, reason = "tests fail by panics")]

use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_convgru-bench")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn help_has_an_example_and_defaults() {
    for (command, option) in [("gradcheck", "--draws"), ("parity", "--dir")] {
        let ran = bench(&[command, "--help"]);
        assert!(ran.status.success());
        let help = text(&ran.stdout);
        for word in ["Example", &format!("  cargo xtask {command}"), option, "--json", "[default: "] {
            assert!(help.contains(word), "{command}: no `{word}` in {help}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_refused() {
    for (arguments, word) in [(["gradcheck", "--draws", "0"], "100000"), (["gradcheck", "--seed", "x"], "x")]
    {
        let ran = bench(&arguments);
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}");
        assert!(text(&ran.stderr).contains(word), "{}", text(&ran.stderr));
    }
}

#[test]
fn a_folder_without_recorded_values_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let ran = bench(&["parity", "--dir", missing.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains("missing"), "{}", text(&ran.stderr));
    assert!(ran.stdout.is_empty());
}
