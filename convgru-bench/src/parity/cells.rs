//! Stacks of published cells: states after every step and all gradients.

use convgru_model::import::layout::Layout;
use convgru_model::import::network::Hints;
use convgru_model::layer::{Conv2d, Conv2dConfig, Conv2dParameters};
use convgru_model::{
    CellParameters, ConvGru, ConvGruConfig, ConvGruParameters, OutputGradients, Parameters, Precision,
    ReturnLayers, Sequence, Tensor, Workspace,
};
use serde_json::Value;

use super::{Errors, Record, originals};
use convgru_train::Result;

/// The convolution that georgeyiasemis' network applies to the last state.
const HEAD: [&str; 2] = ["conv.weight", "conv.bias"];
const HEAD_WEIGHT: &str = "param.conv.weight";
const HEAD_BIAS: &str = "param.conv.bias";

/// What a record of cells asks for.
pub(super) struct Recipe {
    layout: &'static Layout,
    /// Whether half the channels of the input go past the cell (RobustVideoMatting's bottleneck).
    half: bool,
    /// Whether images are lines: kernels, inputs and states lack the dimension of rows.
    lines: bool,
}

impl Recipe {
    /// The recipe of a record; `Err` holds what of it is not supported.
    pub(super) fn of(record: &Record) -> std::result::Result<Self, String> {
        let system = record.metadata("system").unwrap_or_default();
        let config: Value =
            record.metadata("config").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let class = config["cls"].as_str().unwrap_or_default();
        let layout = Layout::of(system).ok_or_else(|| format!("the system {system}"))?;
        if class.starts_with("SepConvGRU") || class.contains("FireNet") {
            return Err(format!("{class} of the system {system}"));
        }
        if config["stacked"].as_bool() == Some(true) {
            return Err(format!("stacked cells of the system {system}"));
        }
        // One size for all layers, or one for each.
        let size = Some(&config["spatial"][0]).filter(|size| size.is_array()).unwrap_or(&config["spatial"]);
        let dimensions = size.as_array().map_or(2, Vec::len);
        if dimensions == 3 {
            return Err(format!("three dimensions of the system {system}"));
        }
        if config["stride"].as_array().is_some_and(|strides| strides.iter().any(|stride| *stride != 1)) {
            return Err(format!("strides of the system {system}"));
        }
        Ok(Self { layout, half: config["mode"] == "bottleneck", lines: dimensions == 1 })
    }

    /// Computes what the record holds and compares.
    ///
    /// The loss of the record is the sum of all states, of every layer at every step, times
    /// the recorded probes. A record without probes has no gradients.
    pub(super) fn compare(&self, record: &Record) -> Result<Errors> {
        let tensors = self.parameters(record)?;
        originals::expect(record, self.layout.system, &Hints::default(), &tensors)?;
        let stack = self.layout.read(&tensors)?;
        let (layers, prefixes) = (stack.layers.len(), stack.prefixes);
        let network = ConvGru::from_parameters(stack.config, ConvGruParameters { layers: stack.layers })?;
        let name = if record.find("x").is_some() { "x" } else { "x.0" };
        let [past, x] = self.split(record, &self.with_rows(record.tensor(name)?)?)?;
        let given = (0..layers).map_while(|layer| record.find(&format!("h0.{layer}")));
        let states = given.map(|state| self.with_rows(state)).collect::<Result<Vec<_>>>()?;
        let states = (!states.is_empty()).then_some(states.as_slice());

        let mut errors = Errors::default();
        let sequence =
            Sequence { states, return_layers: ReturnLayers::All, input_gradient: true, ..Sequence::from(&x) };
        let mut workspace = Workspace::default();
        let trained = network.forward_train(sequence, &mut workspace)?;
        let used = network.forward(sequence)?;
        for (layer, outputs) in trained.outputs.iter().zip(&used.outputs).enumerate() {
            let name = format!("h.{layer}");
            errors.output(record, &name, &self.without_rows(outputs.0)?)?;
            errors.output(record, &name, &self.without_rows(outputs.1)?)?;
        }
        let single = single(&network)?;
        let states: Option<Vec<Tensor<f32>>> = states.map(|states| states.iter().map(Tensor::cast).collect());
        let (x, states) = (x.cast(), states.as_deref());
        let used_single =
            single.forward(Sequence { states, return_layers: ReturnLayers::All, ..Sequence::from(&x) })?;
        for (layer, outputs) in used_single.outputs.iter().enumerate() {
            errors.single(record, &format!("h.{layer}"), &self.without_rows(&outputs.cast())?.cast())?;
        }
        if self.half {
            errors.output(record, "y", &beside(&past, &used.outputs[0])?)?;
        }
        if let (Some(weight), Some(bias)) = (record.find(HEAD_WEIGHT), record.find(HEAD_BIAS)) {
            let shape = weight.shape();
            let config = Conv2dConfig::new(shape[1], shape[0], [shape[2], shape[3]]);
            let parameters = Conv2dParameters { weight: weight.clone(), bias: Some(bias.clone()) };
            let head = Conv2d::from_parameters(config, parameters)?;
            errors.output(record, "y", &head.forward(&used.last[layers - 1])?)?;
        }
        if record.find("probe.0").is_none() {
            return Ok(errors);
        }
        let probe = |layer: usize| self.with_rows(record.tensor(&format!("probe.{layer}"))?);
        let probes = (0..layers).map(probe).collect::<Result<Vec<_>>>()?;
        let outputs = probes.iter().map(Some).collect();
        let d_outputs = OutputGradients { outputs, last: Vec::new() };
        let mut gradients = network.parameters().zeros_like();
        let back = network.backward(&mut workspace, &d_outputs, &mut gradients)?;
        for (name, gradient) in self.layout.write_gradients(&prefixes, &gradients.layers)? {
            let gradient = if gradient.rank() > 2 { self.without_rows(&gradient)? } else { gradient };
            errors.gradient(record, &format!("grad.param.{name}"), &gradient)?;
        }
        for d_input in &back.inputs {
            // What goes past the cell is no part of the loss.
            let d_past = Tensor::zeros(past.shape());
            let d_x = self.without_rows(&beside(&d_past, d_input)?)?;
            errors.gradient(record, &format!("grad.{name}"), &d_x)?;
        }
        for (layer, d_state) in back.states.iter().enumerate() {
            errors.gradient(record, &format!("grad.h0.{layer}"), &self.without_rows(d_state)?)?;
        }
        Ok(errors)
    }

