//! Training of convolutional GRUs.
#![forbid(unsafe_code)]

mod atomic_file;
mod atomic_folder;
pub mod checkpoint;
pub mod config;
pub mod counted;
pub mod dataset;
mod error;
#[cfg(test)]
mod fixtures;
pub mod forecast;
mod frame_by_frame;
mod input;
pub mod interrupt;
pub mod loss;
pub mod media;
pub mod metric;
mod npy_header;
pub mod optimizer;
mod output_path;
mod parallel;
pub mod printable;
mod read_budget;
pub mod report;
pub mod schedule;
mod storage;
pub mod trainer;
pub mod tune;
pub mod watch;

pub use atomic_file::write_atomically;
pub use error::{Error, Result};
pub use frame_by_frame::{apply_to_frames, frame_channels};
pub use input::read_file;
pub use output_path::{expect_not_read, expect_replaceable};
pub use read_budget::ReadBudget;
