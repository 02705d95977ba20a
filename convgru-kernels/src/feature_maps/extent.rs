//! The size of a batch of feature maps.

use crate::error::{Error, Result};

/// The size of a batch of feature maps: `[N, C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extent {
    /// Number of images, N. A sequence is a batch of `T * N` images.
    pub batch: usize,
    /// Number of channels of each image, C.
    pub channels: usize,
    /// Rows of each channel, H.
    pub height: usize,
    /// Columns of each channel, W.
    pub width: usize,
}

impl Extent {
    /// The four dimensions as `[N, C, H, W]`.
    pub fn dims(self) -> [usize; 4] {
        [self.batch, self.channels, self.height, self.width]
    }

    /// Pixels of one channel of one image: `H * W`.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Numbers in one image: `C * H * W`.
    pub fn image_len(self) -> usize {
        self.channels * self.pixels()
    }

    /// Numbers in the batch: `N * C * H * W`.
    pub fn len(self) -> usize {
        self.batch * self.image_len()
    }

    /// Whether the batch holds no number at all.
    pub fn is_empty(self) -> bool {
        self.dims().contains(&0)
    }

    /// The same extent with another number of channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// The same extent with another number of images.
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }
}

/// Fails unless the extents agree.
pub(crate) fn expect_extent(what: &'static str, expected: Extent, got: Extent) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Error::Extent { what, expected: expected.dims(), got: got.dims() })
}

/// Fails unless a slice has the expected length.
pub(crate) fn expect_len(what: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::Length { what, expected, got }) }
}
