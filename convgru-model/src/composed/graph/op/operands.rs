//! What operations work on, and where the gradients of that go.

use convgru_kernels::conv::PackedWeights;
use convgru_kernels::{Extent, FeatureMaps, Scalar};

use super::convolution::Convolution;
use crate::error::Result;
use crate::tensor::{Tensor, expect_rank};

/// The operands of an operation: values, and packed weights where there are some.
pub(crate) struct Operands<'a, 'w, T> {
    pub(crate) values: &'a [&'a Tensor<T>],
    pub(crate) packed: Option<&'a PackedWeights<'w, T>>,
}

/// Where the gradients of operands go.
pub(crate) trait Sink<T: Scalar> {
    /// Whether the gradient of an operand is wanted.
    fn wants(&self, operand: usize) -> bool;
    /// The gradient so far, to be added to.
    fn gradient(&mut self, operand: usize) -> &mut Tensor<T>;
    /// Adds a gradient.
    fn give(&mut self, operand: usize, gradient: Tensor<T>) -> Result<()> {
        self.gradient(operand).add_assign(&gradient)
    }
    /// Adds the gradient of a kernel, the second operand of a convolution, from the gradient of the result: now, or later with
    /// the gradients of other results.
    fn weight_gradient(
        &mut self,
        convolution: &Convolution,
        extents: [Extent; 2],
        d_result: FeatureMaps<T>,
    ) -> Result<()>;
}

/// The four dimensions of images.
pub(crate) fn images_of<T: Scalar>(what: &str, tensor: &Tensor<T>) -> Result<[usize; 4]> {
    expect_rank(what, tensor.shape(), &["M", "C", "H", "W"])?;
    let shape = tensor.shape();
    Ok([shape[0], shape[1], shape[2], shape[3]])
}
