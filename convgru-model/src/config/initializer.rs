//! How weights begin.

use serde::{Deserialize, Serialize};

/// How weights are drawn before training. Biases start at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initializer {
    /// The weights of a gate, flattened to `[hidden, (in + hidden) kh kw]`, are rows of
    /// a random orthogonal matrix (Saxe et al. 2013), as in the first published ConvGRU.
    #[default]
    Orthogonal,
    /// Uniform within `sqrt(6 / (fan_in + fan_out))` of zero (Glorot and Bengio 2010),
    /// with the fans of the joint kernel over input and hidden state.
    Xavier,
}
