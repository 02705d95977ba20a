//! What a network that continues frames reads in training and computes.

use super::array::Array;

/// Frames the forecaster is shown instead of its own predictions.
#[derive(Debug, Clone, Copy)]
pub struct Forcing<'a, N> {
    /// The true frames, `[steps, N, C, H, W]`.
    pub frames: &'a Array<N>,
    /// Per step, whether it reads the true frame before it; the first entry has no meaning.
    pub forced: &'a [bool],
}

/// What a network that continues frames computes.
#[derive(Debug, Clone)]
pub struct Forecast<N> {
    /// Before the output activation, `[steps, N, K C, H, W]`: of each member its own channels.
    pub logits: Array<N>,
    /// After it.
    pub output: Array<N>,
    /// The states of the encoder after the last frame, of each scale, the finest first, and layer.
    pub encoder_states: Vec<Vec<Array<N>>>,
    /// How far the number that is nearest to a kink of its function is away from it.
    pub nearest_kink: f64,
}
