//! Forecasts of frames as they arrive in a folder.
//!
//! [`Watch`] looks into a folder again and again, reads each new file as the training of the network read its data, and writes a forecast after
//! every frame. The network keeps its state from frame to frame ([`ForecastStream`](convgru_model::ForecastStream)), so that a new frame
//! costs one step, and a forecast has the bits of one over all frames since the state began.
//!
//! * A file is read when its size and its time of change are as they were at the look before, or when it changed more than two seconds ago. One
//!   that cannot be read is tried again; after five looks without a change a [`WatchEvent::Trouble`] names it, and it is left out until
//!   it changes. A file that changes after it was read is read again.
//! * Frames are ordered by their times: those in the file, otherwise those in its name, otherwise by the names alone. A file of one frame without
//!   a time that changes is the same frame again.
//! * Where frames are missing, the state is reset, and forecasts go on after as many frames as a forecast needs. A frame that comes late
//!   takes its place among the newest of these, and the state is computed again from them; an older one is left out. Which frames follow each
//!   other, and which distance in time belongs to the training, is decided as in [`TrainedModel::read_input`].
//! * A frame without a measured pixel is left out, as if it had not come: a gap is where it was.
//! * A frame of another unit, of another place or the other way round than the frame before is left out.

mod arrivals;
mod event;
mod folders;
mod frame_stream;
mod names;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use self::arrivals::{Arrival, Arrivals};
pub use self::event::{WatchEvent, Watched, Written};
use self::frame_stream::{Arrived, FrameStream, Taken};
use self::names::Names;
use crate::counted::counted;
use crate::dataset::{self, Input, InputOptions, time_in_name};
use crate::forecast::{Forecast, Form, LastFrame, Members, Provenance};
use crate::interrupt::{Interrupt, Signal};
use crate::printable::printable;
use crate::trainer::TrainedModel;
use crate::{Error, ReadBudget, Result};

/// The longest sleep between two looks at signals.
const NAP: Duration = Duration::from_millis(50);

/// What is watched, and what is written.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    /// The folder where files arrive; folders in it are looked into.
    pub input: PathBuf,
    /// The folder where forecasts are written; it is made if it is not there.
    pub out: PathBuf,
    /// What names of forecasts end with: `nc`, `npy`, `gif`; empty for folders of PNG images.
    pub extension: String,
    /// Frames of a forecast.
    pub frames: usize,
    /// Frames that are read before the first forecast, and after a gap; at least 1.
    pub warm_up: usize,
    /// Whether each forecast is made from the newest `warm_up` frames alone, as in training, instead of from a state that is kept.
    pub is_window: bool,
    /// Which forecasts of an ensemble are written.
    pub members: Members,
    /// How files are read, where it differs from the training.
    pub options: InputOptions,
    /// MiB of memory that reading a file may take.
    pub memory_mib: usize,
    /// The time between two looks.
    pub poll: Duration,
    /// Whether it ends when all that is there was worked off.
    pub once: bool,
    /// The command in the history of a forecast.
    pub command: String,
}

/// Forecasts of frames as they arrive.
pub struct Watch<'a> {
    config: &'a WatchConfig,
    trained: &'a TrainedModel,
    model_hash: &'a str,
    stream: FrameStream<'a>,
    names: Names,
    /// A file that was read, whose region of MeteoNet the others must have.
    first: Option<PathBuf>,
    /// Why the folder could not be looked at, until it can be.
    lost: Option<String>,
    tell: &'a mut dyn FnMut(WatchEvent) -> Result<()>,
    done: Watched,
}

impl<'a> Watch<'a> {
    /// Prepares to watch with a network whose file has a hash. `tell` gets what happens.
    ///
    /// # Errors
    /// [`Error::Data`] for a network that continues no frames; [`Error::Format`] and [`Error::Data`] for a form that is unknown or cannot hold the members; [`Error::Io`] if the input is no folder or the
    /// folder for forecasts cannot be made, [`Error::Data`] if this is a file or lies in the input, where forecasts would be read as frames, and if
    /// the input has files of several regions; [`Error::Model`] if the network cannot be prepared.
    pub fn new(
        config: &'a WatchConfig,
        trained: &'a TrainedModel,
        model_hash: &'a str,
        tell: &'a mut dyn FnMut(WatchEvent) -> Result<()>,
    ) -> Result<Self> {
        trained.expect_continuing(&config.input)?;
        let form = Form::of(&path_of(config, "forecast"))?;
        form.expect_members(config.members, trained.model.members())?;
        folders::prepare(config)?;
        let stream = FrameStream::new(trained, config)?;
        let (names, done) = (Names::new(), Watched::default());
        Ok(Self { config, trained, model_hash, stream, names, first: None, lost: None, tell, done })
    }

