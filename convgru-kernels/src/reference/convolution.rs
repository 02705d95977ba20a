//! Convolution and its gradients, one product after the other.
//!
//! A convolution is a list of products. The forward pass, the gradient of the
//! input and the gradient of the weights walk the same list and differ only in
//! which of the three places is written:
//!
//! ```text
//! y[n,o,i,j] += w[o,c,u,v] * x[n,c,p,q]      p = i*stride + u*dilation - top
//! dx[n,c,p,q] += w[o,c,u,v] * dy[n,o,i,j]    q = j*stride + v*dilation - left
//! dw[o,c,u,v] += x[n,c,p,q] * dy[n,o,i,j]
//! ```

use super::number::Number;
use crate::conv::shape::ConvShape;
use crate::error::Result;
use crate::feature_maps::{Extent, expect_len};

/// Adds the convolution of `input` with `weights` to `output`.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]` (`extent`), `weights`: `[out_channels, in_channels, kh, kw]`,
/// `output`: `[N, out_channels, H', W']` (`shape.output_extent(extent)`).
///
/// # Errors
/// The errors of [`ConvShape::output_extent`], and [`Error::Length`](crate::Error::Length)
/// for a slice of the wrong length.
///
/// ```
/// use convgru_kernels::conv::ConvShape;
/// use convgru_kernels::{Extent, reference};
///
/// let extent = Extent { batch: 1, channels: 1, height: 1, width: 4 };
/// let shape = ConvShape::same(1, 1, [1, 3]);
/// let mut output = [0.0; 4];
/// reference::convolution(&shape, extent, &[1.0, 2.0, 3.0, 4.0], &[1.0, 10.0, 100.0], &mut output)?;
/// assert_eq!(output, [210.0, 321.0, 432.0, 43.0]);
/// # Ok::<(), convgru_kernels::Error>(())
/// ```
pub fn convolution<N: Number>(
    shape: &ConvShape,
    extent: Extent,
    input: &[N],
    weights: &[N],
    output: &mut [N],
) -> Result<()> {
    check(shape, extent, input.len(), weights.len(), output.len())?;
    for_each_product(shape, extent, |y, w, x| output[y] = output[y] + weights[w] * input[x])
}

/// Adds to `d_input` the gradient of the input of [`convolution`], given the
/// gradient of its output.
///
/// # Shapes
/// `d_input`: `[N, in_channels, H, W]` (`extent`), `weights`: `[out_channels, in_channels, kh, kw]`,
/// `d_output`: `[N, out_channels, H', W']`.
///
/// # Errors
/// As [`convolution`].
pub fn convolution_input_gradient<N: Number>(
    shape: &ConvShape,
    extent: Extent,
    weights: &[N],
    d_output: &[N],
    d_input: &mut [N],
) -> Result<()> {
    check(shape, extent, d_input.len(), weights.len(), d_output.len())?;
    for_each_product(shape, extent, |y, w, x| d_input[x] = d_input[x] + weights[w] * d_output[y])
}

/// Adds to `d_weights` the gradient of the weights of [`convolution`], given
/// the gradient of its output.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]` (`extent`), `d_output`: `[N, out_channels, H', W']`,
/// `d_weights`: `[out_channels, in_channels, kh, kw]`.
///
/// # Errors
/// As [`convolution`].
pub fn convolution_weight_gradient<N: Number>(
    shape: &ConvShape,
    extent: Extent,
    input: &[N],
    d_output: &[N],
    d_weights: &mut [N],
) -> Result<()> {
    check(shape, extent, input.len(), d_weights.len(), d_output.len())?;
    for_each_product(shape, extent, |y, w, x| d_weights[w] = d_weights[w] + input[x] * d_output[y])
}

/// Adds one number per channel to all pixels of the channel:
/// `y[n,c,i,j] += b[c]`.
///
/// # Shapes
/// `bias`: `[C]`, `output`: `[N, C, H, W]` (`extent`).
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) for a slice of the wrong length.
pub fn add_bias<N: Number>(extent: Extent, bias: &[N], output: &mut [N]) -> Result<()> {
    expect_len("bias", extent.channels, bias.len())?;
    expect_len("output of the bias", extent.len(), output.len())?;
    for (i, y) in output.iter_mut().enumerate() {
        *y = *y + bias[i / extent.pixels() % extent.channels];
    }
    Ok(())
}

/// Adds to `d_bias` the gradient of the bias of [`add_bias`]:
/// `db[c] += sum over n, i, j of dy[n,c,i,j]`.
///
/// # Shapes
/// `d_output`: `[N, C, H, W]` (`extent`), `d_bias`: `[C]`.
///
/// # Errors
/// [`Error::Length`](crate::Error::Length) for a slice of the wrong length.
pub fn bias_gradient<N: Number>(extent: Extent, d_output: &[N], d_bias: &mut [N]) -> Result<()> {
    expect_len("bias gradient", extent.channels, d_bias.len())?;
    expect_len("output gradient of the bias", extent.len(), d_output.len())?;
    for (i, &d_y) in d_output.iter().enumerate() {
        let channel = i / extent.pixels() % extent.channels;
        d_bias[channel] = d_bias[channel] + d_y;
    }
    Ok(())
}

