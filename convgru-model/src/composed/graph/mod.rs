//! Cells as compositions of operations, each with its hand-written backward pass.
//!
//! The fused engine behind [`ConvGru`](crate::ConvGru) computes one cell as fast as the machine can. The
//! other cells of the field ([`composed`](crate::composed)) are written once, as functions over
//! [`Operations`], and run on whatever implements that: [`Eager`] computes with tensors, [`Tape`] goes
//! back over what it recorded besides; the reference computes with any number, dual numbers included.
//!
//! Values are images `[M, C, H, W]`, one after the other whatever they belong to (steps, samples,
//! planes of a volume), or the tensors of parameters.

mod backward;
mod eager;
mod kernels;
mod op;
mod operations;
mod tape;
mod weight_gradients;

pub(crate) use eager::{Eager, Held};
pub(crate) use kernels::Tensors;
#[cfg(feature = "onnx")]
pub(crate) use op::Operands;
pub use op::PaddingMode;
#[cfg(feature = "gradcheck")]
pub(crate) use op::Resize;
pub(crate) use op::{Convolution, GateFunction, Op, Pad, Pooling};
pub(crate) use operations::Operations;
pub(crate) use tape::{NodeIndex, Record, Tape};
