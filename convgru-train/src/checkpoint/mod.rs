//! Checkpoints: everything a run needs to go on, in files that are either
//! intact or refused.
//!
//! A file is an envelope with magic, version, length and hash around a bincode
//! record. It is written to a temporary file that is renamed when it is
//! safely on the disk, so a crash at any moment leaves the generations that
//! were there before.

pub(crate) mod bounded;
mod envelope;
mod history;
mod record;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod version3;
mod version4;
mod version5;

pub use envelope::{Fault, MAGIC, OLDEST_VERSION, VERSION};
pub use history::{History, SkipReason, SkippedRecord, StepRecord, Timing, Timings, ValidationRecord};
pub use record::{Checkpoint, Cursor, NamedTensor};
pub(crate) use store::{BEST, is_checkpoint};
pub use store::{CheckpointStore, FEWEST_GENERATIONS, Loaded, Rejected};
