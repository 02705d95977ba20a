//! The radar files of a folder: which there are, and when their frames were seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::RadarConfig;
use super::events::{Recorded, Series};
use crate::dataset::OnCorrupt;
use crate::dataset::folder::each_file;
use crate::dataset::source::FrameSource;
use crate::dataset::source::radar::composite;
use crate::dataset::source::radar::{Format, RadarFile, is_candidate};
use crate::printable::{printable, printable_name};
use crate::{Error, ReadBudget, Result};

/// Bytes that are kept for a file, besides its name: its frame, in lists of files, events and splits, and why it is left out.
const FILE_BYTES: usize = 1536;

/// The series of a folder, all of one format. Files that cannot be opened, or say nowhere when they were seen, end it or are
/// gathered in `left_out`.
///
/// # Errors
/// [`Error::Data`] if there are none, or several formats; [`Error::Format`] for such a file, or if there is no other.
pub(super) fn find(
    folder: &Path,
    config: &RadarConfig,
    on_corrupt: OnCorrupt,
    budget: &ReadBudget,
    left_out: &mut Vec<Error>,
) -> Result<(Format, Vec<Series>)> {
    let mut found: BTreeMap<Format, Vec<PathBuf>> = BTreeMap::new();
    let mut candidates = Vec::new();
    let mut names = budget.keep(folder, 0)?;
    each_file(folder, &mut |path| {
        let format = Format::named(&path);
        if format.is_some() || is_candidate(&path) {
            names.more(folder, (FILE_BYTES + 6 * path.as_os_str().len()) as u64)?;
        }
        match format {
            Some(format) => found.entry(format).or_default().push(path),
            None if is_candidate(&path) => candidates.push(path),
            None => {}
        }
        Ok(())
    })?;
    names.stay();
    found.values_mut().chain([&mut candidates]).for_each(|files| files.sort());
    let other = candidates.first().cloned();
    let mut composites: BTreeMap<Format, Vec<Recorded>> = BTreeMap::new();
    let seen: Vec<Result<_>> = candidates
        .into_par_iter()
        .map(|file| {
            Ok(composite::seen(&file, budget)?
                .map(|(model, time)| (model, Recorded { file, index: 0, time })))
        })
        .collect();
    for (model, frame) in on_corrupt.kept(seen, left_out)?.into_iter().flatten() {
        found.entry(Format::Hdf5(model)).or_default().push(frame.file.clone());
        composites.entry(Format::Hdf5(model)).or_default().push(frame);
    }
    let error = |reason| Error::Data { what: printable(folder), reason };
    if found.len() > 1 {
        let formats: Vec<String> =
            found.iter().map(|(format, files)| format!("{} {}", files.len(), format.name())).collect();
        return Err(error(format!(
            "holds {}; give a folder with files of one format",
            formats.join(" and ")
        )));
    }
    let Some((format, files)) = found.pop_first() else {
        if !left_out.is_empty() {
            return Err(left_out.swap_remove(0));
        }
        let other = other.map_or(String::new(), |file| {
            format!(
                "; {} is HDF5, but of neither model",
                printable_name(file.file_name().unwrap_or_default())
            )
        });
        return Err(error(format!(
            "holds no radar files; looked for *.pgm and *.pgm.gz (FMI composites), rainfall_*.npz (MeteoNet), *.h5, *.hdf5 and \
             *.hdf (composites of ODIM and KNMI) in it and the folders below{other}"
        )));
    };
    let series = match format {
        Format::FmiPgm => {
            by_folder(folder, on_corrupt.kept(images(format, files, config, budget), left_out)?)
        }
        Format::Hdf5(_) => by_folder(folder, composites.remove(&format).unwrap_or_default()),
        Format::MeteoNet => {
            let series = |file: &PathBuf| {
                let times = RadarFile { path: file, format, config, budget }.times()?.into_iter().enumerate();
                let frames = times.map(|(index, time)| Recorded { file: file.clone(), index, time });
                Ok(Series { folder: folder_name(folder, file), frames: frames.collect() })
            };
            on_corrupt.kept(files.iter().map(series), left_out)?
        }
    };
    if series.is_empty() && !left_out.is_empty() {
        return Err(left_out.swap_remove(0));
    }
    Ok((format, series))
}

/// The times of images, one in each file.
fn images(
    format: Format,
    files: Vec<PathBuf>,
    config: &RadarConfig,
    budget: &ReadBudget,
) -> Vec<Result<Recorded>> {
    let recorded = |file: PathBuf| {
        let times = RadarFile { path: &file, format, config, budget }.times()?;
        Ok(times.into_iter().map(|time| Recorded { file: file.clone(), index: 0, time }).next())
    };
    files.into_par_iter().map(recorded).filter_map(Result::transpose).collect()
}

/// A series for each folder of frames.
fn by_folder(root: &Path, recorded: Vec<Recorded>) -> Vec<Series> {
    let mut series: BTreeMap<String, Vec<Recorded>> = BTreeMap::new();
    for frame in recorded {
        series.entry(folder_name(root, &frame.file)).or_default().push(frame);
    }
    series.into_iter().map(|(folder, frames)| Series { folder, frames }).collect()
}

/// The path from the root to the folder of a file; the root's own name if it lies there.
fn folder_name(root: &Path, file: &Path) -> String {
    let folder = file.parent().unwrap_or(root);
    let below = folder.strip_prefix(root).unwrap_or(folder);
    let name =
        if below.as_os_str().is_empty() { Path::new(root.file_name().unwrap_or_default()) } else { below };
    printable(name)
}
