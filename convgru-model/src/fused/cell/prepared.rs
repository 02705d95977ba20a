//! A cell with its weights packed: the two halves of a step and of its backward pass.

use std::iter;

use convgru_kernels::conv::{self, ConvShape, PackedWeights, Padding, WriteMode};
use convgru_kernels::gates::{
    self, CandidateBackward, CellWeights, FirstStep, InputPart, ResetAfterBackward, ResetAfterStep,
    ResetBackward,
};
use convgru_kernels::{Extent, FeatureMapsMut, FeatureMapsRef, Scalar, Scratchpad};

use super::GATES;
use super::options::CellOptions;
use super::parameters::{CellParameters, CellShape};
use crate::config::ResetGate;
use crate::error::Result;
use crate::tensor::Tensor;

/// A cell whose weights are packed for the kernels. Valid until the weights change.
#[derive(Debug, Clone)]
pub(crate) struct PreparedCell<'w, T> {
    shape: CellShape,
    options: CellOptions,
    input: PackedWeights<'w, T>,
    update_and_reset: PackedWeights<'w, T>,
    candidate: PackedWeights<'w, T>,
}

impl<'w, T: Scalar> PreparedCell<'w, T> {
    /// Without `input` the cell's input is always zero and has no channels here.
    pub(crate) fn new(
        parameters: &'w CellParameters<T>,
        options: CellOptions,
        input: CellInput,
    ) -> Result<Self> {
        let CellParameters { input_weights, hidden_weights, bias, hidden_bias, .. } = parameters;
        let shape = input.shape_of(parameters);
        let convolutions = convolutions(shape, options);
        let input = pack_input(&convolutions, input.weights_of(input_weights), bias.as_ref())?;
        let [update_and_reset, candidate] =
            pack_hidden(&convolutions, hidden_weights.as_slice(), hidden_bias.as_ref())?;
        Ok(Self { shape, options, input, update_and_reset, candidate })
    }

