//! A published network among ours.

use convgru_kernels::Scalar;

use super::block::Block;
use crate::composed::{Recurrent, RecurrentConfig, RecurrentParameters, Wiring};
use crate::error::Result;
use crate::fused::ConvGru;
use crate::layer::Activation;
use crate::parameters::Parameters;
use crate::tensor::Tensor;

/// What names and shapes of tensors do not tell of a network; what is not given is as the system has it.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// The function of the candidate: one of all layers, or one of each.
    pub activations: Vec<Activation>,
    /// Distance of the taps of kernels over states.
    pub dilation: Option<[usize; 2]>,
    /// Distance of the taps of kernels over inputs.
    pub input_dilation: Option<[usize; 2]>,
    /// Distance of neighbouring pixels of the state in pixels of the input.
    pub input_stride: Option<[usize; 2]>,
    /// Rows and columns around the input.
    pub input_padding: Option<[usize; 2]>,
    /// How layers are wired.
    pub wiring: Option<Wiring>,
    /// Where the reset gate acts, in an ONNX GRU: its attribute `linear_before_reset`, 0 or 1.
    pub linear_before_reset: bool,
}

/// A published network, rearranged into ours.
#[derive(Debug, Clone)]
pub struct Imported<T> {
    /// What it is.
    pub config: RecurrentConfig,
    /// Its weights.
    pub parameters: RecurrentParameters<T>,
    /// Where they were.
    pub(super) blocks: Vec<Block>,
    /// Names and shapes of the published tensors.
    pub(super) published: Vec<(String, Vec<usize>)>,
    /// Whether published kernels are `[kh, kw, in, out]`, and not as they stand in `published`.
    pub(super) kernels_last: bool,
}

impl<T: Scalar> Imported<T> {
    /// Gradients of ours in the form of the published tensors: those of two biases that are added up are the same.
    ///
    /// # Errors
    /// [`Error::MissingTensor`](crate::Error::MissingTensor) if they are not those of this network.
    pub fn write_gradients(&self, gradients: &RecurrentParameters<T>) -> Result<Vec<(String, Tensor<T>)>> {
        let mut tensors: Vec<(String, Tensor<T>)> =
            self.published.iter().map(|(name, shape)| (name.clone(), Tensor::zeros(shape))).collect();
        for block in &self.blocks {
            block.write(gradients, &mut tensors)?;
        }
        if self.kernels_last {
            tensors.iter_mut().for_each(|(_, tensor)| *tensor = with_kernels_last(tensor));
        }
        Ok(tensors)
    }

    /// The names of the published tensors that were read.
    pub fn published(&self) -> impl Iterator<Item = &str> {
        self.published.iter().map(|(name, _)| name.as_str())
    }
}

/// A published network on the engine that computes it.
#[derive(Debug, Clone)]
pub enum ImportedNetwork<T> {
    /// A chain of plain GRUs.
    ConvGru(ConvGru<T>),
    /// Any other network.
    Recurrent(Recurrent<T>),
}

impl<T: Scalar> Imported<T> {
    /// The network with its weights: on the fused engine where that computes all of it, otherwise on the composed one.
    /// Spectral norms stay what they are, so that training can go on with them.
    ///
    /// # Errors
    /// Those of [`Recurrent::from_parameters`].
    pub fn into_network(self) -> Result<ImportedNetwork<T>> {
        let Self { mut config, parameters, .. } = self;
        // What a cell gives is added to what it read from the second on.
        if config.wiring == Wiring::Residual && config.stages.len() == 1 {
            config.wiring = Wiring::Chain;
        }
        let network = Recurrent::from_parameters(config, parameters)?;
        if network.config().cells().any(|cell| cell.spectral_norm) {
            return Ok(ImportedNetwork::Recurrent(network));
        }
        Ok(match network.to_conv_gru() {
            Ok(fused) => ImportedNetwork::ConvGru(fused),
            Err(_) => ImportedNetwork::Recurrent(network),
        })
    }
}

impl<T: Scalar> ImportedNetwork<T> {
    /// The configuration as a network of composed cells.
    pub fn config(&self) -> RecurrentConfig {
        match self {
            Self::ConvGru(network) => network.config().into(),
            Self::Recurrent(network) => network.config().clone(),
        }
    }
}

impl<T: Scalar> Parameters<T> for ImportedNetwork<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        match self {
            Self::ConvGru(network) => network.parameters().for_each(visit),
            Self::Recurrent(network) => network.parameters().for_each(visit),
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        match self {
            Self::ConvGru(network) => network.parameters_mut().for_each_mut(visit),
            Self::Recurrent(network) => network.parameters_mut().for_each_mut(visit),
        }
    }
}

/// `[out, in, kh, kw]` as `[kh, kw, in, out]`; another tensor as it is.
fn with_kernels_last<T: Scalar>(tensor: &Tensor<T>) -> Tensor<T> {
    let &[outputs, inputs, kh, kw] = tensor.shape() else { return tensor.clone() };
    Tensor::from_fn(&[kh, kw, inputs, outputs], |i| {
        let (tap, input, output) = (i / outputs / inputs, i / outputs % inputs, i % outputs);
        tensor.as_slice()[(output * inputs + input) * kh * kw + tap]
    })
}