    /// The parameters of the cells: all but those of a head.
    fn parameters(&self, record: &Record) -> Result<Vec<(String, Tensor<f64>)>> {
        let mut parameters = record.with_prefix("param.");
        parameters.retain(|(name, _)| !HEAD.contains(&name.as_str()));
        for (_, tensor) in parameters.iter_mut().filter(|(_, tensor)| tensor.rank() > 2) {
            *tensor = self.with_rows(tensor)?;
        }
        Ok(parameters)
    }

    /// The same with one row, where images are lines.
    fn with_rows(&self, tensor: &Tensor<f64>) -> Result<Tensor<f64>> {
        let mut shape = tensor.shape().to_vec();
        if self.lines && !shape.is_empty() {
            shape.insert(shape.len() - 1, 1);
        }
        Ok(tensor.clone().reshape(&shape)?)
    }

    /// The inverse of [`with_rows`](Self::with_rows).
    fn without_rows(&self, tensor: &Tensor<f64>) -> Result<Tensor<f64>> {
        let mut shape = tensor.shape().to_vec();
        if self.lines && shape.len() > 1 {
            shape.remove(shape.len() - 2);
        }
        Ok(tensor.clone().reshape(&shape)?)
    }

    /// The channels of `[T, N, C, H, W]` that go past the cell, and those that enter it.
    fn split(&self, record: &Record, x: &Tensor<f64>) -> Result<[Tensor<f64>; 2]> {
        let &[steps, batch, channels, height, width] = x.shape() else {
            return Err(record.refuse(format!("the input has shape {:?}", x.shape())));
        };
        let past = if self.half { channels / 2 } else { 0 };
        let pixels = height * width;
        let part = |range: std::ops::Range<usize>| {
            let images = x.as_slice().chunks_exact(channels * pixels);
            let values = images.flat_map(|image| &image[range.start * pixels..range.end * pixels]).copied();
            Tensor::from_vec(&[steps, batch, range.len(), height, width], values.collect())
        };
        Ok([part(0..past)?, part(past..channels)?])
    }
}

/// The same network in 32 bits, products and sums as in the definition.
fn single(network: &ConvGru<f64>) -> Result<ConvGru<f32>> {
    let layer = |layer: &CellParameters<f64>| CellParameters {
        input_weights: layer.input_weights.cast(),
        hidden_weights: layer.hidden_weights.cast(),
        bias: layer.bias.as_ref().map(Tensor::cast),
        hidden_bias: layer.hidden_bias.as_ref().map(Tensor::cast),
        reset: layer.reset,
    };
    let layers = network.parameters().layers.iter().map(layer).collect();
    let config = ConvGruConfig { precision: Precision::Exact, ..network.config().clone() };
    Ok(ConvGru::from_parameters(config, ConvGruParameters { layers })?)
}

/// Two of `[T, N, C, H, W]`, side by side along the channels.
fn beside(a: &Tensor<f64>, b: &Tensor<f64>) -> Result<Tensor<f64>> {
    let mut shape = b.shape().to_vec();
    let images: usize = shape[..2].iter().product();
    shape[2] += a.shape()[2];
    let size = |tensor: &Tensor<f64>| tensor.len() / images.max(1);
    let of = |tensor, image: usize| -> &[f64] {
        let tensor: &Tensor<f64> = tensor;
        &tensor.as_slice()[image * size(tensor)..(image + 1) * size(tensor)]
    };
    let values = (0..images).flat_map(|image| of(a, image).iter().chain(of(b, image))).copied();
    Ok(Tensor::from_vec(&shape, values.collect())?)
}
