//! Sizes of convolution kernels.

use serde::{Deserialize, Serialize};

use super::invalid;
use crate::error::Result;

/// The largest height or width of a kernel.
const MAX_KERNEL: usize = 255;

/// The sizes of the kernels of a stack, written as a number that serves all layers, or as a list with a number or
/// `[height, width]` for each layer.
///
/// Height and width must be odd: the convolutions of a recurrent cell keep the size of the image, and only an odd kernel
/// has a middle.
///
/// ```
/// use convgru_model::{ConvGruConfig, KernelSizes};
///
/// let sizes = KernelSizes::PerLayer(vec![[3, 3], [1, 5]]);
/// assert_eq!(sizes.of_layer(1), [1, 5]);
/// assert_eq!(KernelSizes::All(5).of_layer(7), [5, 5]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KernelSizes {
    /// One size for every layer.
    All(usize),
    /// Height and width for each layer.
    #[serde(with = "written_sizes")]
    PerLayer(Vec<[usize; 2]>),
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
        Self::PerLayer(sizes.map(|size| [size, size]).to_vec())
    }
}

impl KernelSizes {
    /// Height and width of the kernels of a layer; the last size serves layers
    /// beyond the list, which [`validate`](Self::validate) refuses.
    pub fn of_layer(&self, layer: usize) -> [usize; 2] {
        match self {
            Self::All(size) => [*size, *size],
            Self::PerLayer(sizes) => sizes.get(layer).or(sizes.last()).copied().unwrap_or([1, 1]),
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

/// The size of one kernel as configurations are written: a number for a square, or `[height, width]`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenSize {
    Square(usize),
    Rectangle([usize; 2]),
}

impl From<[usize; 2]> for WrittenSize {
    fn from([height, width]: [usize; 2]) -> Self {
        if height == width { Self::Square(height) } else { Self::Rectangle([height, width]) }
    }
}

impl From<WrittenSize> for [usize; 2] {
    fn from(size: WrittenSize) -> Self {
        match size {
            WrittenSize::Square(size) => [size, size],
            WrittenSize::Rectangle(size) => size,
        }
    }
}

/// Height and width of a kernel in a configuration.
pub(crate) mod written_size {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::WrittenSize;

    pub(crate) fn serialize<S: Serializer>(size: &[usize; 2], serializer: S) -> Result<S::Ok, S::Error> {
        WrittenSize::from(*size).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[usize; 2], D::Error> {
        WrittenSize::deserialize(deserializer).map(Into::into)
    }
}

/// Height and width of several kernels in a configuration.
mod written_sizes {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::WrittenSize;

    pub(super) fn serialize<S: Serializer>(sizes: &[[usize; 2]], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(sizes.iter().map(|&size| WrittenSize::from(size)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<[usize; 2]>, D::Error> {
        let sizes = Vec::<WrittenSize>::deserialize(deserializer)?;
        Ok(sizes.into_iter().map(Into::into).collect())
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
