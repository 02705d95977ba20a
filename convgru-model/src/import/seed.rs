//! The layout of the first published ConvGRU (jacobkimmel/pytorch_convgru).
//!
//! Per layer `i` it has three convolutions over the channels of input and state side
//! by side, called `ConvGRUCell_{i:02}.{update_gate, reset_gate, out_gate}`. The
//! equations are ours, so a layer's tensors are ours in another arrangement:
//!
//! ```text
//! input_weights  [3H, C, k, k] = the first C input channels of update, reset, out
//! hidden_weights [3H, H, k, k] = the last H input channels of update, reset, out
//! bias           [3H]          = the biases of update, reset, out
//! ```
//!
//! Being a permutation, the same arrangement serves weights and gradients.

use convgru_kernels::Scalar;

use crate::cell::CellParameters;
use crate::config::{ConvGruConfig, Initializer, KernelSize, KernelSizes, Precision};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, expect_rank, expect_shape};

/// The gates in our order: update, reset, candidate.
const GATES: [&str; 3] = ["update_gate", "reset_gate", "out_gate"];

/// A stack in the seed's layout, rearranged into ours.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedStack<T> {
    /// Channels, layers and kernels.
    pub config: ConvGruConfig,
    /// The parameters (or gradients) of each layer, from the input up.
    pub layers: Vec<CellParameters<T>>,
}

/// Rearranges the tensors of a seed's `state_dict`, or gradients with the same names.
///
/// # Shapes
/// `ConvGRUCell_00.update_gate.weight` and so on: `[H, C + H, kh, kw]`,
/// `ConvGRUCell_00.update_gate.bias` and so on: `[H]`.
///
/// # Errors
/// [`Error::MissingTensor`] if a layer lacks a tensor, [`Error::UnexpectedTensor`] for
/// a name that is not one of the seed's, [`Error::ShapeMismatch`] for tensors that do not
/// fit together, [`Error::InvalidConfig`] if they fit but make no stack of ours.
///
/// ```
/// use convgru_model::{Tensor, import::seed};
///
/// let mut tensors = Vec::new();
/// for gate in ["update_gate", "reset_gate", "out_gate"] {
///     tensors.push((format!("ConvGRUCell_00.{gate}.weight"), Tensor::<f32>::zeros(&[6, 8 + 6, 3, 3])));
///     tensors.push((format!("ConvGRUCell_00.{gate}.bias"), Tensor::zeros(&[6])));
/// }
/// let stack = seed::read(&tensors)?;
/// assert_eq!(stack.config.in_channels, 8);
/// assert_eq!(stack.layers[0].hidden_weights.shape(), [3 * 6, 6, 3, 3]);
/// assert_eq!(seed::write(&stack.layers)?.len(), 6);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn read<T: Scalar>(tensors: &[(String, Tensor<T>)]) -> Result<SeedStack<T>> {
    let count = tensors.iter().filter(|(name, _)| name.ends_with(".update_gate.weight")).count();
    let layers: Result<Vec<_>> = (0..count.max(1)).map(|layer| read_layer(tensors, layer)).collect();
    let layers = layers?;
    let known = |name: &str| (0..layers.len()).any(|layer| names(layer).contains(&name.to_owned()));
    if let Some((name, _)) = tensors.iter().find(|(name, _)| !known(name)) {
        return Err(Error::UnexpectedTensor { name: name.clone() });
    }
    let kernels = layers.iter().map(|layer| {
        let shape = layer.hidden_weights.shape();
        KernelSize::Rectangle([shape[2], shape[3]])
    });
    let config = ConvGruConfig {
        in_channels: layers[0].input_weights.shape()[1],
        hidden_channels: layers.iter().map(|layer| layer.hidden_weights.shape()[1]).collect(),
        kernel_size: KernelSizes::PerLayer(kernels.collect()),
        bias: true,
        initializer: Initializer::Orthogonal,
        precision: Precision::default(),
    };
    config.validate()?;
    for (layer, parameters) in layers.iter().enumerate() {
        let shape = parameters.input_weights.shape();
        let expected = [shape[0], config.input_of_layer(layer), shape[2], shape[3]];
        expect_shape(&format!("input part of ConvGRUCell_{layer:02}"), shape, &expected)?;
    }
    Ok(SeedStack { config, layers })
}

