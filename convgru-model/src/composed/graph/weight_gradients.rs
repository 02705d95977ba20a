//! Gradients of kernels, of many steps at once.

use convgru_kernels::conv;
use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

use super::op::Convolution;
use super::tape::{NodeIndex, Source, Tape};
use crate::error::Result;
use crate::tensor::Tensor;

/// Numbers of inputs and results that are brought together at most, about: 16 MiB in `f32`. A single convolution may
/// have more.
const BLOCK_ELEMENTS: usize = 1 << 22;

/// Convolutions whose gradients of kernels are still to be computed: by the same kernel, one step after the other.
///
/// What is brought together depends on shapes and the order of operations alone.
#[derive(Debug)]
pub(super) struct WeightGradients<T> {
    blocks: Vec<Block<T>>,
    scratch: Scratchpad<T>,
}

/// Convolutions of one kernel over images of one size.
#[derive(Debug)]
struct Block<T> {
    call: Call,
    inputs: Vec<NodeIndex>,
    /// Of the results, in the order of the inputs; there is room for more.
    gradients: FeatureMaps<T>,
    /// Images in use.
    images: usize,
}

/// A convolution by its kernel, and the sizes of input and result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) kernel: NodeIndex,
    pub(super) convolution: Convolution,
    pub(super) extents: [Extent; 2],
}

impl Call {
    /// Whether another call reads the same kernel in the same way.
    fn is_like(&self, other: &Self) -> bool {
        let one = |call: &Self| call.extents.map(|extent| extent.with_batch(1));
        self.kernel == other.kernel && self.convolution == other.convolution && one(self) == one(other)
    }

    /// Images that are brought together, of `uses` such calls.
    fn most(&self, uses: usize) -> usize {
        let numbers: usize = self.extents.iter().map(|extent| extent.image_len()).sum();
        let images = self.extents[0].batch;
        (BLOCK_ELEMENTS / numbers.max(1)).min(uses.saturating_mul(images)).max(images)
    }
}

/// The gradients of the values of a tape.
#[derive(Debug)]
pub(crate) struct Gradients<T>(pub(super) Vec<Option<Tensor<T>>>);

impl<T: Scalar> Gradients<T> {
    /// The gradient of a value; none if the loss does not depend on it.
    pub(crate) fn take(&mut self, value: NodeIndex) -> Option<Tensor<T>> {
        self.0[value.0].take()
    }
}

/// Where gradients go: gradients of values of the tape, and gradients of parameters.
pub(super) struct Destination<'a, T> {
    pub(super) gradients: &'a mut Gradients<T>,
    pub(super) parameters: &'a mut [(String, Tensor<T>)],
}

impl<T: Scalar> Destination<'_, T> {
    /// The gradient of a value so far.
    pub(super) fn gradient_of(&mut self, tape: &Tape<'_, T>, value: NodeIndex) -> &mut Tensor<T> {
        match tape.nodes[value.0].source {
            Source::Parameter(index) => &mut self.parameters[index].1,
            _ => self.gradients.0[value.0].get_or_insert_with(|| Tensor::zeros(tape.tensor(value).shape())),
        }
    }
}

impl<T: Scalar> WeightGradients<T> {
    pub(super) fn new() -> Self {
        Self { blocks: Vec::new(), scratch: Scratchpad::new() }
    }

    /// Takes a convolution of an input, one of `uses` of its kernel, whose result has a gradient.
    pub(super) fn put(
        &mut self,
        tape: &Tape<'_, T>,
        (call, uses): (Call, usize),
        input: NodeIndex,
        gradient: FeatureMaps<T>,
        to: &mut Destination<'_, T>,
    ) -> Result<()> {
        let images = call.extents[0].batch;
        if call.most(uses) == images {
            // Nothing is brought together.
            self.blocks.push(Block { call, inputs: vec![input], gradients: gradient, images });
            self.finish(tape, self.blocks.len() - 1, to)?;
            self.blocks.pop();
            return Ok(());
        }
        let enough = call.extents[1].with_batch(call.most(uses));
        let place = match self.blocks.iter().position(|block| block.call.is_like(&call)) {
            Some(place) => place,
            None => {
                let gradients = FeatureMaps::zeros(enough)?;
                self.blocks.push(Block { call, inputs: Vec::new(), gradients, images: 0 });
                self.blocks.len() - 1
            }
        };
        let room = self.blocks[place].gradients.extent().batch;
        if self.blocks[place].images + images > room {
            self.finish(tape, place, to)?;
        }
        if images > room {
            // Calls of one kernel may have different numbers of images: the images of one step, or of several.
            self.blocks[place].gradients = FeatureMaps::zeros(enough)?;
        }
        let block = &mut self.blocks[place];
        let range = block.images..block.images + images;
        block.gradients.images_mut(range.clone()).copy_from(gradient.as_ref())?;
        block.inputs.push(input);
        block.images = range.end;
        Ok(())
    }

    /// Computes all that is there of a kernel, or of all.
    pub(super) fn finish_all(
        &mut self,
        tape: &Tape<'_, T>,
        kernel: Option<NodeIndex>,
        to: &mut Destination<'_, T>,
    ) -> Result<()> {
        for place in 0..self.blocks.len() {
            if kernel.is_none_or(|kernel| kernel == self.blocks[place].call.kernel) {
                self.finish(tape, place, to)?;
            }
        }
        self.blocks.retain(|block| kernel.is_some_and(|kernel| kernel != block.call.kernel));
        Ok(())
    }

    fn finish(&mut self, tape: &Tape<'_, T>, place: usize, to: &mut Destination<'_, T>) -> Result<()> {
        let block = &mut self.blocks[place];
        if block.images == 0 {
            return Ok(());
        }
        let Call { kernel, convolution, extents } = &block.call;
        let mut inputs = FeatureMaps::zeros(extents[0].with_batch(block.images))?;
        let mut first = 0;
        for &input in &block.inputs {
            let tensor = tape.tensor(input);
            let images = tensor.shape()[0];
            inputs.images_mut(first..first + images).read_nchw(tensor.as_slice())?;
            first += images;
        }
        let kernel_shape = tape.tensor(*kernel).shape().to_vec();
        let d_kernel = to.gradient_of(tape, *kernel);
        conv::weight_gradient(
            &convolution.shape(&kernel_shape),
            inputs.as_ref(),
            block.gradients.images(0..block.images),
            &mut d_kernel.as_mut_slice()[convolution.elements(&kernel_shape)],
            &mut self.scratch,
        )?;
        block.inputs.clear();
        block.images = 0;
        Ok(())
    }
}
