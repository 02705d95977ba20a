//! A stack, as the gradient checker sees it.

use convgru_kernels::reference::Number;

use super::{Drawn, Form, kinks};
use crate::config::ConvGruConfig;
use crate::error::Result;
use crate::fused::{ConvGru, ConvGruParameters};
use crate::gradcheck::Operation;
use crate::gradcheck::draw::Values;
use crate::parameters::Parameters;
use crate::reference::{
    Array, CellOptions, CellParameters, NamedArrays, stack_forward, stack_forward_of_lengths, zero_states,
};
use crate::sequence::{InputGradients, OutputGradients, Outputs, Sequence, Workspace};
use crate::tensor::Tensor;

/// A stack with the tensors it is checked at: the input, the initial states if
/// given, the parameters.
pub(super) struct Stack {
    drawn: Drawn,
    network: ConvGru<f64>,
    inputs: Vec<(String, Tensor<f64>)>,
    /// Of the samples, where they differ.
    lengths: Option<Vec<usize>>,
}

/// The inputs of a [`Stack`] by what they are.
struct Parts<'a> {
    x: &'a Tensor<f64>,
    states: Option<&'a [Tensor<f64>]>,
    network: ConvGru<f64>,
}

impl Stack {
    pub(super) fn new(
        drawn: Drawn,
        config: ConvGruConfig,
        [steps, batch, height, width]: [usize; 4],
        seed: u64,
    ) -> Result<Self> {
        let network = ConvGru::new(config, seed)?;
        let config = network.config();
        let mut values = Values::new(seed);
        let x = match drawn.form == Form::Step {
            true => values.tensor(&[batch, config.in_channels, height, width]),
            false => values.tensor(&[steps, batch, config.in_channels, height, width]),
        };
        let mut inputs = vec![("x".to_owned(), x)];
        if drawn.given {
            for (layer, &hidden) in config.hidden_channels.iter().enumerate() {
                inputs.push((format!("h.{layer}"), values.tensor(&[batch, hidden, height, width])));
            }
        }
        for (name, parameter) in network.parameters().to_named() {
            inputs.push((name, values.tensor(parameter.shape())));
        }
        let lengths = drawn.lengths.then(|| values.lengths(batch, steps));
        let mut stack = Self { drawn, network, inputs, lengths };
        if drawn.has_kinks() {
            let draw = |scale| stack.drawn_again(&mut values, scale);
            stack.inputs = kinks::find(draw, |point| stack.sides(point))?;
        }
        Ok(stack)
    }

    /// Other inputs of the same shapes, with weights of a scale and the bias of the gates away from kinks.
    fn drawn_again(&self, values: &mut Values, scale: f64) -> Vec<(String, Tensor<f64>)> {
        let first = self.first_parameter();
        let draw = |(place, (name, tensor)): (usize, &(String, Tensor<f64>))| {
            let drawn = if place < first {
                values.tensor(tensor.shape())
            } else if name.ends_with(".bias") {
                kinks::bias(values, [self.drawn.gate, self.drawn.candidate], tensor.shape())
            } else {
                Tensor::from_fn(tensor.shape(), |_| scale * values.number())
            };
            (name.clone(), drawn)
        };
        self.inputs.iter().enumerate().map(draw).collect()
    }

    /// On which side of their kinks all gates lie.
    fn sides(&self, point: &[Tensor<f64>]) -> Result<Vec<u8>> {
        let inputs: Vec<Array<f64>> = point.iter().map(Array::constant).collect();
        let named = self.named(&inputs);
        let layers = self.reference_layers(&named)?;
        let (x, states) = self.reference_start(&layers, &inputs)?;
        kinks::sides_of_stack(&layers, &x, &states)
    }

    /// The parameters by name, for the reference.
    fn named<N: Number>(&self, inputs: &[Array<N>]) -> NamedArrays<N> {
        let first = self.first_parameter();
        let names = self.inputs[first..].iter().map(|(name, _)| name.clone());
        NamedArrays::new(names.zip(inputs[first..].iter().cloned()).collect())
    }

