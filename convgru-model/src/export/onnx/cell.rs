//! One step of a cell and of a stack of cells, as nodes.

use convgru_kernels::Scalar;

use super::graph::{ConvolutionNames, Graph, Size, rows};
use crate::cell::{CellParameters, GATES};
use crate::config::{ConvGruConfig, ResetGate};
use crate::layer::Activation;

/// The equation of a cell.
pub(super) fn equation(config: &ConvGruConfig) -> String {
    let gate = name_of(config.gate_activation);
    let candidate = name_of(config.candidate_activation);
    let sum = match config.reset {
        ResetGate::Before => "Wn*x + Un*(r.h) + bn",
        ResetGate::After => "Wn*x + bn + r.(Un*h + cn)",
    };
    format!(
        "z = {gate}(Wz*x + Uz*h + bz); r = {gate}(Wr*x + Ur*h + br); n = {candidate}({sum}); \
         h' = (1 - z).h + z.n"
    )
}

fn name_of(activation: Activation) -> String {
    match activation {
        Activation::Identity => "identity".to_owned(),
        Activation::Sigmoid => "sigmoid".to_owned(),
        Activation::HardSigmoid => "hard sigmoid".to_owned(),
        Activation::Tanh => "tanh".to_owned(),
        Activation::Relu => "relu".to_owned(),
        Activation::LeakyRelu(slope) => format!("leaky relu of {slope}"),
    }
}

/// The cells of a stack, and what the names of their parameters begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stack<'a, T> {
    pub(super) layers: &'a [CellParameters<T>],
    /// What its cells compute.
    pub(super) config: &'a ConvGruConfig,
    pub(super) prefix: &'a str,
}

impl<T: Scalar> Stack<'_, T> {
    /// Declares the states as inputs.
    pub(super) fn state_inputs(&self, graph: &mut Graph<'_>, image: [Size; 2]) -> Vec<String> {
        let input = |(layer, sizes): (usize, [Size; 4])| graph.input(&format!("state.{layer}"), &sizes);
        self.state_sizes(image).into_iter().enumerate().map(input).collect()
    }

    /// Declares the states after a step as outputs.
    pub(super) fn state_outputs(&self, graph: &mut Graph<'_>, states: &[String], image: [Size; 2]) {
        for (layer, (state, sizes)) in states.iter().zip(self.state_sizes(image)).enumerate() {
            graph.output(state, &format!("next_state.{layer}"), &sizes);
        }
    }

    /// `[N, hidden, H, W]` of each layer.
    pub(super) fn state_sizes(&self, [height, width]: [Size; 2]) -> Vec<[Size; 4]> {
        let hidden = |layer: &CellParameters<T>| Size::Fixed(layer.shape().hidden_channels);
        self.layers.iter().map(|layer| [Size::Free("batch"), hidden(layer), height, width]).collect()
    }

    /// The states after a step.
    pub(super) fn step(&self, graph: &mut Graph<'_>, input: Option<&str>, states: &[String]) -> Vec<String> {
        let mut new: Vec<String> = Vec::new();
        for (index, (layer, state)) in self.layers.iter().zip(states).enumerate() {
            let name = format!("{}layers.{index}", self.prefix);
            let below = new.last().map(String::as_str).or(input);
            new.push(Cell { parameters: layer, config: self.config, name: &name }.step(graph, below, state));
        }
        new
    }
}

/// A cell, and what the names of its parameters begin with.
struct Cell<'a, T> {
    parameters: &'a CellParameters<T>,
    config: &'a ConvGruConfig,
    name: &'a str,
}

