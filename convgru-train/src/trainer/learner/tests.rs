//! What must hold for one step: nothing changes by a batch that cannot be learned from, and
//! micro-batches teach what the whole batch does.

use convgru_model::composed::{CellConfig, ConvStageConfig, Stage};
use convgru_model::{RecurrentForecasterConfig, Tensor};

use super::*;

fn config(settings: &[&str]) -> RunConfig {
    let text = "[data]\nsize = 8\ndigit_size = 4\nmin_speed = 1.0\nmax_speed = 2.0\ninput_frames = 2\n\
                output_frames = 2\n[model]\npatch = 2\nhidden_channels = [3]\n[training]\nsteps = 9\nloss = \"mse\"";
    settings.iter().fold(RunConfig::from_toml(text).unwrap(), |config, set| config.with(set).unwrap())
}

fn new(config: &RunConfig) -> Result<Learner> {
    Learner::new(config, &crate::dataset::Quantity::intensity().transform)
}

fn batch(number: usize) -> Batch {
    let frames = Tensor::from_fn(&[4, 3, 1, 8, 8], |i| 0.5 + 0.5 * ((i * (number + 3)) as f32 * 0.37).sin());
    Batch::new(frames, None)
}

fn at(step: u64) -> Cursor {
    Cursor::at(step, 4)
}

/// Everything a learner knows, but for where it stands.
fn state(learner: &Learner) -> Vec<u8> {
    learner.checkpoint(at(0), &History::default()).to_bytes().unwrap()
}

fn taken(step: StepOutcome) -> StepRecord {
    match step {
        StepOutcome::Taken(record) => record,
        StepOutcome::Skipped(record) => panic!("{record:?}"),
    }
}

/// A pixel that is no number, and a gradient that overflows although the loss does not.
fn poisoned() -> [(SkipReason, f32); 3] {
    [(SkipReason::Loss, f32::NAN), (SkipReason::Loss, f32::INFINITY), (SkipReason::Gradient, 1e38)]
}

/// A cell with dropout, zoneout and a spectral norm.
fn composed() -> RunConfig {
    let cell = CellConfig { spectral_norm: true, dropout: 0.3, zoneout: 0.2, ..CellConfig::new(4, 3) };
    let to_frames = ConvStageConfig { in_channels: 3, out_channels: 4, ..Default::default() };
    let stages = vec![Stage::Cell(cell), Stage::Convolution(to_frames)];
    let model = RecurrentForecasterConfig { patch: 2, stages, ..Default::default() };
    RunConfig { model: model.into(), ..config(&["training.ema_decay=0.9", "optimizer.weight_decay=0.1"]) }
}

#[test]
fn composed_cells_learn_with_other_dropout_in_each_step_and_vectors_of_length_one() {
    let config = composed();
    config.model.validate().unwrap();
    let run = |from: u64| {
        let mut learner = new(&config).unwrap();
        let losses: Vec<f64> =
            (from..from + 3).map(|step| taken(learner.step(&batch(0), at(step)).unwrap()).loss).collect();
        (state(&learner), losses, learner)
    };
    let (once, again, later) = (run(0), run(0), run(3));
    assert!(once.0 == again.0, "the same steps leave the same bits");
    assert_ne!(once.1[0], later.1[0], "dropout is decided by the step");
    for model in [&once.2.model, once.2.evaluated()] {
        let mut vectors = 0;
        model.parameters().for_each(&mut |name, tensor| {
            if name.contains(".spectral.") {
                vectors += 1;
                let length: f32 = tensor.as_slice().iter().map(|x| x * x).sum();
                assert!((length - 1.0).abs() < 1e-5, "{name}: {length}");
            }
        });
        assert_eq!(vectors, 6);
    }
}

#[test]
fn a_batch_that_is_no_number_changes_nothing() {
    let config = config(&["training.ema_decay=0.9", "training.loss=[{ kind = \"mse\", weight = 1e10 }]"]);
    for (reason, value) in poisoned() {
        let (mut spoiled, mut plain) = (new(&config).unwrap(), new(&config).unwrap());
        for learner in [&mut spoiled, &mut plain] {
            taken(learner.step(&batch(0), at(0)).unwrap());
        }
        let before = state(&spoiled);
        let mut bad = batch(1);
        // In the last frame, which is predicted.
        *bad.frames.as_mut_slice().last_mut().unwrap() = value;
        for step in [1, 2] {
            let StepOutcome::Skipped(record) = spoiled.step(&bad, at(step)).unwrap() else {
                panic!("{value} was learned from")
            };
            assert_eq!(record, SkippedRecord { step: step + 1, epoch: 0, reason });
            assert!(state(&spoiled) == before, "a batch with {value} changed something");
        }
        // The schedule stands where it stood: the next step is that of a run without those.
        let (a, b) = (spoiled.step(&batch(2), at(3)).unwrap(), plain.step(&batch(2), at(3)).unwrap());
        let (a, b) = (taken(a), taken(b));
        assert_eq!(a, b);
        assert!(a.learning_rate != plain.schedule.learning_rate(3), "a constant rate would prove nothing");
        assert!(state(&spoiled) == state(&plain));
    }
}