    fn reference_layers<'a, N: Number>(
        &self,
        named: &'a NamedArrays<N>,
    ) -> Result<Vec<CellParameters<'a, N>>> {
        let config = self.network.config();
        let mut layers = CellParameters::find_stack(named, "", self.layers())?;
        for layer in &mut layers {
            (layer.reset, layer.options) = (config.reset, CellOptions::of(config));
        }
        Ok(layers)
    }

    /// The input with a dimension of steps, and the states before the first.
    fn reference_start<N: Number>(
        &self,
        layers: &[CellParameters<'_, N>],
        inputs: &[Array<N>],
    ) -> Result<(Array<N>, Vec<Array<N>>)> {
        let x = match self.drawn.form == Form::Step {
            true => Array::stack(&inputs[..1])?,
            false => inputs[0].clone(),
        };
        let image = x.index(0)?.extent()?;
        let states = match self.drawn.given {
            true => inputs[1..self.first_parameter()].to_vec(),
            false => zero_states(layers, image.batch, [image.height, image.width]),
        };
        Ok((x, states))
    }

    fn layers(&self) -> usize {
        self.network.config().layers()
    }

    /// The number of inputs before the parameters.
    fn first_parameter(&self) -> usize {
        1 + if self.drawn.given { self.layers() } else { 0 }
    }

    fn parameters(&self, tensors: &[Tensor<f64>]) -> ConvGruParameters<f64> {
        let mut parameters = self.network.parameters().clone();
        let mut given = tensors[self.first_parameter()..].iter();
        parameters.for_each_mut(&mut |_, parameter| {
            if let Some(tensor) = given.next() {
                parameter.clone_from(tensor);
            }
        });
        parameters
    }

    fn parts<'a>(&self, inputs: &'a [Tensor<f64>]) -> Result<Parts<'a>> {
        Ok(Parts {
            x: &inputs[0],
            states: self.drawn.given.then(|| &inputs[1..self.first_parameter()]),
            network: ConvGru::from_parameters(self.network.config().clone(), self.parameters(inputs))?,
        })
    }

    /// The input with a dimension of steps.
    fn sequence(&self, x: &Tensor<f64>) -> Result<Tensor<f64>> {
        match self.drawn.form == Form::Step {
            true => x.clone().reshape(&[&[1], x.shape()].concat()),
            false => Ok(x.clone()),
        }
    }

    /// What the stack runs over.
    fn run<'a>(&'a self, parts: &Parts<'a>, x: &'a Tensor<f64>) -> Sequence<'a, f64> {
        let outputs = match self.drawn.form {
            Form::Everything => Outputs::All,
            Form::Top => Outputs::Top,
            Form::Step | Form::Last => Outputs::None,
        };
        Sequence {
            states: parts.states,
            lengths: self.lengths.as_deref(),
            outputs,
            input_gradient: true,
            ..Sequence::from(x)
        }
    }

    /// Adds the gradients of weights to `d_parameters`; returns those of input and states.
    fn backward(
        &self,
        parts: &Parts<'_>,
        d_outputs: &[Tensor<f64>],
        d_parameters: &mut ConvGruParameters<f64>,
    ) -> Result<InputGradients<f64>> {
        let x = self.sequence(parts.x)?;
        let mut workspace = Workspace::default();
        let outputs = parts.network.forward_train(self.run(parts, &x), &mut workspace)?.outputs.len();
        let (outputs, last) = d_outputs.split_at(outputs);
        let d = OutputGradients {
            outputs: outputs.iter().map(Some).collect(),
            last: last.iter().map(Some).collect(),
        };
        parts.network.backward(&mut workspace, &d, d_parameters)
    }
}

impl Operation for Stack {
    fn describe(&self) -> String {
        let config = self.network.config();
        let kernels: Vec<String> = (0..config.layers())
            .map(|layer| config.kernel_size.of_layer(layer))
            .map(|[height, width]| format!("{height}x{width}"))
            .collect();
        format!(
            "x {:?}, hidden {:?}, kernel {}{}",
            self.inputs[0].1.shape(),
            config.hidden_channels,
            kernels.join(" "),
            self.lengths.as_ref().map(|lengths| format!(", lengths {lengths:?}")).unwrap_or_default()
        )
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let parts = self.parts(inputs)?;
        if self.drawn.form == Form::Step {
            return parts.network.step(parts.x, parts.states);
        }
        let states = parts.network.forward(self.run(&parts, parts.x))?;
        Ok(match self.drawn.form {
            Form::Everything => [states.outputs, states.last].concat(),
            Form::Top => states.outputs,
            Form::Step | Form::Last => states.last,
        })
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let parts = self.parts(inputs)?;
        let mut d_parameters = self.parameters(gradients);
        let back = self.backward(&parts, d_outputs, &mut d_parameters)?;
        for (gradient, d) in gradients.iter_mut().zip(back.inputs.into_iter().chain(back.states)) {
            let d = d.reshape(gradient.shape())?;
            gradient.add_assign(&d)?;
        }
        let first = self.first_parameter();
        for (gradient, (_, d_parameter)) in gradients[first..].iter_mut().zip(d_parameters.to_named()) {
            *gradient = d_parameter;
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let named = self.named(inputs);
        let layers = self.reference_layers(&named)?;
        let (x, states) = self.reference_start(&layers, inputs)?;
        let steps = match &self.lengths {
            Some(lengths) => stack_forward_of_lengths(&layers, &x, &states, lengths)?,
            None => stack_forward(&layers, &x, &states)?,
        };
        let of_layer = |layer: usize| {
            let states: Vec<Array<N>> = steps.iter().map(|states| states[layer].clone()).collect();
            Array::stack(&states)
        };
        let last = steps.last().cloned().unwrap_or(states);
        match self.drawn.form {
            Form::Step | Form::Last => Ok(last),
            Form::Top => Ok(vec![of_layer(self.layers() - 1)?]),
            Form::Everything => {
                let all: Result<Vec<Array<N>>> = (0..self.layers()).map(of_layer).collect();
                Ok([all?, last].concat())
            }
        }
    }
}