impl<T: Scalar> Cell<'_, T> {
    fn named(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    /// The state after a step.
    fn step(&self, graph: &mut Graph<'_>, input: Option<&str>, state: &str) -> String {
        let hidden = self.parameters.shape().hidden_channels;
        let from_input = self.of_input(graph, input);
        let from_input = from_input.as_ref().map(|[gates, candidate]| (gates.as_str(), candidate.as_str()));
        let (of_gates, memory) = match self.parameters.reset {
            ResetGate::Before => (self.of_state(graph, state, Section::Gates), None),
            ResetGate::After => {
                let sum = self.of_state(graph, state, Section::All);
                let [gates, candidate] = self.split(graph, &sum, "state");
                (gates, Some(candidate))
            }
        };
        let sum = match from_input {
            Some((gates, _)) => graph.node("Add", &self.named("gate_sums"), &[gates, &of_gates], Vec::new()),
            None => of_gates,
        };
        let gates = graph.activate(self.config.gate_activation, &self.named("gates"), &sum);
        let names = ["update_gate", "reset_gate"].map(|name| self.named(name));
        let [update, reset] = graph.split(&gates, [hidden, hidden], names);
        let of_candidate = match memory {
            None => {
                let kept = graph.node("Mul", &self.named("reset_state"), &[&reset, state], Vec::new());
                self.of_state(graph, &kept, Section::Candidate)
            }
            Some(memory) => graph.node("Mul", &self.named("reset_memory"), &[&reset, &memory], Vec::new()),
        };
        let sum = match from_input {
            Some((_, candidate)) => {
                let terms = [candidate, &of_candidate];
                graph.node("Add", &self.named("candidate_sum"), &terms, Vec::new())
            }
            None => of_candidate,
        };
        let candidate = graph.activate(self.config.candidate_activation, &self.named("candidate"), &sum);
        let change = graph.node("Sub", &self.named("change"), &[&candidate, state], Vec::new());
        let taken = graph.node("Mul", &self.named("taken_change"), &[&update, &change], Vec::new());
        graph.node("Add", &self.named("new_state"), &[state, &taken], Vec::new())
    }

    /// `W*x + b` of update and reset, and of the candidate; without an input `b` alone, if there is one.
    fn of_input(&self, graph: &mut Graph<'_>, input: Option<&str>) -> Option<[String; 2]> {
        let shape = self.parameters.shape();
        let bias = self.parameters.bias.as_ref();
        if let Some(input) = input {
            let weights = &self.parameters.input_weights;
            let weights =
                graph.constants.floats(&self.named("input_weights"), weights.shape(), weights.as_slice());
            let bias =
                bias.map(|bias| graph.constants.floats(&self.named("bias"), bias.shape(), bias.as_slice()));
            let (size, dilation) = (shape.input_kernel, self.config.dilation_of_input());
            let kernel = ConvolutionNames { weights: &weights, bias: bias.as_deref(), size, dilation };
            let sum = graph.convolve(&self.named("from_input"), input, kernel);
            return Some(self.split(graph, &sum, "input"));
        }
        let hidden = shape.hidden_channels;
        let [gates, candidate] = bias?.as_slice().split_at_checked(2 * hidden).map(<[_; 2]>::from)?;
        let mut constant = |name: &str, values: &[T]| {
            graph.constants.floats(&self.named(name), &[1, values.len(), 1, 1], values)
        };
        Some([constant("bias.gates", gates), constant("bias.candidate", candidate)])
    }

    /// `U*s` of some gates; with the bias of the candidate where the reset gate acts on the sum.
    fn of_state(&self, graph: &mut Graph<'_>, state: &str, section: Section) -> String {
        let shape = self.parameters.shape();
        let hidden = shape.hidden_channels;
        let (name, first, count) = match section {
            Section::All => ("hidden_weights", 0, GATES),
            Section::Gates => ("hidden_weights.gates", 0, 2),
            Section::Candidate => ("hidden_weights.candidate", 2, 1),
        };
        let (dims, values) = rows(&self.parameters.hidden_weights, first * hidden, count * hidden);
        let weights = graph.constants.floats(&self.named(name), &dims, values);
        let bias = self.parameters.hidden_bias.as_ref().map(|bias| {
            // Those of update and reset are in the convolution of the input.
            let padded = [&vec![T::ZERO; 2 * hidden], bias.as_slice()].concat();
            graph.constants.floats(&self.named("hidden_bias"), &[padded.len()], &padded)
        });
        let (size, dilation) = (shape.kernel, self.config.dilation);
        let kernel = ConvolutionNames { weights: &weights, bias: bias.as_deref(), size, dilation };
        graph.convolve(&self.named(section.sum()), state, kernel)
    }

    /// Cuts a sum for all gates into that of update and reset, and that of the candidate.
    fn split(&self, graph: &mut Graph<'_>, sum: &str, of: &str) -> [String; 2] {
        let hidden = self.parameters.shape().hidden_channels;
        let names = [format!("{of}_gates"), format!("{of}_candidate")].map(|name| self.named(&name));
        graph.split(sum, [2 * hidden, hidden], names)
    }
}

/// Gates whose kernels over the state are one.
#[derive(Debug, Clone, Copy)]
enum Section {
    All,
    Gates,
    Candidate,
}

impl Section {
    /// The name of what its convolution gives.
    fn sum(self) -> &'static str {
        match self {
            Self::All => "from_state",
            Self::Gates => "gates_from_state",
            Self::Candidate => "candidate_from_state",
        }
    }
}
