//! Data for a trained model: read as its training read its own, and compared with what that found.

use std::path::{Path, PathBuf};

use super::TrainedModel;
use super::radar_as_frames::rates_for;
use crate::counted::counted;
use crate::dataset::input::lost_pixels;
use crate::dataset::{
    self, DataConfig, FoundData, FramesConfig, HIGHEST_RATE, Input, InputFramesConfig, InputOptions,
    Quantity, RadarConfig, RateFrames, RateScale, SequenceDataset, Source, SourceKind, Split, detect,
};
use crate::printable::printable;
use crate::{Error, ReadBudget, Result};

/// How data are read for a model.
struct Reading {
    data: DataConfig,
    /// How frames of rain rates become values of a model that learned from radar images.
    rates: Option<RateScale>,
}

impl TrainedModel {
    /// What values of the model mean: unit, name, minutes from a frame to the next, and which number of the unit a value stands for. Where its
    /// training knew neither a unit nor a range, numbers are numbers of the type that it read, such as 0 to 255 of `uint8`; of pictures and
    /// digits 0 to 1.
    ///
    /// [`Quantity::in_units`] makes numbers of forecasts, and [`Quantity::in_values`] makes values of numbers for a stream.
    ///
    /// # Example
    /// ```no_run
    /// use convgru_train::trainer::TrainedModel;
    ///
    /// let trained = TrainedModel::read("runs/radar/model.safetensors".as_ref())?;
    /// let quantity = trained.quantity();
    /// let rain = convgru_model::Tensor::from_fn(&[1, 1, 96, 96], |_| 2.5); // mm/h
    /// let mut stream = trained.model.prepare()?.stream(1, 96, 96)?;
    /// stream.read(&quantity.in_values(&rain))?;
    /// let next = quantity.in_units(&stream.forecast(1)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn quantity(&self) -> Quantity {
        let data = &self.config.data;
        let minutes =
            data.found.as_ref().map(|found| found.minutes_per_step).filter(|&minutes| minutes > 0.0);
        match (&data.source, &data.found) {
            (Source::Frames(frames), Some(found)) => found.meaning(frames),
            (Source::Frames(frames), None) => frames.meaning(),
            (Source::Radar(radar), _) => radar.quantity(minutes),
            (Source::Strokes(_) | Source::Mnist(_), _) => Quantity::intensity(),
        }
    }

    /// The frames at a path that the model goes on from, read as its training read its own: all frames of a file or a folder of frames after
    /// its last gap (a frame without a measured pixel is one), and of a folder of radar images the newest, as many as the model reads in training; or as many as the options say.
    ///
    /// # Errors
    /// [`Error::Io`] if the path cannot be read; [`Error::Format`] and [`Error::Data`] for data whose numbers, sizes or times are not those
    /// that the model can read, with both numbers and what to do, for a last frame without a measured pixel, and for options that do not go with the data; [`Error::Memory`] if reading
    /// takes more than the budget allows. What is returned stays counted in it.
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
        self.expect_continuing(path)?;
        let Reading { data, rates } = self.reading(path, options)?;
        let input = dataset::read_input(&data, path, (options.newest, rates.as_ref()), budget)?;
        let input = self.with_meaning(path, input)?;
        let mut input = input.after_unmeasured(&printable(path))?;
        let steps = input.frames.shape()[0];
        if input.valid.is_some() && data.found.as_ref().is_some_and(|found| !found.has_missing) {
            input.warnings.push(format!(
                "{} has missing pixels, which are 0 for the model, and the data of its training had none",
                printable(path)
            ));
        }
        if let Some(last) = steps.checked_sub(1) {
            input.expect_measured(last, &printable(path))?;
            let before = last.checked_sub(1).map(|before| input.measured(before));
            let lost = before.and_then(|before| lost_pixels(&printable(path), before, input.measured(last)));
            input.warnings.extend(lost);
        }
        if steps < data.input_frames {
            input.warnings.push(format!(
                "{} gives {steps} frame{} in a row, and the model read {} in its training",
                printable(path),
                if steps == 1 { "" } else { "s" },
                data.input_frames
            ));
        }
        Ok(input)
    }

    /// The frames of one file of a recording, read as [`read_input`](Self::read_input) reads a whole recording: all of them, and a picture as a
    /// frame.
    ///
    /// # Errors
    /// As [`read_input`](Self::read_input).
    pub fn read_arrival(&self, path: &Path, options: &InputOptions, budget: &ReadBudget) -> Result<Input> {
        self.expect_continuing(path)?;
        let Reading { data, rates } = self.reading(path, options)?;
        self.with_meaning(path, dataset::read_arrival(&data, path, rates.as_ref(), budget)?)
    }

    /// Frames that were read for the model: their values have the meaning of its values.
    fn with_meaning(&self, path: &Path, input: Input) -> Result<Input> {
        let meaning = self.quantity();
        let minutes_per_step = input.quantity.minutes_per_step.or(meaning.minutes_per_step);
        let &[_, channels, height, width] = input.frames.shape() else {
            unreachable!("frames that were read are [T, C, H, W]");
        };
        self.expect_frame(&printable(path), [channels, height, width])?;
        let description = match &self.config.data.source {
            Source::Frames(own) if own.quantity != FramesConfig::default().quantity => {
                input.description.with_long_name(&own.quantity)
            }
            _ => input.description,
        };
        Ok(Input { quantity: Quantity { minutes_per_step, ..meaning }, description, ..input })
    }

    /// Minutes from a frame to the next as the options or the training tell them, for data whose files do not.
    pub(crate) fn told_minutes(&self, options: &InputOptions) -> Option<f64> {
        options.minutes_per_step.or(self.quantity().minutes_per_step)
    }

    /// The sequences at a path for a measurement of the model, read as the training read its own data: the test sequences of the folder of its
    /// training, at most `data.test_sequences` sequences of other radar images, and all sequences of other frames. Without a path the test sequences of the training. `memory_mib` takes the place of `data.memory_mib`.
    ///
    /// # Errors
    /// The errors of [`open`](crate::dataset::open), and as [`read_input`](Self::read_input).
    pub fn open_data(
        &self,
        path: Option<&Path>,
        options: &InputOptions,
        memory_mib: Option<usize>,
    ) -> Result<Box<dyn SequenceDataset>> {
        let seed = self.config.training.seed;
        let own_folder = self.config.data_folder();
        let canonical = |path: &Path| path.canonicalize().map_err(Error::io("find", path));
        let given = path.map(canonical).transpose()?;
        // A whole file of sequences is measured, whatever part of it training would leave for it.
        let is_own = match (&given, own_folder) {
            (None, _) => true,
            (Some(given), Some(own)) => !given.is_file() && own.canonicalize().is_ok_and(|own| own == *given),
            (Some(_), None) => false,
        };
        self.expect_input_frames(path.filter(|_| !is_own), options)?;
        let mut reading = match path {
            Some(path) if !is_own || *options != InputOptions::default() => self.reading(path, options)?,
            _ => Reading { data: self.config.data.clone(), rates: None },
        };
        reading.data.memory_mib = memory_mib.unwrap_or(reading.data.memory_mib);
        let data = &reading.data;
        let frames = match path.or(own_folder) {
            Some(path) if !is_own => dataset::open_whole(data, path, seed)?,
            folder => dataset::open(data, folder, Split::Test, seed)?,
        };
        let frames = match reading.rates {
            Some(scale) => Box::new(RateFrames { frames, scale }),
            None => frames,
        };
        self.expect_frame(frames.name(), frames.frame_shape())?;
        self.config.expect_input_channels(frames.inputs().map_or(0, |inputs| inputs.frame_shape()[0]))?;
        Ok(frames)
    }

    /// What the training found, which of digits is grey levels; `None` in files of earlier versions.
    fn found(&self) -> Option<FoundData> {
        match &self.config.data.source {
            Source::Strokes(_) | Source::Mnist(_) => Some(FoundData::default()),
            Source::Radar(_) | Source::Frames(_) => self.config.data.found.clone(),
        }
    }

    /// How the data at a path are read. Which source they are of is seen from the files.
    fn reading(&self, path: &Path, options: &InputOptions) -> Result<Reading> {
        let own = &self.config.data;
        let kind = match own.source {
            // Files of radar images are arrays to a training that read such files as arrays, and to one of which nothing is known.
            Source::Frames(_)
                if dataset::holds_frames(
                    path,
                    own.found.as_ref().is_none_or(|found| found.radar_as_frames),
                )? =>
            {
                SourceKind::Frames
            }
            _ => detect(path)?,
        };
        expect_suitable(options, path, kind)?;
        if let (Source::Frames(FramesConfig { rain: Some(_), .. }), Some(range)) =
            (&own.source, options.range)
        {
            let reason = format!(
                "is {},{}, but the model reads rain rates, and the unit of the numbers says how they become such; say --unit, or leave it out",
                range[0], range[1]
            );
            return Err(Error::Data { what: "--range".into(), reason });
        }
        let mut data = DataConfig { found: self.found(), ..own.clone() };
        if let (Some(found), Some(_)) = (&mut data.found, options.minutes_per_step) {
            found.minutes_per_step = 0.0;
        }
        if let (Some(_), false) = (options.downsample, is_for_rates(&own.source, kind)) {
            let reason = format!(
                "tells how coarse frames of rain rates become for a model that learned from radar images, and {} is no such input; leave it out",
                printable(path)
            );
            return Err(Error::Data { what: "--downsample".into(), reason });
        }
        let mut rates = None;
        data.source = match (&own.source, kind) {
            (Source::Radar(radar), SourceKind::Frames) if data.found.is_some() => {
                let highest =
                    options.range.map_or(HIGHEST_RATE, |_| radar.quantity(None).transform.to_units(1.0));
                if options.range.is_none() {
                    data.found = data.found.map(|found| FoundData { range: [0.0, HIGHEST_RATE], ..found });
                }
                let frames = self.frames_with(options, data.found.as_ref());
                let downsample = match (options.downsample, &data.found) {
                    (None, Some(found)) => {
                        dataset::downsample_of(path, (&frames, radar, found), &own.budget())?
                    }
                    (told, _) => told.unwrap_or(radar.downsample),
                };
                rates = Some(RateScale { rain: radar.rain(), downsample, highest });
                Source::Frames(frames)
            }
            (_, SourceKind::Frames) => Source::Frames(self.frames_with(options, data.found.as_ref())),
            (source, SourceKind::Radar) => {
                let radar = match (source, &data.found) {
                    (Source::Radar(radar), _) => radar.clone(),
                    (Source::Frames(frames), Some(found)) => rates_for(path, frames, found)?,
                    _ => RadarConfig::default(),
                };
                let minutes = options.minutes_per_step.map(whole_minutes).transpose()?;
                Source::Radar(RadarConfig {
                    minutes_per_step: minutes.unwrap_or(radar.minutes_per_step),
                    ..radar
                })
            }
            (source, kind) => {
                if let Some(found) = data.found.as_ref().filter(|found| !found.is_full_scale()) {
                    found.expect(&FoundData::default(), path)?;
                }
                source.of_kind(kind)
            }
        };
        data.found = data.found.map(|found| match options.range {
            Some(_) => found.with_named_range(),
            None => found,
        });
        Ok(Reading { data, rates })
    }

    /// How frames of an input are read.
    pub(crate) fn frames_config(&self, options: &InputOptions) -> FramesConfig {
        self.frames_with(options, self.found().as_ref())
    }

    /// How frames are read: as the training read its own, with the channels of the model, but for what the options say.
    fn frames_with(&self, options: &InputOptions, found: Option<&FoundData>) -> FramesConfig {
        let own = match &self.config.data.source {
            Source::Frames(frames) => frames.clone(),
            Source::Strokes(_) | Source::Mnist(_) | Source::Radar(_) => FramesConfig::default(),
        };
        // What the training knew is compared with what the files tell, and says nothing of these.
        let (range, unit, minutes) = match found {
            // Rain rates have the range of all, and say nothing where they are.
            _ if own.rain.is_some() => ([0.0, 0.0], String::new(), 0.0),
            Some(found) if found.is_full_scale() => ([0.0, 0.0], String::new(), 0.0),
            Some(found) => (found.range, String::new(), 0.0),
            None => (own.range, own.unit, own.minutes_per_step),
        };
        let mut missing = own.missing;
        missing.extend(&options.missing);
        FramesConfig {
            axes: options.axes.clone().unwrap_or(own.axes),
            variable: options.variable.clone().unwrap_or(own.variable),
            member: options.variable.clone().unwrap_or(own.member),
            unit: options.unit.clone().unwrap_or(unit),
            range: options.range.unwrap_or(range),
            minutes_per_step: options.minutes_per_step.unwrap_or(minutes),
            channels: self.config.model.image_channels(),
            missing,
            // It lists parts of the data of the training.
            crop_list: String::new(),
            input: own.input.map(|input| match &options.input_frames {
                Some(path) => Box::new(InputFramesConfig { path: path.clone(), ..*input }),
                None => input,
            }),
            ..own
        }
    }

    /// Fails unless the model can read frames of a shape.
    fn expect_frame(&self, what: &str, [channels, height, width]: [usize; 3]) -> Result<()> {
        let model = &self.config.model;
        let refuse = |reason| Err(Error::Data { what: what.to_owned(), reason });
        if channels != model.image_channels() {
            return refuse(format!(
                "has frames with {}, but the model reads {}; give frames like the training frames",
                counted(channels, "channel"),
                model.image_channels()
            ));
        }
        let multiple = model.frame_multiple();
        if height.is_multiple_of(multiple) && width.is_multiple_of(multiple) {
            return Ok(());
        }
        let [lower, left] = [height, width].map(|side| side / multiple * multiple);
        refuse(format!(
            "has frames of {height} x {width} pixels, but height and width must each be a multiple of {multiple} for this model; cut them to \
             {lower} x {left}, or extend them to {} x {}",
            height.next_multiple_of(multiple),
            width.next_multiple_of(multiple)
        ))
    }
}

