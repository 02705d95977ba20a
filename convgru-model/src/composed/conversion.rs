//! Between networks that both engines compute.

use convgru_kernels::Scalar;

use super::cell_config::{Bias, CellConfig, CellKind, Context, Normalization};
use super::config::{RecurrentConfig, Stage, Wiring};
use super::network::Recurrent;
#[cfg(feature = "onnx")]
use super::network::RecurrentParameters;
use crate::composed::graph::PaddingMode;
use crate::config::{ConvGruConfig, KernelSizes, ResetGate};
use crate::error::{Error, Result};
use crate::fused::cell::CellParameters;
use crate::fused::{ConvGru, ConvGruParameters};
#[cfg(feature = "onnx")]
use crate::parameters::Parameters;
use crate::tensor::Tensor;

impl From<&ConvGruConfig> for RecurrentConfig {
    /// The same stack as a network of the composed engine.
    ///
    /// ```
    /// use convgru_model::composed::{Recurrent, RecurrentConfig};
    /// use convgru_model::{ConvGru, ConvGruConfig, Tensor};
    ///
    /// let stack = ConvGruConfig::new(2, &[4, 3]);
    /// let composed = Recurrent::<f32>::new(RecurrentConfig::from(&stack), 7)?;
    /// let fused = ConvGru::<f32>::new(stack, 7)?;
    /// // Both draw the same weights.
    /// assert_eq!(composed.to_conv_gru()?.parameters(), fused.parameters());
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    fn from(stack: &ConvGruConfig) -> Self {
        let cell = |layer: usize| CellConfig {
            kernel_size: stack.kernel_size.of_layer(layer),
            input_kernel_size: stack.input_kernel_size.as_ref().map(|sizes| sizes.of_layer(layer)),
            dilation: stack.dilation,
            input_dilation: stack.dilation_of_input(),
            bias: if stack.bias { Bias::Two } else { Bias::None },
            gate_activation: stack.gate_activation,
            candidate_activation: stack.candidate_activation,
            reset: stack.reset,
            initializer: stack.initializer,
            precision: stack.precision,
            ..CellConfig::new(stack.input_of_layer(layer), stack.hidden_channels[layer])
        };
        Self::chain((0..stack.layers()).map(cell))
    }
}

/// The layers of a fused stack as a network of composed cells.
#[cfg(feature = "onnx")]
pub(crate) fn from_layers<T: Scalar>(
    config: &ConvGruConfig,
    layers: &[CellParameters<T>],
) -> Result<Recurrent<T>> {
    let mut named = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        layer.for_each(&mut |name, tensor| named.push((format!("stages.{index}.{name}"), tensor.clone())));
    }
    Recurrent::from_parameters(config.into(), RecurrentParameters::new(named))
}

impl<T: Scalar> Recurrent<T> {
    /// The same network as a [`ConvGru`], which computes it faster (docs/cells.md): a chain of GRUs that
    /// differ from layer to layer in channels and kernels alone. Spectral norms are folded into the kernels.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] naming what a [`ConvGru`] does not compute.
    ///
    /// ```
    /// use convgru_model::layer::Activation;
    /// use convgru_model::composed::{CellConfig, Recurrent, RecurrentConfig};
    /// use convgru_model::ResetGate;
    ///
    /// // The ConvGRU of HKO-7: reset after, leaky ReLU, dilated kernels over the state.
    /// let cell = CellConfig {
    ///     reset: ResetGate::After,
    ///     candidate_activation: Activation::LeakyRelu(0.2),
    ///     dilation: [2, 2],
    ///     ..CellConfig::new(8, 16)
    /// };
    /// let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 0)?;
    /// assert_eq!(network.to_conv_gru()?.config().dilation, [2, 2]);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn to_conv_gru(&self) -> Result<ConvGru<T>> {
        let config = self.config();
        if config.wiring != Wiring::Chain {
            return Err(refused("wiring", format!("{:?}", config.wiring)));
        }
        let mut cells = Vec::new();
        for (index, stage) in config.stages.iter().enumerate() {
            match stage {
                Stage::Cell(cell) => cells.push((index, cell)),
                other => return Err(refused("stages", format!("{other:?}"))),
            }
        }
        self.conv_gru_of(&cells)
    }

    /// The stack of some cells, each with its stage, of which there is one at least.
    pub(super) fn conv_gru_of(&self, cells: &[(usize, &CellConfig)]) -> Result<ConvGru<T>> {
        let first = cells[0].1;
        for (_, cell) in cells {
            expect_fused(cell, first)?;
        }
        let sizes = |size: fn(&CellConfig) -> [usize; 2]| {
            KernelSizes::PerLayer(cells.iter().map(|(_, cell)| size(cell)).collect())
        };
        let (kernel_size, of_input) = (sizes(|cell| cell.kernel_size), sizes(CellConfig::input_kernel));
        let hidden: Vec<usize> = cells.iter().map(|(_, cell)| cell.hidden_channels).collect();
        let fused = ConvGruConfig {
            input_kernel_size: (of_input != kernel_size).then_some(of_input),
            kernel_size,
            bias: first.bias != Bias::None,
            reset: first.reset,
            gate_activation: first.gate_activation,
            candidate_activation: first.candidate_activation,
            dilation: first.dilation,
            input_dilation: (first.input_dilation != first.dilation).then_some(first.input_dilation),
            initializer: first.initializer,
            precision: first.precision,
            ..ConvGruConfig::new(first.in_channels, &hidden)
        };
        let layers = cells.iter().map(|&(stage, cell)| self.layer(stage, cell));
        ConvGru::from_parameters(fused, ConvGruParameters { layers: layers.collect::<Result<_>>()? })
    }

    fn layer(&self, stage: usize, cell: &CellConfig) -> Result<CellParameters<T>> {
        let find = |name: &str| self.parameters().find(&format!("stages.{stage}.{name}")).cloned();
        let get = |name: &str| {
            find(name).ok_or_else(|| Error::MissingTensor { name: name.to_owned(), found: String::new() })
        };
        let mut kernels = [get("input_weights")?, get("hidden_weights")?];
        if cell.spectral_norm {
            for (gate, name) in ["update", "reset", "candidate"].into_iter().enumerate() {
                let rows = gate * cell.hidden_channels..(gate + 1) * cell.hidden_channels;
                let [u, v] = ["u", "v"].map(|vector| get(&format!("spectral.{name}.{vector}")));
                divide_by_norm(&mut kernels, rows, &u?, &v?);
            }
        }
        let [input_weights, hidden_weights] = kernels;
        let of_state = cell.bias != Bias::None && cell.reset == ResetGate::After;
        let hidden_bias =
            of_state.then(|| find("hidden_bias").unwrap_or_else(|| Tensor::zeros(&[cell.hidden_channels])));
        Ok(CellParameters {
            input_weights,
            hidden_weights,
            bias: find("bias"),
            hidden_bias,
            reset: cell.reset,
        })
    }
}

