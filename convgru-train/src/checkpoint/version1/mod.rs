//! Records of version 1, which knew Adam alone.

use serde::Deserialize;

use super::bounded;
use super::record::{Checkpoint, Cursor, NamedTensor};
use super::version2::Measurements;
use crate::optimizer::OptimizerState;

/// A record of version 1, field by field.
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
    optimizer: Adam,
    history: Measurements,
}

/// The state of Adam in it.
#[derive(Deserialize)]
struct Adam {
    step: u64,
    #[serde(deserialize_with = "bounded::moment")]
    first: Vec<Vec<f32>>,
    #[serde(deserialize_with = "bounded::moment")]
    second: Vec<Vec<f32>>,
}

impl From<Record> for Checkpoint {
    fn from(record: Record) -> Self {
        let Adam { step, first, second } = record.optimizer;
        Self {
            config_toml: record.config_toml,
            config_hash: record.config_hash,
            seed: record.seed,
            cursor: record.cursor,
            parameters: record.parameters,
            optimizer: OptimizerState { step, moments: vec![first, second] },
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
    use crate::checkpoint::History;
    use crate::config::TrainingConfig;
    use crate::interrupt::Interrupt;
    use crate::trainer::{Outcome, RunFolder, Session, Silent};

    /// Of a run of four steps, written by the program that wrote version 1.
    const STEP_2: &[u8] = include_bytes!("step_00000002.ckpt");
    const STEP_4: &[u8] = include_bytes!("step_00000004.ckpt");

    #[test]
    fn a_record_of_version_1_is_read() {
        let checkpoint = Checkpoint::from_bytes(STEP_2).unwrap();
        assert_eq!((checkpoint.cursor.step, checkpoint.optimizer.step), (2, 2));
        assert_eq!(checkpoint.optimizer.moments.len(), 2);
        let sizes: Vec<_> = checkpoint.parameters.iter().map(|tensor| tensor.values.len()).collect();
        for moment in &checkpoint.optimizer.moments {
            assert_eq!(moment.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            assert!(moment.iter().flatten().any(|&value| value != 0.0));
        }
        assert!(checkpoint.optimizer.moments[1].iter().flatten().all(|&square| square >= 0.0));
        let again = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
        assert_eq!(again, checkpoint);
    }

    #[test]
    fn a_run_of_version_1_goes_on_as_it_would_have() {
        let last = Checkpoint::from_bytes(STEP_4).unwrap();
        let config = TrainingConfig::from_toml(&last.config_toml).unwrap();
        assert!(config.schedule.cycle_momentum, "the run moved beta1 under its old name");
        let out = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(out.path(), &config.name).unwrap();
        fs::write(folder.checkpoints().join("step_00000002.ckpt"), STEP_2).unwrap();
        let interrupt = Interrupt::manual();
        let session = Session::resume(config, folder, &interrupt, &mut Silent).unwrap();
        let Outcome::Finished(trained) = session.run(&mut Silent).unwrap() else {
            panic!("no signal was sent")
        };
        let rates =
            |history: &History| history.steps.iter().map(|step| step.learning_rate).collect::<Vec<_>>();
        assert_eq!(rates(&trained.history), rates(&last.history));
        // The instruction set of the machine that wrote the file may have been another.
        for (now, then) in trained.history.steps.iter().zip(&last.history.steps) {
            assert!((now.loss - then.loss).abs() < 1e-5, "{now:?} instead of {then:?}");
        }
        let read = Checkpoint::read(&out.path().join("version1/checkpoints/step_00000004.ckpt")).unwrap();
        for (now, then) in read.parameters.iter().zip(&last.parameters) {
            assert_eq!(now.name, then.name);
            for (a, b) in now.values.iter().zip(&then.values) {
                assert!((a - b).abs() < 1e-4, "`{}`: {a} instead of {b}", now.name);
            }
        }
        assert_eq!(read.parameters.len(), last.parameters.len());
    }
}
