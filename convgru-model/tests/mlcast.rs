//! mlcast's network: its passes agree with each other, and what it promises holds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use std::num::NonZeroUsize;

use convgru_model::reference::{self, Array, NamedArrays};
use convgru_model::{
    Forecaster, ForecasterConfig, MemoryBudget, MlcastConfig, Noise, Parameters, Scalar, Tensor, Workspace,
    export, import,
};
use fixtures::{bits_of, fill_biases, forecaster_gradients, noise, pool};

fn config() -> MlcastConfig {
    MlcastConfig { blocks: 3, members: 2, ..MlcastConfig::default() }
}

fn network<T: Scalar>(config: MlcastConfig) -> Forecaster<T> {
    let mut network = Forecaster::new(config, 3).unwrap();
    fill_biases(network.parameters_mut());
    network
}

/// Frames of a size that is no multiple of the factor.
fn frames<T: Scalar>(steps: usize) -> Tensor<T> {
    noise(&[steps, 2, 1, 21, 30], 5)
}

fn single_member() -> MlcastConfig {
    MlcastConfig { members: 1, ..config() }
}

#[test]
fn a_prediction_has_the_bits_of_the_training_pass_and_of_a_stream() {
    for config in [config(), single_member(), MlcastConfig { signed: true, ..config() }] {
        let (network, input) = (network::<f32>(config), frames(4));
        let prepared = network.prepare().unwrap();
        let mut stream = prepared.stream(2, 21, 30).unwrap();
        (0..4).for_each(|t| stream.read(&input.index(t)).unwrap());
        // More steps than are computed together.
        for steps in [1, 3, 150] {
            let prediction = network.forward_train(&input, steps, None, &mut Workspace::default()).unwrap();
            assert_eq!(bits_of(&network.forward(&input, steps).unwrap()), bits_of(&prediction.output));
            assert_eq!(
                bits_of(&stream.forecast(steps).unwrap()),
                bits_of(&prediction.output),
                "{steps} steps"
            );
        }
    }
}

#[test]
fn a_signed_network_maps_frames_and_nothing_else() {
    let plain = network::<f64>(config());
    let of_signed = MlcastConfig { signed: true, ..config() };
    let signed = Forecaster::from_parameters(of_signed, plain.parameters().clone()).unwrap();
    // Numbers whose maps are exact.
    let frames = Tensor::<f64>::from_fn(&[3, 2, 1, 21, 30], |i| (i % 17) as f64 / 16.0);
    let within = Tensor::from_fn(frames.shape(), |i| 2.0 * frames.as_slice()[i] - 1.0);
    let expected = plain.forward(&within, 5).unwrap();
    let found = signed.forward(&frames, 5).unwrap();
    assert_eq!(found.shape(), expected.shape());
    let pairs = found.as_slice().iter().zip(expected.as_slice());
    assert!(pairs.clone().all(|(own, within)| *own == 0.5 + 0.5 * within));
    assert!(pairs.clone().any(|(own, within)| (own - within).abs() > 0.1));
}

#[test]
fn what_is_computed_anew_and_by_more_threads_has_the_same_bits() {
    let (input, kept) = (frames(5), network::<f32>(config()));
    let expected = forecaster_gradients(&kept, &input, 12);
    let mut anew = kept.clone();
    anew.set_memory_budget(MemoryBudget::Bytes(0));
    for threads in [1, 3] {
        for network in [&kept, &anew] {
            let gradients = pool(threads).install(|| forecaster_gradients(network, &input, 12));
            assert!(gradients == expected, "{threads} threads");
        }
    }
}

#[test]
fn a_training_pass_keeps_states_gates_frames_and_noise_and_no_inputs() {
    let (network, input, mut kept) = (network::<f32>(config()), frames(4), Workspace::default());
    network.forward_train(&input, 3, None, &mut kept).unwrap();
    // Images of 24 times 32 pixels, of which every block has as many numbers: of two samples, and of two members of them.
    let (image, frame, read, predicted) = (24 * 32, 21 * 30, 4 * 2, 3 * 2 * 2);
    let states_and_gates = 4 * 3 * (read + predicted) * image;
    let noise = predicted * image;
    let numbers = states_and_gates + noise + (read + 2 + predicted) * frame;
    assert_eq!(kept.bytes(), numbers * size_of::<f32>());
}

