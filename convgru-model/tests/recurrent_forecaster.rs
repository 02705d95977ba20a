//! Networks of composed cells that continue frames: every pass, every kind of cell.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use std::num::NonZeroUsize;

use convgru_model::composed::{
    CellConfig, CellKind, Context, ConvStageConfig, Normalization, PaddingMode, Stage, Wiring,
};
use convgru_model::layer::Activation;
use convgru_model::{
    Forecaster, MemoryBudget, OutputActivation, Parameters, PredictionGradient, RecurrentForecasterConfig,
    ResetGate, Scalar, Sequence, TeacherForcing, Tensor, Workspace,
};
use fixtures::{bits_of, fill_biases, forecaster_gradients, noise, pool};

/// Stages over patches of 2x2 of one channel with a mask: a cell of each kind, between convolutions, and other wirings.
fn networks<T: Scalar>() -> Vec<Forecaster<T>> {
    let gru = CellConfig::new(8, 6);
    let cells = [
        gru.clone(),
        CellConfig { kind: CellKind::Lstm, peephole: true, zoneout: 0.25, ..gru.clone() },
        CellConfig {
            kind: CellKind::TrajGru,
            reset: ResetGate::After,
            flows: 3,
            flow_channels: 4,
            ..gru.clone()
        },
        CellConfig { kernel_size: [1, 5], second_kernel_size: Some([5, 1]), dropout: 0.3, ..gru.clone() },
        CellConfig { spectral_norm: true, ..gru.clone() },
        CellConfig { context: Context::Global, normalization: Normalization::Layer, ..gru.clone() },
        CellConfig {
            padding_mode: [PaddingMode::Replicate, PaddingMode::Circular],
            groups: 2,
            dilation: [2, 1],
            ..gru.clone()
        },
    ];
    let convolution = |in_channels, out_channels, activation| ConvStageConfig {
        in_channels,
        out_channels,
        activation,
        ..Default::default()
    };
    let to_frames = || Stage::Convolution(convolution(6, 4, Activation::Identity));
    let mut bodies: Vec<(Wiring, Vec<Stage>)> =
        cells.into_iter().map(|cell| (Wiring::Chain, vec![Stage::Cell(cell), to_frames()])).collect();
    let above = Stage::Cell(CellConfig::new(6, 6));
    bodies.push((Wiring::Residual, vec![Stage::Cell(gru.clone()), above.clone(), to_frames()]));
    // As in FireNet: convolutions and residual blocks around cells.
    let first = Stage::Convolution(convolution(8, 6, Activation::Relu));
    let block = Stage::Residual(convolution(6, 6, Activation::Relu));
    bodies.push((Wiring::Chain, vec![first, above, block, to_frames()]));
    let levels = [CellConfig::new(8 + 3, 4), CellConfig::new(4, 3)].map(Stage::Cell).to_vec();
    bodies.push((Wiring::Levels, levels));
    let network = |(wiring, stages)| {
        let config = RecurrentForecasterConfig {
            patch: 2,
            mask_channel: true,
            output_activation: OutputActivation::Sigmoid,
            wiring,
            stages,
            ..Default::default()
        };
        let mut network = Forecaster::new(config, 5).unwrap();
        fill_biases(network.parameters_mut());
        network
    };
    bodies.into_iter().map(network).collect()
}

/// Four frames of two samples, not all of whose pixels were measured.
fn frames<T: Scalar>() -> Tensor<T> {
    let mut frames = noise::<T>(&[4, 2, 2, 8, 10], 3);
    let values = frames.as_mut_slice().chunks_exact_mut(80).skip(1).step_by(2).flatten();
    values.for_each(|mask| *mask = if *mask > T::ZERO { T::ONE } else { T::ZERO });
    frames
}

#[test]
fn a_stream_a_sequence_and_a_training_pass_have_the_same_bits() {
    let frames = frames::<f32>();
    for mut network in networks() {
        let expected = network.forward(&frames, 3).unwrap();
        assert_eq!(expected.shape(), [3, 2, 1, 8, 10]);
        let mut stream = network.prepare().unwrap().stream(2, 8, 10).unwrap();
        for round in 0..2 {
            for t in 0..4 {
                stream.read(&frames.index(t)).unwrap();
                stream.forecast(1 + t).unwrap();
            }
            assert_eq!(bits_of(&stream.forecast(3).unwrap()), bits_of(&expected), "round {round}");
            stream.reset();
        }
        drop(stream);
        let mut workspace = Workspace::default();
        for budget in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1), MemoryBudget::Bytes(60_000)] {
            for truncation in [None, NonZeroUsize::new(1), NonZeroUsize::new(2)] {
                network.set_memory_budget(budget);
                network.set_truncation(truncation);
                let prediction = network.forward_train(&frames, 3, None, &mut workspace).unwrap();
                let what = format!("{budget:?}, {truncation:?}, {:?}", network.config());
                assert_eq!(bits_of(&prediction.output), bits_of(&expected), "{what}");
            }
        }
    }
}

