//! The parameters of a layer: names, shapes and what they begin with.

use convgru_kernels::Scalar;

use super::cell_config::{Bias, CellConfig, CellKind, Context};
use crate::config::ResetGate;
use crate::init;
use crate::random::Random;
use crate::tensor::Tensor;

/// Height and width of the kernels that flows are made with (Shi et al. 2017).
const FLOW_KERNEL: usize = 5;

/// A parameter of a layer: its name, its shape and how it is initialised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ParameterSpec {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) start: InitialValue,
}

/// What a parameter begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum InitialValue {
    /// Drawn as the configuration says, each of some blocks of rows for itself.
    Kernel { blocks: usize },
    /// A number, the first rows another.
    Number { first: usize, value: f64, rest: f64 },
    /// A random direction of length 1.
    Direction,
}

const ZERO: InitialValue = InitialValue::Number { first: 0, value: 0.0, rest: 0.0 };
const ONE: InitialValue = InitialValue::Number { first: 0, value: 0.0, rest: 1.0 };

/// The parameters of a layer, in the order in which they are kept.
pub(crate) fn parameter_specs(config: &CellConfig) -> Vec<ParameterSpec> {
    let mut specs = Vec::new();
    match config.kind {
        CellKind::Gru => {
            add_gru(config, config.kernel_size, config.input_kernel(), "", &mut specs);
            if let Some(second) = config.second_kernel_size {
                add_gru(config, second, second, "second.", &mut specs);
            }
        }
        CellKind::Lstm => add_lstm(config, &mut specs),
        CellKind::TrajGru => add_traj_gru(config, &mut specs),
    }
    specs
}

/// The shape of a kernel; depth is left out where it is one.
fn kernel(rows: usize, columns: usize, depth: usize, [height, width]: [usize; 2]) -> Vec<usize> {
    let mut shape = vec![rows, columns];
    shape.extend((depth > 1).then_some(depth));
    shape.extend([height, width]);
    shape
}

fn spec(prefix: &str, name: &str, shape: Vec<usize>, start: InitialValue) -> ParameterSpec {
    ParameterSpec { name: format!("{prefix}{name}"), shape, start }
}

/// Kernels over input and state, and the bias, of some gates.
fn add_gates(
    config: &CellConfig,
    gates: usize,
    sizes: [[usize; 2]; 2],
    prefix: &str,
    specs: &mut Vec<ParameterSpec>,
) {
    let hidden = config.hidden_channels;
    let [of_state, of_input] = sizes;
    let inputs = config.in_channels / config.input_groups;
    let input = kernel(gates * hidden, inputs, config.input_kernel_depth, of_input);
    let state = kernel(gates * hidden, hidden / config.groups, config.kernel_depth, of_state);
    specs.push(spec(prefix, "input_weights", input, InitialValue::Kernel { blocks: gates }));
    specs.push(spec(prefix, "hidden_weights", state, InitialValue::Kernel { blocks: gates }));
}

fn add_gru(
    config: &CellConfig,
    of_state: [usize; 2],
    of_input: [usize; 2],
    prefix: &str,
    specs: &mut Vec<ParameterSpec>,
) {
    let hidden = config.hidden_channels;
    add_gates(config, 3, [of_state, of_input], prefix, specs);
    let update = InitialValue::Number { first: hidden, value: config.update_bias, rest: 0.0 };
    if config.bias != Bias::None {
        specs.push(spec(prefix, "bias", vec![3 * hidden], update));
    }
    if config.bias == Bias::Two && config.reset == ResetGate::After {
        specs.push(spec(prefix, "hidden_bias", vec![hidden], ZERO));
    }
    if config.normalization_groups().is_some() {
        for (name, channels) in [("gates_norm", 2 * hidden), ("candidate_norm", hidden)] {
            specs.push(spec(prefix, &format!("{name}.scale"), vec![channels], ONE));
            specs.push(spec(prefix, &format!("{name}.shift"), vec![channels], ZERO));
        }
    }
    if config.spectral_norm {
        let columns: usize =
            specs.iter().rev().take_while(|spec| spec.name.starts_with(prefix)).fold(0, |columns, spec| {
                match spec.name.ends_with("_weights") {
                    true => columns + spec.shape[1..].iter().product::<usize>(),
                    false => columns,
                }
            });
        for gate in ["update", "reset", "candidate"] {
            specs.push(spec(prefix, &format!("spectral.{gate}.u"), vec![hidden], InitialValue::Direction));
            specs.push(spec(prefix, &format!("spectral.{gate}.v"), vec![columns], InitialValue::Direction));
        }
    }
    if config.context == Context::Global {
        let one = [1, 1];
        for (name, gates) in [("global", 1), ("context", 3)] {
            let weights = kernel(gates * hidden, hidden, 1, one);
            specs.push(spec(
                prefix,
                &format!("{name}_weights"),
                weights,
                InitialValue::Kernel { blocks: gates },
            ));
            specs.push(spec(prefix, &format!("{name}_bias"), vec![gates * hidden], ZERO));
        }
    }
    if config.lower_channels > 0 {
        let lower = kernel(2 * hidden, config.lower_channels, 1, of_state);
        specs.push(spec(prefix, "lower_weights", lower, InitialValue::Kernel { blocks: 2 }));
    }
}

