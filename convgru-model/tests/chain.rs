//! Chains on the fused engine against the same networks on the composed one.

use convgru_model::composed::{
    CellConfig, CellKind, ConvStageConfig, Recurrent, RecurrentConfig, Stage, Wiring,
};
use convgru_model::layer::Activation;
use convgru_model::{Error, Parameters, ResetGate, ReturnLayers, Sequence, Tensor};

fn convolution(channels: [usize; 2], kernel: [usize; 2], activation: Activation) -> ConvStageConfig {
    let [in_channels, out_channels] = channels;
    ConvStageConfig { in_channels, out_channels, kernel_size: kernel, activation, ..Default::default() }
}

fn fire_net(channels: usize) -> Vec<Stage> {
    let relu = Activation::Relu;
    let block = || Stage::Residual(convolution([channels; 2], [3, 3], relu));
    let cell = || Stage::Cell(CellConfig::new(channels, channels));
    vec![
        Stage::Convolution(convolution([5, channels], [3, 3], relu)),
        cell(),
        block(),
        cell(),
        block(),
        Stage::Convolution(convolution([channels, 1], [1, 1], Activation::Identity)),
    ]
}

fn network(stages: Vec<Stage>) -> Recurrent<f64> {
    let mut network = Recurrent::<f64>::new(RecurrentConfig { stages, wiring: Wiring::Chain }, 3)
        .expect("the network is valid");
    // A bias of zero would hide that it is forgotten.
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        if name.ends_with("bias") {
            let shape = tensor.shape().to_vec();
            *tensor = Tensor::from_fn(&shape, |i| (i * 37 % 11) as f64 / 20.0 - 0.2);
        }
    });
    network
}

fn frames(shape: &[usize]) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| ((i * 7919) % 1013) as f64 / 500.0 - 1.0)
}

