//! A published network among ours.

use convgru_kernels::Scalar;

use std::collections::HashMap;

use super::block::{Block, Place};
use crate::composed::{Recurrent, RecurrentConfig, RecurrentParameters, Wiring};
use crate::error::{Result, expect_count};
use crate::import::Origin;
use crate::layer::Activation;
use crate::network::Network;
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
    /// Our gradients in the form of the published tensors. Two biases that are added up have the same gradient.
    ///
    /// # Errors
    /// [`Error::MissingTensor`](crate::Error::MissingTensor) if they do not fit this network.
    pub fn write_gradients(&self, gradients: &RecurrentParameters<T>) -> Result<Vec<(String, Tensor<T>)>> {
        let mut tensors: Vec<(String, Tensor<T>)> =
            self.published.iter().map(|(name, shape)| (name.clone(), Tensor::zeros(shape))).collect();
        for block in &self.blocks {
            block.write(gradients.named(), &mut tensors)?;
        }
        Ok(self.with_own_axes(tensors))
    }

    /// Weights in the form of the published tensors. Of two biases that are added up the second is given; the first is the
    /// rest of their sum.
    ///
    /// # Errors
    /// [`Error::MissingTensor`](crate::Error::MissingTensor) and [`Error::Count`](crate::Error::Count) if they do not fit this network.
    pub(crate) fn write_weights(
        &self,
        ours: &[(String, Tensor<T>)],
        second_biases: &[f64],
    ) -> Result<Vec<(String, Tensor<T>)>> {
        let minus_zeros = |shape: &[usize]| Tensor::from_fn(shape, |_| -T::ZERO);
        let mut tensors: Vec<(String, Tensor<T>)> =
            self.published.iter().map(|(name, shape)| (name.clone(), minus_zeros(shape))).collect();
        let second = self.second_blocks();
        let expected = second.iter().map(|(block, _)| block.numbers()).sum();
        expect_count("second biases", expected, second_biases.len())?;
        let is_second = |block: &Block| second.iter().any(|(second, _)| std::ptr::eq(*second, block));
        for block in self.blocks.iter().filter(|block| !is_second(block)) {
            block.write(ours, &mut tensors)?;
        }
        let mut rest = second_biases;
        for (block, first) in second {
            let (numbers, after) = rest.split_at(block.numbers());
            rest = after;
            let numbers: Vec<T> = numbers.iter().map(|&number| T::from_f64(number)).collect();
            block.add_published(&numbers, &mut tensors)?;
            let sign = if block.negated == first.negated { -T::ONE } else { T::ONE };
            let less: Vec<T> = numbers.into_iter().map(|number| sign * number).collect();
            first.add_published(&less, &mut tensors)?;
        }
        Ok(self.with_own_axes(tensors))
    }

    /// Where the network comes from: `tensors` are those that it was read from.
    ///
    /// # Errors
    /// [`Error::MissingTensor`](crate::Error::MissingTensor) if they are others.
    pub fn origin(&self, system: &str, tensors: &[(String, Tensor<T>)], hints: &Hints) -> Result<Origin> {
        let mut origin = Origin::new(system, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)));
        origin.linear_before_reset = hints.linear_before_reset;
        for (block, _) in self.second_blocks() {
            for row in block.published(tensors)? {
                origin.second_biases.extend(row.iter().map(|number| number.to_f64()));
            }
        }
        Ok(origin)
    }

    /// The blocks that are added to the result of another block, each with this other block.
    fn second_blocks(&self) -> Vec<(&Block, &Block)> {
        let mut first: HashMap<&Place, &Block> = HashMap::new();
        let mut second = Vec::new();
        for block in &self.blocks {
            match first.get(&block.ours) {
                Some(earlier) => second.push((block, *earlier)),
                None => drop(first.insert(&block.ours, block)),
            }
        }
        second
    }

    fn with_own_axes(&self, mut tensors: Vec<(String, Tensor<T>)>) -> Vec<(String, Tensor<T>)> {
        if self.kernels_last {
            tensors.iter_mut().for_each(|(_, tensor)| *tensor = with_kernels_last(tensor));
        }
        tensors
    }

    /// The names of the published tensors that were read.
    pub fn published(&self) -> impl Iterator<Item = &str> {
        self.published.iter().map(|(name, _)| name.as_str())
    }
}

impl<T: Scalar> Imported<T> {
    /// The network with its weights: on the fused engine where that computes all of it, otherwise on the composed one.
    /// Spectral norms stay what they are, so that training can go on with them.
    ///
    /// # Errors
    /// The errors of [`Recurrent::from_parameters`].
    pub fn into_network(self) -> Result<Network<T>> {
        let Self { mut config, parameters, .. } = self;
        // What a cell gives is added to what it read from the second on.
        if config.wiring == Wiring::Residual && config.stages.len() == 1 {
            config.wiring = Wiring::Chain;
        }
        let network = Recurrent::from_parameters(config, parameters)?;
        if network.config().cells().any(|cell| cell.spectral_norm) {
            return Ok(Network::Recurrent(network));
        }
        Ok(match network.to_conv_gru() {
            Ok(fused) => Network::ConvGru(fused),
            Err(_) => Network::Recurrent(network),
        })
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
