//! A step whose reset gate acts after the convolution of the state, and the way back.
//!
//! Unsafe: Gates, memory and states are borrowed exclusively and have the extents and sections that are asked for;
//! a pass meets each row once.

use super::activations::{Activations, with_candidate, with_gate};
use super::pass::{GATES, Pixels, RowWork, expect_gates, expect_state, expect_weights, for_each_row};
use crate::activation::functions::Function;
use crate::conv::convolve::{ConvSource, Region, convolve};
use crate::conv::epilogue::{Epilogue, Sums};
use crate::conv::weights::PackedWeights;
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef, Rows, RowsMut};
use crate::isa::Isa;
use crate::real::Real;
use crate::scratchpad::Scratchpad;
use crate::simd::Simd;

/// Arguments of [`gates::step_reset_after`](super::step_reset_after).
#[derive(Debug)]
pub struct ResetAfterStep<'a, T> {
    /// `Uz` and `Ur`: from `hidden` to `2 hidden` channels in two sections.
    pub update_and_reset: &'a PackedWeights<'a, T>,
    /// `Un` with the bias `cn`: from `hidden` to `hidden` channels.
    pub candidate: &'a PackedWeights<'a, T>,
    /// `W*x + b` on entry, the gates on return, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsMut<'a, T>,
    /// The state before the step, `[N, hidden, H, W]`; `None` is zero.
    pub hidden: Option<FeatureMapsRef<'a, T>>,
    /// Receives `u = Un*h + cn`, `[N, hidden, H, W]`.
    pub memory: FeatureMapsMut<'a, T>,
    /// Receives the state after the step, `[N, hidden, H, W]`.
    pub next: FeatureMapsMut<'a, T>,
    /// The functions of gates and candidate.
    pub activations: Activations,
}

pub(crate) fn step<T: Real>(arguments: ResetAfterStep<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    let ResetAfterStep { update_and_reset, candidate, hidden, activations, .. } = arguments;
    let ResetAfterStep { mut gates, mut memory, mut next, .. } = arguments;
    activations.validate()?;
    let layout = next.layout();
    let (extent, blocks) = (layout.extent(), layout.blocks());
    expect_state("next hidden state", extent, &layout)?;
    expect_gates("gates", extent, &gates.layout())?;
    expect_state("convolution of the state for the candidate", extent, &memory.layout())?;
    if let Some(hidden) = &hidden {
        expect_state("hidden state", extent, &hidden.layout())?;
    }
    expect_weights("convolution of update and reset gate", update_and_reset, extent, 2)?;
    expect_weights("convolution of the candidate", candidate, extent, 1)?;
    let bias = candidate.bias();
    let (gates, memory, next) = (gates.rows(), memory.rows(), next.rows());
    let Some(hidden) = hidden else {
        let work = ResetAfterFirstRows { blocks, bias, activations, gates, memory, next };
        // SAFETY: gates, memory and next state are borrowed exclusively, and the work alone has their rows. Their
        // extents and sections are those of the layout, as was asked above.
        unsafe { for_each_row(scratch.isa(), &layout, &work) };
        return Ok(());
    };
    let hidden = hidden.rows();
    // Both are there, for weights that go by patches were refused.
    let (Some(of_gates), Some(of_candidate)) = (update_and_reset.forward()?, candidate.forward()?) else {
        return Ok(());
    };
    let both = extent.with_channels(2 * extent.channels);
    let region = Region { extent: both, blocks: 2 * blocks, rows: 0..extent.height };
    let first = GatesEpilogue { gates, activations };
    // SAFETY: the gates are borrowed exclusively, and the epilogue alone has their rows.
    unsafe { convolve(&[ConvSource::new(of_gates, hidden)], &region, &first, scratch)? };
    let region = Region { extent, blocks, rows: 0..extent.height };
    let second = ResetAfterCandidateEpilogue { blocks, bias, activations, gates, hidden, memory, next };
    // SAFETY: gates, memory and next state are borrowed exclusively, and the epilogue alone has their rows: the first
    // convolution is done.
    unsafe { convolve(&[ConvSource::new(of_candidate, hidden)], &region, &second, scratch) }
}

/// `z = sigmoid(.)` and `r = sigmoid(.)`.
struct GatesEpilogue<'a, T> {
    gates: RowsMut<'a, T>,
    activations: Activations,
}

impl<T: Real> Epilogue<T> for GatesEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>) {
        // SAFETY: the caller keeps the contract of `finish`.
        with_gate!(self.activations, gate => unsafe { self.finish_by(s, sums, gate) });
    }
}

