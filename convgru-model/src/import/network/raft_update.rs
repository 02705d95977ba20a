//! RAFT's update block among the tensors of a file, under the names of its own program or of torchvision.

use std::collections::{HashMap, HashSet};

use convgru_kernels::Scalar;

use super::detect::{Networks, Placed};
use super::imported::Hints;
use super::systems::read;
use crate::error::{Error, Result};
use crate::import::layout::stacking::Incomplete;
use crate::import::search::expect_search;
use crate::import::{NamedNetwork, Origin};
use crate::network::Network;
use crate::parameters::Parameters;
use crate::raft::{RaftConvolution, RaftUpdateBlock, RaftUpdateConfig, part};
use crate::tensor::Tensor;

/// The name of the system. Its names of tensors are the names of RAFT's own program.
pub(crate) const SYSTEM: &str = "raft_update";

/// The systems of the cell alone: one kernel, or a pair.
const CELL_SYSTEMS: [&str; 2] = ["raft", "raft_sep"];

/// What the names of the cell's tensors begin with in RAFT's own program.
const GRU: &str = "gru.";

/// The convolutions of a block: our name, the name in RAFT's program, and the name in torchvision.
const CONVOLUTIONS: [[&str; 3]; 9] = [
    ["motion_encoder.correlations.0", "encoder.convc1", "motion_encoder.convcorr1.0"],
    ["motion_encoder.correlations.1", "encoder.convc2", "motion_encoder.convcorr2.0"],
    ["motion_encoder.flow.0", "encoder.convf1", "motion_encoder.convflow1.0"],
    ["motion_encoder.flow.1", "encoder.convf2", "motion_encoder.convflow2.0"],
    ["motion_encoder.joint", "encoder.conv", "motion_encoder.conv.0"],
    ["flow_head.0", "flow_head.conv1", "flow_head.conv1"],
    ["flow_head.1", "flow_head.conv2", "flow_head.conv2"],
    ["mask.0", "mask.0", "mask_predictor.convrelu.0"],
    ["mask.1", "mask.2", "mask_predictor.conv"],
];

/// The gates of a cell with one kernel: the name in RAFT's program, and the name in torchvision.
const SINGLE: [[&str; 2]; 3] = [
    ["gru.convz", "recurrent_block.convgru1.convz"],
    ["gru.convr", "recurrent_block.convgru1.convr"],
    ["gru.convq", "recurrent_block.convgru1.convq"],
];

/// The gates of both passes of a cell with a pair of kernels.
const PAIR: [[&str; 2]; 6] = [
    ["gru.convz1", "recurrent_block.convgru1.convz"],
    ["gru.convr1", "recurrent_block.convgru1.convr"],
    ["gru.convq1", "recurrent_block.convgru1.convq"],
    ["gru.convz2", "recurrent_block.convgru2.convz"],
    ["gru.convr2", "recurrent_block.convgru2.convr"],
    ["gru.convq2", "recurrent_block.convgru2.convq"],
];

/// The name that a tensor of ours has in RAFT's program; the tensors of the cell have none, because their numbers lie in other places there.
pub(crate) fn system_name(ours: &str) -> Option<String> {
    let (module, parameter) = ours.rsplit_once('.')?;
    let [_, theirs, _] = CONVOLUTIONS.iter().find(|[own, ..]| *own == module)?;
    Some(format!("{theirs}.{parameter}"))
}

/// The origin of the cell of a block, from the origin of the block.
pub(crate) fn origin_of_cell(origin: &Origin) -> Origin {
    let is_of_cell = |name: &str| name.starts_with(GRU);
    let tensors: Vec<_> =
        origin.tensors.iter().filter(|tensor| is_of_cell(tensor.system_name())).cloned().collect();
    let is_pair = tensors.iter().any(|tensor| tensor.system_name().starts_with(PAIR[0][0]));
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let first = names.first().copied().unwrap_or_default();
    let is_shared = |end: &usize| names.iter().all(|name| name.get(..*end) == first.get(..*end));
    let mut dots = first.match_indices('.').map(|(at, _)| at + 1).filter(is_shared);
    let prefix = first[..dots.next_back().unwrap_or(0)].to_owned();
    let folded = |name: &&String| tensors.iter().any(|tensor| tensor.name == **name);
    let weight_norm = origin.weight_norm.iter().filter(folded).cloned().collect();
    Origin {
        system: CELL_SYSTEMS[usize::from(is_pair)].to_owned(),
        cells: vec![prefix],
        tensors,
        weight_norm,
        second_biases: Vec::new(),
        ..origin.clone()
    }
}

