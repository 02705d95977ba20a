//! The shape of a sequence as users give it, and the images the cells work on.

use convgru_kernels::Scalar;

use super::config::{RecurrentConfig, Wiring};
use crate::error::{Error, Result, expect_count};
use crate::memory;
use crate::sequence::{Sequence, expect_steps};
use crate::tensor::{Tensor, expect_shape};

/// The dimensions of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SequenceShape {
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) depth: usize,
    /// Dimensions of space: 1, 2 or 3.
    spatial_dims: usize,
}

impl SequenceShape {
    /// Of images.
    pub(crate) fn of_images(steps: usize, batch: usize) -> Self {
        Self { steps, batch, depth: 1, spatial_dims: 2 }
    }

    pub(super) fn of<T: Scalar>(sequence: Sequence<'_, T>, config: &RecurrentConfig) -> Result<Self> {
        expect_count("inputs", config.inputs(), sequence.inputs.len())?;
        let shape = sequence.inputs[0].shape();
        let depth = if shape.len() == 6 { shape[3] } else { 1 };
        if !(4..=6).contains(&shape.len()) || shape.iter().enumerate().any(|(i, &d)| d == 0 && i != 2) {
            return Err(Error::ShapeMismatch {
                what: "input".into(),
                expected: "[T, N, C, W], [T, N, C, H, W] or [T, N, C, D, H, W], all at least 1".into(),
                got: shape.to_vec(),
            });
        }
        let dims = Self { steps: shape[0], batch: shape[1], depth, spatial_dims: shape.len() - 3 };
        for (index, input) in sequence.inputs.iter().enumerate() {
            let got = input.shape();
            let mut expected = got.to_vec();
            if got.len() == shape.len() {
                expected[..2].copy_from_slice(&shape[..2]);
                expected[2] = config.in_channels(index);
            } else {
                expected = shape.to_vec();
            }
            expect_shape(&format!("input {index}"), got, &expected)?;
        }
        sequence.expect_lengths(dims.steps, dims.batch)?;
        let contexts = config.cells().filter(|cell| cell.context == super::Context::Additive).count();
        expect_count("contexts", contexts, sequence.contexts.len())?;
        dims.expect_memory(sequence, config)?;
        dims.expect_states(sequence, config)?;
        Ok(dims)
    }

    /// Fails for sequences whose states the machine cannot hold, or that are given by their size alone and too long.
    fn expect_memory<T: Scalar>(&self, sequence: Sequence<'_, T>, config: &RecurrentConfig) -> Result<()> {
        for input in sequence.inputs {
            if input.shape()[2] == 0 {
                expect_steps("steps without input", self.steps)?;
            }
            let pixels = [&input.shape()[..2], &input.shape()[3..]].concat();
            memory::expect_bytes("input", memory::bytes_of::<T>(&pixels))?;
        }
        let bytes = self.bytes_of_states::<T>(&spaces(sequence), config);
        memory::expect_bytes("the states of a sequence", bytes)
    }

    /// Bytes of the states of all steps, and of the input's products for the gates; `spaces` are the dimensions of space of each input.
    pub(crate) fn bytes_of_states<T: Scalar>(&self, spaces: &[&[usize]], config: &RecurrentConfig) -> u128 {
        let mut bytes = 0u128;
        for ([_, state], cell) in sizes_of_cells(spaces, config).iter().zip(config.cells()) {
            let shape = [&[self.steps, self.batch, cell.hidden_channels], &state[..]].concat();
            // A state of each step, and before it what the input adds to at least three gates.
            let parts = if cell.in_channels > 0 { 1 + 3 } else { 1 };
            bytes = bytes.saturating_add(memory::bytes_of::<T>(&shape).saturating_mul(parts));
        }
        bytes
    }

    /// Checks states and contexts against the size of each cell's images.
    fn expect_states<T: Scalar>(&self, sequence: Sequence<'_, T>, config: &RecurrentConfig) -> Result<()> {
        let mut sizes = sizes_of_cells(&spaces(sequence), config).into_iter();
        let mut states = sequence.states.map(|states| states.iter());
        let mut contexts = sequence.contexts.iter();
        for (index, cell) in config.cells().enumerate() {
            let [_, size] = sizes.next().unwrap_or_default();
            let shape = |channels: usize| [&[self.batch, channels], &size[..]].concat();
            for state in 0..cell.states() {
                if let Some(given) = states.as_mut().map(Iterator::next) {
                    let got = given.map_or(&[][..], Tensor::shape);
                    expect_shape(
                        &format!("state {state} of cell {index}"),
                        got,
                        &shape(cell.hidden_channels),
                    )?;
                }
            }
            if cell.context == super::Context::Additive {
                let got = contexts.next().map_or(&[][..], Tensor::shape);
                expect_shape(&format!("context of cell {index}"), got, &shape(3 * cell.hidden_channels))?;
            }
        }
        let left = states.map_or(0, Iterator::count);
        expect_count("states that no cell has a place for", 0, left)
    }

    /// `[.., C, space]` as images, the planes of volumes one after the other.
    pub(super) fn images_of<T: Scalar>(&self, tensor: &Tensor<T>) -> Result<Tensor<T>> {
        let (shape, values) = self.planes_of(tensor.shape(), tensor.as_slice());
        Tensor::from_vec(&shape, values)
    }

