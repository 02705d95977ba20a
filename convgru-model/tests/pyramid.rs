//! The pyramid: its passes agree with each other, and what it promises holds.

mod fixtures;

use std::num::NonZeroUsize;

use convgru_model::gradcheck::{self, Report};
use convgru_model::reference::{self, Array, NamedArrays};
use convgru_model::{
    EncoderForecasterConfig, Error, Feedback, Forecaster, ForecasterConfig, MemoryBudget, OutputActivation,
    Parameters, PredictionGradient, PyramidConfig, PyramidScale, Residual, Scalar, Tensor, Workspace, export,
    import,
};
use fixtures::{forecaster_gradients, pyramid};
use rayon::prelude::*;

fn config() -> PyramidConfig {
    PyramidConfig {
        scales: vec![
            PyramidScale { layers: 2, ..PyramidScale::new(16, 2) },
            PyramidScale { features: Some(20), ..PyramidScale::new(24, 3) },
            PyramidScale::new(16, 2),
        ],
        head_channels: 16,
        skip: true,
        residual: Residual::LastFrame,
        output_activation: OutputActivation::Sigmoid,
        ..Default::default()
    }
}

/// Frames of a size that is no multiple of the factor.
fn frames<T: Scalar>(steps: usize) -> Tensor<T> {
    Tensor::from_fn(&[steps, 2, 1, 25, 38], |i| {
        T::from_f64(((i.wrapping_mul(2_654_435_761) >> 7) % 1001) as f64 / 1000.0)
    })
}

#[test]
fn every_gradient_is_right() {
    let cases: Vec<_> =
        gradcheck::cases().into_iter().filter(|case| case.name().starts_with("pyramid")).collect();
    assert_eq!(cases.len(), 16);
    let rows = cases.par_iter().flat_map(|case| (0..6).map(|draw| case.run(11, draw)).collect::<Vec<_>>());
    let report = Report::new(rows.collect(), true);
    assert!(report.passed(), "{report}");
}

#[test]
fn a_prediction_has_the_bits_of_the_training_pass() {
    let network = pyramid::<f32>(config());
    let input = frames(4);
    // More steps than are computed together.
    for steps in [1, 3, 60] {
        let prediction = network.forward_train(&input, steps, None, &mut Workspace::default()).unwrap();
        assert!(network.forward(&input, steps).unwrap() == prediction.output, "{steps} steps");
    }
}

#[test]
fn what_is_computed_anew_and_by_more_threads_has_the_same_bits() {
    let (input, kept) = (frames(5), pyramid::<f32>(config()));
    let expected = forecaster_gradients(&kept, &input, 40);
    let mut anew = kept.clone();
    anew.set_memory_budget(MemoryBudget::Bytes(0));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for network in [&kept, &anew] {
            assert!(
                pool.install(|| forecaster_gradients(network, &input, 40)) == expected,
                "{threads} threads"
            );
        }
    }
}

#[test]
fn a_truncation_changes_no_prediction_and_makes_what_came_before_a_constant() {
    let small = PyramidConfig {
        scales: vec![PyramidScale::new(3, 2), PyramidScale::new(2, 2)],
        // Rectifiers without kinks, for the differences below.
        slope: 1.0,
        head_channels: 2,
        ..config()
    };
    let mut network = pyramid::<f64>(small.clone());
    let input = Tensor::from_fn(&[5, 1, 1, 6, 7], |i| (i * 7919 % 101) as f64 / 101.0);
    let whole = forecaster_gradients(&network, &input, 2);
    let expected = network.forward_train(&input, 2, None, &mut Workspace::default()).unwrap();
    network.set_truncation(NonZeroUsize::new(9));
    assert!(forecaster_gradients(&network, &input, 2) == whole);
    network.set_truncation(NonZeroUsize::new(2));
    assert!(
        network.forward_train(&input, 2, None, &mut Workspace::default()).unwrap().logits == expected.logits
    );
    let cut = forecaster_gradients(&network, &input, 2);
    for ((name, cut), (_, whole)) in cut.iter().zip(&whole) {
        // The frames after the cut and the forecaster see no difference.
        if name == "input" {
            assert!((0..5).all(|t| cut.slice(t).iter().all(|&d| d == 0.0) == (t < 3)));
            assert!((3..5).all(|t| cut.slice(t) == whole.slice(t)));
        } else {
            assert_eq!(cut == whole, !name.starts_with("encoder"), "{name}");
        }
    }

    // Differences of the reference that starts from the states at the cut.
    let named = |parameters: &[(String, Tensor<f64>)]| {
        let arrays = parameters.iter().map(|(name, tensor)| (name.clone(), Array::constant(tensor)));
        NamedArrays::new(arrays.collect())
    };
    let frames = |range: std::ops::Range<usize>| {
        let frames: Vec<_> = range.map(|t| Array::constant(&input.index(t))).collect();
        Array::stack(&frames).unwrap()
    };
    let parameters = network.parameters().to_named();
    let before = reference::pyramid(&small, &named(&parameters), None, &frames(0..3), 1).unwrap();
    let loss = |parameters: &[(String, Tensor<f64>)]| -> f64 {
        let start = Some(before.encoder_states.clone());
        let forecast = reference::pyramid(&small, &named(parameters), start, &frames(3..5), 2).unwrap();
        forecast.output.dot(&expected.output).unwrap()
    };
    for (index, (name, gradient)) in cut.iter().take(parameters.len()).enumerate() {
        for element in (0..gradient.len()).step_by(gradient.len().div_ceil(3).max(1)) {
            let at = |distance: f64| {
                let mut moved = parameters.clone();
                moved[index].1.as_mut_slice()[element] += distance;
                loss(&moved)
            };
            let difference = (8.0 * (at(1e-3) - at(-1e-3)) - (at(2e-3) - at(-2e-3))) / 12e-3;
            let got = gradient.as_slice()[element];
            assert!((got - difference).abs() < 1e-8, "{name}[{element}]: {got} instead of {difference}");
        }
    }
}

