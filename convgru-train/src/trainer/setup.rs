//! What a run works with.

use convgru_model::Tensor;

use super::data_loader::{Batches, Feed};
use super::evaluation::mean_frame;
use super::learner::Learner;
use super::memory;
use crate::config::TrainingConfig;
use crate::dataset::{Fingerprint, SequenceDataset, Split, open};
use crate::{Error, Result};

/// What a session works with, all of it made from the configuration alone.
pub(super) struct Parts {
    /// What tells the data apart from others.
    pub(super) data: Fingerprint,
    pub(super) feed: Feed,
    pub(super) validation: Box<dyn SequenceDataset>,
    pub(super) mean_frame: Tensor<f32>,
    pub(super) learner: Learner,
}

impl Parts {
    /// Opens the data and checks that everything fits.
    ///
    /// # Errors
    /// Those of the configuration and the data.
    pub(super) fn assemble(config: &TrainingConfig) -> Result<Self> {
        config.validate()?;
        let dataset = |split| open(&config.data, config.data_folder(), split, config.training.seed);
        let batches = Batches::new(dataset(Split::Train)?, config);
        let validation = dataset(Split::Validation)?;
        config.expect_frames(batches.dataset())?;
        config.expect_frames(validation.as_ref())?;
        expect_pieces(config, batches.dataset())?;
        expect_pictures(batches.dataset())?;
        memory::expect_enough(config, batches.dataset().frame_shape())?;
        Ok(Self {
            data: Fingerprint::of(&config.data, config.data_folder())?,
            mean_frame: mean_frame(batches.dataset(), config.training.batch_size)?,
            learner: Learner::new(config, &batches.dataset().quantity().transform)?,
            validation,
            feed: Feed::new(batches, config),
        })
    }
}

/// Fails if a batch has fewer sequences than pieces.
fn expect_pieces(config: &TrainingConfig, dataset: &dyn SequenceDataset) -> Result<()> {
    let (pieces, batch) = (config.training.accumulate, dataset.len().min(config.training.batch_size));
    if pieces <= batch {
        return Ok(());
    }
    let reason =
        format!("is {pieces}, but a batch of {} has {batch} sequences; take fewer pieces", dataset.name());
    Err(Error::Config { field: "training.accumulate".into(), reason })
}

/// Fails unless frames can be drawn in the report and in pictures for TensorBoard.
fn expect_pictures(dataset: &dyn SequenceDataset) -> Result<()> {
    match dataset.frame_shape()[0] {
        1 | 3 => Ok(()),
        channels => Err(Error::Data {
            what: dataset.name().to_owned(),
            reason: format!(
                "has frames of {channels} channels, and a run draws pictures of 1 (grey) or 3 (red, green, blue); set \
                 data.frames.channels to one of these"
            ),
        }),
    }
}
