//! Ensembles of heads: their members are the networks of one head each, and every pass agrees on them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use convgru_model::{
    EncoderForecasterConfig, Feedback, Forecaster, ForecasterConfig, MemoryBudget, OutputActivation,
    Parameters, PredictionGradient, PyramidConfig, PyramidScale, Residual, Tensor, Workspace,
    mean_of_members,
};

const CHANNELS: usize = 2;

fn configs(members: usize) -> [ForecasterConfig; 2] {
    let flat = EncoderForecasterConfig {
        image_channels: CHANNELS,
        patch: 2,
        hidden_channels: vec![5],
        feedback: Feedback::Unconditioned,
        output_activation: OutputActivation::Sigmoid,
        members,
        ..Default::default()
    };
    let pyramid = PyramidConfig {
        image_channels: CHANNELS,
        scales: vec![PyramidScale::new(4, 2), PyramidScale::new(3, 2)],
        head_channels: 3,
        residual: Residual::LastFrame,
        skip: true,
        output_activation: OutputActivation::Sigmoid,
        members,
        ..Default::default()
    };
    [flat.into(), pyramid.into()]
}

fn frames() -> Tensor<f64> {
    Tensor::from_fn(&[4, 3, CHANNELS, 8, 12], |i| ((i * 7919) % 101) as f64 / 100.0)
}

/// The channels of one member of predictions `[T, N, K C, H, W]`.
fn member(predictions: &Tensor<f64>, k: usize) -> Tensor<f64> {
    let [steps, batch, all, height, width] = [0, 1, 2, 3, 4].map(|axis| predictions.shape()[axis]);
    let plane = height * width;
    Tensor::from_fn(&[steps, batch, CHANNELS, height, width], |i| {
        let (item, within) = (i / (CHANNELS * plane), i % (CHANNELS * plane));
        predictions.as_slice()[item * all * plane + k * CHANNELS * plane + within]
    })
}

/// The network of one member alone: the trunk, and that part of the head.
fn alone(ensemble: &Forecaster<f64>, one: ForecasterConfig, members: usize, k: usize) -> Forecaster<f64> {
    let mut network = Forecaster::new(one, 0).unwrap();
    let given = ensemble.parameters().to_named();
    let mut given = given.iter();
    let is_pyramid = network.config().kind() == "pyramid";
    network.parameters_mut().for_each_mut(&mut |name, tensor| {
        let (_, from) = given.next().unwrap();
        if from.shape() == tensor.shape() {
            tensor.clone_from(from);
            return;
        }
        assert!(name.starts_with("head."), "{name}");
        let row: usize = tensor.shape()[1..].iter().product();
        for (at, values) in tensor.as_mut_slice().chunks_exact_mut(row).enumerate() {
            // Channels of a pixel lie together in a pyramid, pixels of a channel otherwise.
            let at = match is_pyramid {
                true => at / CHANNELS * CHANNELS * members + k * CHANNELS + at % CHANNELS,
                false => k * CHANNELS * 4 + at,
            };
            values.copy_from_slice(&from.as_slice()[at * row..][..row]);
        }
    });
    network
}

#[test]
fn each_member_is_the_network_of_its_head() {
    let frames = frames();
    for (config, one) in configs(3).into_iter().zip(configs(1)) {
        let ensemble = Forecaster::<f64>::new(config, 5).unwrap();
        let predictions = ensemble.forward(&frames, 3).unwrap();
        assert_eq!(predictions.shape(), [3, 3, 3 * CHANNELS, 8, 12]);
        let mut sum = Tensor::zeros(frames.index(0).shape()).reshape(&[1, 3, CHANNELS, 8, 12]).unwrap();
        for k in 0..3 {
            let expected = alone(&ensemble, one.clone(), 3, k).forward(&frames, 3).unwrap();
            let got = member(&predictions, k);
            let worst = got.as_slice().iter().zip(expected.as_slice()).map(|(a, b)| (a - b).abs());
            assert!(worst.fold(0.0, f64::max) < 1e-13, "member {k} of {:?}", one.kind());
            sum.as_mut_slice().iter_mut().zip(got.slice(0)).for_each(|(sum, x)| *sum += x / 3.0);
            assert!(k == 0 || got != member(&predictions, 0), "all members are the same");
        }
        let mean = ensemble.forward_mean(&frames, 3).unwrap();
        assert_eq!(mean, mean_of_members(predictions, 3).unwrap());
        assert!(mean.slice(0).iter().zip(sum.as_slice()).all(|(a, b)| (a - b).abs() < 1e-15));
    }
}

#[test]
fn training_streams_and_recomputed_gates_have_the_same_bits() {
    let frames = frames();
    for config in configs(2) {
        let mut ensemble = Forecaster::<f64>::new(config, 5).unwrap();
        let expected = ensemble.forward(&frames, 5).unwrap();
        let mut stream = ensemble.prepare().unwrap().stream(3, 8, 12).unwrap();
        for t in 0..4 {
            stream.read(&frames.index(t)).unwrap();
        }
        assert_eq!(stream.forecast(5).unwrap(), expected);
        drop(stream);
        let mut run = |budget: MemoryBudget| {
            ensemble.set_memory_budget(budget);
            let mut workspace = Workspace::default();
            let prediction = ensemble.forward_train(&frames, 5, None, &mut workspace).unwrap();
            assert_eq!(prediction.output, expected);
            let mut gradients = ensemble.parameters().zeros_like();
            let of_output = PredictionGradient::Output(expected.clone());
            ensemble.backward(&mut workspace, of_output, &mut gradients).unwrap();
            gradients.to_named()
        };
        assert_eq!(run(MemoryBudget::Unlimited), run(MemoryBudget::Bytes(0)));
    }
}

#[test]
fn untrained_members_of_a_residual_differ_and_are_near_the_last_frame() {
    let [_, pyramid] = configs(4);
    let ensemble = Forecaster::<f64>::new(pyramid, 1).unwrap();
    let frames = frames();
    let predictions = ensemble.forward(&frames, 1).unwrap();
    for k in 0..4 {
        let one = member(&predictions, k);
        let far = one.as_slice().iter().zip(frames.slice(3)).map(|(x, y)| (x - y.clamp(0.01, 0.99)).abs());
        let far = far.fold(0.0, f64::max);
        assert!(far > 1e-6 && far < 0.1, "member {k} is {far} away");
        assert!((0..k).all(|other| member(&predictions, other) != one), "member {k}");
    }
}

#[test]
fn a_gradient_of_one_member_alone_is_refused() {
    for config in configs(2) {
        let ensemble = Forecaster::<f64>::new(config, 5).unwrap();
        let mut workspace = Workspace::default();
        ensemble.forward_train(&frames(), 2, None, &mut workspace).unwrap();
        let mut gradients = ensemble.parameters().zeros_like();
        let one = Tensor::zeros(&[2, 3, CHANNELS, 8, 12]);
        let error =
            ensemble.backward(&mut workspace, PredictionGradient::Output(one.clone()), &mut gradients);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("[2, 3, 4, 8, 12]") && error.contains("[2, 3, 2, 8, 12]"), "{error}");
    }
}
