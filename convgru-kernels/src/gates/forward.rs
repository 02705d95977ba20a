//! From values before the activation to gates and the next hidden state.

use super::pass::{Pixels, RowWork, expect_gates, expect_weights, for_each_row};
use super::{GATES, pass};
use crate::activation::{sigmoid_of, tanh_of};
use crate::conv::epilogue::{Epilogue, Sums};
use crate::conv::{PackedWeights, convolve};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef, Rows, RowsMut, expect_extent};
use crate::isa::Isa;
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;
use crate::simd::Simd;

/// Arguments of [`gates::update_and_reset`](super::update_and_reset).
#[derive(Debug)]
pub struct UpdateAndReset<'a, T> {
    /// `Uz` and `Ur`: from `hidden` to `2 hidden` channels in two sections.
    pub weights: &'a PackedWeights<'a, T>,
    /// `W*x + b` on entry; update and reset sections are replaced by the gates. `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsMut<'a, T>,
    /// The state before the step, `[N, hidden, H, W]`.
    pub hidden: FeatureMapsRef<'a, T>,
    /// Receives `r.h`, `[N, hidden, H, W]`.
    pub reset_hidden: FeatureMapsMut<'a, T>,
}

pub(crate) fn update_and_reset<T: Scalar>(
    arguments: UpdateAndReset<'_, T>,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let UpdateAndReset { weights, mut gates, hidden, mut reset_hidden } = arguments;
    let extent = hidden.extent();
    expect_gates("gates", extent, gates.extent())?;
    expect_extent("reset gate times hidden state", extent, reset_hidden.extent())?;
    expect_weights("convolution of update and reset gate", weights, extent, 2)?;
    let Some(packed) = weights.forward() else { return Ok(()) };
    let epilogue = UpdateAndResetEpilogue {
        blocks: hidden.layout().blocks(),
        gates: gates.rows(),
        hidden: hidden.rows(),
        reset_hidden: reset_hidden.rows(),
    };
    convolve(packed, hidden.rows(), extent.with_channels(2 * extent.channels), &epilogue, scratch)
}

struct UpdateAndResetEpilogue<'a, T> {
    /// Blocks of the state.
    blocks: usize,
    gates: RowsMut<'a, T>,
    hidden: Rows<'a, T>,
    reset_hidden: RowsMut<'a, T>,
}

impl<T: Scalar> Epilogue<T> for UpdateAndResetEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<T>) {
        let pixels = pass::Pixels { place: sums.place, column: sums.column, count: sums.count };
        // SAFETY: the caller makes the pixels exclusive and vouches for the sums; the pixels of
        // all maps hold a block for each of them.
        unsafe {
            let gates = pixels.write(&self.gates);
            if sums.place.block < self.blocks {
                for lane in (0..T::BLOCK).step_by(S::LANES) {
                    for pixel in 0..sums.count {
                        let gate = gates.add(pixel * T::BLOCK + lane);
                        s.store(gate, sigmoid_of(s, s.add(s.load(gate), sums.load(s, pixel, lane))));
                    }
                }
                return;
            }
            let pixels = pixels.of_block(sums.place.block - self.blocks);
            let (hidden, product) = (pixels.read(&self.hidden), pixels.write(&self.reset_hidden));
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                for pixel in 0..sums.count {
                    let at = pixel * T::BLOCK + lane;
                    let gate = gates.add(at);
                    let r = sigmoid_of(s, s.add(s.load(gate), sums.load(s, pixel, lane)));
                    s.store(gate, r);
                    s.store(product.add(at), s.mul(r, s.load(hidden.add(at))));
                }
            }
        }
    }
}

/// Arguments of [`gates::candidate`](super::candidate).
#[derive(Debug)]
pub struct Candidate<'a, T> {
    /// `Un`: from `hidden` to `hidden` channels.
    pub weights: &'a PackedWeights<'a, T>,
    /// The gates after [`gates::update_and_reset`](super::update_and_reset); the candidate section is replaced. `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsMut<'a, T>,
    /// The state before the step, `[N, hidden, H, W]`.
    pub hidden: FeatureMapsRef<'a, T>,
    /// `r.h`, `[N, hidden, H, W]`.
    pub reset_hidden: FeatureMapsRef<'a, T>,
    /// Receives the state after the step, `[N, hidden, H, W]`.
    pub next: FeatureMapsMut<'a, T>,
}

