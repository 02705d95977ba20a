//! How channels are laid out in blocks.

use std::ops::Range;

/// Channels in equal sections, each of which begins at a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Channels {
    pub(crate) count: usize,
    pub(crate) sections: usize,
    /// Channels of a block.
    pub(crate) lanes: usize,
}

impl Channels {
    /// Channels of a section.
    pub(crate) fn of_section(&self) -> usize {
        self.count / self.sections
    }

    /// Blocks of a section.
    #[inline]
    pub(crate) fn section_blocks(&self) -> usize {
        self.of_section().div_ceil(self.lanes)
    }

    /// Blocks of all sections.
    #[inline]
    pub(crate) fn blocks(&self) -> usize {
        self.sections * self.section_blocks()
    }

    /// The channels, counted over all sections, that lie in a block.
    #[inline]
    pub(crate) fn of_block(&self, block: usize) -> Range<usize> {
        let (section, block) = (block / self.section_blocks(), block % self.section_blocks());
        let (channels, first) = (self.of_section(), block * self.lanes);
        section * channels + first..section * channels + channels.min(first + self.lanes)
    }

    /// The block of a channel, counted over all sections, and its lane there.
    pub(crate) fn place_of(&self, channel: usize) -> (usize, usize) {
        let (section, within) = (channel / self.of_section(), channel % self.of_section());
        (section * self.section_blocks() + within / self.lanes, within % self.lanes)
    }
}
