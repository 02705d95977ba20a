//! Frames of any size, with zeros up to a size that a network reads.

use super::graph::{Graph, integer};

/// Values of a frame: as it is, and with zeros up to a multiple of a factor.
pub(super) struct Frame {
    /// Height and width.
    pub(super) size: String,
    pub(super) extended: String,
}

impl Frame {
    /// A frame with zeros below and to the right, up to a multiple of the factor.
    pub(super) fn extended(graph: &mut Graph<'_>, frame: &str, factor: usize) -> Self {
        let size = size_of(graph, frame);
        if factor == 1 {
            return Self { size, extended: frame.to_owned() };
        }
        let factor = graph.constants.integers("factor", &[factor as i64]);
        let beyond = graph.node("Mod", "beyond", &[&size, &factor], Vec::new());
        let missing = graph.node("Sub", "to_the_next", &[&factor, &beyond], Vec::new());
        let missing = graph.node("Mod", "missing", &[&missing, &factor], Vec::new());
        let none = graph.constants.integers("no_pads", &[0; 6]);
        let pads = graph.node("Concat", "pads", &[&none, &missing], vec![integer("axis", 0)]);
        Self { size, extended: graph.node("Pad", "extended", &[frame, &pads], Vec::new()) }
    }
}

/// Height and width of a frame.
pub(super) fn size_of(graph: &mut Graph<'_>, frame: &str) -> String {
    graph.node("Shape", "frame_size", &[frame], vec![integer("start", 2), integer("end", 4)])
}

/// The part of a frame that has this height and width.
pub(super) fn cut(graph: &mut Graph<'_>, name: &str, frame: &str, size: &str) -> String {
    let starts = graph.constants.integers("first_pixel", &[0, 0]);
    let axes = graph.constants.integers("image_axes", &[2, 3]);
    graph.node("Slice", name, &[frame, &starts, size, &axes], Vec::new())
}
