//! Spectral normalisation (Miyato et al. 2018): kernels divided by an estimate of their norm.

use convgru_kernels::Scalar;

use super::Sink;
use crate::error::Result;
use crate::tensor::{Tensor, expect_shape};

/// The number of columns of a kernel as a matrix.
fn columns<T: Scalar>(kernel: &Tensor<T>) -> usize {
    kernel.shape()[1..].iter().product()
}

/// `sigma = u . [Wx Wh] v`, of the kernels of a gate over input and state side by side.
pub(super) fn norm<T: Scalar>(operands: &[&Tensor<T>]) -> Result<Tensor<T>> {
    let [input, state, u, v] = [operands[0], operands[1], operands[2], operands[3]];
    expect_shape("left vector of a spectral norm", u.shape(), &state.shape()[..1])?;
    expect_shape("right vector of a spectral norm", v.shape(), &[columns(input) + columns(state)])?;
    let (of_input, of_state) = v.as_slice().split_at(columns(input));
    let mut sigma = T::ZERO;
    for (row, &u) in u.as_slice().iter().enumerate() {
        for (kernel, v) in [(input, of_input), (state, of_state)] {
            sigma += u * kernel.slice(row).iter().zip(v).map(|(&w, &v)| w * v).sum();
        }
    }
    Tensor::from_vec(&[1], vec![sigma])
}

/// `dW = dsigma u (x) v`
pub(super) fn norm_backward<T: Scalar>(
    operands: &[&Tensor<T>],
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    let [input, u, v] = [operands[0], operands[2], operands[3]];
    let (of_input, of_state) = v.as_slice().split_at(columns(input));
    for (operand, v) in [(0, of_input), (1, of_state)] {
        if sink.wants(operand) {
            let to = sink.gradient(operand);
            for (row, &u) in u.as_slice().iter().enumerate() {
                let factor = d.as_slice()[0] * u;
                to.slice_mut(row).iter_mut().zip(v).for_each(|(to, &v)| *to += factor * v);
            }
        }
    }
    Ok(())
}

pub(super) fn divide<T: Scalar>(a: &Tensor<T>, by: &Tensor<T>) -> Result<Tensor<T>> {
    expect_shape("divisor", by.shape(), &[1])?;
    let by = by.as_slice()[0];
    Tensor::from_vec(a.shape(), a.as_slice().iter().map(|&a| a / by).collect())
}

/// `da = d / b`, `db = -sum d.(a / b) / b`
pub(super) fn divide_backward<T: Scalar>(
    by: &Tensor<T>,
    quotient: &Tensor<T>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    let by = by.as_slice()[0];
    if sink.wants(0) {
        let to = sink.gradient(0).as_mut_slice().iter_mut();
        to.zip(d.as_slice()).for_each(|(to, &d)| *to += d / by);
    }
    if sink.wants(1) {
        let sum: T = quotient.as_slice().iter().zip(d.as_slice()).map(|(&q, &d)| q * d).sum();
        sink.gradient(1).as_mut_slice()[0] -= sum / by;
    }
    Ok(())
}
