//! A chain of stages on the fused engine.

use convgru_kernels::Scalar;

use super::config::{ConvStageConfig, Stage, Wiring};
use super::network::Recurrent;
use crate::error::{Error, Result};
use crate::fused::ConvGruChain;
use crate::fused::cell::CellOptions;
use crate::fused::chain::{ChainStage, slope_of};
use crate::layer::Conv2dParameters;
use crate::tensor::Tensor;

impl<T: Scalar> Recurrent<T> {
    /// The same network on the fused engine, for frames that keep coming: convolutions, residual blocks and convolutional GRUs one after
    /// the other. Spectral norms are folded into the kernels.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] with the name of a part that a [`ConvGruChain`] does not compute: other wirings and cells, and other functions after
    /// convolutions than the identity, ReLU and leaky ReLU.
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_model::composed::{CellConfig, CellKind, Recurrent, RecurrentConfig};
    ///
    /// let network = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(2, 4)]), 0)?;
    /// let chain = network.to_chain()?;
    /// let frame = Tensor::from_fn(&[1, 2, 5, 6], |i| (i % 7) as f32 / 7.0);
    /// let expected = network.step(&frame, None)?.remove(0);
    /// let mut stream = chain.stream(1, 5, 6)?;
    /// let state = stream.step(&frame)?;
    /// assert!(state.as_slice().iter().zip(expected.as_slice()).all(|(a, b)| (a - b).abs() < 1e-6));
    ///
    /// let lstm = CellConfig { kind: CellKind::Lstm, ..CellConfig::new(2, 4) };
    /// let network = Recurrent::<f32>::new(RecurrentConfig::chain([lstm]), 0)?;
    /// assert!(network.to_chain().is_err());
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn to_chain(&self) -> Result<ConvGruChain<T>> {
        self.check()?;
        let config = self.config();
        if config.wiring != Wiring::Chain {
            let reason = format!("a ConvGruChain has no wiring {:?}", config.wiring);
            return Err(Error::InvalidConfig { field: "wiring".into(), reason });
        }
        let stages = config.stages.iter().enumerate().map(|(index, stage)| match stage {
            Stage::Cell(cell) => {
                let network = self.conv_gru_of(&[(index, cell)])?;
                let options = CellOptions::of(network.config())?;
                let parameters = network.into_parameters().layers.swap_remove(0);
                Ok(ChainStage::Cell(parameters, options))
            }
            Stage::Convolution(config) => {
                slope_of(config.activation)?;
                Ok(ChainStage::Convolution(config.clone(), self.convolution(index, "", config)?))
            }
            Stage::Residual(config) => {
                slope_of(config.activation)?;
                let both = ["first.", "second."].map(|part| self.convolution(index, part, config));
                let [first, second] = both;
                Ok(ChainStage::Residual(config.clone(), [first?, second?]))
            }
        });
        let stages = stages.collect::<Result<_>>()?;
        Ok(ConvGruChain::new(config.clone(), stages))
    }

    /// Weights and bias of a convolution of a stage.
    fn convolution(&self, stage: usize, part: &str, config: &ConvStageConfig) -> Result<Conv2dParameters<T>> {
        let get = |name: &str| -> Result<Tensor<T>> {
            let name = format!("stages.{stage}.{part}{name}");
            let found = self.parameters().find(&name).cloned();
            found.ok_or(Error::MissingTensor { name, found: String::new() })
        };
        Ok(Conv2dParameters { weight: get("weight")?, bias: config.bias.then(|| get("bias")).transpose()? })
    }
}
