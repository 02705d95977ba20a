//! The networks of any file.

use convgru_kernels::Scalar;

use super::description::{DescribedNetwork, FileDescription, NamedNetwork, prefix};
use super::detect::{Detected, detect};
use super::layout::stacking::Incomplete;
use super::named_tensors::{self, NamedTensors};
use super::safetensors::SafetensorsWeights;
use crate::error::{Error, Result};
use crate::network::Network;

/// The network in the bytes of a file: a trained `model.safetensors`, a file that `convgru import` or `convgru export` wrote, or
/// weights of another program that [`detect`] knows (safetensors, PyTorch, MXNet).
///
/// The metadata of files of this project describe their networks ([`FileDescription`]). The function looks for tensors before it makes a
/// network, so a file takes no more memory than its own tensors need. The names of the tensors decide the system of other files.
///
/// # Errors
/// [`Error::WeightFile`] for bytes without a network, with several networks (the error names them; [`read_all`] gives all), or with an incomplete
/// network; [`Error::MissingTensor`], [`Error::UnexpectedTensor`] and [`Error::ShapeMismatch`] if tensors and description do not fit
/// each other.
///
/// ```
/// use convgru_model::import::{self, NamedNetwork};
/// use convgru_model::{Forecaster, ForecasterConfig, Network, export};
///
/// let network = Forecaster::<f32>::new(ForecasterConfig::default(), 1)?;
/// let named = NamedNetwork { name: String::new(), network: network.clone().into(), origin: None };
/// let bytes = export::networks(&vec![named])?;
/// let Network::Forecaster(read) = import::read::<f32>(&bytes)? else { panic!("it was a forecaster") };
/// assert_eq!((read.config(), read.parameters()), (network.config(), network.parameters()));
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn read<T: Scalar>(bytes: &[u8]) -> Result<Network<T>> {
    let mut networks = read_all(bytes)?;
    match networks.pop() {
        Some(named) if networks.is_empty() => Ok(named.network),
        last => {
            let names: Vec<String> =
                networks.iter().chain(&last).map(|named| format!("`{}`", named.name)).collect();
            Err(refused(format!(
                "it holds {} networks: {}; `read_all` gives all of them",
                names.len(),
                names.join(", ")
            )))
        }
    }
}

/// All networks in the bytes of a file, with their names and the [`Origin`](super::Origin) that [`export::original`](crate::export::original) needs.
///
/// # Errors
/// As [`read`], but several networks are no error.
///
/// ```
/// use convgru_model::import::{NamedNetwork, read_all};
/// use convgru_model::{ConvGru, ConvGruConfig, export};
///
/// let network = |seed| ConvGru::<f32>::new(ConvGruConfig::new(1, &[2]), seed);
/// let named = |name: &str, network: ConvGru<f32>| NamedNetwork { name: name.into(), network: network.into(), origin: None };
/// let bytes = export::networks(&vec![named("encoder.", network(0)?), named("decoder.", network(1)?)])?;
/// let names: Vec<String> = read_all::<f32>(&bytes)?.into_iter().map(|named| named.name).collect();
/// assert_eq!(names, ["encoder.", "decoder."]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn read_all<T: Scalar>(bytes: &[u8]) -> Result<Vec<NamedNetwork<T>>> {
    if named_tensors::is_safetensors(bytes) {
        let file = SafetensorsWeights::open(bytes)?;
        if let Some(description) = FileDescription::among(file.metadata())? {
            return described(description, file);
        }
    }
    foreign(named_tensors::read(bytes)?, bytes.len())
}

/// The networks of a file with a description.
pub(super) fn described<T: Scalar>(
    description: FileDescription,
    mut file: SafetensorsWeights<'_>,
) -> Result<Vec<NamedNetwork<T>>> {
    let several = description.networks.len() > 1;
    let mut networks = Vec::new();
    for DescribedNetwork { name, network, origin } in description.networks {
        let before = prefix(several, &name);
        let network = Network::from_tensors(network, &mut |tensor, shape| {
            file.take(&format!("{before}{tensor}"), shape)
        })?;
        networks.push(NamedNetwork { name, network, origin });
    }
    file.expect_all_taken()?;
    Ok(networks)
}

/// The networks of a file of another program, which has so many bytes.
fn foreign<T: Scalar>(
    NamedTensors { tensors, skipped }: NamedTensors<T>,
    bytes: usize,
) -> Result<Vec<NamedNetwork<T>>> {
    // Networks take the memory of their tensors once more.
    let numbers: usize = tensors.iter().map(|(_, tensor)| tensor.len()).sum();
    if numbers.saturating_mul(size_of::<T>()) > bytes.saturating_mul(2) {
        let reason =
            "most of its numbers have 16 bits; read the network with numbers of 32 bits, or import the file";
        return Err(refused(reason.to_owned()));
    }
    if let Some((name, reason)) = skipped.iter().find(|(_, reason)| reason == super::NEEDS_64_BITS) {
        return Err(refused(format!(
            "the tensor `{name}`: {reason}; read the network with numbers of 64 bits"
        )));
    }
    let count = tensors.len();
    let Detected { networks, incomplete, not_finite, .. } = detect(tensors);
    if let Some(Incomplete { cells, reason }) = incomplete.first() {
        return Err(refused(format!("{}: {reason}", cells.join(", "))));
    }
    if let Some(name) = not_finite.first() {
        return Err(refused(format!("the tensor `{name}` holds numbers that are NaN or infinite")));
    }
    if networks.is_empty() {
        return Err(refused(format!("no network of a known system is among its {count} tensors")));
    }
    Ok(networks)
}

fn refused(reason: String) -> Error {
    Error::WeightFile { reason }
}
