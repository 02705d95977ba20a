//! From the gradient of the next state to the gradients before the activations.
//!
//! Unsafe: Gradients are borrowed exclusively and have the extents and sections that are asked for; a pass meets
//! each row once, and reads the section of the candidate while it writes that of the reset gate.

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

/// Arguments of [`gates::candidate_backward`](super::candidate_backward).
#[derive(Debug)]
pub struct CandidateBackward<'a, T> {
    /// The gates of the step, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsRef<'a, T>,
    /// The state the step started from, `[N, hidden, H, W]`; `None` is zero.
    pub hidden: Option<FeatureMapsRef<'a, T>>,
    /// On entry the gradient of the state after the step, `dh'`; on return the part
    /// that reaches the state before it through the blend, `dh'.(1 - z)`. `[N, hidden, H, W]`.
    pub d_hidden: FeatureMapsMut<'a, T>,
    /// Gradients before the activations, `[N, 3 hidden, H, W]`; update and candidate
    /// sections are written, and the reset section is set to zero where the state is zero.
    pub d_gates: FeatureMapsMut<'a, T>,
    /// The functions of gates and candidate.
    pub activations: Activations,
}

pub(crate) fn candidate_backward<T: Real>(arguments: CandidateBackward<'_, T>, isa: Isa) -> Result<()> {
    let CandidateBackward { gates, hidden, mut d_hidden, mut d_gates, activations } = arguments;
    activations.validate()?;
    let layout = d_hidden.layout();
    let extent = layout.extent();
    expect_state("gradient of the hidden state", extent, &layout)?;
    expect_gates("gates", extent, &gates.layout())?;
    expect_gates("gradient of the gates", extent, &d_gates.layout())?;
    if let Some(hidden) = &hidden {
        expect_state("hidden state", extent, &hidden.layout())?;
    }
    let work = CandidateWork {
        blocks: layout.blocks(),
        gates: gates.rows(),
        hidden: hidden.map(|hidden| hidden.rows()),
        d_hidden: d_hidden.rows(),
        d_gates: d_gates.rows(),
        activations,
    };
    // SAFETY: both gradients are borrowed exclusively, and the work alone has their rows. Their extents and sections
    // are those of the layout, as was asked above.
    unsafe { for_each_row(isa, &layout, &work) };
    Ok(())
}

struct CandidateWork<'a, T> {
    blocks: usize,
    gates: Rows<'a, T>,
    hidden: Option<Rows<'a, T>>,
    d_hidden: RowsMut<'a, T>,
    d_gates: RowsMut<'a, T>,
    activations: Activations,
}

impl<T: Real> RowWork<T> for CandidateWork<'_, T> {
    #[inline(always)]
    unsafe fn work<S: Simd<T>>(&self, s: S, pixels: Pixels) {
        with_gate!(self.activations, gate => with_candidate!(self.activations, candidate => {
            // SAFETY: the caller keeps the contract of `work`.
            unsafe { self.work_by(s, pixels, gate, candidate) }
        }));
    }
}

impl<T: Real> CandidateWork<'_, T> {
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
        candidate: impl Function<T>,
    ) {
        let (block, blocks) = (pixels.place.block, self.blocks);
        let len = pixels.count * T::BLOCK;
        let z = pixels.read(&self.gates);
        let n = pixels.of_block(2 * blocks + block).read(&self.gates);
        let h = self.hidden.as_ref().map(|hidden| pixels.read(hidden));
        let dh = pixels.write(&self.d_hidden);
        let a_z = pixels.write(&self.d_gates);
        let a_r = pixels.of_block(blocks + block).write(&self.d_gates);
        let a_n = pixels.of_block(2 * blocks + block).write(&self.d_gates);
        // SAFETY: `read` and `write` found a block for each of the pixels in the maps, `len` numbers, and by the
        // contract of `work` no other thread has them. The sections of the gradient do not overlap.
        unsafe {
            if h.is_none() {
                std::slice::from_raw_parts_mut(a_r, len).fill(T::ZERO);
            }
            let one = s.splat(T::ONE);
            for at in (0..len).step_by(S::LANES) {
                let (z, n, d) = (s.load(z.add(at)), s.load(n.add(at)), s.load(dh.add(at)));
                let h = h.map_or(s.splat(T::ZERO), |h| s.load(h.add(at)));
                let rest = s.sub(one, z);
                s.store(a_n.add(at), candidate.back(s, s.mul(d, z), n));
                s.store(a_z.add(at), gate.back(s, s.mul(d, s.sub(n, h)), z));
                s.store(dh.add(at), s.mul(d, rest));
            }
        }
    }
}

pub(crate) fn reset_hidden<T: Real>(
    gates: FeatureMapsRef<'_, T>,
    hidden: FeatureMapsRef<'_, T>,
    mut reset_hidden: FeatureMapsMut<'_, T>,
    isa: Isa,
) -> Result<()> {
    let layout = hidden.layout();
    let extent = layout.extent();
    expect_state("hidden state", extent, &layout)?;
    expect_gates("gates", extent, &gates.layout())?;
    expect_state("reset gate times hidden state", extent, &reset_hidden.layout())?;
    let work = ResetHidden {
        blocks: layout.blocks(),
        gates: gates.rows(),
        hidden: hidden.rows(),
        product: reset_hidden.rows(),
    };
    // SAFETY: the product is borrowed exclusively, and the work alone has its rows. Its extent and sections are
    // those of the layout, as was asked above.
    unsafe { for_each_row(isa, &layout, &work) };
    Ok(())
}

