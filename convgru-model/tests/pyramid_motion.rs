//! The pyramid that begins as optical flow.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use std::num::NonZeroUsize;

use convgru_model::motion::OpticalFlow;
use convgru_model::{
    Forecaster, MemoryBudget, OutputActivation, Parameters, PredictionGradient, PyramidConfig, PyramidScale,
    Residual, Scalar, Tensor, Workspace,
};
use fixtures::{forecaster_gradients, pyramid};

fn config() -> PyramidConfig {
    PyramidConfig {
        scales: vec![PyramidScale { features: Some(6), ..PyramidScale::new(8, 2) }, PyramidScale::new(5, 2)],
        image_channels: 2,
        head_channels: 6,
        skip: true,
        residual: Residual::Motion,
        ..Default::default()
    }
}

/// Two samples of two channels whose waves move, of a size that is no multiple of the factor.
fn frames<T: Scalar>(steps: usize) -> Tensor<T> {
    Tensor::from_fn(&[steps, 2, 2, 25, 38], |i| {
        let (t, image, y, x) = (i / (4 * 950), i / 950 % 4, i / 38 % 25, i % 38);
        let [t, image, y, x] = [t, image, y, x].map(|number| number as f64);
        let wave = (0.3 * (y - (0.4 + 0.3 * image) * t) + image).sin() * (0.23 * (x + 0.9 * t)).cos();
        T::from_f64(0.5 + 0.45 * wave)
    })
}

fn first<T: Scalar>(frames: &Tensor<T>, count: usize) -> Tensor<T> {
    let shape = [&[count], &frames.shape()[1..]].concat();
    Tensor::from_vec(&shape, frames.as_slice()[..shape.iter().product()].to_vec()).unwrap()
}

/// One sample of a sequence.
fn sample<T: Scalar>(frames: &Tensor<T>, sample: usize) -> Tensor<T> {
    let &[t, n, c, h, w] = frames.shape() else { unreachable!() };
    let of_step = |t: usize| &frames.slice(t)[sample * c * h * w..][..c * h * w];
    assert!(sample < n);
    Tensor::from_vec(&[t, 1, c, h, w], (0..t).flat_map(of_step).copied().collect()).unwrap()
}

#[test]
fn an_untrained_network_is_optical_flow() {
    for count in [1, 2, 4, 6] {
        let input = frames::<f32>(count);
        let flow = OpticalFlow::default().extrapolate(&input, None, 30).unwrap();
        for skip in [false, true] {
            let untrained = Forecaster::new(PyramidConfig { skip, ..config() }, 0).unwrap();
            assert!(untrained.forward(&input, 30).unwrap() == flow, "{count} frames");
            assert!(
                untrained.forward_train(&input, 30, None, &mut Workspace::default()).unwrap().output == flow,
                "{count} frames"
            );
        }
    }
    let moved = OpticalFlow::default().extrapolate(&frames::<f32>(4), None, 1).unwrap();
    assert_ne!(moved.slice(0), frames::<f32>(4).slice(3), "the frames move");
}

#[test]
fn logarithms_of_rates_are_carried_on_as_rates() {
    let exponent = 5.0;
    let config = PyramidConfig { carried_exponent: exponent, ..config() };
    let rate = |x: f64| (exponent * x).exp_m1();
    let input = frames::<f64>(4);
    let rates = Tensor::from_fn(input.shape(), |i| rate(input.as_slice()[i]));
    let flow = OpticalFlow::default().extrapolate_values(&input, &rates, None, 3).unwrap();
    let untrained = Forecaster::new(config.clone(), 0).unwrap().forward(&input, 3).unwrap();
    let pairs = untrained.as_slice().iter().zip(flow.as_slice());
    assert!(pairs.into_iter().all(|(x, expected)| (rate(*x) - expected).abs() < 1e-9));
    let plain = OpticalFlow::default().extrapolate(&input, None, 3).unwrap();
    let higher =
        untrained.as_slice().iter().zip(plain.as_slice()).map(|(x, of_logarithms)| x - of_logarithms);
    assert!(higher.clone().all(|above| above >= -1e-12), "a mean of powers is higher");
    assert!(higher.fold(0.0, f64::max) > 1e-3);

    let huge = Tensor::from_fn(&[4, 1, 2, 8, 8], |i| if i % 7 == 0 { 1e30f32 } else { 0.0 });
    let forecast = Forecaster::new(config, 0).unwrap().forward(&huge, 2).unwrap();
    assert!(forecast.as_slice().iter().all(|x| x.is_finite()));
}

