//! Cells, each written once over the operations of [`graph`](crate::composed::graph).

mod gru;
mod lstm;
mod traj_gru;

use std::ops::Range;

use super::cell_config::{CellConfig, CellKind};
use super::parameter_spec::ParameterSpec;
use crate::composed::graph::{Convolution, Op, Operations, Pad, PaddingMode};
use crate::error::Result;

/// A cell with its weights at hand.
pub(super) trait Cell<O: Operations> {
    /// What depends on the input alone, of any number of steps at once: images of all steps, one after the other.
    fn input_parts(&self, ops: &mut O, x: &O::Value) -> Result<Vec<O::Value>>;

    /// One step. No state is a state of zeros, and costs no convolution of it.
    fn step(
        &self,
        ops: &mut O,
        parts: &[O::Value],
        states: Option<&[O::Value]>,
        beside: &Beside<O::Value>,
    ) -> Result<Vec<O::Value>>;
}

/// A cell of any kind.
#[derive(Debug)]
pub(super) enum AnyCell<'c, V> {
    Gru(gru::Gru<'c, V>),
    Lstm(lstm::Lstm<'c, V>),
    TrajGru(traj_gru::TrajGru<'c, V>),
}

impl<O: Operations> Cell<O> for AnyCell<'_, O::Value> {
    fn input_parts(&self, ops: &mut O, x: &O::Value) -> Result<Vec<O::Value>> {
        match self {
            Self::Gru(cell) => cell.input_parts(ops, x),
            Self::Lstm(cell) => cell.input_parts(ops, x),
            Self::TrajGru(cell) => cell.input_parts(ops, x),
        }
    }

    fn step(
        &self,
        ops: &mut O,
        parts: &[O::Value],
        states: Option<&[O::Value]>,
        beside: &Beside<O::Value>,
    ) -> Result<Vec<O::Value>> {
        match self {
            Self::Gru(cell) => cell.step(ops, parts, states, beside),
            Self::Lstm(cell) => cell.step(ops, parts, states, beside),
            Self::TrajGru(cell) => cell.step(ops, parts, states, beside),
        }
    }
}

/// What a step sees besides input and state.
#[derive(Debug, Clone)]
pub(super) struct Beside<V> {
    /// `[M, 3 hidden, H, W]`, added to the sums of the gates.
    pub(super) context: Option<V>,
    /// What the part of the state that gates see is multiplied with.
    pub(super) seen: Option<V>,
    /// The part of the state that is renewed.
    pub(super) renewed: Option<V>,
}

impl<V> Default for Beside<V> {
    fn default() -> Self {
        Self { context: None, seen: None, renewed: None }
    }
}

/// A layer: what it is, and where its parameters are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'c> {
    pub(super) config: &'c CellConfig,
    pub(super) specs: &'c [ParameterSpec],
    /// The place of its first parameter among the parameters of the network.
    pub(super) first: usize,
    /// Planes of a volume; 1 for images.
    pub(super) depth: usize,
}

/// What a convolution reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Input,
    State,
    /// The state of the layer below.
    Lower,
}

