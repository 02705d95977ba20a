//! The convolutional LSTM (Shi et al. 2015, arXiv 1506.04214), its peepholes one number for each channel.
//!
//! ```text
//! f = s(Wf*x + Uf*h + bf + pf.c)     i = s(Wi*x + Ui*h + bi + pi.c)     g = f(Wg*x + Ug*h + bg)
//! c' = f.c + i.g                     o = s(Wo*x + Uo*h + bo + po.c')    h' = o.f(c')
//! ```
//! The gates are kept in this order: forget, input, candidate, output.

use super::{Beside, Cell, Layer, Reads};
use crate::composed::graph::{GateFunction, Op, Operations};
use crate::error::Result;
use crate::layer::Activation;

#[derive(Debug)]
pub(in crate::composed) struct Lstm<'c, V> {
    layer: Layer<'c>,
    input: V,
    hidden: V,
    bias: Option<V>,
    /// Of forget, input and output gate.
    peepholes: Option<[V; 3]>,
}

impl<'c, V: Clone> Lstm<'c, V> {
    pub(super) fn new<O: Operations<Value = V>>(layer: Layer<'c>, ops: &mut O) -> Result<Self> {
        let hidden = layer.config.hidden_channels;
        let peepholes = match layer.find(ops, "peephole") {
            Some(all) => {
                let mut part = |gate: usize| ops.images(&all, gate * hidden..(gate + 1) * hidden);
                Some([part(0)?, part(1)?, part(2)?])
            }
            None => None,
        };
        Ok(Self {
            input: layer.get(ops, "input_weights"),
            hidden: layer.get(ops, "hidden_weights"),
            bias: layer.find(ops, "bias"),
            layer,
            peepholes,
        })
    }

    /// A gate: its sum and what it sees of the memory.
    fn gate<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        sums: &[V],
        place: usize,
        peephole: usize,
        memory: Option<&V>,
    ) -> Result<V> {
        let activation = self.layer.config.gate_activation;
        let (Some(peepholes), Some(memory)) = (&self.peepholes, memory) else {
            return ops.gate(self.place(place, activation), sums);
        };
        let sum = ops.gate(self.place(place, Activation::Identity), sums)?;
        let seen = ops.apply(Op::ScaleChannels, &[memory.clone(), peepholes[peephole].clone()])?;
        let sum = ops.add(&sum, &seen)?;
        ops.activate(activation, &sum)
    }

    /// The channels of a gate among the channels of all gates, in the convolutions of the input and of the state.
    fn place(&self, place: usize, activation: Activation) -> GateFunction {
        let hidden = self.layer.config.hidden_channels;
        GateFunction::of(place * hidden..(place + 1) * hidden, activation)
    }
}

impl<O: Operations> Cell<O> for Lstm<'_, O::Value> {
    fn input_parts(&self, ops: &mut O, x: &O::Value) -> Result<Vec<O::Value>> {
        let rows = 0..4 * self.layer.config.hidden_channels;
        let part = self.layer.convolve(ops, Reads::Input, x, &self.input, rows, self.bias.as_ref())?;
        Ok(vec![part])
    }

    fn step(
        &self,
        ops: &mut O,
        parts: &[O::Value],
        states: Option<&[O::Value]>,
        beside: &Beside<O::Value>,
    ) -> Result<Vec<O::Value>> {
        let (layer, activation) = (self.layer, self.layer.config.candidate_activation);
        let hidden = layer.config.hidden_channels;
        let (state, memory) = (states.map(|states| &states[0]), states.map(|states| &states[1]));
        let mut sums = vec![parts[0].clone()];
        if let Some(state) = state {
            let seen = layer.seen(ops, state, beside)?;
            sums.push(layer.convolve(ops, Reads::State, &seen, &self.hidden, 0..4 * hidden, None)?);
        }
        let input = self.gate(ops, &sums, 1, 1, memory)?;
        let candidate = ops.gate(self.place(2, activation), &sums)?;
        let mut new = ops.multiply(&input, &candidate)?;
        if let Some(memory) = memory {
            let forget = self.gate(ops, &sums, 0, 0, Some(memory))?;
            let kept = ops.multiply(&forget, memory)?;
            new = ops.add(&kept, &new)?;
        }
        let new = layer.renew(ops, new, memory, beside)?;
        let output = self.gate(ops, &sums, 3, 2, Some(&new))?;
        let shown = ops.activate(activation, &new)?;
        let shown = ops.multiply(&output, &shown)?;
        Ok(vec![layer.renew(ops, shown, state, beside)?, new])
    }
}
