//! Recorded values of other implementations, and what happens to files that are none.
//!
//! A subset of the recorded values lies in `convgru-bench/parity/` and is always reproduced. The whole set is in the
//! folder that `CONVGRU_PARITY` names, where it is there.

#![expect(clippy::unwrap_used, reason = "tests fail by panics")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use convgru_bench::parity::{
    self, GRADIENT_TOLERANCE, OUTPUT_TOLERANCE, Row, SINGLE_TOLERANCE, TRAJECTORY_TOLERANCE,
};
use safetensors::tensor::{Dtype, TensorView};

mod recorded_data;

/// The recorded values that are part of the project.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity")
}

fn committed_rows(condition: impl Fn(&Row) -> bool) -> Vec<Row> {
    parity::run(&committed()).unwrap().into_iter().filter(condition).collect()
}

/// Rows of the whole set, where it is there.
fn rows(condition: impl Fn(&Row) -> bool) -> Option<Vec<Row>> {
    let folder = recorded_data::folder("CONVGRU_PARITY", "")?;
    Some(parity::run(&folder).unwrap().into_iter().filter(condition).collect())
}

#[test]
fn absent_data_are_skipped_or_required() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(recorded_data::found(folder.path(), "CONVGRU_DATA", true), Some(folder.path().into()));
    let absent = folder.path().join("mnist");
    assert_eq!(recorded_data::found(&absent, "CONVGRU_DATA", false), None);
    let failed =
        std::panic::catch_unwind(|| recorded_data::found(&absent, "CONVGRU_DATA", true)).unwrap_err();
    let message = failed.downcast_ref::<String>().unwrap();
    assert!(message.contains("mnist; set CONVGRU_DATA"), "{message}");
    assert!(message.contains("CONVGRU_REQUIRE_DATA=1"), "{message}");
    // A file in its place is no folder.
    std::fs::write(&absent, "").unwrap();
    assert_eq!(recorded_data::found(&absent, "CONVGRU_DATA", false), None);
}

#[test]
fn every_committed_case_is_reproduced() {
    let rows = committed_rows(|_| true);
    assert_eq!(rows.len(), 45);
    for row in &rows {
        assert!(row.supported && row.passed, "{row:?}");
    }
    let systems: BTreeSet<&str> = rows.iter().map(|row| &row.system[..]).collect();
    let expected = [
        "aserdega",
        "ballas",
        "bionick87",
        "csd111",
        "dgmr",
        "droid",
        "e2vid",
        "georgeyiasemis",
        "happyjin",
        "hko7",
        "jacobkimmel",
        "jhhuang96",
        "metnet",
        "metrics",
        "mxnet_gluon",
        "onnx_gru_1x1",
        "raft",
        "raftstereo",
        "rvm",
        "torch.nn.utils.clip_grad_norm_ / clip_grad_value_",
        "torch.optim.Adam",
        "torch.optim.AdamW",
        "torch.optim.RMSprop",
        "torch.optim.SGD",
        "torch.optim.lr_scheduler",
        "torch_nn_gru_1x1",
    ];
    assert_eq!(systems, BTreeSet::from(expected));
}

/// Cells whose equations `equations/record.py` computes, under the names of published weights.
#[test]
fn cells_of_which_there_are_equations_alone_are_reproduced() {
    let rows = parity::run(&committed().join("equations")).unwrap();
    let files: Vec<&str> = rows.iter().map(|row| &row.file[..]).collect();
    assert_eq!(files, ["hko7_trajgru_no_input.safetensors", "torchvision_recurrent.safetensors"]);
    for row in &rows {
        assert!(row.supported && row.passed, "{row:?}");
        assert!(row.worst_gradient_error.is_some_and(|error| error <= GRADIENT_TOLERANCE), "{row:?}");
        assert!(row.worst_single_error.is_some_and(|error| error <= SINGLE_TOLERANCE), "{row:?}");
    }
}

/// Files that the scripts in `parity/record/` wrote, and no other set has.
const OWN: [&str; 3] =
    ["firenet_whole.safetensors", "raft_update_basic.safetensors", "raft_update_small.safetensors"];

/// Each committed file of the whole set has the bytes of the file of the same name there.
#[test]
fn committed_cases_are_those_of_the_whole_set() {
    let Some(whole) = recorded_data::folder("CONVGRU_PARITY", "") else { return };
    for folder in ["", "formats"] {
        for entry in std::fs::read_dir(committed().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            let is_own = OWN.iter().any(|own| *own == name);
            if path.is_file() && name != "README.md" && !is_own {
                let recorded = std::fs::read(whole.join(folder).join(name)).unwrap();
                assert!(std::fs::read(&path).unwrap() == recorded, "{} differs", path.display());
            }
        }
    }
}

