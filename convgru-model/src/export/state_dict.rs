//! Weights as other programs keep them: the inverse of [`import::layout`](crate::import::layout).

use convgru_kernels::Scalar;

use crate::config::ConvGruConfig;
use crate::error::{Error, Result};
use crate::fused::ConvGru;
use crate::fused::cell::{CellParameters, CellShape};
use crate::import::NamedTensors;
use crate::import::layout::{Columns, Layout};
use crate::tensor::{Tensor, expect_shape};

/// Systems whose convolutions always have a bias: where ours has none, it is zero there.
const ALWAYS_WITH_BIAS: &[&str] = &["jacobkimmel", "e2vid", "bionick87", "rvm", "raft"];

/// Systems whose cells read as many channels as their state has.
const AS_MANY_INPUTS: &[&str] = &["rvm", "csd111"];

/// Systems whose layers all have states of the same channels.
const SAME_IN_ALL_LAYERS: &[&str] = &["torch_nn_gru_1x1"];

/// What names of cells begin with, where a system has several; `{}` stands for the number of the layer.
const NAMES_OF_CELLS: &[(&str, &str)] =
    &[("happyjin", "cell_list.{}."), ("metnet", "cell_list.{}."), ("georgeyiasemis", "rnn_cell_list.{}.")];

/// The `state_dict` of another program: the weights of a stack, rearranged into its layout.
///
/// `cells` is what the names of cells begin with: `{}` in it stands for the number of the layer, and a dot is
/// added where it ends with none. Without it they have the names of the layout's own repository, as far as that
/// names them.
///
/// [`Layout::read`] gives the same weights back, bit for bit. Where a system always has a bias and the stack has
/// none, zeros are written; where it has two that are added up, the second is zero.
///
/// # Errors
/// [`Error::InvalidConfig`] where the reset gate acts elsewhere, or names of layers would be the same;
/// [`Error::ShapeMismatch`] and [`Error::InvalidConfig`] with the numbers where the system has no place for these kernels or channels.
///
/// ```
/// use convgru_model::export::state_dict;
/// use convgru_model::import::layout::Layout;
/// use convgru_model::{ConvGru, ConvGruConfig};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4, 3]), 0)?;
/// let written = state_dict(&Layout::SEED, &network, None)?;
/// assert_eq!(written.tensors[0].0, "ConvGRUCell_00.update_gate.weight");
/// assert_eq!(Layout::SEED.read(&written.tensors)?.layers, network.parameters().layers);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn state_dict<T: Scalar>(
    layout: &Layout,
    network: &ConvGru<T>,
    cells: Option<&str>,
) -> Result<NamedTensors<T>> {
    network.check()?;
    expect_functions(layout, network.config())?;
    let layers = &network.parameters().layers;
    for (index, layer) in layers.iter().enumerate() {
        expect_place(layout, index, layer, layers[0].shape().hidden_channels)?;
    }
    let prefixes = prefixes(layout, layers.len(), cells)?;
    let tensors = if ALWAYS_WITH_BIAS.contains(&layout.system) && !network.config().bias {
        layout.write(&prefixes, &layers.iter().map(with_zero_bias).collect::<Vec<_>>())?
    } else {
        layout.write(&prefixes, layers)?
    };
    Ok(NamedTensors { tensors, skipped: Vec::new() })
}

/// Fails if cells compute another function of their weights than a system does: all of them are of sigmoid and tanh, without
/// dilation.
fn expect_functions(layout: &Layout, config: &ConvGruConfig) -> Result<()> {
    let plain = ConvGruConfig::new(config.in_channels, &config.hidden_channels);
    let differ = [
        (config.gate_activation != plain.gate_activation).then(|| {
            (
                "gate_activation",
                format!("{} where {} has {}", config.gate_activation, layout.system, plain.gate_activation),
            )
        }),
        (config.candidate_activation != plain.candidate_activation).then(|| {
            let expected = plain.candidate_activation;
            (
                "candidate_activation",
                format!("{} where {} has {expected}", config.candidate_activation, layout.system),
            )
        }),
        ([config.dilation, config.dilation_of_input()] != [[1, 1]; 2]).then(|| {
            let reason = format!("{:?} where {} has kernels without gaps", config.dilation, layout.system);
            ("dilation", reason)
        }),
    ];
    match differ.into_iter().flatten().next() {
        Some((field, reason)) => Err(Error::InvalidConfig { field: field.into(), reason }),
        None => Ok(()),
    }
}

