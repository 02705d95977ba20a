//! What is written, decoded again. That it computes what it should is seen by `cargo xtask onnx`.

use std::collections::HashSet;

use prost::Message;

use super::graph::{Constants, Graph};
use super::model::{About, encode};
use super::proto::{Dimension, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, data_type};
use super::{Form, OPSET, Part, conv_gru, forecaster, raft_update};
use crate::composed::{CellConfig, CellKind, ConvStageConfig, Normalization, Stage, Wiring};
use crate::config::{
    ConvGruConfig, EncoderForecasterConfig, Feedback, ForecasterConfig, MlcastConfig, PyramidConfig,
    PyramidScale, RecurrentForecasterConfig, ResetGate, Residual,
};
use crate::error::Error;
use crate::forecaster::Forecaster;
use crate::fused::ConvGru;
use crate::parameters::Parameters;
use crate::raft::{RaftConvolution, RaftUpdateBlock, RaftUpdateConfig};
use crate::tensor::Tensor;

fn stack(config: ConvGruConfig, form: Form) -> ModelProto {
    let network = ConvGru::<f32>::new(config, 3).unwrap();
    decode(&conv_gru(&network, form).unwrap())
}

fn forecast(config: impl Into<ForecasterConfig>, part: Part) -> ModelProto {
    let network = Forecaster::<f32>::new(config, 3).unwrap();
    decode(&forecaster(&network, part).unwrap())
}

/// Reads a file and checks what holds of every one.
fn decode(bytes: &[u8]) -> ModelProto {
    let model = ModelProto::decode(bytes).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, OPSET));
    let keys: Vec<&str> = model.metadata_props.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["convgru.network", "convgru.form", "convgru.equation", "convgru.config"]);
    assert!(model.doc_string.contains(&model.metadata_props[2].value));
    let graph = graph(&model);
    for TensorProto { dims, data_type, name, raw_data } in &graph.initializer {
        let size = match *data_type {
            data_type::FLOAT => 4,
            data_type::INT64 => 8,
            _ => 1,
        };
        let bytes = raw_data.as_ref().unwrap().len();
        assert_eq!(bytes as i64, size * dims.iter().product::<i64>(), "{name}");
    }
    let constants = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    every_value_comes_before_its_use(graph, &constants);
    model
}

/// Names are given once, also within bodies, and before they are used.
fn every_value_comes_before_its_use<'a>(graph: &'a GraphProto, around: &HashSet<&'a str>) {
    let mut known = around.clone();
    for input in &graph.input {
        // The one input that has a value of its own is among the constants.
        assert!(known.insert(&input.name) || input.name == "steps", "{}", input.name);
    }
    for node in &graph.node {
        for input in &node.input {
            assert!(known.contains(input.as_str()), "{} uses {input} before it is there", node.name);
        }
        for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
            every_value_comes_before_its_use(body, &known);
        }
        for output in &node.output {
            assert!(known.insert(output), "{output} twice");
        }
    }
    for output in &graph.output {
        assert!(known.contains(output.name.as_str()), "{}", output.name);
    }
}

fn graph(model: &ModelProto) -> &GraphProto {
    model.graph.as_ref().unwrap()
}

fn kinds(graph: &GraphProto) -> Vec<&str> {
    graph.node.iter().map(|node| node.op_type.as_str()).collect()
}

/// Names alone.
fn names(values: &[ValueInfoProto]) -> Vec<&str> {
    values.iter().map(|value| value.name.as_str()).collect()
}

/// Names and sizes: `state.0[batch,4,height,width]`.
fn values(values: &[ValueInfoProto]) -> Vec<String> {
    let text = |value: &ValueInfoProto| {
        let tensor = value.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
        let sizes = tensor.shape.as_ref().unwrap().dim.iter().map(|dim| match dim.value.as_ref().unwrap() {
            Dimension::OnnxValue(number) => number.to_string(),
            Dimension::Parameter(name) => name.clone(),
        });
        format!("{}[{}]", value.name, sizes.collect::<Vec<_>>().join(","))
    };
    values.iter().map(text).collect()
}

fn constant<'a>(graph: &'a GraphProto, name: &str) -> &'a TensorProto {
    graph.initializer.iter().find(|tensor| tensor.name == name).unwrap()
}