    /// A cell for forward passes only. Each tensor is dropped as soon as it is packed.
    pub(crate) fn forward_only(
        parameters: CellParameters<T>,
        options: CellOptions,
        input: CellInput,
    ) -> Result<PreparedCell<'static, T>> {
        let shape = input.shape_of(&parameters);
        let convolutions = convolutions(shape, options);
        let CellParameters { input_weights, hidden_weights, bias, hidden_bias, .. } = parameters;
        let input = pack_input(&convolutions, input.weights_of(&input_weights), bias.as_ref())?;
        let input = input.into_forward_only()?;
        drop(input_weights);
        let [update_and_reset, candidate] =
            pack_hidden(&convolutions, hidden_weights.as_slice(), hidden_bias.as_ref())?;
        let update_and_reset = update_and_reset.into_forward_only()?;
        let candidate = candidate.into_forward_only()?;
        Ok(PreparedCell { shape, options, input, update_and_reset, candidate })
    }

    /// Channels and kernel.
    pub(crate) fn shape(&self) -> CellShape {
        self.shape
    }

    /// Rows and columns that the kernels over the state reach over the edge of an image.
    pub(crate) fn halo(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.options.dilation[axis] * (self.shape.kernel[axis] / 2))
    }

    /// Rows and columns that the kernels over the input reach over the edge of an image.
    pub(crate) fn input_halo(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.options.input_dilation[axis] * (self.shape.input_kernel[axis] / 2))
    }

    /// The input half of all gates, `W*x + b`, of any number of images.
    pub(crate) fn convolve_input(
        &self,
        input: FeatureMapsRef<'_, T>,
        gates: FeatureMapsMut<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        Ok(conv::forward(&self.input, input, gates, WriteMode::Overwrite, scratch)?)
    }

    /// Gives the memory of the packed weights of the input back, which are not needed for a while.
    pub(crate) fn release_input(&mut self) {
        self.input.release();
    }

    /// Whether steps read their inputs themselves, instead of finding `W*x + b` in the gates.
    pub(crate) fn joins_input(&self, state: Extent) -> bool {
        self.shape.reset == ResetGate::Before && gates::joins_input(self.weights(), state)
    }

    /// Whether a first step without a state reads its input itself: it needs no reset gate then.
    pub(crate) fn joins_first_input(&self) -> bool {
        self.shape.reset == ResetGate::Before
    }

    /// A step. Without a state no hidden convolution is done.
    pub(crate) fn step(&self, step: CellStep<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
        let CellStep { input, gates, keep_gates, hidden, reset_hidden, memory, next } = step;
        let weights = self.weights();
        if let Some(memory) = memory {
            let CellWeights { update_and_reset, candidate, .. } = weights;
            let activations = self.options.activations;
            let step =
                ResetAfterStep { update_and_reset, candidate, gates, hidden, memory, next, activations };
            return Ok(gates::step_reset_after(step, scratch)?);
        }
        let input = input.map_or(InputPart::InGates, InputPart::Maps);
        Ok(match hidden {
            Some(hidden) => gates::step(
                gates::Step { weights, input, gates, keep_gates, hidden, reset_hidden, next },
                scratch,
            ),
            None => gates::first_step(FirstStep { weights, input, gates, keep_gates, next }, scratch),
        }?)
    }

    fn weights(&self) -> CellWeights<'_, T> {
        let Self { options, input, update_and_reset, candidate, .. } = self;
        CellWeights { input, update_and_reset, candidate, activations: options.activations }
    }

    /// The backward pass of [`step`](Self::step).
    ///
    /// `d_hidden` enters as the gradient of the state after the step and leaves as the
    /// gradient of the state before it; `d_gates` receives the gradients before the
    /// activations.
    pub(crate) fn recur_backward(
        &self,
        step: CellStepBackward<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let CellStepBackward { gates, hidden, memory, mut d_hidden, mut d_gates, mut products } = step;
        let activations = self.options.activations;
        let first = CandidateBackward {
            gates,
            hidden,
            d_hidden: d_hidden.reborrow(),
            d_gates: d_gates.reborrow(),
            activations,
        };
        gates::candidate_backward(first, scratch.isa())?;
        if let Some(memory) = memory {
            let (d_gates, d_memory) = (d_gates.reborrow(), products.reborrow());
            let second = ResetAfterBackward { gates, memory, d_gates, d_memory, activations };
            gates::reset_after_backward(second, scratch.isa())?;
        }
        let Some(hidden) = hidden else { return Ok(()) };
        if memory.is_some() {
            let (d_memory, d_hidden) = (products.as_ref(), d_hidden.reborrow());
            conv::input_gradient(&self.candidate, d_memory, d_hidden, WriteMode::Add, scratch)?;
        } else {
            let second = ResetBackward {
                weights: &self.candidate,
                gates,
                hidden,
                d_hidden: d_hidden.reborrow(),
                d_gates: d_gates.reborrow(),
                activations,
            };
            gates::reset_backward(second, scratch)?;
        }
        let d_update_and_reset = d_gates.as_ref().sections(0..2);
        conv::input_gradient(&self.update_and_reset, d_update_and_reset, d_hidden, WriteMode::Add, scratch)?;
        Ok(())
    }

    /// The gradient of the input from those before the activations: `dX = W^T*A`.
    pub(crate) fn input_gradient(
        &self,
        d_gates: FeatureMapsRef<'_, T>,
        d_input: FeatureMapsMut<'_, T>,
        mode: WriteMode,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        Ok(conv::input_gradient(&self.input, d_gates, d_input, mode, scratch)?)
    }

    /// Adds the gradients of W and b, of any number of images: `dW += A (x) X`, `db += sum A`.
    pub(crate) fn input_weight_gradients(
        &self,
        input: FeatureMapsRef<'_, T>,
        d_gates: FeatureMapsRef<'_, T>,
        gradients: &mut CellParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        if self.shape.in_channels > 0 {
            let d_weights = gradients.input_weights.as_mut_slice();
            conv::weight_gradient(&self.input.shape(), input, d_gates, d_weights, scratch)?;
        }
        if let Some(d_bias) = &mut gradients.bias {
            conv::bias_gradient(d_gates, d_bias.as_mut_slice())?;
        }
        Ok(())
    }

    /// Adds the gradients of U, of any number of images, each with the state before its
    /// step: `dUzr += A_zr (x) H`, `dUn += A_n (x) (R.H)`, or `dUn += DU (x) H` where the reset gate acts after
    /// the convolution.
    ///
    /// `products` is memory for `R.H`, `[N, hidden, H, W]`, or holds `DU`.
    pub(crate) fn hidden_weight_gradients(
        &self,
        images: RecurrentImages<'_, T>,
        mut products: FeatureMapsMut<'_, T>,
        gradients: &mut CellParameters<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let RecurrentImages { gates, hidden, d_gates } = images;
        let [two, one] = [self.update_and_reset.shape(), self.candidate.shape()];
        let (first, last) = gradients.hidden_weights.as_mut_slice().split_at_mut(two.weight_len());
        conv::weight_gradient(&two, hidden, d_gates.sections(0..2), first, scratch)?;
        match self.shape.reset {
            ResetGate::Before => {
                gates::reset_hidden(gates, hidden, products.reborrow(), scratch.isa())?;
                let d_candidate = d_gates.sections(2..GATES);
                conv::weight_gradient(&one, products.as_ref(), d_candidate, last, scratch)?;
            }
            ResetGate::After => conv::weight_gradient(&one, hidden, products.as_ref(), last, scratch)?,
        }
        Ok(())
    }

    /// Adds the gradient of the candidate's bias of the state, `dcn += sum DU`, where there is one.
    pub(crate) fn hidden_bias_gradient(
        &self,
        products: FeatureMapsRef<'_, T>,
        gradients: &mut CellParameters<T>,
    ) -> Result<()> {
        match &mut gradients.hidden_bias {
            Some(d_bias) => Ok(conv::bias_gradient(products, d_bias.as_mut_slice())?),
            None => Ok(()),
        }
    }
}

