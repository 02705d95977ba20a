//! A network of any engine.

use convgru_kernels::Scalar;

use crate::composed::{Recurrent, RecurrentConfig};
use crate::config::{ConvGruConfig, ForecasterConfig};
use crate::error::{Error, Result};
use crate::forecaster::Forecaster;
use crate::fused::ConvGru;
use crate::parameters::{Parameters, Take};
use crate::raft::{RaftUpdateBlock, RaftUpdateConfig};
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A network of any kind, as a file holds it: [`import::read`](crate::import::read) reads it, [`export`](crate::export) writes it.
///
/// As [`Parameters`] it has the names of its network: `encoder.layers.0.input_weights`, `layers.0.input_weights`,
/// `stages.0.input_weights` or `motion_encoder.joint.weight`.
#[derive(Debug, Clone)]
pub enum Network<T> {
    /// A network that reads frames and continues them.
    Forecaster(Forecaster<T>),
    /// A stack of convolutional GRUs, on the fused engine.
    ConvGru(ConvGru<T>),
    /// Any other network of recurrent cells, on the composed engine.
    Recurrent(Recurrent<T>),
    /// The update block of RAFT, which reads correlations.
    RaftUpdate(Box<RaftUpdateBlock<T>>),
}

/// The configuration of a [`Network`], in the form that files keep it.
///
/// ```
/// use convgru_model::{ConvGruConfig, NetworkDescription};
///
/// let description = NetworkDescription::ConvGru(ConvGruConfig::new(2, &[4]));
/// let text = serde_json::to_string(&description)?;
/// assert!(text.starts_with(r#"{"conv_gru":{"#));
/// assert_eq!(serde_json::from_str::<NetworkDescription>(&text)?, description);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkDescription {
    /// A network that reads frames and continues them.
    Forecaster(ForecasterConfig),
    /// A stack of convolutional GRUs.
    ConvGru(ConvGruConfig),
    /// Any other network of recurrent cells.
    Recurrent(RecurrentConfig),
    /// The update block of RAFT.
    RaftUpdate(RaftUpdateConfig),
}

impl NetworkDescription {
    /// The name of the kind in messages and listings, which is the name of the network's type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Forecaster(_) => "Forecaster",
            Self::ConvGru(_) => "ConvGru",
            Self::Recurrent(_) => "Recurrent",
            Self::RaftUpdate(_) => "RaftUpdateBlock",
        }
    }

    /// The configuration as a network of composed cells; a [`Forecaster`] and a [`RaftUpdateBlock`] have none.
    pub fn recurrent(&self) -> Option<RecurrentConfig> {
        match self {
            Self::Forecaster(_) | Self::RaftUpdate(_) => None,
            Self::ConvGru(config) => Some(config.into()),
            Self::Recurrent(config) => Some(config.clone()),
        }
    }
}

impl<T: Scalar> Network<T> {
    /// A network with the weights that `take` returns for each name and shape, in the order of its [`Parameters`]. It takes no memory
    /// for missing weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work, [`Error::ShapeMismatch`] for tensors of another shape, and the errors of
    /// `take`.
    pub fn from_tensors(description: NetworkDescription, take: &mut Take<'_, T>) -> Result<Self> {
        Ok(match description {
            NetworkDescription::Forecaster(config) => {
                Self::Forecaster(Forecaster::from_tensors(config, take)?)
            }
            NetworkDescription::ConvGru(config) => Self::ConvGru(ConvGru::from_tensors(config, take)?),
            NetworkDescription::Recurrent(config) => Self::Recurrent(Recurrent::from_tensors(config, take)?),
            NetworkDescription::RaftUpdate(config) => RaftUpdateBlock::from_tensors(config, take)?.into(),
        })
    }

    /// The configuration of the network.
    pub fn description(&self) -> NetworkDescription {
        match self {
            Self::Forecaster(network) => NetworkDescription::Forecaster(network.config().clone()),
            Self::ConvGru(network) => NetworkDescription::ConvGru(network.config().clone()),
            Self::Recurrent(network) => NetworkDescription::Recurrent(network.config().clone()),
            Self::RaftUpdate(block) => NetworkDescription::RaftUpdate(block.config().clone()),
        }
    }

    /// The network that continues frames.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] if it is a network of another kind.
    pub fn into_forecaster(self) -> Result<Forecaster<T>> {
        match self {
            Self::Forecaster(network) => Ok(network),
            other => Err(other.is_not("Forecaster")),
        }
    }

    /// The stack of convolutional GRUs.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] if it is a network of another kind.
    pub fn into_conv_gru(self) -> Result<ConvGru<T>> {
        match self {
            Self::ConvGru(network) => Ok(network),
            other => Err(other.is_not("ConvGru")),
        }
    }

    /// The network of composed cells.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] if it is a network of another kind.
    pub fn into_recurrent(self) -> Result<Recurrent<T>> {
        match self {
            Self::Recurrent(network) => Ok(network),
            other => Err(other.is_not("Recurrent")),
        }
    }

    /// The update block of RAFT.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] if it is a network of another kind.
    pub fn into_raft_update(self) -> Result<RaftUpdateBlock<T>> {
        match self {
            Self::RaftUpdate(block) => Ok(*block),
            other => Err(other.is_not("RaftUpdateBlock")),
        }
    }

    fn is_not(&self, needed: &'static str) -> Error {
        Error::OtherNetwork { needed, got: self.description().kind() }
    }
}

impl<T> From<Forecaster<T>> for Network<T> {
    fn from(network: Forecaster<T>) -> Self {
        Self::Forecaster(network)
    }
}

impl<T> From<ConvGru<T>> for Network<T> {
    fn from(network: ConvGru<T>) -> Self {
        Self::ConvGru(network)
    }
}

impl<T> From<Recurrent<T>> for Network<T> {
    fn from(network: Recurrent<T>) -> Self {
        Self::Recurrent(network)
    }
}

impl<T> From<RaftUpdateBlock<T>> for Network<T> {
    fn from(block: RaftUpdateBlock<T>) -> Self {
        Self::RaftUpdate(Box::new(block))
    }
}

impl<T: Scalar> Parameters<T> for Network<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        match self {
            Self::Forecaster(network) => network.parameters().for_each(visit),
            Self::ConvGru(network) => network.parameters().for_each(visit),
            Self::Recurrent(network) => network.parameters().for_each(visit),
            Self::RaftUpdate(block) => block.for_each(visit),
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        match self {
            Self::Forecaster(network) => network.parameters_mut().for_each_mut(visit),
            Self::ConvGru(network) => network.parameters_mut().for_each_mut(visit),
            Self::Recurrent(network) => network.parameters_mut().for_each_mut(visit),
            Self::RaftUpdate(block) => block.for_each_mut(visit),
        }
    }
}
