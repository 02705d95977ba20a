//! Networks of every other published cell: states after every step and all gradients.

use convgru_model::composed::{Context, Recurrent, RecurrentConfig, RecurrentParameters, Stage, Wiring};
use convgru_model::import::layout::Layout;
use convgru_model::import::network::{Hints, read};
use convgru_model::layer::Activation;
use convgru_model::{OutputGradients, Parameters, Precision, ReturnLayers, Sequence, Tensor, Workspace};
use serde_json::Value;

use super::{Errors, Record, originals};
use convgru_train::Result;

/// Gradients that are recorded besides those of what a network is given: of folded kernels, and in 32 bits.
const OTHER_GRADIENTS: [&str; 2] = ["grad.folded.", "grad32."];

/// What a record of a network asks for.
pub(super) struct Recipe {
    system: &'static str,
    hints: Hints,
}

impl Recipe {
    /// The recipe of a record; `None` if it is not one of these networks.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let config: Value =
            record.metadata("config").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let class = config["cls"].as_str().unwrap_or_default();
        let pooled = config["max_pool"].as_str().is_some_and(|pool| !pool.starts_with("none"));
        let volumes = config["spatial"].as_array().is_some_and(|size| size.len() == 3 && size[0].is_u64());
        let slope = config["leaky_slope"].as_f64();
        let mut hints = Hints {
            dilation: pair(&config["h2h_dilate"], 1).or_else(|| pair(&config["dilation"], 1)),
            input_dilation: pair(&config["i2h_dilate"], 1).or_else(|| pair(&config["dilation"], 1)),
            input_stride: pair(&config["stride"], 1),
            input_padding: pair(&config["padding"], 0).or_else(|| pair(&config["i2h_pad"], 0)),
            activations: activations(&config["activation"], slope),
            linear_before_reset: record.metadata("reset") == Some("after"),
            ..Hints::default()
        };
        if hints.activations.is_empty() {
            hints.activations = activations(&config["act_type"], slope);
        }
        let is_plain = hints.activations.iter().all(|activation| *activation == Activation::Tanh)
            && [hints.dilation, hints.input_dilation, hints.input_stride]
                .iter()
                .flatten()
                .all(|it| *it == [1, 1])
            && !volumes;
        let system = match record.metadata("system")? {
            "aserdega" => "aserdega",
            "ballas" if config["stacked"] == true => {
                hints.wiring = Some(Wiring::GruRcn { pool: pooled });
                "ballas_stacked"
            }
            "carlthome" => "carlthome",
            "dgmr" => "dgmr",
            "droid" => "droid",
            "e2vid" if class.contains("FireNet") => "firenet",
            "hko7" if class == "TrajGRU" => "hko7_trajgru",
            "hko7" => {
                let residual = config["residual"] == true;
                hints.wiring = Some(if residual { Wiring::Residual } else { Wiring::Chain });
                "hko7"
            }
            "itermvs" | "iter_mvs" => "iter_mvs",
            "jhhuang96" => "jhhuang96",
            "onnx_gru_1x1" => "onnx_gru_1x1",
            "raft" if class.starts_with("SepConvGRU") => "raft_sep",
            "raftstereo" => "raftstereo",
            "torchvision" if class == "RecurrentBlock" => "raft_sep",
            system if !is_plain => Layout::of(system)?.system,
            _ => return None,
        };
        Some(Self { system, hints })
    }

    /// Computes what the record holds and compares.
    pub(super) fn compare(&self, record: &Record) -> Result<Errors> {
        let tensors = record.with_prefix("param.");
        originals::expect(record, self.system, &self.hints, &tensors)?;
        let imported = read(self.system, &tensors, &self.hints)?;
        let network = Recurrent::from_parameters(imported.config.clone(), imported.parameters.clone())?;
        let given = Given::of(record, &imported.config)?;
        let sequence = given.sequence();
        let mut workspace = Workspace::default();
        let trained = network.forward_train(sequence, &mut workspace)?;
        let used = network.forward(sequence)?;
        let mut errors = Errors::default();
        let cells = imported.config.cells().count();
        let states = trained.outputs.iter().zip(&used.outputs).take(cells);
        for (cell, (trained, used)) in states.enumerate() {
            errors.output(record, &format!("h.{cell}"), trained)?;
            errors.output(record, &format!("h.{cell}"), used)?;
        }
        for (cell, single) in single(&network, &given)?.iter().take(cells).enumerate() {
            errors.single(record, &format!("h.{cell}"), single)?;
        }
        for name in ["y".to_owned(), format!("y.{}", cells - 1)] {
            if let Some(top) = used.outputs.last().filter(|_| record.find(&name).is_some()) {
                errors.output(record, &name, top)?;
            }
        }
        if record.find("y").is_some() && given.inputs.len() == 1 {
            compare_chain(record, &network, &given, &mut errors)?;
        }
        let mut probes = (0..cells).map(|cell| record.find(&format!("probe.{cell}"))).collect::<Vec<_>>();
        if probes.iter().all(Option::is_none) {
            return Ok(errors);
        }
        probes.resize(trained.outputs.len(), record.find("probe.y"));
        let d_outputs = OutputGradients { outputs: probes, ..Default::default() };
        let mut gradients = network.parameters().zeros_like();
        let back = network.backward(&mut workspace, &d_outputs, &mut gradients)?;
        let mut computed: Vec<(String, Tensor<f64>)> = imported.write_gradients(&gradients)?;
        computed.iter_mut().for_each(|(name, _)| *name = format!("param.{name}"));
        computed.extend(given.input_names.iter().cloned().zip(back.inputs));
        computed.extend(back.states.into_iter().enumerate().map(|(i, d)| (format!("h0.{i}"), d)));
        for (name, d) in given.context_names.iter().zip(back.contexts) {
            computed
                .extend(apart(&d)?.into_iter().zip(CONTEXTS).map(|(d, gate)| (format!("{gate}{name}"), d)));
        }
        for (name, d) in &computed {
            let name = format!("grad.{name}");
            if record.find(&name).is_some() {
                errors.gradient(record, &name, d)?;
            }
        }
        // Nothing that is recorded goes without a comparison.
        let is_computed =
            |name: &str| computed.iter().any(|(other, _)| name.strip_prefix("grad.") == Some(other));
        let mut recorded = record.names().filter(|name| name.starts_with("grad"));
        let other = |name: &str| OTHER_GRADIENTS.iter().any(|prefix| name.starts_with(prefix));
        match recorded.find(|name| !other(name) && !is_computed(name)) {
            Some(name) => Err(record.refuse(format!("nothing was computed that is `{name}`"))),
            None => Ok(errors),
        }
    }
}

