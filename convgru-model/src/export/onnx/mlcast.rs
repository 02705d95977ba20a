//! The graphs of mlcast's network, of one member that reads no noise.

use convgru_kernels::Scalar;

use super::cells::{Cells, equation};
use super::forecaster_graph::ForecasterGraph;
use super::form::Part;
use super::frame::{Frame, cut};
use super::graph::{Graph, Size, integer, zero};
use super::loops;
use super::model::json;
use super::proto::data_type;
use crate::config::{ConvGruConfig, MLCAST_DOWN, MlcastConfig, invalid};
use crate::error::Result;
use crate::forecaster::ForecasterParameters;
use crate::fused::CellParameters;
use crate::tensor::Tensor;

/// Height and width of frames.
const FRAME: [Size; 2] = [Size::Free("height"), Size::Free("width")];
/// Height and width at each scale: of frames, and below each block.
const SCALES: [[&str; 2]; 9] = [
    ["rows.0", "columns.0"],
    ["rows.1", "columns.1"],
    ["rows.2", "columns.2"],
    ["rows.3", "columns.3"],
    ["rows.4", "columns.4"],
    ["rows.5", "columns.5"],
    ["rows.6", "columns.6"],
    ["rows.7", "columns.7"],
    ["rows.8", "columns.8"],
];

/// A network with its cells.
pub(super) struct MlcastGraph<'a, T: Scalar> {
    config: &'a MlcastConfig,
    /// The finest scale first.
    encoder: Vec<Cells<'a, T>>,
    /// The finest scale first.
    decoder: Vec<Cells<'a, T>>,
}

impl<'a, T: Scalar> MlcastGraph<'a, T> {
    pub(super) fn new(config: &'a MlcastConfig, parameters: &ForecasterParameters<T>) -> Result<Self> {
        if config.reads_noise() {
            return invalid(
                "members",
                "the network reads noise, which ONNX files do not draw; with members = 1 and noise = false it can be exported",
            );
        }
        let cells = |config: &ConvGruConfig, layers: &[CellParameters<T>], name: &str| {
            Cells::of_stack(config, layers, &format!("{name}."), [Size::Any, Size::Any])
        };
        let encoder = (0..config.blocks).map(|block| {
            let name = format!("encoder.{block}");
            cells(&config.encoder(block), parameters.cells(&name), &name)
        });
        let decoder = (0..config.blocks).map(|block| {
            let name = format!("forecaster.{block}");
            let layers = parameters.cells(&name);
            if block + 1 < config.blocks {
                return cells(&config.decoder(block), layers, &name);
            }
            // The coarsest cell reads zeros.
            let without_input = |layer: &CellParameters<T>| {
                let [rows, _, height, width] = [0, 1, 2, 3].map(|axis| layer.input_weights.shape()[axis]);
                CellParameters { input_weights: Tensor::zeros(&[rows, 0, height, width]), ..layer.clone() }
            };
            let layers: Vec<_> = layers.iter().map(without_input).collect();
            cells(&ConvGruConfig { in_channels: 0, ..config.decoder(block) }, &layers, &name)
        });
        let (encoder, decoder) = (encoder.collect::<Result<_>>()?, decoder.collect::<Result<_>>()?);
        Ok(Self { config, encoder, decoder })
    }
}