    /// Watches until a signal, or with `once` until all is worked off. A forecast that has begun is written before a signal ends it.
    ///
    /// # Errors
    /// The errors of `tell`.
    pub fn run(mut self, interrupt: &Interrupt) -> Result<Watched> {
        let mut arrivals = Arrivals::new(&self.config.input);
        let mut is_first = true;
        loop {
            let looked = self.look(&mut arrivals)?;
            let is_lost = looked.is_none();
            let mut found = looked.unwrap_or_default();
            // What was there before is read as far as the first forecast needs it.
            if is_first && !is_lost && !self.config.once {
                let before = found.len().saturating_sub(self.config.warm_up);
                if before > 0 {
                    (self.tell)(WatchEvent::Note(format!(
                        "skipping {}; --once reads all of them",
                        counted(before, "older file")
                    )))?;
                }
                found.drain(..before).for_each(|arrival| arrivals.took(&arrival));
            }
            let count = found.len();
            for (at, arrival) in found.into_iter().enumerate() {
                if let Some(signal) = interrupt.raised() {
                    return Ok(Watched { signal: Some(signal), ..self.done });
                }
                let is_wanted = self.config.once || !is_first || at + 1 == count;
                self.take(&mut arrivals, &arrival, is_wanted)?;
            }
            is_first = is_first && is_lost;
            if self.config.once && (is_lost || count == 0 && !arrivals.is_waiting()) {
                return Ok(self.done);
            }
            if let Some(signal) = self.sleep(interrupt) {
                return Ok(Watched { signal: Some(signal), ..self.done });
            }
        }
    }

    /// The files that are complete; `None` where the folder cannot be looked at, which is told once, and once that it can be again.
    fn look(&mut self, arrivals: &mut Arrivals) -> Result<Option<Vec<Arrival>>> {
        match arrivals.look(SystemTime::now()) {
            Ok(found) => {
                if self.lost.take().is_some() {
                    let again = format!("{} can be read again", printable(&self.config.input));
                    (self.tell)(WatchEvent::Warning(again))?;
                }
                Ok(Some(found))
            }
            Err(error) => {
                let text = error.to_string();
                if self.lost.as_ref() != Some(&text) {
                    self.trouble(format!("{text}; trying again until the folder can be read"))?;
                    self.lost = Some(text);
                }
                Ok(None)
            }
        }
    }