/// Whether data are frames for a model that learned from radar images.
fn is_for_rates(training: &Source, kind: SourceKind) -> bool {
    matches!((training, kind), (Source::Radar(_), SourceKind::Frames))
}

/// Fails if options do not go with what a path holds.
fn expect_suitable(options: &InputOptions, path: &Path, kind: SourceKind) -> Result<()> {
    let InputOptions { axes, variable, unit, range, missing, .. } = options;
    let of_frames = [
        ("--axes", axes.is_some()),
        ("--variable", variable.is_some()),
        ("--unit", unit.is_some()),
        ("--range", range.is_some()),
        ("--missing", !missing.is_empty()),
    ];
    let refuse = |flag: &str, held: String| {
        let reason = format!("tells how frames are read, and {} holds {held}; leave it out", printable(path));
        Err(Error::Data { what: flag.into(), reason })
    };
    let given = of_frames.iter().find(|(_, is_given)| *is_given);
    match given {
        Some((flag, _)) if kind != SourceKind::Frames => {
            refuse(flag, format!("data of the source \"{}\"", kind.name()))
        }
        Some((flag @ ("--axes" | "--variable"), _)) if holds_pictures(path)? => {
            refuse(flag, "pictures".into())
        }
        _ if variable.is_some() && !dataset::has_variables(path)? && !holds_archives(path)? => refuse(
            "--variable",
            "no file with several variables, such as HDF5, netCDF, Zarr, GRIB or .npz".into(),
        ),
        _ => Ok(()),
    }
}

