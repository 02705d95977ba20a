//! One layer over the steps of a sequence.
//!
//! Steps lie one after the other along the batch: image `t * N + n` is sample `n` at
//! step `t`. What does not depend on the state, `W*x + b` and every weight gradient,
//! is one call over all steps; only the recurrence goes step by step.
//!
//! Samples may be of different lengths: past its end a sample's state stays as it is, and its gradient with it.

mod backward;
mod forward;
mod lengths;

pub(crate) use backward::LayerBackward;
pub(crate) use forward::LayerWorkspace;
pub(crate) use lengths::SampleLengths;

#[cfg(test)]
mod tests;