/// A program with the block: where its names stand in the tables.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Program {
    Raft,
    Torchvision,
}

impl Program {
    const ALL: [Self; 2] = [Self::Raft, Self::Torchvision];

    /// Parts of a block in this program, behind its prefix.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Raft => &["encoder.", "gru.", "flow_head.", "mask."],
            Self::Torchvision => &["motion_encoder.", "recurrent_block.", "flow_head."],
        }
    }

    fn convolution(self, row: [&'static str; 3]) -> &'static str {
        row[1 + usize::from(self == Self::Torchvision)]
    }

    fn gate(self, row: [&'static str; 2]) -> &'static str {
        row[usize::from(self == Self::Torchvision)]
    }
}

/// A block that there may be in a file.
struct Candidate {
    program: Program,
    /// What stands before the names of its tensors.
    prefix: String,
}

/// The module that a block is in its programs.
const MODULE: &str = "update_block.";

impl Candidate {
    /// The candidates among names, each once.
    fn among<'t>(names: impl Iterator<Item = &'t str> + Clone) -> Vec<Self> {
        let mut found = Vec::new();
        for program in Program::ALL {
            let anchor = format!("{}.weight", program.convolution(CONVOLUTIONS[0]));
            let prefixes: HashSet<&str> =
                names.clone().filter_map(|name| name.strip_suffix(&anchor[..])).collect();
            let mut prefixes: Vec<&str> = prefixes.into_iter().collect();
            prefixes.sort_unstable();
            // A block in a module of another name belongs to another program, and a state dict of the block alone has no name before it.
            prefixes.retain(|prefix| matches!(*prefix, "" | "module.") || prefix.ends_with(MODULE));
            let cell = program.parts()[1];
            let has_cell = |prefix: &&str| {
                names.clone().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(cell)))
            };
            prefixes.retain(has_cell);
            found.extend(prefixes.into_iter().map(|prefix| Self { program, prefix: prefix.to_owned() }));
        }
        found
    }

    /// What stands before the name of a module in the file: torchvision has the mask beside the block.
    fn before(&self, module: &str) -> &str {
        match module.starts_with("mask_predictor.") {
            true => self.prefix.strip_suffix(MODULE).unwrap_or(&self.prefix),
            false => &self.prefix,
        }
    }

    fn in_file(&self, module: &str) -> String {
        format!("{}{module}", self.before(module))
    }

    /// Whether a tensor belongs to a part of the block.
    fn has(&self, name: &str) -> bool {
        let is_of = |before: &str, parts: &[&str]| {
            name.strip_prefix(before).is_some_and(|rest| parts.iter().any(|part| rest.starts_with(part)))
        };
        let mask = &["mask_predictor."][..];
        is_of(&self.prefix, self.program.parts())
            || (self.program == Program::Torchvision && is_of(self.before(mask[0]), mask))
    }

    /// Whether a tensor is in the module of the block and in none of its parts.
    fn has_beside(&self, name: &str) -> bool {
        self.prefix.ends_with(MODULE) && name.starts_with(&self.prefix) && !self.has(name)
    }

    /// The tensors that the block has, by their names in the file with their names in RAFT's program; `names` are the tensors of its
    /// parts, which tell what layers there are.
    fn expected(&self, names: &[&str]) -> Vec<(String, String)> {
        let (program, mut modules) = (self.program, Vec::new());
        let has = |module: &str| {
            let before = format!("{}.", self.in_file(module));
            names.iter().any(|name| name.starts_with(&before))
        };
        let has_mask = CONVOLUTIONS[7..].iter().any(|&row| has(program.convolution(row)));
        for row in CONVOLUTIONS {
            let is_there = match row[0] {
                "motion_encoder.correlations.1" => has(program.convolution(row)),
                ours if ours.starts_with(part::MASK) => has_mask,
                _ => true,
            };
            if is_there {
                modules.push((self.in_file(program.convolution(row)), row[1]));
            }
        }
        // The first pass of torchvision's pair has the names of its single cell.
        let passes = if program == Program::Raft { &PAIR[..] } else { &PAIR[3..] };
        let is_pair = passes.iter().any(|&row| has(program.gate(row)));
        let gates = if is_pair { &PAIR[..] } else { &SINGLE[..] };
        modules.extend(gates.iter().map(|&row| (self.in_file(program.gate(row)), row[0])));
        let tensors = |(file, system): (String, &str)| {
            ["weight", "bias"]
                .map(|parameter| (format!("{file}.{parameter}"), format!("{system}.{parameter}")))
        };
        modules.into_iter().flat_map(tensors).collect()
    }
}

