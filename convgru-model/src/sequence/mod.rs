//! One layer over the steps of a sequence.
//!
//! Steps lie one after the other along the batch: image `t * N + n` is sample `n` at
//! step `t`. What does not depend on the state, `W*x + b` and every weight gradient,
//! is one call over all steps; only the recurrence goes step by step.

mod backward;
mod forward;

pub(crate) use backward::LayerBackward;
pub(crate) use forward::LayerWorkspace;
