//! The stack of convolutional GRU cells.

mod backward;
mod sequences;
mod training;

use convgru_kernels::{Extent, Scalar, Scratchpad};

pub use backward::{ConvGruBackward, ConvGruOutputGradients, InputGradient};
pub use sequences::ConvGruSequences;
pub use training::{ConvGruWorkspace, MemoryBudget};

use super::stack::{PreparedStack, StackWorkspace};
use super::stream::ConvGruStream;
use crate::cell::{self, CellOptions, CellParameters, CellShape};
use crate::config::ConvGruConfig;
use crate::error::{Error, Result, expect_count};
use crate::parameters::Parameters;
use crate::random::Random;
use crate::tensor::{Tensor, expect_rank, expect_shape};

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
/// returns the state of every layer, [`forward`](Self::forward) takes a sequence. For frames
/// that keep coming, [`prepare`](Self::prepare) packs the weights once.
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
    config: ConvGruConfig,
    parameters: ConvGruParameters<T>,
    memory_budget: MemoryBudget,
}

/// Which layers' states [`ConvGru::forward`] returns for every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// Every layer's.
    AllLayers,
    /// The topmost layer's.
    Top,
    /// No layer's: the states after the last step alone.
    None,
}

/// The states of a sequence. The default is that of none, to be filled by
/// [`ConvGruSequences::forward_into`].
#[derive(Debug, Clone, Default)]
pub struct ConvGruOutput<T> {
    /// States after every step, `[T, N, hidden, H, W]`: one tensor for each layer, the
    /// topmost layer's alone, or none.
    pub outputs: Vec<Tensor<T>>,
    /// The state of every layer after the last step, `[N, hidden, H, W]`.
    pub last: Vec<Tensor<T>>,
}

impl<T: Scalar> ConvGru<T> {
    /// A stack with weights drawn as the configuration says, the same for the same seed on
    /// every machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work.
    pub fn new(config: ConvGruConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let layers = (0..config.layers())
            .map(|layer| {
                let shape = CellShape::of_layer(&config, layer);
                cell::draw(shape, config.bias, config.initializer, &mut Random::new(seed, layer as u64))
            })
            .collect();
        Ok(Self { config, parameters: ConvGruParameters { layers }, memory_budget: MemoryBudget::default() })
    }

    /// A stack around existing weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], [`Error::Count`] or [`Error::ShapeMismatch`] if the weights
    /// do not fit the configuration.
    pub fn from_parameters(config: ConvGruConfig, parameters: ConvGruParameters<T>) -> Result<Self> {
        config.validate()?;
        expect_count("layers of the weights", config.layers(), parameters.layers.len())?;
        for (index, layer) in parameters.layers.iter().enumerate() {
            let shape = CellShape::of_layer(&config, index);
            layer.expect(&format!("layers.{index}"), shape, config.bias)?;
        }
        Ok(Self { config, parameters, memory_budget: MemoryBudget::default() })
    }

    /// What the stack is.
    pub fn config(&self) -> &ConvGruConfig {
        &self.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &ConvGruParameters<T> {
        &self.parameters
    }

    /// Its weights, to be changed.
    pub fn parameters_mut(&mut self) -> &mut ConvGruParameters<T> {
        &mut self.parameters
    }

    /// One frame: the states of all layers after it.
    ///
    /// # Shapes
    /// `input`: `[N, in_channels, H, W]`; `states` and result: for each layer
    /// `[N, hidden, H, W]`. `None` is a zero state and costs no hidden convolution.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::Count`] if an argument does not fit.
    pub fn step(&self, input: &Tensor<T>, states: Option<&[Tensor<T>]>) -> Result<Vec<Tensor<T>>> {
        let extent = self.frame_extent(input.shape(), &["N", "C", "H", "W"])?;
        let mut stream = ConvGruStream::new(self.prepared()?, extent)?;
        if let Some(states) = states {
            stream.set_states(states)?;
        }
        stream.step(input)?;
        stream.states()
    }

    /// A stream of frames of one size: weights packed once, memory kept between frames.
    ///
    /// The stream borrows the network, so its packed weights cannot outlive a change of them.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the size is beyond memory addresses.
    pub fn prepare(&self, batch: usize, height: usize, width: usize) -> Result<ConvGruStream<'_, T>> {
        let extent = Extent { batch, channels: self.config.in_channels, height, width };
        let mut stream = ConvGruStream::new(self.prepared()?, extent)?;
        stream.warm_up()?;
        Ok(stream)
    }

    /// A whole sequence.
    ///
    /// # Shapes
    /// `input`: `[T, N, in_channels, H, W]`; `states`: for each layer `[N, hidden, H, W]`,
    /// `None` is zero; outputs: `[T, N, hidden, H, W]`.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] or [`Error::Count`] if an argument does not fit.
    pub fn forward(
        &self,
        input: &Tensor<T>,
        states: Option<&[Tensor<T>]>,
        outputs: Outputs,
    ) -> Result<ConvGruOutput<T>> {
        self.prepare_sequences()?.forward(input, states, outputs)
    }

    /// The network with its weights packed for sequences, which keeps its memory between them.
    ///
    /// It borrows the network, so its packed weights cannot outlive a change of them.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the weights are beyond memory addresses.
    pub fn prepare_sequences(&self) -> Result<ConvGruSequences<'_, T>> {
        Ok(ConvGruSequences {
            network: self,
            stack: self.prepared()?,
            workspace: None,
            scratch: Scratchpad::new(),
        })
    }

    /// The lowest layer whose states are returned.
    fn first_of(&self, outputs: Outputs) -> usize {
        match outputs {
            Outputs::AllLayers => 0,
            Outputs::Top => self.config.layers() - 1,
            Outputs::None => self.config.layers(),
        }
    }

    fn prepared(&self) -> Result<PreparedStack<'_, T>> {
        PreparedStack::new(&self.parameters.layers, CellOptions::of(&self.config)?)
    }

    fn set_initial(&self, workspace: &mut StackWorkspace<T>, states: Option<&[Tensor<T>]>) -> Result<()> {
        let Some(states) = states else { return Ok(()) };
        expect_count("initial states", self.config.layers(), states.len())?;
        for (index, (layer, state)) in workspace.layers.iter_mut().zip(states).enumerate() {
            let what = format!("initial state of layer {index}");
            expect_shape(&what, state.shape(), &layer.state_extent().dims())?;
            layer.read_initial(state)?;
        }
        Ok(())
    }

    /// The extent of one step of an input of shape `[(T,) N, C, H, W]`.
    fn frame_extent(&self, shape: &[usize], pattern: &[&str]) -> Result<Extent> {
        expect_rank("input", shape, pattern)?;
        let [.., batch, channels, height, width] = *shape else { unreachable!("the rank was checked") };
        let others_positive = !shape[..shape.len() - 3].contains(&0) && height > 0 && width > 0;
        if channels != self.config.in_channels || !others_positive {
            let mut expected: Vec<String> = pattern.iter().map(|name| format!("{name} >= 1")).collect();
            expected[pattern.len() - 3] = self.config.in_channels.to_string();
            return Err(Error::ShapeMismatch {
                what: "input".into(),
                expected: format!("[{}]", expected.join(", ")),
                got: shape.to_vec(),
            });
        }
        Ok(Extent { batch, channels, height, width })
    }
}
