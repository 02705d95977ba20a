//! The folder that is watched, and the folder for forecasts.

use std::path::Path;

use super::WatchConfig;
use crate::dataset::{self, data_files};
use crate::printable::printable;
use crate::{Error, Result};

/// Refuses folders that cannot be watched and written to, and makes the folder for forecasts.
///
/// # Errors
/// [`Error::Io`] if the input is no folder or the folder for forecasts cannot be made, [`Error::Data`] if this is a file or lies in the input, where
/// forecasts would be read as frames, and for files of several regions.
pub(super) fn prepare(config: &WatchConfig) -> Result<()> {
    let input = std::fs::canonicalize(&config.input).map_err(Error::io("watch", &config.input))?;
    std::fs::read_dir(&input).map_err(Error::io("watch", &config.input))?;
    make(&config.out)?;
    let out = std::fs::canonicalize(&config.out).map_err(Error::io("create", &config.out))?;
    if out.starts_with(&input) {
        let reason = format!(
            "lies in the input {}, where forecasts would be read as frames; give a folder outside of it",
            printable(&config.input)
        );
        return Err(Error::Data { what: printable(&config.out), reason });
    }
    dataset::expect_one_region(&config.input, &data_files(&config.input)?)
}

/// Makes a folder and those in which it lies, where they are missing.
///
/// # Errors
/// [`Error::Data`] if a file has the name of one of them, [`Error::Io`].
pub(super) fn make(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find(|own| own.symlink_metadata().is_ok());
    if let Some(file) = there.filter(|own| !own.as_os_str().is_empty() && !own.is_dir()) {
        let reason = match file == folder {
            true => "is no folder, and forecasts are written into one; give another --out".into(),
            false => format!("cannot be made, because {} is no folder; give another --out", printable(file)),
        };
        return Err(Error::Data { what: printable(folder), reason });
    }
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))
}
