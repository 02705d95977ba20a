//! The networks among the tensors of a file.

use std::collections::{HashMap, HashSet};

use convgru_kernels::Scalar;

use super::description::NamedNetwork;
use super::layout::detect::Stacks;
use super::layout::stacking::Incomplete;
use super::mlcast::{self, Forecasters};
use super::network::detect::Networks;
use super::{layout, network, weight_norm, wrappers};
use crate::tensor::Tensor;

/// The content of a file, as [`detect`] finds it.
#[derive(Debug, Clone)]
pub struct Detected<T> {
    /// Networks that continue frames (networks of mlcast), then networks of systems that are more than a layout of kernels, then stacks of
    /// cells of known layouts, layout by layout. Each has an [`Origin`](super::Origin).
    pub networks: Vec<NamedNetwork<T>>,
    /// Names of the tensors that belong to none of them, and why.
    pub left: Vec<(String, String)>,
    /// Networks and cells that lack tensors, networks whose tensors do not fit together, and cells between which other layers can lie,
    /// each of which is a stack of one layer: with one of them `networks` are not the whole content of the file.
    pub incomplete: Vec<Incomplete>,
    /// Names of the tensors that belong to networks and stacks and hold a NaN or an infinite number: every state becomes NaN.
    pub not_finite: Vec<String>,
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
/// known by its structure too, whatever its modules are called. The modules that `torch.compile`, FSDP, recomputed activations and
/// `DataParallel` put around others are taken out of names, wherever they stand.
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
    let unwrapped = wrappers::unwrapped(tensors);
    let restore = unwrapped.restorer();
    let (tensors, folded) = weight_norm::folded(unwrapped.tensors);
    let mut not_finite: Vec<String> =
        tensors.iter().filter(|(_, tensor)| !tensor.is_finite()).map(|(name, _)| name.clone()).collect();
    let Forecasters { found: mut networks, rest, incomplete: of_forecasters } = mlcast::detect(tensors);
    // The list of incomplete networks alone names the tensors of a refused network of mlcast.
    not_finite.retain(|name| {
        let prefix = mlcast::apart(name).map(|(prefix, _)| prefix);
        !prefix.is_some_and(|prefix| of_forecasters.iter().any(|refused| refused.cells.contains(&prefix)))
    });
    let Networks { networks: of_cells, rest, reasons, mut incomplete } = network::detect::detect(rest);
    networks.extend(of_cells);
    incomplete.extend(of_forecasters);
    let Stacks { stacks, mut left, incomplete: of_stacks } = layout::detect::detect(&rest);
    // The first reason comes from the more specific system.
    let better: HashMap<String, String> = reasons.into_iter().rev().collect();
    for (name, reason) in &mut left {
        if let Some(better) = better.get(name) {
            reason.clone_from(better);
        }
        if wrappers::is_flat(name) {
            wrappers::FLATTENED.clone_into(reason);
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
        let origin = network.origin.take().map(|origin| origin.with_weight_norm(&folded));
        network.origin = origin.map(|origin| origin.in_file(&restore));
    }
    incomplete.extend(of_stacks);
    let unused: HashSet<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    not_finite.retain(|name| !unused.contains(name.as_str()));
    left.iter_mut().for_each(|(name, _)| restore(name));
    not_finite.iter_mut().for_each(&restore);
    Detected { networks, left, incomplete, not_finite }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cell of RAFT with a kernel of one number, each name between two texts.
    fn raft(before: &str, after: &str, value: f32) -> Vec<(String, Tensor<f32>)> {
        let gate = |gate| {
            let weight = Tensor::from_fn(&[2, 5, 3, 3], |i| if i == 7 { value } else { 0.5 });
            (format!("{before}{gate}{after}.weight"), weight)
        };
        ["convz", "convr", "convq"].map(gate).into()
    }

    #[test]
    fn wrappers_within_names_hide_no_cell() {
        let found = detect(raft("net._fsdp_wrapped_module.gru.", "._checkpoint_wrapped_module", 0.0));
        assert_eq!((found.networks.len(), found.left.len()), (1, 0));
        assert_eq!(found.networks[0].name, "net.gru.");
        let pair = ["convz1", "convr1", "convq1", "convz2", "convr2", "convq2"];
        let pair = pair
            .map(|gate| (format!("gru.module.{gate}._orig_mod.weight"), Tensor::<f32>::zeros(&[2, 5, 1, 5])));
        let found = detect(pair.clone().into());
        let origin = found.networks[0].origin.as_ref().unwrap();
        assert_eq!(origin.system, "raft_sep");
        let names: HashSet<String> = origin.tensors.iter().map(|tensor| tensor.name.clone()).collect();
        assert_eq!(names, pair.into_iter().map(|(name, _)| name).collect());
        assert!(origin.tensors.iter().all(|tensor| !tensor.system_name().contains("_orig_mod")));
        let flat =
            detect(vec![("net._fsdp_wrapped_module._flat_param".to_owned(), Tensor::<f32>::zeros(&[9]))]);
        assert_eq!(flat.left[0].0, "net._fsdp_wrapped_module._flat_param");
        assert!(flat.left[0].1.contains("FULL_STATE_DICT"), "{:?}", flat.left);
    }

    #[test]
    fn tensors_of_networks_that_are_not_finite_are_named() {
        assert!(detect(raft("gru.", "", 1.0)).not_finite.is_empty());
        for value in [f32::NAN, f32::INFINITY] {
            let mut tensors = raft("gru.", "._orig_mod", value);
            tensors.push(("head.weight".to_owned(), Tensor::from_fn(&[3], |_| f32::NAN)));
            let found = detect(tensors);
            let named = ["convz", "convr", "convq"].map(|gate| format!("gru.{gate}._orig_mod.weight"));
            assert_eq!(found.not_finite, named);
        }
    }
}
