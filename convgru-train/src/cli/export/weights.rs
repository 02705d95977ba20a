//! Weights as safetensors.

use convgru_model::Tensor;
use convgru_model::export::{state_dict, to_smallest_safetensors};
use serde_json::json;

use super::super::import::{NETWORKS, STACKS};
use super::Written;
use super::choice::WeightsChoice;
use super::source::{ExportSource, Stack};

/// The entry of the metadata of weights in another layout.
pub(in crate::cli) const LAYOUT_ENTRY: &str = "layout";

/// The file that was chosen.
pub(super) fn write(source: &ExportSource, choice: &WeightsChoice) -> anyhow::Result<Written> {
    match (source, choice.part) {
        (ExportSource::Stack(stack), _) => of_stack(stack, choice),
        (ExportSource::Network(network), _) => {
            anyhow::ensure!(
                choice.layout.is_none(),
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

fn of_stack(stack: &Stack, choice: &WeightsChoice) -> anyhow::Result<Written> {
    let Some(layout) = choice.layout else {
        let described = json!([{ "name": stack.name, "config": stack.network.config() }]);
        let metadata = [(STACKS.to_owned(), described.to_string())];
        let bytes = to_smallest_safetensors(stack.network.parameters(), &metadata)?;
        return Ok(Written { bytes, what: "the weights of a stack of cells".into(), notes: Vec::new() });
    };
    let written = state_dict(layout, &stack.network, choice.cells.as_deref())?;
    let cells = layout.cells_in(written.tensors.iter().map(|(name, _)| name.as_str()));
    let described = json!({ "system": layout.system, "cells": cells });
    let metadata = [(LAYOUT_ENTRY.to_owned(), described.to_string())];
    let shape = |(name, tensor): &(String, Tensor<f64>)| format!("{name} {:?}", tensor.shape());
    Ok(Written {
        bytes: to_smallest_safetensors(&written, &metadata)?,
        what: format!("the weights as {} keeps them", layout.system),
        notes: written.tensors.iter().map(shape).collect(),
    })
}