/// Takes the update blocks out of the tensors of a file.
pub(super) fn take_blocks<T: Scalar>(mut rest: Vec<Placed<T>>, found: &mut Networks<T>) -> Vec<Placed<T>> {
    let candidates = Candidate::among(rest.iter().map(|(_, (name, _))| name.as_str()));
    if expect_search(candidates.len(), rest.len()).is_err() {
        return rest;
    }
    for candidate in candidates {
        let beside =
            rest.iter().find(|(_, (name, _))| candidate.has_beside(name)).map(|(_, (name, _))| name.clone());
        let (own, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(_, (name, _))| candidate.has(name));
        rest = others;
        let names: Vec<&str> = own.iter().map(|(_, (name, _))| name.as_str()).collect();
        let expected = candidate.expected(&names);
        let known: HashSet<&str> = expected.iter().map(|(file, _)| file.as_str()).collect();
        let unexpected = names.iter().find(|name| !known.contains(*name)).map(|name| (*name).to_owned());
        // With other tensors it is another network, of which RAFT's cell may be a part.
        let refused = match unexpected.or(beside) {
            Some(name) => Err((Error::UnexpectedTensor { name }, false)),
            None => {
                let tensors = own.iter().map(|(_, named)| named);
                block_of(tensors, expected).map_err(|error| (error, true))
            }
        };
        match refused {
            Ok((block, origin)) => found.networks.push(NamedNetwork {
                name: candidate.prefix,
                network: Network::RaftUpdate(Box::new(block)),
                origin: Some(origin),
            }),
            Err((error, is_incomplete)) => {
                let reason = format!("it looks like {SYSTEM}, but: {error}");
                found.reasons.extend(own.iter().map(|(_, (name, _))| (name.clone(), reason.clone())));
                if is_incomplete {
                    found.incomplete.push(Incomplete { cells: vec![candidate.prefix], reason });
                }
                rest.extend(own);
                rest.sort_by_key(|(place, _)| *place);
            }
        }
    }
    rest
}

