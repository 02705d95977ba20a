//! The graphs of a pyramid.

mod output;

use convgru_kernels::Scalar;

use super::cells::{Cells, equation};
use super::forecaster_graph::ForecasterGraph;
use super::form::Part;
use super::frame::{Frame, size_of};
use super::graph::{ConvolutionNames, Graph, Size, integer, zero};
use super::loops;
use super::model::json;
use super::proto::data_type;
use crate::config::{ConvGruConfig, MOST_SCALES, NetworkConfig, PyramidConfig, Residual, invalid};
use crate::error::Result;
use crate::forecaster::ForecasterParameters;
use crate::layer::{Activation, Conv2dParameters};

/// Height and width of frames.
const FRAME: [Size; 2] = [Size::Free("height"), Size::Free("width")];
/// Height and width at each scale.
const SCALES: [[&str; 2]; MOST_SCALES] = [
    ["rows.0", "columns.0"],
    ["rows.1", "columns.1"],
    ["rows.2", "columns.2"],
    ["rows.3", "columns.3"],
    ["rows.4", "columns.4"],
    ["rows.5", "columns.5"],
    ["rows.6", "columns.6"],
    ["rows.7", "columns.7"],
];

/// A network with the stacks of all scales.
pub(super) struct PyramidGraph<'a, T> {
    config: &'a PyramidConfig,
    parameters: &'a ForecasterParameters<T>,
    encoder: Vec<ConvGruConfig>,
    forecaster: Vec<ConvGruConfig>,
}

impl<'a, T: Scalar> PyramidGraph<'a, T> {
    pub(super) fn new(config: &'a PyramidConfig, parameters: &'a ForecasterParameters<T>) -> Result<Self> {
        if config.residual == Residual::Motion {
            return invalid(
                "residual",
                "\"motion\" carries frames on along an optical flow that ONNX files do not hold; a network trained \
                 with residual = \"last-frame\" can be exported",
            );
        }
        let scales = 0..config.scales.len();
        Ok(Self {
            config,
            parameters,
            encoder: scales.clone().map(|scale| config.encoder(scale)).collect(),
            forecaster: scales.map(|scale| config.forecaster(scale)).collect(),
        })
    }
}

impl<T: Scalar> ForecasterGraph for PyramidGraph<'_, T> {
    fn name(&self) -> &'static str {
        "Pyramid"
    }

    fn sentence(&self, part: Part) -> &'static str {
        match part {
            Part::EncoderStep => "The encoder reads one frame: frame and states to the next states.",
            Part::ForecasterStep => {
                "The forecaster predicts one frame: its states, at first the encoder's states, to prediction \
                 and next states; the last frame that was read, where it is added, and its features, where \
                 they are read, stay the same in all steps."
            }
            Part::Forecast { .. } => "A pyramid: frames to the frames that are to follow.",
        }
    }

    fn equation(&self) -> String {
        equation(&self.encoder[0])
    }

    fn config(&self) -> Result<String> {
        json(self.config)
    }

    fn encoder_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let frame = graph.input("frame", &self.frame_sizes());
        let states = self.state_inputs(graph);
        let frame = Frame::extended(graph, &frame, self.config.factor());
        let (after, features) = self.read(graph, &frame.extended, &states)?;
        self.state_outputs(graph, &after);
        for (scale, features) in self.skipped().zip(&features) {
            let sizes = self.sizes(scale, self.config.scales[scale].features());
            graph.output(features, &format!("features.{scale}"), &sizes);
        }
        Ok(())
    }

    fn forecaster_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let added = self.config.residual == Residual::LastFrame;
        let frame = added.then(|| graph.input("frame", &self.frame_sizes()));
        let states = self.state_inputs(graph);
        let input = |scale: usize| {
            let sizes = self.sizes(scale, self.config.scales[scale].features());
            graph.input(&format!("features.{scale}"), &sizes)
        };
        let features: Vec<String> = self.skipped().map(input).collect();
        let added = frame.map(|frame| (self.to_add(graph, &frame), size_of(graph, &frame)));
        let after = self.predict(graph, &states, &features)?;
        let (add, size) = added.map_or((None, None), |(add, size)| (Some(add), Some(size)));
        let prediction = self.head(graph, &after, add.as_deref(), size.as_deref());
        // Without a frame nobody says how much of the states is one.
        let sizes = match size {
            Some(_) => self.prediction_sizes(FRAME),
            None => self.prediction_sizes([Size::Any, Size::Any]),
        };
        graph.output(&prediction, "prediction", &sizes);
        self.state_outputs(graph, &after);
        Ok(())
    }

    fn forecast(&self, graph: &mut Graph<'_>, steps: usize) -> Result<()> {
        let over = |steps: &'static str, sizes: [Size; 4]| [&[Size::Free(steps)], &sizes[..]].concat();
        let frames = graph.input("frames", &over("input_steps", self.frame_sizes()));
        let count = graph.scalar_input("steps", data_type::INT64);
        // An input with a value of its own need not be given.
        graph.constants.integer("steps", steps as i64);
        let last = graph.constants.integer("last", -1);
        let last_frame = graph.node("Gather", "last_frame", &[&frames, &last], vec![integer("axis", 0)]);
        let last = Frame::extended(graph, &last_frame, self.config.factor());
        let initial = self.zero_states(graph, &last.extended);

        let mut body = graph.body("encoder_step");
        let before = self.state_inputs(&mut body);
        let frame = body.input("frame", &self.frame_sizes());
        let frame = Frame::extended(&mut body, &frame, self.config.factor());
        let (after, _) = self.read(&mut body, &frame.extended, &before)?;
        self.state_outputs(&mut body, &after);
        let body = body.finish();
        let count_of_states = self.states().count();
        let carried: Vec<String> =
            (0..count_of_states).map(|index| format!("encoder.state.{index}")).collect();
        loops::scan(graph, body, [&initial, std::slice::from_ref(&frames)], &carried);

        // What the loop needs of the last frame is computed once, before it.
        let of_scale = |scale: usize| self.features(graph, scale, &last.extended, &carried);
        let features: Vec<String> = self.skipped().map(of_scale).collect();
        let added = self.config.residual == Residual::LastFrame;
        let add = added.then(|| self.to_add(graph, &last_frame));
        let mut outputs: Vec<String> =
            (0..count_of_states).map(|index| format!("forecaster.state.{index}")).collect();
        outputs.push("prediction".into());
        let body = loops::counted_body(graph, "forecaster_step", |body| {
            let before = self.state_inputs(body);
            let after = self.predict(body, &before, &features)?;
            let prediction = self.head(body, &after, add.as_deref(), Some(&last.size));
            self.state_outputs(body, &after);
            body.output(&prediction, "prediction", &self.prediction_sizes(FRAME));
            Ok(())
        })?;
        graph.output_as_is("prediction", &over("steps", self.prediction_sizes(FRAME)));
        loops::repeat(graph, body, [&[count], &carried], &outputs);
        Ok(())
    }
}