    /// Sleeps until the next look, or a signal.
    fn sleep(&self, interrupt: &Interrupt) -> Option<Signal> {
        let until = Instant::now() + self.config.poll;
        loop {
            let signal = interrupt.raised();
            let left = until.saturating_duration_since(Instant::now());
            if signal.is_some() || left.is_zero() {
                return signal;
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    /// Reads a file, and writes the forecasts after its frames if they are wanted.
    fn take(&mut self, arrivals: &mut Arrivals, arrival: &Arrival, is_wanted: bool) -> Result<()> {
        let began = Instant::now();
        let files: Vec<PathBuf> = self.first.iter().chain([&arrival.path]).cloned().collect();
        if let Err(error) = dataset::expect_one_region(&self.config.input, &files) {
            arrivals.took(arrival);
            return self.trouble(format!("{error}; {} is skipped", printable(&arrival.path)));
        }
        let budget = ReadBudget::new(self.config.memory_mib, "--memory-mib");
        let input = match self.trained.read_arrival(&arrival.path, &self.config.options, &budget) {
            Ok(input) => input,
            Err(error) => {
                // It may be written still.
                if arrivals.failed(arrival) || self.config.once && !arrivals.is_recent(arrival) {
                    arrivals.took(arrival);
                    self.trouble(format!("{error}. The file is skipped until it changes"))?;
                }
                return Ok(());
            }
        };
        arrivals.took(arrival);
        self.first.get_or_insert_with(|| arrival.path.clone());
        for warning in &input.warnings {
            (self.tell)(WatchEvent::Warning(warning.clone()))?;
        }
        let reading = began.elapsed().as_secs_f64();
        let frames = input.frames.shape()[0];
        let before = self.stream.frames_without_times(&arrival.path);
        if input.times.is_none() && before.is_some_and(|before| before.max(frames) > 1) {
            return self.trouble(format!(
                "{} changed, and its frames have no times, so the new frames are unknown; write times, or a file for each frame",
                printable(&arrival.path)
            ));
        }
        for step in 0..frames {
            if let Err(error) = input.expect_measured(step, &printable(&arrival.path)) {
                let time = self.time_of(&input, step, arrival);
                self.stream.miss(time);
                self.trouble(format!("no forecast: {error}"))?;
                continue;
            }
            let arrived = match self.arrived(&input, step, arrival) {
                Ok(arrived) => arrived,
                Err(error) => return self.trouble(error.to_string()),
            };
            let taken = match self.stream.take(arrived) {
                Ok(taken) => taken,
                Err(error @ Error::Data { .. }) => return self.trouble(error.to_string()),
                Err(error) => return self.trouble(format!("{}: {error}", printable(&arrival.path))),
            };
            self.done.frames += 1;
            self.done.longest_run = self.done.longest_run.max(self.stream.state_frames());
            let Taken { is_ready, notes, warnings } = taken;
            for warning in warnings {
                (self.tell)(WatchEvent::Warning(warning))?;
            }
            for note in notes {
                (self.tell)(WatchEvent::Note(note))?;
            }
            if is_ready && (is_wanted && (self.config.once || step + 1 == frames)) {
                self.forecast(arrival, began, reading)?;
            }
        }
        Ok(())
    }

    /// A frame of a file.
    fn arrived(&self, input: &Input, step: usize, arrival: &Arrival) -> Result<Arrived> {
        let one = input.frame(step)?;
        let mut last = LastFrame::of(&one);
        last.time = self.time_of(input, step, arrival);
        let values = one.as_read_by(self.trained.model.config());
        let frame = values.shape()[1..].to_vec();
        Ok(Arrived {
            file: arrival.path.clone(),
            place: (step, input.frames.shape()[0]),
            values: values.reshape(&frame)?,
            measured: input.measured(step),
            last,
            content: input.content.clone(),
        })
    }

    /// When a frame of a file was seen.
    fn time_of(&self, input: &Input, step: usize, arrival: &Arrival) -> Option<f64> {
        let told = input.times.as_ref().and_then(|times| times.get(step).copied());
        told.or_else(|| time_in_name(&arrival.path).filter(|_| input.frames.shape()[0] == 1))
    }

    /// Writes the forecast after the newest frame.
    fn forecast(&mut self, arrival: &Arrival, began: Instant, reading: f64) -> Result<()> {
        let begins = Instant::now();
        match self.written(arrival, reading, (began, begins)) {
            Ok(written) => {
                self.done.written += 1;
                (self.tell)(WatchEvent::Written(written))
            }
            Err(error) => self.trouble(format!("no forecast after {}: {error}", printable(&arrival.path))),
        }
    }

    fn written(
        &mut self,
        arrival: &Arrival,
        reading: f64,
        (began, begins): (Instant, Instant),
    ) -> Result<Written> {
        let predicted = self.stream.forecast(self.config.frames)?;
        let network = begins.elapsed().as_secs_f64();
        let provenance = Provenance::now(&self.config.command, &self.trained.config.name, self.model_hash);
        let last = self.stream.last_frame().ok_or_else(|| Error::Data {
            what: printable(&arrival.path),
            reason: "has no frame to forecast from".into(),
        })?;
        let members = self.trained.model.members();
        let forecast = Forecast::of_prediction(predicted, members, self.config.members, last, provenance)?;
        let reference_time = forecast.times.reference_text();
        let out = self.out_of_newest()?;
        forecast.write(&out)?;
        let since_change =
            SystemTime::now().duration_since(arrival.changed).map_or(0.0, |since| since.as_secs_f64());
        Ok(Written {
            input: arrival.path.clone(),
            out,
            reference_time,
            state_frames: self.stream.state_frames(),
            latency: began.elapsed().as_secs_f64(),
            reading,
            network,
            since_change,
        })
    }

    /// Where the forecast after the newest frame is written. Its folder is made again where it has gone.
    fn out_of_newest(&mut self) -> Result<PathBuf> {
        let folder = &self.config.out;
        let name = match self.stream.newest_id() {
            Some(newest) => self.names.of(newest, &self.config.input)?,
            None => "forecast".into(),
        };
        if !folder.is_dir() {
            folders::make(folder)?;
            (self.tell)(WatchEvent::Warning(format!(
                "{} was missing and is created again",
                printable(folder)
            )))?;
        }
        Ok(path_of(self.config, &name))
    }

    fn trouble(&mut self, text: String) -> Result<()> {
        self.done.troubles += 1;
        (self.tell)(WatchEvent::Trouble(text))
    }
}

/// The path of a forecast with a name.
fn path_of(config: &WatchConfig, name: &str) -> PathBuf {
    let mut path = config.out.join(name);
    if !config.extension.is_empty() {
        path.as_mut_os_string().push(format!(".{}", config.extension));
    }
    path
}
