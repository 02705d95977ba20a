//! The elementwise half of a GRU cell, fused into the convolutions it follows.
//!
//! A buffer of gates has three sections of channels, in this order: update gate `z`,
//! reset gate `r`, candidate `n`. The convolution of the input leaves its part of the values
//! before the activation there; the functions of this module add the convolution of the
//! state and replace the sums by the gates themselves, in one pass over each image.
//!
//! ```text
//! z = sigmoid(Wz*x + Uz*h + bz)     r = sigmoid(Wr*x + Ur*h + br)
//! n = tanh(Wn*x + Un*(r.h) + bn)    h' = h + z.(n - h)
//! ```
//! (Ballas et al. 2015, arXiv 1511.06432, with the blend of the published code.)

mod api;
pub(crate) mod backward;
pub(crate) mod forward;
mod pass;

pub use api::{candidate, candidate_backward, first_step, reset_backward, reset_hidden, update_and_reset};
pub use backward::{CandidateBackward, ResetBackward};
pub use forward::{Candidate, UpdateAndReset};

/// The number of sections of a buffer of gates.
pub const GATES: usize = 3;
