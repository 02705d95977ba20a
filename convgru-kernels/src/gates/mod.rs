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
mod epilogues;
pub(crate) mod first_step;
mod pass;
pub(crate) mod step;

pub use api::{candidate_backward, first_step, joins_input, reset_backward, reset_hidden, step};
pub use backward::{CandidateBackward, ResetBackward};
pub use first_step::FirstStep;
pub use step::{CellWeights, InputPart, Step};

/// The number of sections of a buffer of gates.
pub const GATES: usize = 3;