impl<T: Scalar> ForecasterGraph for MlcastGraph<'_, T> {
    fn name(&self) -> &'static str {
        "Mlcast"
    }

    fn sentence(&self, part: Part) -> &'static str {
        match part {
            Part::EncoderStep => "The encoder reads one frame: frame and states to the next states.",
            Part::ForecasterStep => {
                "The decoder predicts one frame: its states, at first the encoder's states with squares of two pixels as \
                 channels (SpaceToDepth), to prediction and next states."
            }
            Part::Forecast { .. } => "mlcast's network: frames to the frames that are to follow.",
        }
    }

    fn equation(&self) -> String {
        equation(&self.config.encoder(0))
    }

    fn config(&self) -> Result<String> {
        json(self.config)
    }

    fn encoder_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let frame = graph.input("frame", &self.frame_sizes(FRAME));
        let states = self.state_inputs(graph, 0);
        let after = self.read(graph, &frame, &states)?;
        self.state_outputs(graph, 0, &after);
        Ok(())
    }

    fn forecaster_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let states = self.state_inputs(graph, 1);
        let (prediction, after) = self.predict(graph, &states)?;
        // Nobody says how much of the states is a frame.
        graph.output(&prediction, "prediction", &self.frame_sizes([Size::Any, Size::Any]));
        self.state_outputs(graph, 1, &after);
        Ok(())
    }

    fn forecast(&self, graph: &mut Graph<'_>, steps: usize) -> Result<()> {
        let over = |steps: &'static str, sizes: [Size; 4]| [&[Size::Free(steps)], &sizes[..]].concat();
        let frames = graph.input("frames", &over("input_steps", self.frame_sizes(FRAME)));
        let count = graph.scalar_input("steps", data_type::INT64);
        // An input with a value of its own need not be given.
        graph.constants.integer("steps", steps as i64);
        let last = graph.constants.integer("last", -1);
        let last = graph.node("Gather", "last_frame", &[&frames, &last], vec![integer("axis", 0)]);
        let last = Frame::extended(graph, &last, self.factor());
        let initial = self.zero_states(graph, &last.extended);

        let mut body = graph.body("encoder_step");
        let before = self.state_inputs(&mut body, 0);
        let frame = body.input("frame", &self.frame_sizes(FRAME));
        let after = self.read(&mut body, &frame, &before)?;
        self.state_outputs(&mut body, 0, &after);
        let body = body.finish();
        let blocks = 0..self.config.blocks;
        let names: Vec<String> = blocks.clone().map(|block| format!("encoder.state.{block}")).collect();
        loops::scan(graph, body, [&initial, std::slice::from_ref(&frames)], &names);

        let start = |(block, state): (usize, &String)| {
            self.to_channels(graph, &format!("forecaster.start.{block}"), state)
        };
        let starts: Vec<String> = names.iter().enumerate().map(start).collect();
        let mut outputs: Vec<String> = blocks.map(|block| format!("forecaster.state.{block}")).collect();
        outputs.push("prediction".into());
        let body = loops::counted_body(graph, "forecaster_step", |body| {
            let before = self.state_inputs(body, 1);
            let (prediction, after) = self.predict(body, &before)?;
            let prediction = cut(body, "prediction.cut", &prediction, &last.size);
            self.state_outputs(body, 1, &after);
            body.output(&prediction, "prediction", &self.frame_sizes(FRAME));
            Ok(())
        })?;
        graph.output_as_is("prediction", &over("steps", self.frame_sizes(FRAME)));
        loops::repeat(graph, body, [&[count], &starts], &outputs);
        Ok(())
    }
}