struct ResetHidden<'a, T> {
    blocks: usize,
    gates: Rows<'a, T>,
    hidden: Rows<'a, T>,
    product: RowsMut<'a, T>,
}

impl<T: Real> RowWork<T> for ResetHidden<'_, T> {
    #[inline(always)]
    unsafe fn work<S: Simd<T>>(&self, s: S, pixels: Pixels) {
        let r = pixels.of_block(self.blocks + pixels.place.block).read(&self.gates);
        let (h, product) = (pixels.read(&self.hidden), pixels.write(&self.product));
        // SAFETY: `read` and `write` found a block for each of the pixels in the maps, and by the contract of `work`
        // no other thread has them.
        unsafe {
            for at in (0..pixels.count * T::BLOCK).step_by(S::LANES) {
                s.store(product.add(at), s.mul(s.load(r.add(at)), s.load(h.add(at))));
            }
        }
    }
}

/// Arguments of [`gates::reset_backward`](super::reset_backward).
#[derive(Debug)]
pub struct ResetBackward<'a, T> {
    /// `Un`: the convolution of the candidate.
    pub weights: &'a PackedWeights<'a, T>,
    /// The gates of the step, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsRef<'a, T>,
    /// The state the step started from, `[N, hidden, H, W]`.
    pub hidden: FeatureMapsRef<'a, T>,
    /// The gradient of the state before the step, to which `d(rh).r` is added.
    pub d_hidden: FeatureMapsMut<'a, T>,
    /// Gradients before the activations: the candidate section is read, the reset section written.
    pub d_gates: FeatureMapsMut<'a, T>,
    /// The functions of gates and candidate.
    pub activations: Activations,
}

pub(crate) fn reset_backward<T: Real>(
    arguments: ResetBackward<'_, T>,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let ResetBackward { weights, gates, hidden, mut d_hidden, mut d_gates, activations } = arguments;
    activations.validate()?;
    let layout = hidden.layout();
    let extent = layout.extent();
    expect_state("hidden state", extent, &layout)?;
    expect_gates("gates", extent, &gates.layout())?;
    expect_gates("gradient of the gates", extent, &d_gates.layout())?;
    expect_state("gradient of the hidden state", extent, &d_hidden.layout())?;
    expect_weights("convolution of the candidate", weights, extent, 1)?;
    // It is there, for weights that go by patches were refused.
    let Some(packed) = weights.backward()? else { return Ok(()) };
    let d_gates = d_gates.rows();
    // SAFETY: the gradient of the gates is borrowed exclusively and has three sections, of which the epilogue writes
    // the second alone.
    let d_candidate = unsafe { d_gates.read_sections(2..GATES) };
    let epilogue = ResetEpilogue {
        blocks: layout.blocks(),
        gates: gates.rows(),
        hidden: hidden.rows(),
        d_hidden: d_hidden.rows(),
        d_gates,
        activations,
    };
    // SAFETY: both gradients are borrowed exclusively; the epilogue alone has the rows of that of the state and the
    // reset section of that of the gates, and the convolution reads the candidate section.
    unsafe { convolve(&[ConvSource::new(packed, d_candidate)], &Region::all(&layout), &epilogue, scratch) }
}

struct ResetEpilogue<'a, T> {
    blocks: usize,
    gates: Rows<'a, T>,
    hidden: Rows<'a, T>,
    d_hidden: RowsMut<'a, T>,
    d_gates: RowsMut<'a, T>,
    activations: Activations,
}

impl<T: Real> Epilogue<T> for ResetEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>) {
        // SAFETY: the caller keeps the contract of `finish`.
        with_gate!(self.activations, gate => unsafe { self.finish_by(s, sums, gate) });
    }
}

impl<T: Real> ResetEpilogue<'_, T> {
    /// [`finish`](Epilogue::finish) by the function of the gates.
    ///
    /// # Safety
    /// The contract of [`finish`](Epilogue::finish).
    #[inline(always)]
    unsafe fn finish_by<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>, gate: impl Function<T>) {
        let pixels = Pixels::of(&sums);
        let reset = pixels.of_block(self.blocks + sums.place().block);
        let (r, h) = (reset.read(&self.gates), pixels.read(&self.hidden));
        let (dh, a_r) = (pixels.write(&self.d_hidden), reset.write(&self.d_gates));
        // SAFETY: `read` and `write` found a block for each of the pixels in the maps; pixels and lanes are those of the
        // sums. By the contract of `finish` no other thread has these pixels.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                for pixel in 0..sums.count() {
                    let at = pixel * T::BLOCK + lane;
                    let d = sums.load(s, pixel, lane);
                    let (r, h) = (s.load(r.add(at)), s.load(h.add(at)));
                    s.store(a_r.add(at), gate.back(s, s.mul(d, h), r));
                    s.store(dh.add(at), s.mul_add(d, r, s.load(dh.add(at))));
                }
            }
        }
    }
}
