//! How published ConvGRUs keep their weights, and the way from there to ours and back.
//!
//! All these cells compute our equations (docs/conventions.md), with the reset gate before or after the
//! convolution of the state, which no conversion changes. What differs is where the numbers lie:
//! which gates share a tensor and in which order, whether the channels of input or state come first
//! in a joint kernel, and which of `z` and `1 - z` weighs the candidate:
//!
//! ```text
//! A: h' = (1 - z).h + z.n  (ours)      B: h' = z.h + (1 - z).n
//! ```
//! As `1 - sigmoid(a) = sigmoid(-a)`, a cell of one kind becomes one of the other when weights and bias of its
//! update gate change sign. So a [`Layout`] is a permutation and a sign of numbers, but for biases: where
//! input and state have one each, they are added up, and both have the gradient of their sum.

mod convert;
pub(super) mod detect;
mod directions;
pub(super) mod stacking;
mod systems;

use std::collections::HashSet;

use convgru_kernels::Scalar;

use self::convert::Cell;
use crate::config::{ConvGruConfig, KernelSizes, ResetGate};
use crate::error::{Error, Result};
use crate::fused::cell::{CellParameters, CellShape};
use crate::tensor::{Tensor, expect_shape};

/// A gate of a cell; the values are their places among ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `z`
    Update,
    /// `r`
    Reset,
    /// `n`
    Candidate,
}

/// What the input channels of a kernel belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// First the input, then the state.
    InputState,
    /// First the state, then the input.
    StateInput,
    /// The input alone.
    Input,
    /// The state alone.
    State,
}

/// Which of the old state and the candidate the update gate weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlendConvention {
    /// `h' = (1 - z).h + z.n`, as here.
    Candidate,
    /// `h' = z.h + (1 - z).n`
    State,
}

/// A convolution of a published cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GateTensor {
    /// Its name below that of the cell.
    pub(crate) name: &'static str,
    /// The gates whose kernels it holds, along the output channels in this order.
    pub(crate) gates: &'static [Gate],
    /// What its input channels belong to.
    pub(crate) columns: Columns,
}

/// How a published cell keeps its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The repository or paper.
    pub system: &'static str,
    /// Its convolutions; each gate is in one, or in one of the input and one of the state.
    pub(crate) tensors: &'static [GateTensor],
    /// The name of a kernel: `*` stands for that of the convolution, `#` for the number of the layer.
    pub(crate) weight: &'static str,
    /// The name of a bias, likewise.
    pub(crate) bias: &'static str,
    /// Whether kernels of one pixel are kept as matrices.
    pub(crate) matrices: bool,
    /// Where the reset gate acts.
    pub reset: ResetGate,
    /// What the update gate weighs.
    pub(crate) blend: BlendConvention,
}

/// A stack of published cells, rearranged into ours.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignStack<T> {
    /// Channels, layers and kernels.
    pub config: ConvGruConfig,
    /// The parameters of each layer, from the input up.
    pub layers: Vec<CellParameters<T>>,
    /// What the names of each layer's tensors begin with, or its number where that is within them.
    pub prefixes: Vec<String>,
}