fn attribute(node: &NodeProto, name: &str) -> Vec<i64> {
    let found = node.attribute.iter().find(|attribute| attribute.name == name).unwrap();
    found.i.map_or_else(|| found.ints.clone(), |value| vec![value])
}

fn body(node: &NodeProto) -> &GraphProto {
    node.attribute.iter().find(|attribute| attribute.name == "body").unwrap().g.as_deref().unwrap()
}

fn two_layers(reset: ResetGate) -> ConvGruConfig {
    ConvGruConfig { reset, input_kernel_size: Some([1, 5].into()), ..ConvGruConfig::new(3, &[4, 2]) }
}

#[test]
fn a_step_has_frames_and_states_in_and_states_out() {
    let model = stack(two_layers(ResetGate::Before), Form::Step);
    let graph = graph(&model);
    let (state_0, state_1) = ("state.0[batch,4,height,width]", "state.1[batch,2,height,width]");
    assert_eq!(values(&graph.input), ["input[batch,3,height,width]", state_0, state_1]);
    assert_eq!(values(&graph.output), [format!("next_{state_0}"), format!("next_{state_1}")]);
    let gate = ["Slice", "Slice", "Add", "Sigmoid"];
    let cell = [
        &["Conv", "Conv"][..],
        &gate[..],
        &gate[..],
        &["Mul", "Conv", "Slice", "Add", "Tanh", "Sub", "Mul", "Add"][..],
    ]
    .concat();
    let last = ["Identity", "Identity"];
    assert_eq!(kinds(graph), [&cell[..], &cell[..], &last[..]].concat());
    assert_eq!(constant(graph, "layers.0.input_weights").dims, [12, 3, 1, 1]);
    assert_eq!(constant(graph, "layers.0.hidden_weights.0_8").dims, [8, 4, 3, 3]);
    assert_eq!(constant(graph, "layers.0.hidden_weights.8_12").dims, [4, 4, 3, 3]);
    assert_eq!(constant(graph, "layers.1.input_weights").dims, [6, 4, 5, 5]);
    assert_eq!(constant(graph, "layers.1.bias").dims, [6]);
    assert_eq!(attribute(&graph.node[18], "pads"), [2, 2, 2, 2]);
    assert_eq!(attribute(&graph.node[18], "kernel_shape"), [5, 5]);
    assert!(model.metadata_props[2].value.contains("Un*(r.h)"));
}

#[test]
fn where_the_reset_gate_acts_after_the_convolution_the_candidate_has_a_second_bias() {
    let model = stack(two_layers(ResetGate::After), Form::Step);
    let graph = graph(&model);
    let candidate = ["Conv", "Mul", "Slice", "Add", "Tanh", "Sub", "Mul", "Add"];
    assert_eq!(kinds(graph)[10..18], candidate);
    assert_eq!(constant(graph, "layers.0.hidden_weights.0_8").dims, [8, 4, 3, 3]);
    assert_eq!(constant(graph, "layers.0.hidden_weights.8_12").dims, [4, 4, 3, 3]);
    assert_eq!(constant(graph, "layers.0.hidden_bias").dims, [4]);
    assert!(model.metadata_props[2].value.contains("r.(Un*h + cn)"));
    assert_eq!(model.metadata_props[0].value, "ConvGru");
    let config: ConvGruConfig = serde_json::from_str(&model.metadata_props[3].value).unwrap();
    assert_eq!(config, two_layers(ResetGate::After));
}

#[test]
fn weights_are_written_as_they_are() {
    let network = ConvGru::<f64>::new(two_layers(ResetGate::Before), 3).unwrap();
    let model = decode(&conv_gru(&network, Form::Step).unwrap());
    let numbers = |name: &str| {
        let bytes = constant(graph(&model), name).raw_data.as_ref().unwrap();
        bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect::<Vec<_>>()
    };
    let layer = &network.parameters().layers[0];
    let expected: Vec<f32> = layer.hidden_weights.as_slice().iter().map(|&x| x as f32).collect();
    let parts = ["0_8", "8_12"].map(|part| numbers(&format!("layers.0.hidden_weights.{part}")));
    assert_eq!(parts.concat(), expected);
    let written: i64 = graph(&model)
        .initializer
        .iter()
        .filter(|tensor| tensor.data_type == data_type::FLOAT)
        .map(|tensor| tensor.dims.iter().product::<i64>())
        .sum();
    assert_eq!(written, network.parameters().count() as i64);
}

