//! The losses once more, as the obvious loops over any kind of number.

mod ensemble;
mod frames;
mod pointwise;

pub use frames::objective_reference;
pub use pointwise::reference;
