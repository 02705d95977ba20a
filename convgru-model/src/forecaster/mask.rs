//! The channel of frames that tells which pixels were measured.

use std::borrow::Cow;

use convgru_kernels::Scalar;

use super::sizes::Sizes;

impl Sizes {
    /// Whether the last channel of frames that are read is a mask.
    fn has_mask(&self) -> bool {
        self.frame.channels > self.image.channels
    }

    /// Frames `[T, N, C, H, W]` without a mask as the network reads frames: all of their pixels are measured.
    pub(super) fn measured<'a, T: Scalar>(&self, frames: &'a [T]) -> Cow<'a, [T]> {
        if !self.has_mask() {
            return Cow::Borrowed(frames);
        }
        let pixels = self.image.height * self.image.width;
        let images = frames.chunks_exact(self.image.channels * pixels);
        let mut read = Vec::with_capacity(images.len() * self.frame.channels * pixels);
        for image in images {
            read.extend_from_slice(image);
            read.resize(read.len() + pixels, T::ONE);
        }
        Cow::Owned(read)
    }

    /// The images of frames that are read, or of their gradients, without the mask: `[T, N, C + 1, H, W]` to `[T, N, C, H, W]`.
    pub(super) fn without_mask<'a, T: Scalar>(&self, frames: &'a [T]) -> Cow<'a, [T]> {
        if !self.has_mask() {
            return Cow::Borrowed(frames);
        }
        let pixels = self.image.height * self.image.width;
        let read = frames.chunks_exact(self.frame.channels * pixels);
        Cow::Owned(read.flat_map(|read| &read[..self.image.channels * pixels]).copied().collect())
    }

    /// Adds the gradient of the images of frames, `[N, C, H, W]`, to the gradient of input frames.
    pub(super) fn add_to_images<T: Scalar>(&self, frames: &mut [T], images: &[T]) {
        let pixels = self.image.height * self.image.width;
        let (read, image) = (self.frame.channels * pixels, self.image.channels * pixels);
        for (frame, image) in frames.chunks_exact_mut(read).zip(images.chunks_exact(image)) {
            frame.iter_mut().zip(image).for_each(|(total, &d)| *total += d);
        }
    }
}