impl Layout {
    /// The layout of a system, by the name it has in docs/conventions.md.
    ///
    /// ```
    /// use convgru_model::import::layout::Layout;
    ///
    /// assert_eq!(Layout::of("raft").map(|layout| layout.system), Some("raft"));
    /// assert!(Layout::of("a system nobody knows").is_none());
    /// ```
    pub fn of(system: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|layout| layout.system == system)
    }

    /// Rearranges the tensors of a `state_dict`.
    ///
    /// Every cell with the convolutions of this layout is a layer, in the order of their names (numbers by
    /// value). A cell has biases in all its convolutions or in none.
    ///
    /// # Shapes
    /// Kernels `[gates hidden, in, kh, kw]` or matrices `[gates hidden, in]`, biases `[gates hidden]`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] if there is no cell or one lacks a tensor, [`Error::UnexpectedTensor`] for
    /// a tensor that belongs to none, [`Error::ShapeMismatch`] for tensors that do not
    /// fit together, [`Error::InvalidConfig`] if they fit but make no stack of ours.
    ///
    /// ```
    /// use convgru_model::{Tensor, import::layout::Layout};
    ///
    /// let mut tensors = Vec::new();
    /// for gate in ["update_gate", "reset_gate", "out_gate"] {
    ///     tensors.push((format!("ConvGRUCell_00.{gate}.weight"), Tensor::<f32>::zeros(&[6, 8 + 6, 3, 3])));
    ///     tensors.push((format!("ConvGRUCell_00.{gate}.bias"), Tensor::zeros(&[6])));
    /// }
    /// let stack = Layout::SEED.read(&tensors)?;
    /// assert_eq!(stack.config.in_channels, 8);
    /// assert_eq!(stack.layers[0].hidden_weights.shape(), [3 * 6, 6, 3, 3]);
    /// assert_eq!(Layout::SEED.write(&stack.prefixes, &stack.layers)?.len(), 6);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn read<T: Scalar>(&self, tensors: &[(String, Tensor<T>)]) -> Result<ForeignStack<T>> {
        let named: Vec<(&str, &Tensor<T>)> =
            tensors.iter().map(|(name, tensor)| (&name[..], tensor)).collect();
        self.read_named(&named)
    }

    /// As [`read`](Self::read), of tensors that lie elsewhere.
    fn read_named<T: Scalar>(&self, tensors: &[(&str, &Tensor<T>)]) -> Result<ForeignStack<T>> {
        let prefixes = self.prefixes(tensors.iter().map(|(name, _)| *name));
        if prefixes.is_empty() {
            return Err(missing(tensors, name_of(self.weight, "", self.tensors[0].name)));
        }
        let cells = prefixes.iter().map(|prefix| Cell { layout: self, prefix });
        let layers = cells.clone().map(|cell| cell.read(tensors)).collect::<Result<Vec<_>>>()?;
        let known = |name: &str| cells.clone().any(|cell| cell.has(name));
        if let Some((name, _)) = tensors.iter().find(|(name, _)| !known(name)) {
            return Err(Error::UnexpectedTensor { name: (*name).to_owned() });
        }
        let config = config_of(&layers)?;
        for (layer, (parameters, prefix)) in layers.iter().zip(&prefixes).enumerate() {
            let shape = parameters.input_weights.shape();
            let expected = [shape[0], config.input_of_layer(layer), shape[2], shape[3]];
            expect_shape(&format!("input part of `{prefix}{}`", self.tensors[0].name), shape, &expected)?;
        }
        Ok(ForeignStack { config, layers, prefixes })
    }

    /// Rearranges parameters of ours into this layout, with names that begin as `prefixes` say, one for
    /// each layer; the inverse of [`read`](Self::read), but that of two biases which are added up the
    /// second is zero.
    ///
    /// # Errors
    /// [`Error::Count`] if there is not a prefix for each layer, [`Error::ShapeMismatch`] if the
    /// tensors of a layer do not fit together.
    pub fn write<T: Scalar>(
        &self,
        prefixes: &[String],
        layers: &[CellParameters<T>],
    ) -> Result<Vec<(String, Tensor<T>)>> {
        self.rearrange(prefixes, layers, SecondBias::Zero)
    }

    /// As [`write`](Self::write), for gradients: two biases that are added up have the same.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_gradients<T: Scalar>(
        &self,
        prefixes: &[String],
        gradients: &[CellParameters<T>],
    ) -> Result<Vec<(String, Tensor<T>)>> {
        self.rearrange(prefixes, gradients, SecondBias::Same)
    }

    fn rearrange<T: Scalar>(
        &self,
        prefixes: &[String],
        layers: &[CellParameters<T>],
        second: SecondBias,
    ) -> Result<Vec<(String, Tensor<T>)>> {
        crate::error::expect_count("prefixes of names of layers", layers.len(), prefixes.len())?;
        let mut tensors = Vec::new();
        for (prefix, parameters) in prefixes.iter().zip(layers) {
            Cell { layout: self, prefix }.write(parameters, second, &mut tensors)?;
        }
        Ok(tensors)
    }

    /// What the names of those cells begin with whose kernels are all among `names`, numbers in their order.
    ///
    /// ```
    /// use convgru_model::import::layout::Layout;
    ///
    /// let names = ["a.gru.convz.weight", "a.gru.convr.weight", "a.gru.convq.weight", "b.convz.weight"];
    /// assert_eq!(Layout::of("raft").map(|raft| raft.cells_in(names)), Some(vec!["a.gru.".to_owned()]));
    /// ```
    pub fn cells_in<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let names: HashSet<&str> = names.into_iter().collect();
        let mut prefixes = self.prefixes(names.iter().copied());
        prefixes.retain(|prefix| {
            let of_tensor = |tensor: &GateTensor| name_of(self.weight, prefix, tensor.name);
            self.tensors.iter().all(|tensor| names.contains(of_tensor(tensor).as_str()))
        });
        prefixes
    }

    /// The name of the kernel of a convolution.
    pub(in crate::import) fn weight_name(&self, prefix: &str, convolution: &str) -> String {
        name_of(self.weight, prefix, convolution)
    }

    /// The name of the bias of a convolution.
    pub(in crate::import) fn bias_name(&self, prefix: &str, convolution: &str) -> String {
        name_of(self.bias, prefix, convolution)
    }

    /// What the names of cells begin with that have a tensor of this layout, numbers in their order.
    pub(in crate::import) fn cell_prefixes<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        self.prefixes(names)
    }

    /// Whether names have the number of their layer within, and nothing before.
    fn is_numbered(&self) -> bool {
        self.weight.contains('#')
    }

    /// What the names of cells begin with that have a tensor of this layout, numbers in their order.
    fn prefixes<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        let prefix =
            |name: &str| self.tensors.iter().find_map(|tensor| prefix_of(self.weight, name, tensor.name));
        let mut prefixes: Vec<String> = names.filter_map(prefix).collect();
        // Names of the same length compare as their numbers do.
        prefixes.sort_by_key(|prefix| (prefix.len(), prefix.clone()));
        prefixes.dedup();
        prefixes
    }
}

