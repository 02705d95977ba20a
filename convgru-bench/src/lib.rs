//! Benchmarks of convgru at the workloads of the field.
//!
//! A workload is a file in `workloads/`: a network, a size of images and what is done
//! with them. Every benchmark of every workload also runs once in `cargo test`.
//! Timings are printed by `cargo xtask bench` and decide no test.
#![forbid(unsafe_code)]

mod workload;

pub use workload::{Kind, Workload, WorkloadError};
