//! Weights as safetensors.

use convgru_model::export::{self, state_dict, to_smallest_safetensors};
use convgru_model::import::layout::Layout;
use convgru_model::import::{NamedNetwork, NamedTensors, Origin};
use convgru_model::{Forecaster, ForecasterConfig, Network, Scalar, Tensor};
use convgru_train::trainer::TrainedModel;
use serde_json::json;

use super::super::exit_codes;
use super::super::output::counted;
use super::choice::{Names, WeightsChoice};
use super::origin::trained_original;
use super::source::{ExportSource, part_of};
use super::{MLCAST, ORIGINAL, Written};

/// The entry of the metadata of weights in another layout.
pub(in crate::cli) const LAYOUT_ENTRY: &str = "layout";

/// The file that was chosen.
pub(super) fn write(source: &ExportSource, choice: &WeightsChoice) -> anyhow::Result<Written> {
    let trained = match source {
        ExportSource::Network(network) => return of_network(network, choice),
        ExportSource::TrainedModel(trained) => trained,
    };
    match (choice.names, choice.part) {
        (Some(Names::Original(wanted)), part) => of_original(&trained_original(trained, part)?, wanted),
        (_, Some(part)) => of_network(&part_of(trained, part)?, choice),
        (None, None) => Ok(Written {
            bytes: trained.to_safetensors()?,
            what: "the weights of a trained model".into(),
            notes: Vec::new(),
        }),
        (Some(Names::Mlcast), None) => of_mlcast(&trained.model, choice),
        (Some(Names::Layout(layout)), None) => of_whole(trained, layout),
    }
}

/// A whole trained model under the names of a system: a network of the kind `recurrent`, if it comes from there.
fn of_whole(trained: &TrainedModel, Layout { system, .. }: &Layout) -> anyhow::Result<Written> {
    match &trained.config.model {
        ForecasterConfig::Recurrent(_) => of_original(&trained_original(trained, None)?, system),
        ForecasterConfig::EncoderForecaster(_) => Err(exit_codes::wrong_argument(anyhow::anyhow!(
            "--layout {system}: a trained model of the kind encoder-forecaster has two stacks; choose --part encoder or --part forecaster"
        ))),
        config => anyhow::bail!(
            "--layout {system}: it is of stacks of ConvGRUs at one scale, which a network of the kind {} has not",
            config.kind()
        ),
    }
}

/// Why there is no original.
const UNKNOWN_ORIGIN: &str = "the file does not say which program the network comes from: only files of `import` do. Stacks of cells \
                              are written by --layout with the name of a system, and --cells";

/// A network without a training, under our names or under those of another program.
fn of_network(named: &NamedNetwork<f64>, choice: &WeightsChoice) -> anyhow::Result<Written> {
    let kind = named.network.description().kind();
    match (choice.names, &named.network) {
        (None, _) => {
            let bytes = export::networks(&vec![named.clone()])?;
            Ok(Written { bytes, what: format!("the weights of a network, a {kind}"), notes: Vec::new() })
        }
        (Some(Names::Original(wanted)), _) => of_original(named, wanted),
        (Some(Names::Mlcast), Network::Forecaster(network)) => of_mlcast(network, choice),
        (Some(Names::Mlcast), _) => {
            anyhow::bail!("--layout {MLCAST} is of a whole network, and this is a {kind}")
        }
        (Some(Names::Layout(layout)), Network::ConvGru(network)) => {
            let written = state_dict(layout, network, choice.cells.as_deref())?;
            let cells = layout.cells_in(written.tensors.iter().map(|(name, _)| name.as_str()));
            of_layout(&written, json!({ "system": layout.system, "cells": cells }), layout.system)
        }
        // What a layout cannot say, the place that the network comes from can.
        (Some(Names::Layout(Layout { system, .. })), _) => match &named.origin {
            Some(origin) if origin.system == *system && choice.cells.is_none() => of_original(named, system),
            _ => anyhow::bail!(
                "--layout {system}: it is of stacks of ConvGRUs, and the network is a {kind}; --layout {ORIGINAL} writes a network \
                 back that was imported"
            ),
        },
    }
}

/// A network as the program keeps it that it comes from.
fn of_original(named: &NamedNetwork<f64>, wanted: &str) -> anyhow::Result<Written> {
    let Some(origin) = &named.origin else { anyhow::bail!("--layout {wanted}: {UNKNOWN_ORIGIN}") };
    let system = &origin.system;
    anyhow::ensure!(
        wanted == ORIGINAL || wanted == system,
        "--layout {wanted}: the network comes from {system}; --layout {ORIGINAL} writes it back"
    );
    let written = export::original(&named.network, origin)?;
    let mut written = of_layout(&written, json!({ "system": system, "cells": origin.cells }), system)?;
    written.notes.extend(notes_of_origin(origin));
    Ok(written)
}

/// What in the written weights is not the published number for number.
fn notes_of_origin(origin: &Origin) -> Vec<String> {
    let mut notes = Vec::new();
    if !origin.weight_norm.is_empty() {
        notes.push(format!(
            "the weight norm is multiplied out: {} in place of their directions and lengths ({})",
            counted(origin.weight_norm.len(), "weight"),
            origin.weight_norm.join(", ")
        ));
    }
    if !origin.second_biases.is_empty() {
        notes.push(format!(
            "of two biases that are added up the second has its {} as imported, the first is the rest of their sum",
            counted(origin.second_biases.len(), "number")
        ));
    }
    notes
}

/// Tensors in the layout of a system.
fn of_layout<T: Scalar>(
    written: &NamedTensors<T>,
    described: serde_json::Value,
    system: &str,
) -> anyhow::Result<Written> {
    let metadata = [(LAYOUT_ENTRY.to_owned(), described.to_string())];
    Ok(Written {
        bytes: to_smallest_safetensors(written, &metadata)?,
        what: format!("the weights as {system} keeps them"),
        notes: written.tensors.iter().map(shape).collect(),
    })
}

/// A network of mlcast as its package keeps it.
fn of_mlcast<T: Scalar>(network: &Forecaster<T>, choice: &WeightsChoice) -> anyhow::Result<Written> {
    let ForecasterConfig::Mlcast(config) = network.config() else {
        anyhow::bail!(
            "--layout mlcast: mlcast has no network of the kind {}, which this is",
            network.config().kind()
        )
    };
    let mut written = export::mlcast(config, network.parameters())?;
    let before = choice.cells.as_deref().map(|cells| cells.trim_end_matches('.')).unwrap_or_default();
    if !before.is_empty() {
        written.tensors.iter_mut().for_each(|(name, _)| *name = format!("{before}.{name}"));
    }
    let described = json!({
        "system": MLCAST,
        "input_channels": config.image_channels,
        "num_blocks": config.blocks,
        "kernel_size": config.kernel_size,
    });
    of_layout(&written, described, MLCAST)
}

fn shape<T: Scalar>((name, tensor): &(String, Tensor<T>)) -> String {
    format!("{name} {:?}", tensor.shape())
}
