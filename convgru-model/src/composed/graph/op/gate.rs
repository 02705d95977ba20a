//! A gate: the function of a sum, whose parts lie among the channels of others.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::pointwise::{add_to, in_chunks, write};
use super::slices::expect_range;
use super::{Sink, images_of};
use crate::error::Result;
use crate::layer::Activation;
use crate::tensor::{Tensor, expect_shape};

/// `f(a[first])`, or `f(a[first] + b[second])`, of channels of one operand or of two.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GateFunction {
    /// Channels of the first operand.
    pub(crate) first: Range<usize>,
    /// Channels of the second operand, as many.
    pub(crate) second: Range<usize>,
    pub(crate) activation: Activation,
}

impl GateFunction {
    /// Of the same channels of both operands.
    pub(crate) fn of(range: Range<usize>, activation: Activation) -> Self {
        Self { first: range.clone(), second: range, activation }
    }

    /// The channels that an operand gives.
    fn range(&self, operand: usize) -> &Range<usize> {
        if operand == 0 { &self.first } else { &self.second }
    }

    pub(super) fn forward<T: Scalar>(&self, operands: &[&Tensor<T>]) -> Result<Tensor<T>> {
        let [images, channels, height, width] = images_of("sums of a gate", operands[0])?;
        expect_range("channels", &self.first, channels)?;
        if let Some(other) = operands.get(1) {
            let shape = images_of("sums of a gate", other)?;
            expect_range("channels", &self.second, shape[1])?;
            expect_shape("sums of a gate", &shape, &[images, shape[1], height, width])?;
            expect_shape("channels to add", &[self.second.len()], &[self.first.len()])?;
        }
        let pixels = height * width;
        let of_gate = |operand: usize, image: usize| {
            let range = self.range(operand);
            &operands[operand].slice(image)[range.start * pixels..range.end * pixels]
        };
        let mut y = Tensor::zeros(&[images, self.first.len(), height, width]);
        for image in 0..images {
            match operands.len() {
                1 => y.slice_mut(image).copy_from_slice(of_gate(0, image)),
                _ => write(y.slice_mut(image), of_gate(0, image), of_gate(1, image), |a, b| a + b),
            }
        }
        self.activation.apply(y.as_mut_slice());
        Ok(y)
    }

    /// `da = db = dy.f'(y)`
    pub(super) fn backward<T: Scalar>(
        &self,
        operands: usize,
        result: &Tensor<T>,
        d: &Tensor<T>,
        sink: &mut impl Sink<T>,
    ) -> Result<()> {
        let mut d_sum = d.clone();
        in_chunks(d_sum.as_mut_slice(), result.as_slice(), |d, y| self.activation.scale_by_derivative(y, d));
        let pixels: usize = d.shape()[2..].iter().product();
        for operand in (0..operands).filter(|&operand| sink.wants(operand)).collect::<Vec<_>>() {
            let range = self.range(operand);
            let to = sink.gradient(operand);
            if to.shape() == d_sum.shape() {
                add_to(to.as_mut_slice(), d_sum.as_slice());
                continue;
            }
            for image in 0..d.shape()[0] {
                let to = &mut to.slice_mut(image)[range.start * pixels..range.end * pixels];
                add_to(to, d_sum.slice(image));
            }
        }
        Ok(())
    }
}
