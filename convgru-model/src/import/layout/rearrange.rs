//! Stacks from a layout to ours and back.

use convgru_kernels::Scalar;

use super::convert::{Cell, SecondBias, missing};
use super::description::{Layout, name_of};
use crate::config::{ConvGruConfig, KernelSizes};
use crate::error::{Error, Result, expect_count};
use crate::fused::cell::{CellParameters, CellShape};
use crate::tensor::{Tensor, expect_shape};

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
    pub(in crate::import) fn read_named<T: Scalar>(
        &self,
        tensors: &[(&str, &Tensor<T>)],
    ) -> Result<ForeignStack<T>> {
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
    /// each layer; the inverse of [`read`](Self::read), except that the second of two biases that are
    /// added up is zero.
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
        expect_count("prefixes of names of layers", layers.len(), prefixes.len())?;
        let mut tensors = Vec::new();
        for (prefix, parameters) in prefixes.iter().zip(layers) {
            Cell { layout: self, prefix }.write(parameters, second, &mut tensors)?;
        }
        Ok(tensors)
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
