//! The layers around the cells, by their definitions.

use convgru_kernels::conv::ConvShape;
use convgru_kernels::reference::{self, Number};

use super::array::Array;
use crate::error::{Error, Result};
use crate::layer::Activation;

/// A convolution with an optional bias.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]`, `weights`: `[out_channels, in_channels, kh, kw]`,
/// `bias`: `[out_channels]`; returns `[N, out_channels, H', W']`.
///
/// # Errors
/// [`Error::Kernel`] for shapes that do not fit together.
pub fn conv2d<N: Number>(
    shape: &ConvShape,
    input: &Array<N>,
    weights: &Array<N>,
    bias: Option<&Array<N>>,
) -> Result<Array<N>> {
    let (image, out) = (input.extent()?, shape.output_extent(input.extent()?)?);
    let mut output = Array::zeros(&out.dims());
    reference::convolution(shape, image, input.as_slice(), weights.as_slice(), output.as_mut_slice())?;
    if let Some(bias) = bias {
        reference::add_bias(out, bias.as_slice(), output.as_mut_slice())?;
    }
    Ok(output)
}

/// An elementwise function of a number, by its definition.
pub fn activation<N: Number>(function: Activation, x: N) -> N {
    match function {
        Activation::Identity => x,
        Activation::Sigmoid => reference::sigmoid(x),
        Activation::HardSigmoid => reference::hard_sigmoid(x),
        Activation::Tanh => reference::tanh(x),
        Activation::Relu => reference::leaky_relu(x, 0.0),
        Activation::LeakyRelu(slope) => reference::leaky_relu(x, slope),
    }
}

/// Depth to space (Shi et al., "Real-Time Single Image and Video Super-Resolution
/// Using an Efficient Sub-Pixel Convolutional Neural Network", 2016):
/// `y[n, c, p*r + i, q*r + j] = x[n, c*r*r + i*r + j, p, q]`.
///
/// # Shapes
/// `input`: `[N, C * factor^2, H, W]`; returns `[N, C, H * factor, W * factor]`.
///
/// # Errors
/// [`Error::ShapeMismatch`] if the channels are not a multiple of `factor^2`.
pub fn pixel_shuffle<N: Number>(input: &Array<N>, factor: usize) -> Result<Array<N>> {
    let e = input.extent()?;
    if factor == 0 || e.channels % (factor * factor) != 0 {
        return Err(mismatch("input of the pixel shuffle", "[N, C * factor^2, H, W]", input));
    }
    let channels = e.channels / (factor * factor);
    let shape = [e.batch, channels, e.height * factor, e.width * factor];
    Ok(Array::from_fn(&shape, |index| {
        let [n, c, y, x] = position(index, shape);
        let depth = (c * factor + y % factor) * factor + x % factor;
        input.as_slice()[memory([n, depth, y / factor, x / factor], e.dims())]
    }))
}

/// Space to depth, the inverse of [`pixel_shuffle`]:
/// `y[n, c*r*r + i*r + j, p, q] = x[n, c, p*r + i, q*r + j]`.
///
/// # Shapes
/// `input`: `[N, C, H, W]`; returns `[N, C * factor^2, H / factor, W / factor]`.
///
/// # Errors
/// [`Error::ShapeMismatch`] if height and width are not multiples of `factor`.
pub fn pixel_unshuffle<N: Number>(input: &Array<N>, factor: usize) -> Result<Array<N>> {
    let e = input.extent()?;
    if factor == 0 || e.height % factor != 0 || e.width % factor != 0 {
        return Err(mismatch("input of the pixel unshuffle", "[N, C, H * factor, W * factor]", input));
    }
    let shape = [e.batch, e.channels * factor * factor, e.height / factor, e.width / factor];
    Ok(Array::from_fn(&shape, |index| {
        let [n, depth, p, q] = position(index, shape);
        let (i, j) = (depth / factor % factor, depth % factor);
        input.as_slice()[memory([n, depth / (factor * factor), p * factor + i, q * factor + j], e.dims())]
    }))
}

/// Nearest-neighbour resampling: output pixel `i` of `m` shows input pixel
/// `floor(i * n / m)` of `n`.
///
/// # Shapes
/// `input`: `[N, C, H, W]`; returns `[N, C, size[0], size[1]]`.
///
/// # Errors
/// [`Error::ShapeMismatch`] for an input without pixels.
pub fn nearest<N: Number>(input: &Array<N>, size: [usize; 2]) -> Result<Array<N>> {
    let e = input.extent()?;
    if e.pixels() == 0 {
        return Err(mismatch("input of the resampling", "[N, C, H > 0, W > 0]", input));
    }
    let shape = [e.batch, e.channels, size[0], size[1]];
    Ok(Array::from_fn(&shape, |index| {
        let [n, c, i, j] = position(index, shape);
        input.as_slice()[memory([n, c, i * e.height / size[0], j * e.width / size[1]], e.dims())]
    }))
}

