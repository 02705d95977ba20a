//! A pyramid as a model: one step of either side, or the whole forecast.

use convgru_kernels::Scalar;

use super::Part;
use super::cell::{Stack, equation};
use super::graph::{Constants, ConvolutionNames, Graph, Size, integer, zero};
use super::loops;
use super::model::{About, encode};
use super::proto::data_type;
use crate::config::{ConvGruConfig, MOST_SCALES, OutputActivation, PyramidConfig, Residual};
use crate::error::Result;
use crate::layer::{Activation, Conv2dParameters};
use crate::network::{NEAREST_TO_ZERO, Pyramid};

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

/// The bytes of the file.
pub(super) fn write<T: Scalar>(network: &Pyramid<T>, part: Part) -> Result<Vec<u8>> {
    let config = network.config();
    let scales = 0..config.scales.len();
    let writer = Writer {
        network,
        encoder: scales.clone().map(|scale| config.encoder(scale)).collect(),
        forecaster: scales.map(|scale| config.forecaster(scale)).collect(),
    };
    network.check()?;
    let mut constants = Constants::default();
    let mut graph = Graph::new("convgru", &mut constants);
    match part {
        Part::EncoderStep => writer.encoder_step(&mut graph),
        Part::ForecasterStep => writer.forecaster_step(&mut graph),
        Part::Forecast { steps } => writer.forecast(&mut graph, steps),
    }
    let about = About {
        network: "Pyramid",
        form: part.name(),
        sentence: match part {
            Part::EncoderStep => "The encoder reads one frame: frame and states to the next states.",
            Part::ForecasterStep => {
                "The forecaster predicts one frame: its states, at first those of the encoder, to prediction \
                 and next states; the last frame that was read, where it is added, and its features, where \
                 they are read, stay the same in all steps."
            }
            Part::Forecast { .. } => "A pyramid: frames to the frames that are to follow.",
        },
        equation: &equation(&writer.encoder[0]),
        config: super::json(config)?,
    };
    let graph = graph.finish();
    encode(&about, graph, constants)
}

/// A network with the stacks of all scales.
struct Writer<'a, T> {
    network: &'a Pyramid<T>,
    encoder: Vec<ConvGruConfig>,
    forecaster: Vec<ConvGruConfig>,
}

/// Values of a frame: as it is, and with zeros up to a multiple of the factor.
struct Frame {
    /// Height and width.
    size: String,
    extended: String,
}

