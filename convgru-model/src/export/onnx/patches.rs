//! Frames in patches of pixels, as nodes.

use super::graph::{Graph, integer, text, zero};

/// How frames become channels of patches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patches {
    pub(super) image_channels: usize,
    pub(super) mask_channel: bool,
    pub(super) patch: usize,
}

impl Patches {
    /// Channels of a frame that is read.
    fn read_channels(&self) -> usize {
        self.image_channels + usize::from(self.mask_channel)
    }

    /// States of zeros for frames `[T, N, C, H, W]`, of so many channels each.
    pub(super) fn zero_states(
        &self,
        graph: &mut Graph<'_>,
        frames: &str,
        hidden_channels: &[usize],
    ) -> Vec<String> {
        let mut dimension = |name: &str, at: i64| {
            graph.node("Shape", name, &[frames], vec![integer("start", at), integer("end", at + 1)])
        };
        let (batch, height, width) = (dimension("batch", 1), dimension("height", 3), dimension("width", 4));
        let patch = graph.constants.integers("patch", &[self.patch as i64]);
        let rows = graph.node("Div", "rows", &[&height, &patch], Vec::new());
        let columns = graph.node("Div", "columns", &[&width, &patch], Vec::new());
        let hidden = hidden_channels.iter().enumerate();
        let zeros = |(layer, &hidden): (usize, &usize)| {
            let hidden = graph.constants.integers(&format!("hidden_channels.{layer}"), &[hidden as i64]);
            let sizes = [batch.as_str(), &hidden, &rows, &columns];
            let shape = graph.node("Concat", &format!("shape.{layer}"), &sizes, vec![integer("axis", 0)]);
            graph.node("ConstantOfShape", &format!("zeros.{layer}"), &[&shape], vec![zero("value")])
        };
        hidden.map(zeros).collect()
    }

    /// Patches of pixels become channels, in the order of our pixel-unshuffle.
    pub(super) fn to_patches(self, graph: &mut Graph<'_>, frame: &str) -> String {
        let (channels, patch) = (self.read_channels() as i64, self.patch as i64);
        if patch == 1 {
            return frame.to_owned();
        }
        let name = if channels == 1 { "patches" } else { "patches_by_pixel" };
        let patches = graph.node("SpaceToDepth", name, &[frame], vec![integer("blocksize", patch)]);
        if channels == 1 {
            return patches;
        }
        // SpaceToDepth has the channels of a pixel together, here the pixels of a channel are.
        let pixels = patch * patch;
        let order: Vec<i64> = (0..channels * pixels).map(|at| at % pixels * channels + at / pixels).collect();
        let order = graph.constants.integers("channels_by_image", &order);
        graph.node("Gather", "patches", &[&patches, &order], vec![integer("axis", 1)])
    }

    /// A predicted frame in patches as the network reads it: all of its pixels are measured.
    pub(super) fn as_read(&self, graph: &mut Graph<'_>, predicted: &str) -> String {
        if !self.mask_channel {
            return predicted.to_owned();
        }
        let mut of_shape = |name: &str, start: i64, end: i64| {
            graph.node("Shape", name, &[predicted], vec![integer("start", start), integer("end", end)])
        };
        let (batch, size) = (of_shape("mask.batch", 0, 1), of_shape("mask.size", 2, 4));
        let pixels = graph.constants.integers("mask.pixels", &[(self.patch * self.patch) as i64]);
        let shape = graph.node("Concat", "mask.shape", &[&batch, &pixels, &size], vec![integer("axis", 0)]);
        let measured = graph.constants.floats("measured", &[1, 1, 1, 1], &[1.0f64]);
        let mask = graph.node("Expand", "mask", &[&measured, &shape], Vec::new());
        graph.node("Concat", "predicted_with_mask", &[predicted, &mask], vec![integer("axis", 1)])
    }

    /// Channels become patches of pixels.
    pub(super) fn to_frame(self, graph: &mut Graph<'_>, patches: &str) -> String {
        if self.patch == 1 {
            return patches.to_owned();
        }
        let attributes = vec![integer("blocksize", self.patch as i64), text("mode", "CRD")];
        graph.node("DepthToSpace", "predicted_frame", &[patches], attributes)
    }
}