/// What the second of two biases that are added up becomes.
#[derive(Debug, Clone, Copy)]
enum SecondBias {
    Zero,
    Same,
}

/// A name by its pattern.
fn name_of(pattern: &str, prefix: &str, convolution: &str) -> String {
    let name = pattern.replace('*', convolution);
    if pattern.contains('#') { name.replace('#', prefix) } else { format!("{prefix}{name}") }
}

/// The inverse of [`name_of`]: the prefix or the number of the layer, if the name has the pattern.
fn prefix_of(pattern: &str, name: &str, convolution: &str) -> Option<String> {
    let pattern = pattern.replace('*', convolution);
    match pattern.split_once('#') {
        Some((before, after)) => {
            let number = name.strip_prefix(before)?.strip_suffix(after)?;
            (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| number.into())
        }
        None => {
            let prefix = name.strip_suffix(&pattern)?;
            // MXNet separates parts of names by underscores, TensorFlow by slashes.
            let ends = prefix.ends_with('.')
                || prefix.ends_with('_') && pattern.contains("h_weight")
                || prefix.ends_with('/') && pattern.contains('/');
            (prefix.is_empty() || ends).then(|| prefix.into())
        }
    }
}

/// The stack that some layers make.
fn config_of<T: Scalar>(layers: &[CellParameters<T>]) -> Result<ConvGruConfig> {
    let sizes = |of: fn(CellShape) -> [usize; 2]| {
        KernelSizes::PerLayer(layers.iter().map(|layer| of(layer.shape())).collect())
    };
    let (kernel_size, of_input) = (sizes(|shape| shape.kernel), sizes(|shape| shape.input_kernel));
    let hidden_channels: Vec<_> = layers.iter().map(|layer| layer.hidden_weights.shape()[1]).collect();
    let config = ConvGruConfig {
        input_kernel_size: (of_input != kernel_size).then_some(of_input),
        kernel_size,
        bias: layers[0].bias.is_some(),
        reset: layers[0].reset,
        ..ConvGruConfig::new(layers[0].input_weights.shape()[1], &hidden_channels)
    };
    config.validate()?;
    Ok(config)
}

fn missing<T>(tensors: &[(&str, &Tensor<T>)], name: String) -> Error {
    let mut found: Vec<&str> = tensors.iter().map(|(n, _)| *n).take(6).collect();
    if tensors.len() > found.len() {
        found.push("...");
    }
    Error::MissingTensor { name, found: found.join(", ") }
}

#[cfg(test)]
mod tests;
