//! The log follows from the history, whatever is in the files.

use super::*;
use crate::checkpoint::Timings;

fn record(step: u64) -> StepRecord {
    StepRecord {
        step,
        epoch: 0,
        loss: 1.0 / step as f64,
        learning_rate: 0.1,
        gradient_norm: 2.0,
        teacher_forcing: 0.5,
    }
}

fn timing(seconds: f64) -> Timing {
    Timing { seconds, data_wait: 0.5 }
}

/// Two steps, of which the second was validated, and one that was skipped.
fn history() -> History {
    let metrics = crate::metric::Metrics { mse: 1.0, mae: 2.0, psnr: 3.0, ssim: 0.5 };
    History {
        steps: vec![record(1), record(2)],
        validations: vec![ValidationRecord {
            step: 2,
            loss: 0.5,
            metrics,
            mse_copy_last: 4.0,
            mse_mean: 5.0,
            ensemble: None,
            events: Vec::new(),
        }],
        skipped: vec![SkippedRecord { step: 3, epoch: 0, reason: crate::checkpoint::SkipReason::Loss }],
        timings: Timings {
            steps: vec![timing(0.25), timing(0.5)],
            validations: vec![Timing::at(0.75)],
            skipped: vec![timing(1.0)],
        },
        ..History::default()
    }
}

fn parsed(folder: &RunFolder) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.metrics()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_log_is_rebuilt_from_the_history_whatever_is_in_the_file() {
    let out = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(out.path(), "run").unwrap();
    let mut known = history();
    MetricsLog::resume(&folder, &mut known).unwrap();
    let expected = std::fs::read(folder.metrics()).unwrap();
    let kinds: Vec<_> =
        parsed(&folder).iter().map(|line| (kind_of(line).to_owned(), step_of(line))).collect();
    let order = [("step", 1), ("step", 2), ("validation", 2), ("skipped", 3)];
    assert_eq!(kinds, order.map(|(kind, step)| (kind.to_owned(), step)));
    let with_later = [&expected[..], b"{\"kind\":\"step\",\"step\":4}\n{\"st"].concat();
    let lost = expected.split_inclusive(|&b| b == b'\n').skip(1).flatten().copied().collect();
    for damaged in [vec![], vec![0xff; 99], with_later, lost, expected[..expected.len() - 9].to_vec()] {
        std::fs::write(folder.metrics(), damaged).unwrap();
        MetricsLog::resume(&folder, &mut known).unwrap();
        assert!(std::fs::read(folder.metrics()).unwrap() == expected);
    }
    MetricsLog::resume(&folder, &mut known).unwrap().step(&record(4), timing(1.5)).unwrap();
    let last = parsed(&folder).pop().unwrap();
    assert_eq!((&last["seconds"], &last["data_wait"]), (&json!(1.5), &json!(0.5)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "checkpoints/, run.lock and both logs");
}

#[test]
fn times_that_the_history_does_not_know_are_taken_from_the_lines() {
    let out = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(out.path(), "run").unwrap();
    let mut known = history();
    MetricsLog::resume(&folder, &mut known).unwrap();
    let mut unknown = history();
    unknown.timings.steps = vec![Timing::UNKNOWN; 2];
    unknown.timings.validations = vec![Timing::UNKNOWN];
    MetricsLog::resume(&folder, &mut unknown).unwrap();
    assert_eq!(unknown, known);
    std::fs::remove_file(folder.metrics()).unwrap();
    unknown.timings.steps = vec![Timing::UNKNOWN; 2];
    MetricsLog::resume(&folder, &mut unknown).unwrap();
    assert_eq!((&parsed(&folder)[0]["seconds"], &parsed(&folder)[0]["loss"]), (&Value::Null, &json!(1.0)));
}

#[test]
fn numbers_that_tensorboard_lost_come_back() {
    let out = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(out.path(), "run").unwrap();
    let mut known = history();
    MetricsLog::resume(&folder, &mut known).unwrap();
    let seen = || EventFile::resume(folder.storage(), &folder.events(), 9, 9).unwrap().take_numbers();
    let expected = seen();
    assert_eq!(expected.len(), 4, "{expected:?}");
    let bytes = std::fs::read(folder.events()).unwrap();
    for length in [0, 40, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(folder.events(), &bytes[..length]).unwrap();
        MetricsLog::resume(&folder, &mut known).unwrap();
        assert_eq!(seen(), expected, "{length} bytes were left");
    }
}

#[cfg(unix)]
#[test]
fn links_in_place_of_the_logs_are_replaced() {
    let out = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(out.path(), "run").unwrap();
    let victim = out.path().join("victim");
    for text in ["", "precious"] {
        std::fs::write(&victim, text).unwrap();
        for log in [folder.metrics(), folder.events()] {
            let _ = std::fs::remove_file(&log);
            std::os::unix::fs::symlink(&victim, log).unwrap();
        }
        MetricsLog::resume(&folder, &mut History::default()).unwrap().step(&record(1), timing(1.0)).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), text);
    }
}
