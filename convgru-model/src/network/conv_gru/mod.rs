//! The stack of convolutional GRU cells.

mod backward;
mod sequences;

use convgru_kernels::{Extent, Scalar, Scratchpad};

pub use backward::{ConvGruBackward, ConvGruOutputGradients, InputGradient};
pub use sequences::ConvGruSequences;

use super::stack::{PreparedStack, StackBackward, StackWorkspace, steps_of_block};
use super::stream::ConvGruStream;
use crate::cell::{self, CellParameters, CellShape};
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

/// How much memory a forward pass may keep for the backward pass.
///
/// The gates are three quarters of it. Where they do not fit, those of a block of steps are computed
/// anew when the backward pass comes to it, with the same bits: less memory for one more forward
/// pass (docs/numerics.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryBudget {
    /// Everything is kept.
    #[default]
    Unlimited,
    /// Gates of all steps are kept where all that is kept fits into so many bytes.
    Bytes(usize),
}

/// Which layers' states [`ConvGru::forward`] returns for every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// Every layer's.
    AllLayers,
    /// The topmost layer's.
    Top,
}

/// The states of a sequence. The default is that of none, to be filled by
/// [`ConvGruSequences::forward_into`].
#[derive(Debug, Clone, Default)]
pub struct ConvGruOutput<T> {
    /// States after every step, `[T, N, hidden, H, W]`: one tensor for each layer, or the
    /// topmost layer's alone.
    pub outputs: Vec<Tensor<T>>,
    /// The state of every layer after the last step, `[N, hidden, H, W]`.
    pub last: Vec<Tensor<T>>,
}

/// What [`ConvGru::forward_train`] keeps for [`ConvGru::backward`].
///
/// It holds the inputs once and, of each layer, four times its hidden states: for `T`
/// steps of `N` samples `T N H W (in_channels + sum over layers of 4 hidden)` numbers, channels
/// rounded up to a multiple of 16 (`f64`: 8) and a border for the kernels added. The memory of
/// the backward pass lies beside it, so that training steps of the same shapes take no memory
/// anew ([`ConvGru::forward_train_into`]).
#[derive(Debug)]
pub struct ConvGruWorkspace<T> {
    forward: StackWorkspace<T>,
    backward: Option<StackBackward<T>>,
    scratch: Scratchpad<T>,
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

    /// Limits what [`forward_train`](Self::forward_train) keeps for the backward pass.
    pub fn set_memory_budget(&mut self, budget: MemoryBudget) {
        self.memory_budget = budget;
    }

    /// Steps whose gates a forward pass keeps for the backward pass.
    fn kept_steps(&self, step: Extent, steps: usize) -> usize {
        let MemoryBudget::Bytes(bytes) = self.memory_budget else { return steps };
        let hidden: usize = self.config.hidden_channels.iter().sum();
        let channels = self.config.in_channels + (cell::GATES + 1) * hidden;
        let needed = step.with_channels(channels).len().saturating_mul(steps * size_of::<T>());
        let widest = self.config.hidden_channels.iter().max().copied().unwrap_or(1);
        if needed <= bytes { steps } else { steps_of_block(step, widest, steps) }
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

    /// A whole sequence, keeping what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward); the states of every layer are returned.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train(
        &self,
        input: &Tensor<T>,
        states: Option<&[Tensor<T>]>,
    ) -> Result<(ConvGruOutput<T>, ConvGruWorkspace<T>)> {
        let mut workspace = None;
        let output = self.forward_train_into(input, states, Outputs::AllLayers, &mut workspace)?;
        Ok((output, workspace.expect("a forward pass leaves a workspace")))
    }

    /// [`forward_train`](Self::forward_train) into the workspace of a step before, whose memory is
    /// used again where the shapes are the same; `None` takes memory anew.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, ConvGruOutputGradients, InputGradient, Outputs, Parameters, Tensor};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let mut workspace = None;
    /// for _ in 0..3 {
    ///     let frames = Tensor::zeros(&[5, 1, 2, 6, 7]);
    ///     let states = network.forward_train_into(&frames, None, Outputs::Top, &mut workspace)?;
    ///     let d_outputs = ConvGruOutputGradients { outputs: vec![Some(&states.outputs[0])], last: vec![None] };
    ///     if let Some(workspace) = &mut workspace {
    ///         network.backward(workspace, &d_outputs, InputGradient::Skip, &mut gradients)?;
    ///     }
    /// }
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_train_into(
        &self,
        input: &Tensor<T>,
        states: Option<&[Tensor<T>]>,
        outputs: Outputs,
        workspace: &mut Option<ConvGruWorkspace<T>>,
    ) -> Result<ConvGruOutput<T>> {
        let step = self.frame_extent(input.shape(), &["T", "N", "C", "H", "W"])?;
        let steps = input.shape()[0];
        let stack = self.prepared()?;
        let gates = self.kept_steps(step, steps);
        let kept = workspace
            .take()
            .filter(|kept| stack.owns(&kept.forward) && kept.forward.fits(step, steps, gates));
        let mut kept = match kept {
            Some(kept) => kept,
            None => ConvGruWorkspace {
                forward: stack.workspace_keeping(step, steps, gates)?,
                backward: None,
                scratch: Scratchpad::new(),
            },
        };
        kept.forward.inputs.as_mut().read_nchw(input.as_slice())?;
        kept.forward.layers.iter_mut().for_each(|layer| layer.clear_initial());
        self.set_initial(&mut kept.forward, states)?;
        stack.forward(&mut kept.forward, steps, &mut kept.scratch)?;
        let first = self.first_of(outputs);
        let mut result = ConvGruOutput { outputs: Vec::new(), last: Vec::new() };
        for (index, layer) in kept.forward.layers.iter().enumerate() {
            let [n, c, h, w] = layer.state_extent().dims();
            if index >= first {
                let mut output = Tensor::zeros(&[steps, n, c, h, w]);
                layer.states.as_ref().write_nchw(output.as_mut_slice())?;
                result.outputs.push(output);
            }
            result.last.push(layer.state_tensor(steps - 1)?);
        }
        *workspace = Some(kept);
        Ok(result)
    }

    /// The lowest layer whose states are returned.
    fn first_of(&self, outputs: Outputs) -> usize {
        match outputs {
            Outputs::AllLayers => 0,
            Outputs::Top => self.config.layers() - 1,
        }
    }

    fn prepared(&self) -> Result<PreparedStack<T>> {
        PreparedStack::new(&self.parameters.layers, self.config.precision.into())
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
