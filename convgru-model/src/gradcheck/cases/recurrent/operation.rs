//! A recurrent network, as the gradient checker sees it.

use convgru_kernels::reference::Number;

use crate::composed::{Context, Recurrent, RecurrentConfig, RecurrentParameters, Wiring, reference};
use crate::error::Result;
use crate::gradcheck::Operation;
use crate::gradcheck::draw::Values;
use crate::parameters::Parameters;
use crate::reference::Array;
use crate::sequence::{MemoryBudget, Output, OutputGradients, Outputs, Sequence, Workspace};
use crate::tensor::Tensor;

/// What a case fixes; shapes are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// Whether initial states are given.
    pub(super) given: bool,
    /// Whether samples end early.
    pub(super) lengths: bool,
    /// Whether it runs with the noise of training.
    pub(super) noise: bool,
    /// Whether every step is computed anew on the way back.
    pub(super) anew: bool,
    /// Dimensions of space.
    pub(super) dimensions: usize,
    /// Whether images have twice the size.
    pub(super) wide: bool,
    /// Whether it has functions with kinks, which no number may be near.
    pub(super) away_from_kinks: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            given: true,
            lengths: false,
            noise: false,
            anew: false,
            dimensions: 2,
            wide: false,
            away_from_kinks: false,
        }
    }
}

/// A number this near to a kink may cross it in a difference.
const NEAR: f64 = 0.04;

/// Draws that are tried to stay away from kinks.
const TRIES: u64 = 2000;

/// A network with the tensors it is checked at: inputs, states and contexts if given, parameters.
pub(super) struct Variant {
    network: Recurrent<f64>,
    lengths: Option<Vec<usize>>,
    noise: Option<u64>,
    budget: MemoryBudget,
    inputs: Vec<(String, Tensor<f64>)>,
    /// Inputs, states, contexts.
    counts: [usize; 3],
    given: bool,
    /// Places of the checked parameters among all.
    checked: Vec<usize>,
}

impl Variant {
    pub(super) fn new(
        setup: Setup,
        config: RecurrentConfig,
        [steps, batch]: [usize; 2],
        space: &[usize],
        seed: u64,
    ) -> Result<Self> {
        let network = Recurrent::new(config, seed)?;
        let lengths =
            setup.lengths.then(|| (0..batch).map(|sample| (steps + sample) % (steps + 1)).collect());
        let mut variant = Self {
            lengths,
            noise: setup.noise.then_some(seed),
            budget: if setup.anew { MemoryBudget::Bytes(1) } else { MemoryBudget::Unlimited },
            inputs: Vec::new(),
            counts: [network.config().inputs(), 0, 0],
            given: setup.given,
            // The vectors of spectral norms are no variables.
            checked: network
                .parameters()
                .named()
                .iter()
                .enumerate()
                .filter(|(_, (name, _))| !name.contains(".spectral."))
                .map(|(place, _)| place)
                .collect(),
            network,
        };
        let mut best = f64::NEG_INFINITY;
        for attempt in 0..TRIES {
            let mut values = Values::new(seed.wrapping_add(attempt));
            let candidate = variant.draw(&mut values, [steps, batch], space);
            let drawn = std::mem::replace(&mut variant.inputs, candidate);
            if !setup.away_from_kinks {
                break;
            }
            let arrays: Vec<Array<f64>> = variant.tensors().map(Array::constant).collect();
            let to_kink = variant.run_reference(&arrays)?.1;
            if to_kink > best {
                best = to_kink;
            } else {
                variant.inputs = drawn;
            }
            if best > NEAR {
                break;
            }
        }
        Ok(variant)
    }

    fn tensors(&self) -> impl Iterator<Item = &Tensor<f64>> {
        self.inputs.iter().map(|(_, tensor)| tensor)
    }

    fn draw(
        &mut self,
        values: &mut Values,
        [steps, batch]: [usize; 2],
        space: &[usize],
    ) -> Vec<(String, Tensor<f64>)> {
        let config = self.network.config();
        let mut drawn = Vec::new();
        let halved = |space: &[usize], times: usize, round_up: bool| -> Vec<usize> {
            let half = |n: usize| if round_up { n.div_ceil(2) } else { n / 2 };
            space.iter().map(|&n| (0..times).fold(n, |n, _| half(n))).collect()
        };
        for input in 0..self.counts[0] {
            let space = match config.wiring {
                Wiring::GruRcn { pool: true } => halved(space, input, false),
                _ => space.to_vec(),
            };
            let shape = [&[steps, batch, config.in_channels(input)], &space[..]].concat();
            drawn.push((format!("x.{input}"), values.tensor(&shape)));
        }
        // Sizes of states are those of the results of a run.
        let x: Vec<Tensor<f64>> = drawn.iter().map(|(_, tensor)| tensor.clone()).collect();
        let (mut states, mut contexts) = (Vec::new(), Vec::new());
        let mut size = space.to_vec();
        for (index, cell) in config.cells().enumerate() {
            match config.wiring {
                Wiring::GruRcn { .. } => size = x[index].shape()[3..].to_vec(),
                Wiring::Levels if index > 0 => size = halved(&size, 1, true),
                Wiring::Chain if index == 0 => {
                    if let Some(crate::composed::Stage::Convolution(first)) = config.stages.first() {
                        size = vec![size[0].div_ceil(first.stride[0]), size[1].div_ceil(first.stride[1])];
                    }
                }
                _ => {}
            }
            if let [.., height, width] = &mut size[..] {
                [*height, *width] = cell.state_size([*height, *width]);
            }
            let shape = |channels: usize| [&[batch, channels], &size[..]].concat();
            for state in 0..cell.states() {
                states.push((format!("h.{index}.{state}"), values.tensor(&shape(cell.hidden_channels))));
            }
            if cell.context == Context::Additive {
                contexts.push((format!("c.{index}"), values.tensor(&shape(3 * cell.hidden_channels))));
            }
        }
        if self.given {
            self.counts[1] = states.len();
            drawn.extend(states);
        }
        self.counts[2] = contexts.len();
        drawn.extend(contexts);
        for &place in &self.checked {
            let (name, parameter) = &self.network.parameters().named()[place];
            let mut tensor = values.tensor(parameter.shape());
            let scale = scale_of(name);
            tensor.as_mut_slice().iter_mut().for_each(|value| *value *= scale);
            drawn.push((name.clone(), tensor));
        }
        drawn
    }

