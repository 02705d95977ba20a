//! The training loop, and what it leaves in the folder of a run.
//!
//! [`Trainer::fit`] trains from the first or the next step to the end, deterministic
//! to the bit: the same configuration leads to the same parameters with any
//! number of threads and however often the run was interrupted.
//! [`TrainedRun::write_artifacts`] then measures the model and writes the report.

mod artifacts;
mod checkpoint_timer;
mod continuation;
#[cfg(test)]
mod crash_tests;
mod data_loader;
mod dry_run;
mod evaluation;
mod imported;
mod initial_weights;
mod latest_run;
mod learner;
mod logging;
mod memory;
mod model_file;
mod model_input;
mod observer;
mod radar_as_frames;
mod resume;
mod run_folder;
mod run_summary;
mod setup;
#[cfg(test)]
mod tests;
mod top_of_scale;
mod trained_model;
mod training_loop;

pub use artifacts::Artifacts;
pub use data_loader::{BatchSampler, DataLoader};
pub use dry_run::DryRun;
pub use evaluation::{EvaluationResult, Evaluator, NowcastOptions, NowcastScores, mean_frame};
pub use initial_weights::InitialWeights;
pub use latest_run::LatestRun;
pub use learner::{Learner, StepOutcome};
pub use model_file::ModelFile;
pub use observer::{Observer, Silent, TrainerEvent};
pub use resume::Resumption;
pub use run_folder::RunFolder;
pub use run_summary::{BestValidation, RunList, RunSummary, TestScores};
pub use trained_model::TrainedModel;
pub use training_loop::{Outcome, TrainedRun, Trainer};

use crate::{Error, Result};

/// The most threads that may be asked for; more are a slip of the finger.
pub const MOST_THREADS: usize = 1024;

/// Runs `work` on a number of threads, 0 for one per core. Everything parallel
/// within it keeps to them; the results do not depend on the number.
///
/// # Errors
/// [`Error::Threads`] if there are more than [`MOST_THREADS`] or they cannot be started.
///
/// ```
/// let threads = convgru_train::trainer::with_threads(3, rayon::current_num_threads)?;
/// assert_eq!(threads, 3);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    if threads > MOST_THREADS {
        let reason = format!("at most {MOST_THREADS} are possible; 0 means one per core");
        return Err(Error::Threads { threads, reason });
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Threads { threads, reason: error.to_string() })?;
    Ok(pool.install(work))
}