#[test]
fn an_exponent_is_for_what_is_carried_on() {
    let refused = |config: PyramidConfig| Forecaster::<f32>::new(config, 0).unwrap_err().to_string();
    let message = refused(PyramidConfig { carried_exponent: 2.0, residual: Residual::LastFrame, ..config() });
    assert!(message.contains("carried_exponent") && message.contains("motion"), "{message}");
    for exponent in [-1.0, 20.5, f64::NAN] {
        let message = refused(PyramidConfig { carried_exponent: exponent, ..config() });
        assert!(message.contains("carried_exponent") && message.contains("20"), "{message}");
    }
}

#[test]
fn logits_are_added_where_the_output_is_a_sigmoid_and_to_each_member() {
    let sigmoid = PyramidConfig { output_activation: OutputActivation::Sigmoid, members: 2, ..config() };
    let mut network = Forecaster::<f64>::new(sigmoid, 0).unwrap();
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        if name == "head.output.weight" {
            tensor.fill(0.0);
        }
    });
    let input = frames(4);
    let flow = OpticalFlow::default().extrapolate(&input, None, 3).unwrap();
    let prediction = network.forward(&input, 3).unwrap();
    let size = 2 * 25 * 38;
    for (index, member) in prediction.as_slice().chunks_exact(size).enumerate() {
        let moved = &flow.as_slice()[index / 2 * size..][..size];
        let pairs = member.iter().zip(moved);
        assert!(pairs.into_iter().all(|(y, x)| (y - x.clamp(0.01, 0.99)).abs() < 1e-12), "{index}");
    }
}

#[test]
fn streams_passes_and_batches_agree_to_the_bit() {
    for skip in [false, true] {
        let network = pyramid::<f32>(PyramidConfig { skip, ..config() });
        let all = frames::<f32>(6);
        let mut stream = network.prepare().unwrap().stream(2, 25, 38).unwrap();
        for beginning in 0..2 {
            for t in 0..6 {
                stream.read(&all.index(t)).unwrap();
                let so_far = first(&all, t + 1);
                // More steps than are computed together.
                for steps in [1, 3, 60] {
                    let expected =
                        network.forward_train(&so_far, steps, None, &mut Workspace::default()).unwrap();
                    assert!(network.forward(&so_far, steps).unwrap() == expected.output);
                    let got = stream.forecast(steps).unwrap();
                    assert!(got == expected.output, "run {beginning}, frame {t}, {steps} steps");
                }
            }
            stream.reset();
        }
        let both = network.forward(&all, 5).unwrap();
        for index in 0..2 {
            let alone = network.forward(&sample(&all, index), 5).unwrap();
            assert!(alone == sample(&both, index), "sample {index}");
        }
    }
}

#[test]
fn what_is_computed_anew_and_by_more_threads_has_the_same_bits() {
    let (input, kept) = (frames(5), pyramid::<f32>(config()));
    let expected = forecaster_gradients(&kept, &input, 20);
    let mut anew = kept.clone();
    anew.set_memory_budget(MemoryBudget::Bytes(0));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for network in [&kept, &anew] {
            assert!(
                pool.install(|| forecaster_gradients(network, &input, 20)) == expected,
                "{threads} threads"
            );
        }
    }
}

