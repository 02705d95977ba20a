//! Convolutions of stride 1, added up, with anything after them.
//!
//! Unsafe: A convolution hands the sums of each pixel of a region to the epilogue once; who starts it knows that
//! the epilogue alone has what it writes.

use std::ops::Range;

use super::algorithm::Algorithm;
use super::direct::DirectConvolution;
use super::epilogue::Epilogue;
use super::multiply::{ProductSegments, Segment};
use super::packed::Packed;
use super::winograd::{PanelConvolution, WinogradConvolution};
use crate::error::Result;
use crate::feature_maps::{Extent, FeatureMaps, MapLayout, Rows};
use crate::isa::Isa;
use crate::real::Real;
use crate::scratchpad::Scratchpad;

/// Convolutions that are added up at most.
pub(super) const MOST: usize = 2;

/// One of the convolutions that are added up: maps, and the panels of weights they meet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConvSource<'a, T> {
    pub(crate) packed: &'a Packed<T>,
    /// The panel whose sums belong to the first block of the output.
    pub(crate) first_panel: usize,
    pub(crate) input: Rows<'a, T>,
}

impl<'a, T: Real> ConvSource<'a, T> {
    /// Maps and all of the weights.
    pub(crate) fn new(packed: &'a Packed<T>, input: Rows<'a, T>) -> Self {
        Self { packed, first_panel: 0, input }
    }

    /// Maps and the weights from an output block on, at which a panel must begin.
    pub(crate) fn from_block(packed: &'a Packed<T>, block: usize, input: Rows<'a, T>) -> Self {
        assert!(block.is_multiple_of(packed.panel_blocks), "no panel begins at block {block}");
        Self { packed, first_panel: block / packed.panel_blocks, input }
    }

    /// The weights that belong to a panel of the output.
    pub(super) fn panel(&self, panel: usize) -> &'a [T] {
        self.packed.panel(self.first_panel + panel)
    }

    /// The blocks of the output for which a panel has weights.
    #[inline]
    pub(super) fn blocks_of(&self, panel: usize) -> Range<usize> {
        let first = self.first_panel * self.packed.panel_blocks;
        let blocks = self.packed.blocks_of(self.first_panel + panel);
        blocks.start - first..blocks.end - first
    }

    /// Blocks of the input.
    pub(super) fn blocks(&self) -> usize {
        self.packed.geometry.input.blocks()
    }
}

/// All convolutions that are added up. The last one says for all how blocks of the output lie in panels.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvSources<'a, T> {
    pub(super) all: &'a [ConvSource<'a, T>],
    pub(super) last: ConvSource<'a, T>,
}

impl<'a, T: Real> ConvSources<'a, T> {
    /// The instruction set of all weights.
    pub(super) fn isa(&self) -> Isa {
        self.last.packed.isa
    }

    /// Channels of all inputs.
    pub(super) fn channels(&self) -> usize {
        self.all.iter().map(|source| source.packed.geometry.input.count).sum()
    }

    /// Blocks of all inputs.
    pub(super) fn blocks(&self) -> usize {
        self.all.iter().map(ConvSource::blocks).sum()
    }

    /// The segments of each source among those of all, which lie one after the other: `count` for each block.
    pub(super) fn segments<'s>(&self, segments: &'s [Segment], count: usize) -> [ProductSegments<'s>; MOST] {
        let mut rest = segments;
        let mut parts = [ProductSegments::NONE; MOST];
        for (source, part) in self.all.iter().zip(&mut parts) {
            let (of_source, others) = rest.split_at(count * source.blocks());
            (*part, rest) = (ProductSegments::new(of_source), others);
        }
        parts
    }
}

/// What a convolution computes: blocks of channels of some rows of all images.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    pub(crate) extent: Extent,
    pub(crate) blocks: usize,
    pub(crate) rows: Range<usize>,
}

impl Region {
    /// Everything.
    pub(crate) fn all(layout: &MapLayout) -> Self {
        let extent = layout.extent();
        Self { extent, blocks: layout.blocks(), rows: 0..extent.height }
    }

    /// Pixels of all images.
    pub(super) fn pixels(&self) -> usize {
        self.extent.batch * self.rows.len() * self.extent.width
    }
}

/// Convolves every image, adds the convolutions up and hands the sums to the epilogue, which meets
/// every pixel of the region once.
///
/// # Safety
/// While the call lasts nothing else may read or write what the epilogue writes.
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) if the system does not give the temporary memory.
///
/// # Panics
/// If the sources are not packed for the same algorithm and instruction set.
pub(crate) unsafe fn convolve<T: Real, E: Epilogue<T>>(
    sources: &[ConvSource<'_, T>],
    region: &Region,
    epilogue: &E,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    let Some(last) = sources.last().filter(|_| region.pixels() > 0) else { return Ok(()) };
    assert!(sources.len() <= MOST, "{} convolutions are added up", sources.len());
    let (algorithm, isa) = (last.packed.algorithm, last.packed.isa);
    let alike = |packed: &Packed<T>| packed.algorithm == algorithm && packed.isa.name() == isa.name();
    assert!(sources.iter().all(|source| alike(source.packed)), "convolutions that are computed otherwise");
    let mut wide: [Option<FeatureMaps<T>>; MOST] = [const { None }; MOST];
    for (source, wide) in sources.iter().zip(&mut wide) {
        let output = [region.extent.height, region.extent.width];
        let halo = source.packed.geometry.halo(source.input.layout().extent(), output);
        *wide = widened(source.input, halo)?;
    }
    let mut in_place = [*last; MOST];
    for ((source, wide), in_place) in sources.iter().zip(&wide).zip(&mut in_place) {
        let input = wide.as_ref().map_or(source.input, |maps| maps.as_ref().rows());
        *in_place = ConvSource { input, ..*source };
    }
    let sources = ConvSources { all: &in_place[..sources.len()], last: in_place[sources.len() - 1] };
    match algorithm {
        Algorithm::Winograd(tile) => {
            assert!(T::WINOGRAD, "weights of {} that are packed for tiles", T::NAME);
            let convolution = WinogradConvolution::new(tile, sources, region);
            let memory = scratch.provide(convolution.scratch())?;
            // SAFETY: the contract of both is the same.
            unsafe { convolution.run(epilogue, memory) };
        }
        Algorithm::WinogradByPanel(tile) => {
            assert!(T::WINOGRAD, "weights of {} that are packed for tiles", T::NAME);
            let convolution = PanelConvolution::new(tile, sources, region);
            let memory = scratch.provide(convolution.scratch())?;
            // SAFETY: the contract of both is the same.
            unsafe { convolution.run(epilogue, memory) };
        }
        Algorithm::Direct | Algorithm::Patches => {
            let convolution = DirectConvolution::new(sources, region);
            let memory = scratch.provide(convolution.scratch())?;
            // SAFETY: the contract of both is the same.
            unsafe { convolution.run(epilogue, memory) };
        }
    }
    Ok(())
}

/// A copy with a wider halo, where the halo of the maps is too narrow for a kernel.
pub(super) fn widened<T: Real>(maps: Rows<'_, T>, halo: [usize; 2]) -> Result<Option<FeatureMaps<T>>> {
    let layout = maps.layout();
    if layout.halo()[0] >= halo[0] && layout.halo()[1] >= halo[1] {
        return Ok(None);
    }
    let mut copy = FeatureMaps::sectioned(layout.extent(), layout.sections(), halo)?;
    copy.as_mut().copy_rows(maps)?;
    Ok(Some(copy))
}
