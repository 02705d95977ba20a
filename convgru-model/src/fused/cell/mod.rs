//! One convolutional GRU cell: its parameters and the kernels' view of them.
//!
//! ```text
//! z = sigmoid(Wz*x + Uz*h + bz)     r = sigmoid(Wr*x + Ur*h + br)
//! n = tanh(Wn*x + Un*(r.h) + bn)    h' = h + z.(n - h)
//! ```
//! or, where the reset gate acts after the convolution of the state, which has a bias of its own then,
//! ```text
//! n = tanh(Wn*x + bn + r.u)         u = Un*h + cn
//! ```
//! Other functions may take the place of `sigmoid` and `tanh`, and the taps of kernels may be some pixels apart.
//! `*` is a same-padded convolution, `.` the elementwise product (Ballas et al. 2015,
//! arXiv 1511.06432). The backward pass is derived in docs/math.md.

mod options;
mod parameters;
mod prepared;

pub(crate) use options::CellOptions;
pub use parameters::CellParameters;
pub(crate) use parameters::{CellShape, draw, expect_layers, take};
pub(crate) use prepared::{CellInput, CellStep, CellStepBackward, PreparedCell, RecurrentImages};

/// The number of gates: update, reset, candidate.
pub(crate) const GATES: usize = convgru_kernels::gates::GATES;

#[cfg(test)]
mod tests;
