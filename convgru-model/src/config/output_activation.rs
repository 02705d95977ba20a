//! From the output of a network to pixels.

use serde::{Deserialize, Serialize};

use crate::layer::Activation;

/// What turns the last layer's output into pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputActivation {
    /// Pixels are the output as it is.
    #[default]
    Identity,
    /// Pixels are the sigmoid of the output, between 0 and 1.
    Sigmoid,
}

impl From<OutputActivation> for Activation {
    fn from(activation: OutputActivation) -> Self {
        match activation {
            OutputActivation::Identity => Self::Identity,
            OutputActivation::Sigmoid => Self::Sigmoid,
        }
    }
}
