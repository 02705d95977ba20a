//! Networks over sequences, as the gradient checker sees all of them.

use convgru_kernels::reference::Number;

use crate::composed::{Recurrent, RecurrentParameters};
use crate::error::Result;
use crate::fused::{BidirectionalConvGru, ConvGru, ConvGruParameters, Directions};
use crate::gradcheck::Operation;
use crate::parameters::Parameters;
use crate::reference::{Array, NamedArrays};
use crate::sequence::{InputGradients, Output, OutputGradients, ReturnLayers, Sequence, Workspace};
use crate::tensor::Tensor;

/// Sets the parameters, or gradients, that have names among those of `inputs`, which have the same order.
pub(super) fn set(
    parameters: &mut dyn Parameters<f64>,
    inputs: &[(String, Tensor<f64>)],
    tensors: &[Tensor<f64>],
) {
    let mut given = inputs.iter().zip(tensors).peekable();
    parameters.for_each_mut(&mut |name, parameter| {
        if let Some((_, tensor)) = given.next_if(|((given, _), _)| given == name) {
            parameter.clone_from(tensor);
        }
    });
}

/// The inverse of [`set`].
pub(super) fn get(
    parameters: &dyn Parameters<f64>,
    inputs: &[(String, Tensor<f64>)],
    tensors: &mut [Tensor<f64>],
) {
    let mut taken = inputs.iter().zip(tensors).peekable();
    parameters.for_each(&mut |name, parameter| {
        if let Some((_, tensor)) = taken.next_if(|((given, _), _)| given == name) {
            tensor.clone_from(parameter);
        }
    });
}

/// Numbers with the names of tensors.
pub(super) fn named<N: Number>(tensors: &[(String, Tensor<f64>)], values: &[Array<N>]) -> NamedArrays<N> {
    let names = tensors.iter().map(|(name, _)| name.clone());
    NamedArrays::new(names.zip(values.iter().cloned()).collect())
}

/// A network over sequences.
pub(super) trait SequenceNetwork: Clone {
    type Parameters: Parameters<f64> + Clone;

    fn parameters_mut(&mut self) -> &mut Self::Parameters;

    fn parameters(&self) -> &Self::Parameters;

    fn forward(&self, sequence: Sequence<'_, f64>) -> Result<Output<f64>>;

    fn forward_train(
        &self,
        sequence: Sequence<'_, f64>,
        workspace: &mut Workspace<f64>,
    ) -> Result<Output<f64>>;

    fn backward(
        &self,
        workspace: &mut Workspace<f64>,
        d: &OutputGradients<'_, f64>,
        gradients: &mut Self::Parameters,
    ) -> Result<InputGradients<f64>>;
}

macro_rules! sequence_network {
    ($($network:ident of $parameters:ty),*) => {$(
        impl SequenceNetwork for $network<f64> {
            type Parameters = $parameters;

            fn parameters_mut(&mut self) -> &mut Self::Parameters {
                self.parameters_mut()
            }

            fn parameters(&self) -> &Self::Parameters {
                self.parameters()
            }

            fn forward(&self, sequence: Sequence<'_, f64>) -> Result<Output<f64>> {
                self.forward(sequence)
            }

            fn forward_train(
                &self,
                sequence: Sequence<'_, f64>,
                workspace: &mut Workspace<f64>,
            ) -> Result<Output<f64>> {
                self.forward_train(sequence, workspace)
            }

            fn backward(
                &self,
                workspace: &mut Workspace<f64>,
                d: &OutputGradients<'_, f64>,
                gradients: &mut Self::Parameters,
            ) -> Result<InputGradients<f64>> {
                self.backward(workspace, d, gradients)
            }
        }
    )*};
}

sequence_network!(
    ConvGru of ConvGruParameters<f64>,
    BidirectionalConvGru of Directions<ConvGruParameters<f64>>,
    Recurrent of RecurrentParameters<f64>
);

/// What is a network's own: its definition, and words for the report.
pub(super) trait Definition: Sized {
    type Network: SequenceNetwork;

    /// The network but for its sequences.
    fn describe(&self, run: &Run<Self>) -> String;