#[test]
fn a_batch_without_a_measured_pixel_changes_nothing() {
    for settings in [&["training.ema_decay=0.9"][..], &["training.accumulate=3"]] {
        let config = config(settings);
        let (mut spoiled, mut plain) = (new(&config).unwrap(), new(&config).unwrap());
        for learner in [&mut spoiled, &mut plain] {
            taken(learner.step(&batch(0), at(0)).unwrap());
        }
        let before = state(&spoiled);
        // The input is measured, and the truth is not.
        let masked = |known: f32| {
            let mut masked = batch(1);
            let valid = |at: usize| if at < 2 * 3 * 64 { 1.0 } else { 0.0 };
            let mut valid = Tensor::from_fn(masked.frames.shape(), valid);
            *valid.as_mut_slice().last_mut().unwrap() = known;
            masked.valid = Some(valid);
            masked
        };
        let StepOutcome::Skipped(record) = spoiled.step(&masked(0.0), at(1)).unwrap() else {
            panic!("nothing can be learned from missing pixels")
        };
        assert_eq!(record, SkippedRecord { step: 2, epoch: 0, reason: SkipReason::Unmeasured });
        assert!(state(&spoiled) == before, "{settings:?}: momentum moves the weights");
        let (a, b) = (spoiled.step(&batch(2), at(2)).unwrap(), plain.step(&batch(2), at(2)).unwrap());
        assert_eq!(taken(a), taken(b));
        assert!(state(&spoiled) == state(&plain), "{settings:?}");
        assert!(taken(spoiled.step(&masked(1.0), at(3)).unwrap()).loss > 0.0, "a pixel is enough");
    }
}

#[test]
fn micro_batches_teach_what_the_whole_batch_does() {
    let mut masked = batch(5);
    masked.valid = Some(Tensor::from_fn(masked.frames.shape(), |i| if i % 5 < i / 400 { 0.0 } else { 1.0 }));
    for batch in [batch(4), masked] {
        let run = |accumulate: usize| {
            let mut learner = new(&config(&[
                &format!("training.accumulate={accumulate}"),
                "optimizer.kind=sgd",
                "training.reverse_sampling.start=0.5",
                "training.loss=[{ kind = \"mse\" }, { kind = \"gradient-difference\", weight = 0.5 }]",
            ]))
            .unwrap();
            let record = taken(learner.step(&batch, at(0)).unwrap());
            let mut values = Vec::new();
            learner.gradients.for_each(&mut |_, tensor| values.extend_from_slice(tensor.as_slice()));
            (record, values)
        };
        let (whole, gradients) = run(1);
        let scale = gradients.iter().fold(0.0f32, |scale, g| scale.max(g.abs()));
        for accumulate in [2, 3] {
            let (record, summed) = run(accumulate);
            assert!((record.loss - whole.loss).abs() < 1e-6 * whole.loss, "{accumulate}: {}", record.loss);
            for (a, b) in summed.iter().zip(&gradients) {
                assert!((a - b).abs() <= 1e-5 * scale, "{a} in {accumulate} micro-batches instead of {b}");
            }
        }
    }
}

#[test]
fn a_step_that_reads_its_own_frames_is_that_of_a_batch_that_has_them() {
    let read = batch(4);
    let plain = config(&["optimizer.kind=sgd"]);
    let mut replacing = new(&plain.with("training.reverse_sampling.start=1").unwrap()).unwrap();
    let mut given = new(&plain).unwrap();
    let frame = 3 * 64;
    let first = Tensor::from_vec(&[1, 3, 1, 8, 8], read.frames.slice(0).to_vec()).unwrap();
    let mut replaced = read.clone();
    let own = given.model.forward_mean(&first, 1).unwrap();
    replaced.frames.as_mut_slice()[frame..2 * frame].copy_from_slice(own.as_slice());
    let expected = taken(given.step(&replaced, at(0)).unwrap());
    assert_eq!(taken(replacing.step(&read, at(0)).unwrap()), expected);
    assert!(replacing.model.parameters().to_named() == given.model.parameters().to_named());
    assert_ne!(taken(new(&plain).unwrap().step(&read, at(0)).unwrap()).loss, expected.loss);
}

