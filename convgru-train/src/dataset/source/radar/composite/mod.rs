//! Radar composites in HDF5: one image of one time in a file, after the models of EUMETNET OPERA (ODIM_H5) and of KNMI.

pub(in crate::dataset) mod knmi;
mod odim;
#[cfg(feature = "hdf5")]
#[cfg(test)]
mod tests;

use std::path::Path;

use super::field::Field;
use crate::dataset::NumberType;
use crate::dataset::RadarConfig;
use crate::dataset::georeference::{Georeference, of_knmi, of_odim};
use crate::dataset::gridded::{GriddedFile, Variable};
use crate::dataset::timestamp::Timestamp;
use crate::read_budget::{ReadBudget, Working, bytes_of};
use crate::{Error, Result};

/// No side of an image may be longer.
const LONGEST_SIDE: usize = 1 << 14;
/// No image may have more pixels.
const MOST_PIXELS: usize = 1 << 26;

/// Whose information model a file follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dataset) enum Model {
    /// ODIM_H5 of EUMETNET OPERA.
    Odim,
    /// Of the Royal Netherlands Meteorological Institute.
    Knmi,
}

impl Model {
    /// The model of a file; `None` if it is of none of them, as of data that are not from radars.
    ///
    /// # Errors
    /// [`Error::Format`] if it cannot be read.
    fn of(file: &GriddedFile) -> Result<Option<Self>> {
        if let Some(what) = file.attributes("what")?
            && what.text("object").ok().flatten().is_some()
        {
            return Ok(Some(Self::Odim));
        }
        let knmi = file.attributes("overview")?.is_some() && file.attributes("image1")?.is_some();
        Ok(knmi.then_some(Self::Knmi))
    }
}

/// The model of a file and the time of its image; `None` for HDF5 that is no radar composite.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`] if it cannot be read, or says no time.
pub(in crate::dataset) fn seen(path: &Path, budget: &ReadBudget) -> Result<Option<(Model, Timestamp)>> {
    let file = GriddedFile::open(path, budget)?;
    let Some(model) = Model::of(&file)? else { return Ok(None) };
    let time = match model {
        Model::Odim => odim::time(&file)?,
        Model::Knmi => {
            expect_observed(&file)?;
            knmi::time(&file)?
        }
    };
    Ok(Some((model, time)))
}

/// Refuses a forecast, whose images nobody has seen.
fn expect_observed(file: &GriddedFile) -> Result<()> {
    let images = knmi::images(file)?;
    let (true, [first, .., last]) = (knmi::is_forecast(&images), &images[..]) else { return Ok(()) };
    let time =
        |image: &knmi::ImageGroup| image.valid.map_or("an unknown time".into(), |time| time.to_string());
    Err(Error::Format {
        path: file.path().into(),
        reason: format!(
            "is a forecast: {} images, from {} for {} to {} for {}. Of radar images only those that were seen are read, one of a time; give \
             a folder of observations, or read forecasts as sequences with data.source = \"frames\"",
            images.len(),
            first.name,
            time(first),
            last.name,
            time(last)
        ),
    })
}

