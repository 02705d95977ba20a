//! Convolution in groups of channels, each channel at a time: what depthwise kernels need.

use convgru_kernels::conv::ConvShape;
use convgru_kernels::{Extent, Scalar};

use crate::tensor::Tensor;

/// A convolution whose outputs see the inputs of their group alone.
pub(super) struct Grouped<'k, T> {
    pub(super) shape: ConvShape,
    pub(super) groups: usize,
    /// `[out_channels, in_channels / groups, kh, kw]`
    pub(super) kernel: &'k [T],
}

/// One weight: the channels it connects, and the rows and columns it meets.
struct Tap {
    output: usize,
    input: usize,
    /// Its place in the kernel.
    weight: usize,
    /// Where it looks, from the first pixel of a result: rows and columns may lie outside.
    from: [isize; 2],
}

impl<T: Scalar> Grouped<'_, T> {
    fn taps(&self) -> impl Iterator<Item = Tap> {
        let shape = &self.shape;
        let [kh, kw] = shape.kernel;
        let inputs = shape.in_channels / self.groups;
        let outputs = shape.out_channels / self.groups;
        (0..shape.out_channels * inputs * kh * kw).map(move |weight| {
            let (v, u) = (weight % kw, weight / kw % kh);
            let (input, output) = (weight / (kw * kh) % inputs, weight / (kw * kh) / inputs);
            let from = [
                (u * shape.dilation[0]) as isize - shape.padding.top as isize,
                (v * shape.dilation[1]) as isize - shape.padding.left as isize,
            ];
            Tap { output, input: output / outputs * inputs + input, weight, from }
        })
    }

    /// Calls `meet` with the places of pixels that a tap brings together: input, output, weight.
    fn for_each(&self, [input, output]: [Extent; 2], mut meet: impl FnMut(usize, usize, usize)) {
        let stride = self.shape.stride.map(|s| s as isize);
        for image in 0..input.batch {
            for tap in self.taps() {
                let x = (image * input.channels + tap.input) * input.height * input.width;
                let y = (image * output.channels + tap.output) * output.height * output.width;
                for row in 0..output.height {
                    let i = row as isize * stride[0] + tap.from[0];
                    if !(0..input.height as isize).contains(&i) {
                        continue;
                    }
                    for column in 0..output.width {
                        let j = column as isize * stride[1] + tap.from[1];
                        if (0..input.width as isize).contains(&j) {
                            let at = x + i as usize * input.width + j as usize;
                            meet(at, y + row * output.width + column, tap.weight);
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn forward<T: Scalar>(
    grouped: &Grouped<'_, T>,
    extents: [Extent; 2],
    x: &Tensor<T>,
    y: &mut Tensor<T>,
) {
    let (x, y) = (x.as_slice(), y.as_mut_slice());
    grouped.for_each(extents, |input, output, weight| y[output] += grouped.kernel[weight] * x[input]);
}

pub(super) fn input_gradient<T: Scalar>(
    grouped: &Grouped<'_, T>,
    extents: [Extent; 2],
    d_y: &Tensor<T>,
    d_x: &mut Tensor<T>,
) {
    let (d_y, d_x) = (d_y.as_slice(), d_x.as_mut_slice());
    grouped.for_each(extents, |input, output, weight| d_x[input] += grouped.kernel[weight] * d_y[output]);
}

pub(super) fn weight_gradient<T: Scalar>(
    grouped: &Grouped<'_, T>,
    extents: [Extent; 2],
    [x, d_y]: [&Tensor<T>; 2],
    d_kernel: &mut [T],
) {
    let (x, d_y) = (x.as_slice(), d_y.as_slice());
    grouped.for_each(extents, |input, output, weight| d_kernel[weight] += x[input] * d_y[output]);
}