#[test]
fn gradients_are_added() {
    let network = pyramid::<f64>(config());
    let input = frames(2);
    let mut workspace = Workspace::default();
    let prediction = network.forward_train(&input, 2, None, &mut workspace).unwrap();
    let mut gradients = network.parameters().zeros_like();
    let mut once = None;
    for _ in 0..2 {
        let gradient = PredictionGradient::Logits(prediction.logits.clone());
        network.backward(&mut workspace, gradient, &mut gradients).unwrap();
        once.get_or_insert_with(|| gradients.to_named());
    }
    for ((name, once), (_, twice)) in once.unwrap().iter().zip(gradients.to_named()) {
        let largest = once.as_slice().iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let pairs = once.as_slice().iter().zip(twice.as_slice());
        assert!(pairs.into_iter().all(|(a, b)| (2.0 * a - b).abs() <= 1e-13 * largest), "{name}");
    }
}

#[test]
fn f32_is_near_f64() {
    let single = pyramid::<f32>(config());
    let mut double = pyramid::<f64>(config());
    let mut weights = single.parameters().to_named().into_iter();
    double.parameters_mut().for_each_mut(&mut |_, tensor| *tensor = weights.next().unwrap().1.cast());
    let error = |got: &Tensor<f32>, exact: &Tensor<f64>| {
        let pairs = got.as_slice().iter().zip(exact.as_slice());
        let sum: f64 = pairs.map(|(&g, e)| (f64::from(g) - e).powi(2)).sum();
        (sum / exact.as_slice().iter().map(|e| e * e).sum::<f64>()).sqrt()
    };
    let input = frames::<f32>(10);
    let (got, exact) = (single.forward(&input, 10).unwrap(), double.forward(&input.cast(), 10).unwrap());
    assert!(error(&got, &exact) < 2e-5, "{}", error(&got, &exact));
    let pairs = forecaster_gradients(&single, &input, 10).into_iter().zip(forecaster_gradients(
        &double,
        &input.cast(),
        10,
    ));
    // The coarsest forecaster has weights for no channels of an input.
    for ((name, got), (_, exact)) in pairs.filter(|((_, got), _)| !got.is_empty()) {
        assert!(error(&got, &exact) < 1e-4, "{name}: {}", error(&got, &exact));
    }
}

#[test]
fn an_untrained_network_with_a_residual_repeats_the_last_frame() {
    for output_activation in [OutputActivation::Identity, OutputActivation::Sigmoid] {
        let network = Forecaster::<f64>::new(PyramidConfig { output_activation, ..config() }, 0).unwrap();
        let input = frames(3);
        let prediction = network.forward(&input, 4).unwrap();
        for t in 0..4 {
            let pairs = prediction.slice(t).iter().zip(input.slice(2));
            let (low, high) = match output_activation {
                OutputActivation::Identity => (0.0, 1.0),
                OutputActivation::Sigmoid => (0.01, 0.99),
            };
            assert!(pairs.into_iter().all(|(y, x)| (y - x.clamp(low, high)).abs() < 1e-12));
        }
    }
}

