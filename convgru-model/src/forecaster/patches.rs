//! Between frames of any size and the patches of the finest scale.

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsRef, Scalar};

use crate::error::Result;

/// How frames of one size lie in patches: zeros beyond the frames.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Patches {
    /// One frame of every sample, `[N, C, H, W]`.
    pub(super) frame: Extent,
    /// Its patches, `[N, p^2 C, rows, columns]`.
    pub(super) deep: Extent,
    /// Rows and columns of a patch, `p`.
    pub(super) size: usize,
}

impl Patches {
    /// The patches of frames as channels.
    pub(super) fn to_patches<T: Scalar>(&self, frames: &[T], halo: [usize; 2]) -> Result<FeatureMaps<T>> {
        let steps = frames.len() / self.frame.len();
        let mut maps = FeatureMaps::with_halo(self.deep.with_batch(self.deep.batch * steps), halo)?;
        let mut images = vec![T::ZERO; maps.extent().len()];
        self.for_each_row(frames.len(), |frame, deep, stride| {
            let row = frames[frame..frame + self.frame.width].iter().enumerate();
            row.for_each(|(x, &value)| images[deep + x % self.size * stride + x / self.size] = value);
        });
        maps.as_mut().read_nchw(&images)?;
        Ok(maps)
    }

    /// The frames of patches: the part that is not beyond them.
    pub(super) fn to_frames<T: Scalar>(&self, maps: FeatureMapsRef<'_, T>, frames: &mut [T]) -> Result<()> {
        let mut images = vec![T::ZERO; maps.extent().len()];
        maps.write_nchw(&mut images)?;
        self.for_each_row(frames.len(), |frame, deep, stride| {
            let row = frames[frame..frame + self.frame.width].iter_mut().enumerate();
            row.for_each(|(x, value)| *value = images[deep + x % self.size * stride + x / self.size]);
        });
        Ok(())
    }

    /// Visits the rows of frames of `len` numbers together: where one begins, where its first pixel lies in
    /// `[.., p^2 C, rows, columns]`, and how far it is from there to the next pixel of a patch.
    fn for_each_row(&self, len: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let Extent { channels, height, width, .. } = self.frame;
        let plane = self.deep.height * self.deep.width;
        for row in 0..len / width {
            let (y, c, image) = (row % height, row / height % channels, row / height / channels);
            let tap = y % self.size * self.size;
            let deep_plane = image * channels * self.size * self.size + tap * channels + c;
            visit(row * width, deep_plane * plane + y / self.size * self.deep.width, channels * plane);
        }
    }
}