/// Bilinear resampling with pixels as areas: the centre of output pixel `i` of
/// `m` lies at `(i + 1/2) n/m - 1/2` of the `n` input centres; positions outside
/// take the border pixel. In torch: `align_corners=False`.
///
/// # Shapes
/// `input`: `[N, C, H, W]`; returns `[N, C, size[0], size[1]]`.
///
/// # Errors
/// [`Error::ShapeMismatch`] for an input without pixels.
pub fn bilinear<N: Number>(input: &Array<N>, size: [usize; 2]) -> Result<Array<N>> {
    let e = input.extent()?;
    if e.pixels() == 0 {
        return Err(mismatch("input of the resampling", "[N, C, H > 0, W > 0]", input));
    }
    let shape = [e.batch, e.channels, size[0], size[1]];
    Ok(Array::from_fn(&shape, |index| {
        let [n, c, i, j] = position(index, shape);
        let rows = neighbours(i, size[0], e.height);
        let columns = neighbours(j, size[1], e.width);
        let mut sum = N::from_f64(0.0);
        for (y, row_weight) in rows {
            for (x, column_weight) in columns {
                let pixel = input.as_slice()[memory([n, c, y, x], e.dims())];
                sum = sum + pixel * N::from_f64(row_weight * column_weight);
            }
        }
        sum
    }))
}

/// The two input pixels around the centre of output pixel `i`, with their weights.
fn neighbours(i: usize, outputs: usize, inputs: usize) -> [(usize, f64); 2] {
    let centre = (i as f64 + 0.5) * inputs as f64 / outputs as f64 - 0.5;
    let centre = centre.clamp(0.0, (inputs - 1) as f64);
    let first = (centre.floor() as usize).min(inputs - 1);
    let fraction = centre - first as f64;
    [(first, 1.0 - fraction), ((first + 1).min(inputs - 1), fraction)]
}

/// The four indices of a place in memory.
fn position(index: usize, [_, channels, height, width]: [usize; 4]) -> [usize; 4] {
    let pixel = index / width;
    [pixel / height / channels, pixel / height % channels, pixel % height, index % width]
}

/// The place in memory of four indices.
fn memory([n, c, y, x]: [usize; 4], [_, channels, height, width]: [usize; 4]) -> usize {
    ((n * channels + c) * height + y) * width + x
}

fn mismatch<N: Number>(what: &str, expected: &str, got: &Array<N>) -> Error {
    Error::ShapeMismatch { what: what.to_owned(), expected: expected.to_owned(), got: got.shape().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(shape: &[usize]) -> Array<f64> {
        Array::from_fn(shape, |i| i as f64)
    }

    #[test]
    fn unshuffling_orders_the_channels_as_torch_does() {
        let x = numbered(&[1, 1, 4, 4]);
        let y = pixel_unshuffle(&x, 2).unwrap();
        assert_eq!(y.shape(), [1, 4, 2, 2]);
        assert_eq!(y.as_slice()[..8], [0.0, 2.0, 8.0, 10.0, 1.0, 3.0, 9.0, 11.0]);
        assert_eq!(pixel_shuffle(&y, 2).unwrap(), x);
    }

    #[test]
    fn shuffling_keeps_images_and_channels_apart() {
        let x = numbered(&[2, 3, 6, 9]);
        assert_eq!(pixel_shuffle(&pixel_unshuffle(&x, 3).unwrap(), 3).unwrap(), x);
        assert!(pixel_unshuffle(&x, 2).is_err());
    }

    #[test]
    fn nearest_takes_the_pixel_at_the_floor() {
        let y = nearest(&numbered(&[1, 1, 1, 3]), [1, 5]).unwrap();
        assert_eq!(y.as_slice(), [0.0, 0.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn bilinear_doubles_and_halves_as_torch_does() {
        let y = bilinear(&numbered(&[1, 1, 1, 2]), [1, 4]).unwrap();
        assert_eq!(y.as_slice(), [0.0, 0.25, 0.75, 1.0]);
        let y = bilinear(&numbered(&[1, 1, 1, 4]), [1, 2]).unwrap();
        assert_eq!(y.as_slice(), [0.5, 2.5]);
    }
}