/// Rearranges parameters or gradients of ours into the seed's names and layout; the
/// inverse of [`read`]. A layer without bias gets one of zeros, as the seed always has.
///
/// # Errors
/// [`Error::ShapeMismatch`] if the tensors of a layer do not fit together.
pub fn write<T: Scalar>(layers: &[CellParameters<T>]) -> Result<Vec<(String, Tensor<T>)>> {
    let mut tensors = Vec::new();
    for (layer, parameters) in layers.iter().enumerate() {
        let CellParameters { input_weights, hidden_weights, bias } = parameters;
        let what = |part: &str| format!("{part} of layer {layer}");
        expect_rank(&what("hidden weights"), hidden_weights.shape(), &["3 H", "H", "kh", "kw"])?;
        expect_rank(&what("input weights"), input_weights.shape(), &["3 H", "C", "kh", "kw"])?;
        let (hidden, inputs) = (hidden_weights.shape()[1], input_weights.shape()[1]);
        let [kh, kw] = [hidden_weights.shape()[2], hidden_weights.shape()[3]];
        let rows = GATES.len() * hidden;
        expect_shape(&what("hidden weights"), hidden_weights.shape(), &[rows, hidden, kh, kw])?;
        expect_shape(&what("input weights"), input_weights.shape(), &[rows, inputs, kh, kw])?;
        if let Some(bias) = bias {
            expect_shape(&what("bias"), bias.shape(), &[rows])?;
        }
        for (gate, name) in GATES.iter().enumerate() {
            let block = |row: usize| gate * hidden + row;
            let joint = (0..hidden).flat_map(|row| {
                input_weights.slice(block(row)).iter().chain(hidden_weights.slice(block(row))).copied()
            });
            let weight = Tensor::from_vec(&[hidden, inputs + hidden, kh, kw], joint.collect())?;
            let bias = Tensor::from_fn(&[hidden], |row| {
                bias.as_ref().map_or(T::ZERO, |bias| bias.as_slice()[block(row)])
            });
            tensors.push((format!("ConvGRUCell_{layer:02}.{name}.weight"), weight));
            tensors.push((format!("ConvGRUCell_{layer:02}.{name}.bias"), bias));
        }
    }
    Ok(tensors)
}

/// The names of a layer's tensors.
fn names(layer: usize) -> Vec<String> {
    let of_gate = |gate| ["weight", "bias"].map(|kind| format!("ConvGRUCell_{layer:02}.{gate}.{kind}"));
    GATES.into_iter().flat_map(of_gate).collect()
}

fn read_layer<T: Scalar>(tensors: &[(String, Tensor<T>)], layer: usize) -> Result<CellParameters<T>> {
    let get = |gate: &str, kind: &str| find(tensors, format!("ConvGRUCell_{layer:02}.{gate}.{kind}"));
    let first = get(GATES[0], "weight")?;
    let &[hidden, joint, kh, kw] = first.shape() else {
        return Err(joint_mismatch(layer, first.shape()));
    };
    let Some(inputs) = joint.checked_sub(hidden) else {
        return Err(joint_mismatch(layer, first.shape()));
    };
    let taps = kh * kw;
    let (mut input_weights, mut hidden_weights, mut biases) = (Vec::new(), Vec::new(), Vec::new());
    for gate in GATES {
        let (weight, bias) = (get(gate, "weight")?, get(gate, "bias")?);
        let what = |kind: &str| format!("ConvGRUCell_{layer:02}.{gate}.{kind}");
        expect_shape(&what("weight"), weight.shape(), &[hidden, joint, kh, kw])?;
        expect_shape(&what("bias"), bias.shape(), &[hidden])?;
        for row in 0..hidden {
            let (of_input, of_state) = weight.slice(row).split_at(inputs * taps);
            input_weights.extend_from_slice(of_input);
            hidden_weights.extend_from_slice(of_state);
        }
        biases.extend_from_slice(bias.as_slice());
    }
    let rows = GATES.len() * hidden;
    Ok(CellParameters {
        input_weights: Tensor::from_vec(&[rows, inputs, kh, kw], input_weights)?,
        hidden_weights: Tensor::from_vec(&[rows, hidden, kh, kw], hidden_weights)?,
        bias: Some(Tensor::from_vec(&[rows], biases)?),
    })
}

