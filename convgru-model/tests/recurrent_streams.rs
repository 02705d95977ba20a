//! Streams of every cell of the composed engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::composed::{
    Bias, CellConfig, CellKind, Context, ConvStageConfig, Normalization, PaddingMode, Recurrent,
    RecurrentConfig, RecurrentStream, Stage, Wiring,
};
use convgru_model::layer::Activation;
use convgru_model::{ResetGate, Scalar, Sequence, Tensor};
use fixtures::{bits, noise};
use proptest::prelude::*;

/// A network, and the shape of a frame of each of its inputs after the batch.
#[derive(Debug, Clone)]
struct Case {
    config: RecurrentConfig,
    frames: Vec<Vec<usize>>,
}

/// Cells of three inputs and four channels, of every kind and option.
fn cells() -> impl Strategy<Value = CellConfig> {
    let gru = CellConfig { bias: Bias::Two, ..CellConfig::new(3, 4) };
    let lstm = CellConfig { kind: CellKind::Lstm, peephole: true, zoneout: 0.25, ..gru.clone() };
    let traj =
        CellConfig { kind: CellKind::TrajGru, reset: ResetGate::After, flow_channels: 3, ..gru.clone() };
    let after = |cell: &CellConfig| CellConfig { reset: ResetGate::After, ..cell.clone() };
    let kinds = vec![
        gru.clone(),
        after(&gru),
        CellConfig { candidate_activation: Activation::LeakyRelu(0.2), dilation: [2, 1], ..after(&gru) },
        CellConfig { gate_activation: Activation::HardSigmoid, zoneout: 0.3, ..gru.clone() },
        CellConfig {
            padding_mode: [PaddingMode::Replicate, PaddingMode::Circular],
            groups: 2,
            ..gru.clone()
        },
        CellConfig { normalization: Normalization::Layer, ..gru.clone() },
        CellConfig { spectral_norm: true, ..gru.clone() },
        CellConfig { context: Context::Global, ..gru.clone() },
        CellConfig { context: Context::Additive, ..gru.clone() },
        CellConfig { second_kernel_size: Some([5, 1]), dropout: 0.3, ..gru },
        lstm.clone(),
        CellConfig { peephole: false, zoneout: 0.0, ..lstm },
        CellConfig { flows: 2, ..traj },
    ];
    prop::sample::select(kinds)
}

/// Such cells in every wiring, over images, lines and volumes.
fn cases() -> impl Strategy<Value = Case> {
    let sizes = || (4usize..8, 4usize..8);
    let above = |cell: &CellConfig, inputs: usize| CellConfig { in_channels: inputs, ..cell.clone() };
    let inputs = prop_oneof![4 => Just(3usize), 1 => Just(0usize)];
    let chain = (cells(), cells(), sizes(), any::<bool>(), inputs).prop_map(
        move |(one, two, (h, w), between, inputs)| {
            let mut stages = vec![Stage::Cell(above(&one, inputs))];
            let convolution = ConvStageConfig { in_channels: 4, out_channels: 4, ..Default::default() };
            stages.extend(between.then_some(Stage::Residual(convolution)));
            stages.push(Stage::Cell(above(&two, 4)));
            let wiring = if between { Wiring::Chain } else { Wiring::Residual };
            Case { config: RecurrentConfig { stages, wiring }, frames: vec![vec![inputs, h, w]] }
        },
    );
    let rcn = (sizes(), any::<bool>()).prop_map(move |((h, w), pool)| {
        let one = CellConfig::new(3, 4);
        let two =
            CellConfig { lower_channels: 4, normalization: Normalization::Layer, ..CellConfig::new(2, 3) };
        let second = if pool { vec![2, h / 2, w / 2] } else { vec![2, h, w] };
        let config =
            RecurrentConfig { wiring: Wiring::GruRcn { pool }, ..RecurrentConfig::chain([one, two]) };
        Case { config, frames: vec![vec![3, h, w], second] }
    });
    let levels = (cells(), sizes()).prop_map(move |(cell, (h, w))| {
        let plain = CellConfig { context: Context::None, ..cell };
        let cells = [above(&plain, 3 + 4), above(&plain, 4)];
        let config = RecurrentConfig { wiring: Wiring::Levels, ..RecurrentConfig::chain(cells) };
        Case { config, frames: vec![vec![3, h, w]] }
    });
    let volumes = (sizes(), 2usize..4, prop::sample::select(vec![CellKind::Gru, CellKind::Lstm])).prop_map(
        |((h, w), depth, kind)| {
            let cell = CellConfig { kind, kernel_depth: 3, input_kernel_depth: 3, ..CellConfig::new(2, 3) };
            Case { config: RecurrentConfig::chain([cell]), frames: vec![vec![2, depth, h, w]] }
        },
    );
    let lines = (cells(), 4usize..9).prop_map(|(cell, w)| {
        let cell = CellConfig { kernel_size: [1, 3], dilation: [1, 1], second_kernel_size: None, ..cell };
        Case { config: RecurrentConfig::chain([cell]), frames: vec![vec![3, w]] }
    });
    prop_oneof![4 => chain, 1 => rcn, 1 => levels, 1 => volumes, 1 => lines]
}