impl<T: Scalar> Writer<'_, T> {
    fn config(&self) -> &PyramidConfig {
        self.network.config()
    }

    fn frame_sizes(&self) -> [Size; 4] {
        [Size::Free("batch"), Size::Fixed(self.config().image_channels), FRAME[0], FRAME[1]]
    }

    /// Of the channels of every member.
    fn prediction_sizes(&self, [height, width]: [Size; 2]) -> [Size; 4] {
        let channels = self.config().image_channels * self.config().members;
        [Size::Free("batch"), Size::Fixed(channels), height, width]
    }

    fn sizes(&self, scale: usize, channels: usize) -> [Size; 4] {
        let [rows, columns] = SCALES[scale].map(Size::Free);
        [Size::Free("batch"), Size::Fixed(channels), rows, columns]
    }

    /// The scale and channels of each state, in order.
    fn states(&self) -> impl Iterator<Item = (usize, usize)> {
        let scales = self.config().scales.iter().enumerate();
        scales.flat_map(|(index, scale)| (0..scale.layers).map(move |_| (index, scale.channels)))
    }

    /// The places of the states of a scale.
    fn places(&self, scale: usize) -> std::ops::Range<usize> {
        let before = self.config().scales[..scale].iter().map(|scale| scale.layers).sum();
        before..before + self.config().scales[scale].layers
    }

    /// The scales whose features the forecaster reads.
    fn skipped(&self) -> std::ops::Range<usize> {
        0..if self.config().skip { self.config().scales.len() - 1 } else { 0 }
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

    fn encoder_step(&self, graph: &mut Graph<'_>) {
        let frame = graph.input("frame", &self.frame_sizes());
        let states = self.state_inputs(graph);
        let frame = self.extend(graph, &frame);
        let (after, features) = self.read(graph, &frame.extended, &states);
        self.state_outputs(graph, &after);
        for (scale, features) in self.skipped().zip(&features) {
            let sizes = self.sizes(scale, self.config().scales[scale].features());
            graph.output(features, &format!("features.{scale}"), &sizes);
        }
    }

    fn forecaster_step(&self, graph: &mut Graph<'_>) {
        let added = self.config().residual == Residual::LastFrame;
        let frame = added.then(|| graph.input("frame", &self.frame_sizes()));
        let states = self.state_inputs(graph);
        let input = |scale: usize| {
            let sizes = self.sizes(scale, self.config().scales[scale].features());
            graph.input(&format!("features.{scale}"), &sizes)
        };
        let features: Vec<String> = self.skipped().map(input).collect();
        let added = frame.map(|frame| (self.to_add(graph, &frame), self.size_of(graph, &frame)));
        let after = self.predict(graph, &states, &features);
        let (add, size) = added.map_or((None, None), |(add, size)| (Some(add), Some(size)));
        let prediction = self.head(graph, &after, add.as_deref(), size.as_deref());
        // Without a frame nobody says how much of the states is one.
        let sizes = match size {
            Some(_) => self.prediction_sizes(FRAME),
            None => self.prediction_sizes([Size::Any, Size::Any]),
        };
        graph.output(&prediction, "prediction", &sizes);
        self.state_outputs(graph, &after);
    }

    fn forecast(&self, graph: &mut Graph<'_>, steps: usize) {
        let over = |steps: &'static str, sizes: [Size; 4]| [&[Size::Free(steps)], &sizes[..]].concat();
        let frames = graph.input("frames", &over("input_steps", self.frame_sizes()));
        let count = graph.scalar_input("steps", data_type::INT64);
        // An input with a value of its own need not be given.
        graph.constants.integer("steps", steps as i64);
        let last = graph.constants.integer("last", -1);
        let last_frame = graph.node("Gather", "last_frame", &[&frames, &last], vec![integer("axis", 0)]);
        let last = self.extend(graph, &last_frame);
        let initial = self.zero_states(graph, &last.extended);

        let mut body = graph.body("encoder_step");
        let before = self.state_inputs(&mut body);
        let frame = body.input("frame", &self.frame_sizes());
        let frame = self.extend(&mut body, &frame);
        let (after, _) = self.read(&mut body, &frame.extended, &before);
        self.state_outputs(&mut body, &after);
        let body = body.finish();
        let count_of_states = self.states().count();
        let carried: Vec<String> =
            (0..count_of_states).map(|index| format!("encoder.state.{index}")).collect();
        loops::scan(graph, body, [&initial, std::slice::from_ref(&frames)], &carried);

        // What the loop needs of the last frame is computed once, before it.
        let of_scale = |scale: usize| self.features(graph, scale, &last.extended, &carried);
        let features: Vec<String> = self.skipped().map(of_scale).collect();
        let added = self.config().residual == Residual::LastFrame;
        let add = added.then(|| self.to_add(graph, &last_frame));
        let mut outputs: Vec<String> =
            (0..count_of_states).map(|index| format!("forecaster.state.{index}")).collect();
        outputs.push("prediction".into());
        let body = loops::counted_body(graph, "forecaster_step", |body| {
            let before = self.state_inputs(body);
            let after = self.predict(body, &before, &features);
            let prediction = self.head(body, &after, add.as_deref(), Some(&last.size));
            self.state_outputs(body, &after);
            body.output(&prediction, "prediction", &self.prediction_sizes(FRAME));
        });
        graph.output_as_is("prediction", &over("steps", self.prediction_sizes(FRAME)));
        loops::repeat(graph, body, [&[count], &carried], &outputs);
    }

    /// Height and width of a frame.
    fn size_of(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        graph.node("Shape", "frame_size", &[frame], vec![integer("start", 2), integer("end", 4)])
    }

    /// A frame with zeros below and to the right, up to a multiple of the factor.
    fn extend(&self, graph: &mut Graph<'_>, frame: &str) -> Frame {
        let (size, factor) = (self.size_of(graph, frame), self.config().factor() as i64);
        if factor == 1 {
            return Frame { size, extended: frame.to_owned() };
        }
        let factor = graph.constants.integers("factor", &[factor]);
        let beyond = graph.node("Mod", "beyond", &[&size, &factor], Vec::new());
        let missing = graph.node("Sub", "to_the_next", &[&factor, &beyond], Vec::new());
        let missing = graph.node("Mod", "missing", &[&missing, &factor], Vec::new());
        let none = graph.constants.integers("no_pads", &[0; 6]);
        let pads = graph.node("Concat", "pads", &[&none, &missing], vec![integer("axis", 0)]);
        Frame { size, extended: graph.node("Pad", "extended", &[frame, &pads], Vec::new()) }
    }

    /// States of zeros for a frame without missing rows and columns.
    fn zero_states(&self, graph: &mut Graph<'_>, extended: &str) -> Vec<String> {
        let mut of_shape = |name: &str, start: i64, end: i64| {
            graph.node("Shape", name, &[extended], vec![integer("start", start), integer("end", end)])
        };
        let (batch, mut size) = (of_shape("batch", 0, 1), of_shape("extended_size", 2, 4));
        let mut states = Vec::new();
        for (index, scale) in self.config().scales.iter().enumerate() {
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
        let down = self.config().scales[scale].down;
        let patches = match down {
            1 => below.to_owned(),
            _ => {
                let attributes = vec![integer("blocksize", down as i64)];
                graph.node("SpaceToDepth", &format!("encoder.{scale}.patches"), &[below], attributes)
            }
        };
        let link = &self.network.parameters().encoder[scale].down;
        let sum = self.convolve(graph, &format!("encoder.{scale}.down"), &patches, link);
        self.rectify(graph, &format!("encoder.{scale}.features"), &sum)
    }

    /// The encoder's states after a frame, and what the cells read at each scale.
    fn read(&self, graph: &mut Graph<'_>, extended: &str, before: &[String]) -> (Vec<String>, Vec<String>) {
        let (mut after, mut read) = (Vec::new(), Vec::new());
        for (scale, part) in self.network.parameters().encoder.iter().enumerate() {
            let features = self.features(graph, scale, extended, &after);
            let prefix = format!("encoder.{scale}.");
            let stack = Stack { layers: &part.cells.layers, config: &self.encoder[scale], prefix: &prefix };
            let new = stack.step(graph, Some(&features), &before[self.places(scale)]);
            after.extend(new);
            read.push(features);
        }
        (after, read)
    }

    /// The forecaster's states after a step, whose names are the finest scale's first.
    fn predict(&self, graph: &mut Graph<'_>, before: &[String], features: &[String]) -> Vec<String> {
        let mut by_scale: Vec<Vec<String>> = Vec::new();
        for (scale, part) in self.network.parameters().forecaster.iter().enumerate().rev() {
            let above = by_scale.last().and_then(|states| states.last()).cloned();
            let read = above.map(|above| self.read_above(graph, scale, &above, features.get(scale)));
            let prefix = format!("forecaster.{scale}.");
            let stack =
                Stack { layers: &part.cells.layers, config: &self.forecaster[scale], prefix: &prefix };
            by_scale.push(stack.step(graph, read.as_deref(), &before[self.places(scale)]));
        }
        by_scale.into_iter().rev().flatten().collect()
    }

    /// What the cells of the forecaster read at a scale from the states above.
    fn read_above(
        &self,
        graph: &mut Graph<'_>,
        scale: usize,
        above: &str,
        features: Option<&String>,
    ) -> String {
        let Some(link) = &self.network.parameters().forecaster[scale + 1].up else {
            return above.to_owned();
        };
        let patches = self.convolve(graph, &format!("forecaster.{}.up", scale + 1), above, link);
        let down = self.config().scales[scale + 1].down;
        let mut sum = self.to_pixels(graph, &format!("forecaster.{scale}.from_above"), patches, down);
        if let Some(features) = features {
            sum = graph.node("Add", &format!("forecaster.{scale}.skip"), &[&sum, features], Vec::new());
        }
        self.rectify(graph, &format!("forecaster.{scale}.features"), &sum)
    }

    /// From states to a predicted frame, cut to a size where one is known.
    fn head(
        &self,
        graph: &mut Graph<'_>,
        states: &[String],
        add: Option<&str>,
        size: Option<&str>,
    ) -> String {
        let head = &self.network.parameters().head;
        let mut top = states[self.places(0).end - 1].clone();
        if let Some(link) = &head.hidden {
            let sum = self.convolve(graph, "head.hidden", &top, link);
            top = self.rectify(graph, "head.features", &sum);
        }
        let patches = self.convolve(graph, "head.output", &top, &head.output);
        let mut frame = self.to_pixels(graph, "head.pixels", patches, self.config().scales[0].down);
        if let Some(size) = size.filter(|_| self.config().factor() > 1) {
            let starts = graph.constants.integers("first_pixel", &[0, 0]);
            let axes = graph.constants.integers("image_axes", &[2, 3]);
            frame = graph.node("Slice", "head.cut", &[&frame, &starts, size, &axes], Vec::new());
        }
        if let Some(add) = add {
            frame = graph.node("Add", "head.sum", &[&frame, add], Vec::new());
        }
        match self.config().output_activation {
            OutputActivation::Identity => frame,
            OutputActivation::Sigmoid => graph.node("Sigmoid", "head.prediction", &[&frame], Vec::new()),
        }
    }

    /// What is added to the output of every member.
    fn to_add(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        let added = self.added_to_one(graph, frame);
        match self.config().members {
            1 => added,
            members => {
                let all = vec![added.as_str(); members];
                graph.node("Concat", "residual.of_members", &all, vec![integer("axis", 1)])
            }
        }
    }

    fn added_to_one(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        if self.config().output_activation == OutputActivation::Identity {
            return frame.to_owned();
        }
        let low = graph.constants.floats("nearest_to_zero", &[], &[NEAREST_TO_ZERO]);
        let high = graph.constants.floats("nearest_to_one", &[], &[1.0 - NEAREST_TO_ZERO]);
        let one = graph.constants.floats("one", &[], &[1.0f64]);
        let inside = graph.node("Clip", "residual.inside", &[frame, &low, &high], Vec::new());
        let rest = graph.node("Sub", "residual.rest", &[&one, &inside], Vec::new());
        let logarithm = graph.node("Log", "residual.log", &[&inside], Vec::new());
        let of_rest = graph.node("Log", "residual.log_of_rest", &[&rest], Vec::new());
        graph.node("Sub", "residual.logits", &[&logarithm, &of_rest], Vec::new())
    }

    /// Channels become squares of pixels.
    fn to_pixels(&self, graph: &mut Graph<'_>, name: &str, patches: String, down: usize) -> String {
        if down == 1 {
            return patches;
        }
        graph.node("DepthToSpace", name, &[&patches], vec![integer("blocksize", down as i64)])
    }

    fn convolve(&self, graph: &mut Graph<'_>, name: &str, value: &str, link: &Conv2dParameters<T>) -> String {
        let Conv2dParameters { weight, bias } = link;
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
        graph.activate(Activation::LeakyRelu(self.config().slope), name, value)
    }
}