#[test]
fn members_read_noise_of_their_own_and_more_of_them_change_none() {
    let (input, steps) = (frames::<f32>(3), 4);
    let of_members = |members| {
        let network = network::<f32>(MlcastConfig { members, noise: true, ..config() });
        network.forward(&input, steps).unwrap()
    };
    let (one, three) = (of_members(1), of_members(3));
    let plane = 21 * 30;
    let member = |forecast: &Tensor<f32>, members: usize, member: usize| -> Vec<u32> {
        let images = forecast.as_slice().chunks_exact(plane);
        images.skip(member).step_by(members).flatten().map(|x| x.to_bits()).collect()
    };
    assert_eq!(member(&one, 1, 0), member(&three, 3, 0));
    assert_ne!(member(&three, 3, 1), member(&three, 3, 0));
    assert_ne!(member(&three, 3, 1), member(&three, 3, 2));
    let mut other = network::<f32>(MlcastConfig { members: 3, ..config() });
    assert_eq!(bits_of(&other.forward(&input, steps).unwrap()), bits_of(&three));
    other.set_noise(Noise::Seed(1));
    assert_ne!(bits_of(&other.forward(&input, steps).unwrap()), bits_of(&three));
    // Each sample of a batch is the sample alone.
    let first = Tensor::from_fn(&[3, 1, 1, 21, 30], |i| input.as_slice()[i / plane * 2 * plane + i % plane]);
    let alone = network::<f32>(MlcastConfig { members: 3, ..config() }).forward(&first, steps).unwrap();
    let of_batch = three.as_slice().chunks_exact(3 * plane).step_by(2).flatten();
    assert!(alone.as_slice().iter().zip(of_batch).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn a_forecast_without_noise_is_that_of_noise_of_zeros() {
    let input = frames::<f64>(3);
    let quiet = network::<f64>(single_member());
    let mut zeros = network::<f64>(MlcastConfig { noise: true, ..single_member() });
    zeros.set_noise(Noise::Given(Tensor::zeros(&[1, 5, 2, 64, 3, 4])));
    let pairs = [quiet.forward(&input, 5).unwrap(), zeros.forward(&input, 5).unwrap()];
    let apart = pairs[0].as_slice().iter().zip(pairs[1].as_slice()).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f64::max) < 1e-13);
    for ((name, quiet), (_, zeros)) in
        forecaster_gradients(&quiet, &input, 5).iter().zip(forecaster_gradients(&zeros, &input, 5))
    {
        let largest = zeros.as_slice().iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let pairs = quiet.as_slice().iter().zip(zeros.as_slice());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 1e-12 * largest.max(1.0)), "{name}");
    }
}

