//! The convolutional GRU and its dialects.
//!
//! ```text
//! z = s(N[Wz*x + Uz*h + bz + cz])     r = s(N[Wr*x + Ur*h + br + cr])
//! n = f(N[Wn*x + Un*(r.h) + bn + cn])                          reset gate before
//! n = f(N[Wn*x + bn + cn + r.(Un*h + dn)])                     reset gate after
//! h' = h + z.(n - h)
//! ```
//! with normalisation `N`, contexts `c` and functions `s` and `f` as the configuration says (Ballas et
//! al. 2015 and those who followed; docs/conventions.md).

use super::{Beside, Cell, Layer, Reads};
use crate::composed::graph::{GateFunction, Op, Operations};
use crate::config::ResetGate;
use crate::error::Result;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// A GRU: one pass over the input, or two.
#[derive(Debug)]
pub(in crate::composed) struct Gru<'c, V>(Vec<Pass<'c, V>>);

/// One GRU update with weights of its own.
#[derive(Debug)]
struct Pass<'c, V> {
    layer: Layer<'c>,
    input: V,
    hidden: V,
    bias: Option<V>,
    hidden_bias: Option<V>,
    /// Scale and shift, of update and reset gate and of the candidate.
    norms: Option<[[V; 2]; 2]>,
    /// Weights and bias of the gate of the global context, and of what the context adds.
    global: Option<[[V; 2]; 2]>,
}

impl<'c, V: Clone> Gru<'c, V> {
    pub(super) fn new<O: Operations<Value = V>>(layer: Layer<'c>, ops: &mut O) -> Result<Self> {
        let mut passes = vec![Pass::new(layer, ops, "")?];
        if layer.config.second_kernel_size.is_some() {
            passes.push(Pass::new(layer, ops, "second.")?);
        }
        Ok(Self(passes))
    }
}

impl<O: Operations> Cell<O> for Gru<'_, O::Value> {
    fn input_parts(&self, ops: &mut O, x: &O::Value) -> Result<Vec<O::Value>> {
        self.0.iter().map(|pass| pass.input_part(ops, x)).collect()
    }

    fn step(
        &self,
        ops: &mut O,
        parts: &[O::Value],
        states: Option<&[O::Value]>,
        beside: &Beside<O::Value>,
    ) -> Result<Vec<O::Value>> {
        let old = states.map(|states| &states[0]);
        let mut state = old.cloned();
        for (pass, part) in self.0.iter().zip(parts) {
            state = Some(pass.step(ops, part, state.as_ref(), beside)?);
        }
        let new = state.unwrap_or_else(|| unreachable!("a GRU has a pass"));
        Ok(vec![self.0[0].layer.renew(ops, new, old, beside)?])
    }
}

impl<'c, V: Clone> Pass<'c, V> {
    fn new<O: Operations<Value = V>>(layer: Layer<'c>, ops: &mut O, prefix: &str) -> Result<Self> {
        let name = |name: &str| format!("{prefix}{name}");
        let config = layer.config;
        let mut kernels = [layer.get(ops, &name("input_weights")), layer.get(ops, &name("hidden_weights"))];
        if config.spectral_norm {
            kernels = divided_by_norm(layer, ops, prefix, kernels)?;
        }
        let [input, hidden] = kernels;
        let mut pairs = |names: [[&str; 2]; 2]| names.map(|pair| pair.map(|it| layer.get(ops, &name(it))));
        let norms = config.normalization_groups().map(|_| {
            pairs([
                ["gates_norm.scale", "gates_norm.shift"],
                ["candidate_norm.scale", "candidate_norm.shift"],
            ])
        });
        let global = (config.context == crate::composed::Context::Global)
            .then(|| pairs([["global_weights", "global_bias"], ["context_weights", "context_bias"]]));
        Ok(Self {
            bias: layer.find(ops, &name("bias")),
            hidden_bias: layer.find(ops, &name("hidden_bias")),
            layer,
            input,
            hidden,
            norms,
            global,
        })
    }

    fn input_part<O: Operations<Value = V>>(&self, ops: &mut O, x: &V) -> Result<V> {
        let rows = 0..3 * self.layer.config.hidden_channels;
        self.layer.convolve(ops, Reads::Input, x, &self.input, rows, self.bias.as_ref())
    }

