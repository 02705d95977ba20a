//! The ConvGRU cell and its stack, by the equations.

use convgru_kernels::conv::{ConvShape, Padding};
use convgru_kernels::reference::{self, Number};

use super::array::{Array, NamedArrays};
use super::layer::activation;
use crate::config::{ConvGruConfig, ResetGate};
use crate::error::{Result, expect_count};
use crate::layer::Activation;

/// What a cell computes with its parameters. The default are sigmoid, tanh and kernels without gaps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CellOptions {
    /// The function of update and reset gate.
    pub(crate) gate_activation: Activation,
    /// The function of the candidate.
    pub(crate) candidate_activation: Activation,
    /// Rows and columns from tap to tap of the kernels over the state.
    pub(crate) dilation: [usize; 2],
    /// Rows and columns from tap to tap of the kernels over the input.
    pub(crate) input_dilation: [usize; 2],
}

impl Default for CellOptions {
    fn default() -> Self {
        Self {
            gate_activation: Activation::Sigmoid,
            candidate_activation: Activation::Tanh,
            dilation: [1, 1],
            input_dilation: [1, 1],
        }
    }
}

impl CellOptions {
    /// The functions of a configuration.
    pub(crate) fn of(config: &ConvGruConfig) -> Self {
        Self {
            gate_activation: config.gate_activation,
            candidate_activation: config.candidate_activation,
            dilation: config.dilation,
            input_dilation: config.input_dilation.unwrap_or(config.dilation),
        }
    }
}

/// The parameters of one layer: three gates in the order update, reset, candidate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellParameters<'a, N> {
    /// `[3 * hidden, in_channels, kh, kw]`, W; none for a layer without input.
    pub(crate) input_weights: Option<&'a Array<N>>,
    /// `[3 * hidden, hidden, kh, kw]`, U.
    pub(crate) hidden_weights: &'a Array<N>,
    /// `[3 * hidden]`, b; none for zeros.
    pub(crate) bias: Option<&'a Array<N>>,
    /// `[hidden]`, c, where the reset gate acts after the convolution of the state; none for zeros.
    pub(crate) hidden_bias: Option<&'a Array<N>>,
    /// Where the reset gate acts.
    pub(crate) reset: ResetGate,
    /// What the cell computes with them.
    pub(crate) options: CellOptions,
}

impl<'a, N: Number> CellParameters<'a, N> {
    /// The parameters called `{prefix}input_weights`, `{prefix}hidden_weights`, `{prefix}bias` and
    /// `{prefix}hidden_bias`, all but the second of which may be missing, of a cell whose reset gate acts
    /// before the convolution of the state, with the default options.
    ///
    /// # Errors
    /// [`Error::MissingTensor`](crate::Error::MissingTensor) without hidden weights.
    pub(crate) fn find(parameters: &'a NamedArrays<N>, prefix: &str) -> Result<Self> {
        Ok(Self {
            input_weights: parameters.find(&format!("{prefix}input_weights")),
            hidden_weights: parameters.get(&format!("{prefix}hidden_weights"))?,
            bias: parameters.find(&format!("{prefix}bias")),
            hidden_bias: parameters.find(&format!("{prefix}hidden_bias")),
            reset: ResetGate::Before,
            options: CellOptions::default(),
        })
    }

    /// The parameters of a stack of `layers` layers, called
    /// `{prefix}layers.0.input_weights` and so on.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(crate) fn find_stack(
        parameters: &'a NamedArrays<N>,
        prefix: &str,
        layers: usize,
    ) -> Result<Vec<Self>> {
        (0..layers).map(|layer| Self::find(parameters, &format!("{prefix}layers.{layer}."))).collect()
    }

    /// Channels of the hidden state.
    pub(crate) fn hidden_channels(&self) -> usize {
        self.hidden_weights.shape().get(1).copied().unwrap_or(0)
    }
}

