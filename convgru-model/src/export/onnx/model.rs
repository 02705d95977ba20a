//! From a graph to the bytes of a file.

use std::collections::HashSet;

use prost::Message;
use serde::Serialize;

use super::graph::Constants;
use super::proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::error::{Error, Result};

/// The version of ONNX's operators that all files are written in.
pub const OPSET: i64 = 17;

/// The version of the file format that came with [`OPSET`].
const IR_VERSION: i64 = 8;

/// A protobuf message that is larger is refused by most readers.
const MOST_BYTES: usize = i32::MAX as usize;

/// What a file says about itself.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// Which kind of network it is from.
    pub(super) network: &'a str,
    /// Which part or form of it this is.
    pub(super) form: &'a str,
    /// What it computes, in a sentence.
    pub(super) sentence: &'a str,
    /// The equation of its cells.
    pub(super) equation: &'a str,
    /// The network's configuration as JSON.
    pub(super) config: String,
}

/// The bytes of a file.
///
/// # Errors
/// [`Error::InvalidConfig`] if two values have one name, which runtimes refuse, and [`Error::FileTooLarge`].
pub(super) fn encode(about: &About<'_>, graph: GraphProto, constants: Constants) -> Result<Vec<u8>> {
    expect_unique_names(&graph, &constants.tensors.iter().map(|tensor| tensor.name.as_str()).collect())?;
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    let metadata_props = vec![
        entry("convgru.network", about.network),
        entry("convgru.form", about.form),
        entry("convgru.equation", about.equation),
        entry("convgru.config", &about.config),
    ];
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "convgru".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: format!(
            "{} Cells: {} (* is a convolution with zeros around the image, . the elementwise product).",
            about.sentence, about.equation
        ),
        graph: Some(GraphProto { initializer: constants.tensors, ..graph }),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: OPSET }],
        metadata_props,
    };
    expect_size(model.encoded_len())?;
    Ok(model.encode_to_vec())
}

/// Fails if a node of a graph, or of a body within it, gives a value under a name that another value around it has.
fn expect_unique_names<'a>(graph: &'a GraphProto, around: &HashSet<&'a str>) -> Result<()> {
    let mut known = around.clone();
    // An input can have the name of a constant, which is then its value where it is not given.
    known.extend(graph.input.iter().map(|input| input.name.as_str()));
    for node in &graph.node {
        for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
            expect_unique_names(body, &known)?;
        }
        for output in &node.output {
            if !known.insert(output) {
                let reason = format!("the graph {} has two values of the name `{output}`", graph.name);
                return Err(Error::InvalidConfig { field: "onnx".into(), reason });
            }
        }
    }
    Ok(())
}

/// Fails if a file of so many bytes would be too large.
pub(super) fn expect_size(bytes: usize) -> Result<()> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::FileTooLarge { format: "ONNX".into(), bytes, most: MOST_BYTES })
}

/// A configuration as JSON.
pub(super) fn json(config: &impl Serialize) -> Result<String> {
    serde_json::to_string(config).map_err(|error| Error::InvalidConfig {
        field: "the configuration".into(),
        reason: format!("it cannot be written as JSON: {error}"),
    })
}
