//! The configuration of two stacks that read a sequence from both ends.

use serde::{Deserialize, Serialize};

use super::ConvGruConfig;
use crate::error::Result;

/// What becomes of the states of both directions after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// Side by side along the channels, the forward direction first.
    #[default]
    Concatenate,
    /// Their sum.
    Sum,
}

/// Two stacks of the same shape, one for each direction of time.
///
/// ```
/// use convgru_model::{BidirectionalConvGruConfig, ConvGruConfig, Merge};
///
/// let config = BidirectionalConvGruConfig::new(ConvGruConfig::new(3, &[8, 16]));
/// assert_eq!(config.out_channels(1), 32);
/// let config = BidirectionalConvGruConfig { merge: Merge::Sum, ..config };
/// assert_eq!(config.out_channels(1), 16);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BidirectionalConvGruConfig {
    /// Each of the two stacks.
    pub stack: ConvGruConfig,
    /// What becomes of the states of both.
    #[serde(default)]
    pub merge: Merge,
}

impl BidirectionalConvGruConfig {
    /// Two such stacks, their states side by side.
    pub fn new(stack: ConvGruConfig) -> Self {
        Self { stack, merge: Merge::default() }
    }

    /// Channels of the merged states of a layer.
    ///
    /// # Panics
    /// If there is no such layer, as slices do.
    pub fn out_channels(&self, layer: usize) -> usize {
        let hidden = self.stack.hidden_channels[layer];
        match self.merge {
            Merge::Concatenate => hidden.saturating_mul(2),
            Merge::Sum => hidden,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        self.stack.validate()
    }
}
