//! Radar files: one reader for each format.

pub(in crate::dataset) mod composite;
mod field;
pub(in crate::dataset) mod meteonet;
mod pgm;

use std::ops::Range;
use std::path::Path;

use self::composite::Model;
pub(in crate::dataset) use self::field::{Encoder, Field};
use self::meteonet::RainFile;
use self::pgm::Pgm;
use super::{Frame, FrameInfo, FrameSource, NumberType, Visit};
use crate::dataset::georeference::squares;
use crate::dataset::timestamp::Timestamp;
use crate::dataset::{Description, Georeference, RadarConfig, gridded};
use crate::{Error, ReadBudget, Result};

/// What radar files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dataset) enum Format {
    /// Composites of the Finnish Meteorological Institute, `*.pgm` and `*.pgm.gz`.
    FmiPgm,
    /// Rain of MeteoNet, `rainfall_*.npz` with `*_dates.txt` beside it.
    MeteoNet,
    /// Composites in HDF5.
    Hdf5(Model),
}

/// Whether a file holds radar images: by its name, or if that is one of HDF5, by what lies in it.
pub(in crate::dataset) fn is_radar(path: &Path, budget: &ReadBudget) -> Result<bool> {
    Ok(Format::named(path).is_some() || is_candidate(path) && composite::is_composite(path, budget)?)
}

/// Whether a file may be a composite in HDF5. Composites in netCDF have other names.
pub(in crate::dataset) fn is_candidate(path: &Path) -> bool {
    let netcdf = ["nc", "nc4"];
    let extension = path.extension().unwrap_or_default();
    gridded::is_named(path) && !netcdf.iter().any(|one| extension.eq_ignore_ascii_case(one))
}

impl Format {
    /// The format that the name of a file announces.
    pub(in crate::dataset) fn named(path: &Path) -> Option<Self> {
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
    pub(in crate::dataset) fn name(self) -> &'static str {
        match self {
            Self::FmiPgm => "FMI composites",
            Self::MeteoNet => "MeteoNet rain",
            Self::Hdf5(Model::Odim) => "ODIM composites",
            Self::Hdf5(Model::Knmi) => "KNMI composites",
        }
    }
}

/// A radar file: one sequence of frames, made coarser and on the scale that a configuration asks for.
pub(in crate::dataset) struct RadarFile<'a> {
    pub(in crate::dataset) path: &'a Path,
    pub(in crate::dataset) format: Format,
    pub(in crate::dataset) config: &'a RadarConfig,
    pub(in crate::dataset) budget: &'a ReadBudget,
}

impl FrameSource for RadarFile<'_> {
    fn info(&self) -> Result<FrameInfo> {
        let ([steps, height, width], number_type) = match self.format {
            Format::FmiPgm => {
                let [height, width] = pgm::size(self.path)?;
                ([1, height, width], NumberType::Unsigned(1))
            }
            Format::MeteoNet => RainFile::shape(self.path)?,
            Format::Hdf5(model) => {
                let ([height, width], number_type) = composite::size(self.path, model, self.budget)?;
                ([1, height, width], number_type)
            }
        };
        let [height, width] = [height, width].map(|side| side.div_ceil(self.config.downsample));
        let natural_range = [0.0, 1.0];
        Ok(FrameInfo {
            sequences: 1,
            steps,
            channels: Some(1),
            height,
            width,
            number_type,
            natural_range,
            may_miss: true,
        })
    }

    fn times(&self) -> Result<Vec<Timestamp>> {
        let time = match self.format {
            Format::MeteoNet => return RainFile::times(self.path, self.budget),
            Format::Hdf5(_) => composite::seen(self.path, self.budget)?.map(|(_, time)| time),
            Format::FmiPgm => {
                let name = self.path.file_name().unwrap_or_default().to_string_lossy();
                match Timestamp::in_text(&name) {
                    Some(time) => Some(time),
                    None => pgm::observed(self.path)?,
                }
            }
        };
        let time = time.ok_or_else(|| Error::Format {
            path: self.path.into(),
            reason: "says nowhere when it was seen; its name (201609281445...) or a line `# obstime 201609281445` \
                     in it must"
                .into(),
        })?;
        Ok(vec![time])
    }

    fn description(&self) -> Result<Description> {
        let (size, georeference) = match self.format {
            Format::FmiPgm => pgm::georeference(self.path)?,
            Format::MeteoNet => return Ok(Description::of_rain_rates(Georeference::default())),
            Format::Hdf5(model) => composite::georeference(self.path, model, self.budget)?,
        };
        let [rows, columns] = size.map(|side| squares(side, self.config.downsample));
        Ok(Description::of_rain_rates(georeference).averaged(&rows, &columns))
    }

    fn visit(&self, _: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        let encoder = Encoder::new(&self.config.rain());
        let mut next = steps.clone();
        let mut give = |field: Field| {
            let Some(step) = next.next() else { return Ok(()) };
            let field = field.coarser(self.config.downsample);
            let values = encoder.values(&field);
            visit(Frame { sequence: 0, step, shape: [1, field.height, field.width], values: &values })
        };
        match self.format {
            Format::MeteoNet => RainFile::read(self.path, steps, self.budget, &mut give),
            Format::FmiPgm => {
                let (image, _working) = Pgm::read(self.path, self.budget)?;
                give(fmi_field(image, self.config))
            }
            Format::Hdf5(model) => {
                let (field, _working) = composite::field(self.path, model, self.config, self.budget)?;
                give(field)
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
