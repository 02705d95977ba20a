//! A network as ONNX.

use convgru_model::export::onnx::{self, OPSET};
use convgru_model::{ForecasterConfig, Network, Residual};
use convgru_train::trainer::TrainedModel;

use super::super::exit_codes;
use super::super::output::counted;
use super::choice::OnnxChoice;
use super::source::{ExportSource, stages_of};
use super::{Form, Part, Written};

/// The file that was chosen.
pub(super) fn write(source: &ExportSource, choice: &OnnxChoice) -> anyhow::Result<Written> {
    if let ExportSource::TrainedModel(trained) = source
        && let Some(network) = stages_of(trained)?
    {
        return of_images(&network, choice);
    }
    match (source, choice) {
        (ExportSource::Network(named), OnnxChoice::Stack(form)) => of_network(&named.network, *form),
        (ExportSource::TrainedModel(trained), OnnxChoice::Step(part)) => of_step(trained, *part),
        (ExportSource::TrainedModel(trained), OnnxChoice::Forecast(frames)) => {
            let steps = frames.unwrap_or(trained.config.data.output_frames);
            Ok(Written {
                bytes: onnx::forecaster(&trained.model, onnx::Part::Forecast { steps })?,
                what: format!("the forecast of a trained model, ONNX opset {OPSET}"),
                notes: forecast_notes(&trained.config.model, steps).into(),
            })
        }
        _ => anyhow::bail!("--checkpoint holds a trained model, --weights a network without a training"),
    }
}

/// The stages of a trained network that gives an image for each input frame.
fn of_images(network: &Network<f64>, choice: &OnnxChoice) -> anyhow::Result<Written> {
    match choice {
        OnnxChoice::Step(None) => of_network(network, Form::Step),
        OnnxChoice::Forecast(None) => of_network(network, Form::Sequence),
        OnnxChoice::Stack(form) => of_network(network, *form),
        OnnxChoice::Forecast(Some(_)) | OnnxChoice::Step(Some(_)) => {
            Err(exit_codes::wrong_argument(anyhow::anyhow!(
                "--frames and --part are for networks that continue frames; this one gives an image for each input frame. Leave them out"
            )))
        }
    }
}

/// One step of a part of a trained model. A network of the kind `recurrent` has one step, which reads a frame and predicts the next one.
fn of_step(trained: &TrainedModel, part: Option<Part>) -> anyhow::Result<Written> {
    let model = &trained.config.model;
    let kind = model.kind();
    let has_parts = !matches!(model, ForecasterConfig::Recurrent(_));
    let (of_part, of, notes) = match (part, has_parts) {
        (None, false) => (onnx::Part::ForecasterStep, "network", forecaster_notes(model)),
        (Some(Part::Encoder), true) => (onnx::Part::EncoderStep, "encoder", encoder_notes(model)),
        (Some(Part::Forecaster), true) => (onnx::Part::ForecasterStep, "forecaster", forecaster_notes(model)),
        (Some(Part::Cell), true) => anyhow::bail!("--part cell: a trained model has no update block of RAFT"),
        (None, true) => {
            return Err(exit_codes::wrong_argument(anyhow::anyhow!(
                "--form step: a network of the kind {kind} has a step of each of its two parts; choose --part encoder or --part forecaster"
            )));
        }
        (Some(part), false) => {
            return Err(exit_codes::wrong_argument(anyhow::anyhow!(
                "--part {}: a network of the kind {kind} has no parts, and its one step reads a frame and predicts the next one; leave --part \
                 out",
                part.name()
            )));
        }
    };
    Ok(Written {
        bytes: onnx::forecaster(&trained.model, of_part)?,
        what: format!("one step of the {of}, ONNX opset {OPSET}"),
        notes: notes.into(),
    })
}

