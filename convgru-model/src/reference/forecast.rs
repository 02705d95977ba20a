//! What a network that continues frames computes.

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
