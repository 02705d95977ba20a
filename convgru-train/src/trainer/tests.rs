//! What must hold for whole runs: the same bits however they came about, and
//! nothing lost when something goes wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use convgru_model::{Forecaster, Parameters};
use serde_json::Value;

use super::*;
use crate::checkpoint::CheckpointStore;
use crate::config::RunConfig;
use crate::dataset::{Split, open};
use crate::interrupt::{Interrupt, Signal};

mod longer;
mod monitors;
mod unmeasured;

/// Six steps of two sequences, four batches per epoch: step 6 is in the middle
/// of the second epoch.
const TINY: &str = r#"
name = "tiny"
[data]
size = 16
digit_size = 8
min_speed = 1.0
max_speed = 3.0
input_frames = 3
output_frames = 2
train_sequences = 8
validation_sequences = 3
test_sequences = 3
[model]
patch = 2
hidden_channels = [4, 3]
output_activation = "sigmoid"
[training]
steps = 6
batch_size = 2
loss = "bce-with-logits"
validate_every = 2
checkpoint_every = 1
threads = 1
[optimizer]
learning_rate = 0.01
"#;

fn tiny() -> RunConfig {
    RunConfig::from_toml(TINY).unwrap()
}

/// Raises a signal after a step and remembers warnings.
struct StopAfter {
    step: u64,
    interrupt: Interrupt,
    warnings: Vec<String>,
}

impl Observer for StopAfter {
    fn observe(&mut self, event: &TrainerEvent<'_>) {
        match event {
            TrainerEvent::Step(record) if record.step == self.step => self.interrupt.raise(Signal::Terminate),
            TrainerEvent::Warning(text) => self.warnings.push((*text).to_owned()),
            _ => {}
        }
    }
}

/// The folder of the run in `out`.
fn run(out: &Path) -> PathBuf {
    out.join("tiny")
}

/// Trains in `out` until after `stop` (0 for never); the outcome and warnings.
fn train(config: &RunConfig, out: &Path, stop: u64) -> Result<(Outcome, Vec<String>)> {
    with_threads(config.training.threads, || {
        let interrupt = Interrupt::manual();
        let mut observer = StopAfter { step: stop, interrupt: interrupt.clone(), warnings: Vec::new() };
        let trainer = match RunFolder::open(&run(out)) {
            Ok(run) => Trainer::resume(config.clone(), run, &interrupt, &mut observer)?,
            Err(_) => Trainer::start(config.clone(), out, &interrupt)?,
        };
        let outcome = trainer.fit(&mut observer)?;
        if let Outcome::Finished(trained) = &outcome {
            trained.write_artifacts(&[], &Interrupt::manual(), &mut Silent)?;
        }
        Ok((outcome, observer.warnings))
    })?
}

/// The lines of the log without what depends on the clock.
fn log(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run(out).join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            let fields = value.as_object_mut().unwrap();
            fields.remove("seconds").expect("every line has its time");
            let waited = fields.remove("data_wait").map(|share| share.as_f64().unwrap());
            assert_eq!(waited.is_some(), fields["kind"] != "validation");
            assert!(waited.is_none_or(|share| (0.0..=1.0).contains(&share)), "{waited:?}");
            value
        })
        .collect()
}

fn weights(out: &Path) -> Vec<u8> {
    fs::read(run(out).join("model.safetensors")).unwrap()
}

/// What the [`tiny`] run leads to when nothing happens to it.
struct Uninterrupted {
    log: Vec<Value>,
    weights: Vec<u8>,
    bits: Vec<u32>,
}

