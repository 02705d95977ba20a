//! Activations, for vectors of any instruction set.
//!
//! Sigmoid and hyperbolic tangent rest on one function, `e^x - 1` for `x >= 0`, without branches or tables:
//! `x = k ln 2 + r` with `|r| <= ln 2 / 2`, then `e^x - 1 = 2^k p(r) + (2^k - 1)` where
//! `p(r)` is the Taylor polynomial of `e^r - 1`, long enough that its remainder lies
//! below the rounding of the type. The error stays small near zero, where tanh needs it.
//!
//! The bounds in units in the last place (ULP) are checked over samples in every test
//! run and over all `f32` in an ignored test.

pub(crate) mod apply;
mod exponential;
pub(crate) mod functions;
#[cfg(test)]
mod tests;

pub use crate::api::{hard_sigmoid_in_place, sigmoid, sigmoid_in_place, tanh, tanh_in_place};

/// Largest error of [`sigmoid`] in units in the last place, for inputs above -87 (`f32`)
/// or -708 (`f64`); below, the result is a number between 0 and 2e-38 (`f32`) or 4e-308 (`f64`).
pub const SIGMOID_ULP: f64 = 4.0;

/// Largest error of [`tanh`] in units in the last place, for every input.
pub const TANH_ULP: f64 = 4.0;
