//! The encoder-forecaster.

use proptest::prelude::*;

use super::Forecasting;
use crate::config::{EncoderForecasterConfig, Feedback, KernelSizes, OutputActivation};
use crate::error::Result;
use crate::forecaster::Forecaster;
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, probed};
use crate::parameters::Parameters;

pub(super) fn cases() -> Vec<Case> {
    let case = Kind {
        feedback: Feedback::Predictions,
        activation: OutputActivation::Identity,
        probe: Probe::Pixels,
        teacher: false,
        bias: true,
        members: 1,
        mask: false,
    };
    let sigmoid = Kind { activation: OutputActivation::Sigmoid, ..case };
    let blind = Kind { feedback: Feedback::Unconditioned, ..case };
    let size = || prop_oneof![1 => draw::one_pixel(), 3 => draw::image_size().prop_map(|[h, w]| [h.min(2), w.min(3)])];
    [
        ("encoder-forecaster", case),
        ("encoder-forecaster without bias", Kind { bias: false, ..case }),
        ("encoder-forecaster, sigmoid", sigmoid),
        ("encoder-forecaster, sigmoid, loss on logits", Kind { probe: Probe::Logits, ..sigmoid }),
        ("encoder-forecaster, teacher forcing", Kind { teacher: true, ..case }),
        ("encoder-forecaster, sigmoid, teacher forcing", Kind { teacher: true, ..sigmoid }),
        ("encoder-forecaster, unconditioned", blind),
        (
            "encoder-forecaster, unconditioned, sigmoid",
            Kind { activation: OutputActivation::Sigmoid, ..blind },
        ),
        (
            "encoder-forecaster, unconditioned, loss on logits",
            Kind { activation: OutputActivation::Sigmoid, probe: Probe::Logits, ..blind },
        ),
        ("encoder-forecaster, three members", Kind { members: 3, ..blind }),
        ("encoder-forecaster, mask", Kind { mask: true, ..case }),
        ("encoder-forecaster, mask, sigmoid, teacher forcing", Kind { mask: true, teacher: true, ..sigmoid }),
        ("encoder-forecaster, mask, unconditioned", Kind { mask: true, ..blind }),
    ]
    .map(|(name, kind)| {
        let kernels = prop::sample::select(vec![[1, 3], [3, 1], [3, 3], [1, 5]]);
        let layers = prop::collection::vec((1usize..=2, kernels), 1..=2);
        // Forcing shows from the second predicted frame on.
        let outputs = if kind.teacher { 2usize..=4 } else { 1..=4 };
        let frames =
            (1usize..=4, outputs).prop_filter("T_in != T_out", |(inputs, outputs)| inputs != outputs);
        let shape = (draw::patch_and_channels(), layers, size(), 1usize..=2, frames, draw::seed());
        Case::new(name, shape, move |((patch, channels), layers, [h, w], batch, (inputs, outputs), seed)| {
            let config = EncoderForecasterConfig {
                image_channels: channels,
                patch,
                hidden_channels: layers.iter().map(|(hidden, _)| *hidden).collect(),
                kernel_size: KernelSizes::PerLayer(layers.iter().map(|(_, kernel)| *kernel).collect()),
                bias: kind.bias,
                feedback: kind.feedback,
                output_activation: kind.activation,
                members: kind.members,
                mask_channel: kind.mask,
                ..Default::default()
            };
            let frame = [batch, channels + usize::from(kind.mask), h * patch, w * patch];
            let operation = forecasting(kind, config, [inputs, outputs], frame, seed)?;
            probed(operation, seed ^ 1)
        })
    })
    .into()
}

/// Where the loss is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Probe {
    /// After the output activation.
    Pixels,
    /// Before it.
    Logits,
}

/// What a case fixes; shapes are drawn.
#[derive(Debug, Clone, Copy)]
struct Kind {
    feedback: Feedback,
    activation: OutputActivation,
    probe: Probe,
    teacher: bool,
    bias: bool,
    members: usize,
    mask: bool,
}

fn forecasting(
    kind: Kind,
    config: EncoderForecasterConfig,
    [frames, steps]: [usize; 2],
    [n, c, h, w]: [usize; 4],
    seed: u64,
) -> Result<Forecasting> {
    let network = Forecaster::new(config, seed)?;
    let mut values = Values::new(seed);
    let mut inputs = vec![("x".to_owned(), values.tensor(&[frames, n, c, h, w]))];
    for (name, parameter) in network.parameters().to_named() {
        inputs.push((name, values.tensor(parameter.shape())));
    }
    let truth = values.tensor(&[steps, n, c, h, w]);
    let forced = (0..steps).map(|t| kind.teacher && (t == 1 || values.coin())).collect();
    Ok(Forecasting {
        network,
        inputs,
        fixed: None,
        steps,
        logits: kind.probe == Probe::Logits,
        teacher: kind.teacher.then_some((truth, forced)),
    })
}

pub(super) fn describe(config: &EncoderForecasterConfig) -> String {
    let mut text = format!("patch {}, hidden {:?}", config.patch, config.hidden_channels);
    for layer in 0..config.hidden_channels.len() {
        let [height, width] = config.kernel_size.of_layer(layer);
        text += &format!("{} {height}x{width}", if layer == 0 { ", kernel" } else { "" });
    }
    text
}
