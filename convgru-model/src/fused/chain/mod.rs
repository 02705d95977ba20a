//! Convolutions, residual blocks and convolutional GRUs one after the other.

mod stage;
mod stream;

use convgru_kernels::{Extent, Scalar};

pub(crate) use self::stage::slope_of;
pub use self::stream::ChainStream;

use crate::composed::{ConvStageConfig, RecurrentConfig};
use crate::error::{Error, Result};
use crate::fused::cell::{CellOptions, CellParameters};
use crate::layer::Conv2dParameters;

/// A network of convolutions, residual blocks and convolutional GRUs one after the other, such as FireNet (Scheerlinck et al. 2020,
/// WACV), on the fused engine, for frames that keep coming.
///
/// [`Recurrent::to_chain`](crate::composed::Recurrent::to_chain) makes it from a [`Recurrent`](crate::composed::Recurrent). The results of both
/// are the same to rounding, because a cell adds the convolutions of input and state in another order. A chain
/// has no training pass: train the [`Recurrent`](crate::composed::Recurrent).
///
/// ```
/// use convgru_model::composed::{CellConfig, ConvStageConfig, Recurrent, RecurrentConfig, Stage, Wiring};
/// use convgru_model::Tensor;
/// use convgru_model::layer::Activation;
///
/// let convolution = ConvStageConfig { activation: Activation::Relu, ..Default::default() };
/// let head = ConvStageConfig { in_channels: 5, out_channels: 8, ..convolution.clone() };
/// let block = ConvStageConfig { in_channels: 8, out_channels: 8, ..convolution };
/// let stages = vec![Stage::Convolution(head), Stage::Cell(CellConfig::new(8, 8)), Stage::Residual(block)];
/// let network = Recurrent::<f32>::new(RecurrentConfig { stages, wiring: Wiring::Chain }, 0)?;
///
/// let chain = network.to_chain()?;
/// let mut stream = chain.stream(1, 6, 7)?;
/// for _ in 0..3 {
///     assert_eq!(stream.step(&Tensor::zeros(&[1, 5, 6, 7]))?.shape(), [1, 8, 6, 7]);
/// }
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConvGruChain<T> {
    config: RecurrentConfig,
    stages: Vec<ChainStage<T>>,
}

/// A stage with its weights.
#[derive(Debug, Clone)]
pub(crate) enum ChainStage<T> {
    /// A recurrent layer.
    Cell(CellParameters<T>, CellOptions),
    /// A convolution.
    Convolution(ConvStageConfig, Conv2dParameters<T>),
    /// Two convolutions and the way around them.
    Residual(ConvStageConfig, [Conv2dParameters<T>; 2]),
}

impl<T: Scalar> ConvGruChain<T> {
    /// Stages that fit together by their configuration, which was validated.
    pub(crate) fn new(config: RecurrentConfig, stages: Vec<ChainStage<T>>) -> Self {
        Self { config, stages }
    }

    /// The configuration of the network.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// Channels of a frame.
    pub fn in_channels(&self) -> usize {
        self.config.in_channels(0)
    }

    /// The network with its weights packed, for frames of one size.
    ///
    /// # Shapes
    /// frames: `[batch, in_channels, height, width]`
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if a size is zero, [`Error::Kernel`] where a strided kernel does not fit into a frame,
    /// [`Error::TooLarge`] if frames of the size would need more memory than the machine has.
    pub fn stream(&self, batch: usize, height: usize, width: usize) -> Result<ChainStream<'_, T>> {
        let channels = self.in_channels();
        let frame = [batch, channels, height, width];
        if frame.contains(&0) {
            let expected = format!("[N, {channels}, H, W], none of them zero");
            return Err(Error::ShapeMismatch { what: "frame".into(), expected, got: frame.to_vec() });
        }
        ChainStream::new(&self.stages, Extent { batch, channels, height, width })
    }
}
