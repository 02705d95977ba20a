//! Pyramids and a network of mlcast, trained here and compared with what PyTorch made of the same training, which was recorded by
//!
//! ```text
//! cargo xtask compare-pytorch --config convgru-bench/tests/compare_pytorch/NAME.toml --steps 10 --threads 1 --json \
//!   > convgru-bench/tests/compare_pytorch/NAME.json
//! ```
//!
//! and of mlcast with `--data convgru-bench/tests/compare_pytorch/mlcast.npy --steps 100`. A shell script says it again in the place of PyTorch.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compare_pytorch");

/// The largest relative difference of a loss, and of the norm of a gradient in ten steps.
const TOLERANCE: f64 = 1e-5;

/// That of the norm of a gradient in a hundred steps, over which roundings grow.
const LATER_GRADIENTS: f64 = 1e-4;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn recorded(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(Path::new(FOLDER).join(name).with_extension("json")).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record["steps"].as_array_mut().unwrap().drain(..).collect()
}

/// A program in the place of Python that gives these answers, whatever it is sent, and changes no weights.
fn impostor(name: &str, steps: &[Value]) -> PathBuf {
    let answer = |step: &Value| {
        let [loss, gradient_norm] = ["loss_pytorch", "gradient_norm_pytorch"].map(|name| &step[name]);
        json!({"loss": loss, "gradient_norm": gradient_norm, "seconds": 0.5}).to_string()
    };
    let answers: Vec<_> = steps.iter().map(answer).collect();
    let script = format!(
        "#!/bin/sh\ncat <<'END'\n{}\nEND\ncat > /dev/null\ncp \"$2/weights.safetensors\" \"$2/retrained.safetensors\"\n",
        answers.join("\n")
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn compare(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_convgru-bench")).arg("compare-pytorch").args(arguments).output().unwrap()
}

fn repeated(name: &str, steps: usize, python: &Path) -> Output {
    let (config, data) = (format!("{FOLDER}/{name}.toml"), format!("{FOLDER}/{name}.npy"));
    let (steps, python) = (steps.to_string(), python.to_str().unwrap());
    let mut arguments = vec![
        "--config",
        config.as_str(),
        "--steps",
        steps.as_str(),
        "--threads",
        "1",
        "--json",
        "--python",
        python,
    ];
    if Path::new(&data).exists() {
        arguments.extend(["--data", data.as_str()]);
    }
    compare(&arguments)
}

fn expect_agreement(name: &str, steps: usize) {
    let recorded = recorded(name);
    let output = repeated(name, steps, &impostor(name, &recorded));
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    let comparison: Value = serde_json::from_slice(&output.stdout).unwrap();
    let taken = comparison["steps"].as_array().unwrap();
    assert_eq!((taken.len(), recorded.len()), (steps, steps));
    for step in taken {
        let of_gradients = if steps > 10 { LATER_GRADIENTS } else { TOLERANCE };
        for (quantity, tolerance) in [("loss", TOLERANCE), ("gradient_norm", of_gradients)] {
            let [ours, theirs] =
                [quantity.to_owned(), format!("{quantity}_pytorch")].map(|name| step[name].as_f64().unwrap());
            let apart = (ours - theirs).abs() / theirs.abs();
            assert!(apart <= tolerance, "{name}, {quantity}: {ours} and {theirs} in {step}");
        }
    }
    let mse = |name: &str| comparison[name].as_f64().unwrap();
    assert!(mse("validation_mse") != mse("validation_mse_pytorch"), "{comparison}");
}

#[test]
fn two_scales_train_as_in_pytorch() {
    expect_agreement("two_scales", 10);
}

#[test]
fn skip_and_residual_train_as_in_pytorch() {
    expect_agreement("skip", 10);
}

/// The package itself is on the other side, with its losses and the same noise.
#[test]
fn a_network_of_mlcast_trains_as_in_its_package() {
    expect_agreement("mlcast", 100);
}

#[test]
fn another_training_ends_the_comparison() {
    let mut steps = recorded("two_scales");
    let loss = steps[3]["loss_pytorch"].as_f64().unwrap();
    steps[3]["loss_pytorch"] = json!(loss * 1.001);
    let output = repeated("two_scales", 10, &impostor("another", &steps));
    let said = text(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains("do not train the same: the loss of step 4"), "{said}");
    assert!(said.contains("1.0e-3 apart, and 1e-4 is accepted"), "{said}");
}

#[test]
fn fields_that_pytorch_has_not_are_refused_before_data_is_read() {
    let output = compare(&["--preset", "radar", "--steps", "20", "--python", "/bin/false"]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("model.residual is \"motion\""), "{said}");
    let output = compare(&["--preset", "digits", "--steps", "2001"]);
    assert!(text(&output.stderr).contains("--steps 2001: the configuration trains 2000"), "{output:?}");
}

#[test]
fn the_help_has_an_example_of_a_preset() {
    let said = text(&compare(&["--help"]).stdout);
    assert!(said.contains("cargo xtask compare-pytorch --preset digits --steps 20"), "{said}");
    assert!(said.contains("<--preset NAME|--config FILE.toml>"), "{said}");
}
