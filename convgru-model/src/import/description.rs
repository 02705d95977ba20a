//! The description of the networks of a file in its metadata.

use std::collections::HashMap;

use convgru_kernels::Scalar;
use serde::{Deserialize, Serialize};

use super::network::raft_update;
use super::origin::Origin;
use crate::error::{Error, Result};
use crate::network::{Network, NetworkDescription};
use crate::parameters::Parameters;
use crate::tensor::Tensor;

/// The entry of the metadata of a safetensors file that describes its networks: a [`FileDescription`] as JSON.
pub const DESCRIPTION_ENTRY: &str = "convgru";

/// The version of the description that this crate reads and writes.
const VERSION: u32 = 1;

/// A network with its name in a file and the place it comes from.
#[derive(Debug, Clone)]
pub struct NamedNetwork<T> {
    /// The prefix of its tensors in the file of another program, such as `module.update_block.gru.`. In a file of
    /// several networks it stands before the names of our tensors, too.
    pub name: String,
    /// The network.
    pub network: Network<T>,
    /// The layout of the network in its own program, if it comes from another program: [`export::original`](crate::export::original) writes it back.
    pub origin: Option<Origin>,
}

impl<T: Scalar> NamedNetwork<T> {
    /// The recurrent cell of an update block of RAFT as a network of its own, a [`Network::ConvGru`] or a [`Network::Recurrent`]. Its origin is the
    /// place of the cell in the file of the block.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] if it is a network of another kind.
    pub fn into_raft_cell(self) -> Result<Self> {
        let block = self.network.into_raft_update()?;
        let origin = self.origin.map(|origin| raft_update::origin_of_cell(&origin));
        let name = origin.as_ref().and_then(|origin| origin.cells.first()).unwrap_or(&self.name).clone();
        Ok(Self { name, network: block.cell().clone(), origin })
    }
}

/// The networks of a file.
///
/// ```
/// use convgru_model::import::FileDescription;
/// use convgru_model::{ConvGru, ConvGruConfig};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
/// let description = FileDescription::of_one("", &network.into(), None);
/// let read = FileDescription::from_json(&description.to_json())?;
/// assert_eq!(read, description);
/// assert_eq!(read.networks[0].network.kind(), "ConvGru");
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileDescription {
    version: u32,
    /// The networks, at least one.
    pub networks: Vec<DescribedNetwork>,
    /// How the network was trained, for programs that train: this crate only keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<serde_json::Value>,
}

/// A network of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DescribedNetwork {
    /// See [`NamedNetwork::name`].
    pub name: String,
    /// The configuration of the network.
    pub network: NetworkDescription,
    /// See [`NamedNetwork::origin`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl FileDescription {
    /// The description of some networks.
    pub fn of<T: Scalar>(networks: &[NamedNetwork<T>]) -> Self {
        let networks = networks.iter().map(|NamedNetwork { name, network, origin }| DescribedNetwork {
            name: name.clone(),
            network: network.description(),
            origin: origin.clone(),
        });
        Self { version: VERSION, networks: networks.collect(), training: None }
    }

    /// The description of a single network.
    pub fn of_one<T: Scalar>(name: &str, network: &Network<T>, origin: Option<Origin>) -> Self {
        Self::of_config(name, network.description(), origin)
    }

    /// The description of a single network of a configuration.
    pub fn of_config(name: &str, network: NetworkDescription, origin: Option<Origin>) -> Self {
        let network = DescribedNetwork { name: name.to_owned(), network, origin };
        Self { version: VERSION, networks: vec![network], training: None }
    }

    /// The text of the entry.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// Reads the text of the entry.
    ///
    /// # Errors
    /// [`Error::WeightFile`] for another text, another version, or a description of no network.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let refuse = |reason: String| Error::WeightFile {
            reason: format!("the entry `{DESCRIPTION_ENTRY}` of the metadata: {reason}"),
        };
        let Version { version } = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if version != VERSION {
            return Err(refuse(format!("it has version {version}, and version {VERSION} is read")));
        }
        let read: Self = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if read.networks.is_empty() {
            return Err(refuse("it describes no network".to_owned()));
        }
        Ok(read)
    }

    /// The description among the metadata of a file, if there is one.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn among(metadata: &HashMap<String, String>) -> Result<Option<Self>> {
        metadata.get(DESCRIPTION_ENTRY).map(|text| Self::from_json(text)).transpose()
    }
}

/// Several networks as [`Parameters`]: of more than one each tensor has the name of its network before its own.
impl<T: Scalar> Parameters<T> for Vec<NamedNetwork<T>> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        let several = self.len() > 1;
        for NamedNetwork { name, network, .. } in self {
            let before = prefix(several, name);
            network.for_each(&mut |name, tensor| visit(&format!("{before}{name}"), tensor));
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        let several = self.len() > 1;
        for NamedNetwork { name, network, .. } in self {
            let before = prefix(several, name).to_owned();
            network.for_each_mut(&mut |name, tensor| visit(&format!("{before}{name}"), tensor));
        }
    }
}

/// The prefix of a network's tensors in a file of one network or of several.
pub(super) fn prefix(several: bool, name: &str) -> &str {
    if several { name } else { "" }
}