#[test]
fn a_truncation_changes_no_prediction_and_makes_what_came_before_a_constant() {
    let small = MlcastConfig { blocks: 2, members: 2, kernel_size: [1, 3], ..MlcastConfig::default() };
    let mut network = network::<f64>(small.clone());
    let input: Tensor<f64> = noise(&[5, 1, 1, 6, 7], 2);
    let whole = forecaster_gradients(&network, &input, 2);
    let expected = network.forward_train(&input, 2, None, &mut Workspace::default()).unwrap();
    network.set_truncation(NonZeroUsize::new(9));
    assert!(forecaster_gradients(&network, &input, 2) == whole);
    network.set_truncation(NonZeroUsize::new(2));
    let again = network.forward_train(&input, 2, None, &mut Workspace::default()).unwrap();
    assert!(again.logits == expected.logits);
    let cut = forecaster_gradients(&network, &input, 2);
    for ((name, cut), (_, whole)) in cut.iter().zip(&whole) {
        // The frames after the cut and the decoder see no difference.
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
    let (parameters, drawn) = (network.parameters().to_named(), Noise::default());
    let before = reference::mlcast(&small, &named(&parameters), None, &drawn, &frames(0..3), 1).unwrap();
    let loss = |parameters: &[(String, Tensor<f64>)]| -> f64 {
        let start = Some(before.encoder_states.clone());
        let forecast =
            reference::mlcast(&small, &named(parameters), start, &drawn, &frames(3..5), 2).unwrap();
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
fn f32_is_near_f64() {
    let single = network::<f32>(config());
    let mut double = network::<f64>(config());
    let mut weights = single.parameters().to_named().into_iter();
    double.parameters_mut().for_each_mut(&mut |_, tensor| *tensor = weights.next().unwrap().1.cast());
    let error = |got: &Tensor<f32>, exact: &Tensor<f64>| {
        let pairs = got.as_slice().iter().zip(exact.as_slice());
        let sum: f64 = pairs.map(|(&g, e)| (f64::from(g) - e).powi(2)).sum();
        (sum / exact.as_slice().iter().map(|e| e * e).sum::<f64>()).sqrt()
    };
    let input = frames::<f32>(6);
    let (got, exact) = (single.forward(&input, 6).unwrap(), double.forward(&input.cast(), 6).unwrap());
    assert!(error(&got, &exact) < 2e-5, "{}", error(&got, &exact));
    let exact = forecaster_gradients(&double, &input.cast(), 6);
    for ((name, got), (_, exact)) in forecaster_gradients(&single, &input, 6).iter().zip(exact) {
        assert!(error(got, &exact) < 1e-4, "{name}: {}", error(got, &exact));
    }
}

#[test]
fn a_frame_of_one_pixel_is_continued_and_frames_of_other_channels_are_refused() {
    let network = network::<f32>(config());
    assert_eq!(network.forward(&Tensor::zeros(&[1, 1, 1, 1, 1]), 2).unwrap().shape(), [2, 1, 2, 1, 1]);
    let error = network.forward(&Tensor::zeros(&[1, 1, 2, 8, 8]), 2).unwrap_err().to_string();
    assert!(error.contains("[T >= 1, N >= 1, 1, H >= 1, W >= 1]"), "{error}");
    let mut given = network.clone();
    given.set_noise(Noise::Given(Tensor::zeros(&[2, 1, 1, 64, 1, 1])));
    given.forward(&Tensor::zeros(&[1, 1, 1, 8, 8]), 1).unwrap();
    let error = given.forward(&Tensor::zeros(&[1, 1, 1, 8, 8]), 2).unwrap_err().to_string();
    assert!(error.contains("noise") && error.contains("[2, 2 or more, 1, 64, 1, 1]"), "{error}");
}

#[test]
fn weights_come_back_from_files_of_both_kinds() {
    let network = network::<f32>(single_member());
    let named = import::NamedNetwork { name: String::new(), network: network.clone().into(), origin: None };
    let ours = export::networks(&vec![named]).unwrap();
    let read: Forecaster<f32> = import::read(&ours).unwrap().into_forecaster().unwrap();
    assert_eq!((read.config(), read.parameters()), (network.config(), network.parameters()));

    let ForecasterConfig::Mlcast(config) = network.config() else { panic!("{:?}", network.config()) };
    let theirs = export::mlcast(config, network.parameters()).unwrap();
    let bytes = export::to_safetensors(&theirs, &[]).unwrap();
    let found = import::detect(import::named_tensors_in_single_precision(&bytes).unwrap().tensors);
    assert!(found.networks.len() == 1 && found.left.is_empty() && found.incomplete.is_empty());
    let read = import::read::<f32>(&bytes).unwrap().into_forecaster().unwrap();
    assert_eq!(read.parameters(), network.parameters());
    let origin = found.networks[0].origin.as_ref().unwrap();
    assert_eq!(
        export::original(&found.networks[0].network, origin).unwrap().tensors.len(),
        theirs.tensors.len()
    );
}