/// One step of a cell.
///
/// ```text
/// z = sigmoid(Wz*x + Uz*h + bz)     r = sigmoid(Wr*x + Ur*h + br)
/// n = tanh(Wn*x + Un*(r.h) + bn)    h' = h + z.(n - h)
/// ```
/// Where the reset gate acts after the convolution, `n = tanh(Wn*x + bn + r.(Un*h + cn))`. The options may have
/// other functions in the place of `sigmoid` and `tanh`.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]` or none, `state`: `[N, hidden, H, W]`;
/// returns the new state.
///
/// # Errors
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or
/// [`Error::Kernel`](crate::Error::Kernel) for shapes that do not fit together.
pub(crate) fn cell_step<N: Number>(
    cell: &CellParameters<'_, N>,
    input: Option<&Array<N>>,
    state: &Array<N>,
) -> Result<Array<N>> {
    let CellGates { update, candidate, .. } = cell_gates(cell, input, state)?;
    let at = |array: &Array<N>, i: usize| array.as_slice()[i];
    let blend = |i: usize, h: N| h + at(&update, i) * (at(&candidate, i) - h);
    Ok(Array::from_fn(state.shape(), |i| blend(i, at(state, i))))
}

/// The gates of a step, `[N, hidden, H, W]` each.
#[derive(Debug, Clone)]
pub(crate) struct CellGates<N> {
    /// z
    pub(crate) update: Array<N>,
    /// r
    pub(crate) reset: Array<N>,
    /// n
    pub(crate) candidate: Array<N>,
}

/// The gates of one [step](cell_step) of a cell.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]` or none, `state`: `[N, hidden, H, W]`.
///
/// # Errors
/// As [`cell_step`].
pub(crate) fn cell_gates<N: Number>(
    cell: &CellParameters<'_, N>,
    input: Option<&Array<N>>,
    state: &Array<N>,
) -> Result<CellGates<N>> {
    let CellOptions { gate_activation, candidate_activation, .. } = cell.options;
    let of_gate = |a: N| activation(gate_activation, a);
    let update = GateSums(cell, 0).sum(input, state)?.map(of_gate);
    let reset = GateSums(cell, 1).sum(input, state)?.map(of_gate);
    let candidate = GateSums(cell, 2);
    let times_reset =
        |array: &Array<N>| Array::from_fn(state.shape(), |i| reset.as_slice()[i] * array.as_slice()[i]);
    let a_n = match cell.reset {
        ResetGate::Before => candidate.sum(input, &times_reset(state))?,
        ResetGate::After => {
            let mut memory = candidate.of_state(state)?;
            if let Some(bias) = cell.hidden_bias {
                let extent = memory.extent()?;
                reference::add_bias(extent, bias.as_slice(), memory.as_mut_slice())?;
            }
            let mut sum = times_reset(&memory);
            candidate.add_input(input, &mut sum)?;
            sum
        }
    };
    let candidate = a_n.map(|a| activation(candidate_activation, a));
    Ok(CellGates { update, reset, candidate })
}

/// One of the three gates: the cell and the gate's place in the order.
struct GateSums<'a, 'b, N>(&'a CellParameters<'b, N>, usize);

impl<N: Number> GateSums<'_, '_, N> {
    /// `W*x + U*s + b`
    fn sum(&self, input: Option<&Array<N>>, state: &Array<N>) -> Result<Array<N>> {
        let mut sum = self.of_state(state)?;
        self.add_input(input, &mut sum)?;
        Ok(sum)
    }

    /// `U*s`
    fn of_state(&self, state: &Array<N>) -> Result<Array<N>> {
        let hidden = self.0.hidden_channels();
        let weights = self.0.hidden_weights.range(self.1 * hidden, hidden)?;
        same_convolution(state, &weights, self.0.options.dilation)
    }

    /// Adds `W*x + b`.
    fn add_input(&self, input: Option<&Array<N>>, sum: &mut Array<N>) -> Result<()> {
        let Self(cell, place) = *self;
        let hidden = cell.hidden_channels();
        let block = |array: &Array<N>| array.range(place * hidden, hidden);
        if let (Some(input), Some(weights)) = (input, cell.input_weights) {
            let from_input = same_convolution(input, &block(weights)?, cell.options.input_dilation)?;
            from_input.expect_shape("input part of a gate", sum.shape())?;
            for (a, &b) in sum.as_mut_slice().iter_mut().zip(from_input.as_slice()) {
                *a = *a + b;
            }
        }
        if let Some(bias) = cell.bias {
            let extent = sum.extent()?;
            reference::add_bias(extent, block(bias)?.as_slice(), sum.as_mut_slice())?;
        }
        Ok(())
    }
}

