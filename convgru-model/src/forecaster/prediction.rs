//! Predicted frames of a training step, and the gradient of a loss with respect to them.

use convgru_kernels::Scalar;

use crate::error::{Result, expect_count};
use crate::tensor::{Tensor, expect_shape};

/// Predicted frames, `[T_out, N, K C, H, W]`: first the channels of the first of `K` members, then the channels of the next.
#[derive(Debug, Clone)]
pub struct Prediction<T> {
    /// After the output activation: pixels.
    pub output: Tensor<T>,
    /// Before the output activation, for losses such as cross-entropy with logits.
    pub logits: Tensor<T>,
}

/// The gradient of a loss with respect to a [`Prediction`], `[T_out, N, K C, H, W]` of `K` members.
#[derive(Debug, Clone, PartialEq)]
pub enum PredictionGradient<T> {
    /// With respect to the pixels, after the output activation.
    Output(Tensor<T>),
    /// With respect to the values before the output activation.
    Logits(Tensor<T>),
}

/// True frames that the decoder reads in place of its own predictions in training
/// (Williams and Zipser 1989).
#[derive(Debug, Clone, Copy)]
pub struct TeacherForcing<'a, T> {
    /// The frames that are to be predicted, `[T_out, N, C, H, W]`.
    pub frames: &'a Tensor<T>,
    /// One for each step: whether step `t` reads `frames[t - 1]`. The first step reads the
    /// last frame of the input in any case.
    pub forced: &'a [bool],
}

impl<T: Scalar> TeacherForcing<'_, T> {
    /// Fails unless there are frames and flags of all steps after an input.
    pub(super) fn expect(&self, input: &[usize], steps: usize) -> Result<()> {
        let expected = [&[steps], &input[1..]].concat();
        expect_shape("true frames of teacher forcing", self.frames.shape(), &expected)?;
        expect_count("flags of teacher forcing", steps, self.forced.len())
    }
}