/// The block of tensors; `expected` are their names in the file, and in RAFT's program.
fn block_of<'t, T: Scalar>(
    tensors: impl Iterator<Item = &'t (String, Tensor<T>)> + Clone,
    expected: Vec<(String, String)>,
) -> Result<(RaftUpdateBlock<T>, Origin)> {
    let by_name: HashMap<&str, &Tensor<T>> =
        tensors.clone().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut of_system: HashMap<&str, (&str, &Tensor<T>)> = HashMap::new();
    for (file, system) in &expected {
        let Some(tensor) = by_name.get(&file[..]) else {
            let found: Vec<&str> = tensors.take(6).map(|(name, _)| name.as_str()).collect();
            return Err(Error::MissingTensor { name: file.clone(), found: found.join(", ") });
        };
        of_system.insert(system, (file, tensor));
    }
    let of_cell: Vec<(String, Tensor<T>)> = expected
        .iter()
        .filter(|(_, system)| system.starts_with(GRU))
        .map(|(file, system)| (system.clone(), by_name[&file[..]].clone()))
        .collect();
    let is_pair = of_cell.len() > 2 * SINGLE.len();
    let config = config_of(&of_system, is_pair)?;
    let cell = read(CELL_SYSTEMS[usize::from(is_pair)], &of_cell, &Hints::default())?.into_network()?;
    let mut of_cell: HashMap<String, Tensor<T>> = cell.to_named().into_iter().collect();
    let block = RaftUpdateBlock::from_tensors(config, &mut |name, shape| {
        if let Some(tensor) = name.strip_prefix(part::CELL).and_then(|own| of_cell.remove(own)) {
            return Ok(tensor);
        }
        let known = system_name(name).and_then(|system| of_system.get(&system[..]).copied());
        let Some((file, tensor)) = known else {
            return Err(Error::MissingTensor {
                name: name.to_owned(),
                found: "the tensors of a cell".to_owned(),
            });
        };
        crate::tensor::expect_shape(&format!("`{file}`"), tensor.shape(), shape)?;
        Ok(tensor.clone())
    })?;
    let systems: HashMap<&str, &str> =
        expected.iter().map(|(file, system)| (file.as_str(), system.as_str())).collect();
    let files: HashMap<&str, &str> =
        expected.iter().map(|(file, system)| (system.as_str(), file.as_str())).collect();
    let named = tensors.map(|(name, tensor)| (systems[&name[..]], tensor));
    let origin = Origin::new(SYSTEM, named).renamed(|system| files[system].to_owned());
    Ok((block, origin))
}

/// The configuration that kernels have, by their names in RAFT's program.
fn config_of<T: Scalar>(
    tensors: &HashMap<&str, (&str, &Tensor<T>)>,
    is_pair: bool,
) -> Result<RaftUpdateConfig> {
    let kernel = |module: &str| -> Result<Option<[usize; 4]>> {
        let Some((file, tensor)) = tensors.get(&format!("{module}.weight")[..]) else { return Ok(None) };
        let sizes: [usize; 4] = tensor.shape().try_into().map_err(|_| Error::ShapeMismatch {
            what: format!("`{file}`"),
            expected: "[out, in, height, width]".to_owned(),
            got: tensor.shape().to_vec(),
        })?;
        Ok(Some(sizes))
    };
    let needed = |module: &str| {
        kernel(module)?.ok_or_else(|| Error::MissingTensor {
            name: format!("{module}.weight"),
            found: "others".to_owned(),
        })
    };
    let convolution = |module: &str| -> Result<RaftConvolution> {
        let [channels, _, height, width] = needed(module)?;
        Ok(RaftConvolution { channels, kernel_size: [height, width] })
    };
    let mut correlations = vec![convolution("encoder.convc1")?];
    if kernel("encoder.convc2")?.is_some() {
        correlations.push(convolution("encoder.convc2")?);
    }
    let mask = match kernel("mask.0")? {
        Some(_) => Some([convolution("mask.0")?, convolution("mask.2")?]),
        None => None,
    };
    let passes: &[&str] = if is_pair { &["gru.convz1", "gru.convz2"] } else { &["gru.convz"] };
    let kernels: Vec<[usize; 4]> = passes.iter().map(|pass| needed(pass)).collect::<Result<_>>()?;
    let [hidden_channels, reads, ..] = kernels[0];
    let joint = convolution("encoder.conv")?;
    let without_context = [hidden_channels, joint.channels, 2].into_iter().fold(0, usize::saturating_add);
    let context_channels = reads.checked_sub(without_context).filter(|&channels| channels > 0);
    let context_channels = context_channels.ok_or_else(|| Error::InvalidConfig {
        field: "in_channels".into(),
        reason: format!(
            "the cell reads {reads} channels, of which {without_context} are its state, features of movement and the flow, and none is left \
             for the context"
        ),
    })?;
    Ok(RaftUpdateConfig {
        correlation_channels: needed("encoder.convc1")?[1],
        context_channels,
        hidden_channels,
        correlations,
        flow: [convolution("encoder.convf1")?, convolution("encoder.convf2")?],
        joint,
        cell_kernels: kernels.iter().map(|&[_, _, height, width]| [height, width]).collect(),
        flow_head: [convolution("flow_head.conv1")?, convolution("flow_head.conv2")?],
        mask,
    })
}