/// Outputs have the order that is documented, whatever the cells are and whichever order a loop has.
#[test]
fn the_output_comes_before_the_states() {
    use super::recurrent;
    use crate::composed::{CellConfig, CellKind, ConvStageConfig, Recurrent, RecurrentConfig, Stage, Wiring};
    let plain = CellConfig::new(3, 3);
    let after = CellConfig { reset: ResetGate::After, ..plain.clone() };
    let traj = CellConfig { kind: CellKind::TrajGru, ..after.clone() };
    let lstm = CellConfig { kind: CellKind::Lstm, ..plain.clone() };
    let pair = CellConfig { second_kernel_size: Some([5, 1]), kernel_size: [1, 5], ..plain.clone() };
    let convolution = ConvStageConfig { in_channels: 3, out_channels: 3, ..Default::default() };
    let mixed = RecurrentConfig {
        stages: vec![
            Stage::Convolution(convolution.clone()),
            Stage::Cell(plain.clone()),
            Stage::Residual(convolution),
            Stage::Cell(lstm.clone()),
        ],
        wiring: Wiring::Chain,
    };
    let chain = |cells: &[&CellConfig]| RecurrentConfig::chain(cells.iter().map(|&cell| cell.clone()));
    for (config, states) in [
        (chain(&[&plain]), 1),
        (chain(&[&plain, &after]), 2),
        (chain(&[&lstm, &plain]), 3),
        (chain(&[&traj]), 1),
        (chain(&[&pair, &pair]), 2),
        (RecurrentConfig { wiring: Wiring::Residual, ..chain(&[&plain, &plain, &plain]) }, 3),
        (mixed, 3),
    ] {
        let network = Recurrent::<f32>::new(config, 3).unwrap();
        for form in [Form::Step, Form::Sequence] {
            let model = decode(&recurrent(&network, form).unwrap());
            let next = (0..states).map(|state| format!("next_state.{state}"));
            let expected: Vec<String> = std::iter::once("output".to_owned()).chain(next).collect();
            assert_eq!(names(&graph(&model).output), expected, "{form:?} of {:?}", network.config());
        }
    }
    for in_channels in [0, 3] {
        let model = stack(ConvGruConfig::new(in_channels, &[4, 2]), Form::Sequence);
        assert_eq!(names(&graph(&model).output), ["output", "next_state.0", "next_state.1"]);
    }
}

#[test]
fn networks_whose_weights_were_replaced_by_others_are_not_written() {
    let mut network = ConvGru::<f32>::new(ConvGruConfig::new(3, &[4]), 3).unwrap();
    network.parameters_mut().layers[0].input_weights = Tensor::zeros(&[7]);
    conv_gru(&network, Form::Step).unwrap_err();
    let replace = |network: &mut Forecaster<f32>, replaced: &str, shape: &[usize]| {
        network.parameters_mut().for_each_mut(&mut |name, tensor| {
            if name == replaced {
                *tensor = Tensor::zeros(shape);
            }
        });
    };
    let mut network = Forecaster::<f32>::new(EncoderForecasterConfig::default(), 3).unwrap();
    replace(&mut network, "head.weight", &[32, 16, 1, 1]);
    forecaster(&network, Part::Forecast { steps: 3 }).unwrap_err();
    let mut network = Forecaster::<f32>::new(PyramidConfig::default(), 3).unwrap();
    replace(&mut network, "encoder.0.down.weight", &[64, 128, 3, 3]);
    forecaster(&network, Part::EncoderStep).unwrap_err();
    let network = Forecaster::<f32>::new(PyramidConfig::default(), 3).unwrap();
    forecaster(&network, Part::Forecast { steps: usize::MAX }).unwrap_err();
}

#[test]
fn a_sequence_is_a_scan_over_its_frames() {
    let model = stack(two_layers(ResetGate::Before), Form::Sequence);
    let outer = graph(&model);
    assert_eq!(values(&outer.input)[0], "input[steps,batch,3,height,width]");
    assert_eq!(
        values(&outer.output),
        [
            "output[steps,batch,2,height,width]",
            "next_state.0[batch,4,height,width]",
            "next_state.1[batch,2,height,width]"
        ]
    );
    assert_eq!(kinds(outer), ["Scan"]);
    assert_eq!(attribute(&outer.node[0], "num_scan_inputs"), [1]);
    let step = stack(two_layers(ResetGate::Before), Form::Step);
    let (inner, step) = (body(&outer.node[0]), graph(&step));
    assert_eq!(kinds(inner)[..kinds(step).len()], kinds(step));
    assert_eq!(inner.initializer, []);
    assert_eq!(outer.initializer, step.initializer);
}