    fn step<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        part: &V,
        state: Option<&V>,
        beside: &Beside<V>,
    ) -> Result<V> {
        let config = self.layer.config;
        let hidden = config.hidden_channels;
        let mut part = part.clone();
        if let Some(context) = &beside.context {
            part = ops.add(&part, context)?;
        }
        if let Some(global) = &self.global {
            part = self.add_global_context(ops, &part, state, global)?;
        }
        let seen = state.map(|state| self.layer.seen(ops, state, beside)).transpose()?;

        let of_state = match &seen {
            Some(seen) => {
                Some(self.layer.convolve(ops, Reads::State, seen, &self.hidden, 0..2 * hidden, None)?)
            }
            None => None,
        };
        let [update, reset] = self.gates(ops, &part, of_state)?;
        let memory = self.memory(ops, &reset, seen.as_ref())?;
        let candidate = self.candidate(ops, &part, memory)?;
        match state {
            Some(state) => ops.blend(&update, &candidate, state),
            None => ops.multiply(&update, &candidate),
        }
    }

    /// Update and reset gate, of what they see of the input and of the state.
    fn gates<O: Operations<Value = V>>(&self, ops: &mut O, part: &V, of_state: Option<V>) -> Result<[V; 2]> {
        let (hidden, activation) = (self.layer.config.hidden_channels, self.layer.config.gate_activation);
        let both = GateFunction::of(0..2 * hidden, activation);
        let mut sums = vec![part.clone()];
        sums.extend(of_state);
        let ranges = [0..hidden, hidden..2 * hidden];
        if self.norms.is_some() {
            let sum = ops.gate(GateFunction { activation: Activation::Identity, ..both }, &sums)?;
            let sum = self.normalised(ops, sum, 0)?;
            let gates = ops.activate(activation, &sum)?;
            let [update, reset] = ranges.map(|range| ops.channels(&gates, range));
            return Ok([update?, reset?]);
        }
        let [update, reset] = ranges.map(|range| ops.gate(GateFunction::of(range, activation), &sums));
        Ok([update?, reset?])
    }

    /// The candidate, of what it sees of the input and of the state.
    fn candidate<O: Operations<Value = V>>(&self, ops: &mut O, part: &V, memory: Option<V>) -> Result<V> {
        let (hidden, activation) =
            (self.layer.config.hidden_channels, self.layer.config.candidate_activation);
        let gate = GateFunction { first: 2 * hidden..3 * hidden, second: 0..hidden, activation };
        let mut sums = vec![part.clone()];
        sums.extend(memory);
        if self.norms.is_none() {
            return ops.gate(gate, &sums);
        }
        let sum = ops.gate(GateFunction { activation: Activation::Identity, ..gate }, &sums)?;
        let sum = self.normalised(ops, sum, 1)?;
        ops.activate(activation, &sum)
    }

    /// What the candidate sees of the state through the reset gate.
    fn memory<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        reset: &V,
        seen: Option<&V>,
    ) -> Result<Option<V>> {
        let hidden = self.layer.config.hidden_channels;
        let rows = 2 * hidden..3 * hidden;
        let convolve = |ops: &mut O, x: &V, bias| {
            self.layer.convolve(ops, Reads::State, x, &self.hidden, rows.clone(), bias)
        };
        Ok(match (self.layer.config.reset, seen) {
            (ResetGate::Before, None) => None,
            (ResetGate::Before, Some(seen)) => {
                let product = ops.multiply(reset, seen)?;
                Some(convolve(ops, &product, None)?)
            }
            (ResetGate::After, Some(seen)) => {
                let memory = convolve(ops, seen, self.hidden_bias.as_ref())?;
                Some(ops.multiply(reset, &memory)?)
            }
            (ResetGate::After, None) => match &self.hidden_bias {
                Some(bias) => Some(ops.apply(Op::ScaleChannels, &[reset.clone(), bias.clone()])?),
                None => None,
            },
        })
    }

    fn normalised<O: Operations<Value = V>>(&self, ops: &mut O, sums: V, which: usize) -> Result<V> {
        let config = self.layer.config;
        let (Some(norms), Some(groups)) = (&self.norms, config.normalization_groups()) else {
            return Ok(sums);
        };
        let [scale, shift] = norms[which].clone();
        let op = Op::GroupNorm { groups: groups[which], epsilon: config.normalization_epsilon };
        ops.apply(op, &[sums, scale, shift])
    }

    fn add_global_context<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        part: &V,
        state: Option<&V>,
        [gate, context]: &[[V; 2]; 2],
    ) -> Result<V> {
        let images = ops.shape(part)[0];
        let mean = match state {
            Some(state) => {
                let sum = self.layer.convolve_plainly(ops, state, &gate[0], Some(&gate[1]))?;
                let gate = ops.activate(self.layer.config.gate_activation, &sum)?;
                let seen = ops.multiply(&gate, state)?;
                ops.apply(Op::MeanOfPixels, &[seen])?
            }
            None => ops.constant(&Tensor::zeros(&[images, self.layer.config.hidden_channels, 1, 1])),
        };
        let added = self.layer.convolve_plainly(ops, &mean, &context[0], Some(&context[1]))?;
        ops.apply(Op::AddToPixels, &[part.clone(), added])
    }
}

/// The kernels over input and state; the kernels of each gate are divided by their norm.
fn divided_by_norm<O: Operations>(
    layer: Layer<'_>,
    ops: &mut O,
    prefix: &str,
    kernels: [O::Value; 2],
) -> Result<[O::Value; 2]> {
    let hidden = layer.config.hidden_channels;
    let mut parts = [Vec::new(), Vec::new()];
    for (gate, name) in ["update", "reset", "candidate"].into_iter().enumerate() {
        let rows = gate * hidden..(gate + 1) * hidden;
        let [input, state] = [0, 1].map(|kernel| ops.images(&kernels[kernel], rows.clone()));
        let of_gate = [input?, state?];
        let [u, v] = ["u", "v"].map(|it| layer.get(ops, &format!("{prefix}spectral.{name}.{it}")));
        let norm = ops.apply(Op::SpectralNorm, &[of_gate[0].clone(), of_gate[1].clone(), u, v])?;
        for (parts, kernel) in parts.iter_mut().zip(of_gate) {
            parts.push(ops.apply(Op::Divide, &[kernel, norm.clone()])?);
        }
    }
    let [input, state] = parts;
    Ok([ops.join_images(&input)?, ops.join_images(&state)?])
}