/// Compares the output of the topmost stage if the fused engine computes the network as a stream of frames.
fn compare_chain(
    record: &Record,
    network: &Recurrent<f64>,
    given: &Given,
    errors: &mut Errors,
) -> Result<()> {
    let (Ok(chain), &[steps, batch, _, height, width]) = (network.to_chain(), given.inputs[0].shape()) else {
        return Ok(());
    };
    let mut stream = chain.stream(batch, height, width)?;
    if let Some(states) = &given.states {
        stream.set_states(states)?;
    }
    let mut tops = Vec::new();
    for step in 0..steps {
        tops.extend_from_slice(stream.step(&given.inputs[0].index(step))?.as_slice());
    }
    let shape = [&[steps], stream.output().shape()].concat();
    errors.output(record, "y", &Tensor::from_vec(&shape, tops)?)
}

/// The states of all cells, computed in 32 bits, products and sums as in the definition.
fn single(network: &Recurrent<f64>, given: &Given) -> Result<Vec<Tensor<f32>>> {
    let named = network.parameters().named().iter().map(|(name, tensor)| (name.clone(), tensor.cast()));
    let parameters = RecurrentParameters::new(named.collect());
    let mut config = network.config().clone();
    for stage in &mut config.stages {
        match stage {
            Stage::Cell(cell) => cell.precision = Precision::Exact,
            Stage::Convolution(config) | Stage::Residual(config) => config.precision = Precision::Exact,
        }
    }
    let network = Recurrent::<f32>::from_parameters(config, parameters)?;
    let cast = |tensors: &[Tensor<f64>]| tensors.iter().map(Tensor::cast).collect::<Vec<Tensor<f32>>>();
    let (inputs, contexts) = (cast(&given.inputs), cast(&given.contexts));
    let states = given.states.as_deref().map(cast);
    let (states, contexts) = (states.as_deref(), &contexts[..]);
    let sequence =
        Sequence { states, contexts, return_layers: ReturnLayers::All, ..Sequence::from(&inputs[..]) };
    Ok(network.forward(sequence)?.outputs)
}

/// The names of contexts: of update gate, reset gate, candidate.
const CONTEXTS: [&str; 3] = ["cz", "cr", "cq"];

/// What a record gives a network.
struct Given {
    input_names: Vec<String>,
    inputs: Vec<Tensor<f64>>,
    states: Option<Vec<Tensor<f64>>>,
    /// What follows the names of contexts.
    context_names: Vec<String>,
    contexts: Vec<Tensor<f64>>,
}

