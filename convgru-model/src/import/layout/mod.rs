//! How published ConvGRUs keep their weights, and the way from there to ours and back.
//!
//! All these cells compute our equations (docs/conventions.md), with the reset gate before or after the
//! convolution of the state, which no conversion changes. What differs is where the numbers lie:
//! which gates share a tensor and in which order, whether the channels of input or state come first
//! in a joint kernel, and which of `z` and `1 - z` weighs the candidate:
//!
//! ```text
//! A: h' = (1 - z).h + z.n  (ours)      B: h' = z.h + (1 - z).n
//! ```
//! As `1 - sigmoid(a) = sigmoid(-a)`, a cell of one kind becomes one of the other when weights and bias of its
//! update gate change sign. So a [`Layout`] is a permutation and a sign of numbers, but for biases: where
//! input and state have one each, they are added up, and both have the gradient of their sum.

mod convert;
mod description;
pub(super) mod detect;
mod directions;
mod rearrange;
pub(super) mod stacking;
mod systems;

pub use self::description::Layout;
pub(crate) use self::description::{BlendConvention, Columns, Gate, GateTensor};
pub use self::rearrange::ForeignStack;

#[cfg(test)]
mod tests;
