//! How a trained model reads data: as its training read them.

use std::path::Path;

use super::TrainedModel;
use crate::dataset::{self, DataConfig, FramesConfig, Input, InputOptions, Source, SourceKind, detect};
use crate::printable::printable;
use crate::{Error, ReadBudget, Result};

impl TrainedModel {
    /// How frames for the model are read: as its training read them where that was on frames, with the channels of the model.
    pub fn frames_config(&self) -> FramesConfig {
        let stored = match &self.config.data.source {
            Source::Frames(frames) => frames.clone(),
            Source::Strokes(_) | Source::Mnist(_) | Source::Radar(_) => FramesConfig::default(),
        };
        FramesConfig { channels: self.config.model.image_channels(), ..stored }
    }

    /// How the data at a path are read for this model: as its training read its own, but for what the options say. Which source they are of
    /// is seen from the files.
    ///
    /// # Errors
    /// [`Error::Io`] if the path cannot be read; [`Error::Data`] if no file is of a known kind, or options do not go with what is there.
    pub fn data_config(&self, path: &Path, options: &InputOptions) -> Result<DataConfig> {
        let data = &self.config.data;
        let kind = detect(path)?;
        if options.axes.is_some() {
            expect_arrays(path, kind)?;
        }
        let source = match kind {
            SourceKind::Frames => Source::Frames(self.frames_with(options)),
            kind => data.source.of_kind(kind),
        };
        Ok(DataConfig { source, ..data.clone() })
    }

    /// The frames at a path that the model goes on from, read as its training read its own: all frames of a file or a folder of frames after
    /// its last gap, and of a folder of radar images the newest, as many as the model reads in training; or as many as the options say.
    ///
    /// # Errors
    /// Those of [`data_config`](Self::data_config); [`Error::Format`] and [`Error::Data`] for data whose numbers, sizes or times are not those
    /// that the model can read; [`Error::Memory`] if reading takes more than the budget allows. What is returned stays counted in it.
    ///
    /// # Example
    /// ```no_run
    /// use convgru_train::ReadBudget;
    /// use convgru_train::dataset::InputOptions;
    /// use convgru_train::trainer::TrainedModel;
    ///
    /// let trained = TrainedModel::read("runs/radar/model.safetensors".as_ref())?;
    /// let budget = ReadBudget::new(512, "--memory-mib");
    /// let input = trained.read_input("radar/today".as_ref(), &InputOptions::default(), &budget)?;
    /// let frames = &input.frames;
    /// println!("{:?} in {}, last at {:?}", frames.shape(), input.quantity.unit, input.times.map(|times| times[times.len() - 1]));
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn read_input(&self, path: &Path, options: &InputOptions, budget: &ReadBudget) -> Result<Input> {
        let data = self.data_config(path, options)?;
        dataset::read_input(&data, path, options.newest, budget)
    }

    /// How frames are read, but for what the options say.
    fn frames_with(&self, options: &InputOptions) -> FramesConfig {
        let own = self.frames_config();
        let mut missing = own.missing;
        missing.extend(&options.missing);
        FramesConfig {
            axes: options.axes.clone().unwrap_or(own.axes),
            variable: options.variable.clone().unwrap_or(own.variable),
            unit: options.unit.clone().unwrap_or(own.unit),
            range: options.range.unwrap_or(own.range),
            minutes_per_step: options.minutes_per_step.unwrap_or(own.minutes_per_step),
            missing,
            ..own
        }
    }
}

/// Fails if a path holds no arrays, whose axes the user names.
fn expect_arrays(path: &Path, kind: SourceKind) -> Result<()> {
    let held = match kind {
        SourceKind::Frames if !holds_pictures(path)? => return Ok(()),
        SourceKind::Frames => "pictures".to_owned(),
        kind => format!("data of the source \"{}\"", kind.name()),
    };
    Err(Error::Data {
        what: "--axes".into(),
        reason: format!("names the axes of arrays, and {} holds {held}; leave it out", printable(path)),
    })
}

/// Whether a path is a GIF or a folder of PNG images.
fn holds_pictures(path: &Path) -> Result<bool> {
    let ends_in = |path: &Path, end: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(end));
    if !path.is_dir() {
        return Ok(ends_in(path, "gif"));
    }
    for entry in std::fs::read_dir(path).map_err(Error::io("read", path))? {
        if ends_in(&entry.map_err(Error::io("read", path))?.path(), "png") {
            return Ok(true);
        }
    }
    Ok(false)
}
