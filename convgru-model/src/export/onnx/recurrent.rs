//! A network of recurrent layers as a model.

use convgru_kernels::Scalar;

use super::Form;
use super::graph::{Constants, Graph, Size};
use super::loops;
use super::model::{About, encode};
use super::operators::{OnnxValue, Writer};
use crate::error::{Error, Result};
use crate::recurrent::{Context, Given, Recurrent, RecurrentConfig, Run};

/// Height and width of the first input.
const IMAGE: [Size; 2] = [Size::Free("height"), Size::Free("width")];

/// Those of states and whatever else may have another size.
const OTHER: [Size; 2] = [Size::Any, Size::Any];

/// The bytes of the file.
pub(super) fn write<T: Scalar>(network: &Recurrent<T>, form: Form) -> Result<Vec<u8>> {
    let config = network.config();
    if config.cells().any(|cell| cell.kernel_depth.max(cell.input_kernel_depth) > 1) {
        let reason = "kernels over volumes cannot be written as ONNX".to_owned();
        return Err(Error::InvalidConfig { field: "kernel_depth".into(), reason });
    }
    if form == Form::Sequence && (config.inputs() > 1 || config.in_channels(0) == 0) {
        let reason = "a network of several inputs or of none is written as one step".to_owned();
        return Err(Error::InvalidConfig { field: "form".into(), reason });
    }
    network.check()?;
    let mut constants = Constants::default();
    let mut graph = Graph::new("convgru", &mut constants);
    match form {
        Form::Step => step(&mut graph, network)?,
        Form::Sequence => sequence(&mut graph, network)?,
    }
    let kinds: Vec<String> = config.cells().map(|cell| format!("{:?}", cell.cell)).collect();
    let about = About {
        network: "Recurrent",
        form: form.name(),
        sentence: match form {
            Form::Step => {
                "One step of a network of recurrent layers: a frame, contexts and states to the next states."
            }
            Form::Sequence => {
                "A network of recurrent layers over a sequence: frames, contexts and states to what the topmost \
                 stage gives for every frame and the states after the last."
            }
        },
        equation: &format!("layers: {}; see the configuration", kinds.join(", ")),
        config: super::json(config)?,
    };
    let graph = graph.finish();
    encode(&about, graph, constants)
}

/// `[N, C, H, W]`
fn sizes(channels: usize, [height, width]: [Size; 2]) -> [Size; 4] {
    [Size::Free("batch"), Size::Fixed(channels), height, width]
}

/// Channels of all states.
fn states(config: &RecurrentConfig) -> Vec<usize> {
    config.cells().flat_map(|cell| vec![cell.hidden_channels; cell.states()]).collect()
}

fn declare_states(graph: &mut Graph<'_>, config: &RecurrentConfig) -> Vec<String> {
    let channels = states(config).into_iter().enumerate();
    channels
        .map(|(index, channels)| graph.input(&format!("state.{index}"), &sizes(channels, OTHER)))
        .collect()
}

/// The contexts of the cells that see one.
fn declare_contexts(graph: &mut Graph<'_>, config: &RecurrentConfig) -> Vec<String> {
    let cells = config.cells().enumerate().filter(|(_, cell)| cell.context == Context::Additive);
    cells
        .map(|(index, cell)| {
            graph.input(&format!("context.{index}"), &sizes(3 * cell.hidden_channels, OTHER))
        })
        .collect()
}

/// Runs one step of the network on values of a graph.
fn run<T: Scalar>(
    graph: &mut Graph<'_>,
    network: &Recurrent<T>,
    inputs: Vec<String>,
    states: &[String],
    contexts: &[String],
) -> Result<(Vec<String>, String)> {
    let config = network.config();
    let mut writer = Writer::new(graph, network.parameters().named());
    let mut states = states.iter();
    let of_cell = |cell: &crate::recurrent::CellConfig| -> Vec<OnnxValue<T>> {
        let states = states.by_ref().take(cell.states());
        states.map(|name| OnnxValue::node(name.as_str(), cell.hidden_channels)).collect()
    };
    let states = config.cells().map(of_cell).collect();
    let mut contexts = contexts.iter();
    let context = |cell: &crate::recurrent::CellConfig| match cell.context {
        Context::Additive => {
            contexts.next().map(|name| OnnxValue::node(name.as_str(), 3 * cell.hidden_channels))
        }
        _ => None,
    };
    let contexts = config.cells().map(context).collect();
    let inputs = inputs.into_iter().enumerate();
    let inputs = inputs.map(|(input, name)| OnnxValue::node(name, config.in_channels(input))).collect();
    let noises = network.expected_noises(&mut writer);
    let given =
        Given { steps: 1, batch: 1, depth: 1, inputs, states: Some(states), contexts, lengths: None, noises };
    let Run { last, top, .. } = network.runner(&mut writer, 1)?.run(&mut writer, &given)?;
    let last = last.iter().flatten().map(|state| writer.name(state).to_string()).collect();
    Ok((last, writer.name(&top).to_string()))
}

fn declare_next(graph: &mut Graph<'_>, config: &RecurrentConfig, new: &[String]) {
    for (index, (state, channels)) in new.iter().zip(states(config)).enumerate() {
        graph.output(state, &format!("next_state.{index}"), &sizes(channels, OTHER));
    }
}

fn step<T: Scalar>(graph: &mut Graph<'_>, network: &Recurrent<T>) -> Result<()> {
    let config = network.config();
    let name = |input: usize| if config.inputs() > 1 { format!("input.{input}") } else { "input".to_owned() };
    let image = |input: usize| if input == 0 { IMAGE } else { OTHER };
    let inputs: Vec<String> = (0..config.inputs())
        .map(|input| graph.input(&name(input), &sizes(config.in_channels(input), image(input))))
        .collect();
    let states = declare_states(graph, config);
    let contexts = declare_contexts(graph, config);
    let (new, top) = run(graph, network, inputs, &states, &contexts)?;
    graph.output(&top, "output", &sizes(network.top_channels(), OTHER));
    declare_next(graph, config, &new);
    Ok(())
}

fn sequence<T: Scalar>(graph: &mut Graph<'_>, network: &Recurrent<T>) -> Result<()> {
    let config = network.config();
    let frame = sizes(config.in_channels(0), IMAGE);
    let frames = graph.input("input", &[&[Size::Free("steps")], &frame[..]].concat());
    let before = declare_states(graph, config);
    // A body sees the values around it.
    let contexts = declare_contexts(graph, config);
    let top_sizes = sizes(network.top_channels(), OTHER);
    let mut body = graph.body("step");
    let inside = declare_states(&mut body, config);
    let input = body.input("input", &frame);
    let (new, top) = run(&mut body, network, vec![input], &inside, &contexts)?;
    declare_next(&mut body, config, &new);
    body.output(&top, "output", &top_sizes);
    let body = body.finish();
    graph.output_as_is("output", &[&[Size::Free("steps")], &top_sizes[..]].concat());
    let mut outputs: Vec<String> = (0..new.len()).map(|index| format!("next_state.{index}")).collect();
    for (name, channels) in outputs.iter().zip(states(config)) {
        graph.output_as_is(name, &sizes(channels, OTHER));
    }
    // A loop gives the carried values first.
    outputs.push("output".to_owned());
    loops::scan(graph, body, [&before, &[frames]], &outputs);
    Ok(())
}