impl Case {
    fn shapes(&self, batch: usize) -> Vec<Vec<usize>> {
        self.frames.iter().map(|frame| [&[batch], &frame[..]].concat()).collect()
    }

    /// Contexts of a batch, seen by cells whose states have the size of the input.
    fn contexts<T: Scalar>(&self, batch: usize, seed: usize) -> Vec<Tensor<T>> {
        let cells = self.config.cells().filter(|cell| cell.context == Context::Additive).enumerate();
        cells
            .map(|(index, cell)| {
                let space = &self.frames[0][1..];
                noise(&[&[batch, 3 * cell.hidden_channels], space].concat(), seed + 10 * index)
            })
            .collect()
    }

    fn stream<'n, T: Scalar>(
        &self,
        network: &'n Recurrent<T>,
        batch: usize,
        contexts: &[Tensor<T>],
    ) -> RecurrentStream<'n, T> {
        let shapes = self.shapes(batch);
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        network.prepare().unwrap().stream(&shapes, contexts).unwrap()
    }
}

/// Sample `n` of a batch.
fn sample<T: Scalar>(batch: &Tensor<T>, n: usize) -> Tensor<T> {
    Tensor::from_vec(&[&[1], &batch.shape()[1..]].concat(), batch.slice(n).to_vec()).unwrap()
}