#[test]
fn weights_come_back_from_a_file() {
    let network = pyramid::<f32>(config());
    let bytes = export::to_safetensors(network.parameters(), &[]).unwrap();
    let mut other = Forecaster::<f32>::new(config(), 99).unwrap();
    assert_ne!(other.parameters(), network.parameters());
    import::from_safetensors(&bytes, other.parameters_mut()).unwrap();
    assert_eq!(other.parameters(), network.parameters());
    let mut names = Vec::new();
    network.parameters().for_each(&mut |name, _| names.push(name.to_owned()));
    for name in [
        "encoder.0.down.weight",
        "encoder.0.layers.1.input_weights",
        "forecaster.2.up.bias",
        "forecaster.2.layers.0.hidden_weights",
        "head.hidden.weight",
        "head.output.bias",
    ] {
        assert!(names.iter().any(|other| other == name), "{name} is not among {names:?}");
    }
    assert!(!names.iter().any(|name| name == "forecaster.0.up.weight"));
    assert_eq!(network.parameters().count(), config().parameter_count());
}

#[test]
fn a_stream_forecasts_at_any_moment_what_the_network_does() {
    let unconditioned =
        EncoderForecasterConfig { patch: 2, feedback: Feedback::Unconditioned, ..Default::default() };
    let configs: [(ForecasterConfig, [usize; 2]); 3] = [
        (config().into(), [25, 38]),
        (unconditioned.clone().into(), [26, 38]),
        (EncoderForecasterConfig { feedback: Feedback::Predictions, ..unconditioned }.into(), [26, 38]),
    ];
    for (config, [height, width]) in configs {
        let network = Forecaster::<f32>::new(config, 3).unwrap();
        let frames = Tensor::from_fn(&[2, 2, 1, height, width], |i| (i * 7 % 101) as f32 / 100.0);
        let mut stream = network.prepare().unwrap().stream(2, height, width).unwrap();
        assert!(stream.forecast(1).unwrap_err().to_string().contains("before a forecast"));
        for beginning in 0..2 {
            for t in 0..2 {
                stream.read(&frames.index(t)).unwrap();
                let so_far = frames.as_slice()[..(t + 1) * frames.slice(0).len()].to_vec();
                let so_far = Tensor::from_vec(&[t + 1, 2, 1, height, width], so_far).unwrap();
                for steps in [3, 24] {
                    let expected =
                        network.forward_train(&so_far, steps, None, &mut Workspace::default()).unwrap();
                    let got = stream.forecast(steps).unwrap();
                    assert!(got == expected.output, "run {beginning}, frame {t}, {steps} steps");
                    assert!(network.forward(&so_far, steps).unwrap() == got);
                }
            }
            stream.reset();
            assert!(stream.forecast(1).is_err());
        }
        assert!(stream.read(&Tensor::zeros(&[2, 1, height, width + 1])).is_err());
        assert!(stream.forecast(0).is_err());
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let network = pyramid::<f32>(config());
    let error = network.forward(&Tensor::zeros(&[2, 1, 3, 8, 8]), 1).unwrap_err().to_string();
    assert!(
        error.contains("[T >= 1, N >= 1, 1, H >= 1, W >= 1]") && error.contains("[2, 1, 3, 8, 8]"),
        "{error}"
    );
    assert!(network.forward(&Tensor::zeros(&[1, 8, 8]), 1).is_err());
    assert!(network.forward(&Tensor::zeros(&[0, 1, 1, 8, 8]), 1).is_err());
    assert!(matches!(network.forward(&frames(2), 0), Err(Error::Count { .. })));
    let mut workspace = Workspace::default();
    let prediction = network.forward_train(&frames(2), 2, None, &mut workspace).unwrap();
    let mut gradients = network.parameters().zeros_like();
    let short = Tensor::zeros(&[1, 2, 1, 25, 38]);
    assert!(
        network.backward(&mut workspace, PredictionGradient::Output(short.clone()), &mut gradients).is_err()
    );
    let scales = vec![PyramidScale::new(16, 2)];
    let other = Forecaster::<f32>::new(PyramidConfig { scales, ..config() }, 0).unwrap();
    let mut others = other.parameters().zeros_like();
    let gradient = PredictionGradient::Output(prediction.output.clone());
    assert!(network.backward(&mut workspace, gradient.clone(), &mut others).is_err());
    let error = other.backward(&mut workspace, gradient, &mut others).unwrap_err().to_string();
    assert!(error.contains("another network made it"), "{error}");
}
