//! The cells among the tensors of a whole network.

use std::collections::{HashMap, HashSet};

use convgru_kernels::Scalar;
use serde::{Deserialize, Serialize};

use super::convert::Cell;
use super::description::Layout;
use super::directions::REVERSE;
use super::rearrange::ForeignStack;
use super::stacking::{Incomplete, between, cells_with_gaps, numbered, parent};
use crate::error::{Error, Result};
use crate::fused::{ConvGru, ConvGruParameters, Directions};
use crate::import::search::expect_search;
use crate::import::{NamedNetwork, Origin};
use crate::tensor::Tensor;

/// Cells of one layout that are layers of one stack.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::import) struct DetectedStack<T> {
    /// How the file keeps them.
    pub(in crate::import) layout: &'static Layout,
    /// What their names in the file begin with; the system's where these have only a number within. Of both directions of
    /// time it goes on with `forward.` and `backward.`.
    pub(in crate::import) name: String,
    /// The direction it reads a sequence in, where the file has cells of both: the stack of the other one follows or
    /// comes before. Together they are a [`BidirectionalConvGru`](crate::BidirectionalConvGru).
    pub(in crate::import) direction: Option<Direction>,
    /// The cells, rearranged into ours.
    pub(in crate::import) stack: ForeignStack<T>,
}

/// A direction of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The first frame first.
    Forward,
    /// The last frame first.
    Backward,
}

impl Direction {
    /// Its name as it is written before the names of tensors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

impl<T: Scalar> DetectedStack<T> {
    /// The name that the system has for a tensor of the stack, which is another one for the backward direction; none for other
    /// tensors.
    fn system_name<'n>(&self, name: &'n str) -> Option<&'n str> {
        let name = match self.direction {
            Some(Direction::Backward) => name.strip_suffix(REVERSE)?,
            _ => name,
        };
        let has = |prefix: &String| Cell { layout: self.layout, prefix }.has(name);
        self.stack.prefixes.iter().any(has).then_some(name)
    }

    /// The stack as a network, with the place it comes from among the tensors of its file.
    ///
    /// # Errors
    /// The errors of [`ConvGru::from_parameters`].
    pub(in crate::import) fn into_network(self, tensors: &[(String, Tensor<T>)]) -> Result<NamedNetwork<T>> {
        let own: Vec<(&str, &str, &Tensor<T>)> = tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.as_str(), self.system_name(name)?, tensor)))
            .collect();
        let names: HashMap<&str, &str> = own.iter().map(|(name, known, _)| (*known, *name)).collect();
        let known: Vec<(&str, &Tensor<T>)> = own.iter().map(|(_, known, tensor)| (*known, *tensor)).collect();
        let origin = Origin::new(self.layout.system, known.iter().copied())
            .renamed(|known| names.get(known).map_or(known, |own| own).to_owned());
        let ForeignStack { config, layers, prefixes } = self.stack;
        let mut second_biases = Vec::new();
        for prefix in &prefixes {
            Cell { layout: self.layout, prefix }.add_second_biases(&known, &mut second_biases);
        }
        let network = ConvGru::from_parameters(config, ConvGruParameters { layers })?.into();
        let origin = Origin { cells: prefixes, direction: self.direction, second_biases, ..origin };
        Ok(NamedNetwork { name: self.name, network, origin: Some(origin) })
    }
}

/// What [`detect`] sees among tensors.
#[derive(Debug)]
pub(in crate::import) struct Stacks<T> {
    /// The stacks, layout by layout.
    pub(in crate::import) stacks: Vec<DetectedStack<T>>,
    /// Tensors that belong to none of them, and why.
    pub(in crate::import) left: Vec<(String, String)>,
    /// Cells between which other layers can lie, and cells that lack tensors.
    pub(in crate::import) incomplete: Vec<Incomplete>,
}

/// Names that only networks with other cells have, which share the names of RAFT's: the mark, and what it means.
const NOT_RAFT: &[(&str, &str)] = &[
    ("iter_mvs", "IterMVS, whose kernels are dilated"),
    ("context_zqr_convs", "RAFT-Stereo, whose gates add a context"),
    ("convz_glo", "DROID-SLAM, whose gates add a global context"),
];

