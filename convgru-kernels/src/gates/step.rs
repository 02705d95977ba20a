//! A step with a state: both hidden convolutions and everything between them.
//!
//! Unsafe: Gates, products and states are borrowed exclusively and have the extents and sections that are asked
//! for; of two convolutions one runs after the other, and products are read only while nobody writes them.

use std::ops::Range;

use super::activations::Activations;
use super::epilogues::{CandidateEpilogue, StepOperands, UpdateAndResetEpilogue};
use super::pass::{GATES, expect_gates, expect_state, expect_weights, expect_weights_of_input};
use crate::conv::algorithm::Algorithm;
use crate::conv::convolve::{ConvSource, Region, convolve};
use crate::conv::entry;
use crate::conv::epilogue::WriteMode;
use crate::conv::shape::ConvShape;
use crate::conv::weights::PackedWeights;
use crate::error::Result;
use crate::feature_maps::{Extent, FeatureMapsMut, FeatureMapsRef};
use crate::real::Real;
use crate::scratchpad::Scratchpad;

/// The weights of a cell, and what follows their sums.
#[derive(Debug)]
pub struct CellWeights<'a, T> {
    /// `W` and `b`: from the input to `3 hidden` channels in three sections.
    pub input: &'a PackedWeights<'a, T>,
    /// `Uz` and `Ur`: from `hidden` to `2 hidden` channels in two sections.
    pub update_and_reset: &'a PackedWeights<'a, T>,
    /// `Un`: from `hidden` to `hidden` channels.
    pub candidate: &'a PackedWeights<'a, T>,
    /// The functions of gates and candidate.
    pub activations: Activations,
}

impl<T: Real> CellWeights<'_, T> {
    /// Whether the sums of all convolutions can be added up before they are finished: kernels are of one
    /// size, their taps equally far apart, and packed for the same instruction set. An input without channels has
    /// nothing to add but its bias.
    fn add_up(&self) -> bool {
        let [input, first, second] =
            [self.input, self.update_and_reset, self.candidate].map(PackedWeights::algorithm);
        let alike = input == first && input == second && input != Algorithm::Patches;
        let [of_input, of_gates, of_candidate] =
            [self.input, self.update_and_reset, self.candidate].map(PackedWeights::shape);
        let taps = |shape: &ConvShape| (shape.kernel, shape.dilation);
        let alike = alike && taps(&of_input) == taps(&of_gates) && taps(&of_input) == taps(&of_candidate);
        let isa = |weights: &PackedWeights<'_, T>| weights.isa().name();
        let packed_alike =
            isa(self.input) == isa(self.update_and_reset) && isa(self.input) == isa(self.candidate);
        alike && packed_alike && of_input.in_channels > 0
    }
}

impl<T> Clone for CellWeights<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for CellWeights<'_, T> {}

/// Where a step finds the part of its input.
#[derive(Debug, Clone, Copy)]
pub enum InputPart<'a, T> {
    /// `W*x + b` lies in the buffer of gates.
    InGates,
    /// In the input itself, `[N, in_channels, H, W]`: the convolutions of input and state are added
    /// up as they are computed, where all of them are computed alike.
    Maps(FeatureMapsRef<'a, T>),
}

/// Arguments of [`gates::step`](super::step).
#[derive(Debug)]
pub struct Step<'a, T> {
    /// The weights of the cell.
    pub weights: CellWeights<'a, T>,
    /// The part of the input.
    pub input: InputPart<'a, T>,
    /// Receives the gates, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsMut<'a, T>,
    /// Whether the gates are written. Otherwise they are left in no particular state.
    pub keep_gates: bool,
    /// The state before the step, `[N, hidden, H, W]`.
    pub hidden: FeatureMapsRef<'a, T>,
    /// Receives `r.h`, `[N, hidden, H, W]`.
    pub reset_hidden: FeatureMapsMut<'a, T>,
    /// Receives the state after the step, `[N, hidden, H, W]`.
    pub next: FeatureMapsMut<'a, T>,
}

/// Numbers of the gates of an image from which on its convolutions are added up: they do not stay in
/// a cache, and there are tiles enough for each step to have its own convolution of the input.
const JOINT_ELEMENTS: usize = 1 << 22;

/// Numbers that a band of rows reads and writes: they stay in a third-level cache from the
/// first convolution to the second.
const BAND_ELEMENTS: usize = 1 << 20;

/// Bands begin at multiples of so many rows, and so at a tile of any size.
const BAND_ROWS: usize = 12;

/// Whether the convolutions of input and state are to be added up step by step, for states of an
/// extent `[N, hidden, H, W]`, instead of convolving the inputs of many steps at once.
///
/// A fixed function of weights and images, whatever the batch. The sums differ in their last bits, so that every way
/// to run a sequence must ask.
pub fn joins_input<T: Real>(weights: CellWeights<'_, T>, state: Extent) -> bool {
    weights.add_up() && GATES.saturating_mul(state.image_len()) >= JOINT_ELEMENTS
}

