//! The stack of convolutional GRU cells.

mod backward;
mod forward_train;
mod prepared;
mod spec;
mod stream;

use convgru_kernels::Scalar;

pub(crate) use backward::BackwardRun;
pub(crate) use forward_train::StackPass;
pub use prepared::Prepared;
pub(crate) use spec::StackSpec;
pub use stream::Stream;

use crate::config::ConvGruConfig;
use crate::error::Result;
use crate::fused::cell::{self, CellParameters, CellShape};
use crate::memory;
use crate::parameters::{Parameters, Stamp, Take};
use crate::random::Random;
use crate::sequence::{MemoryBudget, Output, Sequence};
use crate::tensor::Tensor;

/// The parameters of a [`ConvGru`], or their gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvGruParameters<T> {
    /// One set for each layer, from the input up.
    pub layers: Vec<CellParameters<T>>,
}

impl<T: Scalar> Parameters<T> for ConvGruParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        for (index, layer) in self.layers.iter().enumerate() {
            layer.for_each(&mut |name, tensor| visit(&format!("layers.{index}.{name}"), tensor));
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.for_each_mut(&mut |name, tensor| visit(&format!("layers.{index}.{name}"), tensor));
        }
    }
}

/// A stack of convolutional GRU cells.
///
/// Two ways to run it that give the same bits: [`step`](Self::step) takes one frame and
/// returns the state of every layer, [`forward`](Self::forward) takes a sequence. For frames and sequences
/// that keep coming, [`prepare`](Self::prepare) packs the weights once. [`forward_train`](Self::forward_train) and
/// [`backward`](Self::backward) give gradients.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Tensor};
///
/// let config = ConvGruConfig { kernel_size: [3, 5, 3].into(), ..ConvGruConfig::new(8, &[32, 64, 16]) };
/// let network = ConvGru::<f32>::new(config, 0)?;
/// let frame = Tensor::from_fn(&[1, 8, 64, 64], |i| (i % 7) as f32 / 7.0);
/// let states = network.step(&frame, None)?;
/// assert_eq!(states.len(), 3);
/// assert_eq!(states[2].shape(), [1, 16, 64, 64]);
/// let states = network.step(&frame, Some(&states))?; // the next frame
/// # assert_eq!(states.len(), 3);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConvGru<T> {
    spec: StackSpec,
    parameters: ConvGruParameters<T>,
}

impl<T: Scalar> ConvGru<T> {
    /// A stack with weights drawn as the configuration says, the same for the same seed on
    /// every machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work.
    pub fn new(config: ConvGruConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        memory::expect_bytes("the weights", memory::bytes_of::<T>(&[config.parameter_count()]))?;
        let layers = (0..config.layers())
            .map(|layer| {
                let shape = CellShape::of_layer(&config, layer);
                cell::draw(shape, config.bias, config.initializer, &mut Random::new(seed, layer as u64))
            })
            .collect();
        Ok(Self { spec: StackSpec::new(config), parameters: ConvGruParameters { layers } })
    }

    /// A stack around existing weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig), [`Error::Count`](crate::Error::Count) or [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the weights
    /// do not fit the configuration.
    pub fn from_parameters(config: ConvGruConfig, parameters: ConvGruParameters<T>) -> Result<Self> {
        config.validate()?;
        let spec = StackSpec::new(config);
        spec.expect_parameters("", &parameters)?;
        Ok(Self { spec, parameters })
    }

    /// A stack whose weights are asked for one by one, by name and shape, in the order of its [`Parameters`].
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work,
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for tensors of another shape, and the errors of `take`.
    pub fn from_tensors(config: ConvGruConfig, take: &mut Take<'_, T>) -> Result<Self> {
        config.validate()?;
        let layers = (0..config.layers()).map(|layer| {
            let mut under = |name: &str, shape: &[usize]| take(&format!("layers.{layer}.{name}"), shape);
            cell::take(CellShape::of_layer(&config, layer), config.bias, &mut under)
        });
        let layers = layers.collect::<Result<_>>()?;
        Self::from_parameters(config, ConvGruParameters { layers })
    }

