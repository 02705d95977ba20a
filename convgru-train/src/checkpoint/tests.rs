//! What must hold for checkpoints as files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use convgru_model::{Parameters, Tensor};

use super::*;
use crate::Error;
use crate::dataset::{DataConfig, Fingerprint};
use crate::metric::{EnsembleMetrics, EventMeans, Metrics};
use crate::optimizer::OptimizerState;
use crate::storage::faults::{Errno, Failing};

/// Fails unless the parameters are the same but for roundings of another instruction set.
pub(super) fn expect_near_parameters(now: &Checkpoint, then: &Checkpoint) {
    assert_eq!(now.parameters.len(), then.parameters.len());
    for (now, then) in now.parameters.iter().zip(&then.parameters) {
        for (a, b) in now.values.iter().zip(&then.values) {
            assert!((a - b).abs() < 1e-4, "`{}`: {a} instead of {b}", now.name);
        }
    }
}

pub(crate) fn checkpoint(step: u64) -> Checkpoint {
    let values = [f32::NAN, -0.0, 1.0e-45, step as f32];
    Checkpoint {
        saved: Some(1_700_000_000_000 + step),
        instruction_set: "avx2".into(),
        data: Some(Fingerprint::of(&DataConfig::default(), None).unwrap()),
        config_toml: "name = \"é\"".into(),
        config_hash: "ab".into(),
        seed: 7,
        cursor: Cursor::at(step, 3),
        parameters: vec![NamedTensor { name: "w".into(), shape: vec![2, 2], values: values.to_vec() }],
        optimizer: OptimizerState { step, moments: vec![vec![vec![0.5; 4]], vec![vec![f32::INFINITY; 4]]] },
        average: Some(vec![NamedTensor { name: "w".into(), shape: vec![1], values: vec![0.5] }]),
        history: History {
            steps: vec![StepRecord {
                step: 1,
                epoch: 0,
                loss: 0.1,
                learning_rate: 0.2,
                gradient_norm: 0.3,
                teacher_forcing: 0.4,
            }],
            validations: vec![ValidationRecord {
                step: 1,
                loss: 0.25,
                metrics: Metrics { mse: 1.0, mae: 2.0, psnr: 3.0, ssim: 0.5 },
                mse_copy_last: 4.0,
                mse_mean: 5.0,
                ensemble: Some(Box::new(EnsembleMetrics { crps: 0.5, fair_crps: 0.25, spread: f64::NAN })),
                events: vec![EventMeans { threshold: 2.0, scores: [0.5, 0.25, f64::NAN, 0.125, 1.0] }],
            }],
            best: Some((1, 1.0)),
            seconds: 2.5,
            skipped: vec![SkippedRecord { step: 2, epoch: 0, reason: SkipReason::Gradient }],
            timings: Timings {
                steps: vec![Timing { seconds: 1.5, data_wait: 0.25 }],
                validations: vec![Timing::at(1.75)],
                skipped: vec![Timing::UNKNOWN],
            },
        },
    }
}

fn store(folder: &Path) -> CheckpointStore {
    CheckpointStore::new(folder, 2)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_bit_comes_back() {
    let bytes = checkpoint(5).to_bytes().unwrap();
    let read = Checkpoint::from_bytes(&bytes).unwrap();
    // NaN differs from itself, so the bytes are compared.
    assert_eq!(read.to_bytes().unwrap(), bytes);
    assert_eq!(read.parameters[0].values[0].to_bits(), f32::NAN.to_bits());
    assert_eq!(read.parameters[0].values[1].to_bits(), (-0.0f32).to_bits());
    assert_eq!(read.cursor, Cursor { step: 5, epoch: 1, batch: 2 });
}

#[test]
fn every_single_bit_flip_is_refused() {
    let mut bytes = checkpoint(5).to_bytes().unwrap();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Checkpoint::from_bytes(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    Checkpoint::from_bytes(&bytes).unwrap();
}

#[test]
fn truncation_at_every_length_is_refused() {
    let bytes = checkpoint(5).to_bytes().unwrap();
    for length in 0..bytes.len() {
        let fault = Checkpoint::from_bytes(&bytes[..length]).unwrap_err();
        assert!(matches!(fault, Fault::Truncated { .. } | Fault::Magic { .. }), "length {length}: {fault}");
    }
}

#[test]
fn intact_envelopes_around_nonsense_are_refused() {
    for payload in [&b""[..], b"nonsense", &[0xff; 64]] {
        let fault = Checkpoint::from_bytes(&envelope::seal(payload)).unwrap_err();
        assert!(matches!(fault, Fault::Record { .. }), "{fault}");
    }
    let bytes = checkpoint(5).to_bytes().unwrap();
    let mut payload = envelope::open(&bytes).unwrap().1.to_vec();
    payload.push(0);
    let fault = Checkpoint::from_bytes(&envelope::seal(&payload)).unwrap_err();
    assert!(fault.to_string().contains("1 bytes are left"), "{fault}");
}

#[test]
fn the_oldest_generations_go_and_the_newest_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    for step in [1, 2, 10] {
        store(folder.path()).save(&checkpoint(step)).unwrap();
    }
    assert_eq!(names(folder.path()), ["step_00000002.ckpt", "step_00000010.ckpt"]);
    let loaded = store(folder.path()).load_latest().unwrap();
    assert_eq!(loaded.checkpoint.cursor.step, 10);
    assert_eq!(loaded.rejected, []);
}

#[test]
fn a_damaged_generation_falls_back_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let older = store.save(&checkpoint(1)).unwrap();
    let newer = store.save(&checkpoint(2)).unwrap();
    store.save_best(&checkpoint(1)).unwrap();
    let mut bytes = fs::read(&newer).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&newer, bytes).unwrap();

    let loaded = store.load_latest().unwrap();
    assert_eq!((loaded.checkpoint.cursor.step, &loaded.path), (1, &older));
    assert_eq!(loaded.rejected.len(), 1);
    assert_eq!(loaded.rejected[0].path, newer);
    assert!(loaded.rejected[0].reason.contains("hash"), "{}", loaded.rejected[0].reason);

    store.set_aside(&loaded.rejected[0]).unwrap();
    fs::write(&older, b"CGRU").unwrap();
    let loaded = store.load_latest().unwrap();
    assert_eq!(loaded.path, store.best_path());

    fs::write(store.best_path(), b"").unwrap();
    let error = store.load_latest().unwrap_err().to_string();
    assert!(error.contains("step_00000001.ckpt: truncated"), "{error}");
    assert!(error.contains("best.ckpt: not a checkpoint"), "{error}");
}

