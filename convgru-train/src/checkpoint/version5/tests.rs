//! Records of version 5 of a time when configurations had the fields of every kind of optimiser, schedule and loss.

use std::fs;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::tests::expect_near_parameters;
use crate::config::{RunConfig, SamplingDecay};
use crate::interrupt::Interrupt;
use crate::loss::{Loss, LossTerm, LossTerms, RainWeights};
use crate::optimizer::{OptimizerKind, SgdConfig};
use crate::schedule::{Monitor, PlateauConfig, ScheduleKind};
use crate::trainer::{Outcome, RunFolder, Silent, TrainedModel, Trainer};

/// Of a run of four steps with an average, written by the program of that time.
const STEP_2: &[u8] = include_bytes!("step_00000002.ckpt");
const STEP_4: &[u8] = include_bytes!("step_00000004.ckpt");

#[test]
fn a_run_of_that_time_goes_on_as_it_would_have() {
    let (half, last) = (Checkpoint::from_bytes(STEP_2).unwrap(), Checkpoint::from_bytes(STEP_4).unwrap());
    assert_eq!((half.cursor.step, half.instruction_set.as_str()), (2, "avx2"));
    let out = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(out.path(), "version5").unwrap();
    fs::write(folder.checkpoints().join("step_00000002.ckpt"), STEP_2).unwrap();
    fs::write(folder.config(), &half.config_toml).unwrap();
    let config = RunConfig::read(&folder.config()).unwrap();
    let interrupt = Interrupt::manual();
    let trainer = Trainer::resume(config, folder, &interrupt, &mut Silent).unwrap();
    let Outcome::Finished(trained) = trainer.fit(&mut Silent).unwrap() else { panic!("no signal was sent") };
    // The instruction set here may be another.
    for (now, then) in trained.history.steps.iter().zip(&last.history.steps) {
        assert_eq!(now.learning_rate, then.learning_rate);
        assert!((now.loss - then.loss).abs() < 1e-5, "{now:?} instead of {then:?}");
    }
    let read = Checkpoint::read(&trained.folder.checkpoints().join("step_00000004.ckpt")).unwrap();
    expect_near_parameters(&read, &last);
}

#[test]
fn configurations_of_that_time_are_those_they_were() {
    let config = TrainedModel::from_bytes(STEP_4, "step_00000004.ckpt".as_ref()).unwrap().config;
    config.validate().unwrap();
    assert_eq!(RunConfig::from_toml(&Checkpoint::from_bytes(STEP_2).unwrap().config_toml).unwrap(), config);
    let rain = RainWeights { thresholds: vec![0.25, 0.5], weights: vec![1.0, 2.0, 4.0] };
    let terms = [(Loss::Huber { delta: 0.25 }, 1.0), (Loss::BalancedMae { rain }, 0.5)];
    let terms = terms.map(|(loss, weight)| LossTerm { loss, weight });
    assert_eq!(config.training.loss, LossTerms(terms.into()));
    assert_eq!(config.training.teacher_forcing.decay, SamplingDecay::InverseSigmoid { k: 2.0 });
    assert_eq!(config.training.reverse_sampling.decay, SamplingDecay::Linear);
    let sgd = SgdConfig { momentum: 0.9, dampening: 0.0, nesterov: true };
    assert_eq!((config.optimizer.kind, config.optimizer.learning_rate), (OptimizerKind::Sgd(sgd), 0.05));
    let plateau = PlateauConfig {
        metric: Some(Monitor::Mae),
        factor: 0.5,
        patience: 0,
        threshold: 0.9,
        ..Default::default()
    };
    assert_eq!((config.schedule.kind, config.schedule.warmup.steps), (ScheduleKind::Plateau(plateau), 1));
}
