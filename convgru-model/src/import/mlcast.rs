//! Networks of mlcast.
//!
//! Its cells have the layout `convgru_ensemble`. Its `PixelUnshuffle` lays the pixels of a square beside each other where
//! ours lays the channels of a pixel beside each other, so that channels of coarser scales change places on their way in and out.

use std::collections::{BTreeMap, HashMap, HashSet};

use convgru_kernels::Scalar;

use super::layout::Layout;
use super::layout::stacking::Incomplete;
use super::{NamedNetwork, Origin};
use crate::config::{MLCAST_DOWN, MlcastConfig};
use crate::error::{Error, Result};
use crate::export::MLCAST as SYSTEM;
use crate::forecaster::{Forecaster, Noise};
use crate::fused::CellParameters;
use crate::tensor::{Tensor, expect_rank, expect_shape};

/// What stands between a side of the network and the number of a block, and after it.
const BLOCKS: &str = ".blocks.";
const CELL: &str = ".convgru.cell.";

/// What [`detect`] sees in a file.
#[derive(Debug)]
pub(super) struct Forecasters<T> {
    /// The networks: of one member that reads no noise.
    pub(super) found: Vec<NamedNetwork<T>>,
    /// All other tensors.
    pub(super) rest: Vec<(String, Tensor<T>)>,
    /// Networks that lack tensors, or hold what no network can.
    pub(super) incomplete: Vec<Incomplete>,
}

/// Takes all networks of mlcast out of the tensors of a file.
pub(super) fn detect<T: Scalar>(tensors: Vec<(String, Tensor<T>)>) -> Forecasters<T> {
    // Of each prefix the names in the file, and the tensors under their own names.
    type Named<T> = (Vec<String>, Vec<(String, Tensor<T>)>);
    let mut networks: BTreeMap<String, Named<T>> = BTreeMap::new();
    let mut rest = Vec::new();
    for (name, tensor) in tensors {
        match apart(&name) {
            Some((prefix, own)) => {
                let network = networks.entry(prefix).or_default();
                network.0.push(name);
                network.1.push((own, tensor));
            }
            None => rest.push((name, tensor)),
        }
    }
    let (mut found, mut incomplete) = (Vec::new(), Vec::new());
    for (prefix, (tensors, own)) in networks {
        let sides = ["encoder", "decoder"].map(|side| own.iter().any(|(own, _)| own.starts_with(side)));
        if sides == [true, true] {
            match network_of(&own) {
                Ok(network) => {
                    let names: HashMap<&str, &String> =
                        own.iter().zip(&tensors).map(|((own, _), name)| (own.as_str(), name)).collect();
                    let origin =
                        Origin::new(SYSTEM, own.iter().map(|(name, tensor)| (name.as_str(), tensor)))
                            .renamed(|own| names.get(own).map_or(own, |name| name).to_owned());
                    found.push(NamedNetwork { name: prefix, network: network.into(), origin: Some(origin) });
                }
                Err(error) => incomplete.push(Incomplete {
                    cells: vec![prefix],
                    reason: format!("a network of mlcast that cannot be read: {error}"),
                }),
            }
        } else {
            // Cells of an encoder alone are cells, whatever reads them.
            rest.extend(tensors.into_iter().zip(own).map(|(name, (_, tensor))| (name, tensor)));
        }
    }
    Forecasters { found, rest, incomplete }
}

/// What a name has before the name of a tensor in mlcast's network, and that name, if it is one.
pub(super) fn apart(name: &str) -> Option<(String, String)> {
    let at = name.find(CELL)?;
    let number = name[..at].rfind(BLOCKS)?;
    let side = ["encoder", "decoder"].into_iter().find(|side| name[..number].ends_with(side))?;
    name[number + BLOCKS.len()..at].parse::<usize>().ok()?;
    let begin = number - side.len();
    let prefix = &name[..begin];
    (prefix.is_empty() || prefix.ends_with('.')).then(|| (prefix.to_owned(), name[begin..].to_owned()))
}