#[test]
fn a_network_without_input_is_told_how_often() {
    for reset in [ResetGate::Before, ResetGate::After] {
        let config = ConvGruConfig { reset, ..ConvGruConfig::new(0, &[4]) };
        let step = stack(config.clone(), Form::Step);
        assert_eq!(values(&graph(&step).input), ["state.0[batch,4,height,width]"]);
        // The part of the input in the sums of each gate is its bias.
        let of_gates = graph(&step).initializer.iter().filter(|tensor| tensor.dims == [1, 4, 1, 1]);
        assert_eq!(of_gates.count(), 3);
        let model = stack(config, Form::Sequence);
        assert_eq!(values(&graph(&model).input)[0], "steps[]");
        assert_eq!(kinds(graph(&model)), ["Loop"]);
        let inner = body(&graph(&model).node[0]);
        // Number of the step and condition go in, condition and what is kept come out.
        assert_eq!(inner.input.len(), inner.output.len());
    }
}

#[test]
fn without_bias_there_is_none() {
    for reset in [ResetGate::Before, ResetGate::After] {
        let config = ConvGruConfig { bias: false, ..two_layers(reset) };
        let model = stack(config, Form::Step);
        assert!(graph(&model).initializer.iter().all(|tensor| !tensor.name.contains("bias")));
        let convolutions = graph(&model).node.iter().filter(|node| node.op_type == "Conv");
        assert!(convolutions.clone().count() > 0 && convolutions.clone().all(|node| node.input.len() == 2));
    }
}

#[test]
fn a_forecast_is_a_scan_and_a_loop_whose_length_may_be_given() {
    let config = EncoderForecasterConfig { image_channels: 2, patch: 2, ..Default::default() };
    let model = forecast(config, Part::Forecast { steps: 7 });
    let outer = graph(&model);
    assert_eq!(values(&outer.input), ["frames[input_steps,batch,2,height,width]", "steps[]"]);
    assert_eq!(values(&outer.output), ["prediction[steps,batch,2,height,width]"]);
    assert_eq!(constant(outer, "steps").raw_data, Some(7i64.to_le_bytes().to_vec()));
    assert_eq!(constant(outer, "channels_by_image").dims, [8]);
    let order = constant(outer, "channels_by_image").raw_data.as_ref().unwrap();
    let order: Vec<i64> = order.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect();
    assert_eq!(order, [0, 2, 4, 6, 1, 3, 5, 7]);
    let kinds_of = kinds(outer);
    let (scan, repeat) = (kinds_of.iter().position(|kind| *kind == "Scan"), kinds_of.last());
    assert_eq!(repeat, Some(&"Loop"));
    let scan = &outer.node[scan.unwrap()];
    assert_eq!(kinds(body(scan))[..2], ["SpaceToDepth", "Gather"]);
    let last = body(outer.node.last().unwrap());
    let (inputs, outputs) = (values(&last.input), values(&last.output));
    assert_eq!(inputs[..2], ["forecaster_step/iteration[]", "forecaster_step/condition[]"]);
    assert_eq!(outputs.last().unwrap(), "forecaster_step/prediction[batch,2,height,width]");
    // Condition, states and patches go from step to step; the prediction is kept.
    assert_eq!((inputs.len(), outputs.len()), (2 + 2 + 1, 1 + 2 + 1 + 1));
}

#[test]
fn the_steps_of_both_stacks_take_and_give_states() {
    let config = EncoderForecasterConfig { hidden_channels: vec![4], patch: 1, ..Default::default() };
    let encoder = forecast(config.clone(), Part::EncoderStep);
    let (frame, state) = ("frame[batch,1,height,width]", "state.0[batch,4,rows,columns]");
    assert_eq!(values(&graph(&encoder).input), [frame, state]);
    assert_eq!(values(&graph(&encoder).output), ["next_state.0[batch,4,rows,columns]"]);
    let step = forecast(config.clone(), Part::ForecasterStep);
    assert_eq!(values(&graph(&step).input), [frame, state]);
    let outputs = values(&graph(&step).output);
    assert_eq!(outputs, ["prediction[batch,1,height,width]", "next_state.0[batch,4,rows,columns]"]);
    let blind = EncoderForecasterConfig { feedback: Feedback::Unconditioned, ..config };
    let step = forecast(blind, Part::ForecasterStep);
    assert_eq!(values(&graph(&step).input), [state]);
}

