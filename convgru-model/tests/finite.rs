//! Frames with pixels that are no numbers: streams refuse them where that is asked for, and keep their states.

mod fixtures;

use convgru_model::composed::{CellConfig, CellKind, Context, Recurrent, RecurrentConfig, Stage, Wiring};
use convgru_model::layer::Activation;
use convgru_model::motion::OpticalFlow;
use convgru_model::{
    ConvGru, ConvGruConfig, EncoderForecasterConfig, Error, Forecaster, ForecasterConfig, MlcastConfig,
    PyramidConfig, RecurrentForecasterConfig, ResetGate, Residual, Sequence, Tensor,
};
use fixtures::noise;

/// Frames with one number that is none.
fn spoilt(shape: &[usize]) -> Vec<Tensor<f32>> {
    let put = |value: f32, place: usize| {
        let mut frame = noise(shape, 3);
        frame.as_mut_slice()[place] = value;
        frame
    };
    let last = shape.iter().product::<usize>() - 1;
    vec![put(f32::NAN, 0), put(f32::INFINITY, last / 2), put(f32::NEG_INFINITY, last)]
}

fn is_refused<R>(result: Result<R, Error>) -> bool {
    matches!(result, Err(Error::NotFinite { count: 1, .. }))
}

#[test]
fn a_stack_refuses_them_and_goes_on_with_the_same_bits() {
    let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4, 3]), 1).unwrap();
    let shape = [2, 2, 6, 5];
    let (mut stream, mut other) = (
        network.prepare().unwrap().stream(2, 6, 5).unwrap(),
        network.prepare().unwrap().stream(2, 6, 5).unwrap(),
    );
    stream.set_check_finite(true);
    for t in 0..3 {
        for frame in spoilt(&shape) {
            let before = (stream.states().unwrap(), stream.output().clone());
            assert!(is_refused(stream.step(&frame).map(drop)));
            assert_eq!((stream.states().unwrap(), stream.output().clone()), before);
        }
        let frame = noise(&shape, t);
        assert_eq!(stream.step(&frame).unwrap(), other.step(&frame).unwrap());
    }
    let states = [noise(&[2, 4, 6, 5], 1), spoilt(&[2, 3, 6, 5]).swap_remove(0)];
    assert!(is_refused(stream.set_states(&states)));
    assert_eq!(stream.states().unwrap(), other.states().unwrap());
    // Without the guard one pixel spoils all that comes.
    other.step(&spoilt(&shape)[0]).unwrap();
    for _ in 0..6 {
        other.step(&noise(&shape, 1)).unwrap();
    }
    assert!(other.output().slice(0).iter().all(|value| value.is_nan()));
    assert!(other.output().slice(1).iter().all(|value| value.is_finite()));
    other.reset();
    assert!(other.step(&noise(&shape, 1)).unwrap().is_finite());
}

#[test]
fn other_cells_refuse_them_in_frames_states_and_contexts() {
    let cell = CellConfig { context: Context::Additive, ..CellConfig::new(2, 3) };
    let lstm = CellConfig { kind: CellKind::Lstm, ..CellConfig::new(3, 3) };
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell, lstm]), 1).unwrap();
    let contexts = [noise(&[1, 9, 6, 5], 8)];
    let mut streams =
        [(); 2].map(|()| network.prepare().unwrap().stream(&[&[1, 2, 6, 5]], &contexts).unwrap());
    let [stream, other] = &mut streams;
    stream.set_check_finite(true);
    for t in 0..3 {
        let before = (stream.states().unwrap(), stream.output().clone());
        for frame in spoilt(&[1, 2, 6, 5]) {
            assert!(is_refused(stream.step(&[&frame]).map(drop)));
        }
        assert!(is_refused(stream.set_contexts(&spoilt(&[1, 9, 6, 5])[..1])));
        let mut states = stream.states().unwrap();
        states[2] = spoilt(&[1, 3, 6, 5]).swap_remove(1);
        assert!(is_refused(stream.set_states(&states)));
        assert_eq!((stream.states().unwrap(), stream.output().clone()), before);
        let frame = noise(&[1, 2, 6, 5], t);
        assert_eq!(stream.step(&[&frame]).unwrap(), other.step(&[&frame]).unwrap());
    }
}

