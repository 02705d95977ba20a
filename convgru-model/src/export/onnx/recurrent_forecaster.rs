//! The graphs of composed cells that read their own predictions.

use convgru_kernels::Scalar;

use super::cells::Cells;
use super::forecaster_graph::ForecasterGraph;
use super::form::Part;
use super::graph::{Graph, Size, integer};
use super::loops;
use super::model::json;
use super::patches::Patches;
use super::proto::data_type;
use crate::composed::Wiring;
use crate::config::{BODY, NetworkConfig, RecurrentForecasterConfig, invalid};
use crate::error::Result;
use crate::forecaster::ForecasterParameters;

/// Height and width of frames.
const FRAME: [Size; 2] = [Size::Free("height"), Size::Free("width")];
/// Height and width of states, which equal height and width of frames in patches.
const STATE: [Size; 2] = [Size::Free("rows"), Size::Free("columns")];

/// The parts of a network.
pub(super) struct RecurrentForecasterGraph<'a, T: Scalar> {
    config: &'a RecurrentForecasterConfig,
    cells: Cells<'a, T>,
    patches: Patches,
}

impl<'a, T: Scalar> RecurrentForecasterGraph<'a, T> {
    pub(super) fn new(
        config: &'a RecurrentForecasterConfig,
        parameters: &'a ForecasterParameters<T>,
    ) -> Result<Self> {
        if config.wiring == Wiring::Levels {
            return invalid(
                "wiring",
                "levels has states of other sizes than frames, and is not written as ONNX",
            );
        }
        if config.input_channels > 0 {
            return invalid(
                "input_channels",
                format!(
                    "is {}: the network gives an image for each input frame and continues nothing; its stages are written as ONNX as a Recurrent",
                    config.input_channels
                ),
            );
        }
        let RecurrentForecasterConfig { image_channels, mask_channel, patch, .. } = *config;
        let cells = Cells::of_stages(config.body(), parameters.stages(BODY), &format!("{BODY}."), STATE)?;
        Ok(Self { config, cells, patches: Patches { image_channels, mask_channel, patch } })
    }
}

impl<T: Scalar> ForecasterGraph for RecurrentForecasterGraph<'_, T> {
    fn name(&self) -> &'static str {
        "RecurrentForecaster"
    }

    fn sentence(&self, part: Part) -> &'static str {
        match part {
            Part::EncoderStep => "The network reads one frame: frame and states to the next states.",
            Part::ForecasterStep => {
                "The network predicts the frame after one: frame and states to prediction and next states. The first \
                 prediction follows the last frame of the input."
            }
            Part::Forecast { .. } => "Recurrent layers: frames to the frames that are to follow.",
        }
    }

    fn equation(&self) -> String {
        let kinds: Vec<String> = self.cells.config().cells().map(|cell| format!("{:?}", cell.kind)).collect();
        format!("layers: {}; see the configuration", kinds.join(", "))
    }

    fn config(&self) -> Result<String> {
        json(self.config)
    }

    fn encoder_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let (new, _) = self.step(graph)?;
        self.cells.state_outputs(graph, &new);
        Ok(())
    }

    fn forecaster_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let (new, predicted) = self.step(graph)?;
        let prediction = self.patches.to_frame(graph, &predicted);
        graph.output(&prediction, "prediction", &self.frame_sizes(self.config.image_channels));
        self.cells.state_outputs(graph, &new);
        Ok(())
    }

    fn forecast(&self, graph: &mut Graph<'_>, steps: usize) -> Result<()> {
        let over = |steps: &'static str, sizes: [Size; 4]| [&[Size::Free(steps)], &sizes[..]].concat();
        let read = self.frame_sizes(self.config.read_channels());
        let frames = graph.input("frames", &over("input_steps", read));
        let count = graph.scalar_input("steps", data_type::INT64);
        // An input with a value of its own need not be given.
        graph.constants.integer("steps", steps as i64);
        let of_cells = self.cells.config().cells();
        let hidden: Vec<usize> =
            of_cells.flat_map(|cell| vec![cell.hidden_channels; cell.states()]).collect();
        let initial = self.patches.zero_states(graph, &frames, &hidden);

        let mut body = graph.body("read");
        let (after, predicted) = self.step(&mut body)?;
        self.cells.state_outputs(&mut body, &after);
        body.output(&predicted, "predicted", &self.patch_sizes());
        let body = body.finish();
        let state = |name: &'static str| move |index: usize| format!("{name}.state.{index}");
        let states: Vec<String> = (0..hidden.len()).map(state("read")).collect();
        let all = [&states[..], &["read.predicted".to_owned()]].concat();
        loops::scan(graph, body, [&initial, std::slice::from_ref(&frames)], &all);

        // Each round returns a prediction and reads it; the next round returns the prediction that this round makes.
        let last = graph.constants.integer("last", -1);
        let first =
            graph.node("Gather", "first_prediction", &["read.predicted", &last], vec![integer("axis", 0)]);
        let carried = [&states[..], &[first]].concat();
        let body = loops::counted_body(graph, "predict", |body| self.prediction_body(body))?;
        let mut outputs: Vec<String> = (0..hidden.len()).map(state("predict")).collect();
        outputs.extend(["predict.predicted".to_owned(), "prediction".to_owned()]);
        graph.output_as_is("prediction", &over("steps", self.frame_sizes(self.config.image_channels)));
        loops::repeat(graph, body, [&[count], &carried], &outputs);
        Ok(())
    }
}

impl<T: Scalar> RecurrentForecasterGraph<'_, T> {
    fn frame_sizes(&self, channels: usize) -> [Size; 4] {
        [Size::Free("batch"), Size::Fixed(channels), FRAME[0], FRAME[1]]
    }

    /// The sizes of a prediction in patches.
    fn patch_sizes(&self) -> [Size; 4] {
        self.cells.sizes(self.config.patch_channels())
    }

    /// Declares states and a frame as inputs and makes a step: the states after it and the prediction in patches.
    fn step(&self, graph: &mut Graph<'_>) -> Result<(Vec<String>, String)> {
        let states = self.cells.state_inputs(graph);
        let frame = graph.input("frame", &self.frame_sizes(self.config.read_channels()));
        let patches = self.patches.to_patches(graph, &frame);
        self.step_over(graph, patches, &states)
    }

    fn step_over(
        &self,
        graph: &mut Graph<'_>,
        patches: String,
        states: &[String],
    ) -> Result<(Vec<String>, String)> {
        let (new, top) = self.cells.step_with(graph, &[patches], states, &[])?;
        Ok((new, graph.activate(self.config.output_activation.into(), "pixels", &top)))
    }

    fn prediction_body(&self, body: &mut Graph<'_>) -> Result<()> {
        let before = self.cells.state_inputs(body);
        let predicted = body.input("predicted", &self.patch_sizes());
        let prediction = self.patches.to_frame(body, &predicted);
        let read = self.patches.as_read(body, &predicted);
        let (after, next) = self.step_over(body, read, &before)?;
        self.cells.state_outputs(body, &after);
        body.output(&next, "next_predicted", &self.patch_sizes());
        body.output(&prediction, "prediction", &self.frame_sizes(self.config.image_channels));
        Ok(())
    }
}