    fn first_parameter(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The network with other parameters.
    fn with_parameters(&self, inputs: &[Tensor<f64>]) -> Result<Recurrent<f64>> {
        let mut named = self.network.parameters().named().to_vec();
        for (&place, tensor) in self.checked.iter().zip(&inputs[self.first_parameter()..]) {
            named[place].1.clone_from(tensor);
        }
        let config = self.network.config().clone();
        let mut network = Recurrent::from_parameters(config, RecurrentParameters::new(named))?;
        network.set_memory_budget(self.budget);
        Ok(network)
    }

    fn sequence<'a>(&'a self, inputs: &'a [Tensor<f64>]) -> Sequence<'a, f64> {
        let [x, states, contexts] = self.counts;
        Sequence {
            states: self.given.then_some(&inputs[x..x + states]),
            contexts: &inputs[x + states..x + states + contexts],
            lengths: self.lengths.as_deref(),
            outputs: Outputs::All,
            noise: self.noise,
            input_gradient: true,
            ..Sequence::from(&inputs[..x])
        }
    }

    /// The results by the reference, and how far the nearest number is from a kink.
    fn run_reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<(Vec<Array<N>>, f64)> {
        let first = self.first_parameter();
        let named = self.network.parameters().named();
        let mut parameters: Vec<Array<N>> = named.iter().map(|(_, tensor)| Array::constant(tensor)).collect();
        for (&place, array) in self.checked.iter().zip(&inputs[first..]) {
            parameters[place] = array.clone();
        }
        let tensors: Vec<Tensor<f64>> = inputs[..first].iter().map(Array::values).collect();
        let run = reference(&self.network, self.sequence(&tensors), &inputs[..first], parameters)?;
        Ok((run.results, run.to_kink))
    }
}

/// What drawn parameters are multiplied with. Flows hardly change from pixel to pixel and with what is varied by a
/// difference, so that none reaches the next pixel, where a warp has a kink; sums of convolutions between cells stay where
/// functions bend little, for the sake of differences too.
fn scale_of(name: &str) -> f64 {
    let scales = [
        (".flow_weights", 0.03),
        (".flow_input_weights", 0.3),
        (".flow_hidden_weights", 0.3),
        ("weight", 0.4),
    ];
    scales.iter().find(|(end, _)| name.ends_with(end)).map_or(1.0, |(_, scale)| *scale)
}

fn all_results(output: Output<f64>) -> Vec<Tensor<f64>> {
    [output.outputs, output.last].concat()
}

impl Operation for Variant {
    fn describe(&self) -> String {
        let hidden: Vec<usize> = self.network.config().cells().map(|cell| cell.hidden_channels).collect();
        format!("x {:?}, hidden {hidden:?}", self.inputs[0].1.shape())
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let network = self.with_parameters(inputs)?;
        Ok(all_results(network.forward(self.sequence(inputs))?))
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let network = self.with_parameters(inputs)?;
        let mut workspace = Workspace::default();
        let outputs = network.forward_train(self.sequence(inputs), &mut workspace)?.outputs.len();
        let (outputs, last) = d_outputs.split_at(outputs);
        let d_results = OutputGradients {
            outputs: outputs.iter().map(Some).collect(),
            last: last.iter().map(Some).collect(),
        };
        let mut d_parameters = network.parameters().zeros_like();
        let first = self.first_parameter();
        let mut named = d_parameters.named().to_vec();
        for (&place, gradient) in self.checked.iter().zip(&gradients[first..]) {
            named[place].1.clone_from(gradient);
        }
        d_parameters = RecurrentParameters::new(named);
        let back = network.backward(&mut workspace, &d_results, &mut d_parameters)?;
        let given = back.inputs.iter().chain(&back.states).chain(&back.contexts);
        for (gradient, d) in gradients.iter_mut().zip(given) {
            gradient.add_assign(d)?;
        }
        for (&place, gradient) in self.checked.iter().zip(&mut gradients[first..]) {
            gradient.clone_from(&d_parameters.named()[place].1);
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        Ok(self.run_reference(inputs)?.0)
    }
}
