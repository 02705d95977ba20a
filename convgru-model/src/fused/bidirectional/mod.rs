//! Two stacks that read a sequence from both ends.

mod backward;
mod forward;
mod time;

use convgru_kernels::Scalar;

use super::conv_gru::{ConvGru, ConvGruParameters, StackSpec};
use crate::config::BidirectionalConvGruConfig;
use crate::error::Result;
use crate::parameters::{Parameters, Stamp, Take};
use crate::sequence::MemoryBudget;
use crate::tensor::Tensor;

/// Something of both directions of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directions<V> {
    /// Of the direction that reads the first frame first.
    pub forward: V,
    /// Of the direction that reads the last frame first.
    pub backward: V,
}

/// The parameters of a [`BidirectionalConvGru`], or their gradients: `forward.layers.0.input_weights` and so on, then
/// `backward.layers.0.input_weights`.
impl<T: Scalar> Parameters<T> for Directions<ConvGruParameters<T>> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        self.forward.for_each(&mut |name, tensor| visit(&format!("forward.{name}"), tensor));
        self.backward.for_each(&mut |name, tensor| visit(&format!("backward.{name}"), tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        self.forward.for_each_mut(&mut |name, tensor| visit(&format!("forward.{name}"), tensor));
        self.backward.for_each_mut(&mut |name, tensor| visit(&format!("backward.{name}"), tensor));
    }
}

/// Two stacks of convolutional GRU cells with weights of their own, one of which reads a sequence from
/// its first frame to its last and the other from its last to its first (Schuster and Paliwal 1997).
///
/// After step `t` the forward direction knows the frames up to `t`, the backward direction those from `t` on; their states of each
/// step, side by side or added up ([`Merge`](crate::Merge)), know the whole sequence. The directions
/// meet nowhere else: layers of a stack read the layer below in their own direction, as in the bidirectional GRU-RCN of
/// Ballas et al. 2015, whose classifier reads the last states of both ([`Output::last`](crate::Output::last)). Networks whose
/// layers read both directions of the layer below (`torch.nn.GRU`) are one of these for each layer, each reading the outputs of
/// the one before.
///
/// ```
/// use convgru_model::{BidirectionalConvGru, BidirectionalConvGruConfig, ConvGruConfig, Tensor};
///
/// let config = BidirectionalConvGruConfig::new(ConvGruConfig::new(3, &[8]));
/// let network = BidirectionalConvGru::<f32>::new(config, 0)?;
/// let frames = Tensor::from_fn(&[5, 1, 3, 6, 7], |i| (i % 7) as f32 / 7.0);
/// let states = network.forward(&frames)?;
/// assert_eq!(states.outputs[0].shape(), [5, 1, 2 * 8, 6, 7]);
/// // The last state of the backward direction is that at the first frame.
/// let first = states.outputs[0].index(0);
/// assert_eq!(&first.as_slice()[8 * 6 * 7..], states.last[1].as_slice());
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BidirectionalConvGru<T> {
    config: BidirectionalConvGruConfig,
    /// Of each stack.
    spec: StackSpec,
    parameters: Directions<ConvGruParameters<T>>,
}

impl<T: Scalar> BidirectionalConvGru<T> {
    /// Two stacks with weights drawn as the configuration says, the same for the same seed on every
    /// machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work.
    pub fn new(config: BidirectionalConvGruConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        // Streams of random numbers: one seed for each stack.
        let draw = |direction: u64| -> Result<ConvGruParameters<T>> {
            let seed = seed.wrapping_mul(2).wrapping_add(direction);
            Ok(ConvGru::new(config.stack.clone(), seed)?.parameters().clone())
        };
        let parameters = Directions { forward: draw(0)?, backward: draw(1)? };
        Self::from_parameters(config, parameters)
    }

    /// Two stacks around existing weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig), [`Error::Count`](crate::Error::Count) or
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the weights do not fit the configuration.
    pub fn from_parameters(
        config: BidirectionalConvGruConfig,
        parameters: Directions<ConvGruParameters<T>>,
    ) -> Result<Self> {
        config.validate()?;
        let spec = StackSpec::new(config.stack.clone());
        spec.expect_parameters("forward.", &parameters.forward)?;
        spec.expect_parameters("backward.", &parameters.backward)?;
        Ok(Self { config, spec, parameters })
    }

    /// Two stacks whose weights are asked for one by one, by name and shape, in the order of their [`Parameters`].
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work,
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for tensors of another shape, and the errors of `take`.
    pub fn from_tensors(config: BidirectionalConvGruConfig, take: &mut Take<'_, T>) -> Result<Self> {
        config.validate()?;
        let mut direction = |prefix: &str| -> Result<ConvGruParameters<T>> {
            let under = &mut |name: &str, shape: &[usize]| take(&format!("{prefix}.{name}"), shape);
            Ok(ConvGru::from_tensors(config.stack.clone(), under)?.into_parameters())
        };
        let parameters = Directions { forward: direction("forward")?, backward: direction("backward")? };
        Self::from_parameters(config, parameters)
    }

    /// What the network is.
    pub fn config(&self) -> &BidirectionalConvGruConfig {
        &self.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &Directions<ConvGruParameters<T>> {
        &self.parameters
    }

    /// Its weights, to be changed. Workspaces of forward passes before are no longer this network's.
    pub fn parameters_mut(&mut self) -> &mut Directions<ConvGruParameters<T>> {
        self.spec.stamp = Stamp::new();
        &mut self.parameters
    }

    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass, for each
    /// direction half of it.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.spec.memory_budget = match budget {
            MemoryBudget::Bytes(bytes) => MemoryBudget::Bytes(bytes / 2),
            MemoryBudget::Unlimited => MemoryBudget::Unlimited,
        };
    }
}
