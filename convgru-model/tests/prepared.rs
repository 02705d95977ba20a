//! Networks that are prepared for forward passes only: the same bits, without the tensors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixtures;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use convgru_model::{
    ConvGru, ConvGruConfig, EncoderForecasterConfig, Forecaster, ForecasterConfig, MlcastConfig, Noise,
    Output, Parameters, PyramidConfig, RecurrentForecasterConfig, ResetGate, Scalar, Tensor,
};
use fixtures::{bits_of, fill_biases, noise, pool};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// The allocator of the system, which counts the bytes that each thread holds.
struct Counting;

fn count(bytes: isize) {
    HELD.with(|held| held.set(held.get() + bytes));
}

// SAFETY: every call is passed on unchanged to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of this call.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn mlcast(members: usize) -> MlcastConfig {
    MlcastConfig { blocks: 3, members, ..MlcastConfig::default() }
}

fn configs() -> Vec<ForecasterConfig> {
    vec![
        mlcast(1).into(),
        mlcast(2).into(),
        PyramidConfig { skip: true, ..PyramidConfig::default() }.into(),
        EncoderForecasterConfig { hidden_channels: vec![8, 9], ..EncoderForecasterConfig::default() }.into(),
        RecurrentForecasterConfig::default().into(),
    ]
}

fn same_bits<T: Scalar>() {
    for config in configs() {
        let mut network = Forecaster::<T>::new(config.clone(), 3).unwrap();
        network.set_noise(Noise::Seed(7));
        let frames = noise(&[4, 2, 1, 16, 32], 5);
        let expected = bits_of(&network.forward(&frames, 3).unwrap());
        let prepared = network.into_prepared().unwrap();
        let mut output = Tensor::default();
        for _ in 0..2 {
            prepared.forward(&frames, 3, &mut output).unwrap();
            assert_eq!(bits_of(&output), expected, "{config:?}");
        }
        let mut stream = prepared.stream(2, 16, 32).unwrap();
        drop(prepared);
        (0..4).for_each(|t| stream.read(&frames.index(t)).unwrap());
        assert_eq!(bits_of(&stream.forecast(3).unwrap()), expected, "{config:?}");
    }
}

#[test]
fn a_network_that_gave_its_tensors_away_has_the_same_bits() {
    same_bits::<f32>();
    same_bits::<f64>();
}

#[test]
fn a_stack_that_gave_its_tensors_away_has_the_same_bits() {
    for reset in [ResetGate::Before, ResetGate::After] {
        let config = ConvGruConfig { kernel_size: [3, 5].into(), reset, ..ConvGruConfig::new(3, &[8, 9]) };
        let mut network = ConvGru::<f32>::new(config, 3).unwrap();
        fill_biases(network.parameters_mut());
        let frames = noise(&[3, 2, 3, 20, 30], 5);
        let expected = network.forward(&frames).unwrap();
        let (mut prepared, mut output) = (network.into_prepared().unwrap(), Output::default());
        prepared.forward(&frames, &mut output).unwrap();
        assert_eq!(bits_of(&output.outputs[0]), bits_of(&expected.outputs[0]));
        let mut stream = prepared.stream(2, 20, 30).unwrap();
        for t in 0..3 {
            let state = stream.step(&frames.index(t)).unwrap();
            assert_eq!(bits_of(state), bits_of(&expected.outputs[0].index(t)));
        }
    }
}

#[test]
fn packed_weights_take_the_place_of_tensors() {
    let frames = noise::<f32>(&[2, 1, 1, 8, 8], 5);
    pool(1).install(|| {
        for config in configs().into_iter().take(4) {
            let mut output = Tensor::default();
            let before = HELD.get();
            let network = Forecaster::<f32>::new(config, 3).unwrap();
            let tensors = (network.parameters().count() * size_of::<f32>()).cast_signed();
            let prepared = network.prepare().unwrap();
            prepared.forward(&frames, 1, &mut output).unwrap();
            let both = HELD.get() - before;
            drop(prepared);
            let prepared = network.into_prepared().unwrap();
            prepared.forward(&frames, 1, &mut output).unwrap();
            let packed = HELD.get() - before;
            assert!(both - packed > tensors * 9 / 10, "{both} and {packed} bytes, {tensors} of tensors");
        }
    });
}
