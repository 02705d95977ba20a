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

    /// Pixels of one channel of one image: `H * W`, or `usize::MAX` where that is more.
    pub fn pixels(self) -> usize {
        count(&[self.height, self.width])
    }

    /// Numbers in one image: `C * H * W`, or `usize::MAX` where that is more.
    pub fn image_len(self) -> usize {
        count(&[self.channels, self.height, self.width])
    }

    /// Numbers in the batch: `N * C * H * W`, or `usize::MAX` where that is more. No memory holds as many, so
    /// that every call that compares this with a length fails.
    ///
    /// ```
    /// use convgru_kernels::Extent;
    ///
    /// let extent = Extent { batch: 2, channels: 3, height: 4, width: 5 };
    /// assert_eq!(extent.len(), 120);
    /// assert_eq!(extent.with_batch(usize::MAX).len(), usize::MAX);
    /// ```
    pub fn len(self) -> usize {
        count(&self.dims())
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

/// The product of some sizes, or `usize::MAX` where that is more.
pub(crate) fn count(sizes: &[usize]) -> usize {
    if sizes.contains(&0) { 0 } else { sizes.iter().fold(1, |product, &size| product.saturating_mul(size)) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_end_at_the_largest_number_instead_of_wrapping() {
        let extent = Extent { batch: 1 << 20, channels: 1 << 20, height: 1 << 20, width: 1 << 20 };
        assert_eq!((extent.pixels(), extent.image_len(), extent.len()), (1 << 40, 1 << 60, usize::MAX));
        assert_eq!(extent.with_batch(0).len(), 0);
        let tall = Extent { height: usize::MAX, width: 3, ..extent };
        assert_eq!((tall.pixels(), tall.image_len(), tall.with_batch(0).len()), (usize::MAX, usize::MAX, 0));
    }
}
