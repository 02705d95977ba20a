//! Benchmarks of convgru at the workloads of the field.
//!
//! A workload is a file in `workloads/`: a network, a size of images and what is done
//! with them. Every benchmark of every workload also runs once in `cargo test`.
//! Timings are printed by `cargo xtask bench` and decide no test.
//!
//! [`gradcheck`] runs every gradient check, [`parity`] reproduces recorded values of other implementations.
#![forbid(unsafe_code)]

pub mod gradcheck;
pub mod parity;
mod workload;

pub use workload::{Kind, Network, Workload, WorkloadError};
