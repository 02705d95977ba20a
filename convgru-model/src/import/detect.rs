//! The networks among the tensors of a file.

use std::collections::HashMap;

use convgru_kernels::Scalar;

use super::layout::detect::{DetectedStack, Stacks};
use super::layout::stacking::Incomplete;
use super::mlcast::{self, DetectedForecaster, Forecasters};
use super::network::detect::{DetectedNetwork, Networks};
use super::{layout, network, weight_norm};
use crate::parameters::Parameters;
use crate::tensor::Tensor;

/// What [`detect`] sees in a file.
///
/// As [`Parameters`] its tensors have the names of their networks, `layers.0.input_weights` of a [`ConvGru`](crate::ConvGru)
/// and so on, if there is one network or stack; if there are several, the name of each before them.
#[derive(Debug, Clone)]
pub struct Detected<T> {
    /// Networks that continue frames: those of mlcast.
    pub forecasters: Vec<DetectedForecaster<T>>,
    /// Networks of systems that are more than a layout of kernels.
    pub networks: Vec<DetectedNetwork<T>>,
    /// Stacks of cells of known layouts, layout by layout.
    pub stacks: Vec<DetectedStack<T>>,
    /// Names of the tensors that belong to none of them, and why.
    pub left: Vec<(String, String)>,
    /// Networks and cells that lack tensors, and cells between which other layers can lie, each of which is a stack of one
    /// layer: with one of them `networks` and `stacks` are not what the file was meant to hold.
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
/// assert_eq!((found.networks[0].system, &found.networks[0].name[..]), ("dgmr", "cell."));
/// assert_eq!((found.stacks[0].layout.system, &found.stacks[0].name[..]), ("raft", "update_block.gru."));
/// assert_eq!(found.stacks[0].stack.config.in_channels, 8);
/// assert_eq!(found.left[0].0, "head.weight");
/// ```
pub fn detect<T: Scalar>(tensors: Vec<(String, Tensor<T>)>) -> Detected<T> {
    let Forecasters { found: forecasters, rest, incomplete: of_forecasters } =
        mlcast::detect(weight_norm::folded(tensors));
    let Networks { networks, rest, reasons, mut incomplete } = network::detect::detect(rest);
    incomplete.extend(of_forecasters);
    let Stacks { stacks, mut left, incomplete: of_stacks } = layout::detect::detect(&rest);
    // The first reason is that of the system which is more particular.
    let better: HashMap<String, String> = reasons.into_iter().rev().collect();
    for (name, reason) in &mut left {
        if let Some(better) = better.get(name) {
            reason.clone_from(better);
        }
    }
    incomplete.extend(of_stacks);
    Detected { forecasters, networks, stacks, left, incomplete }
}

impl<T> Detected<T> {
    /// Whether there are several networks and stacks, whose names then stand before those of their tensors.
    fn are_several(&self) -> bool {
        self.forecasters.len() + self.networks.len() + self.stacks.len() > 1
    }
}

impl<T: Scalar> Parameters<T> for Detected<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        let several = self.are_several();
        let before = |name: &str| if several { name.to_owned() } else { String::new() };
        for DetectedForecaster { name, network, .. } in &self.forecasters {
            let before = before(name);
            network.parameters().for_each(&mut |name, tensor| visit(&format!("{before}{name}"), tensor));
        }
        for DetectedNetwork { name, network, .. } in &self.networks {
            let before = before(name);
            network.for_each(&mut |name, tensor| visit(&format!("{before}{name}"), tensor));
        }
        for DetectedStack { name, stack, .. } in &self.stacks {
            let before = before(name);
            for (index, layer) in stack.layers.iter().enumerate() {
                layer.for_each(&mut |name, tensor| visit(&format!("{before}layers.{index}.{name}"), tensor));
            }
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        let several = self.are_several();
        let before = |name: &str| if several { name.to_owned() } else { String::new() };
        for DetectedForecaster { name, network, .. } in &mut self.forecasters {
            let before = before(name);
            let visit = &mut |name: &str, tensor: &mut Tensor<T>| visit(&format!("{before}{name}"), tensor);
            network.parameters_mut().for_each_mut(visit);
        }
        for DetectedNetwork { name, network, .. } in &mut self.networks {
            let before = before(name);
            network.for_each_mut(&mut |name, tensor| visit(&format!("{before}{name}"), tensor));
        }
        for DetectedStack { name, stack, .. } in &mut self.stacks {
            let before = before(name);
            for (index, layer) in stack.layers.iter_mut().enumerate() {
                layer.for_each_mut(&mut |name, tensor| {
                    visit(&format!("{before}layers.{index}.{name}"), tensor)
                });
            }
        }
    }
}
