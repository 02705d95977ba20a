//! Networks of cells as nodes: their states in and out, and one step.

use std::borrow::Cow;

use convgru_kernels::Scalar;

use super::graph::{Graph, Size};
use super::operators::{OnnxValue, Writer};
use crate::composed::{
    CellConfig, Context, Recurrent, RecurrentConfig, RecurrentParameters, Run, RunInput, from_layers,
};
use crate::config::{ConvGruConfig, ResetGate};
use crate::error::Result;
use crate::fused::CellParameters;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// The equation of the cells of a [`ConvGru`](crate::ConvGru).
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

/// A network of cells, and how it appears in a graph.
#[derive(Debug)]
pub(super) struct Cells<'a, T: Scalar> {
    network: Cow<'a, Recurrent<T>>,
    /// What the names of its parameters and values begin with.
    prefix: String,
    /// What the names of its parameters have before the number of a stage.
    stage: &'static str,
    /// Height and width of states.
    image: [Size; 2],
}

impl<'a, T: Scalar> Cells<'a, T> {
    /// A network of composed cells, whose states may have any size.
    pub(super) fn of_network(network: &'a Recurrent<T>) -> Self {
        let image = [Size::Any, Size::Any];
        Self { network: Cow::Borrowed(network), prefix: String::new(), stage: "stages.", image }
    }

    /// Stages of composed cells with their parameters.
    pub(super) fn of_stages(
        config: RecurrentConfig,
        parameters: &RecurrentParameters<T>,
        prefix: &str,
        image: [Size; 2],
    ) -> Result<Self> {
        let network = Cow::Owned(Recurrent::from_parameters(config, parameters.clone())?);
        Ok(Self { network, prefix: prefix.to_owned(), stage: "stages.", image })
    }

    /// A stack of fused cells, by the equations of composed ones.
    pub(super) fn of_stack(
        config: &ConvGruConfig,
        layers: &[CellParameters<T>],
        prefix: &str,
        image: [Size; 2],
    ) -> Result<Self> {
        let network = Cow::Owned(from_layers(config, layers)?);
        Ok(Self { network, prefix: prefix.to_owned(), stage: "layers.", image })
    }

    pub(super) fn config(&self) -> &RecurrentConfig {
        self.network.config()
    }

    /// Sizes of images of so many channels, `[N, C, H, W]`, that are as large as states.
    pub(super) fn sizes(&self, channels: usize) -> [Size; 4] {
        [Size::Free("batch"), Size::Fixed(channels), self.image[0], self.image[1]]
    }

    /// `[N, C, H, W]` of each state.
    pub(super) fn state_sizes(&self) -> Vec<[Size; 4]> {
        let of_cell = |cell: &CellConfig| vec![self.sizes(cell.hidden_channels); cell.states()];
        self.config().cells().flat_map(of_cell).collect()
    }

    /// Sizes of what the topmost stage gives.
    pub(super) fn top_sizes(&self) -> [Size; 4] {
        self.sizes(self.network.top_channels())
    }

    /// Declares the states as inputs.
    pub(super) fn state_inputs(&self, graph: &mut Graph<'_>) -> Vec<String> {
        let sizes = self.state_sizes().into_iter().enumerate();
        sizes.map(|(index, sizes)| graph.input(&format!("state.{index}"), &sizes)).collect()
    }

    /// Declares the contexts of the cells that see one as inputs.
    pub(super) fn context_inputs(&self, graph: &mut Graph<'_>) -> Vec<String> {
        let cells = self.config().cells().enumerate().filter(|(_, cell)| cell.context == Context::Additive);
        let input = |(index, cell): (usize, &CellConfig)| {
            graph.input(&format!("context.{index}"), &self.sizes(3 * cell.hidden_channels))
        };
        cells.map(input).collect()
    }

    /// Declares the states after a step as outputs.
    pub(super) fn state_outputs(&self, graph: &mut Graph<'_>, states: &[String]) {
        for (index, (state, sizes)) in states.iter().zip(self.state_sizes()).enumerate() {
            graph.output(state, &format!("next_state.{index}"), &sizes);
        }
    }

    /// One step of a network without contexts that reads one input, or none: the states after it.
    pub(super) fn step(
        &self,
        graph: &mut Graph<'_>,
        input: Option<&str>,
        states: &[String],
    ) -> Result<Vec<String>> {
        let inputs: Vec<String> = input.into_iter().map(str::to_owned).collect();
        Ok(self.step_with(graph, &inputs, states, &[])?.0)
    }

    /// One step: the states after it, and what the topmost stage gives.
    pub(super) fn step_with(
        &self,
        graph: &mut Graph<'_>,
        inputs: &[String],
        states: &[String],
        contexts: &[String],
    ) -> Result<(Vec<String>, String)> {
        let config = self.config();
        let named = self.network.parameters().named().iter().map(|(name, tensor)| {
            (format!("{}{}", self.prefix, name.replacen("stages.", self.stage, 1)), tensor.clone())
        });
        let mut writer = Writer::new(graph, &self.prefix, named);
        let mut states = states.iter();
        let of_cell = |cell: &CellConfig| -> Vec<OnnxValue<T>> {
            let states = states.by_ref().take(cell.states());
            states.map(|name| OnnxValue::node(name.as_str(), cell.hidden_channels)).collect()
        };
        let states = config.cells().map(of_cell).collect();
        let mut contexts = contexts.iter();
        let context = |cell: &CellConfig| match cell.context {
            Context::Additive => {
                contexts.next().map(|name| OnnxValue::node(name.as_str(), 3 * cell.hidden_channels))
            }
            _ => None,
        };
        let contexts = config.cells().map(context).collect();
        // Without an input, its part of the sums is the constant of a pixel without channels.
        let input = |input: usize| match config.in_channels(input) {
            0 => OnnxValue::constant("no_input", Tensor::zeros(&[1, 0, 1, 1])),
            channels => OnnxValue::node(inputs[input].as_str(), channels),
        };
        let inputs = (0..config.inputs()).map(input).collect();
        let noises = self.network.expected_noises(&mut writer);
        let given = RunInput {
            steps: 1,
            batch: 1,
            depth: 1,
            inputs,
            states: Some(states),
            contexts,
            lengths: None,
            noises,
        };
        let Run { last, top, .. } = self.network.runner(&mut writer, 1)?.run(&mut writer, &given)?;
        let last = last.iter().flatten().map(|state| writer.name(state).to_string()).collect();
        Ok((last, writer.name(&top).to_string()))
    }
}