impl<T: Real> GatesEpilogue<'_, T> {
    /// [`finish`](Epilogue::finish) by the function of the gates.
    ///
    /// # Safety
    /// The contract of [`finish`](Epilogue::finish).
    #[inline(always)]
    unsafe fn finish_by<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>, function: impl Function<T>) {
        let gates = Pixels::of(&sums).write(&self.gates);
        // SAFETY: `write` found a block for each of the pixels in the gates; the sums have the same pixels and lanes. By
        // the contract of `finish` no other thread has these pixels.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                for pixel in 0..sums.count() {
                    let gate = gates.add(pixel * T::BLOCK + lane);
                    s.store(gate, function.of(s, s.add(s.load(gate), sums.load(s, pixel, lane))));
                }
            }
        }
    }
}

/// `u = . + cn`, `n = tanh(W*x + b + r.u)` and `h' = h + z.(n - h)`.
struct ResetAfterCandidateEpilogue<'a, T> {
    blocks: usize,
    bias: Option<&'a [T]>,
    activations: Activations,
    gates: RowsMut<'a, T>,
    hidden: Rows<'a, T>,
    memory: RowsMut<'a, T>,
    next: RowsMut<'a, T>,
}

/// The vector of a bias that belongs to lanes of a block.
///
/// # Panics
/// If the bias has no such block.
#[inline(always)]
fn bias_of<T: Real, S: Simd<T>>(s: S, bias: Option<&[T]>, block: usize, lane: usize) -> S::Vector {
    match bias {
        Some(bias) => s.read(&bias[block * T::BLOCK + lane..]),
        None => s.splat(T::ZERO),
    }
}

impl<T: Real> Epilogue<T> for ResetAfterCandidateEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>) {
        // SAFETY: the caller keeps the contract of `finish`.
        with_candidate!(self.activations, candidate => unsafe { self.finish_by(s, sums, candidate) });
    }
}

impl<T: Real> ResetAfterCandidateEpilogue<'_, T> {
    /// [`finish`](Epilogue::finish) by the function of the candidate.
    ///
    /// # Safety
    /// The contract of [`finish`](Epilogue::finish).
    #[inline(always)]
    unsafe fn finish_by<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>, function: impl Function<T>) {
        let (pixels, block) = (Pixels::of(&sums), sums.place().block);
        let update = pixels.write(&self.gates).cast_const();
        let reset = pixels.of_block(self.blocks + block).write(&self.gates).cast_const();
        let candidate = pixels.of_block(2 * self.blocks + block).write(&self.gates);
        let (hidden, memory) = (pixels.read(&self.hidden), pixels.write(&self.memory));
        let next = pixels.write(&self.next);
        // SAFETY: `read` and `write` found a block for each of the pixels in the maps; pixels and lanes are those of the
        // sums. By the contract of `finish` no other thread has these pixels.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                let bias = bias_of(s, self.bias, block, lane);
                for pixel in 0..sums.count() {
                    let at = pixel * T::BLOCK + lane;
                    let u = s.add(sums.load(s, pixel, lane), bias);
                    let (z, h) = (s.load(update.add(at)), s.load(hidden.add(at)));
                    let sum = s.mul_add(s.load(reset.add(at)), u, s.load(candidate.add(at)));
                    let n = function.of(s, sum);
                    s.store(memory.add(at), u);
                    s.store(candidate.add(at), n);
                    s.store(next.add(at), s.mul_add(z, s.sub(n, h), h));
                }
            }
        }
    }
}

/// A step from a zero state, `u = cn`.
struct ResetAfterFirstRows<'a, T> {
    blocks: usize,
    bias: Option<&'a [T]>,
    activations: Activations,
    gates: RowsMut<'a, T>,
    memory: RowsMut<'a, T>,
    next: RowsMut<'a, T>,
}

impl<T: Real> RowWork<T> for ResetAfterFirstRows<'_, T> {
    #[inline(always)]
    unsafe fn work<S: Simd<T>>(&self, s: S, pixels: Pixels) {
        with_gate!(self.activations, gate => with_candidate!(self.activations, candidate => {
            // SAFETY: the caller keeps the contract of `work`.
            unsafe { self.work_by(s, pixels, gate, candidate) }
        }));
    }
}