/// Whether a path holds an archive of NumPy, whose arrays have names.
fn holds_archives(path: &Path) -> Result<bool> {
    let is_archive = |file: &PathBuf| file.extension().is_some_and(|own| own.eq_ignore_ascii_case("npz"));
    Ok(is_archive(&path.to_path_buf()) || dataset::data_files(path)?.iter().any(is_archive))
}

/// Whether the frames of a path are pictures: of a GIF or an animated PNG, of a folder with images, or of folders with nothing else.
fn holds_pictures(path: &Path) -> Result<bool> {
    let is_picture = |file: &PathBuf| {
        let extension = file.extension().unwrap_or_default();
        ["gif", "png", "jpg", "jpeg"].iter().any(|own| extension.eq_ignore_ascii_case(own))
    };
    let files = dataset::data_files(path)?;
    // Of a folder with images and arrays the images are read.
    let lies_in_path = |file: &PathBuf| file.parent() == Some(path) && is_picture(file);
    Ok(files.iter().all(is_picture) || files.iter().any(lies_in_path))
}

/// The minutes from a radar image to the next, which are told in whole ones.
fn whole_minutes(minutes: f64) -> Result<u32> {
    if minutes.fract() == 0.0 && (1.0..=100_000.0).contains(&minutes) {
        return Ok(minutes as u32);
    }
    let reason = format!(
        "is {minutes}, but the times of radar images are told in whole minutes; give a whole number from 1 to 100000"
    );
    Err(Error::Data { what: "--minutes-per-step".into(), reason })
}
