//! Whether cells of a file are layers one on top of the other.
//!
//! Names and shapes do not tell what a network does between its cells. Cells that are numbered alike and whose channels fit
//! are layers of one stack only where nothing else can lie between them.

use std::collections::{BTreeMap, HashMap, HashSet};

use convgru_kernels::Scalar;

use super::convert::Cell;
use super::description::Layout;
use super::rearrange::ForeignStack;
use crate::tensor::Tensor;

/// Modules that are named before the list is cut short.
const SHOWN: usize = 6;

/// Cells that are not all that a file holds of them, or should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// What the names of the cells begin with.
    pub cells: Vec<String>,
    /// Which layers lie between them, or which tensor is missing.
    pub reason: String,
}

/// What a cell's name has before its number, and the number.
pub(super) fn numbered(prefix: &str) -> (&str, Option<u64>) {
    let name = prefix.trim_end_matches(['.', '_', '/']);
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().ok())
}

/// What a cell's name has before its last part.
pub(super) fn parent(prefix: &str) -> &str {
    let name = prefix.strip_suffix('.').unwrap_or(prefix);
    name.rfind('.').map_or("", |dot| &name[..=dot])
}

/// What may lie between cells that are numbered alike and whose channels fit.
pub(super) fn between<T: Scalar>(
    tensors: &[(String, Tensor<T>)],
    layout: &Layout,
    stack: &ForeignStack<T>,
) -> Option<Incomplete> {
    let cells = &stack.prefixes;
    let incomplete = |reason| Some(Incomplete { cells: cells.clone(), reason });
    let names = || cells.iter().map(|cell| format!("`{cell}`")).collect::<Vec<_>>().join(" and ");
    for pair in cells.windows(2) {
        if let [Some(one), Some(next)] = [&pair[0], &pair[1]].map(|cell| numbered(cell).1)
            && next != one.saturating_add(1)
        {
            let reason = format!(
                "{} are numbered {one} and {next}: what the numbers between them stand for is no cell",
                names()
            );
            return incomplete(reason);
        }
    }
    if layout.is_numbered() {
        // A module that has nothing but its layers has such names.
        return None;
    }
    let others = Others::of(tensors, layout, cells);
    let mut modules: Vec<&str> = others.within.iter().copied().collect();
    for &channels in &stack.config.hidden_channels[..cells.len() - 1] {
        modules.extend(others.on_a_way(channels));
    }
    modules.sort_unstable();
    modules.dedup();
    if modules.is_empty() {
        return None;
    }
    let shown: Vec<String> = modules.iter().take(SHOWN).map(|module| format!("`{module}`")).collect();
    let more = if modules.len() > SHOWN { ", ..." } else { "" };
    incomplete(format!("{}{more} can lie between {}", shown.join(", "), names()))
}

/// The other modules beside some cells.
struct Others<'t> {
    /// Channels that the kernels of a module read and give.
    ways: Vec<(&'t str, usize, usize)>,
    /// Modules in the file between the first tensor of the first cell and the first tensor of the last.
    within: HashSet<&'t str>,
}

impl<'t> Others<'t> {
    fn of<T: Scalar>(tensors: &'t [(String, Tensor<T>)], layout: &Layout, cells: &[String]) -> Self {
        // The items of a list have the neighbours of the list, too.
        let of_list = numbered(&cells[0]).0.is_empty() || numbered(&cells[0]).0.ends_with('.');
        let near = parent(&cells[0]);
        let scope = if of_list { parent(near) } else { near };
        let is_of = |prefix: &String, name: &str| Cell { layout, prefix }.has(name);
        let first = |cell: &String| tensors.iter().position(|(name, _)| is_of(cell, name)).unwrap_or(0);
        let places = cells.iter().map(first);
        let (start, end) = (places.clone().min().unwrap_or(0), places.max().unwrap_or(0));
        let mut modules: BTreeMap<&str, Vec<&[usize]>> = BTreeMap::new();
        let mut within = HashSet::new();
        for (place, (name, tensor)) in tensors.iter().enumerate() {
            if !name.starts_with(scope) || cells.iter().any(|cell| is_of(cell, name)) {
                continue;
            }
            let module = name.rfind('.').map_or(&name[..], |dot| &name[..dot]);
            modules.entry(module).or_default().push(tensor.shape());
            if (start..end).contains(&place) {
                within.insert(module);
            }
        }
        let mut ways = Vec::new();
        for (module, shapes) in modules {
            let kernels: Vec<_> = shapes.iter().filter(|shape| shape.len() > 1).collect();
            for kernel in &kernels {
                ways.push((module, kernel[1], kernel[0]));
                if kernel[1] == 1 {
                    // Each channel for itself.
                    ways.push((module, kernel[0], kernel[0]));
                }
            }
            if kernels.is_empty() {
                // A normalisation, which keeps its channels.
                ways.extend(shapes.iter().filter_map(|shape| shape.first()).map(|&c| (module, c, c)));
            }
        }
        Self { ways, within }
    }

    /// The modules on ways from so many channels back to as many.
    fn on_a_way(&self, channels: usize) -> impl Iterator<Item = &'t str> {
        let after = self.reached(channels, |&(_, from, to)| (from, to));
        let before = self.reached(channels, |&(_, from, to)| (to, from));
        self.ways
            .iter()
            .filter(move |(_, from, to)| {
                (*from == channels || after.contains(from)) && (*to == channels || before.contains(to))
            })
            .map(|(module, ..)| *module)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Numbers of channels that come after a number.
    fn reached(
        &self,
        channels: usize,
        ends: impl Fn(&(&'t str, usize, usize)) -> (usize, usize),
    ) -> HashSet<usize> {
        let mut from: HashMap<usize, Vec<usize>> = HashMap::new();
        for (start, end) in self.ways.iter().map(ends) {
            from.entry(start).or_default().push(end);
        }
        let (mut reached, mut next) = (HashSet::new(), vec![channels]);
        while let Some(start) = next.pop() {
            next.extend(
                from.remove(&start).unwrap_or_default().into_iter().filter(|&end| reached.insert(end)),
            );
        }
        reached
    }
}

/// Cells that lack some of the tensors of a layout, but have at least half of its kernels or a complete cell beside them.
pub(super) fn cells_with_gaps(
    names: &HashSet<&str>,
    complete: &HashSet<String>,
) -> Vec<(Incomplete, &'static Layout)> {
    let mut gaps: Vec<(Incomplete, &Layout)> = Vec::new();
    for layout in Layout::ALL {
        let cells: HashSet<String> = layout.cells_in(names.iter().copied()).into_iter().collect();
        for prefix in layout.prefixes(names.iter().copied()) {
            let known = |(incomplete, _): &(Incomplete, &Layout)| incomplete.cells[0] == prefix;
            if complete.contains(&prefix) || gaps.iter().any(known) {
                continue;
            }
            let kernels = layout.tensors.iter().map(|tensor| layout.weight_name(&prefix, tensor.name));
            let missing: Vec<String> = kernels.filter(|name| !names.contains(name.as_str())).collect();
            let there = layout.tensors.len() - missing.len();
            let beside = |other: &String| {
                *other != prefix
                    && numbered(other).1.is_some()
                    && numbered(other).0 == numbered(&prefix).0
                    && cells.contains(other)
            };
            if 2 * there >= layout.tensors.len() || there > 0 && complete.iter().any(beside) {
                let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let reason =
                    format!("it looks like a cell of {}, but there is no tensor {names}", layout.system);
                gaps.push((Incomplete { cells: vec![prefix], reason }, layout));
            }
        }
    }
    gaps
}