    /// What the stack is.
    pub fn config(&self) -> &ConvGruConfig {
        &self.spec.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &ConvGruParameters<T> {
        &self.parameters
    }

    /// Its weights, without it.
    pub(crate) fn into_parameters(self) -> ConvGruParameters<T> {
        self.parameters
    }

    /// Its weights, to be changed. Workspaces of forward passes before are no longer this network's.
    pub fn parameters_mut(&mut self) -> &mut ConvGruParameters<T> {
        self.spec.stamp = Stamp::new();
        &mut self.parameters
    }

    /// Fails unless the weights fit the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        self.spec.expect_parameters("", &self.parameters)
    }

    /// One frame: the states of all layers after it.
    ///
    /// # Shapes
    /// `input`: `[N, in_channels, H, W]`; `states` and result: for each layer
    /// `[N, hidden, H, W]`. `None` is a zero state and costs no hidden convolution.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if an argument does not fit.
    pub fn step(&self, input: &Tensor<T>, states: Option<&[Tensor<T>]>) -> Result<Vec<Tensor<T>>> {
        let extent = self.spec.frame_extent(input.shape(), &["N", "C", "H", "W"])?;
        let stack = self.spec.prepared(&self.parameters.layers)?;
        let mut stream = Stream::new(stack, extent)?;
        if let Some(states) = states {
            stream.set_states(states)?;
        }
        stream.step(input)?;
        stream.states()
    }

    /// A whole sequence.
    ///
    /// # Shapes
    /// Those of [`Sequence`] and [`Output`]. Steps come first: frames that lie as `[N, T, in_channels, H, W]`
    /// ("batch first") go through [`Tensor::swap_steps_and_batch`] on their way in, and outputs on their way out.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if an argument does not fit,
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for a length of more steps than there are.
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, Sequence, Tensor};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let frames = Tensor::zeros(&[5, 2, 2, 6, 7]);
    /// let states = network.forward(&frames)?;
    /// assert_eq!(states.outputs[0].shape(), [5, 2, 4, 6, 7]);
    /// assert_eq!(states.last[0].shape(), [2, 4, 6, 7]);
    /// let result = network.forward(Sequence { lengths: Some(&[5, 9]), ..Sequence::from(&frames) });
    /// let error = result.map(drop).expect_err("there are five frames");
    /// assert_eq!(error.to_string(), "length of sample 1: 9 given where 0 to 5 is possible");
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward<'a>(&self, sequence: impl Into<Sequence<'a, T>>) -> Result<Output<T>> {
        let mut output = Output::default();
        self.prepare()?.forward(sequence, &mut output)?;
        Ok(output)
    }

    /// The network with its weights packed: for one sequence after the other, or for frames that keep coming.
    ///
    /// It borrows the network, so its packed weights cannot outlive a change of them.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the weights no longer fit the configuration,
    /// [`Error::Kernel`](crate::Error::Kernel) if they are beyond memory addresses.
    pub fn prepare(&self) -> Result<Prepared<'_, T>> {
        Prepared::new(&self.spec, &self.parameters.layers)
    }

    /// As [`prepare`](Self::prepare), for a network that will not be trained or changed: the packed weights take the place of the
    /// tensors, which are dropped as they are packed. Results have the same bits, and a stream borrows nothing.
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, Stream, Tensor};
    ///
    /// struct Camera {
    ///     network: Stream<'static, f32>,
    /// }
    /// let network = ConvGru::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut camera = Camera { network: network.into_prepared()?.stream(1, 6, 5)? };
    /// assert_eq!(camera.network.step(&Tensor::zeros(&[1, 2, 6, 5]))?.shape(), [1, 4, 6, 5]);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn into_prepared(self) -> Result<Prepared<'static, T>> {
        Prepared::forward_only(self.spec, self.parameters.layers)
    }

    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.spec.memory_budget = budget;
    }
}