/// Finds all cells of known layouts among tensors of which [networks](crate::import::network) are taken out.
pub(in crate::import) fn detect<T: Scalar>(tensors: &[(String, Tensor<T>)]) -> Stacks<T> {
    let names = || tensors.iter().map(|(name, _)| name.as_str());
    let mut search = Search {
        tensors,
        stacks: Vec::new(),
        reasons: HashMap::new(),
        names: HashSet::new(),
        complete: HashSet::new(),
        incomplete: Vec::new(),
    };
    let cells: usize = Layout::ALL.iter().map(|layout| layout.prefixes(names()).len()).sum();
    if let Err(reason) = expect_search(cells, tensors.len()) {
        let left = names().map(|name| (name.to_owned(), reason.clone())).collect();
        return Stacks { stacks: Vec::new(), left, incomplete: Vec::new() };
    }
    for (index, layout) in Layout::ALL.iter().enumerate() {
        let same = |other: &Layout| Layout { system: layout.system, ..*other } == *layout;
        if Layout::ALL[..index].iter().any(same) {
            continue;
        }
        let mut cells = layout.cells_in(names());
        search.complete.extend(cells.iter().cloned());
        // Numbers stay in their order.
        cells.sort_by_key(|cell| (parent(cell).to_owned(), numbered(cell).0.to_owned()));
        let other = NOT_RAFT.iter().find(|(mark, _)| names().any(|name| name.contains(mark)));
        match other {
            Some((mark, system)) if layout.system == "raft" => {
                let reason = format!(
                    "names with `{mark}` tell that its cell is not RAFT's but of {system}; `import::network` reads it"
                );
                search.leave(layout, &cells, &reason);
            }
            _ => cells
                .chunk_by(|one, next| numbered(one).0 == numbered(next).0)
                .for_each(|cells| search.add(layout, cells)),
        }
    }
    search.finish()
}

struct Search<'t, T> {
    tensors: &'t [(String, Tensor<T>)],
    stacks: Vec<DetectedStack<T>>,
    /// Why tensors are left out although they look like a cell.
    reasons: HashMap<&'t str, String>,
    /// The names of stacks.
    names: HashSet<String>,
    /// Cells that have all kernels.
    complete: HashSet<String>,
    incomplete: Vec<Incomplete>,
}

impl<'t, T: Scalar> Search<'t, T> {
    /// The tensors of some cells.
    fn of(&self, layout: &Layout, cells: &[String]) -> Vec<(&'t str, &'t Tensor<T>)> {
        let cells: Vec<Cell<'_>> = cells.iter().map(|prefix| Cell { layout, prefix }).collect();
        let named = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        named.filter(|(name, _)| cells.iter().any(|cell| cell.has(name))).collect()
    }

    fn leave(&mut self, layout: &Layout, cells: &[String], reason: &str) {
        for (name, _) in self.of(layout, cells) {
            self.reasons.insert(name, reason.to_owned());
        }
    }

    /// Adds cells as a stack, or each for itself if they make none.
    fn add(&mut self, layout: &'static Layout, cells: &[String]) {
        let tensors = self.of(layout, cells);
        if let Some((name, _)) = tensors.iter().find(|(_, tensor)| tensor.is_empty()) {
            return self.leave(layout, cells, &format!("`{name}` has no elements"));
        }
        let backward = self.backward_of(layout, cells);
        if cells.len() > 1 && !backward.is_empty() {
            return cells.chunks(1).for_each(|cell| self.add(layout, cell));
        }
        if !backward.is_empty() {
            match layout.read_both(&[&tensors[..], &backward].concat()) {
                Ok(Directions { forward, backward }) => {
                    let name = self.new_name(layout, cells);
                    for (direction, stack) in [(Direction::Forward, forward), (Direction::Backward, backward)]
                    {
                        let name = format!("{name}{}.", direction.name());
                        self.stacks.push(DetectedStack { layout, name, direction: Some(direction), stack });
                    }
                    return;
                }
                Err(error) => {
                    let reason =
                        format!("it looks like the backward direction of {}, but: {error}", layout.system);
                    for (name, _) in backward {
                        self.reasons.insert(name, reason.clone());
                    }
                }
            }
        }
        match layout.read_named(&tensors) {
            Ok(stack) => {
                let mut found = DetectedStack { layout, name: String::new(), direction: None, stack };
                if let Some(incomplete) = between(self.tensors, found.layout, &found.stack) {
                    self.incomplete.push(incomplete);
                    return cells.chunks(1).for_each(|cell| self.add(layout, cell));
                }
                found.name = self.new_name(layout, cells);
                self.stacks.push(found);
            }
            Err(_) if cells.len() > 1 => {
                let before = self.stacks.len();
                cells.chunks(1).for_each(|cell| self.add(layout, cell));
                let read = &self.stacks[before..];
                let is_read = |cell: &String| read.iter().any(|found| found.stack.prefixes.contains(cell));
                if !read.is_empty() {
                    let damaged: Vec<String> = cells.iter().filter(|cell| !is_read(cell)).cloned().collect();
                    self.add_damaged(layout, &damaged);
                }
            }
            Err(error) => {
                if matches!(error, Error::MissingTensor { .. }) {
                    let reason = format!("it looks like a cell of {}, but: {error}", layout.system);
                    self.incomplete.push(Incomplete { cells: cells.to_vec(), reason });
                }
                self.leave(layout, cells, &format!("it looks like {}, but: {error}", layout.system))
            }
        }
    }