pub(crate) fn step<T: Real>(arguments: Step<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    let Step { weights, input, mut gates, keep_gates, hidden, mut reset_hidden, mut next } = arguments;
    let layout = hidden.layout();
    let extent = layout.extent();
    expect_state("hidden state", extent, &layout)?;
    expect_gates("gates", extent, &gates.layout())?;
    expect_state("reset gate times hidden state", extent, &reset_hidden.layout())?;
    expect_state("next hidden state", extent, &next.layout())?;
    expect_weights("convolution of update and reset gate", weights.update_and_reset, extent, 2)?;
    expect_weights("convolution of the candidate", weights.candidate, extent, 1)?;
    weights.activations.validate()?;
    let maps = match input {
        InputPart::InGates => None,
        InputPart::Maps(maps) => {
            expect_weights_of_input(weights.input, &maps.layout(), extent)?;
            if weights.add_up() {
                Some(maps.rows())
            } else {
                entry::forward(weights.input, maps, gates.reborrow(), WriteMode::Overwrite, scratch)?;
                None
            }
        }
    };
    let (gates, hidden, reset_hidden, next) = (gates.rows(), hidden.rows(), reset_hidden.rows(), next.rows());
    let blocks = layout.blocks();
    let values = StepOperands {
        blocks,
        activations: weights.activations,
        of_input: maps.is_none().then_some(gates),
        bias: weights.input.bias(),
        kept: keep_gates.then_some(gates),
        // The next state lies where the update gate was.
        update: if keep_gates { gates } else { next },
    };
    let first = UpdateAndResetEpilogue { values, hidden, reset_hidden };
    let second = CandidateEpilogue { values, hidden: Some(hidden), next };
    // Both are there, for weights that go by patches were refused.
    let (Some(of_gates), Some(of_candidate)) =
        (weights.update_and_reset.forward()?, weights.candidate.forward()?)
    else {
        return Ok(());
    };
    // The maps of the input with their weights, where the sums are added up.
    let joint = maps.zip(if maps.is_some() { weights.input.forward()? } else { None });
    let of_input = |block| joint.map(|(maps, packed)| ConvSource::from_block(packed, block, maps));
    let from = usize::from(joint.is_none());
    let read = maps.map_or(0, |maps| maps.layout().blocks()) + 2 * blocks;
    for band in bands(extent, read + 2 * blocks, weights.candidate) {
        let state = ConvSource::new(of_gates, hidden);
        let sources = [of_input(0).unwrap_or(state), state];
        let both = extent.with_channels(2 * extent.channels);
        let region = Region { extent: both, blocks: 2 * blocks, rows: band.first };
        // SAFETY: gates, `r.h` and the next state are borrowed exclusively, and the epilogue alone has their rows:
        // the convolution reads the state and the input.
        unsafe { convolve(&sources[from..], &region, &first, scratch)? };
        // SAFETY: what the first convolution wrote is there to be read until the next band; the second
        // convolution, for which alone this lives, writes gates and the next state.
        let products = unsafe { reset_hidden.read_sections(0..1) };
        let state = ConvSource::new(of_candidate, products);
        let sources = [of_input(2 * blocks).unwrap_or(state), state];
        let region = Region { extent, blocks, rows: band.second };
        // SAFETY: gates and the next state are borrowed exclusively, and the epilogue alone has their rows: the
        // convolution reads `r.h` and the input.
        unsafe { convolve(&sources[from..], &region, &second, scratch)? };
    }
    Ok(())
}

/// Rows of the first convolution of a step, and the rows of the second that can follow it.
pub(super) struct Band {
    pub(super) first: Range<usize>,
    pub(super) second: Range<usize>,
}

/// Cuts images into bands of rows. The second convolution stays as far behind the first as its kernel
/// reaches. `blocks`: blocks of channels of all that a step reads and writes.
pub(super) fn bands<T: Real>(
    extent: Extent,
    blocks: usize,
    candidate: &PackedWeights<'_, T>,
) -> impl Iterator<Item = Band> {
    let row = (extent.batch * extent.width * blocks * T::BLOCK).max(1);
    let rows = (BAND_ELEMENTS / row).next_multiple_of(BAND_ROWS).max(BAND_ROWS);
    let shape = candidate.shape();
    let behind = (shape.dilation[0] * shape.kernel[0]).next_multiple_of(BAND_ROWS);
    let height = extent.height;
    (0..height.div_ceil(rows)).map(move |band| {
        let (start, end) = (band * rows, height.min((band + 1) * rows));
        let until = if end == height { height } else { end.saturating_sub(behind) };
        Band { first: start..end, second: start.saturating_sub(behind)..until }
    })
}
