//! Between space and channels: a patch of `r x r` pixels is `r^2` channels of one pixel.

use convgru_kernels::Scalar;

use super::images::{images, with_image};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Channels to space: `[.., C r^2, H, W] -> [.., C, H r, W r]` (Shi et al. 2016, arXiv 1609.05158).
///
/// `y[c, h r + i, w r + j] = x[c r^2 + i r + j, h, w]`, the order of every framework.
/// The backward pass is [`PixelUnshuffle`] with the same factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelShuffle {
    /// The factor `r`, at least 1.
    pub factor: usize,
}

/// Space to channels: `[.., C, H r, W r] -> [.., C r^2, H, W]`, the inverse of [`PixelShuffle`].
///
/// ```
/// use convgru_model::{Tensor, layer::{PixelShuffle, PixelUnshuffle}};
///
/// let frame = Tensor::<f32>::from_fn(&[1, 1, 4, 6], |i| i as f32);
/// let patches = PixelUnshuffle { factor: 2 }.forward(&frame)?;
/// assert_eq!(patches.shape(), [1, 4, 2, 3]);
/// assert_eq!(PixelShuffle { factor: 2 }.forward(&patches)?, frame);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelUnshuffle {
    /// The factor `r`, at least 1.
    pub factor: usize,
}

impl PixelShuffle {
    /// Moves channels to space.
    ///
    /// # Shapes
    /// `[.., C r^2, H, W] -> [.., C, H r, W r]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the channels are no multiple of `r^2`, or height or width times `r` are beyond any number.
    pub fn forward<T: Scalar>(&self, input: &Tensor<T>) -> Result<Tensor<T>> {
        let (_, [channels, height, width]) = images("input of the pixel shuffle", input.shape())?;
        let factor = self.factor;
        let mismatch = |expected: String| Error::ShapeMismatch {
            what: "input of the pixel shuffle".into(),
            expected,
            got: input.shape().to_vec(),
        };
        let Some(taps) = factor.checked_mul(factor) else {
            return Err(mismatch(format!("[.., a multiple of {factor} x {factor}, H, W]")));
        };
        if taps == 0 || channels % taps != 0 {
            return Err(mismatch(format!("[.., a multiple of {taps}, H, W]")));
        }
        let [Some(rows), Some(columns)] = [height, width].map(|size| size.checked_mul(factor)) else {
            return Err(mismatch(format!("[.., C, H, W] that can be {factor} times as high and wide")));
        };
        let image = [channels / taps, rows, columns];
        let mut output = Tensor::try_zeros(&with_image(input.shape(), image))?;
        let (from, to) = (input.as_slice(), output.as_mut_slice());
        for_each_pair(input.len(), [channels, height, width], factor, |deep, flat| to[flat] = from[deep]);
        Ok(output)
    }

    /// The gradient of the input from the gradient of the output.
    ///
    /// # Shapes
    /// `[.., C, H r, W r] -> [.., C r^2, H, W]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if height or width is no multiple of `r`.
    pub fn backward<T: Scalar>(&self, d_output: &Tensor<T>) -> Result<Tensor<T>> {
        PixelUnshuffle { factor: self.factor }.forward(d_output)
    }
}

impl PixelUnshuffle {
    /// Moves space to channels.
    ///
    /// # Shapes
    /// `[.., C, H r, W r] -> [.., C r^2, H, W]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if height or width is no multiple of `r`.
    pub fn forward<T: Scalar>(&self, input: &Tensor<T>) -> Result<Tensor<T>> {
        let (_, [channels, height, width]) = images("input of the pixel unshuffle", input.shape())?;
        let factor = self.factor;
        if factor == 0 || height % factor != 0 || width % factor != 0 {
            return Err(Error::ShapeMismatch {
                what: "input of the pixel unshuffle".into(),
                expected: format!("[.., C, a multiple of {factor}, a multiple of {factor}]"),
                got: input.shape().to_vec(),
            });
        }
        let taps = factor.checked_mul(factor).and_then(|taps| channels.checked_mul(taps));
        let Some(deep) = taps else {
            return Err(Error::ShapeMismatch {
                what: "input of the pixel unshuffle".into(),
                expected: format!("[.., C, H, W] whose channels can be {factor} x {factor} times as many"),
                got: input.shape().to_vec(),
            });
        };
        let image = [deep, height / factor, width / factor];
        let mut output = Tensor::try_zeros(&with_image(input.shape(), image))?;
        let (from, to) = (input.as_slice(), output.as_mut_slice());
        for_each_pair(input.len(), image, factor, |deep, flat| to[deep] = from[flat]);
        Ok(output)
    }

    /// The gradient of the input from the gradient of the output.
    ///
    /// # Shapes
    /// `[.., C r^2, H, W] -> [.., C, H r, W r]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the channels are no multiple of `r^2`.
    pub fn backward<T: Scalar>(&self, d_output: &Tensor<T>) -> Result<Tensor<T>> {
        PixelShuffle { factor: self.factor }.forward(d_output)
    }
}

/// Visits the places of each number among `len` in `[.., C r^2, H, W]` and in `[.., C, H r, W r]`.
fn for_each_pair(
    len: usize,
    [channels, height, width]: [usize; 3],
    factor: usize,
    mut visit: impl FnMut(usize, usize),
) {
    if len == 0 {
        return;
    }
    let plane = height * width;
    let planes = len / plane;
    for deep_plane in 0..planes {
        let (image, channel) = (deep_plane / channels, deep_plane % channels);
        let (flat_channel, tap) = (channel / (factor * factor), channel % (factor * factor));
        let (i, j) = (tap / factor, tap % factor);
        let flat_plane = image * (channels / (factor * factor)) + flat_channel;
        for row in 0..height {
            let deep = deep_plane * plane + row * width;
            let flat = flat_plane * plane * factor * factor + (row * factor + i) * width * factor + j;
            for column in 0..width {
                visit(deep + column, flat + column * factor);
            }
        }
    }
}