impl<T: Scalar> PyramidGraph<'_, T> {
    fn frame_sizes(&self) -> [Size; 4] {
        [Size::Free("batch"), Size::Fixed(self.config.read_channels()), FRAME[0], FRAME[1]]
    }

    /// Of the channels of every member.
    fn prediction_sizes(&self, [height, width]: [Size; 2]) -> [Size; 4] {
        let channels = self.config.image_channels * self.config.members;
        [Size::Free("batch"), Size::Fixed(channels), height, width]
    }

    fn sizes(&self, scale: usize, channels: usize) -> [Size; 4] {
        let [rows, columns] = SCALES[scale].map(Size::Free);
        [Size::Free("batch"), Size::Fixed(channels), rows, columns]
    }

    /// The scale and channels of each state, in order.
    fn states(&self) -> impl Iterator<Item = (usize, usize)> {
        let scales = self.config.scales.iter().enumerate();
        scales.flat_map(|(index, scale)| (0..scale.layers).map(move |_| (index, scale.channels)))
    }

    /// The places of the states of a scale.
    fn places(&self, scale: usize) -> std::ops::Range<usize> {
        let before = self.config.scales[..scale].iter().map(|scale| scale.layers).sum();
        before..before + self.config.scales[scale].layers
    }

    /// The scales whose features the forecaster reads.
    fn skipped(&self) -> std::ops::Range<usize> {
        0..if self.config.skip { self.config.scales.len() - 1 } else { 0 }
    }

    fn state_inputs(&self, graph: &mut Graph<'_>) -> Vec<String> {
        let input =
            |(index, (scale, channels))| graph.input(&format!("state.{index}"), &self.sizes(scale, channels));
        self.states().enumerate().map(input).collect()
    }

    fn state_outputs(&self, graph: &mut Graph<'_>, states: &[String]) {
        for ((index, state), (scale, channels)) in states.iter().enumerate().zip(self.states()) {
            graph.output(state, &format!("next_state.{index}"), &self.sizes(scale, channels));
        }
    }

    /// States of zeros for a frame without missing rows and columns.
    fn zero_states(&self, graph: &mut Graph<'_>, extended: &str) -> Vec<String> {
        let mut of_shape = |name: &str, start: i64, end: i64| {
            graph.node("Shape", name, &[extended], vec![integer("start", start), integer("end", end)])
        };
        let (batch, mut size) = (of_shape("batch", 0, 1), of_shape("extended_size", 2, 4));
        let mut states = Vec::new();
        for (index, scale) in self.config.scales.iter().enumerate() {
            let down = graph.constants.integers(&format!("down.{}", scale.down), &[scale.down as i64]);
            size = graph.node("Div", &format!("size.{index}"), &[&size, &down], Vec::new());
            let channels =
                graph.constants.integers(&format!("channels.{}", scale.channels), &[scale.channels as i64]);
            let parts = [batch.as_str(), &channels, &size];
            let shape = graph.node("Concat", &format!("shape.{index}"), &parts, vec![integer("axis", 0)]);
            let zeros =
                graph.node("ConstantOfShape", &format!("zeros.{index}"), &[&shape], vec![zero("value")]);
            states.extend(vec![zeros; scale.layers]);
        }
        states
    }

    /// What the cells of the encoder read at a scale, from the frame or the new states below.
    fn features(&self, graph: &mut Graph<'_>, scale: usize, extended: &str, after: &[String]) -> String {
        let below = match scale {
            0 => extended,
            _ => &after[self.places(scale - 1).end - 1],
        };
        let down = self.config.scales[scale].down;
        let patches = match down {
            1 => below.to_owned(),
            _ => {
                let attributes = vec![integer("blocksize", down as i64)];
                graph.node("SpaceToDepth", &format!("encoder.{scale}.patches"), &[below], attributes)
            }
        };
        let sum = self.convolve(graph, &format!("encoder.{scale}.down"), &patches);
        self.rectify(graph, &format!("encoder.{scale}.features"), &sum)
    }

    /// The cells of a name.
    fn cells(&self, config: &ConvGruConfig, name: &str) -> Result<Cells<'_, T>> {
        let any = [Size::Any, Size::Any];
        Cells::of_stack(config, self.parameters.cells(name), &format!("{name}."), any)
    }

    /// The encoder's states after a frame, and what the cells read at each scale.
    fn read(
        &self,
        graph: &mut Graph<'_>,
        extended: &str,
        before: &[String],
    ) -> Result<(Vec<String>, Vec<String>)> {
        let (mut after, mut read) = (Vec::new(), Vec::new());
        for (scale, config) in self.encoder.iter().enumerate() {
            let features = self.features(graph, scale, extended, &after);
            let cells = self.cells(config, &format!("encoder.{scale}"))?;
            let new = cells.step(graph, Some(&features), &before[self.places(scale)])?;
            after.extend(new);
            read.push(features);
        }
        Ok((after, read))
    }

    /// The forecaster's states after a step, whose names are the finest scale's first.
    fn predict(&self, graph: &mut Graph<'_>, before: &[String], features: &[String]) -> Result<Vec<String>> {
        let mut by_scale: Vec<Vec<String>> = Vec::new();
        for (scale, config) in self.forecaster.iter().enumerate().rev() {
            let above = by_scale.last().and_then(|states| states.last()).cloned();
            let read = above.map(|above| self.read_above(graph, scale, &above, features.get(scale)));
            let cells = self.cells(config, &format!("forecaster.{scale}"))?;
            by_scale.push(cells.step(graph, read.as_deref(), &before[self.places(scale)])?);
        }
        Ok(by_scale.into_iter().rev().flatten().collect())
    }

    /// What the cells of the forecaster read at a scale from the states above.
    fn read_above(
        &self,
        graph: &mut Graph<'_>,
        scale: usize,
        above: &str,
        features: Option<&String>,
    ) -> String {
        let patches = self.convolve(graph, &format!("forecaster.{}.up", scale + 1), above);
        let down = self.config.scales[scale + 1].down;
        let mut sum = self.to_pixels(graph, &format!("forecaster.{scale}.from_above"), patches, down);
        if let Some(features) = features {
            sum = graph.node("Add", &format!("forecaster.{scale}.skip"), &[&sum, features], Vec::new());
        }
        self.rectify(graph, &format!("forecaster.{scale}.features"), &sum)
    }

    /// Channels become squares of pixels.
    fn to_pixels(&self, graph: &mut Graph<'_>, name: &str, patches: String, down: usize) -> String {
        if down == 1 {
            return patches;
        }
        graph.node("DepthToSpace", name, &[&patches], vec![integer("blocksize", down as i64)])
    }

    fn convolve(&self, graph: &mut Graph<'_>, name: &str, value: &str) -> String {
        let Conv2dParameters { weight, bias } = self.parameters.convolution(name);
        let size = [weight.shape()[2], weight.shape()[3]];
        let weights = graph.constants.floats(&format!("{name}.weight"), weight.shape(), weight.as_slice());
        let floats = |bias: &crate::Tensor<T>| {
            graph.constants.floats(&format!("{name}.bias"), bias.shape(), bias.as_slice())
        };
        let bias = bias.as_ref().map(floats);
        let kernel = ConvolutionNames { weights: &weights, bias: bias.as_deref(), size, dilation: [1, 1] };
        graph.convolve(&format!("{name}.sums"), value, kernel)
    }

    fn rectify(&self, graph: &mut Graph<'_>, name: &str, value: &str) -> String {
        graph.activate(Activation::LeakyRelu(self.config.slope), name, value)
    }
}
