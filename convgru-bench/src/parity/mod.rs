//! Recorded values of other implementations, reproduced.
//!
//! A folder of safetensors files holds parameters, inputs, and the outputs and
//! gradients another implementation computed from them; the header of each file names the
//! system. [`run`] computes the same with this project's code and reports the largest
//! errors. Everything runs in `f64`, through the code that ships.

mod cells;
mod clipping;
mod compare;
mod metrics;
mod mlcast;
mod mlcast_losses;
mod network;
mod optimizers;
mod originals;
mod raft_update;
mod record;
mod schedules;
mod trajectory;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

pub use compare::{Errors, Tolerances};
pub use record::Record;

use convgru_train::{Error, Result};

/// Largest error allowed of an output, absolute.
pub const OUTPUT_TOLERANCE: f64 = 1e-11;

/// Largest error allowed of a gradient, relative to the largest entry of its tensor.
pub const GRADIENT_TOLERANCE: f64 = 1e-11;

/// Largest error allowed of an output computed in 32 bits, relative to the largest entry of its tensor where that is
/// above 1.
pub const SINGLE_TOLERANCE: f64 = 1e-5;

/// Largest error allowed of anything over recorded steps of training.
pub const TRAJECTORY_TOLERANCE: f64 = 1e-9;

/// The result for one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Name of the file in its folder.
    pub file: String,
    /// The system whose values the file holds, as its header calls it.
    pub system: String,
    /// Largest error of an output; none if nothing was computed.
    pub worst_output_error: Option<f64>,
    /// Largest relative error of a gradient; none if the file holds none or nothing was computed.
    pub worst_gradient_error: Option<f64>,
    /// Largest error of an output computed in 32 bits, relative to the largest entry where that is above 1, and of gradients of mlcast,
    /// relative to the largest entry; none if nothing was.
    pub worst_single_error: Option<f64>,
    /// Whether all errors are within their tolerance.
    pub passed: bool,
    /// Whether this project has what the file is about.
    pub supported: bool,
    /// What is missing or wrong, if anything is.
    pub note: Option<String>,
}

/// Checks every `*.safetensors` file directly in a folder, in the order of their names.
///
/// A file that is about something this project does not have is a row that has not passed
/// and is not supported; a file that cannot be read is one that has not passed.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be listed, [`Error::Format`] if there is no such file
/// in it.
pub fn run(folder: &Path) -> Result<Vec<Row>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    if files.is_empty() {
        let reason = "no file of recorded values (*.safetensors) in this folder".to_owned();
        return Err(Error::Format { path: folder.to_owned(), reason });
    }
    files.sort();
    Ok(files.par_iter().map(|path| check(path)).collect())
}

/// Checks one file.
pub fn check(path: &Path) -> Row {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut row = Row {
        file,
        system: String::new(),
        worst_output_error: None,
        worst_gradient_error: None,
        worst_single_error: None,
        passed: false,
        supported: true,
        note: None,
    };
    let record = match Record::read(path) {
        Ok(record) => record,
        Err(error) => {
            return Row { note: Some(error.to_string()), ..row };
        }
    };
    let case = record.metadata("case").unwrap_or_default();
    row.system = record.metadata("system").unwrap_or(case).to_owned();
    let (errors, allowed) = match Kind::of(&record, path) {
        Ok(kind) => {
            if let Kind::MlcastCheckpoint(_) = kind {
                row.system = "mlcast".to_owned();
            }
            let allowed = kind.tolerances();
            (kind.compare(&record), allowed)
        }
        Err(missing) => {
            return Row { supported: false, note: Some(format!("not supported yet: {missing}")), ..row };
        }
    };
    match errors {
        Ok(errors) => {
            row.worst_output_error = errors.output;
            row.worst_gradient_error = errors.gradient;
            row.worst_single_error = errors.single;
            row.passed = errors.within(allowed);
            let Tolerances { output, gradient, single } = allowed;
            row.note = (!row.passed)
                .then(|| format!("allowed are {output:.0e}, {gradient:.0e} and in 32 bits {single:.0e}"));
        }
        Err(error) => row.note = Some(error.to_string()),
    }
    row
}

/// What a file holds, where it is something this project has.
enum Kind {
    Cells(cells::Recipe),
    Network(network::Recipe),
    /// Update blocks of RAFT.
    RaftUpdate,
    Mlcast,
    MlcastLosses,
    /// A checkpoint of mlcast, and the forecast of its network in 32 bits.
    MlcastCheckpoint(PathBuf),
    Trajectory,
    Optimizer(optimizers::Recipe),
    Schedules(schedules::Recipe),
    Clipping(clipping::Recipe),
    Metrics,
}

impl Kind {
    /// `Err` holds what of it is not supported.
    fn of(record: &Record, path: &Path) -> std::result::Result<Self, String> {
        let system = record.metadata("system").unwrap_or_default();
        match (system, record.metadata("case").unwrap_or_default()) {
            (_, "trajectory") => Ok(Self::Trajectory),
            (_, "metrics") => Ok(Self::Metrics),
            ("mlcast", _) => Ok(Self::Mlcast),
            ("mlcast.losses", _) => Ok(Self::MlcastLosses),
            ("torch.optim.lr_scheduler", _) => schedules::Recipe::of(record).map(Self::Schedules),
            (system, _) if system.starts_with("torch.optim.") => {
                optimizers::Recipe::of(record).map(Self::Optimizer)
            }
            (system, _) if system.starts_with("torch.nn.utils.clip_grad") => {
                clipping::Recipe::of(record).map(Self::Clipping)
            }
            ("", case) => match mlcast::checkpoint_of(path).filter(|_| case.is_empty()) {
                Some(checkpoint) => Ok(Self::MlcastCheckpoint(checkpoint)),
                None => {
                    Err(format!("values of {}", if case.is_empty() { "an unnamed system" } else { case }))
                }
            },
            _ if raft_update::is_recorded(record) => Ok(Self::RaftUpdate),
            _ => match network::Recipe::of(record) {
                Some(recipe) => Ok(Self::Network(recipe)),
                None => cells::Recipe::of(record).map(Self::Cells),
            },
        }
    }

    /// The largest errors that are allowed.
    fn tolerances(&self) -> Tolerances {
        let [output, gradient] = match self {
            Self::Trajectory => [TRAJECTORY_TOLERANCE; 2],
            // Recorded in 32 bits.
            Self::MlcastCheckpoint(_) => [SINGLE_TOLERANCE; 2],
            _ => [OUTPUT_TOLERANCE, GRADIENT_TOLERANCE],
        };
        Tolerances { output, gradient, single: SINGLE_TOLERANCE }
    }

    fn compare(self, record: &Record) -> Result<Errors> {
        match self {
            Self::Cells(recipe) => recipe.compare(record),
            Self::Network(recipe) => recipe.compare(record),
            Self::RaftUpdate => raft_update::compare(record),
            Self::Mlcast => mlcast::compare(record),
            Self::MlcastLosses => mlcast_losses::compare(record),
            Self::MlcastCheckpoint(checkpoint) => mlcast::compare_checkpoint(record, &checkpoint),
            Self::Trajectory => trajectory::compare(record),
            Self::Optimizer(recipe) => recipe.compare(record),
            Self::Schedules(recipe) => recipe.compare(record),
            Self::Clipping(recipe) => recipe.compare(record),
            Self::Metrics => metrics::compare(record),
        }
    }
}
