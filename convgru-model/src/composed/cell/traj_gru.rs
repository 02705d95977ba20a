//! The trajectory GRU (Shi et al. 2017, arXiv 1706.03458): the gates see the state where it came from.
//!
//! ```text
//! f = a(Wf*x + Uf*h + bf)     v = V*f + bv     h_l(p) = h(p - v_l(p))
//! [uz ur un] = U [h_1 .. h_L]                  n = a(Wn*x + bn + r.(un + dn))
//! ```
//! and the rest as in a GRU whose reset gate acts after the convolution of the state.

use std::ops::Range;

use super::{Beside, Cell, Layer, Reads};
use crate::composed::graph::{GateFunction, Op, Operations};
use crate::error::Result;

#[derive(Debug)]
pub(in crate::composed) struct TrajGru<'c, V> {
    layer: Layer<'c>,
    input: V,
    hidden: V,
    bias: V,
    hidden_bias: V,
    /// Kernels from input and state to the features of flows, their bias; kernel and bias of the flows.
    flow: [V; 5],
}

impl<'c, V: Clone> TrajGru<'c, V> {
    pub(super) fn new<O: Operations<Value = V>>(layer: Layer<'c>, ops: &mut O) -> Result<Self> {
        let flow = ["flow_input_weights", "flow_hidden_weights", "flow_bias", "flow_weights", "flow_shift"];
        Ok(Self {
            input: layer.get(ops, "input_weights"),
            hidden: layer.get(ops, "hidden_weights"),
            bias: layer.get(ops, "bias"),
            hidden_bias: layer.get(ops, "hidden_bias"),
            flow: flow.map(|name| layer.get(ops, name)),
            layer,
        })
    }

    /// The state as each flow brings it, side by side.
    fn moved<O: Operations<Value = V>>(&self, ops: &mut O, part: &V, state: &V) -> Result<V> {
        let config = self.layer.config;
        let [_, of_state, _, kernel, shift] = &self.flow;
        let of_state = self.layer.convolve_plainly(ops, state, of_state, None)?;
        let sum = ops.add(part, &of_state)?;
        let features = ops.activate(config.candidate_activation, &sum)?;
        let flows = self.layer.convolve_plainly(ops, &features, kernel, Some(shift))?;
        let mut moved = Vec::with_capacity(config.flows);
        for flow in 0..config.flows {
            let flow = ops.channels(&flows, 2 * flow..2 * flow + 2)?;
            moved.push(ops.apply(Op::Warp, &[state.clone(), flow])?);
        }
        ops.join_channels(&moved)
    }
}

impl<O: Operations> Cell<O> for TrajGru<'_, O::Value> {
    fn input_parts(&self, ops: &mut O, x: &O::Value) -> Result<Vec<O::Value>> {
        let rows = 0..3 * self.layer.config.hidden_channels;
        let gates = self.layer.convolve(ops, Reads::Input, x, &self.input, rows, Some(&self.bias))?;
        let [of_input, _, bias, ..] = &self.flow;
        Ok(vec![gates, self.layer.convolve_plainly(ops, x, of_input, Some(bias))?])
    }

    fn step(
        &self,
        ops: &mut O,
        parts: &[O::Value],
        states: Option<&[O::Value]>,
        beside: &Beside<O::Value>,
    ) -> Result<Vec<O::Value>> {
        let config = self.layer.config;
        let hidden = config.hidden_channels;
        let state = states.map(|states| &states[0]);
        let mut sums = vec![parts[0].clone()];
        if let Some(state) = state {
            let seen = self.layer.seen(ops, state, beside)?;
            let moved = self.moved(ops, &parts[1], &seen)?;
            sums.push(self.layer.convolve_plainly(ops, &moved, &self.hidden, None)?);
        }
        let gate = |range: Range<usize>| GateFunction::of(range, config.gate_activation);
        let update = ops.gate(gate(0..hidden), &sums)?;
        let reset = ops.gate(gate(hidden..2 * hidden), &sums)?;
        // r.(u + d) = r.u + r.d
        let mut sum = ops.apply(Op::ScaleChannels, &[reset.clone(), self.hidden_bias.clone()])?;
        if let Some(sums) = sums.get(1) {
            let memory = ops.channels(sums, 2 * hidden..3 * hidden)?;
            let memory = ops.multiply(&reset, &memory)?;
            sum = ops.add(&sum, &memory)?;
        }
        let of_candidate = GateFunction {
            first: 2 * hidden..3 * hidden,
            second: 0..hidden,
            activation: config.candidate_activation,
        };
        let candidate = ops.gate(of_candidate, &[parts[0].clone(), sum])?;
        let new = match state {
            Some(state) => ops.blend(&update, &candidate, state)?,
            None => ops.multiply(&update, &candidate)?,
        };
        Ok(vec![self.layer.renew(ops, new, state, beside)?])
    }
}
