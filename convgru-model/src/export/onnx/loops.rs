//! Operators that run a body for every step.

use super::graph::{Graph, graph as body_attribute, integer};
use super::proto::{GraphProto, data_type};
use crate::error::Result;

/// Runs `body` for each frame along the first dimension of `frames`.
///
/// The body takes states and a frame, and gives new states and what is kept of every step; so do `outputs`.
pub(super) fn scan(
    graph: &mut Graph<'_>,
    body: GraphProto,
    [states, frames]: [&[String]; 2],
    outputs: &[String],
) {
    let inputs: Vec<&str> = states.iter().chain(frames).map(String::as_str).collect();
    let attributes = vec![body_attribute("body", body), integer("num_scan_inputs", frames.len() as i64)];
    graph.push("Scan", &inputs, outputs, attributes);
}

/// The body of a loop that goes on as often as it is told.
///
/// `inside` declares the values that are carried and gives their successors and what is kept of every step.
pub(super) fn counted_body(
    graph: &mut Graph<'_>,
    name: &str,
    inside: impl FnOnce(&mut Graph<'_>) -> Result<()>,
) -> Result<GraphProto> {
    let mut body = graph.body(name);
    body.scalar_input("iteration", data_type::INT64);
    let condition = body.scalar_input("condition", data_type::BOOL);
    body.truth_output(&condition, "next_condition");
    inside(&mut body)?;
    Ok(body.finish())
}

/// Runs `body` as often as `steps` says; `outputs` are the carried values after the last step, and what is
/// kept of every step.
pub(super) fn repeat(
    graph: &mut Graph<'_>,
    body: GraphProto,
    [steps, carried]: [&[String]; 2],
    outputs: &[String],
) {
    let condition = graph.constants.truth("true");
    let inputs = steps.iter().chain([&condition]).chain(carried).map(String::as_str).collect::<Vec<_>>();
    graph.push("Loop", &inputs, outputs, vec![body_attribute("body", body)]);
}