    /// The shipped forward pass: states after every step of the layers that are asked for, then the last ones.
    fn forward(&self, network: &Self::Network, sequence: Sequence<'_, f64>) -> Result<Vec<Tensor<f64>>> {
        let states = network.forward(sequence)?;
        Ok([states.outputs, states.last].concat())
    }

    /// The same by its definition.
    fn reference<N: Number>(
        &self,
        run: &Run<Self>,
        data: &[Array<N>],
        parameters: &NamedArrays<N>,
    ) -> Result<Vec<Array<N>>>;
}

/// A network with the tensors it is checked at.
pub(super) struct Run<D: Definition> {
    pub(super) definition: D,
    pub(super) network: D::Network,
    /// Frames, states and contexts, then the parameters that are checked.
    pub(super) inputs: Vec<(String, Tensor<f64>)>,
    /// Frames, states if they are given, contexts.
    pub(super) counts: [usize; 3],
    /// Of the samples, where they differ.
    pub(super) lengths: Option<Vec<usize>>,
    pub(super) return_layers: ReturnLayers,
    /// The seed of dropout and zoneout.
    pub(super) dropout_seed: Option<u64>,
}

impl<D: Definition> Run<D> {
    /// The number of inputs before the parameters.
    pub(super) fn first_parameter(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The states among the data, where they are given.
    pub(super) fn states<'a, V>(&self, data: &'a [V]) -> Option<&'a [V]> {
        let [frames, states, _] = self.counts;
        (states > 0).then(|| &data[frames..frames + states])
    }

    /// What the network runs over.
    pub(super) fn sequence<'a>(&'a self, data: &'a [Tensor<f64>]) -> Sequence<'a, f64> {
        let [frames, states, contexts] = self.counts;
        Sequence {
            states: self.states(data),
            contexts: &data[frames + states..frames + states + contexts],
            lengths: self.lengths.as_deref(),
            return_layers: self.return_layers,
            dropout_seed: self.dropout_seed,
            input_gradient: true,
            ..Sequence::from(&data[..frames])
        }
    }

    fn network(&self, inputs: &[Tensor<f64>]) -> D::Network {
        let first = self.first_parameter();
        let mut network = self.network.clone();
        set(network.parameters_mut(), &self.inputs[first..], &inputs[first..]);
        network
    }

    /// The parameters by name, for the reference.
    pub(super) fn named<N: Number>(&self, inputs: &[Array<N>]) -> NamedArrays<N> {
        let first = self.first_parameter();
        named(&self.inputs[first..], &inputs[first..])
    }
}

impl<D: Definition> Operation for Run<D> {
    fn describe(&self) -> String {
        let lengths = self.lengths.as_ref().map(|lengths| format!(", lengths {lengths:?}"));
        format!(
            "x {:?}, {}{}",
            self.inputs[0].1.shape(),
            self.definition.describe(self),
            lengths.unwrap_or_default()
        )
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        self.definition.forward(&self.network(inputs), self.sequence(inputs))
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let (network, first) = (self.network(inputs), self.first_parameter());
        let mut workspace = Workspace::default();
        let outputs = network.forward_train(self.sequence(inputs), &mut workspace)?.outputs.len();
        let (outputs, last) = d_outputs.split_at(outputs);
        let d = OutputGradients {
            outputs: outputs.iter().map(Some).collect(),
            last: last.iter().map(Some).collect(),
        };
        let (of_data, of_parameters) = gradients.split_at_mut(first);
        let mut d_parameters = network.parameters().zeros_like();
        set(&mut d_parameters, &self.inputs[first..], of_parameters);
        let back = network.backward(&mut workspace, &d, &mut d_parameters)?;
        let of_network = back.inputs.iter().chain(&back.states).chain(&back.contexts);
        for (gradient, d) in of_data.iter_mut().zip(of_network) {
            gradient.add_assign(d)?;
        }
        get(&d_parameters, &self.inputs[first..], of_parameters);
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let data = &inputs[..self.first_parameter()];
        self.definition.reference(self, data, &self.named(inputs))
    }
}