#[test]
fn the_seeds_cells_are_reproduced() {
    let Some(rows) = rows(|row| row.file.starts_with("jacobkimmel_")) else {
        return;
    };
    assert_eq!(rows.len(), 5);
    for row in &rows {
        assert!(row.passed && row.supported, "{row:?}");
        assert!(row.worst_output_error.unwrap() <= OUTPUT_TOLERANCE, "{row:?}");
        let recorded_without_gradients = row.file.contains("readme_example");
        assert_eq!(row.worst_gradient_error.is_none(), recorded_without_gradients, "{row:?}");
        assert!(row.worst_gradient_error.is_none_or(|error| error <= GRADIENT_TOLERANCE), "{row:?}");
    }
}

#[test]
fn cells_of_every_known_layout_are_reproduced() {
    for (system, count) in [
        ("happyjin", 3),
        ("bionick87", 1),
        ("rvm", 3),
        ("raft", 2),
        ("e2vid", 2),
        ("ballas", 3),
        ("metnet", 2),
        ("georgeyiasemis", 2),
        ("torch_nn_gru_1x1", 2),
        ("csd111", 3),
        ("mxnet_gluon", 3),
        ("aserdega", 1),
        ("dgmr", 1),
        ("droid", 1),
        ("hko7", 5),
        ("jhhuang96", 2),
        ("onnx_gru_1x1", 2),
        ("raftstereo", 2),
    ] {
        let Some(rows) = rows(|row| row.system == system && row.supported) else {
            return;
        };
        // A set may have more cases than the one that is known here.
        assert!(rows.len() >= count, "{system}: {}", rows.len());
        for row in &rows {
            assert!(row.passed, "{row:?}");
            assert!(row.worst_gradient_error.is_some_and(|error| error <= GRADIENT_TOLERANCE), "{row:?}");
            assert!(row.worst_single_error.is_some_and(|error| error <= SINGLE_TOLERANCE), "{row:?}");
        }
    }
}

#[test]
fn networks_of_mlcast_are_reproduced() {
    let Some(folder) = recorded_data::folder("CONVGRU_MLCAST", "") else { return };
    let rows = parity::run(&folder).unwrap();
    assert!(rows.len() >= 3, "{rows:?}");
    for row in &rows {
        assert!(row.supported && row.passed, "{row:?}");
        assert!(row.worst_single_error.is_some_and(|error| error <= SINGLE_TOLERANCE), "{row:?}");
        let is_checkpoint = row.file.ends_with("_expected.safetensors");
        assert_eq!(row.worst_gradient_error.is_none(), is_checkpoint, "{row:?}");
        assert!(is_checkpoint || row.worst_output_error.unwrap() <= OUTPUT_TOLERANCE, "{row:?}");
    }
}

/// Each recorded tensor of an ensemble, changed a little, fails the file.
#[test]
fn a_wrong_recorded_ensemble_is_noticed() {
    let Some(folder) = recorded_data::folder("CONVGRU_MLCAST", "") else { return };
    let recorded = folder.join("mlcast_ensemble.safetensors");
    let record = parity::Record::read(&recorded).unwrap();
    for tensor in record.names() {
        let (_folder, path) = changed_copy(&recorded, |name, data| {
            if name == tensor {
                disturb(data, 1e-3);
            }
            true
        });
        let row = parity::check(&path);
        assert!(!row.passed, "{tensor}: {row:?}");
    }
}

#[test]
fn ten_recorded_steps_of_training_are_reproduced() {
    let rows = committed_rows(|row| row.file == "trajectory.safetensors");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert!(row.passed, "{row:?}");
    assert!(row.worst_output_error.unwrap() <= TRAJECTORY_TOLERANCE, "{row:?}");
    assert!(row.worst_gradient_error.unwrap() <= TRAJECTORY_TOLERANCE, "{row:?}");
}

#[test]
fn every_recorded_optimizer_schedule_and_clipping_is_reproduced() {
    let rows = committed_rows(|row| row.file.starts_with("optim_"));
    assert_eq!(rows.len(), 18, "{rows:?}");
    for row in &rows {
        assert!(row.supported && row.passed, "{row:?}");
        assert!(row.worst_output_error.unwrap() <= OUTPUT_TOLERANCE, "{row:?}");
    }
    for (system, count) in [("Adam", 5), ("AdamW", 2), ("SGD", 6), ("RMSprop", 3), ("lr_scheduler", 1)] {
        let system = format!("torch.optim.{system}");
        assert_eq!(rows.iter().filter(|row| row.system == system).count(), count, "{system}");
    }
}