/// A network without a training.
fn of_network(network: &Network<f64>, form: Form) -> anyhow::Result<Written> {
    let (form, of) = of_form(form);
    match network {
        Network::ConvGru(network) => {
            let config = network.config();
            let layers = counted(config.layers(), "layer");
            Ok(Written {
                bytes: onnx::conv_gru(network, form)?,
                what: format!("{of} {layers}, reset {} the convolution, ONNX opset {OPSET}", config.reset),
                notes: stack_notes(form, config.in_channels, &config.hidden_channels),
            })
        }
        Network::Recurrent(network) => {
            let cells = counted(network.config().cells().count(), "cell");
            Ok(Written {
                bytes: onnx::recurrent(network, form)?,
                what: format!("{of} a network with {cells}, ONNX opset {OPSET}"),
                notes: vec![
                    "inputs: input, state.0, ..., context.i where cell i sees one".to_owned(),
                    "outputs: output of the topmost stage, next_state.0, ...".to_owned(),
                ],
            })
        }
        Network::RaftUpdate(block) => {
            anyhow::ensure!(
                form == onnx::Form::Step,
                "an update block of RAFT is written as one update, because its correlations depend on the flow before; add --form step"
            );
            let config = block.config();
            let mask = config
                .mask
                .map(|[_, last]| format!(", mask [N, {}, H, W]", last.channels))
                .unwrap_or_default();
            let hidden = config.hidden_channels;
            Ok(Written {
                bytes: onnx::raft_update(block)?,
                what: format!("one update of RAFT, ONNX opset {OPSET}"),
                notes: vec![
                    format!(
                        "inputs: net [N, {hidden}, H, W], inp [N, {}, H, W], corr [N, {}, H, W], flow [N, 2, H, W]",
                        config.context_channels, config.correlation_channels
                    ),
                    format!("outputs: next_net [N, {hidden}, H, W], delta_flow [N, 2, H, W]{mask}"),
                ],
            })
        }
        Network::Forecaster(network) => Ok(Written {
            bytes: onnx::forecaster(network, onnx::Part::Forecast { steps: IMPORTED_STEPS })?,
            what: format!("the forecast of a network, ONNX opset {OPSET}"),
            notes: forecast_notes(network.config(), IMPORTED_STEPS).into(),
        }),
    }
}

/// Steps that an imported network forecasts where `steps` is left out: nothing tells the steps of its training.
const IMPORTED_STEPS: usize = 12;

fn forecast_notes(model: &ForecasterConfig, steps: usize) -> [String; 2] {
    let (channels, read) = (model.image_channels(), model.read_channels());
    let mask = if model.has_mask_channel() { " (the last channel is the mask)" } else { "" };
    let predicted = channels * model.members();
    let of_members = match model.members() {
        1 => String::new(),
        members => format!(": {members} members, the channels of one member after another"),
    };
    [
        format!(
            "inputs: frames [T, N, {read}, H, W]{mask}, steps (a whole number, {steps} where it is left out)"
        ),
        format!("outputs: prediction [steps, N, {predicted}, H, W]{of_members}"),
    ]
}

fn of_form(form: Form) -> (onnx::Form, &'static str) {
    match form {
        Form::Step => (onnx::Form::Step, "one step of"),
        Form::Sequence => (onnx::Form::Sequence, "sequences of"),
    }
}

/// Whether a network hands what it read of the last frame on to its forecaster.
fn skips(model: &ForecasterConfig) -> bool {
    matches!(model, ForecasterConfig::Pyramid(pyramid) if pyramid.skip && pyramid.scales.len() > 1)
}

fn encoder_notes(model: &ForecasterConfig) -> [String; 2] {
    let features = if skips(model) { ", features.0, ..." } else { "" };
    ["inputs: frame, state.0, ...".into(), format!("outputs: next_state.0, ...{features}")]
}

fn forecaster_notes(model: &ForecasterConfig) -> [String; 2] {
    let reads = match model {
        ForecasterConfig::EncoderForecaster(_) => model.reads_predictions(),
        ForecasterConfig::Pyramid(pyramid) => pyramid.residual == Residual::LastFrame,
        ForecasterConfig::Mlcast(_) => false,
        ForecasterConfig::Recurrent(_) => true,
    };
    let (frame, features) =
        (if reads { "frame, " } else { "" }, if skips(model) { ", features.0, ..." } else { "" });
    [format!("inputs: {frame}state.0, ...{features}"), "outputs: prediction, next_state.0, ...".into()]
}

fn stack_notes(form: onnx::Form, channels: usize, hidden: &[usize]) -> Vec<String> {
    let states = |name: &str| {
        let of = |(layer, channels): (usize, &usize)| format!("{name}.{layer} [N, {channels}, H, W]");
        hidden.iter().enumerate().map(of).collect::<Vec<_>>().join(", ")
    };
    let top = hidden.last().copied().unwrap_or(0);
    let (first, output) = match (form, channels) {
        (onnx::Form::Step, 0) => (String::new(), String::new()),
        (onnx::Form::Step, channels) => (format!("input [N, {channels}, H, W], "), String::new()),
        (_, 0) => ("steps (a whole number), ".into(), format!("output [T, N, {top}, H, W], ")),
        (_, channels) => {
            (format!("input [T, N, {channels}, H, W], "), format!("output [T, N, {top}, H, W], "))
        }
    };
    vec![format!("inputs: {first}{}", states("state")), format!("outputs: {output}{}", states("next_state"))]
}
