//! Records of version 2, which knew neither skipped steps nor averages.

use serde::Deserialize;

use super::bounded;
use super::history::{History, StepRecord, Timings, ValidationRecord};
use super::record::{Checkpoint, Cursor, NamedTensor};
use crate::optimizer::OptimizerState;

/// A record of version 2, field by field.
#[derive(Deserialize)]
pub(super) struct Record {
    #[serde(deserialize_with = "bounded::text")]
    config_toml: String,
    #[serde(deserialize_with = "bounded::text")]
    config_hash: String,
    seed: u64,
    cursor: Cursor,
    #[serde(deserialize_with = "bounded::tensors")]
    parameters: Vec<NamedTensor>,
    #[serde(deserialize_with = "bounded::state")]
    optimizer: OptimizerState<f32>,
    history: Measurements,
}

/// The history in records of versions 1 and 2.
#[derive(Deserialize)]
pub(super) struct Measurements {
    #[serde(deserialize_with = "bounded::long")]
    steps: Vec<StepRecord>,
    #[serde(deserialize_with = "bounded::long")]
    validations: Vec<ValidationRecord>,
    best: Option<(u64, f64)>,
    seconds: f64,
}

impl From<Measurements> for History {
    fn from(Measurements { steps, validations, best, seconds }: Measurements) -> Self {
        let timings = Timings::unknown(steps.len(), validations.len(), 0);
        Self { steps, validations, best, seconds, skipped: Vec::new(), timings }
    }
}

impl From<Record> for Checkpoint {
    fn from(record: Record) -> Self {
        Self {
            config_toml: record.config_toml,
            config_hash: record.config_hash,
            seed: record.seed,
            cursor: record.cursor,
            parameters: record.parameters,
            optimizer: record.optimizer,
            average: None,
            saved: None,
            instruction_set: String::new(),
            data: None,
            history: record.history.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::TrainingConfig;
    use crate::interrupt::Interrupt;
    use crate::trainer::{Outcome, RunFolder, Session, Silent};

    /// Of a run of four steps, written by the program that wrote version 2.
    const STEP_2: &[u8] = include_bytes!("step_00000002.ckpt");
    const STEP_4: &[u8] = include_bytes!("step_00000004.ckpt");

    #[test]
    fn a_run_of_version_2_goes_on_as_it_would_have() {
        let (half, last) = (Checkpoint::from_bytes(STEP_2).unwrap(), Checkpoint::from_bytes(STEP_4).unwrap());
        assert_eq!((half.cursor.step, half.optimizer.step, half.average.is_none()), (2, 2, true));
        assert_eq!((half.history.steps.len(), half.history.validations.len()), (2, 2));
        let config = TrainingConfig::from_toml(&last.config_toml).unwrap();
        let out = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(out.path(), &config.name).unwrap();
        fs::write(folder.checkpoints().join("step_00000002.ckpt"), STEP_2).unwrap();
        let interrupt = Interrupt::manual();
        let session = Session::resume(config, folder, &interrupt, &mut Silent).unwrap();
        let Outcome::Finished(trained) = session.run(&mut Silent).unwrap() else {
            panic!("no signal was sent")
        };
        // The instruction set of the machine that wrote the file may have been another.
        assert_eq!(trained.history.steps.len(), 4);
        for (now, then) in trained.history.steps.iter().zip(&last.history.steps) {
            assert_eq!(now.learning_rate, then.learning_rate);
            assert!((now.loss - then.loss).abs() < 1e-5, "{now:?} instead of {then:?}");
        }
        let read = Checkpoint::read(&out.path().join("version2/checkpoints/step_00000004.ckpt")).unwrap();
        assert_eq!(read.parameters.len(), last.parameters.len());
        for (now, then) in read.parameters.iter().zip(&last.parameters) {
            for (a, b) in now.values.iter().zip(&then.values) {
                assert!((a - b).abs() < 1e-4, "`{}`: {a} instead of {b}", now.name);
            }
        }
    }
}
