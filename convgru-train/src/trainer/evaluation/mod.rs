//! A model measured over a data set, beside baselines.

mod evaluator;
mod nowcast;

pub use evaluator::{EvaluationResult, Evaluator, mean_frame};
pub use nowcast::{NowcastOptions, NowcastScores};
