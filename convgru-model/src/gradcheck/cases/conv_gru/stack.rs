//! A stack of fused cells.

use convgru_kernels::reference::Number;

use super::drawn::{Drawn, Form};
use super::kinks;
use crate::config::ConvGruConfig;
use crate::error::Result;
use crate::fused::ConvGru;
use crate::gradcheck::cases::sequences::{Definition, Run};
use crate::gradcheck::draw::Values;
use crate::parameters::Parameters;
use crate::reference::{
    Array, CellOptions, CellParameters, NamedArrays, stack_forward, stack_forward_of_lengths, zero_states,
};
use crate::sequence::{ReturnLayers, Sequence};
use crate::tensor::Tensor;

/// A stack, and what of it reaches the loss.
pub(super) struct Stack(Drawn);

impl Stack {
    pub(super) fn run(
        drawn: Drawn,
        config: ConvGruConfig,
        [steps, batch, height, width]: [usize; 4],
        seed: u64,
    ) -> Result<Run<Self>> {
        let network = ConvGru::new(config, seed)?;
        let config = network.config();
        let mut values = Values::new(seed);
        let x = values.tensor(&[steps, batch, config.in_channels, height, width]);
        let mut inputs = vec![("x".to_owned(), x)];
        if drawn.given {
            for (layer, &hidden) in config.hidden_channels.iter().enumerate() {
                inputs.push((format!("h.{layer}"), values.tensor(&[batch, hidden, height, width])));
            }
        }
        let counts = [1, inputs.len() - 1, 0];
        for (name, parameter) in network.parameters().to_named() {
            inputs.push((name, values.tensor(parameter.shape())));
        }
        let return_layers = match drawn.form {
            Form::Everything => ReturnLayers::All,
            Form::Top => ReturnLayers::Top,
            Form::Step | Form::Last => ReturnLayers::None,
        };
        let lengths = drawn.lengths.then(|| values.lengths(batch, steps));
        let mut run = Run {
            definition: Self(drawn),
            network,
            inputs,
            counts,
            lengths,
            return_layers,
            dropout_seed: None,
        };
        if drawn.has_kinks() {
            let draw = |scale| drawn_again(&run, &mut values, scale);
            run.inputs = kinks::find(draw, |point| sides(&run, point))?;
        }
        Ok(run)
    }
}

/// Other inputs of the same shapes, with weights of a scale and the bias of the gates away from kinks.
fn drawn_again(run: &Run<Stack>, values: &mut Values, scale: f64) -> Vec<(String, Tensor<f64>)> {
    let (first, Stack(drawn)) = (run.first_parameter(), &run.definition);
    let draw = |(place, (name, tensor)): (usize, &(String, Tensor<f64>))| {
        let drawn = if place < first {
            values.tensor(tensor.shape())
        } else if name.ends_with(".bias") {
            kinks::bias(values, [drawn.gate, drawn.candidate], tensor.shape())
        } else {
            Tensor::from_fn(tensor.shape(), |_| scale * values.number())
        };
        (name.clone(), drawn)
    };
    run.inputs.iter().enumerate().map(draw).collect()
}

/// On which side of their kinks all gates lie.
fn sides(run: &Run<Stack>, point: &[Tensor<f64>]) -> Result<Vec<u8>> {
    let inputs: Vec<Array<f64>> = point.iter().map(Array::constant).collect();
    let named = run.named(&inputs);
    let layers = layers(run.network.config(), &named)?;
    kinks::sides_of_stack(&layers, &inputs[0], &start(run, &layers, &inputs)?)
}

fn layers<'a, N: Number>(
    config: &ConvGruConfig,
    parameters: &'a NamedArrays<N>,
) -> Result<Vec<CellParameters<'a, N>>> {
    let mut layers = CellParameters::find_stack(parameters, "", config.layers())?;
    for layer in &mut layers {
        (layer.reset, layer.options) = (config.reset, CellOptions::of(config));
    }
    Ok(layers)
}

/// The states before the first step.
fn start<N: Number>(
    run: &Run<Stack>,
    layers: &[CellParameters<'_, N>],
    data: &[Array<N>],
) -> Result<Vec<Array<N>>> {
    let image = data[0].index(0)?.extent()?;
    let zeros = || zero_states(layers, image.batch, [image.height, image.width]);
    Ok(run.states(data).map_or_else(zeros, <[_]>::to_vec))
}

impl Definition for Stack {
    type Network = ConvGru<f64>;

    fn describe(&self, run: &Run<Self>) -> String {
        let config = run.network.config();
        let kernels: Vec<String> = (0..config.layers())
            .map(|layer| config.kernel_size.of_layer(layer))
            .map(|[height, width]| format!("{height}x{width}"))
            .collect();
        format!("hidden {:?}, kernel {}", config.hidden_channels, kernels.join(" "))
    }

    fn forward(&self, network: &ConvGru<f64>, sequence: Sequence<'_, f64>) -> Result<Vec<Tensor<f64>>> {
        if self.0.form == Form::Step {
            return network.step(&sequence.inputs[0].index(0), sequence.states);
        }
        let states = network.forward(sequence)?;
        Ok(match self.0.form {
            Form::Everything => [states.outputs, states.last].concat(),
            Form::Top => states.outputs,
            Form::Step | Form::Last => states.last,
        })
    }

    fn reference<N: Number>(
        &self,
        run: &Run<Self>,
        data: &[Array<N>],
        parameters: &NamedArrays<N>,
    ) -> Result<Vec<Array<N>>> {
        let layers = layers(run.network.config(), parameters)?;
        let states = start(run, &layers, data)?;
        let steps = match &run.lengths {
            Some(lengths) => stack_forward_of_lengths(&layers, &data[0], &states, lengths)?,
            None => stack_forward(&layers, &data[0], &states)?,
        };
        let of_layer = |layer: usize| {
            let states: Vec<Array<N>> = steps.iter().map(|states| states[layer].clone()).collect();
            Array::stack(&states)
        };
        let last = steps.last().cloned().unwrap_or(states);
        match self.0.form {
            Form::Step | Form::Last => Ok(last),
            Form::Top => Ok(vec![of_layer(layers.len() - 1)?]),
            Form::Everything => {
                let all: Result<Vec<Array<N>>> = (0..layers.len()).map(of_layer).collect();
                Ok([all?, last].concat())
            }
        }
    }
}
