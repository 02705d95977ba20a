//! Another height and width: nearest neighbour and bilinear interpolation.

use convgru_kernels::Scalar;
use serde::{Deserialize, Serialize};

use super::images::{images, with_image};
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{Tensor, expect_shape};

/// How values between pixels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResampleMethod {
    /// The pixel at `floor(position * input / output)`.
    Nearest,
    /// Linear in both directions between pixel centres; edges are extended.
    Bilinear,
}

/// Resampling to a given height and width, larger or smaller.
///
/// Positions follow the frameworks, with corners not aligned: output pixel `i` lies
/// at `(i + 1/2) * input / output - 1/2` of the input.
///
/// ```
/// use convgru_model::{Tensor, layer::{Resample, ResampleMethod}};
///
/// let half = Resample { method: ResampleMethod::Bilinear, size: [2, 2] };
/// let frame = Tensor::<f32>::from_fn(&[1, 4, 4], |i| i as f32);
/// assert_eq!(half.forward(&frame)?.as_slice(), [2.5, 4.5, 10.5, 12.5]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resample {
    /// How values between pixels are found.
    pub method: ResampleMethod,
    /// Height and width of the output, at least 1.
    pub size: [usize; 2],
}

/// The one or two input positions an output position is mixed from.
#[derive(Clone, Copy)]
struct Mix {
    at: [usize; 2],
    weights: [f64; 2],
}

impl Resample {
    /// Resamples every image.
    ///
    /// # Shapes
    /// `[.., C, H, W] -> [.., C, size[0], size[1]]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the input has less than three dimensions, and
    /// [`Error::InvalidConfig`] if an input or output size is zero, [`Error::TooLarge`] if the output would need more memory than
    /// the machine has.
    pub fn forward<T: Scalar>(&self, input: &Tensor<T>) -> Result<Tensor<T>> {
        let (_, [channels, height, width]) = images("input of the resampling", input.shape())?;
        let size = [channels, self.size[0], self.size[1]];
        let mut output = Tensor::try_zeros(&with_image(input.shape(), size))?;
        let [rows, columns] = self.mixes([height, width])?;
        if output.is_empty() {
            return Ok(output);
        }
        let planes = input.as_slice().chunks_exact(height * width);
        for (plane, out) in planes.zip(output.as_mut_slice().chunks_exact_mut(self.size[0] * self.size[1])) {
            for (row, line) in rows.iter().zip(out.chunks_exact_mut(self.size[1])) {
                for (column, value) in columns.iter().zip(line) {
                    *value = sum(row, column, |r, c| plane[r * width + c]);
                }
            }
        }
        Ok(output)
    }

    /// The gradient of the input from the gradient of the output: the adjoint of [`forward`](Self::forward).
    ///
    /// # Shapes
    /// `[.., C, size[0], size[1]] -> input_shape = [.., C, H, W]`
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`Error::ShapeMismatch`] if the gradient does not
    /// belong to an input of shape `input_shape`.
    pub fn backward<T: Scalar>(&self, input_shape: &[usize], d_output: &Tensor<T>) -> Result<Tensor<T>> {
        let (_, [channels, height, width]) = images("input of the resampling", input_shape)?;
        let expected = with_image(input_shape, [channels, self.size[0], self.size[1]]);
        expect_shape("gradient of the output of the resampling", d_output.shape(), &expected)?;
        let [rows, columns] = self.mixes([height, width])?;
        let mut d_input = Tensor::try_zeros(input_shape)?;
        if d_input.is_empty() {
            return Ok(d_input);
        }
        let planes = d_output.as_slice().chunks_exact(self.size[0] * self.size[1]);
        for (d_out, plane) in planes.zip(d_input.as_mut_slice().chunks_exact_mut(height * width)) {
            for (row, line) in rows.iter().zip(d_out.chunks_exact(self.size[1])) {
                for (column, &value) in columns.iter().zip(line) {
                    for (r, wr) in row.at.into_iter().zip(row.weights) {
                        for (c, wc) in column.at.into_iter().zip(column.weights) {
                            plane[r * width + c] += T::from_f64(wr * wc) * value;
                        }
                    }
                }
            }
        }
        Ok(d_input)
    }

    /// For every output row and column, the input rows and columns it is mixed from.
    fn mixes(&self, input: [usize; 2]) -> Result<[Vec<Mix>; 2]> {
        if input.contains(&0) || self.size.contains(&0) {
            return Err(Error::InvalidConfig {
                field: "size".into(),
                reason: format!("resampling {input:?} to {:?}; every size must be at least 1", self.size),
            });
        }
        self.size.iter().try_for_each(|&size| memory::expect_room::<Mix>("resampling", size))?;
        Ok([0, 1]
            .map(|axis| (0..self.size[axis]).map(|i| self.mix(i, input[axis], self.size[axis])).collect()))
    }

    fn mix(&self, index: usize, input: usize, output: usize) -> Mix {
        match self.method {
            ResampleMethod::Nearest => {
                let position = index as u128 * input as u128 / output as u128;
                let at = (position as usize).min(input - 1);
                Mix { at: [at, at], weights: [1.0, 0.0] }
            }
            ResampleMethod::Bilinear => {
                let position = ((index as f64 + 0.5) * input as f64 / output as f64 - 0.5).max(0.0);
                let low = (position.floor() as usize).min(input - 1);
                let fraction = position - low as f64;
                Mix { at: [low, (low + 1).min(input - 1)], weights: [1.0 - fraction, fraction] }
            }
        }
    }
}

fn sum<T: Scalar>(row: &Mix, column: &Mix, pixel: impl Fn(usize, usize) -> T) -> T {
    let mut total = T::ZERO;
    for (r, wr) in row.at.into_iter().zip(row.weights) {
        for (c, wc) in column.at.into_iter().zip(column.weights) {
            total += T::from_f64(wr * wc) * pixel(r, c);
        }
    }
    total
}