impl<T: Real> ResetAfterFirstRows<'_, T> {
    /// [`work`](RowWork::work) by the functions of a cell.
    ///
    /// # Safety
    /// The contract of [`work`](RowWork::work).
    #[inline(always)]
    unsafe fn work_by<S: Simd<T>>(
        &self,
        s: S,
        pixels: Pixels,
        gate: impl Function<T>,
        function: impl Function<T>,
    ) {
        let block = pixels.place.block;
        let update = pixels.write(&self.gates);
        let reset = pixels.of_block(self.blocks + block).write(&self.gates);
        let candidate = pixels.of_block((GATES - 1) * self.blocks + block).write(&self.gates);
        let (memory, next) = (pixels.write(&self.memory), pixels.write(&self.next));
        // SAFETY: `write` found a block for each of the pixels in the maps, and by the contract of `work` no other
        // thread has them.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                let u = bias_of(s, self.bias, block, lane);
                for pixel in 0..pixels.count {
                    let at = pixel * T::BLOCK + lane;
                    let z = gate.of(s, s.load(update.add(at)));
                    let r = gate.of(s, s.load(reset.add(at)));
                    let n = function.of(s, s.mul_add(r, u, s.load(candidate.add(at))));
                    s.store(update.add(at), z);
                    s.store(reset.add(at), r);
                    s.store(memory.add(at), u);
                    s.store(candidate.add(at), n);
                    s.store(next.add(at), s.mul(z, n));
                }
            }
        }
    }
}

/// Arguments of [`gates::reset_after_backward`](super::reset_after_backward).
#[derive(Debug)]
pub struct ResetAfterBackward<'a, T> {
    /// The gates of the step, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsRef<'a, T>,
    /// `u` of the step, `[N, hidden, H, W]`.
    pub memory: FeatureMapsRef<'a, T>,
    /// Gradients before the activations: the candidate section is read, the reset section written.
    pub d_gates: FeatureMapsMut<'a, T>,
    /// Receives the gradient of `u`, `[N, hidden, H, W]`.
    pub d_memory: FeatureMapsMut<'a, T>,
    /// The functions of gates and candidate.
    pub activations: Activations,
}

pub(crate) fn backward<T: Real>(arguments: ResetAfterBackward<'_, T>, isa: Isa) -> Result<()> {
    let ResetAfterBackward { gates, memory, mut d_gates, mut d_memory, activations } = arguments;
    activations.validate()?;
    let layout = memory.layout();
    let extent = layout.extent();
    expect_state("convolution of the state", extent, &layout)?;
    expect_gates("gates", extent, &gates.layout())?;
    expect_gates("gradient of the gates", extent, &d_gates.layout())?;
    expect_state("gradient of the convolution of the state", extent, &d_memory.layout())?;
    let work = ResetAfterBackwardRows {
        blocks: layout.blocks(),
        gates: gates.rows(),
        memory: memory.rows(),
        d_gates: d_gates.rows(),
        d_memory: d_memory.rows(),
        activations,
    };
    // SAFETY: both gradients are borrowed exclusively, and the work alone has their rows. Their extents and sections
    // are those of the layout, as was asked above.
    unsafe { for_each_row(isa, &layout, &work) };
    Ok(())
}

struct ResetAfterBackwardRows<'a, T> {
    blocks: usize,
    gates: Rows<'a, T>,
    memory: Rows<'a, T>,
    d_gates: RowsMut<'a, T>,
    d_memory: RowsMut<'a, T>,
    activations: Activations,
}

impl<T: Real> RowWork<T> for ResetAfterBackwardRows<'_, T> {
    #[inline(always)]
    unsafe fn work<S: Simd<T>>(&self, s: S, pixels: Pixels) {
        // SAFETY: the caller keeps the contract of `work`.
        with_gate!(self.activations, gate => unsafe { self.work_by(s, pixels, gate) });
    }
}

impl<T: Real> ResetAfterBackwardRows<'_, T> {
    /// [`work`](RowWork::work) by the function of the gates.
    ///
    /// # Safety
    /// The contract of [`work`](RowWork::work).
    #[inline(always)]
    unsafe fn work_by<S: Simd<T>>(&self, s: S, pixels: Pixels, gate: impl Function<T>) {
        let (reset, candidate) = (
            pixels.of_block(self.blocks + pixels.place.block),
            pixels.of_block(2 * self.blocks + pixels.place.block),
        );
        let (r, u) = (reset.read(&self.gates), pixels.read(&self.memory));
        let a_n = candidate.write(&self.d_gates).cast_const();
        let (a_r, d_u) = (reset.write(&self.d_gates), pixels.write(&self.d_memory));
        // SAFETY: `read` and `write` found a block for each of the pixels in the maps, and by the contract of `work` no
        // other thread has them.
        unsafe {
            for at in (0..pixels.count * T::BLOCK).step_by(S::LANES) {
                let (r, a_n) = (s.load(r.add(at)), s.load(a_n.add(at)));
                let d = s.mul(a_n, r);
                s.store(d_u.add(at), d);
                s.store(a_r.add(at), gate.back_of_product(s, [a_n, s.load(u.add(at))], d, r));
            }
        }
    }
}
