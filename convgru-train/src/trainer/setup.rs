//! Data and model of a run, made and checked before its first step.

use convgru_model::Tensor;

use super::data_loader::DataLoader;
use super::evaluation::mean_frame;
use super::initial_weights::InitialWeights;
use super::learner::Learner;
use super::memory;
use super::top_of_scale::TopOfScale;
use crate::config::RunConfig;
use crate::counted::counted;
use crate::dataset::{Fingerprint, SequenceDataset, Splits};
use crate::{Error, Result};

/// What a [`Trainer`](super::Trainer) works with, all of it made from the configuration alone.
pub(super) struct Setup {
    /// What tells the data apart from others.
    pub(super) data: Fingerprint,
    pub(super) loader: DataLoader,
    pub(super) validation: Box<dyn SequenceDataset>,
    pub(super) test: Box<dyn SequenceDataset>,
    pub(super) mean_frame: Tensor<f32>,
    pub(super) learner: Learner,
    /// Which weights of a file the model began with, in words; none where they are drawn, or the run is resumed.
    pub(super) begun_with: Option<String>,
    /// What the user should know about these weights.
    pub(super) doubts: Vec<String>,
    /// What the user should know about the numbers of the training data.
    pub(super) data_doubt: Option<String>,
}

impl Setup {
    /// As [`new`](Self::new), with the weights that the configuration names; their hash is written into it.
    ///
    /// # Errors
    /// The errors of the configuration, the weights and the data.
    pub(super) fn begin(config: &mut RunConfig) -> Result<Self> {
        config.validate()?;
        let weights = InitialWeights::of(&config.init)?;
        if let Some(weights) = &weights {
            weights.hash().clone_into(&mut config.init.hash);
        }
        let mut setup = Self::new(config)?;
        setup.doubts =
            weights.as_ref().map_or(Vec::new(), |weights| weights.doubts(config, &setup.learner.model));
        setup.begun_with = weights.map(|weights| setup.learner.begin_with(&weights)).transpose()?;
        Ok(setup)
    }

    /// Opens the data and checks that everything fits. What the data hold is written into the configuration.
    ///
    /// # Errors
    /// The errors of the configuration and the data.
    pub(super) fn new(config: &mut RunConfig) -> Result<Self> {
        config.validate()?;
        let splits = Splits::open(&config.data, config.data_folder(), config.training.seed)?;
        config.data.found = splits.found();
        let Splits { train, validation, test } = splits;
        let config = &*config;
        let loader = DataLoader::new(train, config);
        config.expect_frame(loader.dataset().frame_shape())?;
        for data in [loader.dataset(), validation.as_ref(), test.as_ref()] {
            config.expect_input_channels(data.inputs().map_or(0, |inputs| inputs.frame_shape()[0]))?;
        }
        expect_micro_batches(config, loader.dataset())?;
        config.expect_thresholds(&validation.quantity())?;
        expect_pictures(loader.dataset())?;
        memory::expect_enough(config, loader.dataset().frame_shape())?;
        let mut top = TopOfScale::default();
        let mean_frame =
            mean_frame(loader.dataset(), config.training.batch_size, &mut |batch| top.count(batch))?;
        Ok(Self {
            data: Fingerprint::of(&config.data, config.data_folder())?,
            mean_frame,
            data_doubt: top.doubt(&loader.dataset().quantity()),
            learner: Learner::new(config, &loader.dataset().quantity().transform)?,
            begun_with: None,
            doubts: Vec::new(),
            validation,
            test,
            loader,
        })
    }
}

/// Fails if a batch has fewer sequences than micro-batches.
fn expect_micro_batches(config: &RunConfig, dataset: &dyn SequenceDataset) -> Result<()> {
    let (count, batch) = (config.training.accumulate, dataset.len().min(config.training.batch_size));
    if count <= batch {
        return Ok(());
    }
    let reason = format!(
        "is {count}, but a batch of {} has {}; take fewer micro-batches",
        dataset.name(),
        counted(batch, "sequence")
    );
    Err(Error::Config { field: "training.accumulate".into(), reason })
}

/// Fails unless frames can be drawn in the report and in pictures for TensorBoard.
fn expect_pictures(dataset: &dyn SequenceDataset) -> Result<()> {
    match dataset.frame_shape()[0] {
        1 | 3 => Ok(()),
        channels => Err(Error::Data {
            what: dataset.name().to_owned(),
            reason: format!(
                "has frames with {channels} channels, and a run draws pictures of 1 (grey) or 3 (red, green, blue); set \
                 data.frames.channels to one of these"
            ),
        }),
    }
}
