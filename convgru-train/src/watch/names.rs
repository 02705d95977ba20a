//! Names of forecasts: one for each frame.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::forecast::ForecastTimes;
use crate::printable::{printable, printable_name};
use crate::{Error, Result};

/// The number of names that are kept before the names of deleted files are dropped.
const NAMES: usize = 4096;

/// Which frame it is.
#[derive(Clone, Debug)]
pub(super) struct FrameId {
    pub(super) file: PathBuf,
    /// When it was seen, in seconds since 1970.
    pub(super) time: Option<f64>,
    /// Its place in the file, from 0.
    pub(super) step: usize,
    /// Frames that the file had when it was read.
    pub(super) of: usize,
}

impl PartialEq for FrameId {
    /// A time says which frame of a file it is, and without one its place does.
    fn eq(&self, other: &Self) -> bool {
        let is_same_frame = match (self.time, other.time) {
            (None, None) => self.step == other.step,
            (own, time) => own == time,
        };
        self.file == other.file && is_same_frame
    }
}

/// The names that were given, and the frames after which the forecasts are.
pub(super) struct Names {
    given: HashMap<String, FrameId>,
    most: usize,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { given: HashMap::new(), most: NAMES }
    }

    /// The name of the forecast after a frame of an input folder: its time, or else its file with the folders in which that lies, and in a file of
    /// several frames its place.
    ///
    /// # Errors
    /// [`Error::Data`] if it is the name of the forecast after another frame.
    pub(super) fn of(&mut self, frame: &FrameId, input: &Path) -> Result<String> {
        let time = ForecastTimes { reference: frame.time, minutes_per_step: None }.reference_name();
        let name = format!("forecast_{}", time.unwrap_or_else(|| name_of_file(frame, input)));
        match self.given.get(&name) {
            Some(other) if other != frame => {
                let step =
                    if other.of > 1 { format!(" (frame {}, from 0)", other.step) } else { String::new() };
                let reason = format!(
                    "is also the forecast after {}{step}, and would be replaced; give one of the files another name",
                    printable(&other.file)
                );
                Err(Error::Data { what: name, reason })
            }
            _ => {
                self.remember(name.clone(), frame);
                Ok(name)
            }
        }
    }

    fn remember(&mut self, name: String, frame: &FrameId) {
        if self.given.len() >= self.most {
            self.given.retain(|_, frame| frame.file.exists());
            self.most = NAMES.max(2 * self.given.len());
        }
        self.given.insert(name, frame.clone());
    }
}

fn name_of_file(frame: &FrameId, input: &Path) -> String {
    let below = frame.file.strip_prefix(input).unwrap_or(&frame.file).with_extension("");
    let parts: Vec<String> = below.components().map(|part| printable_name(part.as_os_str())).collect();
    let step = if frame.of > 1 { format!("_{}", frame.step) } else { String::new() };
    format!("{}{step}", parts.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_has_a_name_of_its_own() {
        let input = Path::new("in");
        let mut names = Names::new();
        let frame = |file: &str, time, (step, of)| FrameId { file: file.into(), time, step, of };
        let mut name = |frame: &FrameId| names.of(frame, input);
        let first = frame("in/frame_9.npy", None, (0, 1));
        assert_eq!(name(&first).unwrap(), "forecast_frame_9");
        assert_eq!(name(&first).unwrap(), "forecast_frame_9", "again");
        assert_eq!(name(&frame("in/a/frame_9.npy", None, (0, 1))).unwrap(), "forecast_a_frame_9");
        assert_eq!(name(&frame("in/all.npy", None, (3, 8))).unwrap(), "forecast_all_3");
        assert_eq!(name(&frame("in/all.npy", None, (4, 8))).unwrap(), "forecast_all_4");
        let timed = frame("in/a.npy", Some(1_475_073_900.0), (0, 1));
        assert_eq!(name(&timed).unwrap(), "forecast_20160928T144500Z");
        for (other, of) in [
            (frame("in/frame_9.png", None, (0, 1)), "in/frame_9.npy"),
            (frame("in/a_frame_9.npy", None, (0, 1)), "in/a/frame_9.npy"),
            (frame("in/all_3.npy", None, (0, 1)), "in/all.npy (frame 3, from 0)"),
            (frame("in/a.npy", Some(1_475_073_900.2), (0, 1)), "in/a.npy"),
        ] {
            let error = name(&other).unwrap_err().to_string();
            assert!(error.contains(of) && error.contains("another name"), "{error}");
        }
    }

    #[test]
    fn names_of_files_that_have_gone_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let stays = folder.path().join("stays.npy");
        std::fs::write(&stays, "x").unwrap();
        let mut names = Names::new();
        let frame = |file: PathBuf| FrameId { file, time: None, step: 0, of: 1 };
        names.of(&frame(stays), folder.path()).unwrap();
        for at in 0..2 * NAMES {
            names.of(&frame(folder.path().join(format!("gone_{at}.npy"))), folder.path()).unwrap();
        }
        assert!(names.given.len() <= NAMES && names.given.contains_key("forecast_stays"));
    }
}