/// Whether a file holds a radar composite. One that is damaged does not, and neither does a forecast.
///
/// # Errors
/// [`Error::Io`] if the system does not let it be read now.
pub(in crate::dataset) fn is_composite(path: &Path, budget: &ReadBudget) -> Result<bool> {
    match GriddedFile::open(path, budget).and_then(|file| is_observed(&file)) {
        Ok(is_observed) => Ok(is_observed),
        Err(error @ Error::Io { .. }) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Whether an open file is a radar composite. A forecast is none.
///
/// # Errors
/// [`Error::Format`] if it cannot be read.
pub(in crate::dataset) fn is_observed(file: &GriddedFile) -> Result<bool> {
    let model = Model::of(file)?;
    Ok(model == Some(Model::Odim) || model == Some(Model::Knmi) && !knmi::is_forecast(&knmi::images(file)?))
}

/// The rain rates of a file's image, and the working memory they are counted in.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`] if it cannot be read, or its image is of something else than rain.
pub(in crate::dataset) fn field(
    path: &Path,
    model: Model,
    config: &RadarConfig,
    budget: &ReadBudget,
) -> Result<(Field, Working)> {
    let file = GriddedFile::open(path, budget)?;
    let image = Image::open(&file, model)?;
    let rates = bytes_of(3 * size_of::<f32>(), image.variable.shape());
    let working = budget.work(path, image.variable.working(0).saturating_add(rates))?;
    Ok((image.field(path, config)?, working))
}

/// Height and width of a file's image, and the type of its numbers.
///
/// # Errors
/// As [`field`].
pub(in crate::dataset) fn size(
    path: &Path,
    model: Model,
    budget: &ReadBudget,
) -> Result<([usize; 2], NumberType)> {
    let image = Image::open(&GriddedFile::open(path, budget)?, model)?;
    Ok((image.size(path)?, image.variable.kind()))
}

/// Height and width of a file's image, and where it lies.
///
/// # Errors
/// As [`field`].
pub(in crate::dataset) fn georeference(
    path: &Path,
    model: Model,
    budget: &ReadBudget,
) -> Result<([usize; 2], Georeference)> {
    let file = GriddedFile::open(path, budget)?;
    let size = Image::open(&file, model)?.size(path)?;
    let georeference = match model {
        Model::Odim => of_odim(&file, size)?,
        Model::Knmi => of_knmi(&file, size)?,
    };
    Ok((size, georeference))
}

/// What numbers stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    /// Reflectivity in dBZ.
    Reflectivity,
    /// Rain, with the factor that makes it mm/h.
    Rain(f64),
}

/// An image and how its numbers are to be understood.
struct Image {
    variable: Variable,
    unit: Unit,
    gain: f64,
    offset: f64,
    /// Stored numbers where nothing was measured.
    missing: Vec<f64>,
    /// Stored numbers where there is no rain.
    dry: Vec<f64>,
}

impl Image {
    /// The image of a file.
    fn open(file: &GriddedFile, model: Model) -> Result<Self> {
        match model {
            Model::Odim => odim::image(file),
            Model::Knmi => knmi::image(file),
        }
    }

    /// Height and width.
    fn size(&self, path: &Path) -> Result<[usize; 2]> {
        let &[height, width] = self.variable.shape() else {
            return Err(Error::Format {
                path: path.into(),
                reason: format!("has an image of shape {:?}, but [H, W] is needed", self.variable.shape()),
            });
        };
        let sides = 1..=LONGEST_SIDE;
        if !sides.contains(&height) || !sides.contains(&width) || height * width > MOST_PIXELS {
            return Err(Error::Format {
                path: path.into(),
                reason: format!(
                    "has an image of {height} x {width} pixels, but sides of 1 to {LONGEST_SIDE} and at most {MOST_PIXELS} \
                     pixels are possible"
                ),
            });
        }
        Ok([height, width])
    }

    fn field(self, path: &Path, config: &RadarConfig) -> Result<Field> {
        let [height, width] = self.size(path)?;
        let relation = config.reflectivity();
        // Values may be stored with fewer digits than the attributes that name them.
        let single = self.variable.kind() == NumberType::Float(4);
        let is_in = |list: &[f64], stored: f64| {
            list.iter().any(|&one| one == stored || single && f64::from(one as f32) == stored)
        };
        let rate = |stored: f64| {
            if stored.is_nan() || is_in(&self.missing, stored) {
                return f32::NAN;
            }
            if is_in(&self.dry, stored) {
                return 0.0;
            }
            let number = stored * self.gain + self.offset;
            match self.unit {
                Unit::Reflectivity => relation.rate(number) as f32,
                Unit::Rain(factor) => (number * factor) as f32,
            }
        };
        let stored = self.variable.numbers()?;
        let rates: Vec<f32> = match self.variable.kind() {
            // Powers are dear: of bytes each is computed once.
            NumberType::Unsigned(1) => {
                let table: Vec<f32> = (0..=255u8).map(|level| rate(f64::from(level))).collect();
                stored.into_iter().map(|level| table[usize::from(level as u8)]).collect()
            }
            _ => stored.into_iter().map(rate).collect(),
        };
        match rates.iter().position(|rate| rate.is_infinite()) {
            None => Ok(Field { height, width, rates }),
            Some(at) => Err(Error::Format {
                path: path.into(),
                reason: format!("has no possible rain rate in row {}, column {}", at / width, at % width),
            }),
        }
    }
}