#[test]
fn several_best_are_kept_and_are_the_last_resort() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for (step, best) in [(1, &[1][..]), (2, &[2, 1]), (3, &[2, 3]), (10, &[10, 2])] {
        store.save_among_best(&checkpoint(step), best).unwrap();
    }
    assert_eq!(names(folder.path()), ["best_00000002.ckpt", "best_00000010.ckpt"]);
    store.save_best(&checkpoint(10)).unwrap();
    store.save(&checkpoint(11)).unwrap();
    let order: Vec<_> = store.newest_first().unwrap();
    let order: Vec<_> = order.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(order, ["step_00000011.ckpt", "best.ckpt", "best_00000010.ckpt", "best_00000002.ckpt"]);
    for damaged in ["step_00000011.ckpt", "best.ckpt"] {
        fs::write(folder.path().join(damaged), "x").unwrap();
    }
    fs::copy(folder.path().join("best_00000002.ckpt"), folder.path().join("best_00000099.ckpt")).unwrap();
    let loaded = store.load_latest().unwrap();
    assert_eq!((loaded.checkpoint.cursor.step, loaded.rejected.len()), (10, 3));
    assert!(loaded.rejected[2].reason.contains("has the name of step 99"), "{:?}", loaded.rejected);
}

#[test]
fn what_a_crash_leaves_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    assert!(store.load_latest().unwrap_err().to_string().contains("there is no file"));
    store.save(&checkpoint(3)).unwrap();
    for leftover in [".step_00000009.ckpt.tmp", "step_9.ckpt.damaged", "step_x.ckpt", "other"] {
        fs::write(folder.path().join(leftover), b"half").unwrap();
    }
    let loaded = store.load_latest().unwrap();
    assert_eq!((loaded.checkpoint.cursor.step, loaded.rejected.len()), (3, 0));
    store.save(&checkpoint(9)).unwrap();
    assert_eq!(store.load_latest().unwrap().checkpoint.cursor.step, 9);
}

#[test]
fn a_damaged_file_never_takes_the_place_of_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for text in ["first", "second"] {
        let path = folder.path().join("best.ckpt");
        fs::write(&path, text).unwrap();
        store.set_aside(&Rejected { path, reason: String::new() }).unwrap();
    }
    let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!([read("best.ckpt.damaged"), read("best.ckpt.damaged-2")], ["first", "second"]);
}

#[test]
fn a_copy_under_the_name_of_a_later_step_is_not_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let first = store.save(&checkpoint(1)).unwrap();
    fs::copy(&first, folder.path().join("step_99999999.ckpt")).unwrap();
    store.save(&checkpoint(2)).unwrap();
    let loaded = store.load_latest().unwrap();
    assert_eq!((loaded.checkpoint.cursor.step, loaded.rejected.len()), (2, 1));
    assert_eq!(loaded.rejected[0].reason, "it is of step 1 and has the name of step 99999999");
    store.set_aside(&loaded.rejected[0]).unwrap();
    assert_eq!(names(folder.path()), ["step_00000002.ckpt", "step_99999999.ckpt.damaged"]);
}

