//! The elementwise half of a GRU cell, fused into two passes each way.
//!
//! A buffer of gates has three blocks of channels, in this order: update gate `z`,
//! reset gate `r`, candidate `n`. Convolutions leave the values before the
//! activation in it; the forward passes replace them by the gates themselves.
//!
//! ```text
//! z = sigmoid(Wz*x + Uz*h + bz)     r = sigmoid(Wr*x + Ur*h + br)
//! n = tanh(Wn*x + Un*(r.h) + bn)    h' = h + z.(n - h)
//! ```
//! (Ballas et al. 2015, arXiv 1511.06432, with the blend of the published code.)

mod backward;
mod forward;
mod pieces;

pub use backward::{CandidateBackward, ResetBackward, candidate_backward, reset_backward};
pub use forward::{blend, reset_hidden, update_and_reset, update_only};

/// The number of blocks of channels in a buffer of gates.
pub const GATES: usize = 3;
