//! Samples of a running batch that begin anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use convgru_model::{ConvGru, ConvGruConfig, ResetGate, Stream, Tensor};
use fixtures::{bits, fill_biases, noise};

fn network(reset: ResetGate) -> ConvGru<f32> {
    let config = ConvGruConfig { kernel_size: [3, 5].into(), reset, ..ConvGruConfig::new(3, &[6, 5]) };
    let mut network = ConvGru::new(config, 7).unwrap();
    fill_biases(network.parameters_mut());
    network
}

/// Steps a batch and a stream of each sample, which is reset as a whole where the batch resets the sample.
fn compare(network: &ConvGru<f32>, [height, width]: [usize; 2], resets: &[&[usize]]) {
    let batch = 3;
    let in_channels = network.config().in_channels;
    let mut stream = network.prepare().unwrap().stream(batch, height, width).unwrap();
    let mut alone: Vec<Stream<'_, f32>> =
        (0..batch).map(|_| network.prepare().unwrap().stream(1, height, width).unwrap()).collect();
    for (t, samples) in resets.iter().enumerate() {
        stream.reset_samples(samples).unwrap();
        samples.iter().for_each(|&sample| alone[sample].reset());
        let frames = noise(&[batch, in_channels, height, width], t);
        let expect_same = |stream: &Stream<'_, f32>, alone: &[Stream<'_, f32>], when: &str| {
            let states = stream.states().unwrap();
            for (n, alone) in alone.iter().enumerate() {
                let what = format!("sample {n} {when} step {t} of {height}x{width}");
                assert_eq!(bits(stream.output().slice(n)), bits(alone.output().as_slice()), "{what}");
                for (state, expected) in states.iter().zip(alone.states().unwrap()) {
                    assert_eq!(bits(state.slice(n)), bits(expected.as_slice()), "{what}");
                }
            }
        };
        expect_same(&stream, &alone, "before");
        stream.step(&frames).unwrap();
        for (n, alone) in alone.iter_mut().enumerate() {
            let frame = Tensor::from_vec(&[1, in_channels, height, width], frames.slice(n).to_vec());
            alone.step(&frame.unwrap()).unwrap();
        }
        expect_same(&stream, &alone, "after");
    }
}

#[test]
fn samples_that_are_reset_equal_streams_of_their_own_bit_for_bit() {
    // None before the first step, some, all, one twice, all one after the other.
    let resets: [&[usize]; 7] = [&[1], &[], &[1], &[0, 2], &[2, 0, 1], &[1, 1], &[]];
    for (reset, size) in [[7, 9], [1, 1], [40, 46]]
        .into_iter()
        .flat_map(|size| [(ResetGate::Before, size), (ResetGate::After, size)])
    {
        compare(&network(reset), size, &resets);
    }
}

/// Images so large that the convolutions of input and state are added up.
#[test]
fn samples_of_large_images_that_are_reset_equal_streams_of_their_own() {
    let network = ConvGru::<f32>::new(ConvGruConfig::new(9, &[8]), 3).unwrap();
    compare(&network, [421, 417], &[&[], &[1], &[]]);
}

#[test]
fn a_batch_whose_samples_were_all_reset_is_a_new_one() {
    let network = network(ResetGate::Before);
    let frames = noise(&[2, 3, 6, 7], 1);
    let mut stream = network.prepare().unwrap().stream(2, 6, 7).unwrap();
    let first = bits(stream.step(&frames).unwrap().as_slice());
    stream.reset_samples(&[1]).unwrap();
    stream.reset_samples(&[0]).unwrap();
    assert!(stream.output().as_slice().iter().all(|&v| v == 0.0));
    assert_eq!(bits(stream.step(&frames).unwrap().as_slice()), first);
    // States that are given count as such, whatever was reset before.
    stream.reset_samples(&[0]).unwrap();
    let states = network.step(&frames, None).unwrap();
    stream.set_states(&states).unwrap();
    stream.reset_samples(&[1]).unwrap();
    let given = bits(states[1].slice(0));
    assert!(given.iter().any(|&bits| bits != 0));
    assert_eq!(bits(stream.output().slice(0)), given);
}

#[test]
fn samples_that_are_not_there_are_refused_and_nothing_changes() {
    let network = network(ResetGate::Before);
    let mut stream = network.prepare().unwrap().stream(2, 6, 7).unwrap();
    let frames = noise(&[2, 3, 6, 7], 1);
    let expected = bits(stream.step(&frames).unwrap().as_slice());
    let error = stream.reset_samples(&[0, 2]).unwrap_err().to_string();
    assert_eq!(error, "sample to reset: 2 given where 0 to 1 is possible");
    assert_eq!(bits(stream.output().as_slice()), expected);
    assert_eq!(bits(stream.states().unwrap()[1].as_slice()), expected);
}
