//! The graphs of an encoder-forecaster.

use convgru_kernels::Scalar;

use super::cells::{Cells, equation};
use super::forecaster_graph::ForecasterGraph;
use super::form::Part;
use super::graph::{ConvolutionNames, Graph, Size, integer, text, zero};
use super::loops;
use super::model::json;
use super::proto::data_type;
use crate::config::{ConvGruConfig, EncoderForecasterConfig, Feedback, NetworkConfig, OutputActivation};
use crate::error::Result;
use crate::forecaster::ForecasterParameters;
use crate::layer::Conv2dParameters;

/// Height and width of frames.
const FRAME: [Size; 2] = [Size::Free("height"), Size::Free("width")];
/// Height and width of states: those of frames in patches.
const STATE: [Size; 2] = [Size::Free("rows"), Size::Free("columns")];

/// The parts of a network.
pub(super) struct EncoderForecasterGraph<'a, T: Scalar> {
    config: &'a EncoderForecasterConfig,
    encoder: Cells<'a, T>,
    forecaster: Cells<'a, T>,
    head: &'a Conv2dParameters<T>,
}

impl<'a, T: Scalar> EncoderForecasterGraph<'a, T> {
    pub(super) fn new(
        config: &'a EncoderForecasterConfig,
        parameters: &'a ForecasterParameters<T>,
    ) -> Result<Self> {
        let cells = |of: ConvGruConfig, name: &str| {
            Cells::of_stack(&of, parameters.cells(name), &format!("{name}."), STATE)
        };
        Ok(Self {
            config,
            encoder: cells(config.encoder(), "encoder")?,
            forecaster: cells(config.forecaster(), "forecaster")?,
            head: parameters.convolution("head"),
        })
    }
}

impl<T: Scalar> ForecasterGraph for EncoderForecasterGraph<'_, T> {
    fn name(&self) -> &'static str {
        "EncoderForecaster"
    }

    fn sentence(&self, part: Part) -> &'static str {
        match part {
            Part::EncoderStep => "The encoder reads one frame: frame and states to the next states.",
            Part::ForecasterStep => {
                "The forecaster predicts one frame: its states, at first those of the encoder, and the frame \
                 before, where it reads one, to prediction and next states."
            }
            Part::Forecast { .. } => "An encoder-forecaster: frames to the frames that are to follow.",
        }
    }

    fn equation(&self) -> String {
        equation(&self.config.encoder())
    }

    fn config(&self) -> Result<String> {
        json(self.config)
    }

    fn encoder_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let frame = graph.input("frame", &self.frame_sizes());
        let states = self.encoder.state_inputs(graph);
        let patches = self.to_patches(graph, &frame);
        let new = self.encoder.step(graph, Some(&patches), &states)?;
        self.encoder.state_outputs(graph, &new);
        Ok(())
    }

    fn forecaster_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let frame = self.feeds_back().then(|| graph.input("frame", &self.frame_sizes()));
        let states = self.forecaster.state_inputs(graph);
        let patches = frame.map(|frame| self.to_patches(graph, &frame));
        let new = self.forecaster.step(graph, patches.as_deref(), &states)?;
        let predicted = self.predict(graph, &new);
        let prediction = self.to_frame(graph, &predicted);
        graph.output(&prediction, "prediction", &self.prediction_sizes());
        self.forecaster.state_outputs(graph, &new);
        Ok(())
    }

    fn forecast(&self, graph: &mut Graph<'_>, steps: usize) -> Result<()> {
        let over = |steps: &'static str, sizes: [Size; 4]| [&[Size::Free(steps)], &sizes[..]].concat();
        let frames = graph.input("frames", &over("input_steps", self.frame_sizes()));
        let count = graph.scalar_input("steps", data_type::INT64);
        // An input with a value of its own need not be given.
        graph.constants.integer("steps", steps as i64);
        let initial = self.zero_states(graph, &frames);

        let mut body = graph.body("encoder_step");
        let before = self.encoder.state_inputs(&mut body);
        let frame = body.input("frame", &self.frame_sizes());
        let patches = self.to_patches(&mut body, &frame);
        let after = self.encoder.step(&mut body, Some(&patches), &before)?;
        self.encoder.state_outputs(&mut body, &after);
        let body = body.finish();
        let layers = 0..self.config.hidden_channels.len();
        let mut carried: Vec<String> = layers.clone().map(|layer| format!("encoder.state.{layer}")).collect();
        loops::scan(graph, body, [&initial, std::slice::from_ref(&frames)], &carried);

        let mut outputs: Vec<String> = layers.map(|layer| format!("forecaster.state.{layer}")).collect();
        if self.feeds_back() {
            let last = graph.constants.integer("last", -1);
            let frame = graph.node("Gather", "last_frame", &[&frames, &last], vec![integer("axis", 0)]);
            carried.push(self.to_patches(graph, &frame));
            outputs.push("forecaster.patches".into());
        }
        outputs.push("prediction".into());
        let body = loops::counted_body(graph, "forecaster_step", |body| self.forecaster_body(body))?;
        graph.output_as_is("prediction", &over("steps", self.prediction_sizes()));
        loops::repeat(graph, body, [&[count], &carried], &outputs);
        Ok(())
    }
}