#[test]
fn the_parts_of_a_pyramid_take_and_give_what_their_options_need() {
    let scales = vec![PyramidScale::new(4, 2), PyramidScale { features: Some(3), ..PyramidScale::new(6, 1) }];
    let plain = PyramidConfig { scales, ..Default::default() };
    let write = |config: &PyramidConfig, part: Part| forecast(config.clone(), part);
    let (frame, states) = (
        "frame[batch,1,height,width]",
        ["state.0[batch,4,rows.0,columns.0]", "state.1[batch,6,rows.1,columns.1]"],
    );
    let encoder = write(&plain, Part::EncoderStep);
    assert_eq!(values(&graph(&encoder).input), [frame, states[0], states[1]]);
    assert_eq!(graph(&encoder).output.len(), 2);
    let step = write(&plain, Part::ForecasterStep);
    assert_eq!(values(&graph(&step).input), states);
    let whole = PyramidConfig { skip: true, residual: Residual::LastFrame, ..plain };
    let encoder = write(&whole, Part::EncoderStep);
    assert_eq!(values(&graph(&encoder).output)[2], "features.0[batch,4,rows.0,columns.0]");
    let step = write(&whole, Part::ForecasterStep);
    let inputs = values(&graph(&step).input);
    assert_eq!(inputs, [frame, states[0], states[1], "features.0[batch,4,rows.0,columns.0]"]);
    assert_eq!(values(&graph(&step).output)[0], "prediction[batch,1,height,width]");
    let forecast = write(&whole, Part::Forecast { steps: 7 });
    assert_eq!(values(&graph(&forecast).input), ["frames[input_steps,batch,1,height,width]", "steps[]"]);
    assert_eq!(kinds(graph(&forecast)).last(), Some(&"Loop"));
}

#[test]
fn an_ensemble_predicts_the_channels_of_all_members() {
    let flat = EncoderForecasterConfig {
        image_channels: 2,
        feedback: Feedback::Unconditioned,
        members: 3,
        ..Default::default()
    };
    let step = forecast(flat.clone(), Part::ForecasterStep);
    assert_eq!(values(&graph(&step).output)[0], "prediction[batch,6,height,width]");
    let whole = forecast(flat, Part::Forecast { steps: 2 });
    assert_eq!(values(&graph(&whole).output), ["prediction[steps,batch,6,height,width]"]);
    let inner = body(graph(&whole).node.last().unwrap());
    assert_eq!(values(&inner.output).last().unwrap(), "forecaster_step/prediction[batch,6,height,width]");

    let config = PyramidConfig { members: 3, residual: Residual::LastFrame, ..Default::default() };
    let step = forecast(config.clone(), Part::ForecasterStep);
    assert_eq!(values(&graph(&step).output)[0], "prediction[batch,3,height,width]");
    // The last frame is added to each member.
    let repeated = graph(&step).node.iter().find(|node| node.op_type == "Concat").unwrap();
    assert_eq!(repeated.input, ["frame"; 3]);
    let whole = forecast(config, Part::Forecast { steps: 2 });
    assert_eq!(values(&graph(&whole).output), ["prediction[steps,batch,3,height,width]"]);
}