/// The network whose `state_dict` holds these tensors: of one member that reads no noise.
///
/// # Errors
/// [`Error::MissingTensor`] and [`Error::UnexpectedTensor`] where the tensors do not fit a network,
/// [`Error::ShapeMismatch`] where channels or kernels do not belong together, [`Error::WeightFile`] for numbers that are not finite.
///
/// ```
/// use convgru_model::{Forecaster, ForecasterConfig, MlcastConfig, export, import};
///
/// let config = MlcastConfig { blocks: 2, ..Default::default() };
/// let network = Forecaster::<f32>::new(config.clone(), 0)?;
/// let written = export::mlcast(&config, network.parameters())?;
/// assert_eq!(written.tensors[0].0, "encoder.blocks.0.convgru.cell.combined_gates.weight");
/// let read = import::mlcast::read(&written.tensors)?;
/// assert_eq!(read.config(), &ForecasterConfig::from(config));
/// assert_eq!(read.parameters(), network.parameters());
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn read<T: Scalar>(tensors: &[(String, Tensor<T>)]) -> Result<Forecaster<T>> {
    if let Some((name, _)) = tensors.iter().find(|(_, tensor)| !tensor.is_finite()) {
        let reason = format!("the tensor `{name}` holds numbers that are NaN or infinite");
        return Err(Error::WeightFile { reason });
    }
    network_of(tensors)
}

/// As [`read`], with numbers that may be NaN or infinite.
fn network_of<T: Scalar>(tensors: &[(String, Tensor<T>)]) -> Result<Forecaster<T>> {
    let config = config_of(tensors)?;
    let all: HashSet<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    if all.len() < tensors.len() {
        let reason = "two tensors of a network of mlcast have the same name".to_owned();
        return Err(Error::WeightFile { reason });
    }
    let names: Vec<String> = cells_of(config.blocks).map(|cell| cell.theirs).collect();
    let is_own = |name: &str| names.iter().any(|cell| name.starts_with(cell.as_str()));
    if let Some((name, _)) = tensors.iter().find(|(name, _)| !is_own(name)) {
        return Err(Error::UnexpectedTensor { name: name.clone() });
    }
    let mut taken: HashMap<String, Tensor<T>> = HashMap::new();
    for cell in cells_of(config.blocks) {
        let own: Vec<(&str, &Tensor<T>)> = tensors
            .iter()
            .filter(|(name, _)| name.starts_with(&cell.theirs))
            .map(|(name, tensor)| (name.as_str(), tensor))
            .collect();
        let missing = |name: &str| Error::MissingTensor {
            name: format!("{}{name}", cell.theirs),
            found: own.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        };
        if own.is_empty() {
            return Err(missing("combined_gates.weight"));
        }
        let layer = layout().read_named(&own)?.layers.into_iter().next();
        let layer = layer.ok_or_else(|| missing("combined_gates.weight"))?;
        let order = order(config.image_channels, cell.scale);
        let shape = layer.shape();
        let what = format!("channels of input and state of `{}`", cell.theirs);
        expect_shape(&what, &[shape.in_channels, shape.hidden_channels], &[order.len(); 2])?;
        let layer = reordered(&layer, &order);
        let CellParameters { input_weights, hidden_weights, bias, .. } = layer;
        let bias = bias.ok_or_else(|| missing("combined_gates.bias"))?;
        for (name, tensor) in
            [("input_weights", input_weights), ("hidden_weights", hidden_weights), ("bias", bias)]
        {
            taken.insert(format!("{}{name}", cell.ours), tensor);
        }
    }
    Forecaster::from_tensors(config, &mut |name, shape| {
        let tensor = taken.remove(name).ok_or_else(|| Error::MissingTensor {
            name: name.to_owned(),
            found: "cells of other blocks".to_owned(),
        })?;
        expect_shape(&format!("`{name}` of a network of mlcast"), tensor.shape(), shape)?;
        Ok(tensor)
    })
}

/// Noise with the channels in mlcast's order, brought into ours.
///
/// # Shapes
/// `noise`: `[members, steps, N, C', H', W']`, and so the result
///
/// # Errors
/// [`Error::ShapeMismatch`] if dimensions or channels differ from the coarsest states.
pub fn noise<T: Scalar>(config: &MlcastConfig, noise: &Tensor<T>) -> Result<Noise<T>> {
    Ok(Noise::Given(reordered_noise(noise, &order(config.image_channels, config.blocks))?))
}

/// Noise whose channels were `order` before.
pub(crate) fn reordered_noise<T: Scalar>(noise: &Tensor<T>, order: &[usize]) -> Result<Tensor<T>> {
    let shape = noise.shape();
    expect_rank("noise", shape, &["members", "steps", "N", "C", "H", "W"])?;
    let mut expected = shape.to_vec();
    expected[3] = order.len();
    expect_shape("noise", shape, &expected)?;
    let plane = shape[4] * shape[5];
    let number = |index: usize| {
        let (channel, first) = (index / plane % order.len(), index / (plane * order.len()) * order.len());
        noise.as_slice()[(first + order[channel]) * plane + index % plane]
    };
    Ok(Tensor::from_fn(shape, number))
}

