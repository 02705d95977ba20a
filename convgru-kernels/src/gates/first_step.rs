//! A step without a state: nothing to convolve but the input, and nothing to reset.
//!
//! Unsafe: Gates and next state are borrowed exclusively and have the extents and sections that are asked for; a
//! pass meets each row once.

use super::activations::{Activations, with_candidate, with_gate};
use super::epilogues::{CandidateEpilogue, StepOperands, UpdateEpilogue};
use super::pass::{
    GATES, Pixels, RowWork, expect_gates, expect_state, expect_weights_of_input, for_each_row,
};
use super::step::{CellWeights, InputPart, bands};
use crate::activation::functions::Function;
use crate::conv::convolve::{ConvSource, Region, convolve};
use crate::conv::entry;
use crate::conv::epilogue::WriteMode;
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, RowsMut};
use crate::real::Real;
use crate::scratchpad::Scratchpad;
use crate::simd::Simd;

/// Arguments of [`gates::first_step`](super::first_step).
#[derive(Debug)]
pub struct FirstStep<'a, T> {
    /// The weights of the cell.
    pub weights: CellWeights<'a, T>,
    /// The part of the input.
    pub input: InputPart<'a, T>,
    /// Receives the gates, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsMut<'a, T>,
    /// Whether update gate and candidate are written. The reset gate, which has nothing to reset, is
    /// left in no particular state, and so are the others if they are not kept.
    pub keep_gates: bool,
    /// Receives the state after the step, `[N, hidden, H, W]`.
    pub next: FeatureMapsMut<'a, T>,
}

pub(crate) fn first_step<T: Real>(arguments: FirstStep<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    let FirstStep { weights, input, mut gates, keep_gates, mut next } = arguments;
    let layout = next.layout();
    let (extent, blocks) = (layout.extent(), layout.blocks());
    expect_state("next hidden state", extent, &layout)?;
    expect_gates("gates", extent, &gates.layout())?;
    let activations = weights.activations;
    activations.validate()?;
    let of_input = match input {
        InputPart::InGates => None,
        InputPart::Maps(maps) => {
            expect_weights_of_input(weights.input, &maps.layout(), extent)?;
            // An input without channels has only its bias to give, which it leaves in the gates.
            let packed = weights.input.forward()?.filter(|_| maps.extent().channels > 0);
            if packed.is_none() {
                entry::forward(weights.input, maps, gates.reborrow(), WriteMode::Overwrite, scratch)?;
            }
            packed.map(|packed| (packed, maps.rows()))
        }
    };
    let (gates, next) = (gates.rows(), next.rows());
    let Some((packed, maps)) = of_input else {
        let work = FirstRows { blocks, activations, gates, next };
        // SAFETY: gates and next state are borrowed exclusively, and the work alone has their rows.
        unsafe { for_each_row(scratch.isa(), &layout, &work) };
        return Ok(());
    };
    let values = StepOperands {
        blocks,
        activations,
        of_input: None,
        bias: weights.input.bias(),
        kept: keep_gates.then_some(gates),
        update: if keep_gates { gates } else { next },
    };
    let (first, second) = (UpdateEpilogue(values), CandidateEpilogue { values, hidden: None, next });
    for band in bands(extent, maps.layout().blocks() + 2 * blocks, weights.candidate) {
        let source = |block| [ConvSource::from_block(packed, block, maps)];
        let [of_update, of_candidate] = [band.first, band.second].map(|rows| Region { extent, blocks, rows });
        // SAFETY: gates and next state are borrowed exclusively, and have the extents and sections that were
        // asked for above. Of the two convolutions one runs after the other.
        unsafe {
            convolve(&source(0), &of_update, &first, scratch)?;
            convolve(&source(2 * blocks), &of_candidate, &second, scratch)?;
        }
    }
    Ok(())
}

/// Both activations where the gates hold `W*x + b`.
struct FirstRows<'a, T> {
    blocks: usize,
    activations: Activations,
    gates: RowsMut<'a, T>,
    next: RowsMut<'a, T>,
}

impl<T: Real> RowWork<T> for FirstRows<'_, T> {
    #[inline(always)]
    unsafe fn work<S: Simd<T>>(&self, s: S, pixels: Pixels) {
        with_gate!(self.activations, gate => with_candidate!(self.activations, candidate => {
            // SAFETY: the caller keeps the contract of `work`.
            unsafe { self.work_by(s, pixels, gate, candidate) }
        }));
    }
}

impl<T: Real> FirstRows<'_, T> {
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
        let block = pixels.place.block;
        let update = pixels.write(&self.gates);
        let kept = pixels.of_block((GATES - 1) * self.blocks + block).write(&self.gates);
        let next = pixels.write(&self.next);
        // SAFETY: `write` found a block for each of the pixels in the maps, and by the contract of `work` no other
        // thread has them.
        unsafe {
            for at in (0..pixels.count * T::BLOCK).step_by(S::LANES) {
                let z = gate.of(s, s.load(update.add(at)));
                let n = candidate.of(s, s.load(kept.add(at)));
                s.store(update.add(at), z);
                s.store(kept.add(at), n);
                s.store(next.add(at), s.mul(z, n));
            }
        }
    }
}
