//! Sizes of convolution kernels.

use serde::{Deserialize, Serialize};

use super::invalid;
use crate::error::Result;

/// The largest height or width of a kernel.
const MAX_KERNEL: usize = 255;

/// The size of one kernel: a number for a square, or `[height, width]`.
///
/// Both must be odd: the convolutions of a recurrent cell keep the size of the
/// image, and only an odd kernel has a middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KernelSize {
    /// As many rows as columns.
    Square(usize),
    /// Height and width.
    Rectangle([usize; 2]),
}

impl KernelSize {
    /// Height and width.
    pub fn size(self) -> [usize; 2] {
        match self {
            Self::Square(size) => [size, size],
            Self::Rectangle(size) => size,
        }
    }
}

/// The sizes of the kernels of a stack: a number that serves all layers, or a
/// list with one [`KernelSize`] for each layer.
///
/// ```
/// use convgru_model::{ConvGruConfig, KernelSize, KernelSizes};
///
/// let sizes = KernelSizes::PerLayer(vec![KernelSize::Square(3), KernelSize::Rectangle([1, 5])]);
/// assert_eq!(sizes.of_layer(1), [1, 5]);
/// assert_eq!(KernelSizes::All(5).of_layer(7), [5, 5]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KernelSizes {
    /// One size for every layer.
    All(usize),
    /// One size for each layer.
    PerLayer(Vec<KernelSize>),
}

impl Default for KernelSizes {
    fn default() -> Self {
        Self::All(3)
    }
}

impl From<usize> for KernelSizes {
    fn from(size: usize) -> Self {
        Self::All(size)
    }
}

impl<const N: usize> From<[usize; N]> for KernelSizes {
    fn from(sizes: [usize; N]) -> Self {
        Self::PerLayer(sizes.map(KernelSize::Square).to_vec())
    }
}

impl KernelSizes {
    /// Height and width of the kernels of a layer; the last size serves layers
    /// beyond the list, which [`validate`](Self::validate) refuses.
    pub fn of_layer(&self, layer: usize) -> [usize; 2] {
        match self {
            Self::All(size) => [*size, *size],
            Self::PerLayer(sizes) => sizes.get(layer).or(sizes.last()).map_or([1, 1], |size| size.size()),
        }
    }

    /// Checks the sizes for a stack of `layers` layers.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) naming `field`: another number of sizes than layers, or a
    /// size that is zero, even or larger than 255.
    pub fn validate(&self, field: &str, layers: usize) -> Result<()> {
        if let Self::PerLayer(sizes) = self
            && sizes.len() != layers
        {
            return invalid(
                field,
                format!(
                    "{} sizes for {layers} layers; give one number for all or one for each layer",
                    sizes.len()
                ),
            );
        }
        for layer in 0..layers {
            validate_kernel(field, self.of_layer(layer), &format!(" of layer {layer}"))?;
        }
        Ok(())
    }
}

/// Checks the height and width of a kernel; `of` tells which it is.
pub(crate) fn validate_kernel(field: &str, [height, width]: [usize; 2], of: &str) -> Result<()> {
    if [height, width].iter().all(|&size| size % 2 == 1 && size <= MAX_KERNEL) {
        return Ok(());
    }
    let reason = format!("kernel {height}x{width}{of} must be odd both ways, from 1 to {MAX_KERNEL}");
    invalid(field, reason)
}

/// Checks that a kernel with taps some pixels apart reaches no further than the largest kernel; `of` tells which it is.
pub(crate) fn validate_dilation(
    field: &str,
    dilation: [usize; 2],
    kernel: [usize; 2],
    of: &str,
) -> Result<()> {
    let [down, across] = dilation;
    if dilation.iter().any(|distance| !(1..=MAX_KERNEL).contains(distance)) {
        let reason = format!("{down}x{across} pixels from tap to tap; 1 to {MAX_KERNEL} are possible");
        return invalid(field, reason);
    }
    let [height, width] = [0, 1].map(|axis| dilation[axis] * kernel[axis].saturating_sub(1) + 1);
    if height.max(width) > MAX_KERNEL {
        let reason =
            format!("a kernel{of} would reach over {height}x{width} pixels; {MAX_KERNEL} are possible");
        return invalid(field, reason);
    }
    Ok(())
}
