//! Verification of hand-written gradients, for the layers of this crate and for
//! those of its users.
//!
//! A [`Subject`] is a scalar loss with the gradients its author claims; [`check`]
//! compares every element with forward-mode dual numbers through a reference
//! and with central differences of the shipped forward pass, runs the backward pass
//! twice, and returns a [`Row`]. A [`Case`] draws subjects at random; many cases
//! make a [`Report`]. [`Case::catches_broken_gradient`] is the negative control, without which a
//! check proves nothing.
//!
//! Everything runs in `f64`: with `f32` the best difference quotient is too coarse
//! to tell a right gradient from a wrong one.

mod case;
mod cases;
mod check;
pub mod draw;
mod dual;
mod operation;
mod report;
mod subject;

pub use case::Case;
pub use cases::cases;
pub use check::{DIFFERENCE_TOLERANCE, DUAL_TOLERANCE, VALUE_TOLERANCE, check, noticeable};
pub use operation::{Operation, probed};
pub use report::{Report, Row};
pub use subject::Subject;

#[cfg(test)]
mod tests;