#[test]
fn a_sample_of_a_batch_is_the_sample_alone_and_threads_change_no_bit() {
    let frames = frames::<f32>();
    let first = Tensor::from_fn(&[4, 1, 2, 8, 10], |i| frames.as_slice()[i / 160 * 320 + i % 160]);
    for network in networks::<f32>() {
        let both = network.forward(&frames, 2).unwrap();
        let alone = network.forward(&first, 2).unwrap();
        for t in 0..2 {
            assert_eq!(both.index(t).slice(0), alone.index(t).slice(0));
        }
        let run = |threads| pool(threads).install(|| forecaster_gradients(&network, &frames, 2));
        assert!(run(1) == run(3), "{:?}", network.config());
    }
}

#[test]
fn a_memory_budget_changes_no_gradient_and_keeps_less() {
    let frames = frames::<f64>();
    let truth = noise(&[4, 2, 2, 8, 10], 9);
    let forced = [false, false, true, false];
    for mut network in networks::<f64>() {
        let run = |network: &Forecaster<f64>| {
            let mut workspace = Workspace::default();
            let sequence =
                Sequence { input_gradient: true, dropout_seed: Some(3), ..Sequence::from(&frames) };
            let teacher = Some(TeacherForcing { frames: &truth, forced: &forced });
            let prediction = network.forward_train(sequence, 4, teacher, &mut workspace).unwrap();
            let mut gradients = network.parameters().zeros_like();
            let loss = PredictionGradient::Output(prediction.output.clone());
            let back = network.backward(&mut workspace, loss, &mut gradients).unwrap();
            (prediction.output, gradients.to_named(), back.inputs, workspace.bytes())
        };
        for truncation in [None, NonZeroUsize::new(2)] {
            network.set_truncation(truncation);
            network.set_memory_budget(MemoryBudget::Unlimited);
            let whole = run(&network);
            for bytes in [1, whole.3 / 2] {
                network.set_memory_budget(MemoryBudget::Bytes(bytes));
                let parts = run(&network);
                assert_eq!(bits_of(&whole.0), bits_of(&parts.0));
                assert!(parts.3 < whole.3, "{} of {} bytes", parts.3, whole.3);
                let inputs = |run: &[Tensor<f64>]| ("input".to_owned(), run[0].clone());
                let whole = whole.1.iter().cloned().chain([inputs(&whole.2)]);
                for ((name, whole), (_, parts)) in
                    whole.zip(parts.1.iter().cloned().chain([inputs(&parts.2)]))
                {
                    let largest = whole.as_slice().iter().fold(1e-30, |most: f64, d| most.max(d.abs()));
                    let pairs = whole.as_slice().iter().zip(parts.as_slice());
                    let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(off <= 1e-11 * largest, "{name}: off by {off} of {largest}");
                }
            }
        }
    }
}

#[test]
fn gradients_flow_through_the_last_frames_alone() {
    let frames = frames::<f64>();
    for mut network in networks::<f64>() {
        let input = |network: &Forecaster<f64>| forecaster_gradients(network, &frames, 2).pop().unwrap().1;
        let whole = input(&network);
        network.set_truncation(NonZeroUsize::new(2));
        let last = input(&network);
        assert!(last.index(0).as_slice().iter().chain(last.index(1).as_slice()).all(|&d| d == 0.0));
        for t in 2..4 {
            // What comes after a frame does not depend on the cut before it.
            let (whole, last) = (whole.index(t), last.index(t));
            let pairs = whole.as_slice().iter().zip(last.as_slice());
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-12), "frame {t}");
            assert!(last.as_slice().iter().any(|&d| d != 0.0), "frame {t}");
        }
    }
}

#[test]
fn dropout_is_decided_by_its_seed_and_not_there_in_use() {
    let frames = frames::<f32>();
    for network in networks::<f32>() {
        let run = |dropout_seed| {
            let sequence = Sequence { dropout_seed, ..Sequence::from(&frames) };
            network.forward_train(sequence, 3, None, &mut Workspace::default()).unwrap().output
        };
        assert_eq!(run(None), network.forward(&frames, 3).unwrap());
        assert_eq!(run(Some(1)), run(Some(1)));
        let convgru_model::ForecasterConfig::Recurrent(config) = network.config() else { panic!() };
        let hides = config.body().cells().any(|cell| cell.dropout > 0.0 || cell.zoneout > 0.0);
        assert_eq!(run(Some(1)) != run(Some(2)), hides, "{config:?}");
    }
}

#[test]
fn spectral_norms_follow_the_weights() {
    let frames = frames::<f64>();
    for mut network in networks::<f64>() {
        let before = network.parameters().clone();
        network.iterate_spectral_norms(|_| false).unwrap();
        assert_eq!(before.to_named(), network.parameters().to_named());
        network.iterate_spectral_norms(|name| !name.ends_with(".update.u")).unwrap();
        let mut changed = Vec::new();
        for ((name, old), (_, new)) in before.to_named().into_iter().zip(network.parameters().to_named()) {
            if old != new {
                changed.push(name);
            }
        }
        let follows = |name: &String| name.contains(".spectral.") && !name.ends_with(".update.u");
        assert!(changed.iter().all(follows), "{changed:?}");
        let mut has_norm = false;
        before.for_each(&mut |name, _| has_norm |= name.contains(".spectral."));
        assert_eq!(!changed.is_empty(), has_norm);
        network.forward(&frames, 1).unwrap();
    }
}