impl Given {
    fn of(record: &Record, config: &RecurrentConfig) -> Result<Self> {
        let cells: Vec<_> = config.cells().collect();
        let input_names: Vec<String> = match record.find("x") {
            None if record.find("x.0").is_some() => {
                (0..cells.len()).map(|cell| format!("x.{cell}")).collect()
            }
            _ => vec!["x".to_owned()],
        };
        let inputs = match cells.first().is_some_and(|cell| cell.in_channels == 0) {
            true => vec![no_input(record)?],
            false => input_names.iter().map(|name| record.tensor(name).cloned()).collect::<Result<_>>()?,
        };
        let states: Vec<Tensor<f64>> =
            (0..cells.len()).map_while(|cell| record.find(&format!("h0.{cell}")).cloned()).collect();
        let (mut context_names, mut contexts) = (Vec::new(), Vec::new());
        for (cell, config) in cells.iter().enumerate() {
            if config.context == Context::Additive {
                let name = if record.find("cz").is_some() { String::new() } else { format!(".{cell}") };
                let mut parts = Vec::new();
                for gate in CONTEXTS {
                    parts.push(record.tensor(&format!("{gate}{name}"))?);
                }
                contexts.push(together([parts[0], parts[1], parts[2]])?);
                context_names.push(name);
            }
        }
        let states = (!states.is_empty()).then_some(states);
        Ok(Self { input_names, inputs, states, context_names, contexts })
    }

    fn sequence(&self) -> Sequence<'_, f64> {
        Sequence {
            states: self.states.as_deref(),
            contexts: &self.contexts,
            return_layers: ReturnLayers::All,
            input_gradient: true,
            ..Sequence::from(&self.inputs[..])
        }
    }
}

/// The frames of a network without input, of no channels: as many as the record has states of the first cell, or as its results, its
/// input or its configuration say.
fn no_input(record: &Record) -> Result<Tensor<f64>> {
    let recorded = ["h.0", "y", "y.0", "probe.0", "x"].into_iter().find_map(|name| record.find(name));
    let mut shape = match (recorded, record.find("h0.0")) {
        (Some(tensor), _) => tensor.shape().to_vec(),
        (None, Some(state)) => {
            let config = record.metadata("config").unwrap_or_default();
            let config: Value = serde_json::from_str(config).unwrap_or_default();
            let steps = config["T"].as_u64().and_then(|steps| usize::try_from(steps).ok());
            let steps = steps.ok_or_else(|| record.refuse("nothing tells the number of steps".to_owned()))?;
            [&[steps], state.shape()].concat()
        }
        (None, None) => return Err(record.refuse("nothing tells the number of steps".to_owned())),
    };
    if shape.len() < 4 {
        return Err(record.refuse(format!("its frames have shape {shape:?}; [T, N, C, ..] is expected")));
    }
    shape[2] = 0;
    Ok(Tensor::zeros(&shape))
}

/// Three of `[N, C, H, W]` as one of `[N, 3 C, H, W]`.
fn together(parts: [&Tensor<f64>; 3]) -> Result<Tensor<f64>> {
    let mut shape = parts[0].shape().to_vec();
    let samples = shape[0];
    shape[1] *= 3;
    let values = (0..samples).flat_map(|n| parts.iter().flat_map(move |part| part.slice(n))).copied();
    Ok(Tensor::from_vec(&shape, values.collect())?)
}

/// The inverse of [`together`].
fn apart(all: &Tensor<f64>) -> Result<Vec<Tensor<f64>>> {
    let mut shape = all.shape().to_vec();
    shape[1] /= 3;
    let len: usize = shape[1..].iter().product();
    let part = |part: usize| {
        let values = (0..shape[0]).flat_map(|n| &all.slice(n)[part * len..(part + 1) * len]);
        Ok(Tensor::from_vec(&shape, values.copied().collect())?)
    };
    (0..3).map(part).collect()
}

/// Two numbers, or one for both; of lines there is one in a list, to which that of rows is added.
fn pair(value: &Value, of_rows: usize) -> Option<[usize; 2]> {
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    match value.as_array().map(Vec::as_slice) {
        Some([one, other]) => Some([number(one)?, number(other)?]),
        Some([one]) => number(one).map(|number| [of_rows, number]),
        Some(_) => None,
        None => number(value).map(|number| [number, number]),
    }
}

/// The functions of a name or a list of names: `tanh`, `relu`, or `leaky`, with its slope or that of `slope`.
fn activations(value: &Value, slope: Option<f64>) -> Vec<Activation> {
    let of = |name: &str| match name {
        "tanh" => Some(Activation::Tanh),
        "relu" => Some(Activation::Relu),
        "leaky" => slope.map(Activation::LeakyRelu),
        _ => name.strip_prefix("leaky").and_then(|slope| slope.parse().ok()).map(Activation::LeakyRelu),
    };
    match (value.as_array(), value.as_str()) {
        (Some(names), _) => names.iter().filter_map(|name| of(name.as_str()?)).collect(),
        (None, name) => name.and_then(of).into_iter().collect(),
    }
}
