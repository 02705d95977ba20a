//! The operations that cells are composed of, by their definitions, on any kind of number.

use std::rc::Rc;

use convgru_kernels::reference::Number;

use super::array::Array;
use super::layer::activation;
use crate::composed::graph::{Convolution, Op, Operations, Pad, Pooling, Resize};
use crate::error::Result;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// Computes operations one number at a time.
pub(crate) struct Plain<N> {
    parameters: Vec<Rc<Array<N>>>,
    /// How far the nearest number so far is from a kink.
    to_kink: f64,
}

impl<N: Number> Plain<N> {
    /// For the parameters of a network, in order.
    pub(crate) fn new(parameters: impl IntoIterator<Item = Array<N>>) -> Self {
        Self { parameters: parameters.into_iter().map(Rc::new).collect(), to_kink: f64::INFINITY }
    }

    /// How far the nearest number was from a kink of the function it was put into.
    pub(crate) fn to_kink(&self) -> f64 {
        self.to_kink
    }

    /// Keeps account of the kinks of an operation.
    fn note_kinks(&mut self, op: &Op, inputs: &[Rc<Array<N>>]) -> Result<()> {
        let values = |operand: usize| inputs[operand].as_slice().iter().map(|x| x.value());
        let nearest = match op {
            Op::Activate(Activation::Relu | Activation::LeakyRelu(_)) => {
                values(0).map(f64::abs).fold(f64::INFINITY, f64::min)
            }
            Op::Activate(Activation::HardSigmoid) => {
                values(0).map(|x| (x.abs() - 3.0).abs()).fold(f64::INFINITY, f64::min)
            }
            // No kink, but differences go wrong where the divisor comes near zero.
            Op::Divide => values(1).map(|x| 0.1 * x.abs()).fold(f64::INFINITY, f64::min),
            // Differences move a flow by more than its own parameters.
            Op::Warp => values(1).map(|x| 0.5 * (x - x.round()).abs()).fold(f64::INFINITY, f64::min),
            Op::Pool(Pooling::Max2) => {
                let e = inputs[0].extent()?;
                let [height, width] = Pooling::Max2.pooled([e.height, e.width]);
                let mut nearest = f64::INFINITY;
                for plane in inputs[0].as_slice().chunks_exact((e.height * e.width).max(1)) {
                    for pooled in 0..height * width {
                        let at = [pooled / width, pooled % width];
                        let sources = Pooling::Max2.sources([e.height, e.width], at).into_iter();
                        let mut values: Vec<f64> = sources.map(|at| plane[at].value()).collect();
                        values.sort_by(f64::total_cmp);
                        nearest = nearest.min(values[3] - values[2]);
                    }
                }
                nearest
            }
            _ => f64::INFINITY,
        };
        self.to_kink = self.to_kink.min(nearest);
        Ok(())
    }
}

impl<N: Number> Operations for Plain<N> {
    type Value = Rc<Array<N>>;

    fn shape(&self, value: &Self::Value) -> Vec<usize> {
        value.shape().to_vec()
    }

    fn parameter(&mut self, index: usize) -> Self::Value {
        self.parameters[index].clone()
    }

    fn constant(&mut self, tensor: &Tensor<f64>) -> Self::Value {
        Rc::new(Array::constant(tensor))
    }

    fn apply(&mut self, op: Op, inputs: &[Self::Value]) -> Result<Self::Value> {
        self.note_kinks(&op, inputs)?;
        let first = &*inputs[0];
        let zip = |f: &dyn Fn(N, N) -> N| {
            let second = inputs[1].as_slice();
            Array::from_fn(first.shape(), |i| f(first.as_slice()[i], second[i]))
        };
        Ok(Rc::new(match op {
            Op::Convolve(convolution) => convolve(&convolution, inputs)?,
            Op::Pad(pad) => pad_images(&pad, first)?,
            Op::Activate(function) => first.map(|x| activation(function, x)),
            Op::Add => zip(&|a, b| a + b),
            Op::Multiply => zip(&|a, b| a * b),
            Op::Blend => {
                let of = |operand: usize, i: usize| inputs[operand].as_slice()[i];
                let one = N::from_f64(1.0);
                Array::from_fn(first.shape(), |i| (one - of(0, i)) * of(2, i) + of(0, i) * of(1, i))
            }
            Op::Gate(gate) => return self.gate(gate, inputs),
            Op::AddToPixels => {
                by_channel(first, |x, n, c, channels| x + inputs[1].as_slice()[n * channels + c])
            }
            Op::ScaleChannels => by_channel(first, |x, _, c, _| x * inputs[1].as_slice()[c]),
            Op::Channels(range) => {
                let mut shape = first.shape().to_vec();
                shape[1] = range.len();
                pick(&shape, first, |[n, c, y, x]| Some([n, c + range.start, y, x]))?
            }
            Op::JoinChannels => join_channels(inputs)?,
            Op::Images(range) => first.range(range.start, range.len())?,
            Op::JoinImages => {
                let data = inputs.iter().flat_map(|part| part.as_slice()).copied().collect::<Vec<_>>();
                let mut shape = first.shape().to_vec();
                shape[0] = inputs.iter().map(|part| part.shape()[0]).sum();
                Array::from_fn(&shape, |i| data[i])
            }
            Op::Choose(from_first) => {
                let size: usize = first.shape()[1..].iter().product();
                let of = |i: usize| if from_first[i / size] { first } else { &*inputs[1] };
                Array::from_fn(first.shape(), |i| of(i).as_slice()[i])
            }
            Op::GroupNorm { groups, epsilon } => normalise(groups, epsilon, inputs)?,
            Op::MeanOfPixels => {
                let e = first.extent()?;
                let pixels = e.height * e.width;
                let all = |plane: usize| first.as_slice()[plane * pixels..(plane + 1) * pixels].iter();
                Array::from_fn(&[e.batch, e.channels, 1, 1], |plane| mean(all(plane).copied()))
            }
            Op::Pool(pooling) => pool(pooling, first)?,
            Op::Resize => resized(&inputs[1], first)?,
            Op::Warp => warp(first, &inputs[1])?,
            Op::UnfoldDepth { depth, kernel } => {
                let mut shape = first.shape().to_vec();
                shape[1] *= kernel;
                pick(&shape, first, |[n, c, y, x]| {
                    let plane = (n % depth + c % kernel).checked_sub(kernel / 2).filter(|&at| at < depth)?;
                    Some([n - n % depth + plane, c / kernel, y, x])
                })?
            }
            Op::SpectralNorm => spectral_norm(inputs),
            Op::Divide => first.map(|x| x / inputs[1].as_slice()[0]),
        }))
    }
}