fn check(shape: &ConvShape, extent: Extent, input: usize, weights: usize, output: usize) -> Result<()> {
    expect_len("input of the convolution", extent.len(), input)?;
    expect_len("weights of the convolution", shape.weight_len(), weights)?;
    expect_len("output of the convolution", shape.output_extent(extent)?.len(), output)
}

/// Calls `product` with the memory positions (output, weight, input) of every
/// product of the convolution; those with the zeros of the padding are left out.
fn for_each_product(
    shape: &ConvShape,
    extent: Extent,
    mut product: impl FnMut(usize, usize, usize),
) -> Result<()> {
    let out = shape.output_extent(extent)?;
    let [kernel_height, kernel_width] = shape.kernel;
    for n in 0..out.batch {
        for o in 0..out.channels {
            for i in 0..out.height {
                for j in 0..out.width {
                    let y = ((n * out.channels + o) * out.height + i) * out.width + j;
                    for c in 0..extent.channels {
                        for u in 0..kernel_height {
                            let p = i * shape.stride[0] + u * shape.dilation[0];
                            for v in 0..kernel_width {
                                let q = j * shape.stride[1] + v * shape.dilation[1];
                                let (Some(p), Some(q)) =
                                    (p.checked_sub(shape.padding.top), q.checked_sub(shape.padding.left))
                                else {
                                    continue;
                                };
                                if p < extent.height && q < extent.width {
                                    let w =
                                        ((o * extent.channels + c) * kernel_height + u) * kernel_width + v;
                                    let x =
                                        ((n * extent.channels + c) * extent.height + p) * extent.width + q;
                                    product(y, w, x);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::Padding;

    /// Deterministic numbers without a pattern a mistake could hide behind.
    fn numbers(len: usize, salt: f64) -> Vec<f64> {
        (0..len).map(|i| ((i as f64 + 1.0) * 12.9898 * salt).sin()).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_two_by_two_kernel_by_hand() {
        let extent = Extent { batch: 1, channels: 1, height: 2, width: 3 };
        let shape = ConvShape { padding: Padding::default(), ..ConvShape::same(1, 1, [2, 2]) };
        let mut output = [1.0; 2];
        let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        convolution(&shape, extent, &input, &[1.0, 2.0, 3.0, 4.0], &mut output).unwrap();
        // 1*1 + 2*2 + 4*3 + 5*4 = 37, 2*1 + 3*2 + 5*3 + 6*4 = 47, and the 1 that was there.
        assert_eq!(output, [38.0, 48.0]);
    }

    #[test]
    fn stride_and_dilation_pick_the_right_pixels() {
        let extent = Extent { batch: 1, channels: 1, height: 1, width: 7 };
        let shape = ConvShape {
            stride: [1, 2],
            dilation: [1, 3],
            padding: Padding { left: 1, ..Padding::default() },
            ..ConvShape::same(1, 1, [1, 2])
        };
        let input: Vec<f64> = (1..=7).map(f64::from).collect();
        let mut output = [0.0; 3];
        convolution(&shape, extent, &input, &[10.0, 1.0], &mut output).unwrap();
        // Left taps at -1, 1, 3; right taps three further.
        assert_eq!(output, [3.0, 25.0, 47.0]);
    }

    #[test]
    fn gradients_are_the_adjoints_of_the_forward_pass() {
        let extent = Extent { batch: 2, channels: 3, height: 6, width: 5 };
        let shape = ConvShape {
            stride: [2, 1],
            dilation: [1, 2],
            padding: Padding { top: 1, bottom: 0, left: 2, right: 1 },
            ..ConvShape::same(3, 4, [3, 2])
        };
        let out = shape.output_extent(extent).unwrap();
        let (x, w) = (numbers(extent.len(), 1.0), numbers(shape.weight_len(), 2.0));
        let probe = numbers(out.len(), 3.0);
        let mut y = vec![0.0; out.len()];
        convolution(&shape, extent, &x, &w, &mut y).unwrap();
        let mut d_x = vec![0.0; x.len()];
        convolution_input_gradient(&shape, extent, &w, &probe, &mut d_x).unwrap();
        let mut d_w = vec![0.0; w.len()];
        convolution_weight_gradient(&shape, extent, &x, &probe, &mut d_w).unwrap();
        // The convolution is linear in each argument: <y, probe> = <x, dx> = <w, dw>.
        assert!((dot(&y, &probe) - dot(&x, &d_x)).abs() < 1e-12);
        assert!((dot(&y, &probe) - dot(&w, &d_w)).abs() < 1e-12);
    }

    #[test]
    fn the_bias_gradient_sums_over_images_and_pixels() {
        let extent = Extent { batch: 2, channels: 2, height: 1, width: 2 };
        let mut d_bias = [100.0, 0.0];
        bias_gradient(extent, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &mut d_bias).unwrap();
        assert_eq!(d_bias, [114.0, 22.0]);
        let mut output = [0.0; 8];
        add_bias(extent, &[1.0, 2.0], &mut output).unwrap();
        assert_eq!(output, [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let extent = Extent { batch: 1, channels: 1, height: 2, width: 2 };
        let shape = ConvShape::same(1, 1, [3, 3]);
        let error = convolution(&shape, extent, &[0.0; 3], &[0.0; 9], &mut [0.0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "input of the convolution: 3 elements where 4 are needed");
    }
}