impl<T: Scalar> MlcastGraph<'_, T> {
    fn factor(&self) -> usize {
        MLCAST_DOWN.pow(self.config.blocks as u32)
    }

    fn frame_sizes(&self, [height, width]: [Size; 2]) -> [Size; 4] {
        [Size::Free("batch"), Size::Fixed(self.config.image_channels), height, width]
    }

    /// Sizes of the states of each block, which are `scale` scales coarser than the block's number.
    fn state_sizes(&self, scale: usize) -> impl Iterator<Item = [Size; 4]> {
        (0..self.config.blocks).map(move |block| {
            let [rows, columns] = SCALES[block + scale].map(Size::Free);
            let channels = self.config.encoder(block + scale).in_channels;
            [Size::Free("batch"), Size::Fixed(channels), rows, columns]
        })
    }

    fn state_inputs(&self, graph: &mut Graph<'_>, scale: usize) -> Vec<String> {
        let states = self.state_sizes(scale).enumerate();
        states.map(|(block, sizes)| graph.input(&format!("state.{block}"), &sizes)).collect()
    }

    fn state_outputs(&self, graph: &mut Graph<'_>, scale: usize, states: &[String]) {
        for ((block, state), sizes) in states.iter().enumerate().zip(self.state_sizes(scale)) {
            graph.output(state, &format!("next_state.{block}"), &sizes);
        }
    }

    /// States of zeros of the encoder, for a frame without missing rows and columns.
    fn zero_states(&self, graph: &mut Graph<'_>, extended: &str) -> Vec<String> {
        let mut of_shape = |name: &str, start: i64, end: i64| {
            graph.node("Shape", name, &[extended], vec![integer("start", start), integer("end", end)])
        };
        let (batch, mut size) = (of_shape("batch", 0, 1), of_shape("extended_size", 2, 4));
        let mut states = Vec::new();
        for block in 0..self.config.blocks {
            if block > 0 {
                let down = graph.constants.integers("down", &[MLCAST_DOWN as i64]);
                size = graph.node("Div", &format!("size.{block}"), &[&size, &down], Vec::new());
            }
            let channels = self.config.encoder(block).in_channels;
            let channels = graph.constants.integers(&format!("channels.{channels}"), &[channels as i64]);
            let parts = [batch.as_str(), &channels, &size];
            let shape = graph.node("Concat", &format!("shape.{block}"), &parts, vec![integer("axis", 0)]);
            let zeros =
                graph.node("ConstantOfShape", &format!("zeros.{block}"), &[&shape], vec![zero("value")]);
            states.push(zeros);
        }
        states
    }

    /// The encoder's states after a frame.
    fn read(&self, graph: &mut Graph<'_>, frame: &str, before: &[String]) -> Result<Vec<String>> {
        let frame = &self.within(graph, frame);
        let mut read = Frame::extended(graph, frame, self.factor()).extended;
        let mut after = Vec::new();
        for (block, (cells, state)) in self.encoder.iter().zip(before).enumerate() {
            let new = cells.step(graph, Some(&read), std::slice::from_ref(state))?;
            if let Some(state) = new.last().filter(|_| block + 1 < self.config.blocks) {
                read = self.to_channels(graph, &format!("encoder.{block}.patches"), state);
            }
            after.extend(new);
        }
        Ok(after)
    }

    /// The frame that the decoder predicts, with rows and columns that a frame does not have, and its states after it.
    fn predict(&self, graph: &mut Graph<'_>, before: &[String]) -> Result<(String, Vec<String>)> {
        let mut above: Option<String> = None;
        let mut after = Vec::new();
        for (block, (cells, state)) in self.decoder.iter().zip(before).enumerate().rev() {
            let new = cells.step(graph, above.as_deref(), std::slice::from_ref(state))?;
            for state in new {
                let attributes = vec![integer("blocksize", MLCAST_DOWN as i64)];
                let name = format!("forecaster.{block}.pixels");
                above = Some(graph.node("DepthToSpace", &name, &[&state], attributes));
                after.push(state);
            }
        }
        after.reverse();
        Ok((self.of_within(graph, above.unwrap_or_default()), after))
    }

    /// A frame as the network has it within.
    fn within(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        if !self.config.signed {
            return frame.to_owned();
        }
        let one = graph.constants.floats("signed.one", &[], &[T::ONE]);
        let double = graph.node("Add", "frame.double", &[frame, frame], Vec::new());
        graph.node("Sub", "frame.signed", &[&double, &one], Vec::new())
    }

    /// A frame of the network as others have it.
    fn of_within(&self, graph: &mut Graph<'_>, frame: String) -> String {
        if !self.config.signed {
            return frame;
        }
        let half = graph.constants.floats("signed.half", &[], &[T::from_f64(0.5)]);
        let halves = graph.node("Mul", "prediction.halves", &[&frame, &half], Vec::new());
        graph.node("Add", "prediction.unsigned", &[&halves, &half], Vec::new())
    }

    /// Squares of two pixels become channels.
    fn to_channels(&self, graph: &mut Graph<'_>, name: &str, maps: &str) -> String {
        graph.node("SpaceToDepth", name, &[maps], vec![integer("blocksize", MLCAST_DOWN as i64)])
    }
}
