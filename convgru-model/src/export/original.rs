//! Imported networks under the names of their own program.

use std::collections::{HashMap, HashSet};

use convgru_kernels::Scalar;

use crate::config::ForecasterConfig;
use crate::error::{Error, Result};
use crate::import::network::{Hints, raft_update, read};
use crate::import::{NamedTensors, Origin};
use crate::network::Network;
use crate::parameters::Parameters;
use crate::tensor::{Tensor, expect_shape};

/// The weights of an imported network in the layout of its own program: the names, the shapes, the order of gates and
/// channels. Trained weights go back as well.
///
/// The numbers are the published ones bit for bit, with two exceptions. Where the system adds two biases, the first is our sum
/// minus the published second, which can round. Weights with weight norm, a direction and a length
/// ([`Origin::weight_norm`]), are written as their product, under the name of the weight.
///
/// # Errors
/// [`Error::InvalidConfig`] where the system has no place for the network: it is of another kind or has other tensors than the
/// origin says; [`Error::ShapeMismatch`] with the numbers for tensors of other shapes.
///
/// ```
/// use convgru_model::{Parameters, Tensor, export, import};
///
/// let mut tensors = Vec::new();
/// for (name, shape) in [("convz", [4, 10, 3, 3]), ("convr", [4, 10, 3, 3]), ("convq", [4, 10, 3, 3])] {
///     tensors.push((format!("update_block.gru.{name}.weight"), Tensor::<f32>::from_fn(&shape, |i| (i % 7) as f32 - 3.0)));
/// }
/// let mut found = import::detect(tensors.clone()).networks.remove(0);
/// let origin = found.origin.expect("it comes from RAFT");
/// assert_eq!(export::original(&found.network, &origin)?.tensors, tensors);
/// // Other weights go the same way.
/// found.network.for_each_mut(&mut |_, tensor| tensor.fill(0.5));
/// assert_eq!(export::original(&found.network, &origin)?.tensors[1].1.as_slice()[0], 0.5);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn original<T: Scalar>(network: &Network<T>, origin: &Origin) -> Result<NamedTensors<T>> {
    let tensors = under_own_names(of_system(network, origin)?, origin)?;
    Ok(NamedTensors { tensors, skipped: Vec::new() })
}

/// The tensors of a network under the names of its system.
fn of_system<T: Scalar>(network: &Network<T>, origin: &Origin) -> Result<Vec<(String, Tensor<T>)>> {
    match network {
        Network::Forecaster(network) => {
            let ForecasterConfig::Mlcast(config) = network.config() else {
                let kind = network.config().kind();
                return refuse(origin, format!("it has no network of the kind {kind}"));
            };
            if origin.system != super::MLCAST {
                return refuse(origin, "its networks are no forecasters".to_owned());
            }
            Ok(super::mlcast(config, network.parameters())?.tensors)
        }
        Network::ConvGru(network) => {
            let named = network.parameters().to_named().into_iter();
            let staged = |(name, tensor): (String, _)| match name.strip_prefix("layers.") {
                Some(rest) => (format!("stages.{rest}"), tensor),
                None => (name, tensor),
            };
            of_cells(&named.map(staged).collect::<Vec<_>>(), origin)
        }
        Network::Recurrent(network) => of_cells(network.parameters().named(), origin),
        Network::RaftUpdate(block) => {
            if origin.system != raft_update::SYSTEM {
                return refuse(origin, "it has no place for an update block of RAFT".to_owned());
            }
            let mut tensors = of_system(block.cell(), &raft_update::origin_of_cell(origin))?;
            block.for_each(&mut |name, tensor| {
                tensors.extend(raft_update::system_name(name).map(|name| (name, tensor.clone())));
            });
            Ok(tensors)
        }
    }
}

/// The tensors of a system from the tensors of a network of cells. The reader of the system gives the place of each number.
fn of_cells<T: Scalar>(ours: &[(String, Tensor<T>)], origin: &Origin) -> Result<Vec<(String, Tensor<T>)>> {
    // A file cannot ask for more than a network holds: two biases and kernels that lie in their place once.
    let count: usize = ours.iter().map(|(_, tensor)| tensor.len()).sum();
    let elements = |shape: &[usize]| shape.iter().fold(1usize, |count, &size| count.saturating_mul(size));
    let published = origin.tensors.iter().map(|tensor| elements(&tensor.shape));
    let published = published.fold(0, usize::saturating_add);
    if published > count.saturating_mul(2) {
        return refuse(origin, format!("its tensors have {published} numbers, and the network has {count}"));
    }
    let blank: Vec<(String, Tensor<T>)> = origin
        .tensors
        .iter()
        .map(|tensor| (tensor.system_name().to_owned(), Tensor::zeros(&tensor.shape)))
        .collect();
    let hints = Hints { linear_before_reset: origin.linear_before_reset, ..Hints::default() };
    let imported = read(&origin.system, &blank, &hints)?;
    drop(blank);
    let shapes: HashMap<&str, &[usize]> =
        ours.iter().map(|(name, tensor)| (name.as_str(), tensor.shape())).collect();
    for (name, tensor) in imported.parameters.named() {
        match shapes.get(name.as_str()) {
            Some(shape) => expect_shape(&format!("`{name}` for {}", origin.system), shape, tensor.shape())?,
            None => return refuse(origin, format!("the network has no tensor `{name}`")),
        }
    }
    let known: HashSet<&str> = imported.parameters.named().iter().map(|(name, _)| name.as_str()).collect();
    if let Some((name, _)) = ours.iter().find(|(name, _)| !known.contains(name.as_str())) {
        return refuse(origin, format!("it has no place for the tensor `{name}`"));
    }
    imported.write_weights(ours, &origin.second_biases)
}

/// The tensors under the names and in the order of the file that they come from.
fn under_own_names<T: Scalar>(
    tensors: Vec<(String, Tensor<T>)>,
    origin: &Origin,
) -> Result<Vec<(String, Tensor<T>)>> {
    let mut tensors: HashMap<String, Tensor<T>> = tensors.into_iter().collect();
    let mut named = Vec::with_capacity(origin.tensors.len());
    for tensor in &origin.tensors {
        let Some(value) = tensors.remove(tensor.system_name()) else {
            return refuse(origin, format!("the network has no numbers for `{}`", tensor.name));
        };
        expect_shape(&format!("`{}` for {}", tensor.name, origin.system), value.shape(), &tensor.shape)?;
        named.push((tensor.name.clone(), value));
    }
    match tensors.into_keys().next() {
        Some(name) => refuse(origin, format!("the file it comes from has no tensor `{name}`")),
        None => Ok(named),
    }
}

fn refuse<V>(origin: &Origin, reason: String) -> Result<V> {
    Err(Error::InvalidConfig { field: format!("the layout of {}", origin.system), reason })
}
