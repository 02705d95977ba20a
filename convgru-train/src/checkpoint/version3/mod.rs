//! Records of version 3, which knew neither the data nor when anything was measured.

use serde::Deserialize;

use super::bounded;
use super::history::{History, SkippedRecord, StepRecord, Timings};
use super::record::{Checkpoint, Cursor, NamedTensor};
use super::version5::{self, Validation};
use crate::optimizer::OptimizerState;

/// A record of version 3, field by field.
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
    #[serde(deserialize_with = "bounded::average")]
    average: Option<Vec<NamedTensor>>,
    history: Measurements,
}

/// The history in records of version 3.
#[derive(Deserialize)]
struct Measurements {
    #[serde(deserialize_with = "bounded::long")]
    steps: Vec<StepRecord>,
    #[serde(deserialize_with = "bounded::long")]
    validations: Vec<Validation>,
    best: Option<(u64, f64)>,
    seconds: f64,
    #[serde(deserialize_with = "bounded::long")]
    skipped: Vec<SkippedRecord>,
}

impl From<Measurements> for History {
    fn from(Measurements { steps, validations, best, seconds, skipped }: Measurements) -> Self {
        let timings = Timings::unknown(steps.len(), validations.len(), skipped.len());
        let validations = version5::validations(&validations);
        Self { steps, validations, best, seconds, skipped, timings }
    }
}

impl From<Record> for Checkpoint {
    fn from(record: Record) -> Self {
        Self {
            saved: None,
            instruction_set: String::new(),
            config_toml: record.config_toml,
            config_hash: record.config_hash,
            seed: record.seed,
            cursor: record.cursor,
            data: None,
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
    use crate::trainer::{Observer, Outcome, RunFolder, Trainer, TrainerEvent};

    /// Of a run of four steps with an average, written by the program that wrote version 3.
    const STEP_2: &[u8] = include_bytes!("step_00000002.ckpt");
    const STEP_4: &[u8] = include_bytes!("step_00000004.ckpt");

    struct Warnings(Vec<String>);

    impl Observer for Warnings {
        fn observe(&mut self, event: &TrainerEvent<'_>) {
            if let TrainerEvent::Warning(text) = event {
                self.0.push((*text).to_owned());
            }
        }
    }

    #[test]
    fn a_run_of_version_3_goes_on_as_it_would_have_and_says_what_is_not_known() {
        let (half, last) = (Checkpoint::from_bytes(STEP_2).unwrap(), Checkpoint::from_bytes(STEP_4).unwrap());
        assert_eq!(
            (half.cursor.step, half.average.is_some(), half.saved, &half.data),
            (2, true, None, &None)
        );
        assert_eq!((half.history.steps.len(), half.history.timings.steps.len()), (2, 2));
        let config = RunConfig::from_toml(&last.config_toml).unwrap();
        let out = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(out.path(), &config.name).unwrap();
        fs::write(folder.checkpoints().join("step_00000002.ckpt"), STEP_2).unwrap();
        let line = "{\"kind\":\"step\",\"step\":2,\"seconds\":0.75,\"data_wait\":0.5}\n";
        fs::write(folder.metrics(), line).unwrap();
        let interrupt = Interrupt::manual();
        let mut warnings = Warnings(Vec::new());
        let trainer = Trainer::resume(config, folder.clone(), &interrupt, &mut warnings).unwrap();
        assert!(warnings.0.iter().any(|text| text.contains("no fingerprint")), "{:?}", warnings.0);
        let text = fs::read_to_string(folder.metrics()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines[0]["seconds"].is_null() && lines[0]["loss"].is_number(), "{text}");
        let second = lines.iter().find(|line| line["kind"] == "step" && line["step"] == 2).unwrap();
        assert_eq!((&second["seconds"], &second["data_wait"]), (&0.75.into(), &0.5.into()), "{text}");
        let Outcome::Finished(trained) = trainer.fit(&mut warnings).unwrap() else {
            panic!("no signal was sent")
        };
        // The instruction set of the machine that wrote the file may have been another.
        for (now, then) in trained.history.steps.iter().zip(&last.history.steps) {
            assert_eq!(now.learning_rate, then.learning_rate);
            assert!((now.loss - then.loss).abs() < 1e-5, "{now:?} instead of {then:?}");
        }
        let read = Checkpoint::read(&folder.checkpoints().join("step_00000004.ckpt")).unwrap();
        assert!(read.data.is_some() && read.saved.is_some());
        expect_near_parameters(&read, &last);
    }
}