#[test]
fn recorded_losses_and_metrics_are_reproduced() {
    let rows = committed_rows(|row| row.file == "metrics.safetensors");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert!(row.supported && row.passed, "{row:?}");
    assert!(row.worst_output_error.unwrap() <= OUTPUT_TOLERANCE, "{row:?}");
    assert!(row.worst_gradient_error.unwrap() <= GRADIENT_TOLERANCE, "{row:?}");
}

/// The losses of mlcast's package and the schedule of its training.
#[test]
fn losses_and_the_schedule_of_mlcast_are_reproduced() {
    let rows = parity::run(&committed().join("mlcast")).unwrap();
    let systems: Vec<&str> = rows.iter().map(|row| row.system.as_str()).collect();
    assert_eq!(systems, ["mlcast.losses", "torch.optim.Adam"]);
    for row in &rows {
        assert!(row.supported && row.passed, "{row:?}");
        assert!(row.worst_output_error.unwrap() <= OUTPUT_TOLERANCE, "{row:?}");
    }
    assert!(rows[0].worst_gradient_error.unwrap() <= GRADIENT_TOLERANCE, "{rows:?}");
}

/// Each recorded tensor, changed a little, fails its file.
#[test]
fn a_wrong_recorded_loss_of_mlcast_is_noticed() {
    for file in ["mlcast/losses.safetensors", "mlcast/plateau.safetensors"] {
        let record = parity::Record::read(&committed().join(file)).unwrap();
        for tensor in record.names() {
            // What a metric below the best decides is tried by itself.
            if tensor == "metric" {
                continue;
            }
            // A pixel is known or not.
            let amount = if tensor.starts_with("valid") { -1.0 } else { 1e-3 };
            let (_folder, path) = changed(file, |name, data| {
                if name == tensor {
                    disturb(data, amount);
                }
                true
            });
            let row = parity::check(&path);
            assert!(row.supported && !row.passed, "{file} {tensor}: {row:?}");
        }
    }
    // An improvement at the step before the rate falls keeps it.
    let (_folder, path) = changed("mlcast/plateau.safetensors", |name, data| {
        if name == "metric" {
            disturb(&mut data[19 * 8..], -0.1);
        }
        true
    });
    assert!(!parity::check(&path).passed);
}

/// Each tensor of the recorded losses and metrics, changed a little, fails the file; what a
/// change leaves as it is has its reason here.
#[test]
fn a_wrong_recorded_loss_or_metric_is_noticed() {
    let record = parity::Record::read(&committed().join("metrics.safetensors")).unwrap();
    let names: Vec<String> = record.names().map(str::to_owned).collect();
    assert!(names.len() > 80, "only {} tensors", names.len());
    for tensor in names {
        // A value of rain far from every threshold counts as before.
        if tensor.starts_with("rain.") || tensor == "fss.scales" {
            continue;
        }
        let disturbed = changed("metrics.safetensors", |name, data| {
            if name == tensor {
                disturb(data, 1e-3);
            }
            true
        });
        let (_folder, path) = disturbed;
        let row = parity::check(&path);
        assert!(row.supported && !row.passed, "{tensor}: {row:?}");
    }
}