/// The convolution that keeps height and width.
fn same_convolution<N: Number>(
    input: &Array<N>,
    weights: &Array<N>,
    dilation: [usize; 2],
) -> Result<Array<N>> {
    let (image, kernel) = (input.extent()?, weights.extent()?);
    let size = [kernel.height, kernel.width];
    let padding = Padding::same(size, dilation);
    let shape = ConvShape { dilation, padding, ..ConvShape::same(kernel.channels, kernel.batch, size) };
    let mut output = Array::zeros(&shape.output_extent(image)?.dims());
    reference::convolution(&shape, image, input.as_slice(), weights.as_slice(), output.as_mut_slice())?;
    Ok(output)
}

/// One step of a stack: each layer reads the new state of the layer below.
///
/// # Shapes
/// `input`: `[N, in_channels, H, W]` or none, `states`: one `[N, hidden, H, W]` per
/// layer; returns the new states.
///
/// # Errors
/// As [`cell_step`].
pub(crate) fn stack_step<N: Number>(
    layers: &[CellParameters<'_, N>],
    input: Option<&Array<N>>,
    states: &[Array<N>],
) -> Result<Vec<Array<N>>> {
    let mut new: Vec<Array<N>> = Vec::new();
    for (layer, state) in layers.iter().zip(states) {
        let below = new.last().or(input);
        new.push(cell_step(layer, below, state)?);
    }
    Ok(new)
}

/// A stack over a sequence.
///
/// # Shapes
/// `input`: `[T, N, in_channels, H, W]`, `states`: one `[N, hidden, H, W]` per layer;
/// returns the states of all layers after every step, `[T][layer]`.
///
/// # Errors
/// As [`cell_step`].
pub(crate) fn stack_forward<N: Number>(
    layers: &[CellParameters<'_, N>],
    input: &Array<N>,
    states: &[Array<N>],
) -> Result<Vec<Vec<Array<N>>>> {
    let mut steps: Vec<Vec<Array<N>>> = Vec::new();
    for t in 0..input.shape().first().copied().unwrap_or(0) {
        let before = steps.last().map_or(states, Vec::as_slice);
        let after = stack_step(layers, Some(&input.index(t)?), before)?;
        steps.push(after);
    }
    Ok(steps)
}

/// A stack over a sequence whose samples are of different lengths: past its end a sample has the state at its end.
///
/// # Shapes
/// As [`stack_forward`]; `lengths`: one for each sample.
///
/// # Errors
/// As [`cell_step`], and [`Error::Count`](crate::Error::Count) without a length for each sample.
pub(crate) fn stack_forward_of_lengths<N: Number>(
    layers: &[CellParameters<'_, N>],
    input: &Array<N>,
    states: &[Array<N>],
    lengths: &[usize],
) -> Result<Vec<Vec<Array<N>>>> {
    let mut steps: Vec<Vec<Array<N>>> = Vec::new();
    for t in 0..input.shape().first().copied().unwrap_or(0) {
        let before = steps.last().map_or(states, Vec::as_slice);
        let mut after = stack_step(layers, Some(&input.index(t)?), before)?;
        for (after, before) in after.iter_mut().zip(before) {
            let batch = after.extent()?.batch;
            expect_count("lengths", batch, lengths.len())?;
            let image = after.as_slice().len() / batch.max(1);
            for (i, number) in after.as_mut_slice().iter_mut().enumerate() {
                if t >= lengths[i / image] {
                    *number = before.as_slice()[i];
                }
            }
        }
        steps.push(after);
    }
    Ok(steps)
}

/// The states of zeros a stack starts from.
///
/// # Shapes
/// One `[batch, hidden, height, width]` per layer.
pub(crate) fn zero_states<N: Number>(
    layers: &[CellParameters<'_, N>],
    batch: usize,
    [height, width]: [usize; 2],
) -> Vec<Array<N>> {
    layers.iter().map(|layer| Array::zeros(&[batch, layer.hidden_channels(), height, width])).collect()
}
