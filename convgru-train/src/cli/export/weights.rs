//! Weights as safetensors.

use convgru_model::export::{self, state_dict, to_smallest_safetensors};
use convgru_model::import::{FORECASTER_ENTRY, NamedTensors};
use convgru_model::{Forecaster, ForecasterConfig, Scalar, Tensor};
use serde_json::json;

use super::super::import::{NETWORKS, STACKS};
use super::Written;
use super::choice::{Names, WeightsChoice};
use super::source::{ExportSource, Stack};

/// The entry of the metadata of weights in another layout.
pub(in crate::cli) const LAYOUT_ENTRY: &str = "layout";

/// The file that was chosen.
pub(super) fn write(source: &ExportSource, choice: &WeightsChoice) -> anyhow::Result<Written> {
    match (source, choice.part) {
        (ExportSource::TrainedModel(trained), _) if choice.names == Some(Names::Mlcast) => {
            of_mlcast(&trained.model, choice)
        }
        (ExportSource::Forecaster(network), _) => of_forecaster(network, choice),
        (ExportSource::Stack(stack), _) => of_stack(stack, choice),
        (ExportSource::Network(network), _) => {
            anyhow::ensure!(
                choice.names.is_none(),
                "a network of other cells has no place in --layout; it can be written as .onnx or under our names"
            );
            let config = network.network.config();
            let described = json!([{ "name": network.name, "config": config }]);
            let metadata = [(NETWORKS.to_owned(), described.to_string())];
            let bytes = to_smallest_safetensors(network.network.parameters(), &metadata)?;
            Ok(Written { bytes, what: "the weights of a network".into(), notes: Vec::new() })
        }
        (ExportSource::TrainedModel(trained), Some(part)) => {
            of_stack(&Stack::of_part(trained, part)?, choice)
        }
        (ExportSource::TrainedModel(trained), None) => Ok(Written {
            bytes: trained.to_safetensors()?,
            what: "the weights of a trained model".into(),
            notes: Vec::new(),
        }),
    }
}

/// A network that continues frames, under our names or under those of its system.
fn of_forecaster(network: &Forecaster<f64>, choice: &WeightsChoice) -> anyhow::Result<Written> {
    match choice.names {
        Some(Names::Mlcast) => return of_mlcast(network, choice),
        Some(Names::Layout(layout)) => {
            anyhow::bail!(
                "--layout {}: that is of stacks of cells, and --weights hold a network",
                layout.system
            )
        }
        None => {}
    }
    let metadata = [(FORECASTER_ENTRY.to_owned(), json!({ "model": network.config() }).to_string())];
    let bytes = to_smallest_safetensors(network.parameters(), &metadata)?;
    Ok(Written { bytes, what: "the weights of a network".into(), notes: Vec::new() })
}

/// A network of mlcast as its package keeps it.
fn of_mlcast<T: Scalar>(network: &Forecaster<T>, choice: &WeightsChoice) -> anyhow::Result<Written> {
    let ForecasterConfig::Mlcast(config) = network.config() else {
        anyhow::bail!(
            "--layout mlcast: mlcast has no network of the kind {}, which this is",
            network.config().kind()
        )
    };
    let NamedTensors { mut tensors, skipped } = export::mlcast(config, network.parameters())?;
    let before = choice.cells.as_deref().map(|cells| cells.trim_end_matches('.')).unwrap_or_default();
    if !before.is_empty() {
        tensors.iter_mut().for_each(|(name, _)| *name = format!("{before}.{name}"));
    }
    let described = json!({
        "system": "mlcast",
        "input_channels": config.image_channels,
        "num_blocks": config.blocks,
        "kernel_size": config.kernel_size,
    });
    let notes = tensors.iter().map(shape).collect();
    let metadata = [(LAYOUT_ENTRY.to_owned(), described.to_string())];
    let bytes = to_smallest_safetensors(&NamedTensors { tensors, skipped }, &metadata)?;
    Ok(Written { bytes, what: "the weights as mlcast keeps them".into(), notes })
}

fn shape<T: Scalar>((name, tensor): &(String, Tensor<T>)) -> String {
    format!("{name} {:?}", tensor.shape())
}

fn of_stack(stack: &Stack, choice: &WeightsChoice) -> anyhow::Result<Written> {
    if choice.names == Some(Names::Mlcast) {
        anyhow::bail!("--layout mlcast is of a whole network, and this is a stack of cells");
    }
    let Some(Names::Layout(layout)) = choice.names else {
        let described = json!([{ "name": stack.name, "config": stack.network.config() }]);
        let metadata = [(STACKS.to_owned(), described.to_string())];
        let bytes = to_smallest_safetensors(stack.network.parameters(), &metadata)?;
        return Ok(Written { bytes, what: "the weights of a stack of cells".into(), notes: Vec::new() });
    };
    let written = state_dict(layout, &stack.network, choice.cells.as_deref())?;
    let cells = layout.cells_in(written.tensors.iter().map(|(name, _)| name.as_str()));
    let described = json!({ "system": layout.system, "cells": cells });
    let metadata = [(LAYOUT_ENTRY.to_owned(), described.to_string())];
    Ok(Written {
        bytes: to_smallest_safetensors(&written, &metadata)?,
        what: format!("the weights as {} keeps them", layout.system),
        notes: written.tensors.iter().map(shape).collect(),
    })
}
