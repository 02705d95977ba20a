//! The networks of these systems among the tensors of a whole file.

use std::collections::{BTreeMap, HashMap};

use convgru_kernels::Scalar;

use super::fire_net;
use super::imported::Hints;
use super::raft_update;
use super::systems::read;
use crate::error::{Error, Result};
use crate::import::layout::stacking::Incomplete;
use crate::import::search::expect_search;
use crate::import::{NamedNetwork, Origin};
use crate::network::Network;
use crate::tensor::Tensor;

/// What [`detect`] sees in a file.
#[derive(Debug)]
pub(in crate::import) struct Networks<T> {
    /// The networks.
    pub(in crate::import) networks: Vec<NamedNetwork<T>>,
    /// All other tensors.
    pub(in crate::import) rest: Vec<(String, Tensor<T>)>,
    /// Tensors among these that look like a network but are none, and why.
    pub(in crate::import) reasons: Vec<(String, String)>,
    /// Networks that lack tensors, or whose tensors do not fit together.
    pub(in crate::import) incomplete: Vec<Incomplete>,
}

/// How a system is known by the names of its tensors.
struct Pattern {
    system: &'static str,
    /// The end of a name that every cell or network has once; what stands before it is its prefix.
    anchor: &'static str,
    /// What stands after the prefix in the names of its tensors, before one of the endings.
    parts: &'static [&'static str],
    endings: &'static [&'static str],
    /// What some name of the file holds.
    mark: &'static str,
    /// Whether cells whose prefixes differ in their last number are one network.
    stacked: bool,
}

const TORCH: &[&str] = &[".weight", ".bias"];

const MXNET: &[&str] = &["_weight", "_bias"];

const HKO7: Pattern = Pattern {
    system: "hko7",
    anchor: "h2h_weight",
    parts: &["i2h", "h2h"],
    endings: MXNET,
    mark: "brnn",
    stacked: true,
};

const DGMR: Pattern = Pattern {
    system: "dgmr",
    anchor: "read_gate_conv.weight",
    parts: &["read_gate_conv", "update_gate_conv", "output_conv"],
    endings: &[
        ".weight",
        ".bias",
        ".parametrizations.weight.original",
        ".parametrizations.weight.0._u",
        ".parametrizations.weight.0._v",
        ".weight_orig",
        ".weight_u",
        ".weight_v",
    ],
    mark: "",
    stacked: false,
};

/// The patterns; one that is more particular comes first.
const PATTERNS: &[Pattern] = &[
    Pattern {
        system: "firenet",
        anchor: "head.conv.conv2d.weight",
        parts: &["head.", "resblocks.", "pred."],
        endings: &[],
        mark: "resblocks.",
        stacked: false,
    },
    Pattern {
        system: "raft_sep",
        anchor: "convz1.weight",
        parts: &["convz1", "convr1", "convq1", "convz2", "convr2", "convq2"],
        endings: TORCH,
        mark: "",
        stacked: false,
    },
    // torchvision's, whose small network has one pass alone: a cell of the layout `raft`.
    Pattern {
        system: "raft_sep",
        anchor: "convgru2.convz.weight",
        parts: &[
            "convgru1.convz",
            "convgru1.convr",
            "convgru1.convq",
            "convgru2.convz",
            "convgru2.convr",
            "convgru2.convq",
        ],
        endings: TORCH,
        mark: "",
        stacked: false,
    },
    Pattern {
        system: "droid",
        anchor: "convz_glo.weight",
        parts: &["convz", "convr", "convq", "convz_glo", "convr_glo", "convq_glo", "w"],
        endings: TORCH,
        mark: "",
        stacked: false,
    },
    Pattern {
        system: "raftstereo",
        anchor: "gru08.convz.weight",
        parts: &["gru08.conv", "gru16.conv", "gru32.conv"],
        endings: &["z.weight", "r.weight", "q.weight", "z.bias", "r.bias", "q.bias"],
        mark: "",
        stacked: false,
    },
    Pattern {
        system: "iter_mvs",
        anchor: "convz.weight",
        parts: &["convz", "convr", "convq"],
        endings: TORCH,
        mark: "iter_mvs",
        stacked: false,
    },
    DGMR,
    Pattern { anchor: "read_gate_conv.parametrizations.weight.original", ..DGMR },
    Pattern { anchor: "read_gate_conv.weight_orig", ..DGMR },
    Pattern {
        system: "jhhuang96",
        anchor: "conv2.1.weight",
        parts: &["conv1.0", "conv1.1", "conv2.0", "conv2.1"],
        endings: TORCH,
        mark: "",
        stacked: false,
    },
    Pattern {
        system: "hko7_trajgru",
        anchor: "f_out_weight",
        parts: &["i2h", "h2h", "i2f_conv1", "h2f_conv1", "f_out"],
        ..HKO7
    },
    HKO7,
    Pattern {
        system: "carlthome",
        anchor: "candidate/kernel",
        parts: &["gates", "candidate"],
        endings: &["/kernel", "/bias"],
        mark: "",
        stacked: false,
    },
];

