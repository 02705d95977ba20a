//! The data sets of a run, opened once.

use std::path::Path;

use super::{DataConfig, FoundData, SequenceDataset, Source, Split, given, open, radar};
use crate::{Error, Result};

/// What a run learns from, is validated on and is tested on, opened together before its first step.
///
/// ```
/// use convgru_train::dataset::{DataConfig, Splits};
///
/// let splits = Splits::open(&DataConfig::default(), None, 0)?;
/// assert_eq!((splits.train.len(), splits.validation.len(), splits.test.len()), (10_000, 500, 1_000));
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub struct Splits {
    /// Sequences the optimiser learns from.
    pub train: Box<dyn SequenceDataset>,
    /// Sequences that show during training how well it goes.
    pub validation: Box<dyn SequenceDataset>,
    /// Sequences for the final figures.
    pub test: Box<dyn SequenceDataset>,
}

impl Splits {
    /// Opens all splits of what [`open`] takes.
    ///
    /// # Errors
    /// The errors of [`open`]; [`Error::Data`] if frames of the splits have other shapes.
    pub fn open(config: &DataConfig, path: Option<&Path>, seed: u64) -> Result<Self> {
        config.validate()?;
        let [train, validation, test] = match &config.source {
            Source::Radar(radar) => radar::open_splits(config, radar, given(config, path)?, seed)?
                .map(|split| Box::new(split) as Box<dyn SequenceDataset>),
            _ => {
                let train = open(config, path, Split::Train, seed)?;
                // The other splits have the numbers of the training, of any type.
                let found = config.found.clone().or_else(|| Some(train.found()?.clone().with_any_numbers()));
                let config = &DataConfig { found, ..config.clone() };
                let open = |split| open(config, path, split, seed);
                [train, open(Split::Validation)?, open(Split::Test)?]
            }
        };
        for other in [&validation, &test] {
            if other.frame_shape() != train.frame_shape() {
                return Err(Error::Data {
                    what: other.name().to_owned(),
                    reason: format!(
                        "has frames of shape {:?} ([C, H, W]), but {} has {:?}; bring all splits to one size and number of channels",
                        other.frame_shape(),
                        train.name(),
                        train.frame_shape()
                    ),
                });
            }
        }
        Ok(Self { train, validation, test })
    }

    /// What their files hold, where they are files of frames or radar images: what the training holds, and how the numbers of all splits are
    /// stored.
    pub(crate) fn found(&self) -> Option<FoundData> {
        let others = [&self.validation, &self.test].into_iter().filter_map(|split| split.found());
        Some(self.train.found()?.clone().with_splits(others))
    }
}
