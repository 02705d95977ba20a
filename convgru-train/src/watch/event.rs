//! What is told while a folder is watched.

use std::path::PathBuf;

use crate::interrupt::Signal;

/// What happened.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// A forecast was written.
    Written(Written),
    /// Something a user may like to know: older files, a frame that came late or changed.
    Note(String),
    /// Something a user must know, and it goes on: a gap, a frame that is left out, data that are not as in the training.
    Warning(String),
    /// Something went wrong, and it goes on: a file that cannot be read, a forecast that cannot be written.
    Trouble(String),
}

/// A forecast that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file with the newest frame.
    pub input: PathBuf,
    /// The forecast.
    pub out: PathBuf,
    /// When the newest frame was seen, as people write it; `None` where it is not known.
    pub reference_time: Option<String>,
    /// Frames of the state.
    pub state_frames: u64,
    /// Seconds from when the file was found complete to when the forecast was written.
    pub latency: f64,
    /// Of these, seconds of reading the file.
    pub reading: f64,
    /// Of these, seconds of the network.
    pub network: f64,
    /// Seconds from the last change of the file to when the forecast was written.
    pub since_change: f64,
}

/// How watching ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Forecasts that were written.
    pub written: u64,
    /// Files that could not be read, and forecasts that could not be written.
    pub troubles: u64,
    /// Frames that were read, those that are left out too.
    pub frames: u64,
    /// The most frames without a gap after which a forecast could be written.
    pub longest_run: u64,
    /// The signal that ended it, if one did.
    pub signal: Option<Signal>,
}