/// A tensor with its place in the file.
pub(super) type Placed<T> = (usize, (String, Tensor<T>));

/// The system whose names many networks have that are none of its.
const COMMON: &str = "jhhuang96";

impl Pattern {
    /// Whether a name after its prefix is one of a cell.
    fn has(&self, rest: &str) -> bool {
        if self.endings.is_empty() {
            return self.parts.iter().any(|part| rest.starts_with(part));
        }
        let part = |ending| rest.strip_suffix(ending).is_some_and(|part| self.parts.contains(&part));
        self.endings.iter().any(part)
    }

    /// The prefixes of the cells of a file, grouped by network.
    fn prefixes<'t, T>(&self, tensors: &'t [(String, Tensor<T>)]) -> Vec<Vec<&'t str>> {
        let names = || tensors.iter().map(|(name, _)| name.as_str());
        if !names().any(|name| name.contains(self.mark)) {
            return Vec::new();
        }
        let mut prefixes: Vec<&str> = names().filter_map(|name| name.strip_suffix(self.anchor)).collect();
        let whole = |prefix: &&str| prefix.is_empty() || prefix.ends_with(['.', '_', '/']);
        prefixes.retain(whole);
        prefixes.sort_by_key(|prefix| (prefix.len(), *prefix));
        let block =
            |prefix: &str| prefix.trim_end_matches('_').trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let together = |one: &&str, next: &&str| self.stacked && one[..block(one)] == next[..block(next)];
        prefixes.chunk_by(together).map(<[&str]>::to_vec).collect()
    }
}

/// Finds the networks of systems that are more than a layout of kernels.
pub(in crate::import) fn detect<T: Scalar>(tensors: Vec<(String, Tensor<T>)>) -> Networks<T> {
    let mut found =
        Networks { networks: Vec::new(), rest: Vec::new(), reasons: Vec::new(), incomplete: Vec::new() };
    let groups: Vec<(&Pattern, Vec<&str>)> = PATTERNS
        .iter()
        .flat_map(|pattern| pattern.prefixes(&tensors).into_iter().map(move |prefixes| (pattern, prefixes)))
        .collect();
    let cells = groups.iter().map(|(_, prefixes)| prefixes.len()).sum();
    if let Err(reason) = expect_search(cells, tensors.len()) {
        found.reasons = tensors.iter().map(|(name, _)| (name.clone(), reason.clone())).collect();
        found.rest = tensors;
        return found;
    }
    let owned = |prefixes: &[&str]| prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
    let groups: Vec<(&Pattern, Vec<String>)> =
        groups.into_iter().map(|(pattern, prefixes)| (pattern, owned(&prefixes))).collect();
    // What is found leaves the rest, and what is not comes back to its place.
    let mut rest: Vec<Placed<T>> = tensors.into_iter().enumerate().collect();
    rest = raft_update::take_blocks(rest, &mut found);
    rest = fire_nets(rest, &mut found);
    for (pattern, prefixes) in groups {
        let is_part = |(_, (name, _)): &Placed<T>| {
            prefixes.iter().any(|prefix| name.strip_prefix(&prefix[..]).is_some_and(|rest| pattern.has(rest)))
        };
        let (of_network, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_part);
        rest = others;
        if of_network.is_empty() {
            continue;
        }
        let (places, of_network): (Vec<usize>, Vec<(String, Tensor<T>)>) = of_network.into_iter().unzip();
        match network_of(pattern.system, &of_network) {
            Ok((network, origin)) => {
                let name = common(&prefixes).to_owned();
                found.networks.push(NamedNetwork { name, network, origin: Some(origin) });
            }
            Err(error) => {
                let reason = format!("it looks like {}, but: {error}", pattern.system);
                let names = of_network.iter().map(|(name, _)| (name.clone(), reason.clone()));
                found.reasons.extend(names);
                if pattern.system != COMMON {
                    found.incomplete.push(Incomplete { cells: prefixes, reason });
                }
                rest.extend(places.into_iter().zip(of_network));
                rest.sort_by_key(|(place, _)| *place);
            }
        }
    }
    // Gradients and averages of a network that is there have its names after others.
    let whole = |name: &str| found.networks.iter().any(|network| name.ends_with(&network.name));
    found.incomplete.retain(|incomplete| !incomplete.cells.iter().all(|cell| whole(cell)));
    found.rest = rest.into_iter().map(|(_, named)| named).collect();
    found
}

