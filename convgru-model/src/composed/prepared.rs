//! A network with its kernels packed.

use convgru_kernels::Scalar;

use super::graph::Eager;
use super::network::Recurrent;
use super::stream::RecurrentStream;
use crate::error::Result;
use crate::sequence::{Output, Sequence};
use crate::tensor::Tensor;

/// A [`Recurrent`] whose kernels are packed when they are first needed and used again from then on. Kernels with a spectral norm
/// are folded for each sequence or stream, and packed in each step.
///
/// ```
/// use convgru_model::composed::{CellConfig, Recurrent, RecurrentConfig};
/// use convgru_model::{Output, Tensor};
///
/// let network = Recurrent::<f32>::new(RecurrentConfig::chain([CellConfig::new(2, 4)]), 0)?;
/// let (mut prepared, mut states) = (network.prepare()?, Output::default());
/// for size in [5, 6] {
///     prepared.forward(&Tensor::zeros(&[3, 1, 2, 6, size]), &mut states)?;
///     assert_eq!(states.outputs[0].shape(), [3, 1, 4, 6, size]);
/// }
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct PreparedRecurrent<'a, T> {
    network: &'a Recurrent<T>,
    eager: Eager<'a, T>,
}

impl<T: Scalar> Recurrent<T> {
    /// The network with its kernels packed: for one sequence after the other, or for frames that keep coming.
    ///
    /// It borrows the network, so its packed kernels cannot outlive a change of them.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch), [`Error::Count`](crate::Error::Count) or
    /// [`Error::TensorOrder`](crate::Error::TensorOrder) if the weights no longer fit the configuration.
    pub fn prepare(&self) -> Result<PreparedRecurrent<'_, T>> {
        self.check()?;
        Ok(PreparedRecurrent { network: self, eager: Eager::new(self.parameters.named()) })
    }
}

impl<'a, T: Scalar> PreparedRecurrent<'a, T> {
    /// A whole sequence, in place of an earlier result.
    ///
    /// # Errors
    /// As [`Recurrent::forward`].
    pub fn forward<'s>(
        &mut self,
        sequence: impl Into<Sequence<'s, T>>,
        output: &mut Output<T>,
    ) -> Result<()> {
        *output = self.network.forward_on(&mut self.eager, sequence.into(), 0)?;
        Ok(())
    }

    /// A stream of frames of one size: states are kept between frames.
    ///
    /// Two frames of zeros on trial pack all kernels and tell whether the network can read such frames.
    ///
    /// # Shapes
    /// `shapes`: of a frame of each input, `[N, C, H, W]`, for lines `[N, C, W]` and for volumes `[N, C, D, H, W]`;
    /// `contexts`: as [`Sequence::contexts`].
    ///
    /// # Errors
    /// As [`Recurrent::forward`].
    pub fn stream(self, shapes: &[&[usize]], contexts: &[Tensor<T>]) -> Result<RecurrentStream<'a, T>> {
        RecurrentStream::new(self.network, self.eager, shapes, contexts)
    }
}