static UNINTERRUPTED: LazyLock<Uninterrupted> = LazyLock::new(|| {
    let out = tempfile::tempdir().unwrap();
    let (outcome, _) = train(&tiny(), out.path(), 0).unwrap();
    assert!(matches!(outcome, Outcome::Finished(_)));
    let bits = bits(&TrainedModel::read(&run(out.path()).join("model.safetensors")).unwrap());
    Uninterrupted { log: log(out.path()), weights: weights(out.path()), bits }
});

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let out = tempfile::tempdir().unwrap();
    let expected = &UNINTERRUPTED.log;
    assert_eq!(expected.iter().filter(|line| line["kind"] == "step").count(), 6);
    assert_eq!(expected.iter().filter(|line| line["kind"] == "validation").count(), 3);

    // Stopped within an epoch, at its end, and on a step that is validated; every
    // time with another number of threads and of batches made ahead.
    for (number, stops) in [&[3][..], &[4], &[2, 5], &[1, 2, 3, 4, 5, 6]].into_iter().enumerate() {
        let folder = out.path().join(format!("parts{number}"));
        let mut config = tiny();
        for (part, &stop) in stops.iter().enumerate() {
            config.training.threads = part % 3 + 1;
            config.data.prefetch = [0, 1, 7][(part + number) % 3];
            let (outcome, _) = train(&config, &folder, stop).unwrap();
            match outcome {
                Outcome::Interrupted { step, signal, checkpoint } => {
                    assert_eq!((step, signal), (stop, Signal::Terminate));
                    assert!(checkpoint.is_file());
                }
                // The last step needs no more than its validation.
                Outcome::Finished(_) => assert_eq!(stop, 6),
            }
        }
        config.training.threads = 3;
        config.data.prefetch = number;
        let (outcome, _) = train(&config, &folder, 0).unwrap();
        assert!(matches!(outcome, Outcome::Finished(_)));
        assert_eq!(log(&folder), *expected, "stops {stops:?}");
        let ours = TrainedModel::read(&run(&folder).join("model.safetensors")).unwrap();
        assert_eq!(bits(&ours), UNINTERRUPTED.bits, "stops {stops:?}");
    }
}

fn bits(model: &TrainedModel) -> Vec<u32> {
    let mut bits = Vec::new();
    convgru_model::Parameters::for_each(model.model.parameters(), &mut |_, tensor| {
        bits.extend(tensor.as_slice().iter().map(|value| value.to_bits()));
    });
    bits
}

/// Dropout, zoneout and the vectors of spectral norms go on where they were, too.
#[test]
fn a_network_of_composed_cells_resumes_with_the_same_bits() {
    let stages = r#"
        [[model.stages]]
        cell = { kind = "lstm", in_channels = 4, hidden_channels = 4, dropout = 0.2, zoneout = 0.1 }
        [[model.stages]]
        cell = { in_channels = 4, hidden_channels = 3, spectral_norm = true, second_kernel_size = [1, 3] }
        [[model.stages]]
        convolution = { in_channels = 3, out_channels = 4, kernel_size = [1, 1] }
    "#;
    let text = TINY.replace("patch = 2\nhidden_channels = [4, 3]", "kind = \"recurrent\"\npatch = 2");
    let config = RunConfig::from_toml(&(text + stages)).unwrap().with("training.ema_decay=0.9").unwrap();
    assert_eq!(config.model.hidden_channels(), [4, 3]);
    let out = tempfile::tempdir().unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| out.path().join(name));
    assert!(matches!(train(&config, &whole, 0).unwrap().0, Outcome::Finished(_)));
    let mut config = config;
    for (stop, threads) in [(3, 2), (4, 3), (0, 1)] {
        config.training.threads = threads;
        train(&config, &parts, stop).unwrap();
    }
    assert_eq!(log(&parts), log(&whole));
    let [whole, parts] =
        [whole, parts].map(|out| bits(&TrainedModel::read(&run(&out).join("model.safetensors")).unwrap()));
    assert_eq!(parts, whole);
}