#[test]
fn the_parts_of_a_network_of_mlcast_have_states_of_their_side() {
    let config = MlcastConfig { image_channels: 2, blocks: 2, ..Default::default() };
    let encoder = forecast(config.clone(), Part::EncoderStep);
    let states = ["state.0[batch,2,rows.0,columns.0]", "state.1[batch,8,rows.1,columns.1]"];
    assert_eq!(values(&graph(&encoder).input), ["frame[batch,2,height,width]", states[0], states[1]]);
    let step = forecast(config.clone(), Part::ForecasterStep);
    let states = ["state.0[batch,8,rows.1,columns.1]", "state.1[batch,32,rows.2,columns.2]"];
    assert_eq!(values(&graph(&step).input), states);
    assert_eq!(graph(&step).output.len(), 3);
    let whole = forecast(config.clone(), Part::Forecast { steps: 7 });
    assert_eq!(values(&graph(&whole).input), ["frames[input_steps,batch,2,height,width]", "steps[]"]);
    assert_eq!(values(&graph(&whole).output), ["prediction[steps,batch,2,height,width]"]);
    assert_eq!(kinds(graph(&whole)).last(), Some(&"Loop"));

    for noisy in [MlcastConfig { members: 2, ..config.clone() }, MlcastConfig { noise: true, ..config }] {
        let network = Forecaster::<f32>::new(noisy, 3).unwrap();
        let error = forecaster(&network, Part::Forecast { steps: 2 }).unwrap_err().to_string();
        assert!(error.contains("members = 1 and noise = false"), "{error}");
    }
}

#[test]
fn composed_cells_read_a_frame_and_predict_the_next() {
    let config = RecurrentForecasterConfig { mask_channel: true, ..small_lstm() };
    let states = ["state.0[batch,3,rows,columns]", "state.1[batch,3,rows,columns]"];
    let step = forecast(config.clone(), Part::ForecasterStep);
    assert_eq!(values(&graph(&step).input), [states[0], states[1], "frame[batch,2,height,width]"]);
    assert_eq!(values(&graph(&step).output)[0], "prediction[batch,1,height,width]");
    assert_eq!(graph(&step).output.len(), 3);
    let encoder = forecast(config.clone(), Part::EncoderStep);
    assert_eq!(graph(&encoder).output.len(), 2);
    let whole = forecast(config.clone(), Part::Forecast { steps: 7 });
    assert_eq!(values(&graph(&whole).input), ["frames[input_steps,batch,2,height,width]", "steps[]"]);
    assert_eq!(values(&graph(&whole).output), ["prediction[steps,batch,1,height,width]"]);
    assert_eq!(kinds(graph(&whole)).last(), Some(&"Loop"));

    let cells = [CellConfig::new(8 + 3, 4), CellConfig::new(4, 3)].map(Stage::Cell).to_vec();
    let levels = RecurrentForecasterConfig { wiring: Wiring::Levels, stages: cells, ..config };
    let network = Forecaster::<f32>::new(levels, 3).unwrap();
    let error = forecaster(&network, Part::Forecast { steps: 2 }).unwrap_err().to_string();
    assert!(error.contains("levels"), "{error}");
}

/// Constants of a normalisation and zero states of the cell after it.
#[test]
fn normalised_cells_before_others_have_names_of_their_own() {
    for normalization in [Normalization::Layer, Normalization::Group { gates: 1, candidate: 1 }] {
        let normalised = CellConfig { normalization, ..CellConfig::new(4, 4) };
        let stages = [normalised, CellConfig::new(4, 4), CellConfig::new(4, 4)].map(Stage::Cell).to_vec();
        let config = RecurrentForecasterConfig { patch: 2, stages, ..Default::default() };
        let model = forecast(config, Part::Forecast { steps: 2 });
        assert!(graph(&model).node.iter().any(|node| node.output == ["zeros.1"]));
    }
}

#[test]
fn two_values_of_one_name_are_refused() {
    let about = About { network: "", form: "", sentence: "", equation: "", config: String::new() };
    let encoded = |name: &str| {
        let mut constants = Constants::default();
        let mut graph = Graph::new("graph", &mut constants);
        let zeros = graph.constants.integers("zeros.1", &[0]);
        graph.node("Identity", name, &[&zeros], Vec::new());
        let graph = graph.finish();
        encode(&about, graph, constants)
    };
    encoded("zeros.2").unwrap();
    let error = encoded("zeros.1").unwrap_err().to_string();
    assert!(error.contains("two values of the name `zeros.1`"), "{error}");
}

/// An LSTM over patches of 2x2 of one channel and a mask.
fn small_lstm() -> RecurrentForecasterConfig {
    let cell = CellConfig { kind: CellKind::Lstm, ..CellConfig::new(8, 3) };
    let to_frames = ConvStageConfig { in_channels: 3, out_channels: 4, ..Default::default() };
    let stages = vec![Stage::Cell(cell), Stage::Convolution(to_frames)];
    RecurrentForecasterConfig { patch: 2, stages, ..Default::default() }
}

