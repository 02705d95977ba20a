//! A step of a GRU cell, its elementwise half fused into the convolutions it follows, and the way back.
//!
//! A buffer of gates has three sections of channels, in this order: update gate `z`,
//! reset gate `r`, candidate `n`. Either the convolution of the input has left its part of the values
//! before the activation there, or it is added up with that of the state ([`joins_input`]). A step
//! goes through large images in bands of rows; the gates are written where a backward pass needs them.
//!
//! ```text
//! z = sigmoid(Wz*x + Uz*h + bz)     r = sigmoid(Wr*x + Ur*h + br)
//! n = tanh(Wn*x + Un*(r.h) + bn)    h' = h + z.(n - h)
//! ```
//! (Ballas et al. 2015, arXiv 1511.06432, with the blend of the published code.) Other [`Activations`] than these
//! take the place of `sigmoid` and `tanh`; derivatives are computed from the gates themselves. Where the reset gate
//! acts after the convolution of the state, as in cuDNN's GRU, [`step_reset_after`] takes the place of a step.

pub(crate) mod activations;
pub(crate) mod backward;
mod epilogues;
pub(crate) mod first_step;
mod pass;
pub(crate) mod reset_after;
pub(crate) mod step;

pub use activations::{Activations, CandidateActivation, GateActivation};
pub use backward::{CandidateBackward, ResetBackward};
pub use first_step::FirstStep;
pub use pass::GATES;
pub use reset_after::{ResetAfterBackward, ResetAfterStep};
pub use step::{CellWeights, InputPart, Step, joins_input};

pub use crate::api::{
    candidate_backward, first_step, reset_after_backward, reset_backward, reset_hidden, step,
    step_reset_after,
};
