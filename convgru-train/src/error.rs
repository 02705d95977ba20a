//! What can go wrong in training: files, data, configurations.

use std::path::{Path, PathBuf};

use crate::counted::counted;
use crate::printable::printable;

/// An error of this crate. It names the file or field and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", printable(path))]
    Io {
        /// What was tried, such as "read" or "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason of the operating system.
        source: std::io::Error,
    },
    /// A file is not what its format demands.
    #[error("{}: {reason}", printable(path))]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the numbers found and those needed.
        reason: String,
    },
    /// A field of the configuration has a value that cannot work.
    #[error("config field `{field}`: {reason}")]
    Config {
        /// The field as a dotted path, such as `model.patch`.
        field: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Data of a shape or range that the call cannot use.
    #[error("{what}: {reason}")]
    Data {
        /// What was looked at.
        what: String,
        /// What is wrong, with the numbers.
        reason: String,
    },
    /// Reading a file would take more memory than is allowed.
    #[error(
        "{}: needs {} of memory besides the {held} that are held, but {setting} allows {limit} ({} MiB); raise {setting}{advice}",
        printable(path), counted(*asked, "byte"), limit >> 20
    )]
    Memory {
        /// The file that is read.
        path: PathBuf,
        /// The bytes that it needs.
        asked: u64,
        /// The bytes that are held for others.
        held: u64,
        /// The bytes that are allowed.
        limit: u64,
        /// What raises the limit, such as `data.memory_mib`.
        setting: String,
        /// What else helps, as the end of the sentence; may be empty.
        advice: String,
    },
    /// A run cannot go on, or a checkpoint cannot be used.
    #[error("{}: {reason}", printable(path))]
    Checkpoint {
        /// The file or folder looked at.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A checkpoint file is not intact.
    #[error("{}: {fault}", printable(path))]
    DamagedCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: crate::checkpoint::Fault,
    },
    /// Another process writes in the folder.
    #[error("{} is held by {holder}; wait until it ends, or end it", printable(path))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process, its host and its start, as far as the lock file tells.
        holder: String,
    },
    /// The data are not those that a run was trained on.
    #[error(
        "the data have changed since the checkpoint was written: {}; give the data it was trained on, or --allow-changed-data to go on with these",
        changes.join("; ")
    )]
    ChangedData {
        /// What changed, a file or a fact each.
        changes: Vec<String>,
    },
    /// The system refused to install a signal handler.
    #[error("cannot watch for Ctrl-C, SIGTERM and SIGHUP: {source}")]
    Signal {
        /// The reason of the operating system.
        source: std::io::Error,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for; 0 means one per core.
        threads: usize,
        /// The reason.
        reason: String,
    },
    /// The loss or a gradient became infinite or NaN.
    #[error("{what} is not finite at step {step}: {advice}")]
    NotFinite {
        /// Loss or gradient.
        what: &'static str,
        /// The optimiser step.
        step: u64,
        /// What to try.
        advice: String,
    },
    /// The model refused its input or configuration.
    #[error(transparent)]
    Model(#[from] convgru_model::Error),
}

impl Error {
    /// An [`Error::Io`] with its path; for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

/// The result of a call of this crate.
pub type Result<T> = std::result::Result<T, Error>;
