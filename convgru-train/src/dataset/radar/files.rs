//! The radar files of a folder: which there are, when their frames were seen, and reading one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::RadarConfig;
use super::events::{Recorded, Series};
use crate::dataset::folder::each_file;
use crate::dataset::source::radar::composite::{self, Model};
use crate::dataset::source::radar::field::Field;
use crate::dataset::source::radar::meteonet::RainFile;
use crate::dataset::source::radar::pgm::{self, Pgm};
use crate::dataset::timestamp::Timestamp;
use crate::dataset::{OnCorrupt, gridded};
use crate::printable::{printable, printable_name};
use crate::{Error, MemoryBudget, Result};

/// Bytes that are kept for a file, besides its name: its frame, in lists of files, events and splits, and why it is left out.
const FILE_BYTES: usize = 1536;

/// What radar files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    /// Composites of the Finnish Meteorological Institute, `*.pgm` and `*.pgm.gz`.
    FmiPgm,
    /// Rain of MeteoNet, `rainfall_*.npz` with `*_dates.txt` beside it.
    MeteoNet,
    /// Composites in HDF5.
    Hdf5(Model),
}

/// Whether a file holds radar images: by its name, or if that is one of HDF5, by what lies in it.
pub(super) fn is_radar(path: &Path, budget: &MemoryBudget) -> Result<bool> {
    Ok(Format::named(path).is_some() || is_candidate(path) && composite::is_composite(path, budget)?)
}

/// Whether a file may be a composite in HDF5. Those of netCDF are not called so.
fn is_candidate(path: &Path) -> bool {
    let netcdf = ["nc", "nc4"];
    let extension = path.extension().unwrap_or_default();
    gridded::is_named(path) && !netcdf.iter().any(|one| extension.eq_ignore_ascii_case(one))
}

impl Format {
    /// The format that the name of a file announces.
    fn named(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        if name.ends_with(".pgm") || name.ends_with(".pgm.gz") {
            Some(Self::FmiPgm)
        } else if name.starts_with("rainfall_") && name.ends_with(".npz") {
            Some(Self::MeteoNet)
        } else {
            None
        }
    }

    /// What it is called in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FmiPgm => "FMI composites",
            Self::MeteoNet => "MeteoNet rain",
            Self::Hdf5(Model::Odim) => "ODIM composites",
            Self::Hdf5(Model::Knmi) => "KNMI composites",
        }
    }

    /// Reads frames of one file, in the order asked for, and gives each to `visit` while the memory it takes is counted.
    ///
    /// # Errors
    /// Those of the file, after the frames before it were visited, and those of `visit`.
    pub(super) fn read(
        self,
        file: &Path,
        indices: &[usize],
        config: &RadarConfig,
        budget: &MemoryBudget,
        visit: &mut dyn FnMut(Field) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::FmiPgm => {
                let (image, _working) = Pgm::read(file, budget)?;
                let field = fmi_field(image, config);
                indices.iter().try_for_each(|_| visit(field.clone()))
            }
            Self::MeteoNet => RainFile::read(file, indices, budget, visit),
            Self::Hdf5(model) => {
                let (field, _working) = composite::field(file, model, config, budget)?;
                indices.iter().try_for_each(|_| visit(field.clone()))
            }
        }
    }
}

/// Rain rates of an image of the Finnish Meteorological Institute: `dBZ = (v - 64) / 2`,
/// 0 for no echo, 255 outside of what radars reach.
fn fmi_field(image: Pgm, config: &RadarConfig) -> Field {
    let Pgm { height, width, pixels } = image;
    let relation = config.reflectivity();
    let rates: Vec<f32> = (0..=255u8)
        .map(|level| match level {
            0 => 0.0,
            255 => f32::NAN,
            _ => relation.rate((f64::from(level) - 64.0) / 2.0) as f32,
        })
        .collect();
    let mut field = Vec::with_capacity(pixels.len());
    field.extend(pixels.into_iter().map(|level| rates[usize::from(level)]));
    Field { height, width, rates: field }
}

/// The series of a folder, all of one format. Files that cannot be opened, or say nowhere when they were seen, end it or are
/// gathered in `left_out`.
///
/// # Errors
/// [`Error::Data`] if there are none, or several formats; [`Error::Format`] for such a file, or if there is no other.
pub(super) fn find(
    folder: &Path,
    on_corrupt: OnCorrupt,
    budget: &MemoryBudget,
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
        Format::FmiPgm => by_folder(folder, on_corrupt.kept(images(files), left_out)?),
        Format::Hdf5(_) => by_folder(folder, composites.remove(&format).unwrap_or_default()),
        Format::MeteoNet => {
            let series = |file: &PathBuf| {
                let times = RainFile::times(file, budget)?.into_iter().enumerate();
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

/// The times of images.
fn images(files: Vec<PathBuf>) -> Vec<Result<Recorded>> {
    files
        .into_par_iter()
        .map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let time = match Timestamp::in_text(&name) {
                Some(time) => Some(time),
                None => pgm::observed(&file)?,
            };
            let time = time.ok_or_else(|| Error::Format {
                path: file.clone(),
                reason: "says nowhere when it was seen; its name (201609281445...) or a line `# obstime 201609281445` \
                         in it must"
                    .into(),
            })?;
            Ok(Recorded { file, index: 0, time })
        })
        .collect()
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
