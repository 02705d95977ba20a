//! The graphs of an encoder-forecaster.

use convgru_kernels::Scalar;

use super::cells::{Cells, equation};
use super::forecaster_graph::ForecasterGraph;
use super::form::Part;
use super::graph::{ConvolutionNames, Graph, Size, integer};
use super::loops;
use super::model::json;
use super::patches::Patches;
use super::proto::data_type;
use crate::config::{ConvGruConfig, EncoderForecasterConfig, Feedback, NetworkConfig, OutputActivation};
use crate::error::Result;
use crate::forecaster::ForecasterParameters;
use crate::layer::Conv2dParameters;

/// Height and width of frames.
const FRAME: [Size; 2] = [Size::Free("height"), Size::Free("width")];
/// Height and width of states: the height and width of frames in patches.
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
                "The forecaster predicts one frame: its states, at first the encoder's states, and the frame \
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
        let patches = self.patches().to_patches(graph, &frame);
        let new = self.encoder.step(graph, Some(&patches), &states)?;
        self.encoder.state_outputs(graph, &new);
        Ok(())
    }

    fn forecaster_step(&self, graph: &mut Graph<'_>) -> Result<()> {
        let frame = self.feeds_back().then(|| graph.input("frame", &self.frame_sizes()));
        let states = self.forecaster.state_inputs(graph);
        let patches = frame.map(|frame| self.patches().to_patches(graph, &frame));
        let new = self.forecaster.step(graph, patches.as_deref(), &states)?;
        let predicted = self.predict(graph, &new);
        let prediction = self.patches().to_frame(graph, &predicted);
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
        let initial = self.patches().zero_states(graph, &frames, &self.config.hidden_channels);

        let mut body = graph.body("encoder_step");
        let before = self.encoder.state_inputs(&mut body);
        let frame = body.input("frame", &self.frame_sizes());
        let patches = self.patches().to_patches(&mut body, &frame);
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
            carried.push(self.patches().to_patches(graph, &frame));
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

    fn patches(&self) -> Patches {
        let EncoderForecasterConfig { image_channels, mask_channel, patch, .. } = *self.config;
        Patches { image_channels, mask_channel, patch }
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
        let prediction = self.patches().to_frame(body, &predicted);
        self.forecaster.state_outputs(body, &after);
        if self.feeds_back() {
            let next = self.patches().as_read(body, &predicted);
            body.output(&next, "next_patches", &self.patch_sizes());
        }
        body.output(&prediction, "prediction", &self.prediction_sizes());
        Ok(())
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
}
