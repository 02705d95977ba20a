//! What a prepared stream allocates for a frame, nothing, and what a training step does for a sequence.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use convgru_model::composed::{CellConfig, ConvStageConfig, Recurrent, RecurrentConfig, Stage, Wiring};
use convgru_model::layer::Activation;
use convgru_model::{
    ConvGru, ConvGruConfig, Parameters, ReturnLayers, Sequence, StateGradient, Tensor, Workspace,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The allocator of the system, counting calls and bytes for each thread.
struct Counting;

// SAFETY: every call is passed on unchanged to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        BYTES.with(|count| count.set(count.get() + layout.size()));
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_step_allocates_nothing() {
    let config = ConvGruConfig { kernel_size: [3, 5, 1].into(), ..ConvGruConfig::new(3, &[6, 5, 4]) };
    let network = ConvGru::<f32>::new(config, 7).unwrap();
    let frame = Tensor::from_fn(&[1, 3, 8, 10], |i| (i % 7) as f32 / 7.0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let counts: Vec<usize> = pool.install(|| {
        let mut stream = network.prepare().unwrap().stream(1, 8, 10).unwrap();
        let mut counts = Vec::with_capacity(6);
        for _ in 0..6 {
            let before = ALLOCATIONS.with(Cell::get);
            stream.step(&frame).unwrap();
            counts.push(ALLOCATIONS.with(Cell::get) - before);
        }
        counts
    });
    // All memory was taken by `prepare`.
    assert_eq!(counts, [0; 6]);
}

#[test]
fn a_step_of_a_chain_allocates_nothing() {
    let convolution = |in_channels: usize, stride: usize| ConvStageConfig {
        in_channels,
        out_channels: 6,
        stride: [stride; 2],
        activation: Activation::Relu,
        ..Default::default()
    };
    let stages = vec![
        Stage::Convolution(convolution(3, 1)),
        Stage::Cell(CellConfig::new(6, 6)),
        Stage::Residual(convolution(6, 1)),
        Stage::Cell(CellConfig { kernel_size: [5, 3], ..CellConfig::new(6, 5) }),
        Stage::Convolution(convolution(5, 1)),
    ];
    let network = Recurrent::<f32>::new(RecurrentConfig { stages, wiring: Wiring::Chain }, 7).unwrap();
    let chain = network.to_chain().unwrap();
    let frame = Tensor::from_fn(&[1, 3, 8, 10], |i| (i % 7) as f32 / 7.0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let counts: Vec<usize> = pool.install(|| {
        let mut stream = chain.stream(1, 8, 10).unwrap();
        let mut counts = Vec::with_capacity(4);
        for _ in 0..4 {
            let before = ALLOCATIONS.with(Cell::get);
            stream.step(&frame).unwrap();
            counts.push(ALLOCATIONS.with(Cell::get) - before);
        }
        counts
    });
    assert_eq!(counts, [0; 4]);
}

#[test]
fn samples_are_reset_without_allocating() {
    let network = ConvGru::<f32>::new(ConvGruConfig::new(3, &[6, 5]), 7).unwrap();
    let frames = Tensor::from_fn(&[3, 3, 8, 10], |i| (i % 7) as f32 / 7.0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let counts: Vec<usize> = pool.install(|| {
        let mut stream = network.prepare().unwrap().stream(3, 8, 10).unwrap();
        let mut counts = Vec::with_capacity(4);
        let resets: [&[usize]; 4] = [&[0], &[1, 2], &[2, 1, 0], &[]];
        for samples in resets {
            let before = ALLOCATIONS.with(Cell::get);
            stream.reset_samples(samples).unwrap();
            stream.step(&frames).unwrap();
            counts.push(ALLOCATIONS.with(Cell::get) - before);
        }
        counts
    });
    assert_eq!(counts, [0; 4]);
}

#[test]
fn a_step_of_a_stream_of_another_cell_takes_the_same_memory_every_time() {
    let cell = CellConfig { dilation: [2, 2], ..CellConfig::new(3, 6) };
    let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 7).unwrap();
    let frame = Tensor::from_fn(&[1, 3, 32, 40], |i| (i % 7) as f32 / 7.0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let bytes: Vec<usize> = pool.install(|| {
        let mut stream = network.prepare().unwrap().stream(&[&[1, 3, 32, 40]], &[]).unwrap();
        // The first step reads no state.
        stream.step(&[&frame]).unwrap();
        let mut bytes = Vec::with_capacity(5);
        for _ in 0..5 {
            let before = BYTES.with(Cell::get);
            stream.step(&[&frame]).unwrap();
            bytes.push(BYTES.with(Cell::get) - before);
        }
        bytes
    });
    // Nothing gathers.
    assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]), "{bytes:?}");
}

#[test]
fn a_training_step_whose_gradients_enter_one_by_one_allocates_nothing_for_its_length() {
    let network = ConvGru::<f32>::new(ConvGruConfig::new(3, &[6, 5]), 7).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let bytes_of_second_step = |steps: usize| {
        let frames = Tensor::from_fn(&[steps, 1, 3, 64, 80], |i| (i % 7) as f32 / 7.0);
        let mut gradients = network.parameters().zeros_like();
        let mut state = Tensor::zeros(&[1, 5, 64, 80]);
        let mut workspace = Workspace::default();
        let mut step = || {
            let before = BYTES.with(Cell::get);
            let sequence = Sequence { return_layers: ReturnLayers::None, ..Sequence::from(&frames) };
            network.forward_train(sequence, &mut workspace).unwrap();
            let mut enter = |mut entry: StateGradient<'_, f32>| {
                if entry.layer() == 1 {
                    entry.read_state(&mut state)?;
                    entry.add(&state)?;
                }
                Ok(())
            };
            network.backward(&mut workspace, &mut enter, &mut gradients).unwrap();
            BYTES.with(Cell::get) - before
        };
        step();
        step()
    };
    // Both longer than a block of the backward pass.
    let [short, long] = [16, 40].map(|steps| pool.install(|| bytes_of_second_step(steps)));
    assert_eq!(short, long);
}