/// Fails if a system has no place for the weights of a layer.
fn expect_place<T: Scalar>(
    layout: &Layout,
    index: usize,
    layer: &CellParameters<T>,
    first_hidden: usize,
) -> Result<()> {
    let what = |part: &str| format!("{part} of layer {index} for {}", layout.system);
    if layer.reset != layout.reset {
        return Err(Error::InvalidConfig {
            field: format!("reset of layer {index}"),
            reason: format!(
                "it acts {} the convolution of the state, but in {} it acts {} the convolution; one form cannot be converted into \
                 the other",
                layer.reset, layout.system, layout.reset
            ),
        });
    }
    let CellShape { in_channels, hidden_channels, kernel, input_kernel, .. } = layer.shape();
    if in_channels == 0 {
        return Err(Error::InvalidConfig {
            field: "in_channels".into(),
            reason: format!("0, but cells of {} read an input", layout.system),
        });
    }
    if layout.matrices {
        expect_shape(&what("kernels over the input"), &input_kernel, &[1, 1])?;
        expect_shape(&what("kernels over the state"), &kernel, &[1, 1])?;
    }
    let is_joint = |columns: Columns| matches!(columns, Columns::InputState | Columns::StateInput);
    if layout.tensors.iter().any(|tensor| is_joint(tensor.columns)) {
        expect_shape(
            &what("kernels over the input, which are one with those over the state,"),
            &input_kernel,
            &kernel,
        )?;
    }
    if AS_MANY_INPUTS.contains(&layout.system) && in_channels != hidden_channels {
        return Err(Error::InvalidConfig {
            field: "in_channels".into(),
            reason: format!(
                "{} needs as many input channels as state channels: layer {index} has {in_channels} and {hidden_channels}",
                layout.system
            ),
        });
    }
    if SAME_IN_ALL_LAYERS.contains(&layout.system) && hidden_channels != first_hidden {
        return Err(Error::InvalidConfig {
            field: "hidden_channels".into(),
            reason: format!(
                "{} needs the same number of state channels in all layers: layer 0 has {first_hidden} and layer {index} has {hidden_channels}",
                layout.system
            ),
        });
    }
    Ok(())
}

/// What the names of each layer's tensors begin with.
fn prefixes(layout: &Layout, layers: usize, cells: Option<&str>) -> Result<Vec<String>> {
    if layout.weight.contains('#') {
        return match cells {
            None => Ok((0..layers).map(|layer| layer.to_string()).collect()),
            Some(cells) => {
                refuse_names(cells, &format!("{} has only numbers of layers in its names", layout.system))
            }
        };
    }
    let default = match NAMES_OF_CELLS.iter().find(|(system, _)| *system == layout.system) {
        Some((_, names)) => names,
        None if layers == 1 => "",
        None => "{}.",
    };
    let numbered = |pattern: &str, layer: usize| pattern.replace("{}", &layer.to_string());
    match cells {
        None if layout.system == Layout::SEED.system => {
            Ok((0..layers).map(|layer| format!("ConvGRUCell_{layer:02}.")).collect())
        }
        None => Ok((0..layers).map(|layer| numbered(default, layer)).collect()),
        Some(cells) if layers > 1 && !cells.contains("{}") => {
            refuse_names(cells, &format!("{layers} layers need `{{}}` in it, where their numbers are"))
        }
        Some(cells) => {
            let dot = if cells.is_empty() || cells.ends_with('.') { "" } else { "." };
            Ok((0..layers).map(|layer| numbered(cells, layer) + dot).collect())
        }
    }
}

fn refuse_names(cells: &str, reason: &str) -> Result<Vec<String>> {
    Err(Error::InvalidConfig { field: format!("names of cells `{cells}`"), reason: reason.into() })
}

fn with_zero_bias<T: Scalar>(layer: &CellParameters<T>) -> CellParameters<T> {
    let rows = layer.hidden_weights.shape()[0];
    CellParameters { bias: Some(Tensor::zeros(&[rows])), ..layer.clone() }
}

#[cfg(test)]
mod tests;
