//! From states to frames, and what is added to them.

use convgru_kernels::Scalar;

use super::PyramidGraph;
use crate::config::OutputActivation;
use crate::export::onnx::frame::cut;
use crate::export::onnx::graph::{Graph, integer};
use crate::forecaster::NEAREST_TO_ZERO;

impl<T: Scalar> PyramidGraph<'_, T> {
    /// From states to a predicted frame, cut to a size where one is known.
    pub(super) fn head(
        &self,
        graph: &mut Graph<'_>,
        states: &[String],
        add: Option<&str>,
        size: Option<&str>,
    ) -> String {
        let mut top = states[self.places(0).end - 1].clone();
        if self.config.head_channels > 0 {
            let sum = self.convolve(graph, "head.hidden", &top);
            top = self.rectify(graph, "head.features", &sum);
        }
        let patches = self.convolve(graph, "head.output", &top);
        let mut frame = self.to_pixels(graph, "head.pixels", patches, self.config.scales[0].down);
        if let Some(size) = size.filter(|_| self.config.factor() > 1) {
            frame = cut(graph, "head.cut", &frame, size);
        }
        if let Some(add) = add {
            frame = graph.node("Add", "head.sum", &[&frame, add], Vec::new());
        }
        match self.config.output_activation {
            OutputActivation::Identity => frame,
            OutputActivation::Sigmoid => graph.node("Sigmoid", "head.prediction", &[&frame], Vec::new()),
        }
    }

    /// What is added to the output of every member.
    pub(super) fn to_add(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        let image = self.without_mask(graph, frame);
        let added = self.added_to_one(graph, &image);
        match self.config.members {
            1 => added,
            members => {
                let all = vec![added.as_str(); members];
                graph.node("Concat", "residual.of_members", &all, vec![integer("axis", 1)])
            }
        }
    }

    /// A frame that was read, without its mask.
    fn without_mask(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        if !self.config.mask_channel {
            return frame.to_owned();
        }
        let first = graph.constants.integers("image.first", &[0]);
        let end = graph.constants.integers("image.channels", &[self.config.image_channels as i64]);
        let axis = graph.constants.integers("image.axis", &[1]);
        graph.node("Slice", "image", &[frame, &first, &end, &axis], Vec::new())
    }

    fn added_to_one(&self, graph: &mut Graph<'_>, frame: &str) -> String {
        if self.config.output_activation == OutputActivation::Identity {
            return frame.to_owned();
        }
        let low = graph.constants.floats("nearest_to_zero", &[], &[NEAREST_TO_ZERO]);
        let high = graph.constants.floats("nearest_to_one", &[], &[1.0 - NEAREST_TO_ZERO]);
        let one = graph.constants.floats("one", &[], &[1.0f64]);
        let inside = graph.node("Clip", "residual.inside", &[frame, &low, &high], Vec::new());
        let rest = graph.node("Sub", "residual.rest", &[&one, &inside], Vec::new());
        let logarithm = graph.node("Log", "residual.log", &[&inside], Vec::new());
        let of_rest = graph.node("Log", "residual.log_of_rest", &[&rest], Vec::new());
        graph.node("Sub", "residual.logits", &[&logarithm, &of_rest], Vec::new())
    }
}