#[test]
fn a_truncation_changes_no_prediction_and_the_movement_is_that_of_all_frames() {
    let mut network = pyramid::<f64>(config());
    let input = frames(6);
    let whole = forecaster_gradients(&network, &input, 2);
    let expected = network.forward_train(&input, 2, None, &mut Workspace::default()).unwrap();
    network.set_truncation(NonZeroUsize::new(1));
    assert!(
        network.forward_train(&input, 2, None, &mut Workspace::default()).unwrap().logits == expected.logits
    );
    let cut = forecaster_gradients(&network, &input, 2);
    for ((name, cut), (_, whole)) in cut.iter().zip(&whole) {
        if name == "input" {
            assert!((0..6).all(|t| cut.slice(t).iter().all(|&d| d == 0.0) == (t < 5)));
        } else {
            assert_eq!(cut == whole, !name.starts_with("encoder"), "{name}");
        }
    }
}

#[test]
fn with_skips_the_forecaster_sees_what_moved() {
    // Nothing is added: only what is read differs.
    let difference = |config: PyramidConfig| {
        let (moving, mut still) = (pyramid::<f64>(config.clone()), config);
        still.residual = Residual::LastFrame;
        let input = frames(4);
        let added = OpticalFlow::default().extrapolate(&input, None, 3).unwrap();
        let last = input.slice(3);
        let (a, b) = (moving.forward(&input, 3).unwrap(), pyramid::<f64>(still).forward(&input, 3).unwrap());
        let of_step = |t: usize| {
            let [a, b, added] = [a.slice(t), b.slice(t), added.slice(t)];
            (0..a.len()).map(|i| ((a[i] - added[i]) - (b[i] - last[i])).abs()).fold(0.0, f64::max)
        };
        [of_step(0), of_step(2)]
    };
    assert!(difference(PyramidConfig { skip: false, ..config() }).iter().all(|&apart| apart < 1e-12));
    let [near, far] = difference(config());
    assert!(near > 1e-3 && far > near, "{near} {far}");
    // One scale reads nothing.
    let scales = vec![PyramidScale::new(8, 2)];
    assert!(difference(PyramidConfig { scales, ..config() }).iter().all(|&apart| apart < 1e-12));
}

#[test]
fn numbers_that_are_not_finite_end_nothing() {
    let network = pyramid::<f32>(config());
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let clean = frames::<f32>(4);
        let input = Tensor::from_fn(clean.shape(), |i| if i % 7 == 0 { value } else { clean.as_slice()[i] });
        assert_eq!(network.forward(&input, 3).unwrap().shape(), [3, 2, 2, 25, 38]);
        forecaster_gradients(&network, &input, 3);
    }
    for shape in [[1, 1, 2, 1, 1], [4, 1, 2, 1, 9], [5, 1, 2, 3, 1]] {
        let input = Tensor::from_fn(&shape, |i| (i % 5) as f32 / 5.0);
        let result = network.forward(&input, 2).unwrap();
        assert_eq!(result.shape(), [2, 1, 2, shape[3], shape[4]]);
        forecaster_gradients(&network, &input, 2);
    }
}

#[test]
fn a_workspace_of_a_network_that_reads_no_movement_is_refused() {
    let moving = pyramid::<f32>(config());
    let still = pyramid::<f32>(PyramidConfig { residual: Residual::LastFrame, ..config() });
    let mut workspace = Workspace::default();
    let prediction = still.forward_train(&frames(3), 2, None, &mut workspace).unwrap();
    let mut gradients = moving.parameters().zeros_like();
    let gradient = PredictionGradient::Output(prediction.output.clone());
    let error = moving.backward(&mut workspace, gradient, &mut gradients).unwrap_err().to_string();
    assert!(error.contains("another network made it"), "{error}");
}

#[test]
fn configurations_name_it_and_those_without_are_as_before() {
    let text = serde_json::to_string(&config()).unwrap();
    assert!(text.contains("\"residual\":\"motion\""), "{text}");
    assert_eq!(serde_json::from_str::<PyramidConfig>(&text).unwrap(), config());
    let old = text.replace("\"residual\":\"motion\",", "");
    assert_eq!(serde_json::from_str::<PyramidConfig>(&old).unwrap().residual, Residual::None);
}