/// Divides some rows of the kernels over input and state by `u . [Wx Wh] v`.
fn divide_by_norm<T: Scalar>(
    kernels: &mut [Tensor<T>; 2],
    rows: std::ops::Range<usize>,
    u: &Tensor<T>,
    v: &Tensor<T>,
) {
    let mut norm = T::ZERO;
    for (row, &u) in rows.clone().zip(u.as_slice()) {
        let joint = kernels[0].slice(row).iter().chain(kernels[1].slice(row));
        norm += u * joint.zip(v.as_slice()).map(|(&w, &v)| w * v).sum();
    }
    for kernel in kernels {
        rows.clone().for_each(|row| kernel.slice_mut(row).iter_mut().for_each(|w| *w /= norm));
    }
}

/// Fails for a cell that the fused engine does not compute, or not in one stack with the first.
fn expect_fused(cell: &CellConfig, first: &CellConfig) -> Result<()> {
    let plain = CellConfig::new(cell.in_channels, cell.hidden_channels);
    let checks = [
        ("kind", cell.kind == CellKind::Gru),
        ("kernel_depth", [cell.kernel_depth, cell.input_kernel_depth] == [1, 1]),
        ("second_kernel_size", cell.second_kernel_size.is_none()),
        ("input_stride", cell.input_stride == [1, 1]),
        (
            "input_padding",
            cell.padding_of_input() == CellConfig { input_padding: None, ..cell.clone() }.padding_of_input(),
        ),
        ("groups", [cell.groups, cell.input_groups] == [1, 1]),
        ("padding_mode", cell.padding_mode == [PaddingMode::Zeros; 2]),
        ("normalization", cell.normalization == Normalization::None),
        ("context", cell.context == Context::None),
        ("zoneout", [cell.zoneout, cell.dropout] == [plain.zoneout, plain.dropout]),
    ];
    if let Some((field, _)) = checks.iter().find(|(_, fits)| !fits) {
        return Err(refused(field, format!("{cell:?}")));
    }
    let same = [
        ("bias", cell.bias == first.bias),
        ("reset", cell.reset == first.reset),
        ("candidate_activation", cell.candidate_activation == first.candidate_activation),
        ("gate_activation", cell.gate_activation == first.gate_activation),
        ("dilation", [cell.dilation, cell.input_dilation] == [first.dilation, first.input_dilation]),
        ("precision", cell.precision == first.precision),
    ];
    match same.iter().find(|(_, fits)| !fits) {
        Some((field, _)) => Err(refused(field, "layers differ".to_owned())),
        None => Ok(()),
    }
}

fn refused(field: &str, what: String) -> Error {
    Error::InvalidConfig {
        field: field.to_owned(),
        reason: format!("a ConvGru does not compute this: {what}"),
    }
}
