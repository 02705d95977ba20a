//! The networks of these systems among the tensors of a whole file.

use std::collections::{BTreeMap, HashMap};

use convgru_kernels::Scalar;

use super::fire_net;
use super::imported::Hints;
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
type Placed<T> = (usize, (String, Tensor<T>));

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

    /// The prefixes of a file's cells, those of one network together.
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
mod tests {
    use super::*;

    type Tensors = Vec<(String, Tensor<f32>)>;

    fn system(network: &NamedNetwork<f32>) -> &str {
        &network.origin.as_ref().unwrap().system
    }

    fn zeros(names: &[&str], shape: &[usize]) -> Tensors {
        names.iter().map(|name| ((*name).to_owned(), Tensor::zeros(shape))).collect()
    }

    #[test]
    fn cells_with_raft_s_names_are_told_apart() {
        let gates = ["gru.convz.weight", "gru.convr.weight", "gru.convq.weight"];
        let plain = zeros(&gates, &[4, 10, 3, 3]);
        assert!(detect(plain.clone()).networks.is_empty());
        let dilated = [plain.clone(), zeros(&["iter_mvs.head"], &[1])].concat();
        let found = detect(dilated);
        assert_eq!(system(&found.networks[0]), "iter_mvs");
        assert_eq!(found.rest[0].0, "iter_mvs.head");
        let pair = ["convz", "convr", "convq"]
            .into_iter()
            .flat_map(|gate| [1, 2].map(|pass| format!("g.{gate}{pass}.weight")));
        let pair: Tensors = pair.map(|name| (name, Tensor::zeros(&[4, 10, 1, 5]))).collect();
        assert_eq!(system(&detect(pair).networks[0]), "raft_sep");
    }

    /// The names of torchvision's RAFT: two modules of one cell in its large network, one in its small one.
    #[test]
    fn the_modules_of_torchvision_s_pair_are_the_passes_of_one_cell() {
        let module = |module: &str, kernel: [usize; 2]| -> Tensors {
            let gates = ["convz", "convr", "convq"].map(|gate| format!("rb.{module}.{gate}"));
            let tensors = gates.iter().flat_map(|gate| {
                let weight = Tensor::zeros(&[4, 10, kernel[0], kernel[1]]);
                [(format!("{gate}.weight"), weight), (format!("{gate}.bias"), Tensor::zeros(&[4]))]
            });
            tensors.collect()
        };
        let pair = [module("convgru1", [1, 5]), module("convgru2", [5, 1])].concat();
        let found = detect(pair.clone());
        assert_eq!((found.networks.len(), found.rest.len()), (1, 0));
        assert_eq!((system(&found.networks[0]), found.networks[0].name.as_str()), ("raft_sep", "rb."));
        let config = found.networks[0].network.description().recurrent().unwrap();
        let cells: Vec<_> = config.cells().collect();
        assert_eq!(cells.len(), 1);
        assert_eq!((cells[0].kernel_size, cells[0].second_kernel_size), ([1, 5], Some([5, 1])));

        let lacking = pair.into_iter().filter(|(name, _)| name != "rb.convgru1.convr.weight").collect();
        let found = detect(lacking);
        assert!(found.incomplete[0].reason.contains("`rb.convgru1.convr.weight`"), "{:?}", found.incomplete);
        assert!(detect(module("convgru1", [3, 3])).networks.is_empty());
    }

    #[test]
    fn the_layers_of_a_block_are_one_network() {
        let mut tensors = Vec::new();
        for (layer, inputs) in [("ebrnn1_0", 5), ("ebrnn1_1", 2), ("ebrnn2_0", 3)] {
            tensors.push((format!("{layer}_i2h_weight"), Tensor::<f32>::zeros(&[6, inputs, 3, 3])));
            tensors.push((format!("{layer}_h2h_weight"), Tensor::zeros(&[6, 2, 5, 5])));
        }
        let found = detect(tensors);
        let names: Vec<(&str, usize)> = found
            .networks
            .iter()
            .map(|network| {
                (network.name.as_str(), network.network.description().recurrent().unwrap().cells().count())
            })
            .collect();
        assert_eq!(names, [("ebrnn1_", 2), ("ebrnn2_0_", 1)]);
    }