fn distance(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Every frame of the stream, and the states after it, against the sequence.
fn expect_equal(network: &Recurrent<f64>, frames: &Tensor<f64>) {
    let &[steps, batch, _, height, width] = frames.shape() else { panic!("{:?}", frames.shape()) };
    let sequence = Sequence { return_layers: ReturnLayers::Top, ..Sequence::from(frames) };
    let expected = network.forward(sequence).expect("the frames fit");
    let chain = network.to_chain().expect("a chain computes it");
    let mut stream = chain.stream(batch, height, width).expect("the size is valid");
    for pass in 0..2 {
        for t in 0..steps {
            let top = stream.step(&frames.index(t)).expect("the frame fits");
            let far = distance(top, &expected.outputs[0].index(t));
            assert!(far < 1e-12, "pass {pass}, step {t}: {far}");
        }
        for (state, last) in stream.states().expect("frames were read").iter().zip(&expected.last) {
            assert!(distance(state, last) < 1e-12);
        }
        stream.reset();
    }
}

#[test]
fn a_whole_fire_net_is_that_of_the_composed_engine() {
    for (channels, size) in [(3, [7, 9]), (16, [5, 12]), (17, [1, 1])] {
        expect_equal(&network(fire_net(channels)), &frames(&[4, 2, 5, size[0], size[1]]));
    }
}

#[test]
fn every_stage_that_a_chain_has_is_computed() {
    let leaky = Activation::LeakyRelu(0.1);
    let strided = ConvStageConfig { stride: [2, 3], ..convolution([2, 4], [5, 3], leaky) };
    let without = ConvStageConfig { bias: false, ..convolution([4, 4], [3, 1], leaky) };
    let after = CellConfig { reset: ResetGate::After, dilation: [2, 1], ..CellConfig::new(4, 6) };
    let other = CellConfig { candidate_activation: leaky, kernel_size: [5, 3], ..CellConfig::new(6, 3) };
    let stages = vec![
        Stage::Convolution(strided),
        Stage::Residual(without),
        Stage::Cell(after),
        Stage::Cell(other),
        Stage::Residual(convolution([3, 3], [1, 1], Activation::Identity)),
        Stage::Residual(convolution([3, 3], [3, 5], Activation::Relu)),
    ];
    expect_equal(&network(stages), &frames(&[3, 2, 2, 11, 14]));
    expect_equal(&network(vec![Stage::Cell(CellConfig::new(2, 3))]), &frames(&[3, 1, 2, 4, 5]));
}

#[test]
fn a_stream_goes_on_from_given_states() {
    let network = network(fire_net(4));
    let chain = network.to_chain().unwrap();
    let frames = frames(&[4, 1, 5, 6, 7]);
    let mut whole = chain.stream(1, 6, 7).unwrap();
    let mut parts = chain.stream(1, 6, 7).unwrap();
    for t in 0..4 {
        let states = whole.states().unwrap();
        whole.step(&frames.index(t)).unwrap();
        if t > 0 {
            parts.set_states(&states).unwrap();
        }
        parts.step(&frames.index(t)).unwrap();
        assert_eq!(parts.output(), whole.output());
    }
    let before = whole.states().unwrap();
    assert!(matches!(whole.set_states(&before[..1]), Err(Error::Count { .. })));
    let wrong = [before[0].clone(), Tensor::zeros(&[1, 4, 7, 6])];
    assert!(matches!(whole.set_states(&wrong), Err(Error::ShapeMismatch { .. })));
    assert_eq!(whole.states().unwrap(), before);
}

#[test]
fn frames_that_do_not_fit_change_nothing() {
    let network = network(fire_net(4));
    let chain = network.to_chain().unwrap();
    let mut stream = chain.stream(1, 6, 7).unwrap();
    stream.set_check_finite(true);
    stream.step(&frames(&[1, 5, 6, 7])).unwrap();
    let (before, output) = (stream.states().unwrap(), stream.output().clone());
    assert!(matches!(stream.step(&frames(&[1, 5, 7, 6])), Err(Error::ShapeMismatch { .. })));
    let mut broken = frames(&[1, 5, 6, 7]);
    broken.as_mut_slice()[11] = f64::NAN;
    assert!(matches!(stream.step(&broken), Err(Error::NotFinite { .. })));
    assert_eq!((stream.states().unwrap(), stream.output()), (before, &output));
    for size in [[0, 6, 7], [1, 0, 7], [1, 6, 0]] {
        assert!(matches!(chain.stream(size[0], size[1], size[2]), Err(Error::ShapeMismatch { .. })));
    }
    assert!(matches!(chain.stream(1, 1 << 20, 1 << 20), Err(Error::TooLarge { .. } | Error::Kernel(_))));
}

#[test]
fn what_a_chain_does_not_compute_is_named() {
    let refused = |stages: Vec<Stage>, wiring: Wiring| {
        let network = Recurrent::<f64>::new(RecurrentConfig { stages, wiring }, 0).unwrap();
        network.to_chain().unwrap_err().to_string()
    };
    let cell = |config: CellConfig| vec![Stage::Cell(config)];
    let plain = CellConfig::new(3, 3);
    let lstm = CellConfig { kind: CellKind::Lstm, ..plain.clone() };
    assert!(refused(cell(lstm), Wiring::Chain).starts_with("kind"));
    let pair = CellConfig { second_kernel_size: Some([5, 1]), ..plain.clone() };
    assert!(refused(cell(pair), Wiring::Chain).starts_with("second_kernel_size"));
    let two = vec![Stage::Cell(plain.clone()), Stage::Cell(plain.clone())];
    assert!(refused(two, Wiring::Residual).starts_with("wiring"));
    let sigmoid = Stage::Convolution(convolution([3, 1], [1, 1], Activation::Sigmoid));
    let text = refused(vec![Stage::Cell(plain), sigmoid], Wiring::Chain);
    assert!(text.contains("has no sigmoid after a convolution"), "{text}");
}
