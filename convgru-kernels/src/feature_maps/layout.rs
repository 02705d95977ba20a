//! Where the numbers of a batch of feature maps lie in memory.

use std::ops::Range;

use super::channels::Channels;
use super::extent::{Extent, expect_extent};
use crate::error::{Error, Result};
use crate::real::Real;

/// Padded planes of blocks of channels: `[N, block, H + 2 halo, W + 2 halo, channel of the block]`.
///
/// Channels lie in blocks of 64 bytes ([`BLOCK`](crate::simd::vectorised::Vectorised::BLOCK)), the
/// fastest axis, so that one load brings a vector of channels and the pixels of a row are a constant
/// distance apart. Around every plane lies a halo of zeros which nobody writes: the taps of a kernel
/// that reach over the edge read them. Channels are counted in `sections` of equal size that begin at
/// a block each, as the gates of a cell do.
///
/// Fields are private and [`MapLayout::new`] checks them: no size that is computed from a layout overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapLayout {
    extent: Extent,
    /// Equal parts of the channels, each of which begins at a block; at least one.
    sections: usize,
    /// Rows and columns of zeros on each side.
    halo: [usize; 2],
    /// Channels of a block.
    lanes: usize,
    /// Elements from an image to the next.
    image_stride: usize,
}

impl MapLayout {
    /// The layout of memory of its own.
    pub(crate) fn new<T: Real>(extent: Extent, sections: usize, halo: [usize; 2]) -> Result<Self> {
        if sections == 0 || !extent.channels.is_multiple_of(sections) {
            return Err(Error::Division { what: "feature maps", channels: extent.channels, sections });
        }
        let layout = Self { extent, sections, halo, lanes: T::BLOCK, image_stride: 0 };
        let side = |size: usize, halo: usize| halo.checked_mul(2).and_then(|halo| size.checked_add(halo));
        // Of what is empty every part is within bounds as well: sizes of zero count as one.
        let size = |factors: &[Option<usize>]| {
            factors
                .iter()
                .try_fold(1usize, |n, factor| factor.and_then(|factor| n.checked_mul(factor.max(1))))
        };
        let blocks = extent.channels.checked_add(T::BLOCK).map(|_| layout.channels().section_blocks());
        let sides = [side(extent.height, halo[0]), side(extent.width, halo[1])];
        let all = size(&[blocks, Some(sections), sides[0], sides[1], Some(T::BLOCK), Some(extent.batch)]);
        if all.is_none_or(|n| n > isize::MAX as usize / 16) {
            return Err(Error::Overflow { what: "feature maps", extent: extent.dims() });
        }
        Ok(Self { image_stride: layout.blocks() * layout.block_stride(), ..layout })
    }

    /// The size of the maps.
    #[inline(always)]
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// Equal parts of the channels.
    pub(crate) fn sections(&self) -> usize {
        self.sections
    }

    /// Rows and columns of zeros on each side.
    #[inline(always)]
    pub(crate) fn halo(&self) -> [usize; 2] {
        self.halo
    }

    /// Channels of a block.
    #[inline(always)]
    pub(crate) fn lanes(&self) -> usize {
        self.lanes
    }

    /// Elements from an image to the next.
    #[inline(always)]
    pub(crate) fn image_stride(&self) -> usize {
        self.image_stride
    }

    /// Elements of the whole batch.
    pub(crate) fn len(&self) -> usize {
        self.extent.batch * self.image_stride
    }

    /// How its channels are laid out.
    #[inline(always)]
    pub(crate) fn channels(&self) -> Channels {
        Channels { count: self.extent.channels, sections: self.sections, lanes: self.lanes }
    }

    /// Blocks of an image.
    #[inline(always)]
    pub(crate) fn blocks(&self) -> usize {
        self.channels().blocks()
    }

    /// Elements from a row of a plane to the next.
    #[inline(always)]
    pub(crate) fn row_stride(&self) -> usize {
        (self.extent.width + 2 * self.halo[1]) * self.lanes
    }

    /// Elements from a block to the next.
    #[inline(always)]
    pub(crate) fn block_stride(&self) -> usize {
        (self.extent.height + 2 * self.halo[0]) * self.row_stride()
    }

    /// The place of the first channel of a block at a pixel of the image.
    #[inline(always)]
    pub(crate) fn offset(&self, image: usize, block: usize, row: usize, column: usize) -> usize {
        image * self.image_stride
            + block * self.block_stride()
            + (row + self.halo[0]) * self.row_stride()
            + (column + self.halo[1]) * self.lanes
    }

    /// The layout of some images of the same memory, and where they begin.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last image.
    pub(crate) fn images_of(self, range: &Range<usize>) -> (Self, usize) {
        let batch = self.extent.batch;
        assert!(range.start <= range.end && range.end <= batch, "images {range:?} of {batch}");
        let extent = self.extent.with_batch(range.len());
        (Self { extent, ..self }, range.start * self.image_stride)
    }

    /// The layout of some sections of the same memory, and where they begin.
    ///
    /// # Panics
    /// As a slice does, if the range ends before it begins or behind the last section.
    pub(crate) fn sections_of(self, range: &Range<usize>) -> (Self, usize) {
        let sections = self.sections;
        assert!(range.start <= range.end && range.end <= sections, "sections {range:?} of {sections}");
        let channels = self.channels();
        let start = range.start * channels.section_blocks() * self.block_stride();
        let extent = self.extent.with_channels(range.len() * channels.of_section());
        // No channels are one empty section.
        (Self { extent, sections: range.len().max(1), ..self }, start)
    }
}

/// Fails unless feature maps have an extent, and their channels as many sections.
pub(crate) fn expect_layout(
    what: &'static str,
    got: &MapLayout,
    extent: Extent,
    sections: usize,
) -> Result<()> {
    expect_extent(what, extent, got.extent)?;
    if got.sections != sections {
        let channels = extent.channels;
        return Err(Error::Sections { what, channels, expected: sections, got: got.sections });
    }
    Ok(())
}
