//! Random search over configurations: Bergstra and Bengio, "Random search for hyper-parameter
//! optimization", 2012.
//!
//! A [`Search`] draws a configuration for each trial from its [`Ranges`], trains it in a folder
//! of its own, and writes what came of it to `tune.json` after each. What a trial draws depends on
//! the seed and its number alone, so that a search that was stopped goes on as it would have.

mod median;
mod ranges;
mod search;

pub use ranges::{Range, Ranges, SearchConfig};
pub use search::{Ending, Search, SearchOutcome, Trial};
