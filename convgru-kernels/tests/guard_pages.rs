//! No kernel touches memory in front of or behind its buffers.
//!
//! Every large allocation of this test program lies between two pages that may not be
//! touched, flush with the one behind or the one in front of it. A kernel that reads or writes one
//! number too far ends the program.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use convgru_kernels::conv::{self, Algorithm, ConvShape, PackedWeights, Padding, Precision, Tile, WriteMode};
use convgru_kernels::gates::{
    self, Activations, CandidateActivation, CandidateBackward, CellWeights, FirstStep, GATES, GateActivation,
    InputPart, ResetAfterBackward, ResetAfterStep, ResetBackward, Step,
};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scalar, Scratchpad};

/// Whether buffers end at the page behind them; they begin at the page in front otherwise.
static FLUSH_BEHIND: AtomicBool = AtomicBool::new(true);

/// Allocations that were put between guard pages.
static GUARDED: AtomicUsize = AtomicUsize::new(0);

const PAGE: usize = 4096;

/// Puts what has the alignment of a cache line, the buffers of the kernels, between guard pages.
struct Guarded;

/// Address space of an allocation: its pages and one on either side.
fn pages(layout: Layout) -> usize {
    layout.size().div_ceil(PAGE) * PAGE + 2 * PAGE
}

fn guarded(layout: Layout) -> bool {
    layout.align() == 64 && layout.size() > 0
}

// SAFETY: memory of cache lines is mapped anew for each allocation, as large and as aligned as asked
// for (sizes of whole lines keep the end and the start of a page aligned); all else is the system's.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !guarded(layout) {
            // SAFETY: the caller's promises are those of this call.
            return unsafe { System.alloc(layout) };
        }
        // SAFETY: a new anonymous mapping of which the inner pages are opened.
        unsafe {
            let (len, flags) = (pages(layout), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let start = libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0);
            if start == libc::MAP_FAILED {
                return std::ptr::null_mut();
            }
            let inner = start.cast::<u8>().add(PAGE);
            if libc::mprotect(inner.cast(), len - 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                return std::ptr::null_mut();
            }
            GUARDED.fetch_add(1, Ordering::Relaxed);
            let behind = FLUSH_BEHIND.load(Ordering::Relaxed) && layout.size().is_multiple_of(64);
            if behind { inner.add(len - 2 * PAGE - layout.size()) } else { inner }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if !guarded(layout) {
            // SAFETY: the caller's promises are those of this call.
            return unsafe { System.dealloc(pointer, layout) };
        }
        // The mapping begins one page in front of the page the allocation begins in.
        let start = (pointer as usize / PAGE - 1) * PAGE;
        // SAFETY: this is the mapping that `alloc` made.
        unsafe { libc::munmap(start as *mut libc::c_void, pages(layout)) };
    }
}

#[global_allocator]
static ALLOCATOR: Guarded = Guarded;

fn maps<T: Scalar>(extent: Extent, sections: usize, halo: usize) -> FeatureMaps<T> {
    let values: Vec<T> = (0..extent.len()).map(|i| T::from_f64((i % 13) as f64 / 7.0 - 0.8)).collect();
    let mut maps = FeatureMaps::sectioned(extent, sections, [halo, halo]).unwrap();
    maps.as_mut().read_nchw(&values).unwrap();
    maps
}

