//! Records of version 4, which did not know the instruction set that computed them.

use serde::Deserialize;

use super::record::Checkpoint;
use super::version5::Run;

/// A record of version 4, field by field.
#[derive(Deserialize)]
pub(super) struct Record {
    saved: Option<u64>,
    run: Run,
}

impl From<Record> for Checkpoint {
    fn from(Record { saved, run }: Record) -> Self {
        run.checkpoint(saved, String::new())
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