/// The buffers of one step.
pub(crate) struct CellStep<'a, T> {
    /// The input, `[N, in_channels, H, W]`, unless the gates hold `W*x + b`.
    pub(crate) input: Option<FeatureMapsRef<'a, T>>,
    /// `W*x + b` on entry where no input is given, the gates on return, `[N, 3 hidden, H, W]`.
    pub(crate) gates: FeatureMapsMut<'a, T>,
    /// Whether all gates are written, for the backward pass.
    pub(crate) keep_gates: bool,
    /// The state before the step, `[N, hidden, H, W]`; `None` is zero.
    pub(crate) hidden: Option<FeatureMapsRef<'a, T>>,
    /// Scratch for `r.h`, `[N, hidden, H, W]`.
    pub(crate) reset_hidden: FeatureMapsMut<'a, T>,
    /// Receives `u = Un*h + cn` where the reset gate acts after that, `[N, hidden, H, W]`.
    pub(crate) memory: Option<FeatureMapsMut<'a, T>>,
    /// Receives the state after the step, `[N, hidden, H, W]`.
    pub(crate) next: FeatureMapsMut<'a, T>,
}

/// The buffers of the backward pass of one step.
pub(crate) struct CellStepBackward<'a, T> {
    /// The gates of the step.
    pub(crate) gates: FeatureMapsRef<'a, T>,
    /// The state before the step.
    pub(crate) hidden: Option<FeatureMapsRef<'a, T>>,
    /// `u` of the step, where the reset gate acts after it.
    pub(crate) memory: Option<FeatureMapsRef<'a, T>>,
    /// Gradient of the state after the step on entry, before it on return.
    pub(crate) d_hidden: FeatureMapsMut<'a, T>,
    /// Receives the gradients before the activations.
    pub(crate) d_gates: FeatureMapsMut<'a, T>,
    /// Receives the gradient of `u`, where there is one, `[N, hidden, H, W]`.
    pub(crate) products: FeatureMapsMut<'a, T>,
}

/// Images of any number of steps with the states they started from.
#[derive(Clone, Copy)]
pub(crate) struct RecurrentImages<'a, T> {
    /// `[M, 3 hidden, H, W]`
    pub(crate) gates: FeatureMapsRef<'a, T>,
    /// `[M, hidden, H, W]`
    pub(crate) hidden: FeatureMapsRef<'a, T>,
    /// `[M, 3 hidden, H, W]`
    pub(crate) d_gates: FeatureMapsRef<'a, T>,
}

/// Whether a cell reads an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellInput {
    /// The input of its configuration.
    Read,
    /// Always zero.
    Zero,
}

impl CellInput {
    /// The inputs of the cells of a stack, of which the lowest is this one.
    pub(crate) fn and_above(self) -> impl Iterator<Item = Self> {
        iter::once(self).chain(iter::repeat(Self::Read))
    }

    fn shape_of<T: Scalar>(self, parameters: &CellParameters<T>) -> CellShape {
        match self {
            Self::Read => parameters.shape(),
            Self::Zero => CellShape { in_channels: 0, ..parameters.shape() },
        }
    }

    fn weights_of<T: Scalar>(self, input_weights: &Tensor<T>) -> &[T] {
        match self {
            Self::Read => input_weights.as_slice(),
            Self::Zero => &[],
        }
    }
}

fn pack_input<'w, T: Scalar>(
    [shape, _, _]: &[ConvShape; 3],
    weights: &'w [T],
    bias: Option<&Tensor<T>>,
) -> Result<PackedWeights<'w, T>> {
    Ok(PackedWeights::new(*shape, weights)?.with_bias(bias.map(Tensor::as_slice))?)
}

/// The weights of the state: of update and reset gate, and of the candidate.
fn pack_hidden<'w, T: Scalar>(
    [_, two, one]: &[ConvShape; 3],
    weights: &'w [T],
    bias: Option<&Tensor<T>>,
) -> Result<[PackedWeights<'w, T>; 2]> {
    let (first, last) = weights.split_at(two.weight_len());
    let candidate = PackedWeights::new(*one, last)?.with_bias(bias.map(Tensor::as_slice))?;
    Ok([PackedWeights::new(*two, first)?, candidate])
}

/// The convolutions of a cell: of the input for all gates, of the state for update and
/// reset, of the reset state for the candidate.
fn convolutions(shape: CellShape, options: CellOptions) -> [ConvShape; 3] {
    let CellShape { in_channels, hidden_channels: hidden, kernel, input_kernel, .. } = shape;
    let CellOptions { dilation, input_dilation, precision, .. } = options;
    let (of_input, of_state) = ((input_kernel, input_dilation), (kernel, dilation));
    let all = [(in_channels, GATES, of_input), (hidden, 2, of_state), (hidden, 1, of_state)];
    all.map(|(inputs, gates, (kernel, dilation))| ConvShape {
        precision,
        dilation,
        padding: Padding::same(kernel, dilation),
        out_sections: gates,
        ..ConvShape::same(inputs, gates * hidden, kernel)
    })
}