/// The four indices of a place in memory.
fn position(index: usize, shape: &[usize]) -> [usize; 4] {
    let pixel = index / shape[3];
    [pixel / shape[2] / shape[1], pixel / shape[2] % shape[1], pixel % shape[2], index % shape[3]]
}

fn memory([n, c, y, x]: [usize; 4], shape: &[usize]) -> usize {
    ((n * shape[1] + c) * shape[2] + y) * shape[3] + x
}

/// An array whose elements are elements of another array, or zero.
fn pick<N: Number>(
    shape: &[usize],
    from: &Array<N>,
    source: impl Fn([usize; 4]) -> Option<[usize; 4]>,
) -> Result<Array<N>> {
    from.extent()?;
    Ok(Array::from_fn(shape, |index| match source(position(index, shape)) {
        Some(at) => from.as_slice()[memory(at, from.shape())],
        None => N::from_f64(0.0),
    }))
}

fn by_channel<N: Number>(x: &Array<N>, f: impl Fn(N, usize, usize, usize) -> N) -> Array<N> {
    let shape = x.shape().to_vec();
    Array::from_fn(&shape, |index| {
        let [n, c, ..] = position(index, &shape);
        f(x.as_slice()[index], n, c, shape[1])
    })
}

fn convolve<N: Number>(convolution: &Convolution, inputs: &[Rc<Array<N>>]) -> Result<Array<N>> {
    let (x, kernel) = (&inputs[0], &inputs[1]);
    let shape = convolution.shape(kernel.shape());
    let e = x.extent()?;
    let out = shape.output_extent(e)?;
    let [kh, kw] = shape.kernel;
    let of_group = [shape.in_channels / convolution.groups, shape.out_channels / convolution.groups];
    Ok(Array::from_fn(&out.dims(), |index| {
        let [n, o, i, j] = position(index, &out.dims());
        let mut sum = inputs.get(2).map_or(N::from_f64(0.0), |bias| bias.as_slice()[o]);
        for c in 0..of_group[0] {
            for (u, v) in (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v))) {
                let row = (i * shape.stride[0] + u * shape.dilation[0]).checked_sub(shape.padding.top);
                let column = (j * shape.stride[1] + v * shape.dilation[1]).checked_sub(shape.padding.left);
                let (Some(row), Some(column)) = (row, column) else { continue };
                if row < e.height && column < e.width {
                    let channel = o / of_group[1] * of_group[0] + c;
                    let weight = (((convolution.rows.start + o) * of_group[0] + c) * kh + u) * kw + v;
                    let pixel = x.as_slice()[memory([n, channel, row, column], x.shape())];
                    sum = sum + kernel.as_slice()[weight] * pixel;
                }
            }
        }
        sum
    }))
}

fn pad_images<N: Number>(pad: &Pad, x: &Array<N>) -> Result<Array<N>> {
    let e = x.extent()?;
    let [height, width] = pad.padded([e.height, e.width])?;
    pick(&[e.batch, e.channels, height, width], x, |[n, c, i, j]| {
        let at = |axis: usize, index: usize, len: usize| {
            pad.modes[axis].source(index as isize - pad.size[axis] as isize, len)
        };
        Some([n, c, at(0, i, e.height)?, at(1, j, e.width)?])
    })
}