pub(crate) fn candidate<T: Scalar>(arguments: Candidate<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    let Candidate { weights, mut gates, hidden, reset_hidden, mut next } = arguments;
    let extent = hidden.extent();
    expect_gates("gates", extent, gates.extent())?;
    expect_extent("reset gate times hidden state", extent, reset_hidden.extent())?;
    expect_extent("next hidden state", extent, next.extent())?;
    expect_weights("convolution of the candidate", weights, extent, 1)?;
    let Some(packed) = weights.forward() else { return Ok(()) };
    let epilogue = CandidateEpilogue {
        blocks: hidden.layout().blocks(),
        gates: gates.rows(),
        hidden: hidden.rows(),
        next: next.rows(),
    };
    convolve(packed, reset_hidden.rows(), extent, &epilogue, scratch)
}

struct CandidateEpilogue<'a, T> {
    /// Blocks of the state.
    blocks: usize,
    gates: RowsMut<'a, T>,
    hidden: Rows<'a, T>,
    next: RowsMut<'a, T>,
}

impl<T: Scalar> Epilogue<T> for CandidateEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<T>) {
        let pixels = pass::Pixels { place: sums.place, column: sums.column, count: sums.count };
        // SAFETY: the caller makes the pixels exclusive and vouches for the sums; the pixels of
        // all maps hold a block for each of them.
        unsafe {
            let update = pixels.write(&self.gates).cast_const();
            let gates = pixels.of_block(2 * self.blocks + sums.place.block).write(&self.gates);
            let (hidden, next) = (pixels.read(&self.hidden), pixels.write(&self.next));
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                for pixel in 0..sums.count {
                    let at = pixel * T::BLOCK + lane;
                    let gate = gates.add(at);
                    let n = tanh_of(s, s.add(s.load(gate), sums.load(s, pixel, lane)));
                    s.store(gate, n);
                    let h = s.load(hidden.add(at));
                    s.store(next.add(at), s.mul_add(s.load(update.add(at)), s.sub(n, h), h));
                }
            }
        }
    }
}

pub(crate) fn first_step<T: Scalar>(
    mut gates: FeatureMapsMut<'_, T>,
    mut next: FeatureMapsMut<'_, T>,
    isa: Isa,
) -> Result<()> {
    let extent = next.extent();
    expect_gates("gates", extent, gates.extent())?;
    let layout = next.layout();
    let work = FirstStep { blocks: layout.blocks(), gates: gates.rows(), next: next.rows() };
    for_each_row(isa, &layout, &work);
    Ok(())
}

struct FirstStep<'a, T> {
    blocks: usize,
    gates: RowsMut<'a, T>,
    next: RowsMut<'a, T>,
}

impl<T: Scalar> RowWork<T> for FirstStep<'_, T> {
    #[inline(always)]
    unsafe fn work<S: Simd<T>>(&self, s: S, pixels: Pixels) {
        // SAFETY: the caller makes the pixels exclusive.
        unsafe {
            let block = pixels.place.block;
            let update = pixels.write(&self.gates);
            let candidate = pixels.of_block((GATES - 1) * self.blocks + block).write(&self.gates);
            let next = pixels.write(&self.next);
            for at in (0..pixels.count * T::BLOCK).step_by(S::LANES) {
                let z = sigmoid_of(s, s.load(update.add(at)));
                let n = tanh_of(s, s.load(candidate.add(at)));
                s.store(update.add(at), z);
                s.store(candidate.add(at), n);
                s.store(next.add(at), s.mul(z, n));
            }
        }
    }
}

pub(crate) fn reset_hidden<T: Scalar>(
    gates: FeatureMapsRef<'_, T>,
    hidden: FeatureMapsRef<'_, T>,
    mut reset_hidden: FeatureMapsMut<'_, T>,
    isa: Isa,
) -> Result<()> {
    let extent = hidden.extent();
    expect_gates("gates", extent, gates.extent())?;
    expect_extent("reset gate times hidden state", extent, reset_hidden.extent())?;
    let layout = hidden.layout();
    let work = ResetHidden {
        blocks: layout.blocks(),
        gates: gates.rows(),
        hidden: hidden.rows(),
        product: reset_hidden.rows(),
    };
    for_each_row(isa, &layout, &work);
    Ok(())
}

struct ResetHidden<'a, T> {
    blocks: usize,
    gates: Rows<'a, T>,
    hidden: Rows<'a, T>,
    product: RowsMut<'a, T>,
}

impl<T: Scalar> RowWork<T> for ResetHidden<'_, T> {
    #[inline(always)]
    unsafe fn work<S: Simd<T>>(&self, s: S, pixels: Pixels) {
        // SAFETY: the caller makes the pixels exclusive.
        unsafe {
            let r = pixels.of_block(self.blocks + pixels.place.block).read(&self.gates);
            let (h, product) = (pixels.read(&self.hidden), pixels.write(&self.product));
            for at in (0..pixels.count * T::BLOCK).step_by(S::LANES) {
                s.store(product.add(at), s.mul(s.load(r.add(at)), s.load(h.add(at))));
            }
        }
    }
}
