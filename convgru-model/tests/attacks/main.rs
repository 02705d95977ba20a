//! Files of weights that are made to take memory or time, or that were damaged. Each is made here, of some lines.
//!
//! The rule for every reader (SECURITY.md): at most four times the bytes of the file and 64 MiB, and time proportional to
//! the bytes. Time is not measured: where it grew faster than the file, these tests would not end.

#![expect(clippy::unwrap_used, reason = "tests fail by panics")]

mod memory;
mod mxnet;
mod pickles;
mod safetensors;