#[test]
fn the_average_is_measured_and_kept() {
    let mut learner = new(&config(&["training.ema_decay=0.5"])).unwrap();
    for step in 0..3 {
        taken(learner.step(&batch(step), at(step as u64)).unwrap());
    }
    assert_ne!(learner.evaluated().parameters().to_named(), learner.model.parameters().to_named());
    let checkpoint = learner.checkpoint(at(3), &History::default());
    let mut again = new(&learner.config).unwrap();
    again.restore(&checkpoint).unwrap();
    assert_eq!(again.evaluated().parameters().to_named(), learner.evaluated().parameters().to_named());
    let plain = new(&config(&[])).unwrap();
    assert!(std::ptr::eq(plain.evaluated(), &raw const plain.model));
}

/// The tensors that training leaves as they are, and settings under which everything else would change them.
const FROZEN: &[&str] = &[
    "training.freeze=[\"encoder.*\", \"*.bias\"]",
    "training.ema_decay=0.5",
    "optimizer.kind=adamw",
    "optimizer.weight_decay=0.1",
];

fn is_frozen(name: &str) -> bool {
    name.starts_with("encoder.") || name.ends_with(".bias")
}

#[test]
fn frozen_tensors_keep_their_bits_and_take_no_part_in_anything() {
    let mut learner = new(&config(FROZEN)).unwrap();
    let before = learner.model.parameters().to_named();
    let frozen: Vec<&Tensor<f32>> =
        before.iter().filter(|(name, _)| is_frozen(name)).map(|(_, tensor)| tensor).collect();
    let numbers = frozen.iter().map(|tensor| tensor.len()).sum();
    assert_eq!(learner.frozen(), Some([frozen.len(), numbers]));
    for step in 0..3 {
        taken(learner.step(&batch(step), at(step as u64)).unwrap());
    }
    let after = learner.model.parameters().to_named();
    let average = learner.evaluated().parameters().to_named();
    for (((name, before), (_, after)), (_, average)) in before.iter().zip(&after).zip(&average) {
        assert_eq!(before == after, is_frozen(name), "{name}");
        assert_eq!(before == average, is_frozen(name), "the average of {name}");
    }
    // The optimiser keeps nothing for them, and goes on from a checkpoint with the same bits.
    let trained = before.len() - frozen.len();
    assert!(learner.optimizer.state().moments.iter().all(|moment| moment.len() == trained));
    let mut again = new(&learner.config).unwrap();
    again.restore(&learner.checkpoint(at(3), &History::default())).unwrap();
    for learner in [&mut learner, &mut again] {
        taken(learner.step(&batch(3), at(3)).unwrap());
    }
    assert!(state(&learner) == state(&again));
}

#[test]
fn frozen_vectors_of_spectral_norms_keep_their_bits() {
    for pattern in ["body.stages.0.*", "*.spectral.*", "*.reset.v"] {
        let config = composed().with(&format!("training.freeze=[\"{pattern}\"]")).unwrap();
        let mut learner = new(&config).unwrap();
        // One step of the power iteration would move vectors that have not settled.
        learner.model.parameters_mut().for_each_mut(&mut |name, tensor| {
            if name.contains(".spectral.") {
                tensor.fill((tensor.len() as f32).sqrt().recip());
            }
        });
        learner.average = Some(MovingAverage::new(&learner.model, 0.9));
        let before = learner.model.parameters().to_named();
        for step in 0..2 {
            taken(learner.step(&batch(step), at(step as u64)).unwrap());
        }
        for model in [&learner.model, learner.evaluated()] {
            for ((name, before), (_, after)) in before.iter().zip(model.parameters().to_named()) {
                assert_eq!(*before == after, !learner.freezing.trains(name), "{pattern}: {name}");
            }
        }
    }
}

#[test]
fn the_norm_of_the_gradient_is_that_of_the_tensors_that_are_trained() {
    let all = config(&["training.clip_norm=0"]);
    let some = all.with("training.freeze=[\"encoder.*\", \"*.bias\"]").unwrap();
    let (mut whole, mut part) = (new(&all).unwrap(), new(&some).unwrap());
    taken(whole.step(&batch(0), at(0)).unwrap());
    let norm = taken(part.step(&batch(0), at(0)).unwrap()).gradient_norm;
    let mut squares = 0.0;
    whole.gradients.for_each(&mut |name, tensor| {
        let own: f64 = tensor.as_slice().iter().map(|&number| f64::from(number).powi(2)).sum();
        squares += if is_frozen(name) { 0.0 } else { own };
    });
    assert!((norm / squares.sqrt() - 1.0).abs() < 1e-9, "{norm} {}", squares.sqrt());
}

#[test]
fn a_pattern_that_freezes_nothing_is_refused() {
    let error = new(&config(&["training.freeze=[\"nothing.*\"]"])).err().unwrap().to_string();
    assert!(error.contains("training.freeze") && error.contains("encoder.layers.0.bias"), "{error}");
}