fn join_channels<N: Number>(parts: &[Rc<Array<N>>]) -> Result<Array<N>> {
    let mut shape = parts[0].shape().to_vec();
    shape[1] = parts.iter().map(|part| part.shape()[1]).sum();
    parts[0].extent()?;
    Ok(Array::from_fn(&shape, |index| {
        let [n, mut c, y, x] = position(index, &shape);
        for part in parts {
            match c.checked_sub(part.shape()[1]) {
                Some(rest) => c = rest,
                None => return part.as_slice()[memory([n, c, y, x], part.shape())],
            }
        }
        unreachable!("the channels are those of all parts")
    }))
}

fn mean<N: Number>(values: impl ExactSizeIterator<Item = N>) -> N {
    let count = N::from_f64(values.len() as f64);
    values.fold(N::from_f64(0.0), |sum, x| sum + x) / count
}

fn normalise<N: Number>(groups: usize, epsilon: f64, inputs: &[Rc<Array<N>>]) -> Result<Array<N>> {
    let x = &inputs[0];
    let e = x.extent()?;
    let size = e.channels / groups * e.height * e.width;
    let moments: Vec<(N, N)> = x
        .as_slice()
        .chunks_exact(size)
        .map(|group| {
            let middle = mean(group.iter().copied());
            let variance = mean(group.iter().map(|&x| (x - middle) * (x - middle)));
            // The square root by its logarithm.
            let logarithm = (variance + N::from_f64(epsilon - 1.0)).ln_1p();
            (middle, (logarithm * N::from_f64(0.5)).exp())
        })
        .collect();
    Ok(Array::from_fn(x.shape(), |index| {
        let (middle, deviation) = moments[index / size];
        let [_, c, ..] = position(index, x.shape());
        (x.as_slice()[index] - middle) / deviation * inputs[1].as_slice()[c] + inputs[2].as_slice()[c]
    }))
}

fn pool<N: Number>(pooling: Pooling, x: &Array<N>) -> Result<Array<N>> {
    let e = x.extent()?;
    let [height, width] = pooling.pooled([e.height, e.width]);
    let shape = [e.batch, e.channels, height, width];
    Ok(Array::from_fn(&shape, |index| {
        let [n, c, i, j] = position(index, &shape);
        let plane = (n * e.channels + c) * e.height * e.width;
        let sources = pooling.sources([e.height, e.width], [i, j]).into_iter();
        let values = sources.map(|at| x.as_slice()[plane + at]);
        match pooling {
            Pooling::Max2 => values
                .reduce(|best, x| if x.value() > best.value() { x } else { best })
                .unwrap_or(N::from_f64(0.0)),
            Pooling::Average3 => values.fold(N::from_f64(0.0), |sum, x| sum + x) / N::from_f64(9.0),
        }
    }))
}

fn resized<N: Number>(like: &Array<N>, x: &Array<N>) -> Result<Array<N>> {
    let (e, size) = (x.extent()?, like.extent()?);
    let shape = [e.batch, e.channels, size.height, size.width];
    Ok(Array::from_fn(&shape, |index| {
        let [n, c, i, j] = position(index, &shape);
        let mut sum = N::from_f64(0.0);
        for (row, of_row) in Resize::between(i, shape[2], e.height) {
            for (column, of_column) in Resize::between(j, shape[3], e.width) {
                let pixel = x.as_slice()[memory([n, c, row, column], x.shape())];
                sum = sum + pixel * N::from_f64(of_row * of_column);
            }
        }
        sum
    }))
}

fn warp<N: Number>(h: &Array<N>, flow: &Array<N>) -> Result<Array<N>> {
    let (e, shape) = (h.extent()?, h.shape());
    flow.expect_shape("flow", &[e.batch, 2, e.height, e.width])?;
    Ok(Array::from_fn(shape, |index| {
        let [n, c, i, j] = position(index, shape);
        let of = |component: usize| flow.as_slice()[memory([n, component, i, j], flow.shape())];
        let (row, column) = (N::from_f64(i as f64) - of(1), N::from_f64(j as f64) - of(0));
        let mut sum = N::from_f64(0.0);
        for (y, x) in (0..e.height).flat_map(|y| (0..e.width).map(move |x| (y, x))) {
            // The tent of bilinear interpolation around each pixel.
            let near = |at: usize, position: N| N::from_f64(1.0) - (position - N::from_f64(at as f64)).abs();
            let (of_row, of_column) = (near(y, row), near(x, column));
            if of_row.value() > 0.0 && of_column.value() > 0.0 {
                sum = sum + of_row * of_column * h.as_slice()[memory([n, c, y, x], shape)];
            }
        }
        sum
    }))
}

fn spectral_norm<N: Number>(inputs: &[Rc<Array<N>>]) -> Array<N> {
    let (rows, u, v) = (inputs[0].shape()[0], inputs[2].as_slice(), inputs[3].as_slice());
    let mut sum = N::from_f64(0.0);
    for (row, &u) in u.iter().enumerate() {
        let kernels = inputs[..2].iter().flat_map(|kernel| {
            let columns = kernel.as_slice().len() / rows;
            &kernel.as_slice()[row * columns..(row + 1) * columns]
        });
        for (&w, &v) in kernels.zip(v) {
            // The vectors are no variables.
            sum = sum + w * N::from_f64(u.value()) * N::from_f64(v.value());
        }
    }
    Array::from_fn(&[1], |_| sum)
}