/// Networks that read frames of five channels and give an image of one channel for each of them.
fn networks_of_images<T: Scalar>() -> Vec<Forecaster<T>> {
    let convolution = |in_channels, out_channels, activation| ConvStageConfig {
        in_channels,
        out_channels,
        activation,
        ..Default::default()
    };
    let of_patch = |patch: usize, output_activation| {
        let cell = CellConfig { dropout: 0.2, ..CellConfig::new(6, 6) };
        let stages = vec![
            Stage::Convolution(convolution(5 * patch * patch, 6, Activation::Relu)),
            Stage::Cell(cell),
            Stage::Residual(convolution(6, 6, Activation::Relu)),
            Stage::Cell(CellConfig { kind: CellKind::Lstm, ..CellConfig::new(6, 6) }),
            Stage::Convolution(convolution(6, patch * patch, Activation::Identity)),
        ];
        let config = RecurrentForecasterConfig {
            input_channels: 5,
            patch,
            output_activation,
            stages,
            ..Default::default()
        };
        let mut network = Forecaster::new(config, 7).unwrap();
        fill_biases(network.parameters_mut());
        network
    };
    vec![of_patch(1, OutputActivation::Identity), of_patch(2, OutputActivation::Sigmoid)]
}

#[test]
fn an_image_for_each_input_frame_has_the_same_bits_in_every_pass() {
    let frames = noise::<f32>(&[6, 2, 5, 8, 10], 3);
    for mut network in networks_of_images() {
        assert!(!network.config().reads_predictions() && !network.config().has_mask_channel());
        let expected = network.forward(&frames, 6).unwrap();
        assert_eq!(expected.shape(), [6, 2, 1, 8, 10]);
        let last = network.forward(&frames, 2).unwrap();
        assert_eq!(bits_of(&last), bits_of(&expected)[4 * 160..]);
        let mut stream = network.prepare().unwrap().stream(2, 8, 10).unwrap();
        for t in 0..6 {
            stream.read(&frames.index(t)).unwrap();
            assert_eq!(stream.forecast(1).unwrap().as_slice(), expected.slice(t), "frame {t}");
        }
        let error = stream.forecast(2).unwrap_err().to_string();
        assert!(error.contains("one for each frame") && error.contains('2'), "{error}");
        drop(stream);
        let mut workspace = Workspace::default();
        for budget in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1), MemoryBudget::Bytes(90_000)] {
            for (truncation, steps) in [(None, 6), (NonZeroUsize::new(2), 6), (NonZeroUsize::new(2), 3)] {
                network.set_memory_budget(budget);
                network.set_truncation(truncation);
                let output = network.forward_train(&frames, steps, None, &mut workspace).unwrap().output;
                let what = format!("{budget:?}, {truncation:?}, {steps}");
                assert_eq!(bits_of(&output), bits_of(&expected)[(6 - steps) * 160..], "{what}");
            }
        }
    }
}

#[test]
fn a_truncation_cuts_no_frame_whose_image_is_asked_for() {
    let frames = noise::<f64>(&[6, 2, 5, 8, 10], 3);
    for mut network in networks_of_images::<f64>() {
        let gradients = |network: &Forecaster<f64>, steps| forecaster_gradients(network, &frames, steps);
        let whole = gradients(&network, 6);
        network.set_truncation(NonZeroUsize::new(1));
        assert!(whole == gradients(&network, 6));
        let last = gradients(&network, 2).pop().unwrap().1;
        assert!((0..4).all(|t| last.slice(t).iter().all(|&d| d == 0.0)));
        assert!((4..6).all(|t| last.slice(t).iter().any(|&d| d != 0.0)));
    }
}

#[test]
fn more_images_than_frames_and_true_frames_are_refused() {
    let frames = noise::<f32>(&[3, 1, 5, 8, 10], 3);
    for network in networks_of_images::<f32>() {
        let error = network.forward(&frames, 4).unwrap_err().to_string();
        assert!(error.contains('4') && error.contains('3'), "{error}");
        let (truth, forced) = (noise(&[3, 1, 1, 8, 10], 4), [false, true, false]);
        let teacher = Some(TeacherForcing { frames: &truth, forced: &forced });
        let error = network.forward_train(&frames, 3, teacher, &mut Workspace::default()).unwrap_err();
        assert!(error.to_string().contains("reads no predictions"), "{error}");
        let error = network.forward(&noise(&[3, 1, 1, 8, 10], 5), 3).unwrap_err().to_string();
        assert!(error.contains(", 5, "), "{error}");
    }
}
