//! A stack of cells as a model.

use convgru_kernels::Scalar;

use super::Form;
use super::cell::{Stack, equation};
use super::graph::{Constants, Graph, Size};
use super::loops;
use super::model::{About, encode};
use super::proto::data_type;
use crate::error::Result;
use crate::fused::ConvGru;

/// Height and width of images and states.
const IMAGE: [Size; 2] = [Size::Free("height"), Size::Free("width")];

/// The bytes of the file.
pub(super) fn write<T: Scalar>(network: &ConvGru<T>, form: Form) -> Result<Vec<u8>> {
    network.check()?;
    let mut constants = Constants::default();
    let mut graph = Graph::new("convgru", &mut constants);
    let stack = Stack { layers: &network.parameters().layers, config: network.config(), prefix: "" };
    let channels = network.config().in_channels;
    match form {
        Form::Step => step(&mut graph, stack, channels),
        Form::Sequence if channels > 0 => sequence(&mut graph, stack, channels),
        Form::Sequence => sequence_without_input(&mut graph, stack),
    }
    let about = About {
        network: "ConvGru",
        form: form.name(),
        sentence: match form {
            Form::Step => "One step of a stack of convolutional GRUs: a frame and states to the next states.",
            Form::Sequence => {
                "A stack of convolutional GRUs over a sequence: frames and states to the states of the \
                 topmost layer after every frame and of all layers after the last."
            }
        },
        equation: &equation(network.config()),
        config: super::json(network.config())?,
    };
    let graph = graph.finish();
    encode(&about, graph, constants)
}

/// `[N, C, H, W]`
fn frame_sizes(channels: usize) -> [Size; 4] {
    [Size::Free("batch"), Size::Fixed(channels), IMAGE[0], IMAGE[1]]
}

/// Before the sizes of a frame that of the sequence.
fn over_steps(sizes: [Size; 4]) -> Vec<Size> {
    [&[Size::Free("steps")], &sizes[..]].concat()
}

fn step<T: Scalar>(graph: &mut Graph<'_>, stack: Stack<'_, T>, channels: usize) {
    let input = (channels > 0).then(|| graph.input("input", &frame_sizes(channels)));
    let states = stack.state_inputs(graph, IMAGE);
    let new = stack.step(graph, input.as_deref(), &states);
    stack.state_outputs(graph, &new, IMAGE);
}

fn sequence<T: Scalar>(graph: &mut Graph<'_>, stack: Stack<'_, T>, channels: usize) {
    let frames = graph.input("input", &over_steps(frame_sizes(channels)));
    let states = stack.state_inputs(graph, IMAGE);
    let mut body = graph.body("step");
    let before = stack.state_inputs(&mut body, IMAGE);
    let frame = body.input("input", &frame_sizes(channels));
    let after = stack.step(&mut body, Some(&frame), &before);
    stack.state_outputs(&mut body, &after, IMAGE);
    keep_top(&mut body, stack, &after);
    let body = body.finish();
    let outputs = declare_outputs(graph, stack);
    loops::scan(graph, body, [&states, &[frames]], &outputs);
}

fn sequence_without_input<T: Scalar>(graph: &mut Graph<'_>, stack: Stack<'_, T>) {
    let steps = graph.scalar_input("steps", data_type::INT64);
    let states = stack.state_inputs(graph, IMAGE);
    let body = loops::counted_body(graph, "step", |body| {
        let before = stack.state_inputs(body, IMAGE);
        let after = stack.step(body, None, &before);
        stack.state_outputs(body, &after, IMAGE);
        keep_top(body, stack, &after);
    });
    let outputs = declare_outputs(graph, stack);
    loops::repeat(graph, body, [&[steps], &states], &outputs);
}

/// What is kept of every step: the state of the topmost layer.
fn keep_top<T: Scalar>(body: &mut Graph<'_>, stack: Stack<'_, T>, states: &[String]) {
    if let (Some(top), Some(sizes)) = (states.last(), stack.state_sizes(IMAGE).last()) {
        body.output(top, "output", sizes);
    }
}

/// Declares the outputs of a sequence. The result has the order in which a loop gives them: carried values first.
fn declare_outputs<T: Scalar>(graph: &mut Graph<'_>, stack: Stack<'_, T>) -> Vec<String> {
    let sizes = stack.state_sizes(IMAGE);
    if let Some(&top) = sizes.last() {
        graph.output_as_is("output", &over_steps(top));
    }
    let mut outputs: Vec<String> = (0..sizes.len()).map(|layer| format!("next_state.{layer}")).collect();
    for (name, sizes) in outputs.iter().zip(&sizes) {
        graph.output_as_is(name, sizes);
    }
    outputs.push("output".to_owned());
    outputs
}
