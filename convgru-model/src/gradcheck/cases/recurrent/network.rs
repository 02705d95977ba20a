//! A network of composed cells.

use convgru_kernels::reference::Number;

use crate::composed::{Context, Recurrent, RecurrentConfig, ReferenceRun, Wiring, reference};
use crate::error::Result;
use crate::gradcheck::cases::sequences::{Definition, Run};
use crate::gradcheck::draw::Values;
use crate::reference::{Array, NamedArrays};
use crate::sequence::{MemoryBudget, ReturnLayers};
use crate::tensor::Tensor;

/// What a case fixes; shapes are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// Whether initial states are given.
    pub(super) given: bool,
    /// Whether samples end early.
    pub(super) lengths: bool,
    /// Whether it runs with dropout and zoneout.
    pub(super) dropout: bool,
    /// Whether every step is computed again on the way back.
    pub(super) recomputed: bool,
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
            dropout: false,
            recomputed: false,
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

/// A network of composed cells.
pub(super) struct Network;

impl Network {
    pub(super) fn run(
        setup: Setup,
        config: RecurrentConfig,
        sizes: [usize; 2],
        space: &[usize],
        seed: u64,
    ) -> Result<Run<Self>> {
        let [steps, batch] = sizes;
        let mut network = Recurrent::new(config, seed)?;
        if setup.recomputed {
            network.set_memory_budget(MemoryBudget::Bytes(1));
        }
        let drawn = |attempt: u64| {
            let values = &mut Values::new(seed.wrapping_add(attempt));
            draw(&network, setup.given, values, sizes, space)
        };
        let (inputs, counts) = drawn(0);
        let mut run = Run {
            definition: Self,
            network: network.clone(),
            inputs,
            counts,
            lengths: setup.lengths.then(|| (0..batch).map(|sample| (steps + sample) % (steps + 1)).collect()),
            return_layers: ReturnLayers::All,
            dropout_seed: setup.dropout.then_some(seed),
        };
        if !setup.away_from_kinks {
            return Ok(run);
        }
        let mut best = to_kink(&run)?;
        for attempt in 1..TRIES {
            if best > NEAR {
                break;
            }
            let before = std::mem::replace(&mut run.inputs, drawn(attempt).0);
            let found = to_kink(&run)?;
            if found > best {
                best = found;
            } else {
                run.inputs = before;
            }
        }
        Ok(run)
    }
}

/// How far the nearest number is from a kink.
fn to_kink(run: &Run<Network>) -> Result<f64> {
    let arrays: Vec<Array<f64>> = run.inputs.iter().map(|(_, tensor)| Array::constant(tensor)).collect();
    Ok(run_reference(run, &arrays[..run.first_parameter()], &run.named(&arrays))?.to_kink)
}

fn run_reference<N: Number>(
    run: &Run<Network>,
    data: &[Array<N>],
    parameters: &NamedArrays<N>,
) -> Result<ReferenceRun<N>> {
    let named = run.network.parameters().named().iter();
    let arrays =
        named.map(|(name, tensor)| parameters.find(name).cloned().unwrap_or_else(|| Array::constant(tensor)));
    let tensors: Vec<Tensor<f64>> = data.iter().map(Array::values).collect();
    reference(&run.network, run.sequence(&tensors), data, arrays.collect())
}

/// Inputs, states if they are given, contexts and parameters, and the numbers of the first three.
fn draw(
    network: &Recurrent<f64>,
    given: bool,
    values: &mut Values,
    [steps, batch]: [usize; 2],
    space: &[usize],
) -> (Vec<(String, Tensor<f64>)>, [usize; 3]) {
    let config = network.config();
    let mut drawn = Vec::new();
    let halved = |space: &[usize], times: usize, round_up: bool| -> Vec<usize> {
        let half = |n: usize| if round_up { n.div_ceil(2) } else { n / 2 };
        space.iter().map(|&n| (0..times).fold(n, |n, _| half(n))).collect()
    };
    for input in 0..config.inputs() {
        let space = match config.wiring {
            Wiring::GruRcn { pool: true } => halved(space, input, false),
            _ => space.to_vec(),
        };
        let shape = [&[steps, batch, config.in_channels(input)], &space[..]].concat();
        drawn.push((format!("x.{input}"), values.tensor(&shape)));
    }
    // States have the sizes of the results of a run.
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
    if !given {
        states.clear();
    }
    let counts = [config.inputs(), states.len(), contexts.len()];
    drawn.extend(states);
    drawn.extend(contexts);
    // The vectors of spectral norms are no variables.
    let checked = |(name, _): &&(String, Tensor<f64>)| !name.contains(".spectral.");
    for (name, parameter) in network.parameters().named().iter().filter(checked) {
        let mut tensor = values.tensor(parameter.shape());
        let scale = scale_of(name);
        tensor.as_mut_slice().iter_mut().for_each(|value| *value *= scale);
        drawn.push((name.clone(), tensor));
    }
    (drawn, counts)
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

impl Definition for Network {
    type Network = Recurrent<f64>;

    fn describe(&self, run: &Run<Self>) -> String {
        let hidden: Vec<usize> = run.network.config().cells().map(|cell| cell.hidden_channels).collect();
        format!("hidden {hidden:?}")
    }

    fn reference<N: Number>(
        &self,
        run: &Run<Self>,
        data: &[Array<N>],
        parameters: &NamedArrays<N>,
    ) -> Result<Vec<Array<N>>> {
        Ok(run_reference(run, data, parameters)?.results)
    }
}