/// A cell of mlcast's network and of ours.
pub(crate) struct CellOfBlock {
    /// What the names of its tensors begin with there.
    pub(crate) theirs: String,
    /// The component here.
    pub(crate) component: String,
    /// What the names of its tensors begin with here.
    pub(crate) ours: String,
    /// How many times squares of pixels became channels of its state.
    pub(crate) scale: usize,
}

/// The cells of a network of so many blocks, in the order of the `state_dict`. Blocks of the decoder are counted from the coarsest on
/// there.
pub(crate) fn cells_of(blocks: usize) -> impl Iterator<Item = CellOfBlock> {
    let cell = |theirs: &str, number: usize, component: String, scale: usize| CellOfBlock {
        theirs: format!("{theirs}{BLOCKS}{number}{CELL}"),
        ours: format!("{component}.layers.0."),
        component,
        scale,
    };
    let encoder = (0..blocks).map(move |block| cell("encoder", block, format!("encoder.{block}"), block));
    let decoder = (0..blocks).map(move |number| {
        let block = blocks - 1 - number;
        cell("decoder", number, format!("forecaster.{block}"), block + 1)
    });
    encoder.chain(decoder)
}

/// The layout of the cells.
pub(crate) fn layout() -> &'static Layout {
    Layout::of("convgru_ensemble").expect("the layout is one of those that are known")
}

/// The configuration that tensors tell.
fn config_of<T: Scalar>(tensors: &[(String, Tensor<T>)]) -> Result<MlcastConfig> {
    let first = format!("encoder{BLOCKS}0{CELL}out_gate.weight");
    let found = || tensors.iter().take(8).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let kernel = tensors.iter().find(|(name, _)| *name == first);
    let (_, kernel) = kernel.ok_or_else(|| Error::MissingTensor { name: first.clone(), found: found() })?;
    expect_rank(&first, kernel.shape(), &["C", "2 C", "kh", "kw"])?;
    let number = |(name, _): &(String, Tensor<T>)| {
        let rest = name.split_once(BLOCKS)?.1;
        rest.split_once('.')?.0.parse::<usize>().ok()
    };
    let blocks = tensors.iter().filter_map(number).max().map_or(0, |last| last.saturating_add(1));
    let &[image_channels, _, height, width] = kernel.shape() else { unreachable!("its rank was compared") };
    let config =
        MlcastConfig { image_channels, blocks, kernel_size: [height, width], ..MlcastConfig::default() };
    config.validate()?;
    Ok(config)
}

/// Where each of our channels of a scale is among mlcast's: ours are the channels of the first pixel of a square, then those of the
/// next; there the pixels of the first channel come first.
pub(crate) fn order(image_channels: usize, scale: usize) -> Vec<usize> {
    let taps = MLCAST_DOWN * MLCAST_DOWN;
    let deeper = |order: Vec<usize>, _| {
        (0..taps).flat_map(|tap| order.iter().map(move |&channel| channel * taps + tap)).collect()
    };
    (0..scale).fold((0..image_channels).collect(), deeper)
}

/// The inverse of an [`order`].
pub(crate) fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    inverse
}

/// A cell whose channels of input and state were `order` before.
pub(crate) fn reordered<T: Scalar>(cell: &CellParameters<T>, order: &[usize]) -> CellParameters<T> {
    let place = |row: usize| row / order.len() * order.len() + order[row % order.len()];
    let kernel = |tensor: &Tensor<T>| {
        let taps = tensor.shape()[2] * tensor.shape()[3];
        let number = |index: usize| {
            let (row, column, tap) = (index / (order.len() * taps), index / taps % order.len(), index % taps);
            tensor.as_slice()[(place(row) * order.len() + order[column]) * taps + tap]
        };
        Tensor::from_fn(tensor.shape(), number)
    };
    CellParameters {
        input_weights: kernel(&cell.input_weights),
        hidden_weights: kernel(&cell.hidden_weights),
        bias: cell.bias.as_ref().map(|bias| Tensor::from_fn(bias.shape(), |row| bias.as_slice()[place(row)])),
        ..cell.clone()
    }
}

#[cfg(test)]
mod tests;
