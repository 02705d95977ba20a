//! What a network that continues frames computes.

use convgru_kernels::reference::Number;

use super::array::Array;

/// What a network that continues frames computes.
#[derive(Debug, Clone)]
pub struct PredictionArrays<N> {
    /// Before the output activation, `[steps, N, K C, H, W]`: of each member its own channels.
    pub logits: Array<N>,
    /// After it.
    pub output: Array<N>,
    /// The states of the encoder after the last frame, of each scale, the finest first, and layer.
    pub encoder_states: Vec<Vec<Array<N>>>,
    /// How far the number that is nearest to a kink of its function is away from it.
    pub nearest_kink: f64,
}

/// Images `[N, C, H, W]` with a mask of ones as their last channel, where frames have a mask.
pub(super) fn measured<N: Number>(images: &Array<N>, has_mask: bool) -> Array<N> {
    if !has_mask {
        return images.clone();
    }
    let [batch, channels, height, width] = [0, 1, 2, 3].map(|axis| images.shape()[axis]);
    let pixels = height * width;
    Array::from_fn(&[batch, channels + 1, height, width], |index| {
        let (n, rest) = (index / ((channels + 1) * pixels), index % ((channels + 1) * pixels));
        if rest < channels * pixels {
            images.as_slice()[n * channels * pixels + rest]
        } else {
            N::from_f64(1.0)
        }
    })
}

/// The first `channels` channels of frames `[.., C, H, W]`.
pub(super) fn images<N: Number>(frames: &Array<N>, channels: usize) -> Array<N> {
    let mut shape = frames.shape().to_vec();
    let axis = shape.len() - 3;
    let pixels: usize = shape[axis + 1..].iter().product();
    let had = shape[axis] * pixels;
    shape[axis] = channels;
    Array::from_fn(&shape, |index| {
        frames.as_slice()[index / (channels * pixels) * had + index % (channels * pixels)]
    })
}