    /// Cells that are none, beside such that are.
    fn add_damaged(&mut self, layout: &Layout, cells: &[String]) {
        for cell in cells {
            if self.incomplete.iter().any(|incomplete| incomplete.cells.contains(cell)) {
                continue;
            }
            let of_cell = self.of(layout, std::slice::from_ref(cell));
            let reason = of_cell.iter().find_map(|(name, _)| self.reasons.get(name));
            let reason = reason.cloned().unwrap_or_default();
            self.incomplete.push(Incomplete { cells: vec![cell.clone()], reason });
        }
    }

    /// Says of cells that lack kernels which these are.
    fn add_gaps(&mut self) {
        let names = self.tensors.iter().map(|(name, _)| name.as_str()).collect();
        for (incomplete, layout) in cells_with_gaps(&names, &self.complete) {
            self.leave(layout, &incomplete.cells, &incomplete.reason);
            self.incomplete.push(incomplete);
        }
    }

    /// The tensors of the backward direction of some cells.
    fn backward_of(&self, layout: &Layout, cells: &[String]) -> Vec<(&'t str, &'t Tensor<T>)> {
        let cells: Vec<Cell<'_>> = cells.iter().map(|prefix| Cell { layout, prefix }).collect();
        let is_of = |name: &str| {
            name.strip_suffix(REVERSE).is_some_and(|name| cells.iter().any(|cell| cell.has(name)))
        };
        let named = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        named.filter(|(name, _)| is_of(name)).collect()
    }

    /// The name of a stack, which no other has.
    fn new_name(&mut self, layout: &Layout, cells: &[String]) -> String {
        // Numbers of layers name no stack.
        let (before, after) =
            if layout.is_numbered() { (format!("{}.", layout.system), ".") } else { Default::default() };
        let shared = format!("{before}{}", parent(&cells[0]));
        let name = match cells.len() > 1 && !self.names.contains(&shared) {
            true => shared,
            false => format!("{before}{}{after}", cells[0]),
        };
        self.names.insert(name.clone());
        name
    }

    fn finish(mut self) -> Stacks<T> {
        self.add_gaps();
        let is_taken = |name: &str| self.stacks.iter().any(|stack| stack.system_name(name).is_some());
        let left: Vec<&str> =
            self.tensors.iter().map(|(name, _)| name.as_str()).filter(|name| !is_taken(name)).collect();
        let reason = |name: &str| {
            let parts = ["convz1", "convr1", "convq1", "convz2", "convr2", "convq2"];
            if name.split('.').any(|part| parts.contains(&part)) {
                "cells in pairs (RAFT's SepConvGRU) are read by `import::network`".to_owned()
            } else if name.ends_with(REVERSE) {
                "it is of the backward direction of a layer, which is read together with the forward one"
                    .to_owned()
            } else {
                "it belongs to no cell of a known layout".to_owned()
            }
        };
        let left = left
            .into_iter()
            .map(|name| (name.to_owned(), self.reasons.remove(name).unwrap_or_else(|| reason(name))));
        let left = left.collect();
        Stacks { stacks: self.stacks, left, incomplete: self.incomplete }
    }
}

#[cfg(test)]
mod tests;
