//! The program as its users start it: engines are real processes, workloads are tiny.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TINY_STEP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/workloads/tiny_step.toml");
const TINY_TRAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/workloads/tiny_train.toml");
const TINY_SEQUENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/workloads/tiny_sequence.toml");
const PROGRAM: &str = env!("CARGO_BIN_EXE_convgru-bench");

fn bench(arguments: &[&str]) -> Output {
    let absent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-peers-here");
    Command::new(PROGRAM).args(arguments).env("CONVGRU_PEERS", absent).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn refused(arguments: &[&str]) -> String {
    let output = bench(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    text(&output.stderr)
}

#[test]
fn ours_alone_is_measured_and_says_so() {
    let output = bench(&[
        "--workload-file",
        TINY_STEP,
        "--workload-file",
        TINY_TRAIN,
        "--threads",
        "1",
        "--rounds",
        "1",
        "--json",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("alone"), "{}", text(&output.stderr));
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(rows[0]["workload"], "tiny_step");
    assert_eq!(rows[1]["engine"], "convgru");
    assert_eq!(rows[1]["ratio_to_us"], 1.0);
    let error = rows[1]["error"].as_f64().unwrap();
    assert!(error > 0.0 && error < 1e-5, "{error}");
    assert!(rows[1]["median_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let said = refused(&["--workload", "seed_stepp"]);
    assert!(said.contains("did you mean `seed_step`?") && said.contains("nowcast_train"), "{said}");
    let said = refused(&["--workload-file", TINY_STEP, "--threads", "0"]);
    assert!(said.contains("--threads 0: from 1 to"), "{said}");
    let said = refused(&["--workload-file", TINY_STEP, "--rounds", "0"]);
    assert!(said.contains("--rounds 0: from 1 to 1000"), "{said}");
    let said = refused(&["--workload-file", "absent.toml"]);
    assert!(said.contains("cannot read absent.toml"), "{said}");
    let said = refused(&["--peers", "--engine", "pytorch"]);
    assert!(said.contains("no engine `pytorch`") && said.contains("pytorch-eager"), "{said}");
    let said = refused(&["--peers", "--workload-file", TINY_STEP]);
    assert!(said.contains("openvino") && said.contains("--install-peers"), "{said}");
    let said = refused(&["--engine-program", "convgru=/bin/true", "--workload-file", TINY_STEP]);
    assert!(said.contains("there is an engine of that name"), "{said}");
    assert!(!refused(&["cell_step"]).is_empty());
}

#[test]
fn the_help_has_examples() {
    let output = bench(&["--help"]);
    let said = text(&output.stdout);
    assert!(output.status.success());
    assert!(said.contains("Examples:") && said.contains("cargo bench -p convgru-bench"), "{said}");
}

/// The engines of `--install-peers` take minutes of compiler and gigabytes of packages; `cargo xtask ci` runs this workload by all of
/// them where they are installed.
#[test]
fn an_engine_that_is_named_must_take_part() {
    let said = refused(&["--peers", "--engine", "ncnn", "--engine", "mnn", "--workload-file", TINY_SEQUENCE]);
    assert!(said.contains("not installed: ncnn, mnn") && said.contains("--install-peers"), "{said}");
}

#[cfg(unix)]
#[test]
fn errors_and_verdicts_stand_beside_the_times() {
    let engine = format!("twin={}", impostor("twin-of-a-table", "exec ENGINE").display());
    let workload = ["--workload-file", TINY_SEQUENCE, "--threads", "1", "--rounds", "1"];
    let output = bench(&[&["--engine-program", &engine], &workload[..]].concat());
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let headings: Vec<&str> = said.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(headings[2..5], ["engine", "ms", "error"], "{said}");
    assert!(said.contains("tiny_sequence, 1 thread: fastest within 1e-5 of f64: "), "{said}");
    assert!(said.contains("tiny_sequence, 1 thread: fastest at all: "), "{said}");
}

/// A script that lets our own engine answer, and changes what passes through it.
#[cfg(unix)]
fn impostor(name: &str, filter: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, format!("#!/bin/sh\n{}\n", filter.replace("ENGINE", &format!("'{PROGRAM}' engine"))))
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[cfg(unix)]
fn against(name: &str, filter: &str, workload: &str) -> Output {
    let engine = format!("{name}={}", impostor(name, filter).display());
    bench(&[
        "--engine-program",
        &engine,
        "--workload-file",
        workload,
        "--threads",
        "1",
        "--rounds",
        "2",
        "--json",
    ])
}

#[cfg(unix)]
#[test]
fn an_engine_of_ones_own_is_compared() {
    let output = against("twin", "exec ENGINE", TINY_TRAIN);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[1]["engine"], "twin");
    assert!(rows[1]["ratio_to_us"].as_f64().unwrap() > 0.0);
}

#[cfg(unix)]
#[test]
fn an_engine_that_computes_something_else_ends_the_comparison() {
    // Writes fours, 0x40800000, over the last gradient, once the output is there.
    let filter = r#"while read -r line; do
  echo "$line"
done | ENGINE | while read -r reply; do
  for file in "$WATCHED"/convgru-bench-*/wrong.output; do
    [ -f "$file" ] && printf '\000\000\200\100' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") - 4)) conv=notrunc 2>/dev/null
  done
  echo "$reply"
done"#;
    let watched = tempfile::tempdir().unwrap();
    let filter = filter.replace("$WATCHED", watched.path().to_str().unwrap());
    let engine = format!("wrong={}", impostor("wrong", &filter).display());
    let output = Command::new(PROGRAM)
        .args(["--engine-program", &engine, "--workload-file", TINY_TRAIN, "--threads", "1", "--json"])
        .env("TMPDIR", watched.path())
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("wrong and convgru in f64 do not compute the same: gradient of layers.1.bias"),
        "{said}"
    );
    assert_eq!(text(&output.stdout), "");
}

#[cfg(unix)]
#[test]
fn an_engine_that_fails_is_left_out_aloud() {
    let output = against("absent", "echo no such library >&2; exit 3", TINY_STEP);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("LEFT OUT of tiny_step") && said.contains("no such library"), "{said}");
    let output = against("nonsense", "echo hello; cat > /dev/null", TINY_STEP);
    assert!(text(&output.stderr).contains("`load` was answered with: hello"), "{}", text(&output.stderr));
    let output = against("refuses", r#"read -r line; echo '{"error": "not today"}'"#, TINY_STEP);
    assert!(text(&output.stderr).contains("`load` failed: not today"), "{}", text(&output.stderr));
}
