//! The networks among the tensors of a file.

use std::collections::HashMap;

use convgru_kernels::Scalar;

use super::description::NamedNetwork;
use super::layout::detect::Stacks;
use super::layout::stacking::Incomplete;
use super::mlcast::{self, Forecasters};
use super::network::detect::Networks;
use super::{layout, network, weight_norm};
use crate::tensor::Tensor;

/// What [`detect`] sees in a file.
#[derive(Debug, Clone)]
pub struct Detected<T> {
    /// Networks that continue frames (those of mlcast), then networks of systems that are more than a layout of kernels, then stacks of
    /// cells of known layouts, layout by layout. Each has an [`Origin`](super::Origin).
    pub networks: Vec<NamedNetwork<T>>,
    /// Names of the tensors that belong to none of them, and why.
    pub left: Vec<(String, String)>,
    /// Networks and cells that lack tensors, and cells between which other layers can lie, each of which is a stack of one
    /// layer: with one of them `networks` are not what the file was meant to hold.
    pub incomplete: Vec<Incomplete>,
}

/// Finds all networks and cells of known systems among the tensors of a file.
///
/// Networks of [`mlcast`] come first, then networks that are more than a layout of kernels ([`network`]); the other tensors may be cells of a
/// [`layout`]. Cells are layers of one stack if their names differ in their number alone, the numbers follow
/// each other, each takes the channels that the one before has, and no other module beside them can lie between; other cells are
/// stacks of one layer. Where layouts have the same names and the same meaning, the first is given. Cells of both directions of time
/// are two stacks.
///
/// Weights that are kept as a direction and its length (PyTorch's weight norm, in both of its forms) are multiplied out first. FireNet is
/// known by its structure too, whatever its modules are called.
///
/// Give all tensors of a file: names elsewhere in it tell cells of RAFT from others that look like them.
///
/// ```
/// use convgru_model::{Tensor, import::detect};
///
/// let mut tensors = vec![("head.weight".to_owned(), Tensor::<f32>::zeros(&[1, 6]))];
/// for gate in ["convz", "convr", "convq"] {
///     tensors.push((format!("update_block.gru.{gate}.weight"), Tensor::zeros(&[6, 6 + 8, 3, 3])));
/// }
/// for gate in ["read_gate_conv", "update_gate_conv", "output_conv"] {
///     tensors.push((format!("cell.{gate}.weight"), Tensor::zeros(&[4, 4 + 6, 3, 3])));
/// }
/// let found = detect(tensors);
/// let names: Vec<&str> = found.networks.iter().map(|network| network.name.as_str()).collect();
/// assert_eq!(names, ["cell.", "update_block.gru."]);
/// let systems = found.networks.iter().filter_map(|network| Some(network.origin.as_ref()?.system.as_str()));
/// assert_eq!(systems.collect::<Vec<_>>(), ["dgmr", "raft"]);
/// assert_eq!(found.left[0].0, "head.weight");
/// ```
pub fn detect<T: Scalar>(tensors: Vec<(String, Tensor<T>)>) -> Detected<T> {
    let (tensors, folded) = weight_norm::folded(tensors);
    let Forecasters { found: mut networks, rest, incomplete: of_forecasters } = mlcast::detect(tensors);
    let Networks { networks: of_cells, rest, reasons, mut incomplete } = network::detect::detect(rest);
    networks.extend(of_cells);
    incomplete.extend(of_forecasters);
    let Stacks { stacks, mut left, incomplete: of_stacks } = layout::detect::detect(&rest);
    // The first reason is that of the system which is more particular.
    let better: HashMap<String, String> = reasons.into_iter().rev().collect();
    for (name, reason) in &mut left {
        if let Some(better) = better.get(name) {
            reason.clone_from(better);
        }
    }
    for stack in stacks {
        let cells = stack.stack.prefixes.clone();
        match stack.into_network(&rest) {
            Ok(network) => networks.push(network),
            Err(error) => incomplete.push(Incomplete { cells, reason: error.to_string() }),
        }
    }
    for network in &mut networks {
        network.origin = network.origin.take().map(|origin| origin.with_weight_norm(&folded));
    }
    incomplete.extend(of_stacks);
    Detected { networks, left, incomplete }
}
