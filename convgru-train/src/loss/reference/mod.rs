//! The losses once more, as the obvious loops over any kind of number.

mod ensemble;
mod frames;
mod pointwise;
mod temporal_penalty;

pub use frames::objective_reference;
pub use pointwise::reference;
