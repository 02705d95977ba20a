//! What the harness and an engine say to each other: one line of JSON each way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A line to an engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Request {
    /// Get ready for the workload that a folder holds.
    Load { folder: PathBuf, threads: usize },
    /// Say how much memory the work takes.
    Memory,
    /// Do the work and write what it gives.
    Check { output: PathBuf },
    /// Do the work and say how long each time took.
    Run { iterations: usize },
    /// Stop.
    Quit,
}

impl Request {
    /// The word for it in messages.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Load { .. } => "load",
            Self::Memory => "memory",
            Self::Check { .. } => "check",
            Self::Run { .. } => "run",
            Self::Quit => "quit",
        }
    }
}

/// The answer to `load`: which program this is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Loaded {
    /// The name of the library.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// What was chosen, where there was a choice.
    pub(crate) variant: String,
}

/// The answer to `memory`; nothing where it cannot be told.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Resident after loading, before the work was done for the first time.
    pub(crate) base_bytes: Option<u64>,
    /// The most that was resident while it was done for the second time.
    pub(crate) peak_bytes: Option<u64>,
}

impl Memory {
    /// What the work takes on top of weights and inputs.
    pub(crate) fn over_base(&self) -> Option<u64> {
        Some(self.peak_bytes?.saturating_sub(self.base_bytes?))
    }
}

/// The answer to `run`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Times {
    /// One for each iteration.
    pub(crate) milliseconds: Vec<f64>,
}

/// The answer to what needs none.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Done {}

/// The answer when something went wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failed {
    /// What is wrong.
    pub(crate) error: String,
}
