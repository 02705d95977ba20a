//! The states of a sequence, and the gradients on both ends of a backward pass.

use convgru_kernels::Scalar;

use crate::error::{Result, expect_count};
use crate::tensor::{Tensor, expect_shape};

/// The states of a sequence. The default has none: [`Prepared::forward`](crate::Prepared::forward) fills it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output<T> {
    /// States after every step, `[T, N, hidden, H, W]`, of the layers that [`Sequence::return_layers`](crate::Sequence::return_layers)
    /// asks for, from the input up. The last of them is the result of the network.
    ///
    /// * [`BidirectionalConvGru`](crate::BidirectionalConvGru): states of both directions merged, in the order of time,
    ///   `[T, N, 2 hidden, H, W]` or, where they are added up, `[T, N, hidden, H, W]`. Past the end of a sample they are the merged
    ///   last states of both.
    /// * [`Recurrent`](crate::composed::Recurrent): hidden states of cells. Where the result of the network is not the state of
    ///   the topmost cell (a convolution follows it, or [`Wiring`](crate::composed::Wiring) is residual or of levels), it follows as one tensor more.
    pub outputs: Vec<Tensor<T>>,
    /// The states after the last step, `[N, hidden, H, W]`, of every layer from the input up.
    ///
    /// * [`BidirectionalConvGru`](crate::BidirectionalConvGru): of all layers of the forward direction, after the last frame of each sample, then
    ///   of all layers of the backward direction, after the first frame.
    /// * [`Recurrent`](crate::composed::Recurrent): of every cell all states, of an LSTM the hidden state and then the memory.
    pub last: Vec<Tensor<T>>,
}

/// The gradients of a loss with respect to an [`Output`], in its order. An empty list is zero, and so is a `None`.
#[derive(Debug, Clone, Default)]
pub struct OutputGradients<'a, T> {
    /// Of [`Output::outputs`], one for each tensor that was returned.
    pub outputs: Vec<Option<&'a Tensor<T>>>,
    /// Of [`Output::last`], one for each tensor. Each is added to the gradient of the output at the last step.
    pub last: Vec<Option<&'a Tensor<T>>>,
}

impl<'a, T: Scalar> OutputGradients<'a, T> {
    /// The gradient of an output, if there is one.
    pub(crate) fn output(&self, index: usize) -> Option<&'a Tensor<T>> {
        self.outputs.get(index).copied().flatten()
    }

    /// The gradient of a last state, if there is one.
    pub(crate) fn last(&self, index: usize) -> Option<&'a Tensor<T>> {
        self.last.get(index).copied().flatten()
    }

    /// Fails unless there are gradients of tensors of these shapes.
    pub(crate) fn expect_shapes(&self, outputs: &[Vec<usize>], last: &[Vec<usize>]) -> Result<()> {
        for (what, given, shapes) in [("outputs", &self.outputs, outputs), ("last states", &self.last, last)]
        {
            if !given.is_empty() {
                expect_count(&format!("gradients of {what}"), shapes.len(), given.len())?;
            }
            for (index, (gradient, shape)) in given.iter().zip(shapes).enumerate() {
                if let Some(gradient) = gradient {
                    expect_shape(&format!("gradient {index} of {what}"), gradient.shape(), shape)?;
                }
            }
        }
        Ok(())
    }
}

/// What a backward pass returns: the gradients of a loss with respect to what the network was given, each list in the order of the
/// [`Sequence`](crate::Sequence).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InputGradients<T> {
    /// Of [`Sequence::inputs`](crate::Sequence::inputs); none unless [`Sequence::input_gradient`](crate::Sequence::input_gradient) asks for them.
    pub inputs: Vec<Tensor<T>>,
    /// Of [`Sequence::states`](crate::Sequence::states); none where none were given. Without them no convolution was done whose
    /// gradient could be taken: give zeros to have it.
    pub states: Vec<Tensor<T>>,
    /// Of [`Sequence::contexts`](crate::Sequence::contexts).
    pub contexts: Vec<Tensor<T>>,
}