fn find<T: Scalar>(tensors: &[(String, Tensor<T>)], name: String) -> Result<&Tensor<T>> {
    tensors.iter().find(|(n, _)| *n == name).map(|(_, tensor)| tensor).ok_or_else(|| {
        let mut found: Vec<&str> = tensors.iter().map(|(n, _)| n.as_str()).take(6).collect();
        if tensors.len() > found.len() {
            found.push("...");
        }
        Error::MissingTensor { name, found: found.join(", ") }
    })
}

fn joint_mismatch(layer: usize, got: &[usize]) -> Error {
    Error::ShapeMismatch {
        what: format!("ConvGRUCell_{layer:02}.update_gate.weight"),
        expected: "[H, C + H, kh, kw]".to_owned(),
        got: got.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tensors = Vec<(String, Tensor<f64>)>;

    fn tensors() -> Tensors {
        let mut tensors = Vec::new();
        for (layer, [hidden, joint, k]) in [[2, 5, 3], [4, 6, 1]].into_iter().enumerate() {
            for (name, shape) in
                names(layer).into_iter().zip([&[hidden, joint, k, k][..], &[hidden]].into_iter().cycle())
            {
                let first = 1000.0 * tensors.len() as f64;
                tensors.push((name, Tensor::from_fn(shape, |i| first + i as f64)));
            }
        }
        tensors
    }

    #[test]
    fn channels_of_input_and_state_land_where_they_belong() {
        let stack = read(&tensors()).unwrap();
        assert_eq!(stack.config.in_channels, 3);
        assert_eq!(stack.config.hidden_channels, [2, 4]);
        let layer = &stack.layers[0];
        // Gate 1 (reset), row 1: 5 joint channels of 9 taps, the last two of the state.
        assert_eq!(layer.input_weights.slice(3)[0], 2000.0 + 45.0);
        assert_eq!(layer.hidden_weights.slice(3)[0], 2000.0 + 45.0 + 27.0);
        assert_eq!(layer.bias.as_ref().unwrap().as_slice(), [1000.0, 1001.0, 3000.0, 3001.0, 5000.0, 5001.0]);
    }

    #[test]
    fn writing_is_the_inverse_of_reading() {
        assert_eq!(write(&read(&tensors()).unwrap().layers).unwrap(), tensors());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let broken = |change: &dyn Fn(&mut Tensors)| {
            let mut tensors = tensors();
            change(&mut tensors);
            read(&tensors).unwrap_err().to_string()
        };
        assert!(broken(&|t| t.clear()).contains("no tensor `ConvGRUCell_00.update_gate.weight`"));
        assert!(broken(&|t| t.truncate(11)).contains("no tensor `ConvGRUCell_01.out_gate.bias`"));
        assert!(
            broken(&|t| t[2].1 = Tensor::zeros(&[2, 5, 3])).contains("reset_gate.weight: shape [2, 5, 3]")
        );
        assert!(broken(&|t| t[0].1 = Tensor::zeros(&[5, 2, 3, 3])).contains("[H, C + H, kh, kw]"));
        assert!(broken(&|t| t.push(("head".into(), Tensor::zeros(&[1])))).contains("`head`"));
        // A first layer of three channels below a second that reads two.
        let narrow = |t: &mut Tensors| {
            for gate in 0..3 {
                t[2 * gate].1 = Tensor::zeros(&[3, 6, 3, 3]);
                t[2 * gate + 1].1 = Tensor::zeros(&[3]);
            }
        };
        assert!(broken(&narrow).contains("input part of ConvGRUCell_01"));
    }
}
