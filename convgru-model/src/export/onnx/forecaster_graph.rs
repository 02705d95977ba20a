//! What a file of a network that continues frames holds, whatever its kind.

use super::form::Part;
use super::graph::Graph;
use crate::error::Result;

/// What a file of a network of one kind holds.
pub(super) trait ForecasterGraph {
    /// The name of the network in the metadata.
    fn name(&self) -> &'static str;

    /// What a part computes, in a sentence.
    fn sentence(&self, part: Part) -> &'static str;

    /// The equation of its cells.
    fn equation(&self) -> String;

    /// The configuration as JSON.
    fn config(&self) -> Result<String>;

    /// The encoder reads one frame.
    fn encoder_step(&self, graph: &mut Graph<'_>) -> Result<()>;

    /// The forecaster predicts one frame.
    fn forecaster_step(&self, graph: &mut Graph<'_>) -> Result<()>;

    /// Frames are read and continued, by `steps` frames where their number is left out.
    fn forecast(&self, graph: &mut Graph<'_>, steps: usize) -> Result<()>;
}