/// Whatever the optimiser remembers and the schedule has heard, a run that is stopped
/// between two validations and after one goes on with the same bits.
#[test]
fn every_optimizer_and_a_plateau_resume_with_the_same_bits() {
    for settings in [
        &["optimizer.kind=sgd", "optimizer.momentum=0.9", "schedule.cycle_momentum=true"][..],
        &["optimizer.kind=adamw", "optimizer.weight_decay=0.1", "optimizer.amsgrad=true"],
        &["optimizer.kind=rmsprop", "optimizer.momentum=0.5", "optimizer.centered=true"],
        &["schedule.kind=plateau", "schedule.patience=0", "schedule.threshold=0.9"],
        &["schedule.kind=plateau", "schedule.metric=ssim", "schedule.patience=0"],
        &["schedule.kind=cosine", "schedule.warmup.steps=2", "training.clip_value=1e-3"],
        &["training.clip_norm=0.1", "training.clip_norm_type=inf"],
        &["training.loss={ kind = \"smooth-l1\", beta = 0.1 }"],
        &["training.loss={ kind = \"bce-with-logits\", pos_weight = 3 }"],
        &[
            "training.loss=[{ kind = \"mse\" }, { kind = \"ssim\", weight = 0.1 }]",
            "training.lead_weights=linear",
        ],
        &["training.ema_decay=0.9", "training.accumulate=2"],
        &["training.freeze=[\"encoder.*\", \"*.bias\"]", "training.ema_decay=0.9", "optimizer.kind=adamw"],
        &[
            "model.feedback=unconditioned",
            "model.members=3",
            "training.loss=[{ kind = \"crps\", spread = \"fair\" }, { kind = \"l1\", weight = 0.1 }]",
            "training.accumulate=2",
        ],
        &["training.loss=mse", "model.kind=mlcast", "model.blocks=2", "training.reverse_sampling.start=0.5"],
        &[
            "training.loss=mse",
            "model.kind=mlcast",
            "model.blocks=1",
            "model.members=2",
            "training.loss={ kind = \"crps\", spread = \"fair\" }",
            "training.accumulate=2",
        ],
        &["training.teacher_forcing.decay=inverse-sigmoid"],
        &["training.reverse_sampling.start=0.8", "training.accumulate=2"],
        &[
            "training.truncate=1",
            "training.teacher_forcing.decay=exponential",
            "training.teacher_forcing.k=0.8",
        ],
        &["training.early_stopping.patience=1", "training.early_stopping.min_delta=1e9"],
        &["training.loss={ kind = \"balanced-mae\", rain.thresholds = [0.1, 0.2, 0.3, 0.5] }"],
        &[
            "model.kind=pyramid",
            "model.scales=[{ channels = 4, down = 3 }, { channels = 3, down = 2, features = 2 }]",
            "model.residual=last-frame",
            "model.skip=true",
            "model.output_activation=sigmoid",
            "training.truncate=2",
            "training.memory_budget=1",
        ],
    ] {
        let config = tiny().with_all(settings).unwrap();
        let out = tempfile::tempdir().unwrap();
        let (whole, parts) = (out.path().join("whole"), out.path().join("parts"));
        train(&config, &whole, 0).unwrap();
        for stop in [3, 5, 0] {
            train(&config, &parts, stop).unwrap();
        }
        assert_eq!(log(&parts), log(&whole), "{settings:?}");
        assert!(weights(&parts) == weights(&whole), "{settings:?}: the files differ");
        assert_ne!(UNINTERRUPTED.log, log(&whole), "{settings:?} change nothing");
    }
}

#[test]
fn a_plateau_lowers_the_rate_after_validations_without_improvement() {
    let out = tempfile::tempdir().unwrap();
    let config =
        tiny().with_all(&["schedule.kind=plateau", "schedule.patience=0", "schedule.threshold=0.9"]).unwrap();
    train(&config, out.path(), 0).unwrap();
    let steps = log(out.path()).into_iter().filter(|line| line["kind"] == "step");
    let rates: Vec<f64> = steps.map(|line| line["learning_rate"].as_f64().unwrap()).collect();
    let expected = [0.01, 0.01, 0.01, 0.01, 0.001, 0.001];
    assert!(rates.iter().zip(expected).all(|(rate, e)| (rate - e).abs() < 1e-15), "{rates:?}");
    assert_eq!(rates.len(), expected.len());
}

