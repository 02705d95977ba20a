//! A network of cells as a model: one step, or a sequence.

use convgru_kernels::Scalar;

use super::cells::{Cells, equation};
use super::form::Form;
use super::graph::{Constants, Graph, Size};
use super::loops;
use super::model::{About, encode, json};
use super::proto::data_type;
use crate::composed::Recurrent;
use crate::error::{Error, Result};
use crate::fused::ConvGru;

/// Height and width of the first input.
const IMAGE: [Size; 2] = [Size::Free("height"), Size::Free("width")];

/// The bytes of the file of a network of composed cells.
pub(super) fn write<T: Scalar>(network: &Recurrent<T>, form: Form) -> Result<Vec<u8>> {
    let config = network.config();
    if config.cells().any(|cell| cell.kernel_depth.max(cell.input_kernel_depth) > 1) {
        let reason = "kernels over volumes cannot be written as ONNX".to_owned();
        return Err(Error::InvalidConfig { field: "kernel_depth".into(), reason });
    }
    if form == Form::Sequence && config.inputs() > 1 {
        let reason = "a network of several inputs is written as one step".to_owned();
        return Err(Error::InvalidConfig { field: "form".into(), reason });
    }
    network.check()?;
    let kinds: Vec<String> = config.cells().map(|cell| format!("{:?}", cell.kind)).collect();
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
        config: json(config)?,
    };
    Model { cells: Cells::of_network(network), shows_top: true }.write(&about, form)
}

/// The bytes of the file of a stack of fused cells.
pub(super) fn write_stack<T: Scalar>(network: &ConvGru<T>, form: Form) -> Result<Vec<u8>> {
    network.check()?;
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
        config: json(network.config())?,
    };
    let cells = Cells::of_stack(network.config(), &network.parameters().layers, "", IMAGE)?;
    Model { cells, shows_top: false }.write(&about, form)
}

/// A network and the form of its file.
struct Model<'a, T: Scalar> {
    cells: Cells<'a, T>,
    /// Whether the result of the topmost stage is an output of a step. The result of a stack is its last state.
    shows_top: bool,
}

/// Before the sizes of a frame that of the sequence.
fn over_steps(sizes: [Size; 4]) -> Vec<Size> {
    [&[Size::Free("steps")], &sizes[..]].concat()
}

impl<T: Scalar> Model<'_, T> {
    fn write(&self, about: &About<'_>, form: Form) -> Result<Vec<u8>> {
        let mut constants = Constants::default();
        let mut graph = Graph::new("convgru", &mut constants);
        match form {
            Form::Step => self.step(&mut graph)?,
            Form::Sequence if self.cells.config().in_channels(0) > 0 => self.sequence(&mut graph)?,
            Form::Sequence => self.sequence_without_input(&mut graph)?,
        }
        let graph = graph.finish();
        encode(about, graph, constants)
    }

    /// `[N, C, H, W]` of an input.
    fn frame_sizes(&self, input: usize) -> [Size; 4] {
        let channels = self.cells.config().in_channels(input);
        match input {
            0 => [Size::Free("batch"), Size::Fixed(channels), IMAGE[0], IMAGE[1]],
            _ => self.cells.sizes(channels),
        }
    }

    fn step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let config = self.cells.config();
        let name =
            |input: usize| if config.inputs() > 1 { format!("input.{input}") } else { "input".to_owned() };
        let read = (0..config.inputs()).filter(|&input| config.in_channels(input) > 0);
        let inputs: Vec<String> =
            read.map(|input| graph.input(&name(input), &self.frame_sizes(input))).collect();
        let states = self.cells.state_inputs(graph);
        let contexts = self.cells.context_inputs(graph);
        let (new, top) = self.cells.step_with(graph, &inputs, &states, &contexts)?;
        if self.shows_top {
            graph.output(&top, "output", &self.cells.top_sizes());
        }
        self.cells.state_outputs(graph, &new);
        Ok(())
    }

    fn sequence(&self, graph: &mut Graph<'_>) -> Result<()> {
        let frame = self.frame_sizes(0);
        let frames = graph.input("input", &over_steps(frame));
        let before = self.cells.state_inputs(graph);
        // A body sees the values around it.
        let contexts = self.cells.context_inputs(graph);
        let mut body = graph.body("step");
        let inside = self.cells.state_inputs(&mut body);
        let input = body.input("input", &frame);
        self.step_of_body(&mut body, &[input], &inside, &contexts)?;
        let body = body.finish();
        let outputs = self.declare_outputs(graph);
        loops::scan(graph, body, [&before, &[frames]], &outputs);
        Ok(())
    }

    fn sequence_without_input(&self, graph: &mut Graph<'_>) -> Result<()> {
        let steps = graph.scalar_input("steps", data_type::INT64);
        let before = self.cells.state_inputs(graph);
        let contexts = self.cells.context_inputs(graph);
        let body = loops::counted_body(graph, "step", |body| {
            let inside = self.cells.state_inputs(body);
            self.step_of_body(body, &[], &inside, &contexts)
        })?;
        let outputs = self.declare_outputs(graph);
        loops::repeat(graph, body, [&[steps], &before], &outputs);
        Ok(())
    }

    /// One step within a loop: the states go on, and what the topmost stage gives is kept of every step.
    fn step_of_body(
        &self,
        body: &mut Graph<'_>,
        inputs: &[String],
        states: &[String],
        contexts: &[String],
    ) -> Result<()> {
        let (new, top) = self.cells.step_with(body, inputs, states, contexts)?;
        self.cells.state_outputs(body, &new);
        body.output(&top, "output", &self.cells.top_sizes());
        Ok(())
    }

    /// Declares the outputs of a sequence. The result has the order in which a loop gives them: carried values first.
    fn declare_outputs(&self, graph: &mut Graph<'_>) -> Vec<String> {
        graph.output_as_is("output", &over_steps(self.cells.top_sizes()));
        let sizes = self.cells.state_sizes();
        let mut outputs: Vec<String> = (0..sizes.len()).map(|index| format!("next_state.{index}")).collect();
        for (name, sizes) in outputs.iter().zip(&sizes) {
            graph.output_as_is(name, sizes);
        }
        outputs.push("output".to_owned());
        outputs
    }
}
