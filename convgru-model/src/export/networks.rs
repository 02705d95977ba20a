//! Networks under our names, in a file with their description.

use convgru_kernels::Scalar;

use super::safetensors::to_smallest_safetensors;
use crate::error::{Error, Result};
use crate::import::{DESCRIPTION_ENTRY, FileDescription, MOST_TEXT, NamedNetwork};

/// The bytes of a safetensors file with networks under our names and their description in the metadata: what
/// [`import::read`](crate::import::read) reads. Numbers have 32 bits where these hold every one of them, otherwise 64.
///
/// # Errors
/// [`Error::WeightFile`] for no network, two of one name, or a description that is longer than readers take.
///
/// ```
/// use convgru_model::import::{NamedNetwork, read};
/// use convgru_model::{ConvGru, ConvGruConfig, export};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(1, &[2]), 0)?;
/// let bytes = export::networks(&vec![NamedNetwork { name: "gru.".into(), network: network.clone().into(), origin: None }])?;
/// assert_eq!(read::<f32>(&bytes)?.into_conv_gru()?.parameters(), network.parameters());
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[allow(clippy::ptr_arg, reason = "a vector is what has `Parameters`")]
pub fn networks<T: Scalar>(networks: &Vec<NamedNetwork<T>>) -> Result<Vec<u8>> {
    let refuse = |reason: String| Err(Error::WeightFile { reason });
    if networks.is_empty() {
        return refuse("there is no network to write".to_owned());
    }
    let description = FileDescription::of(networks).to_json();
    if description.len() > MOST_TEXT {
        return refuse(format!(
            "the description of the {} networks has {} bytes, and {MOST_TEXT} are read; write fewer of them into one file",
            networks.len(),
            description.len()
        ));
    }
    to_smallest_safetensors(networks, &[(DESCRIPTION_ENTRY.to_owned(), description)])
}