fn add_lstm(config: &CellConfig, specs: &mut Vec<ParameterSpec>) {
    let hidden = config.hidden_channels;
    add_gates(config, 4, [config.kernel_size, config.input_kernel()], "", specs);
    if config.bias != Bias::None {
        let bias = InitialValue::Number { first: hidden, value: config.update_bias, rest: 0.0 };
        specs.push(spec("", "bias", vec![4 * hidden], bias));
    }
    if config.peephole {
        specs.push(spec("", "peephole", vec![3 * hidden], ZERO));
    }
}

fn add_traj_gru(config: &CellConfig, specs: &mut Vec<ParameterSpec>) {
    let (hidden, inputs, flows) = (config.hidden_channels, config.in_channels, config.flows);
    let (features, size) = (config.flow_channels, [FLOW_KERNEL; 2]);
    let whole = InitialValue::Kernel { blocks: 1 };
    let input = kernel(3 * hidden, inputs / config.input_groups, 1, config.input_kernel());
    specs.push(spec("", "input_weights", input, InitialValue::Kernel { blocks: 3 }));
    let of_state = kernel(3 * hidden, flows * hidden, 1, [1, 1]);
    specs.push(spec("", "hidden_weights", of_state, InitialValue::Kernel { blocks: 3 }));
    let update = InitialValue::Number { first: hidden, value: config.update_bias, rest: 0.0 };
    specs.push(spec("", "bias", vec![3 * hidden], update));
    specs.push(spec("", "hidden_bias", vec![hidden], ZERO));
    specs.push(spec("", "flow_input_weights", kernel(features, inputs, 1, size), whole));
    specs.push(spec("", "flow_hidden_weights", kernel(features, hidden, 1, size), whole));
    specs.push(spec("", "flow_bias", vec![features], ZERO));
    // Flows begin at zero: the state stays in place.
    specs.push(spec("", "flow_weights", kernel(2 * flows, features, 1, size), ZERO));
    specs.push(spec("", "flow_shift", vec![2 * flows], ZERO));
}

/// Tensors to begin with, one for each parameter. The kernels of a gate over input and state are drawn as one, whose rows
/// are side by side. A bias belongs to the kernels drawn before it.
pub(crate) fn draw<T: Scalar>(
    specs: &[ParameterSpec],
    config: &CellConfig,
    random: &mut Random,
) -> Vec<Tensor<T>> {
    let mut drawn = Vec::with_capacity(specs.len());
    let mut fan_in = 1;
    while let Some(spec) = specs.get(drawn.len()) {
        let next = specs.get(drawn.len() + 1).filter(|next| {
            spec.name.ends_with("input_weights")
                && next.name.ends_with("hidden_weights")
                && next.start == spec.start
        });
        if let InitialValue::Kernel { .. } = spec.start {
            fan_in = spec.columns() + next.map_or(0, ParameterSpec::columns);
        }
        match next {
            Some(next) => drawn.extend(draw_joint([spec, next], config, random)),
            None => drawn.push(spec.draw(config, fan_in, random)),
        }
    }
    drawn
}

/// The kernels of gates over input and state.
fn draw_joint<T: Scalar>(
    specs: [&ParameterSpec; 2],
    config: &CellConfig,
    random: &mut Random,
) -> [Tensor<T>; 2] {
    let widths = specs.map(ParameterSpec::columns);
    let InitialValue::Kernel { blocks } = specs[0].start else { unreachable!("kernels of gates are drawn") };
    let sizes = [blocks, specs[0].shape[0] / blocks];
    let taps = specs[1].shape[2..].iter().product();
    let [input, state] = init::draw_joint(config.initializer, sizes, widths, taps, random);
    [(0, input), (1, state)].map(|(spec, kernel)| {
        Tensor::from_vec(&specs[spec].shape, kernel).expect("one number was drawn for each place")
    })
}

/// A kernel as a matrix, each of some blocks of rows drawn for itself; an input reaches so many taps of each output.
fn draw_kernel<T: Scalar>(
    config: &CellConfig,
    [rows, columns]: [usize; 2],
    blocks: usize,
    taps: usize,
    random: &mut Random,
) -> Vec<T> {
    let rows = rows / blocks;
    (0..blocks).flat_map(|_| init::draw(config.initializer, [rows, columns], rows * taps, random)).collect()
}

impl ParameterSpec {
    /// Numbers of a row.
    fn columns(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// A tensor to begin with; a bias beside kernels of `fan_in` numbers for each output.
    fn draw<T: Scalar>(&self, config: &CellConfig, fan_in: usize, random: &mut Random) -> Tensor<T> {
        let len: usize = self.shape.iter().product();
        let values = match self.start {
            InitialValue::Kernel { blocks } => {
                let columns = self.columns();
                let taps = self.shape[2..].iter().product();
                draw_kernel(config, [self.shape[0], columns], blocks, taps, random)
            }
            InitialValue::Number { first, value, rest } if self.name.ends_with("bias") => {
                let drawn = init::draw_bias::<f64>(config.initializer, fan_in, len, random);
                let number = |(i, drawn)| T::from_f64(drawn + if i < first { value } else { rest });
                drawn.into_iter().enumerate().map(number).collect()
            }
            InitialValue::Number { first, value, rest } => {
                (0..len).map(|i| T::from_f64(if i < first { value } else { rest })).collect()
            }
            InitialValue::Direction => {
                let values: Vec<f64> = (0..len).map(|_| random.normal()).collect();
                let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
                values.into_iter().map(|x| T::from_f64(x / norm)).collect()
            }
        };
        Tensor::from_vec(&self.shape, values).expect("one number was drawn for each place")
    }
}