impl<T: Scalar> EncoderForecasterGraph<'_, T> {
    /// Whether the forecaster reads what it predicted.
    fn feeds_back(&self) -> bool {
        self.config.feedback == Feedback::Predictions
    }

    fn frame_sizes(&self) -> [Size; 4] {
        [Size::Free("batch"), Size::Fixed(self.config.read_channels()), FRAME[0], FRAME[1]]
    }

    fn prediction_sizes(&self) -> [Size; 4] {
        let channels = self.config.image_channels * self.config.members;
        [Size::Free("batch"), Size::Fixed(channels), FRAME[0], FRAME[1]]
    }

    fn patch_sizes(&self) -> [Size; 4] {
        [Size::Free("batch"), Size::Fixed(self.config.read_patch_channels()), STATE[0], STATE[1]]
    }

    fn forecaster_body(&self, body: &mut Graph<'_>) -> Result<()> {
        let before = self.forecaster.state_inputs(body);
        let patches = self.feeds_back().then(|| body.input("patches", &self.patch_sizes()));
        let after = self.forecaster.step(body, patches.as_deref(), &before)?;
        let predicted = self.predict(body, &after);
        let prediction = self.to_frame(body, &predicted);
        self.forecaster.state_outputs(body, &after);
        if self.feeds_back() {
            let next = self.as_read(body, &predicted);
            body.output(&next, "next_patches", &self.patch_sizes());
        }
        body.output(&prediction, "prediction", &self.prediction_sizes());
        Ok(())
    }

    /// States of zeros for frames `[T, N, C, H, W]`.
    fn zero_states(&self, graph: &mut Graph<'_>, frames: &str) -> Vec<String> {
        let mut dimension = |name: &str, at: i64| {
            graph.node("Shape", name, &[frames], vec![integer("start", at), integer("end", at + 1)])
        };
        let (batch, height, width) = (dimension("batch", 1), dimension("height", 3), dimension("width", 4));
        let patch = graph.constants.integers("patch", &[self.config.patch as i64]);
        let rows = graph.node("Div", "rows", &[&height, &patch], Vec::new());
        let columns = graph.node("Div", "columns", &[&width, &patch], Vec::new());
        let hidden = self.config.hidden_channels.iter().enumerate();
        let zeros = |(layer, &hidden): (usize, &usize)| {
            let hidden = graph.constants.integers(&format!("hidden_channels.{layer}"), &[hidden as i64]);
            let sizes = [batch.as_str(), &hidden, &rows, &columns];
            let shape = graph.node("Concat", &format!("shape.{layer}"), &sizes, vec![integer("axis", 0)]);
            graph.node("ConstantOfShape", &format!("zeros.{layer}"), &[&shape], vec![zero("value")])
        };
        hidden.map(zeros).collect()
    }

    /// Patches of pixels become channels, in the order of our pixel-unshuffle.
    fn to_patches(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        let (channels, patch) = (self.config.read_channels() as i64, self.config.patch as i64);
        if patch == 1 {
            return frame.to_owned();
        }
        let name = if channels == 1 { "patches" } else { "patches_by_pixel" };
        let patches = graph.node("SpaceToDepth", name, &[frame], vec![integer("blocksize", patch)]);
        if channels == 1 {
            return patches;
        }
        // SpaceToDepth has the channels of a pixel together, here the pixels of a channel are.
        let pixels = patch * patch;
        let order: Vec<i64> = (0..channels * pixels).map(|at| at % pixels * channels + at / pixels).collect();
        let order = graph.constants.integers("channels_by_image", &order);
        graph.node("Gather", "patches", &[&patches, &order], vec![integer("axis", 1)])
    }

    /// A predicted frame in patches as the forecaster reads it: all of its pixels are measured.
    fn as_read(&self, graph: &mut Graph<'_>, predicted: &str) -> String {
        if !self.config.mask_channel {
            return predicted.to_owned();
        }
        let mut of_shape = |name: &str, start: i64, end: i64| {
            graph.node("Shape", name, &[predicted], vec![integer("start", start), integer("end", end)])
        };
        let (batch, size) = (of_shape("mask.batch", 0, 1), of_shape("mask.size", 2, 4));
        let pixels =
            graph.constants.integers("mask.pixels", &[(self.config.patch * self.config.patch) as i64]);
        let shape = graph.node("Concat", "mask.shape", &[&batch, &pixels, &size], vec![integer("axis", 0)]);
        let measured = graph.constants.floats("measured", &[1, 1, 1, 1], &[1.0f64]);
        let mask = graph.node("Expand", "mask", &[&measured, &shape], Vec::new());
        graph.node("Concat", "predicted_with_mask", &[predicted, &mask], vec![integer("axis", 1)])
    }

    /// From topmost states to a predicted frame in patches.
    fn predict(&self, graph: &mut Graph<'_>, states: &[String]) -> String {
        let Conv2dParameters { weight, bias } = self.head;
        let weights = graph.constants.floats("head.weight", weight.shape(), weight.as_slice());
        let bias =
            bias.as_ref().map(|bias| graph.constants.floats("head.bias", bias.shape(), bias.as_slice()));
        let kernel =
            ConvolutionNames { weights: &weights, bias: bias.as_deref(), size: [1, 1], dilation: [1, 1] };
        let top = states.last().map_or("", String::as_str);
        let logits = graph.convolve("head.logits", top, kernel);
        match self.config.output_activation {
            OutputActivation::Identity => logits,
            OutputActivation::Sigmoid => graph.node("Sigmoid", "head.pixels", &[&logits], Vec::new()),
        }
    }

    /// Channels become patches of pixels.
    fn to_frame(&self, graph: &mut Graph<'_>, patches: &str) -> String {
        if self.config.patch == 1 {
            return patches.to_owned();
        }
        let attributes = vec![integer("blocksize", self.config.patch as i64), text("mode", "CRD")];
        graph.node("DepthToSpace", "predicted_frame", &[patches], attributes)
    }
}