#[test]
fn what_is_not_supported_is_listed_and_has_not_passed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    for (key, value) in [("case", "something else"), ("system", "a system that nobody knows")] {
        let metadata = std::collections::HashMap::from([(key.to_owned(), value.to_owned())]);
        let none: [(&str, TensorView<'_>); 0] = [];
        std::fs::write(&path, safetensors::serialize(none, Some(metadata)).unwrap()).unwrap();
        let row = parity::check(&path);
        assert!(!row.supported && !row.passed && row.worst_output_error.is_none(), "{row:?}");
        assert!(row.note.as_ref().unwrap().starts_with("not supported yet: "), "{row:?}");
        assert!(row.note.as_ref().unwrap().contains(value), "{row:?}");
    }
}

/// Copies a committed file and changes its tensors.
fn changed(name: &str, change: impl Fn(&str, &mut Vec<u8>) -> bool) -> (tempfile::TempDir, PathBuf) {
    changed_copy(&committed().join(name), change)
}

/// As [`changed`], of any file.
fn changed_copy(path: &Path, change: impl Fn(&str, &mut Vec<u8>) -> bool) -> (tempfile::TempDir, PathBuf) {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let mut data = view.data().to_vec();
        if change(&name, &mut data) {
            tensors.push((name, view.shape().to_vec(), data));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, data)| (name, TensorView::new(Dtype::F64, shape.clone(), data).unwrap()));
    let bytes = safetensors::serialize(views, header.metadata().clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(path.file_name().unwrap());
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Adds `amount` to the first number of a tensor.
fn disturb(data: &mut [u8], amount: f64) {
    let first = f64::from_le_bytes(data[..8].try_into().unwrap());
    data[..8].copy_from_slice(&(first + amount).to_le_bytes());
}

#[test]
fn a_wrong_recorded_number_is_noticed() {
    let file = "jacobkimmel_tiny_spatial.safetensors";
    for (tensor, amount) in [
        ("h.0", 1e-10),
        ("grad.param.ConvGRUCell_00.out_gate.weight", 1e-7),
        ("grad.x", 1e-7),
        ("grad.h0.0", 1e-7),
        ("param.ConvGRUCell_00.reset_gate.bias", 1e-7),
    ] {
        let disturbed = changed(file, |name, data| {
            if name == tensor {
                disturb(data, amount);
            }
            true
        });
        let (_folder, path) = disturbed;
        let row = parity::check(&path);
        assert!(row.supported && !row.passed, "{tensor}: {row:?}");
    }
}

/// Every tensor of the recorded optimisers, schedules and gradients is looked at: those
/// that are computed, and those that are computed from.
#[test]
fn a_wrong_recorded_number_of_training_is_noticed() {
    for (file, looked_at) in [
        ("optim_adam_amsgrad", &["lr", "beta1", "w", "b", "w0", "b0", "grad.w", "grad.b"][..]),
        ("optim_step_adamw", &["lr", "lr_after", "beta1", "w", "b", "w0", "grad.b"]),
        ("optim_onecycle_sgd", &["lr", "lr_after", "momentum", "w", "b", "b0", "grad.w"]),
        ("optim_plateau_rmsprop", &["lr", "lr_after", "momentum", "w", "b", "grad.w"]),
        ("optim_lr_schedules", &["lr.warmup_cosine", "lr.cosine_restarts", "momentum.onecycle_linear"]),
        ("optim_clip_grad_norm", &["total_norm.l3", "total_norm.inf", "clipped.value.1", "clipped.l1.2"]),
    ] {
        for tensor in looked_at {
            let disturbed = changed(&format!("{file}.safetensors"), |name, data| {
                if name == *tensor {
                    disturb(data, 1e-4);
                }
                true
            });
            let (_folder, path) = disturbed;
            let row = parity::check(&path);
            assert!(row.supported && !row.passed, "{file} {tensor}: {row:?}");
        }
    }
    // A metric that would be an improvement keeps the rate.
    let better = changed("optim_plateau_rmsprop.safetensors", |name, data| {
        if name == "metric" {
            let last = data.len() - 8;
            for metric in data[..last].chunks_exact_mut(8).skip(1).step_by(2) {
                disturb(metric, -10.0);
            }
        }
        true
    });
    let (_folder, path) = better;
    assert!(!parity::check(&path).passed);
}

#[test]
fn what_a_record_of_training_asks_beyond_us_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    for (metadata, words) in [
        (&[("system", "torch.optim.Rprop")][..], "the optimiser torch.optim.Rprop"),
        (&[("system", "torch.optim.SGD"), ("hyper_parameters", "{\"fused\": 1}")], "hyper-parameter fused"),
        (
            &[
                ("system", "torch.optim.SGD"),
                ("hyper_parameters", "{}"),
                ("scheduler", "{\"name\": \"CyclicLR\"}"),
            ],
            "the schedule CyclicLR",
        ),
        (&[("system", "torch.optim.lr_scheduler")], "names no schedules"),
        (&[("system", "torch.nn.utils.clip_grad_norm_"), ("cases", "{\"a\": {}}")], "the case a"),
    ] {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let none: [(&str, TensorView<'_>); 0] = [];
        std::fs::write(&path, safetensors::serialize(none, Some(metadata)).unwrap()).unwrap();
        let row = parity::check(&path);
        assert!(!row.supported && row.note.as_ref().unwrap().contains(words), "{row:?}");
    }
}

#[test]
fn a_missing_tensor_is_an_error_of_its_file() {
    let lacking = changed("jacobkimmel_tiny_spatial.safetensors", |name, _| name != "grad.x");
    let (folder, _) = lacking;
    let rows = parity::run(folder.path()).unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].supported && !rows[0].passed);
    assert!(rows[0].note.as_ref().unwrap().contains("no tensor `grad.x`"), "{rows:?}");
}

#[test]
fn folders_and_files_that_are_none_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = parity::run(folder.path()).unwrap_err().to_string();
    assert!(error.contains("no file of recorded values"), "{error}");
    let error = parity::run(&folder.path().join("nowhere")).unwrap_err().to_string();
    assert!(error.starts_with("cannot list"), "{error}");
    let path = folder.path().join("rubbish.safetensors");
    for rubbish in [&b"not a file of tensors"[..], b"", &[255; 64]] {
        std::fs::write(&path, rubbish).unwrap();
        let row = parity::check(&path);
        assert!(!row.passed && row.supported, "{row:?}");
        assert!(row.note.unwrap().contains("not a safetensors file"));
    }
}