#[test]
fn forecasts_are_those_of_the_frames_that_were_taken() {
    let configs: [ForecasterConfig; 5] = [
        EncoderForecasterConfig::default().into(),
        PyramidConfig::default().into(),
        PyramidConfig { residual: Residual::Motion, skip: true, ..Default::default() }.into(),
        MlcastConfig { blocks: 2, members: 2, ..Default::default() }.into(),
        RecurrentForecasterConfig::default().into(),
    ];
    for config in configs {
        let network = Forecaster::<f32>::new(config, 1).unwrap();
        let mut streams = [(); 2].map(|()| network.prepare().unwrap().stream(1, 16, 24).unwrap());
        let [stream, other] = &mut streams;
        stream.set_check_finite(true);
        for t in 0..3 {
            let frame = noise(&[1, 1, 16, 24], t);
            stream.read(&frame).unwrap();
            other.read(&frame).unwrap();
            for frame in spoilt(&[1, 1, 16, 24]) {
                assert!(is_refused(stream.read(&frame)));
            }
            assert_eq!(stream.forecast(2).unwrap(), other.forecast(2).unwrap());
        }
    }
}

#[test]
fn no_function_and_no_pooling_hides_them() {
    let spoilt = Tensor::from_vec(&[3], vec![1.0f32, f32::NAN, -1.0]).unwrap();
    for function in [
        Activation::Identity,
        Activation::Sigmoid,
        Activation::HardSigmoid,
        Activation::Tanh,
        Activation::Relu,
        Activation::LeakyRelu(0.0),
        Activation::LeakyRelu(0.2),
    ] {
        let values = function.forward(&spoilt);
        assert!(values.as_slice()[1].is_nan(), "{function}");
    }
    assert_eq!(Activation::Relu.forward(&Tensor::from_fn(&[1], |_| -0.0f32)).as_slice()[0].to_bits(), 0);
    for slope in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        Activation::LeakyRelu(slope).backward(&spoilt, &spoilt).unwrap_err();
    }
    // Each of the four pixels that the largest is taken of.
    let cell = |channels, lower| CellConfig {
        kernel_size: [1, 1],
        lower_channels: lower,
        ..CellConfig::new(channels, 2)
    };
    let config = RecurrentConfig {
        stages: vec![Stage::Cell(cell(1, 0)), Stage::Cell(cell(1, 2))],
        wiring: Wiring::GruRcn { pool: true },
    };
    let network = Recurrent::<f32>::new(config, 1).unwrap();
    for place in 0..4 {
        let mut fine = noise(&[2, 1, 1, 2, 2], 1);
        fine.as_mut_slice()[place] = f32::NAN;
        let coarse = noise(&[2, 1, 1, 1, 1], 2);
        let inputs = [fine, coarse];
        let states = network.forward(Sequence::from(&inputs[..])).unwrap();
        assert!(!states.outputs[0].is_finite(), "pixel {place}");
    }
}

/// Flows see further than gates: a pixel whose flow is no number looks nowhere.
#[test]
fn trajectories_do_not_hide_them() {
    let cell =
        CellConfig { kind: CellKind::TrajGru, reset: ResetGate::After, flows: 2, ..CellConfig::new(1, 2) };
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 1).unwrap();
    let mut frames = noise(&[2, 1, 1, 1, 9], 1);
    frames.slice_mut(1)[0] = f32::NAN;
    let state = network.forward(&frames).unwrap().outputs[0].index(1);
    for (at, value) in state.as_slice().iter().enumerate() {
        assert_eq!(value.is_nan(), at % 9 <= 4, "{at}: {value}");
    }
}

#[test]
fn optical_flow_takes_them_as_not_measured() {
    let moving = |scale: f32| {
        Tensor::<f32>::from_fn(&[3, 1, 1, 24, 30], |i| {
            let (t, y, x) = ((i / 720) as f32, (i / 30 % 24) as f32, (i % 30) as f32);
            scale * (1.5 + (0.4 * y).sin() * (0.3 * (x - t)).cos())
        })
    };
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 500, 720 + 333, 3 * 720 - 1] {
            let (mut frames, mut mask) = (moving(1.0), Tensor::from_fn(&[3, 1, 1, 24, 30], |_| 1.0));
            frames.as_mut_slice()[place] = bad;
            let flow = OpticalFlow::default();
            let unmasked = flow.extrapolate(&frames, None, 2).unwrap();
            mask.as_mut_slice()[place] = 0.0;
            assert_eq!(unmasked, flow.extrapolate(&frames, Some(&mask), 2).unwrap());
            assert!(unmasked.is_finite());
        }
    }
    // Numbers whose squares are none do not push anything away.
    let still = Tensor::from_fn(&[3, 1, 1, 24, 30], |i| moving(1e25).as_slice()[i % 720]);
    let ahead = OpticalFlow::default().extrapolate(&still, None, 1).unwrap();
    assert_eq!(ahead.as_slice(), still.slice(0));
}
