//! A model measured over a data set, beside baselines.

mod evaluator;
mod nowcast;

pub use evaluator::{Assessment, Assessor, mean_frame};
pub use nowcast::{NowcastAssessment, NowcastOptions};
