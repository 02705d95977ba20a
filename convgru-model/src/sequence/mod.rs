//! What a network runs over.

mod state_gradient;

use convgru_kernels::Scalar;
pub use state_gradient::StateGradient;

use crate::error::{Error, Result, expect_count};
use crate::fused::Outputs;
use crate::tensor::Tensor;

/// A batch of sequences for a network to run over, with everything that may be said about it.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Sequence, Tensor};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
/// // The first sample has five frames, the second three and two of padding.
/// let frames = Tensor::from_fn(&[5, 2, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
/// let states = network.forward_sequence(Sequence { lengths: Some(&[5, 3]), ..Sequence::new(&frames) })?;
/// let (at_its_end, last) = (states.outputs[0].index(2), &states.last[0]);
/// assert_eq!(at_its_end.slice(1), last.slice(1));
/// assert_ne!(at_its_end.slice(0), last.slice(0));
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a, T> {
    /// The frames, `[T, N, in_channels, H, W]`; [`Tensor::swap_steps_and_batch`] makes that of `[N, T, in_channels, H, W]`.
    pub input: &'a Tensor<T>,
    /// The states before the first step, `[N, hidden, H, W]` of each layer; `None` is zero.
    pub states: Option<&'a [Tensor<T>]>,
    /// How many frames of each sample are its own, 0 to `T`; `None` is `T` of each.
    ///
    /// The state of a sample stays as it is past its end, bit for bit, and so its last state is the one at
    /// its own end. Frames past the end may hold anything: they reach no result, no gradient of a weight, and have a
    /// gradient of zero. Gradients of states past the end add up at the end.
    pub lengths: Option<&'a [usize]>,
    /// The layers whose states after every step are returned.
    pub outputs: Outputs,
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

impl<'a, T: Scalar> Sequence<'a, T> {
    /// Frames from zero states on, all of every sample, and the states of the topmost layer.
    pub fn new(input: &'a Tensor<T>) -> Self {
        Self { input, states: None, lengths: None, outputs: Outputs::Top }
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
