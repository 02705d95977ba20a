//! What every network runs over, and what it gives: the same types for both engines.

mod loss_gradient;
mod output;
mod workspace;

use convgru_kernels::Scalar;

pub(crate) use loss_gradient::gradient_of_state;
pub use loss_gradient::{LossGradient, StateGradient};
pub use output::{InputGradients, Output, OutputGradients};
pub(crate) use workspace::SavedPass;
pub use workspace::{MemoryBudget, Workspace};

use crate::error::{Error, Result, expect_count};
use crate::tensor::Tensor;

/// A batch of sequences for a network to run over, with everything that may be said about it.
///
/// `&Tensor` becomes one: the frames, from zero states on, all of every sample, and the states of the topmost layer.
/// A [`Forecaster`](crate::Forecaster) reads frames alone and refuses states, contexts and lengths.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Sequence, Tensor};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
/// // The first sample has five frames, the second three and two of padding.
/// let frames = Tensor::from_fn(&[5, 2, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
/// let states = network.forward(Sequence { lengths: Some(&[5, 3]), ..Sequence::from(&frames) })?;
/// let (at_its_end, last) = (states.outputs[0].index(2), &states.last[0]);
/// assert_eq!(at_its_end.slice(1), last.slice(1));
/// assert_ne!(at_its_end.slice(0), last.slice(0));
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a, T> {
    /// The frames, `[T, N, in_channels, H, W]`; [`Tensor::swap_steps_and_batch`] brings `[N, T, in_channels, H, W]` into this order.
    /// A [`Recurrent`](crate::composed::Recurrent) reads lines `[T, N, C, W]` and volumes `[T, N, C, D, H, W]` as well.
    ///
    /// One tensor, but one for each layer in a [`Wiring::GruRcn`](crate::composed::Wiring::GruRcn).
    pub inputs: &'a [Tensor<T>],
    /// The states before the first step, `[N, hidden, H, W]`, in the order of [`Output::last`]; `None` is zero, and costs no
    /// convolution of them.
    pub states: Option<&'a [Tensor<T>]>,
    /// What cells with [`Context::Additive`](crate::composed::Context::Additive) see besides, `[N, 3 hidden, H, W]` for each
    /// of them in order: of update gate, reset gate and candidate.
    pub contexts: &'a [Tensor<T>],
    /// How many frames of each sample are its own, 0 to `T`; `None` is `T` of each.
    ///
    /// The state of a sample stays as it is past its end, bit for bit, and so its last state is the one at
    /// its own end. Frames past the end may hold anything: they reach no result, no gradient of a weight, and have a
    /// gradient of zero. Gradients of states past the end add up at the end.
    pub lengths: Option<&'a [usize]>,
    /// The layers whose states after every step are returned.
    pub return_layers: ReturnLayers,
    /// The seed of dropout and zoneout; `None` is the network as in use. Networks without either do not read it.
    pub dropout_seed: Option<u64>,
    /// Whether the backward pass computes the gradients of `inputs`; without it they are data.
    pub input_gradient: bool,
}

/// The layers whose states after every step a network returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnLayers {
    /// Every layer's.
    All,
    /// The topmost layer's.
    #[default]
    Top,
    /// No layer's: the states after the last step alone.
    None,
}

impl<'a, T> From<&'a Tensor<T>> for Sequence<'a, T> {
    fn from(frames: &'a Tensor<T>) -> Self {
        Self::from(std::slice::from_ref(frames))
    }
}

impl<'a, T> From<&'a [Tensor<T>]> for Sequence<'a, T> {
    fn from(inputs: &'a [Tensor<T>]) -> Self {
        Self {
            inputs,
            states: None,
            contexts: &[],
            lengths: None,
            return_layers: ReturnLayers::default(),
            dropout_seed: None,
            input_gradient: false,
        }
    }
}

impl<'a, T: Scalar> Sequence<'a, T> {
    /// The frames of a network that reads one tensor of them and no contexts.
    pub(crate) fn frames(&self) -> Result<&'a Tensor<T>> {
        expect_count("inputs", 1, self.inputs.len())?;
        expect_count("contexts", 0, self.contexts.len())?;
        Ok(&self.inputs[0])
    }

    /// Fails unless there is a possible length for each sample.
    pub(crate) fn expect_lengths(&self, steps: usize, batch: usize) -> Result<()> {
        let Some(lengths) = self.lengths else { return Ok(()) };
        expect_count("lengths", batch, lengths.len())?;
        match lengths.iter().position(|&length| length > steps) {
            Some(sample) => Err(Error::OutOfRange {
                what: format!("length of sample {sample}"),
                got: lengths[sample],
                most: steps,
            }),
            None => Ok(()),
        }
    }
}

/// The most steps that no frame is given for: forecasts, and networks without input.
const MOST_STEPS: usize = 1 << 16;

/// Fails for more steps than a call takes that no frame is given for.
pub(crate) fn expect_steps(what: &str, steps: usize) -> Result<()> {
    if steps <= MOST_STEPS {
        return Ok(());
    }
    Err(Error::OutOfRange { what: what.to_owned(), got: steps, most: MOST_STEPS })
}