#[test]
fn movement_is_refused_with_what_to_do() {
    let config = PyramidConfig { residual: Residual::Motion, ..Default::default() };
    let network = Forecaster::<f32>::new(config, 3).unwrap();
    for part in [Part::EncoderStep, Part::ForecasterStep, Part::Forecast { steps: 2 }] {
        let error = forecaster(&network, part).unwrap_err().to_string();
        assert!(error.contains("residual = \"last-frame\""), "{error}");
    }
}

#[test]
fn a_forecast_of_nothing_and_a_file_too_large_are_refused() {
    let network = Forecaster::<f32>::new(EncoderForecasterConfig::default(), 0).unwrap();
    let error = forecaster(&network, Part::Forecast { steps: 0 }).unwrap_err();
    assert!(matches!(error, Error::Count { got: 0, .. }));
    assert!(super::model::expect_size(1 << 31).unwrap_err().to_string().contains("2147483648 bytes"));
    assert!(super::model::expect_size(1 << 30).is_ok());
}

#[test]
fn a_constant_is_kept_once() {
    let mut constants = Constants::default();
    for _ in 0..2 {
        assert_eq!(constants.integers("sizes", &[2, 3]), "sizes");
    }
    assert_eq!(constants.tensors.len(), 1);
}

#[test]
fn a_mask_is_read_and_is_one_for_what_was_predicted() {
    let config = EncoderForecasterConfig { mask_channel: true, patch: 2, ..Default::default() };
    let model = forecast(config, Part::Forecast { steps: 2 });
    let outer = graph(&model);
    assert_eq!(values(&outer.input), ["frames[input_steps,batch,2,height,width]", "steps[]"]);
    assert_eq!(values(&outer.output), ["prediction[steps,batch,1,height,width]"]);
    let last = body(outer.node.last().unwrap());
    assert!(kinds(last).contains(&"Expand"), "{:?}", kinds(last));
    assert_eq!(constant(outer, "measured").raw_data, Some(1f32.to_le_bytes().to_vec()));
    let outputs = values(&last.output);
    assert!(
        outputs.contains(&"forecaster_step/next_patches[batch,8,rows,columns]".to_owned()),
        "{outputs:?}"
    );
}

#[test]
fn an_update_block_has_its_inputs_and_the_next_state_flow_and_mask() {
    let convolution = |channels, size| RaftConvolution { channels, kernel_size: [size, size] };
    let config = RaftUpdateConfig {
        correlation_channels: 9,
        context_channels: 3,
        hidden_channels: 4,
        correlations: vec![convolution(6, 1), convolution(5, 3)],
        flow: [convolution(5, 7), convolution(4, 3)],
        joint: convolution(5, 3),
        cell_kernels: vec![[1, 5], [5, 1]],
        flow_head: [convolution(6, 3), convolution(2, 3)],
        mask: Some([convolution(5, 3), convolution(36, 1)]),
    };
    let block =
        RaftUpdateBlock::<f32>::from_tensors(config.clone(), &mut |_, shape| Ok(Tensor::zeros(shape)))
            .unwrap();
    let model = decode(&raft_update(&block).unwrap());
    let image = |name: &str, channels: usize| format!("{name}[batch,{channels},height,width]");
    assert_eq!(
        values(&graph(&model).input),
        [image("net", 4), image("inp", 3), image("corr", 9), image("flow", 2)]
    );
    assert_eq!(
        values(&graph(&model).output),
        [image("next_net", 4), image("delta_flow", 2), image("mask", 36)]
    );
    assert_eq!(constant(graph(&model), "motion_encoder.flow.0.weight").dims, [5, 2, 7, 7]);
    assert_eq!(constant(graph(&model), "mask.1.bias").dims, [36]);
    let written: RaftUpdateConfig = serde_json::from_str(&model.metadata_props[3].value).unwrap();
    assert_eq!(written, config);
    let without = RaftUpdateConfig { mask: None, ..config };
    let block =
        RaftUpdateBlock::<f32>::from_tensors(without, &mut |_, shape| Ok(Tensor::zeros(shape))).unwrap();
    assert_eq!(values(&graph(&decode(&raft_update(&block).unwrap())).output).len(), 2);
}