#[test]
fn a_call_that_fails_while_a_file_is_set_aside_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.ckpt");
    fs::write(folder.path().join("best.ckpt.damaged"), "first").unwrap();
    // List, rename, sync the folder.
    for at in 0..3 {
        fs::write(&path, "second").unwrap();
        let bad = CheckpointStore::on(Arc::new(Failing::once(at, Errno::Device)), folder.path().into(), 2);
        bad.set_aside(&Rejected { path: path.clone(), reason: String::new() }).unwrap_err();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        let second = if at < 2 { "best.ckpt" } else { "best.ckpt.damaged-2" };
        assert_eq!([read("best.ckpt.damaged"), read(second)], ["first", "second"]);
    }
}

#[test]
fn any_call_that_fails_keeps_the_old_generations() {
    for errno in Errno::ALL {
        // Create, write, sync, rename, sync the folder, list, remove.
        for at in 0..7 {
            let folder = tempfile::tempdir().unwrap();
            let good = store(folder.path());
            good.save(&checkpoint(1)).unwrap();
            good.save(&checkpoint(2)).unwrap();
            let failing = Arc::new(Failing::once(at, errno));
            let bad = CheckpointStore::on(failing, folder.path().into(), 2);
            let error = bad.save(&checkpoint(3)).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
            let newest = if at < 4 { 2 } else { 3 };
            let loaded = good.load_latest().unwrap();
            assert_eq!(
                (loaded.checkpoint.cursor.step, loaded.rejected.len()),
                (newest, 0),
                "{errno:?} at {at}"
            );
            assert!(names(folder.path()).iter().all(|name| name.ends_with(".ckpt")), "{errno:?} at {at}");
        }
    }
}

#[test]
fn an_error_of_the_system_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let good = store(folder.path());
    good.save(&checkpoint(1)).unwrap();
    good.save(&checkpoint(2)).unwrap();
    good.save_best(&checkpoint(1)).unwrap();
    let before = names(folder.path());
    for errno in Errno::ALL {
        for at in 0..2 {
            let failing = Arc::new(Failing::once(at, errno));
            let error = CheckpointStore::on(failing, folder.path().into(), 2).load_latest().unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{errno:?} at {at}: {error}");
            assert_eq!(names(folder.path()), before);
        }
    }
    assert_eq!(good.load_latest().unwrap().checkpoint.cursor.step, 2);
}

#[test]
fn a_checkpoint_of_a_later_version_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    store.save(&checkpoint(1)).unwrap();
    let path = store.save(&checkpoint(2)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let payload = &bytes[52..];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&77u32.to_le_bytes()).update(payload);
    let later =
        [&bytes[..8], &77u32.to_le_bytes(), &bytes[12..20], hasher.finalize().as_bytes(), payload].concat();
    fs::write(&path, &later).unwrap();
    let error = store.load_latest().unwrap_err().to_string();
    assert!(error.contains("version 77") && error.contains("step_00000002.ckpt"), "{error}");
    // What only looks like one is damaged.
    fs::write(&path, [&bytes[..8], &77u32.to_le_bytes(), &bytes[12..]].concat()).unwrap();
    assert_eq!(store.load_latest().unwrap().rejected.len(), 1);
}

#[test]
fn a_folder_that_is_a_file_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints");
    fs::write(&file, b"").unwrap();
    for error in [
        store(&file).save(&checkpoint(1)).unwrap_err(),
        store(&file).load_latest().unwrap_err(),
        store(&folder.path().join("absent")).save(&checkpoint(1)).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    }
}

#[derive(Clone)]
struct Weights(Vec<(&'static str, Tensor<f32>)>);

impl Parameters<f32> for Weights {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f32>)) {
        self.0.iter().for_each(|(name, tensor)| visit(name, tensor));
    }
    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f32>)) {
        self.0.iter_mut().for_each(|(name, tensor)| visit(name, tensor));
    }
}

#[test]
fn parameters_are_restored_only_where_they_fit() {
    let source = Weights(vec![("w", Tensor::from_fn(&[2, 2], |i| i as f32)), ("b", Tensor::zeros(&[2]))]);
    let mut stored = checkpoint(1);
    stored.parameters = NamedTensor::collect(&source);
    let mut target = source.zeros_like();
    stored.restore(&mut target).unwrap();
    assert_eq!(target.0[0].1, source.0[0].1);

    for (mut other, words) in [
        (Weights(vec![("w", Tensor::zeros(&[2, 2]))]), "holds 2 tensors, the model has 1"),
        (Weights(vec![("w", Tensor::zeros(&[4])), ("b", Tensor::zeros(&[2]))]), "`w` [2, 2]"),
        (Weights(vec![("v", Tensor::zeros(&[2, 2])), ("b", Tensor::zeros(&[2]))]), "`v`"),
    ] {
        let error = stored.restore(&mut other).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(other.0.iter().all(|(_, tensor)| tensor.as_slice().iter().all(|&v| v == 0.0)));
    }
    stored.parameters[0].values.pop();
    assert!(stored.restore(&mut target).is_err());
}