#[test]
fn weights_of_a_resumed_run_are_the_same_file() {
    let out = tempfile::tempdir().unwrap();
    train(&tiny(), out.path(), 3).unwrap();
    train(&tiny(), out.path(), 0).unwrap();
    assert!(weights(out.path()) == UNINTERRUPTED.weights, "the files differ");
}

#[test]
fn a_damaged_checkpoint_costs_steps_but_not_the_result() {
    let out = tempfile::tempdir().unwrap();
    let broken = out.path().join("broken");
    train(&tiny(), &broken, 5).unwrap();
    let newest = run(&broken).join("checkpoints/step_00000005.ckpt");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();

    let (_, warnings) = train(&tiny(), &broken, 0).unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("step_00000005.ckpt") && warnings[0].contains("truncated"), "{warnings:?}");
    assert!(warnings[0].contains("goes on from step 4"), "{warnings:?}");
    assert_eq!(log(&broken), UNINTERRUPTED.log);
    assert!(weights(&broken) == UNINTERRUPTED.weights, "the files differ");
    assert!(run(&broken).join("checkpoints/step_00000005.ckpt.damaged").is_file());
}

#[test]
fn another_configuration_is_refused_by_field() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run");
    train(&tiny(), &folder, 2).unwrap();
    let Err(error) = train(&tiny().with("training.steps=9").unwrap(), &folder, 0) else {
        panic!("a longer run has another schedule")
    };
    assert!(error.to_string().contains("training.steps: 6, 9"), "{error}");
    train(&tiny().with("training.keep_checkpoints=5").unwrap(), &folder, 0).unwrap();
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoints() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run");
    let mut config = tiny();
    config.optimizer.learning_rate = 1e38;
    config = config.with("model.output_activation=identity").unwrap();
    config.training.loss = crate::loss::Loss::Mse.into();
    config.schedule.kind = crate::schedule::ScheduleKind::Constant;
    config.training.stop_after_nonfinite = 2;
    let Err(error) = train(&config, &folder, 0) else { panic!("1e38 is no learning rate") };
    assert!(matches!(error, crate::Error::NotFinite { .. }), "{error}");
    assert!(error.to_string().contains("optimizer.learning_rate"), "{error}");
    assert!(error.to_string().contains("3 in a row"), "{error}");
    let skipped: Vec<_> = log(&folder).into_iter().filter(|line| line["kind"] == "skipped").collect();
    assert_eq!(skipped.len(), 3);
    assert!(
        skipped
            .iter()
            .all(|line| line["reason"] == "loss-not-finite" || line["reason"] == "gradient-not-finite")
    );
    let store = CheckpointStore::new(run(&folder).join("checkpoints"), 2);
    let loaded = store.load_latest().unwrap();
    assert_eq!(loaded.rejected, []);
    let values = loaded.checkpoint.parameters.iter().flat_map(|tensor| &tensor.values);
    assert!(values.clone().count() > 0 && loaded.checkpoint.cursor.step < 6);
}

#[test]
fn a_run_stops_early_and_stays_stopped() {
    let out = tempfile::tempdir().unwrap();
    let config = tiny()
        .with_all(&["training.early_stopping.patience=1", "training.early_stopping.min_delta=1e9"])
        .unwrap();
    // The first validation improves on nothing before it, the second does not.
    for _ in 0..2 {
        let (outcome, _) = train(&config, out.path(), 0).unwrap();
        let Outcome::Finished(trained) = outcome else { panic!("no signal was sent") };
        assert_eq!((trained.history.steps.len(), trained.history.validations.len()), (4, 2));
    }
}

#[test]
fn the_average_is_the_model_of_the_run() {
    let out = tempfile::tempdir().unwrap();
    let (outcome, _) = train(&tiny().with("training.ema_decay=0.999").unwrap(), out.path(), 0).unwrap();
    let Outcome::Finished(trained) = outcome else { panic!("no signal was sent") };
    let checkpoint = crate::checkpoint::Checkpoint::read(&trained.checkpoint).unwrap();
    let mut plain = trained.model.model.clone();
    checkpoint.restore(plain.parameters_mut()).unwrap();
    assert_ne!(plain.parameters().to_named(), trained.model.model.parameters().to_named());
    for path in [&trained.checkpoint, &run(out.path()).join("model.safetensors")] {
        assert_eq!(bits(&TrainedModel::read(path).unwrap()), bits(&trained.model), "{}", path.display());
    }
}

