//! Pixels around images.

use convgru_kernels::Scalar;
use serde::{Deserialize, Serialize};

use super::{Sink, images_of};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What lies beyond the edge of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The pixel at the edge.
    Replicate,
    /// The image mirrored at the pixel at the edge, which is not repeated.
    Reflect,
    /// The other side of the image: for grids around a globe.
    Circular,
}

impl PaddingMode {
    /// The pixel that stands for the one at `index` of a line of `len`; none for zero.
    pub(crate) fn source(self, index: isize, len: usize) -> Option<usize> {
        let (last, len) = (len as isize - 1, len as isize);
        let at = match self {
            Self::Zeros => (0..len).contains(&index).then_some(index)?,
            Self::Replicate => index.clamp(0, last),
            Self::Reflect if index < 0 => -index,
            Self::Reflect if index > last => 2 * last - index,
            Self::Reflect => index,
            Self::Circular => index.rem_euclid(len),
        };
        Some(at as usize)
    }

    /// The most pixels that can be added to a line of `len` on one side.
    fn most(self, len: usize) -> usize {
        match self {
            Self::Zeros | Self::Replicate => usize::MAX,
            Self::Reflect => len - 1,
            Self::Circular => len,
        }
    }
}

/// Rows above and below, and columns on either side, of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pad {
    /// Rows and columns on each side.
    pub(crate) size: [usize; 2],
    /// What rows and columns beyond the edge are.
    pub(crate) modes: [PaddingMode; 2],
}

impl Pad {
    /// The size of a padded image.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for an image too small to be mirrored or wrapped so far.
    pub(crate) fn padded(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        for axis in [0, 1] {
            let most = self.modes[axis].most(size[axis].max(1));
            if self.size[axis] > most {
                let reason = format!(
                    "{:?} pads {} {} on each side, an image of {size:?} gives at most {most}",
                    self.modes[axis],
                    self.size[axis],
                    ["rows", "columns"][axis],
                );
                return Err(Error::InvalidConfig { field: "padding".into(), reason });
            }
        }
        Ok([0, 1].map(|axis| size[axis] + 2 * self.size[axis]))
    }

    /// Calls `meet` with the place of each pixel of a padded plane and of that which it shows.
    fn for_each(&self, [height, width]: [usize; 2], mut meet: impl FnMut(usize, usize)) {
        let sources = |axis: usize, len: usize| -> Vec<Option<usize>> {
            let size = self.size[axis] as isize;
            (-size..len as isize + size).map(|index| self.modes[axis].source(index, len)).collect()
        };
        let (rows, columns) = (sources(0, height), sources(1, width));
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in columns.iter().enumerate() {
                if let (Some(row), Some(column)) = (row, column) {
                    meet(i * columns.len() + j, row * width + column);
                }
            }
        }
    }

    pub(super) fn forward<T: Scalar>(&self, x: &Tensor<T>) -> Result<Tensor<T>> {
        let [images, channels, height, width] = images_of("images to pad", x)?;
        let [rows, columns] = self.padded([height, width])?;
        let mut padded = Tensor::try_zeros(&[images, channels, rows, columns])?;
        let planes = padded.as_mut_slice().chunks_exact_mut((rows * columns).max(1));
        for (to, from) in planes.zip(x.as_slice().chunks_exact((height * width).max(1))) {
            self.for_each([height, width], |place, source| to[place] = from[source]);
        }
        Ok(padded)
    }

    pub(super) fn backward<T: Scalar>(
        &self,
        x: &Tensor<T>,
        d: &Tensor<T>,
        sink: &mut impl Sink<T>,
    ) -> Result<()> {
        if sink.wants(0) {
            let [_, _, height, width] = images_of("images to pad", x)?;
            let [rows, columns] = self.padded([height, width])?;
            let planes = sink.gradient(0).as_mut_slice().chunks_exact_mut((height * width).max(1));
            for (to, d) in planes.zip(d.as_slice().chunks_exact((rows * columns).max(1))) {
                self.for_each([height, width], |place, source| to[source] += d[place]);
            }
        }
        Ok(())
    }
}