/// Takes the FireNets that are known by their structure out of the tensors of a file.
fn fire_nets<T: Scalar>(mut rest: Vec<Placed<T>>, found: &mut Networks<T>) -> Vec<Placed<T>> {
    let mut networks: Vec<(usize, NamedNetwork<T>)> = Vec::new();
    for prefix in fire_net::prefixes(rest.iter().map(|(_, (name, _))| name.as_str())) {
        let Some(names) = fire_net::found(rest.iter().map(|(_, named)| named), &prefix) else { continue };
        let (own, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(_, (name, _))| names.contains_key(name));
        rest = others;
        let place = own.first().map_or(0, |(place, _)| *place);
        match renamed_fire_net(&own, &names) {
            Ok((network, origin)) => {
                networks.push((place, NamedNetwork { name: prefix, network, origin: Some(origin) }));
            }
            Err(reason) => {
                found.reasons.extend(own.iter().map(|(_, (name, _))| (name.clone(), reason.clone())));
                found.incomplete.push(Incomplete { cells: vec![prefix], reason });
                rest.extend(own);
                rest.sort_by_key(|(place, _)| *place);
            }
        }
    }
    networks.sort_by_key(|(place, _)| *place);
    found.networks.extend(networks.into_iter().map(|(_, network)| network));
    rest
}

/// The FireNet of tensors with other names, or why there is none.
fn renamed_fire_net<T: Scalar>(
    tensors: &[Placed<T>],
    names: &BTreeMap<String, String>,
) -> std::result::Result<(Network<T>, Origin), String> {
    const SYSTEM: &str = "firenet";
    let renamed: Vec<(String, Tensor<T>)> =
        tensors.iter().map(|(_, (name, tensor))| (names[name].clone(), tensor.clone())).collect();
    let own: HashMap<&str, &str> = names.iter().map(|(own, known)| (known.as_str(), own.as_str())).collect();
    let own = |known: &str| -> String {
        if let Some(own) = own.get(known) {
            return (*own).to_owned();
        }
        // A tensor that is missing stands beside the kernel of its module.
        let beside = known.rsplit_once('.').and_then(|(module, parameter)| {
            let own = own.get(&format!("{module}.weight")[..])?.strip_suffix("weight")?;
            Some(format!("{own}{parameter}"))
        });
        beside.unwrap_or_else(|| known.to_owned())
    };
    match network_of(SYSTEM, &renamed) {
        Ok((network, origin)) => Ok((network, origin.renamed(|known| own(known)))),
        Err(error) => {
            let error = match error {
                Error::ShapeMismatch { what, expected, got } => {
                    Error::ShapeMismatch { what: own(&what), expected, got }
                }
                Error::UnexpectedTensor { name } => Error::UnexpectedTensor { name: own(&name) },
                Error::MissingTensor { name, found } => {
                    let found: Vec<String> = found.split(", ").map(&own).collect();
                    Error::MissingTensor { name: own(&name), found: found.join(", ") }
                }
                other => other,
            };
            Err(format!("it looks like {SYSTEM} with other names, but: {error}"))
        }
    }
}

/// The network of a system's tensors, on the engine that computes it, and its origin.
fn network_of<T: Scalar>(system: &str, tensors: &[(String, Tensor<T>)]) -> Result<(Network<T>, Origin)> {
    let hints = Hints::default();
    let imported = read(system, tensors, &hints)?;
    let origin = imported.origin(system, tensors, &hints)?;
    Ok((imported.into_network()?, origin))
}

/// What all prefixes begin with.
fn common(prefixes: &[String]) -> &str {
    let first = prefixes.first().map_or("", String::as_str);
    let shared = |len: &usize| prefixes.iter().all(|prefix| prefix.get(..*len) == first.get(..*len));
    first.get(..(0..=first.len()).rev().find(shared).unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