/// Forward and both gradients by an algorithm.
fn convolve<T: Scalar>(algorithm: Algorithm, shape: ConvShape, extent: Extent, isa: Isa) {
    let halo = shape.kernel[0] / 2 * shape.dilation[0];
    let out = shape.output_extent(extent).unwrap();
    let weights = vec![T::from_f64(0.1); shape.weight_len()];
    let packed = PackedWeights::with_algorithm(shape, &weights, isa, algorithm).unwrap();
    let (input, mut d_input) = (maps::<T>(extent, 1, halo), maps::<T>(extent, 1, 0));
    let (mut output, d_output) =
        (maps::<T>(out, shape.out_sections, 0), maps::<T>(out, shape.out_sections, halo));
    let mut d_weights = vec![T::ZERO; weights.len()];
    let mut scratch = Scratchpad::with_isa(isa);
    for mode in [WriteMode::Overwrite, WriteMode::Add] {
        conv::forward(&packed, input.as_ref(), output.as_mut(), mode, &mut scratch).unwrap();
        conv::input_gradient(&packed, d_output.as_ref(), d_input.as_mut(), mode, &mut scratch).unwrap();
    }
    let (x, addend, slope) = (input.as_ref(), Some(d_output.as_ref()), T::from_f64(0.25));
    conv::forward_rectified(&packed, x, addend, output.as_mut(), slope, &mut scratch).unwrap();
    let (x, dy) = (input.as_ref(), d_output.as_ref());
    conv::weight_gradient_by(algorithm, &shape, x, dy, &mut d_weights, &mut scratch).unwrap();
    conv::bias_gradient(dy, &mut vec![T::ZERO; shape.out_channels]).unwrap();
}

/// A cell as all are, and one with the other functions and taps two pixels apart.
const KINDS: [(Activations, usize); 2] = [
    (Activations { gate: GateActivation::Sigmoid, candidate: CandidateActivation::Tanh }, 1),
    (Activations { gate: GateActivation::HardSigmoid, candidate: CandidateActivation::LeakyRelu(0.2) }, 2),
];

/// A convolution of 3x3 for some gates.
fn of_gates(inputs: usize, channels: usize, gates: usize, dilation: usize) -> ConvShape {
    let dilation = [dilation; 2];
    ConvShape {
        out_sections: gates,
        dilation,
        padding: Padding::same([3, 3], dilation),
        ..ConvShape::same(inputs, gates * channels, [3, 3])
    }
}

/// One step of a cell, forward and backward.
fn cell_step<T: Scalar>((activations, dilation): (Activations, usize), extent: Extent, isa: Isa) {
    let channels = extent.channels;
    let inputs = 2 * channels;
    let plain = vec![T::from_f64(0.1); GATES * inputs * channels * 9];
    let [of_input, two, one] = [(inputs, GATES), (channels, 2), (channels, 1)].map(|(inputs, gates)| {
        let shape = of_gates(inputs, channels, gates, dilation);
        PackedWeights::with_isa(shape, &plain[..shape.weight_len()], isa).unwrap()
    });
    let weights = CellWeights { input: &of_input, update_and_reset: &two, candidate: &one, activations };
    let input = maps::<T>(extent.with_channels(inputs), 1, dilation);
    let gate_extent = extent.with_channels(GATES * channels);
    let (mut gates_maps, hidden) = (maps::<T>(gate_extent, GATES, 0), maps::<T>(extent, 1, dilation));
    let (mut product, mut next) = (maps::<T>(extent, 1, dilation), maps::<T>(extent, 1, dilation));
    let (mut d_hidden, mut d_gates) = (maps::<T>(extent, 1, 0), maps::<T>(gate_extent, GATES, dilation));
    let mut scratch = Scratchpad::with_isa(isa);
    for (input, keep_gates) in [(InputPart::InGates, true), (InputPart::Maps(input.as_ref()), false)] {
        let first = FirstStep { weights, input, gates: gates_maps.as_mut(), keep_gates, next: next.as_mut() };
        gates::first_step(first, &mut scratch).unwrap();
        let step = Step {
            weights,
            input,
            gates: gates_maps.as_mut(),
            keep_gates,
            hidden: hidden.as_ref(),
            reset_hidden: product.as_mut(),
            next: next.as_mut(),
        };
        gates::step(step, &mut scratch).unwrap();
    }
    gates::reset_hidden(gates_maps.as_ref(), hidden.as_ref(), product.as_mut(), isa).unwrap();
    let first = CandidateBackward {
        gates: gates_maps.as_ref(),
        hidden: Some(hidden.as_ref()),
        d_hidden: d_hidden.as_mut(),
        d_gates: d_gates.as_mut(),
        activations,
    };
    gates::candidate_backward(first, isa).unwrap();
    let second = ResetBackward {
        weights: &one,
        gates: gates_maps.as_ref(),
        hidden: hidden.as_ref(),
        d_hidden: d_hidden.as_mut(),
        d_gates: d_gates.as_mut(),
        activations,
    };
    gates::reset_backward(second, &mut scratch).unwrap();
}