#[test]
fn training_with_crps_lowers_the_score_of_an_ensemble() {
    let config = tiny()
        .with_all(&[
            "model.feedback=unconditioned",
            "model.members=3",
            "training.loss=crps",
            "training.steps=80",
            "training.validate_every=0",
        ])
        .unwrap();
    let out = tempfile::tempdir().unwrap();
    let (outcome, _) = train(&config, out.path(), 0).unwrap();
    let Outcome::Finished(trained) = outcome else { panic!("no signal was sent") };
    let dataset = open(&config.data, None, Split::Test, config.training.seed).unwrap();
    let assess = |model: &Forecaster<f32>| {
        let evaluator = Evaluator {
            dataset: dataset.as_ref(),
            split: Split::Test,
            input_frames: config.data.input_frames,
            batch_size: 2,
            mean_frame: None,
            loss: None,
            nowcasts: None,
            interrupt: &Interrupt::manual(),
        };
        evaluator.evaluate(model, &mut Silent).unwrap().unwrap()
    };
    let before = assess(&Forecaster::new(config.model.clone(), config.training.seed).unwrap());
    let after = assess(&trained.model.model);
    let [before, after] = [before, after].map(|evaluation| evaluation.ensemble.unwrap());
    assert!(after.overall.crps < 0.5 * before.overall.crps, "{after:?} after {before:?}");
    assert_eq!((after.members, after.per_step.len()), (3, 2));
    assert!(after.per_step.iter().all(|step| step.spread > 0.0 && step.fair_crps < step.crps), "{after:?}");
}

#[test]
fn a_finished_run_has_all_its_files() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run");
    let (outcome, _) = train(&tiny(), &folder, 0).unwrap();
    let Outcome::Finished(trained) = outcome else { panic!("no signal was sent") };
    assert!(trained.checkpoint.is_file());
    assert_eq!(trained.history.steps.len(), 6);
    let best = trained.history.validations.iter().map(|v| v.metrics.mse).fold(f64::INFINITY, f64::min);
    assert_eq!(trained.history.best, Some((trained.model.step, best)));
    for file in ["config.toml", "metrics.jsonl", "model.safetensors", "report.html", "prediction.gif"] {
        assert!(fs::metadata(run(&folder).join(file)).unwrap().len() > 0, "{file}");
    }
    let written = RunConfig::read(&run(&folder).join("config.toml")).unwrap();
    assert_eq!(written, tiny());
    let from_checkpoint = TrainedModel::read(&trained.checkpoint).unwrap();
    let from_weights = TrainedModel::read(&run(&folder).join("model.safetensors")).unwrap();
    assert_eq!(bits(&from_checkpoint), bits(&from_weights));
    assert_eq!((from_weights.config, from_weights.step), (tiny(), trained.model.step));
}

#[test]
fn files_that_are_no_model_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("file");
    let read = || TrainedModel::read(&path).map(drop).unwrap_err().to_string();
    assert!(read().contains("cannot read"));
    for (bytes, words) in [
        (&b""[..], "neither a checkpoint nor a safetensors file"),
        (b"GIF89a", "neither a checkpoint"),
        (b"CGRUCKPT", "truncated"),
        (&[0xff; 64], "neither a checkpoint"),
    ] {
        fs::write(&path, bytes).unwrap();
        assert!(read().contains(words), "{bytes:?}: {}", read());
    }
    let empty: [(&str, safetensors::tensor::TensorView<'_>); 0] = [];
    fs::write(&path, safetensors::serialize(empty, None).unwrap()).unwrap();
    assert!(read().contains("no `convgru`"), "{}", read());
}
