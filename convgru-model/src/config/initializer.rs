//! How weights begin.

use serde::{Deserialize, Serialize};

/// How the weights of cells are drawn before training. Biases start at zero, but for [`PyTorch`](Self::PyTorch).
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
    /// Uniform within `1 / sqrt(fan_in)` of zero, with the fan of the joint kernel over input and hidden state, and biases as well:
    /// the start of `torch.nn.Conv2d`, `kaiming_uniform_` with `a = sqrt(5)` (He et al. 2015). In TOML and JSON `"pytorch"`.
    #[serde(rename = "pytorch")]
    PyTorch,
}