/// One step of a cell whose reset gate acts after the convolution of the state, forward and backward.
fn reset_after_step<T: Scalar>((activations, dilation): (Activations, usize), extent: Extent, isa: Isa) {
    let channels = extent.channels;
    let plain = vec![T::from_f64(0.1); 2 * channels * channels * 9];
    let [two, one] = [2, 1].map(|gates| {
        let shape = of_gates(channels, channels, gates, dilation);
        PackedWeights::with_isa(shape, &plain[..shape.weight_len()], isa).unwrap()
    });
    let one = one.with_bias(Some(&plain[..channels])).unwrap();
    let gate_extent = extent.with_channels(GATES * channels);
    let (mut gates_maps, hidden) = (maps::<T>(gate_extent, GATES, 0), maps::<T>(extent, 1, dilation));
    let (mut memory, mut next) = (maps::<T>(extent, 1, 0), maps::<T>(extent, 1, dilation));
    for hidden in [None, Some(hidden.as_ref())] {
        let step = ResetAfterStep {
            update_and_reset: &two,
            candidate: &one,
            gates: gates_maps.as_mut(),
            hidden,
            memory: memory.as_mut(),
            next: next.as_mut(),
            activations,
        };
        gates::step_reset_after(step, &mut Scratchpad::with_isa(isa)).unwrap();
    }
    let (mut d_gates, mut d_memory) =
        (maps::<T>(gate_extent, GATES, dilation), maps::<T>(extent, 1, dilation));
    let back = ResetAfterBackward {
        gates: gates_maps.as_ref(),
        memory: memory.as_ref(),
        d_gates: d_gates.as_mut(),
        d_memory: d_memory.as_mut(),
        activations,
    };
    gates::reset_after_backward(back, isa).unwrap();
}

#[test]
fn no_kernel_leaves_its_buffers() {
    for behind in [true, false] {
        FLUSH_BEHIND.store(behind, Ordering::Relaxed);
        for isa in Isa::all() {
            for (channels, height, width) in [(1, 1, 1), (3, 5, 7), (16, 4, 8), (17, 9, 13), (40, 6, 15)] {
                let extent = Extent { batch: 2, channels, height, width };
                for kind in KINDS {
                    cell_step::<f32>(kind, extent, isa);
                    cell_step::<f64>(kind, extent, isa);
                    reset_after_step::<f32>(kind, extent, isa);
                    reset_after_step::<f64>(kind, extent, isa);
                }
                for (kernel, dilation) in [(1, 1), (3, 1), (5, 1), (3, 2)] {
                    let shape = ConvShape {
                        dilation: [dilation; 2],
                        padding: Padding::symmetric(kernel / 2 * dilation, kernel / 2 * dilation),
                        ..ConvShape::same(channels, 2 * channels + 1, [kernel; 2])
                    };
                    convolve::<f32>(Algorithm::Direct, shape, extent, isa);
                    convolve::<f64>(Algorithm::Direct, shape, extent, isa);
                }
                for tile in Tile::ALL {
                    let shape = ConvShape {
                        precision: Precision::Fast,
                        ..ConvShape::same(channels, channels + 3, [tile.kernel; 2])
                    };
                    convolve::<f32>(Algorithm::Winograd(tile), shape, extent, isa);
                    convolve::<f32>(Algorithm::WinogradByPanel(tile), shape, extent, isa);
                }
            }
        }
    }
    assert!(GUARDED.load(Ordering::Relaxed) > 1000, "buffers of kernels have another alignment");
}