    #[test]
    fn a_network_that_lacks_a_tensor_is_named_unless_it_is_a_copy_of_one_that_is_there() {
        let gates = |prefix: &str, count: usize| {
            let gates = ["read_gate_conv", "update_gate_conv", "output_conv"].into_iter().take(count);
            gates
                .map(|gate| (format!("{prefix}{gate}.weight"), Tensor::zeros(&[4, 10, 3, 3])))
                .collect::<Tensors>()
        };
        let found = detect([gates("g.cell1.", 3), gates("g.cell2.", 2)].concat());
        assert_eq!((found.networks.len(), &found.incomplete[0].cells[..]), (1, &["g.cell2.".to_owned()][..]));
        assert!(
            found.incomplete[0].reason.contains("`g.cell2.output_conv.weight`"),
            "{:?}",
            found.incomplete
        );
        let found = detect([gates("g.cell1.", 3), gates("grad.g.cell1.", 2)].concat());
        assert_eq!((found.networks.len(), found.incomplete.len()), (1, 0));
    }

    /// A FireNet of two channels with the names of its program.
    fn fire_net() -> Tensors {
        let mut tensors = zeros(&["head.conv.conv2d.weight"], &[2, 5, 3, 3]);
        let gates = ["reset_gate", "update_gate", "out_gate"];
        for block in ["head", "resblocks.0"] {
            let names = gates.map(|gate| format!("{block}.recurrent_block.{gate}"));
            for name in &names {
                tensors.extend(zeros(&[&format!("{name}.weight")], &[2, 4, 3, 3]));
                tensors.extend(zeros(&[&format!("{name}.bias")], &[2]));
            }
        }
        for block in ["resblocks.0.conv", "resblocks.1"] {
            for part in ["conv1", "conv2"] {
                tensors.extend(zeros(&[&format!("{block}.{part}.weight")], &[2, 2, 3, 3]));
                tensors.extend(zeros(&[&format!("{block}.{part}.bias")], &[2]));
            }
        }
        tensors.extend(zeros(&["pred.conv2d.weight"], &[1, 2, 1, 1]));
        tensors.extend(zeros(&["pred.conv2d.bias"], &[1]));
        tensors.extend(zeros(&["head.conv.conv2d.bias"], &[2]));
        tensors
    }

    #[test]
    fn a_damaged_network_is_not_taken_for_loose_cells() {
        let found = detect(fire_net());
        assert_eq!((found.networks.len(), found.rest.len(), found.incomplete.len()), (1, 0, 0));
        let reason = |tensors: Tensors| {
            let found = detect(tensors);
            assert_eq!((found.networks.len(), found.incomplete.len()), (0, 1));
            found.incomplete[0].reason.clone()
        };
        let reasons = ["resblocks.0.conv.conv1.weight", "resblocks.1.conv2.bias", "pred.conv2d.weight"].map(
            |missing| {
                let kept = fire_net().into_iter().filter(|(name, _)| name != missing).collect();
                (missing, reason(kept))
            },
        );
        for (missing, reason) in reasons {
            assert!(reason.contains("no tensor") && reason.contains("firenet"), "{missing}: {reason}");
        }
        for (name, shape) in [
            ("head.recurrent_block.out_gate.weight", &[1, 4, 3, 3][..]),
            ("resblocks.0.recurrent_block.out_gate.weight", &[2, 3, 4, 3]),
            ("resblocks.1.conv2.weight", &[1, 2, 3, 3]),
            ("resblocks.1.conv1.bias", &[1]),
            ("head.conv.conv2d.bias", &[3]),
        ] {
            let mut tensors = fire_net();
            tensors.iter_mut().find(|(own, _)| own == name).unwrap().1 = Tensor::zeros(shape);
            let reason = reason(tensors);
            assert!(reason.contains(&format!("{name}: shape {shape:?} where")), "{reason}");
        }
    }

    #[test]
    fn what_only_looks_like_a_network_is_left_with_a_reason() {
        let found = detect(zeros(&["block.conv2.1.weight", "block.conv1.0.weight"], &[4, 3, 3, 3]));
        assert!(found.networks.is_empty());
        assert_eq!(found.rest.len(), 2);
        assert!(found.reasons[0].1.starts_with("it looks like jhhuang96, but: "), "{:?}", found.reasons);
    }
}