impl<'c> Layer<'c> {
    /// The cell of the layer.
    pub(super) fn cell<O: Operations>(self, ops: &mut O) -> Result<AnyCell<'c, O::Value>> {
        Ok(match self.config.kind {
            CellKind::Gru => AnyCell::Gru(gru::Gru::new(self, ops)?),
            CellKind::Lstm => AnyCell::Lstm(lstm::Lstm::new(self, ops)?),
            CellKind::TrajGru => AnyCell::TrajGru(traj_gru::TrajGru::new(self, ops)?),
        })
    }

    /// The parameter of a name, where the layer has it.
    fn find<O: Operations>(&self, ops: &mut O, name: &str) -> Option<O::Value> {
        let index = self.specs.iter().position(|spec| spec.name == name)?;
        Some(ops.parameter(self.first + index))
    }

    /// The parameter of a name that every layer of its kind has.
    fn get<O: Operations>(&self, ops: &mut O, name: &str) -> O::Value {
        self.find(ops, name).unwrap_or_else(|| unreachable!("layers of this kind have `{name}`"))
    }

    /// The convolution of a kernel over input or state, by some of its rows.
    fn convolve<O: Operations>(
        &self,
        ops: &mut O,
        reads: Reads,
        x: &O::Value,
        kernel: &O::Value,
        rows: Range<usize>,
        bias: Option<&O::Value>,
    ) -> Result<O::Value> {
        let config = self.config;
        let shape = ops.shape(kernel);
        let mut x = x.clone();
        if let &[_, _, depth, _, _] = shape.as_slice() {
            x = ops.apply(Op::UnfoldDepth { depth: self.depth, kernel: depth }, &[x])?;
        }
        let (dilation, stride, groups) = match reads {
            Reads::Input => (config.input_dilation, config.input_stride, config.input_groups),
            Reads::State => (config.dilation, [1, 1], config.groups),
            Reads::Lower => ([1, 1], [1, 1], 1),
        };
        let kernel_size = [shape[shape.len() - 2], shape[shape.len() - 1]];
        let mut convolution = Convolution::same(&shape, config.precision.into());
        convolution.rows = rows;
        convolution.groups = groups;
        (convolution.dilation, convolution.stride) = (dilation, stride);
        convolution.padding = match reads {
            Reads::Input if kernel_size == config.input_kernel() => config.padding_of_input(),
            _ => [0, 1].map(|axis| dilation[axis] * convolution.padding[axis]),
        };
        if config.padding_mode != [PaddingMode::Zeros; 2] && convolution.padding != [0, 0] {
            let pad = Pad { size: convolution.padding, modes: config.padding_mode };
            x = ops.apply(Op::Pad(pad), &[x])?;
            convolution.padding = [0, 0];
        }
        let mut operands = vec![x, kernel.clone()];
        operands.extend(bias.cloned());
        ops.apply(Op::Convolve(convolution), &operands)
    }

    /// A dense convolution by a whole kernel that keeps the size, with zeros beyond the edge.
    fn convolve_plainly<O: Operations>(
        &self,
        ops: &mut O,
        x: &O::Value,
        kernel: &O::Value,
        bias: Option<&O::Value>,
    ) -> Result<O::Value> {
        let convolution = Convolution::same(&ops.shape(kernel), self.config.precision.into());
        let mut operands = vec![x.clone(), kernel.clone()];
        operands.extend(bias.cloned());
        ops.apply(Op::Convolve(convolution), &operands)
    }

    /// The sums of the gates, with what update and reset gate see of the state of the layer below.
    pub(super) fn add_lower<O: Operations>(
        &self,
        ops: &mut O,
        part: &O::Value,
        lower: &O::Value,
    ) -> Result<O::Value> {
        let hidden = self.config.hidden_channels;
        let kernel = self.get(ops, "lower_weights");
        let added = self.convolve(ops, Reads::Lower, lower, &kernel, 0..2 * hidden, None)?;
        let gates = ops.channels(part, 0..2 * hidden)?;
        let gates = ops.add(&gates, &added)?;
        let candidate = ops.channels(part, 2 * hidden..3 * hidden)?;
        ops.join_channels(&[gates, candidate])
    }

    /// What the gates see of a state.
    fn seen<O: Operations>(
        &self,
        ops: &mut O,
        state: &O::Value,
        beside: &Beside<O::Value>,
    ) -> Result<O::Value> {
        match &beside.seen {
            Some(part) => ops.multiply(part, state),
            None => Ok(state.clone()),
        }
    }

    /// The state after a step whose part is renewed.
    fn renew<O: Operations>(
        &self,
        ops: &mut O,
        new: O::Value,
        old: Option<&O::Value>,
        beside: &Beside<O::Value>,
    ) -> Result<O::Value> {
        match (&beside.renewed, old) {
            (Some(part), Some(old)) => ops.blend(part, &new, old),
            (Some(part), None) => ops.multiply(part, &new),
            (None, _) => Ok(new),
        }
    }
}