    /// The inverse of [`images_of`](Self::images_of), with dimensions before the channels.
    pub(super) fn tensor_of<T: Scalar>(&self, images: &Tensor<T>, leading: &[usize]) -> Result<Tensor<T>> {
        let (shape, values) = self.public_of(images.shape(), images.as_slice(), leading);
        Tensor::from_vec(&shape, values)
    }

    /// [`tensor_of`](Self::tensor_of) of images that are not needed any more.
    pub(super) fn public_tensor<T: Scalar>(&self, images: Tensor<T>, leading: &[usize]) -> Result<Tensor<T>> {
        if self.spatial_dims == 3 {
            return self.tensor_of(&images, leading);
        }
        let shape = self.shape_of(images.shape(), leading);
        images.reshape(&shape)
    }

    /// [`images_of`](Self::images_of) of any kind of number: shape and values.
    pub(super) fn planes_of<V: Copy>(&self, shape: &[usize], values: &[V]) -> (Vec<usize>, Vec<V>) {
        let (leading, rest) = shape.split_at(shape.len() - self.spatial_dims - 1);
        let images: usize = leading.iter().product();
        match *rest {
            [channels, width] => (vec![images, channels, 1, width], values.to_vec()),
            [channels, height, width] => (vec![images, channels, height, width], values.to_vec()),
            [channels, depth, height, width] => {
                let values = swap_middle(values, [images, channels, depth, height * width]);
                (vec![images * depth, channels, height, width], values)
            }
            _ => unreachable!("space has one to three dimensions"),
        }
    }

    /// The shape of images as users give and get them, with dimensions before the channels.
    pub(super) fn shape_of(&self, images: &[usize], leading: &[usize]) -> Vec<usize> {
        let &[_, channels, height, width] = images else { unreachable!("images have four dimensions") };
        let space = match self.spatial_dims {
            1 => vec![width],
            2 => vec![height, width],
            _ => vec![self.depth, height, width],
        };
        [leading, &[channels], &space[..]].concat()
    }

    /// [`tensor_of`](Self::tensor_of) of any kind of number: shape and values.
    pub(super) fn public_of<V: Copy>(
        &self,
        images: &[usize],
        values: &[V],
        leading: &[usize],
    ) -> (Vec<usize>, Vec<V>) {
        let shape = self.shape_of(images, leading);
        match self.spatial_dims {
            1 | 2 => (shape, values.to_vec()),
            _ => {
                let sizes = [images[0] / self.depth, self.depth, images[1], images[2] * images[3]];
                (shape, swap_middle(values, sizes))
            }
        }
    }
}

/// The dimensions of space of each input.
pub(super) fn spaces<'a, T: Scalar>(sequence: Sequence<'a, T>) -> Vec<&'a [usize]> {
    sequence.inputs.iter().map(|input| &input.shape()[3..]).collect()
}

/// The dimensions of space of the input of each cell, and of its state.
fn sizes_of_cells(spaces: &[&[usize]], config: &RecurrentConfig) -> Vec<[Vec<usize>; 2]> {
    let mut size = spaces[0].to_vec();
    let mut sizes = Vec::new();
    let mut cells = 0;
    for stage in &config.stages {
        match config.wiring {
            Wiring::GruRcn { .. } => size = spaces[cells].to_vec(),
            Wiring::Levels if cells > 0 => {
                let last = size.len().saturating_sub(2);
                size[last..].iter_mut().for_each(|size| *size = size.div_ceil(2));
            }
            _ => {}
        }
        let input = size.clone();
        let last = match size[..] {
            [.., height, width] => [height, width],
            _ => [1, size[0]],
        };
        let [height, width] = match stage {
            super::Stage::Cell(cell) => cell.state_size(last),
            super::Stage::Convolution(config) | super::Stage::Residual(config) => {
                [0, 1].map(|axis| last[axis].div_ceil(config.stride[axis]))
            }
        };
        match &mut size[..] {
            [.., rows, columns] => (*rows, *columns) = (height, width),
            columns => columns[0] = width,
        }
        if matches!(stage, super::Stage::Cell(_)) {
            sizes.push([input, size.clone()]);
            cells += 1;
        }
    }
    sizes
}

/// Height and width of the images that each cell reads, and of its states.
pub(crate) fn sizes_of_images(spaces: &[&[usize]], config: &RecurrentConfig) -> Vec<[[usize; 2]; 2]> {
    let image = |size: &[usize]| match *size {
        [width] => [1, width],
        [.., height, width] => [height, width],
        [] => [1, 1],
    };
    let sizes = sizes_of_cells(spaces, config);
    sizes.iter().map(|[input, state]| [image(input), image(state)]).collect()
}

/// `[a, b, c, d]` as `[a, c, b, d]`.
fn swap_middle<V: Copy>(values: &[V], [a, b, c, d]: [usize; 4]) -> Vec<V> {
    let mut swapped = Vec::with_capacity(values.len());
    for i in 0..a {
        for k in 0..c {
            for j in 0..b {
                swapped.extend_from_slice(&values[((i * b + j) * c + k) * d..][..d]);
            }
        }
    }
    swapped
}