/// A stream gives what the sequence gives.
fn expect_sequence<T: Scalar>(case: &Case) {
    let (steps, batch) = (4, 2);
    let network = Recurrent::<T>::new(case.config.clone(), 5).unwrap();
    let inputs: Vec<Tensor<T>> = (case.shapes(batch).iter().enumerate())
        .map(|(index, shape)| noise(&[&[steps], &shape[..]].concat(), index))
        .collect();
    let contexts = case.contexts(batch, 3);
    let given = Sequence { contexts: &contexts, ..Sequence::from(&inputs[..]) };
    let sequence = network.forward(given).unwrap();
    // Contexts that are replaced leave no trace.
    let mut stream = case.stream(&network, batch, &case.contexts(batch, 9));
    stream.set_contexts(&contexts).unwrap();
    for pass in 0..2 {
        for t in 0..steps {
            let frames: Vec<Tensor<T>> = inputs.iter().map(|input| input.index(t)).collect();
            let top = stream.step(&frames.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(
                bits(top.as_slice()),
                bits(sequence.outputs[0].slice(t)),
                "pass {pass}, step {t} of {case:?}"
            );
        }
        let states = stream.states().unwrap();
        assert_eq!(states.len(), sequence.last.len());
        for (state, last) in states.iter().zip(&sequence.last) {
            assert_eq!((state.shape(), bits(state.as_slice())), (last.shape(), bits(last.as_slice())));
        }
        stream.reset();
    }
    // From given states.
    let frames: Vec<Tensor<T>> = inputs.iter().map(|input| input.index(0)).collect();
    stream.set_states(&sequence.last).unwrap();
    stream.step(&frames.iter().collect::<Vec<_>>()).unwrap();
    let first: Vec<Tensor<T>> =
        frames.iter().map(|frame| frame.clone().reshape(&[&[1], frame.shape()].concat()).unwrap()).collect();
    let given = Sequence { inputs: &first, states: Some(&sequence.last), ..given };
    assert_eq!(stream.states().unwrap(), network.forward(given).unwrap().last);
}

/// Samples that are reset are streams of their own.
fn expect_samples<T: Scalar>(case: &Case) {
    let batch = 3;
    let network = Recurrent::<T>::new(case.config.clone(), 7).unwrap();
    let contexts = case.contexts(batch, 3);
    let mut stream = case.stream(&network, batch, &contexts);
    let mut alone: Vec<RecurrentStream<'_, T>> = (0..batch)
        .map(|n| {
            let contexts: Vec<Tensor<T>> = contexts.iter().map(|context| sample(context, n)).collect();
            case.stream(&network, 1, &contexts)
        })
        .collect();
    let resets: [&[usize]; 7] = [&[1], &[], &[1], &[0, 2], &[2, 0, 1], &[1, 1], &[]];
    for (t, samples) in resets.iter().enumerate() {
        stream.reset_samples(samples).unwrap();
        samples.iter().for_each(|&sample| alone[sample].reset());
        for when in ["before", "after"] {
            if when == "after" {
                let frames: Vec<Tensor<T>> =
                    case.shapes(batch).iter().map(|shape| noise(shape, 17 * t)).collect();
                stream.step(&frames.iter().collect::<Vec<_>>()).unwrap();
                for (n, alone) in alone.iter_mut().enumerate() {
                    let frames: Vec<Tensor<T>> = frames.iter().map(|frame| sample(frame, n)).collect();
                    alone.step(&frames.iter().collect::<Vec<_>>()).unwrap();
                }
            }
            let states = stream.states().unwrap();
            for (n, alone) in alone.iter().enumerate() {
                let what = format!("sample {n} {when} step {t} of {case:?}");
                assert_eq!(bits(stream.output().slice(n)), bits(alone.output().as_slice()), "{what}");
                for (state, expected) in states.iter().zip(alone.states().unwrap()) {
                    assert_eq!(bits(state.slice(n)), bits(expected.as_slice()), "{what}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_frame_at_a_time_gives_the_bits_of_the_sequence(case in cases()) {
        expect_sequence::<f32>(&case);
        expect_sequence::<f64>(&case);
    }

    #[test]
    fn samples_that_are_reset_equal_streams_of_their_own_bit_for_bit(case in cases()) {
        expect_samples::<f32>(&case);
        expect_samples::<f64>(&case);
    }
}

/// A stream may run in another thread than the one that made it.
#[test]
fn streams_go_from_thread_to_thread() {
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(2, 3)]), 1).unwrap();
    let mut stream = network.prepare().unwrap().stream(&[&[1, 2, 5, 4]], &[]).unwrap();
    let frame = noise(&[1, 2, 5, 4], 1);
    let here = stream.step(&[&frame]).unwrap().clone();
    stream.reset();
    let there =
        std::thread::scope(|scope| scope.spawn(|| stream.step(&[&frame]).unwrap().clone()).join().unwrap());
    assert_eq!(here, there);
}

#[test]
fn what_does_not_fit_a_stream_is_refused_and_nothing_changes() {
    let cell = CellConfig { context: Context::Additive, ..CellConfig::new(2, 3) };
    let network = Recurrent::<f64>::new(RecurrentConfig::chain([cell]), 1).unwrap();
    let context = [noise(&[2, 9, 5, 4], 2)];
    let message = |shapes: &[&[usize]], contexts: &[Tensor<f64>]| {
        network.prepare().unwrap().stream(shapes, contexts).unwrap_err().to_string()
    };
    assert!(message(&[], &context).contains("inputs: 0 given where 1"));
    assert!(message(&[&[2, 2, 5, 4]], &[]).contains("contexts: 0 given where 1"));
    assert!(message(&[&[2, 3, 5, 4]], &context).contains("[1, 2, 3, 5, 4] where [1, 2, 2, 5, 4]"));
    assert!(message(&[&[2, 2, 5]], &context).contains("[2, 9, 5, 4] where [2, 9, 5]"));
    assert!(message(&[&[2]], &context).contains("[T, N, C, H, W]"));
    assert!(message(&[&[usize::MAX, 2, 5, 4]], &context).contains("more numbers than memory has addresses"));

    let mut stream = network.prepare().unwrap().stream(&[&[2, 2, 5, 4]], &context).unwrap();
    let frame = noise(&[2, 2, 5, 4], 1);
    let expected = stream.step(&[&frame]).unwrap().clone();
    let error = stream.step(&[&noise(&[1, 2, 5, 4], 1)]).unwrap_err().to_string();
    assert!(error.contains("input 0: shape [1, 2, 5, 4] where [2, 2, 5, 4]"), "{error}");
    assert!(stream.step(&[&frame, &frame]).is_err());
    let error = stream.reset_samples(&[0, 2]).unwrap_err().to_string();
    assert_eq!(error, "sample to reset: 2 given where 0 to 1 is possible");
    let error = stream.set_states(&[noise(&[2, 3, 4, 5], 1)]).unwrap_err().to_string();
    assert!(error.contains("state 0: shape [2, 3, 4, 5] where [2, 3, 5, 4]"), "{error}");
    let error = stream.set_contexts(&[noise(&[2, 3, 5, 4], 1)]).unwrap_err().to_string();
    assert!(error.contains("context 0: shape [2, 3, 5, 4] where [2, 9, 5, 4]"), "{error}");
    assert_eq!(stream.output(), &expected);
    assert_eq!(stream.states().unwrap()[0], expected);
}
