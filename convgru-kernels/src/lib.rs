//! Convolution, its gradients and the gates of a GRU on the CPU.
//!
//! This crate knows slices, batches of feature maps and small descriptors; it
//! knows no tensor, no layer and no weight file. It is what `convgru-model` is
//! built on, in `f32` for use and in `f64` for proofs, by the same code.
//!
//! | module | what is in it |
//! |---|---|
//! | [`conv`] | convolution forward, input gradient, weight gradient |
//! | [`gates`] | the elementwise half of a GRU cell, two fused passes each way |
//! | [`activation`] | sigmoid, tanh and hard sigmoid with stated error bounds |
//! | [`mod@reference`] | the same things as obvious loops: the specification |
//! | [`peak`] | what the processor can do at best |
//!
//! # Invariants
//! * Results are the same bits for any number of threads: work is cut by shape
//!   alone and partial sums are added in index order.
//! * Gradients of weights and biases are added to what is there; callers zero them.
//! * A caller's own thread pool is used when the call is made inside
//!   `rayon::ThreadPool::install`.
//! * Calls whose descriptors do not fit are errors with the numbers in them, not panics, and have written nothing.
//!   Views of a range ([`FeatureMapsRef::images`] and the like) panic as slices do.

pub mod activation;
mod aligned;
mod api;
pub mod conv;
mod error;
mod feature_maps;
pub mod gates;
mod gemm;
mod isa;
mod parallel;
pub mod peak;
mod real;
pub mod reference;
mod scratchpad;
mod simd;

pub use aligned::release_memory;
pub use api::Scalar;
pub use error::{Error, Result};
pub use feature_maps::{Extent, FeatureMaps, FeatureMapsMut, FeatureMapsRef};
pub use isa::{ISA_VARIABLE, Isa, UnknownIsa};
pub use real::Real;
pub use scratchpad::Scratchpad;
