//! Where the numbers of a batch of feature maps lie in memory.

use std::ops::Range;

use super::channels::Channels;
use super::extent::Extent;
use crate::error::{Error, Result};
use crate::scalar::Scalar;

/// Padded planes of blocks of channels: `[N, block, H + 2 halo, W + 2 halo, channel of the block]`.
///
/// Channels lie in blocks of 64 bytes ([`Vectorised::BLOCK`](crate::simd::Vectorised::BLOCK)), the
/// fastest axis, so that one load brings a vector of channels and the pixels of a row are a constant
/// distance apart. Around every plane lies a halo of zeros which nobody writes: the taps of a kernel
/// that reach over the edge read them. Channels are counted in `sections` of equal size that begin at
/// a block each, as the gates of a cell do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) extent: Extent,
    /// Equal parts of the channels, each of which begins at a block.
    pub(crate) sections: usize,
    /// Rows and columns of zeros on each side.
    pub(crate) halo: [usize; 2],
    /// Channels of a block.
    pub(crate) lanes: usize,
    /// Elements from an image to the next.
    pub(crate) image_stride: usize,
}

impl Layout {
    /// The layout of memory of its own.
    pub(crate) fn new<T: Scalar>(extent: Extent, sections: usize, halo: [usize; 2]) -> Result<Self> {
        let mut layout = Self { extent, sections: sections.max(1), halo, lanes: T::BLOCK, image_stride: 0 };
        assert!(
            extent.channels.is_multiple_of(layout.sections),
            "{} channels in {sections}",
            extent.channels
        );
        let overflow = Error::Overflow { what: "feature maps", extent: extent.dims() };
        let side = |size: usize, halo: usize| halo.checked_mul(2).and_then(|halo| size.checked_add(halo));
        let product = |factors: &[Option<usize>]| {
            factors.iter().try_fold(1usize, |n, factor| factor.and_then(|factor| n.checked_mul(factor)))
        };
        let blocks = extent.channels.checked_add(sections.max(1) * T::BLOCK).map(|_| layout.blocks());
        let image =
            product(&[blocks, side(extent.height, halo[0]), side(extent.width, halo[1]), Some(T::BLOCK)]);
        let all = product(&[image, Some(extent.batch)]).filter(|&n| n <= isize::MAX as usize / 16);
        let (Some(image), Some(_)) = (image, all) else { return Err(overflow) };
        layout.image_stride = image;
        Ok(layout)
    }

    /// Elements of the whole batch.
    pub(crate) fn len(&self) -> usize {
        self.extent.batch * self.image_stride
    }

    /// How its channels are laid out.
    pub(crate) fn channels(&self) -> Channels {
        Channels { count: self.extent.channels, sections: self.sections, lanes: self.lanes }
    }

    /// Blocks of an image.
    pub(crate) fn blocks(&self) -> usize {
        self.channels().blocks()
    }

    /// Elements from a row of a plane to the next.
    pub(crate) fn row_stride(&self) -> usize {
        (self.extent.width + 2 * self.halo[1]) * self.lanes
    }

    /// Elements from a block to the next.
    pub(crate) fn block_stride(&self) -> usize {
        (self.extent.height + 2 * self.halo[0]) * self.row_stride()
    }

    /// The place of the first channel of a block at a pixel of the image.
    pub(crate) fn offset(&self, image: usize, block: usize, row: usize, column: usize) -> usize {
        image * self.image_stride
            + block * self.block_stride()
            + (row + self.halo[0]) * self.row_stride()
            + (column + self.halo[1]) * self.lanes
    }

    /// The layout of some images of the same memory.
    pub(crate) fn images(self, range: &Range<usize>) -> Self {
        assert!(range.end <= self.extent.batch, "images {range:?} of {}", self.extent.batch);
        Self { extent: self.extent.with_batch(range.len()), ..self }
    }

    /// The layout of some sections of the same memory, and where they begin.
    pub(crate) fn sections(self, range: &Range<usize>) -> (Self, usize) {
        assert!(range.end <= self.sections, "sections {range:?} of {}", self.sections);
        let channels = self.channels();
        let start = range.start * channels.section_blocks() * self.block_stride();
        let extent = self.extent.with_channels(range.len() * channels.of_section());
        (Self { extent, sections: range.len(), ..self }, start)
    }
}
