//! Records of version 4, which did not know the instruction set that computed them.

use serde::Deserialize;

use super::bounded;
use super::record::{Checkpoint, Cursor, NamedTensor};
use super::version5::Measurements;
use crate::dataset::Fingerprint;
use crate::optimizer::OptimizerState;

/// A record of version 4, field by field.
#[derive(Deserialize)]
pub(super) struct Record {
    saved: Option<u64>,
    #[serde(deserialize_with = "bounded::text")]
    config_toml: String,
    #[serde(deserialize_with = "bounded::text")]
    config_hash: String,
    seed: u64,
    cursor: Cursor,
    data: Option<Fingerprint>,
    #[serde(deserialize_with = "bounded::tensors")]
    parameters: Vec<NamedTensor>,
    #[serde(deserialize_with = "bounded::state")]
    optimizer: OptimizerState<f32>,
    #[serde(deserialize_with = "bounded::average")]
    average: Option<Vec<NamedTensor>>,
    history: Measurements,
}

impl From<Record> for Checkpoint {
    fn from(record: Record) -> Self {
        Self {
            saved: record.saved,
            instruction_set: String::new(),
            config_toml: record.config_toml,
            config_hash: record.config_hash,
            seed: record.seed,
            cursor: record.cursor,
            data: record.data,
            parameters: record.parameters,
            optimizer: record.optimizer,
            average: record.average,
            history: record.history.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::checkpoint::tests::expect_near_parameters;
    use crate::config::RunConfig;
    use crate::interrupt::Interrupt;
    use crate::trainer::{Outcome, RunFolder, Silent, Trainer};

    /// Of a run of four steps with an average, written by the program that wrote version 4.
    const STEP_2: &[u8] = include_bytes!("step_00000002.ckpt");
    const STEP_4: &[u8] = include_bytes!("step_00000004.ckpt");

    #[test]
    fn a_run_of_version_4_goes_on_as_it_would_have() {
        let (half, last) = (Checkpoint::from_bytes(STEP_2).unwrap(), Checkpoint::from_bytes(STEP_4).unwrap());
        assert!(half.cursor.step == 2 && half.data.is_some() && half.instruction_set.is_empty());
        assert_eq!(Checkpoint::saved_at_a_glance(&STEP_2[..100]), half.saved);
        let config = RunConfig::from_toml(&last.config_toml).unwrap();
        let out = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(out.path(), &config.name).unwrap();
        fs::write(folder.checkpoints().join("step_00000002.ckpt"), STEP_2).unwrap();
        let interrupt = Interrupt::manual();
        let trainer = Trainer::resume(config, folder, &interrupt, &mut Silent).unwrap();
        let Outcome::Finished(trained) = trainer.fit(&mut Silent).unwrap() else {
            panic!("no signal was sent")
        };
        // The instruction set of the machine that wrote the file may have been another.
        let read = Checkpoint::read(&trained.folder.checkpoints().join("step_00000004.ckpt")).unwrap();
        expect_near_parameters(&read, &last);
    }
}
