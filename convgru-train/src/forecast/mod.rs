//! Forecasts as files that others can use: numbers in the unit of the data, with times and places.
//!
//! A [`Forecast`] is all that such a file says. [`Forecast::dataset`] lays it out after the CF conventions, as named dimensions,
//! variables and attributes that know nothing of a format; [`Forecast::write`] writes it.
//!
//! | path | written |
//! |---|---|
//! | `name.nc` | netCDF-4, compressed, after CF-1.8 |
//! | `name.zarr` | a Zarr store, version 3, compressed by gzip, after CF-1.8 |
//! | `name.npy` | `float32` in the unit of the data, NaN where nothing was measured: one member in the order of axes of the input, several as `[K, T, C, H, W]` |
//! | `name.gif`, a folder | pictures from black (0) to white (1), as [`write_frames`](crate::media::write_frames) |

mod cf;
mod layout;
mod make;
#[cfg(feature = "hdf5")]
mod netcdf;
mod replaced;
#[cfg(test)]
mod tests;
mod times;
mod variable;
mod write;
mod zarr;

pub use cf::{CfDataset, CfDimension, CfValues, CfVariable};
pub use make::{LastFrame, Members};
pub use replaced::expect_writable;
pub use times::ForecastTimes;
pub use write::Form;

use convgru_model::Tensor;

use crate::dataset::{Attribute, Axes, Description, Quantity};
use crate::{Error, Result};

/// What the source of a forecast begins with.
const OURS: &str = "convgru ";

/// A forecast: numbers, what they are, when and where.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// In the unit of the data, `[K, T, C, H, W]` of `K` members and `T` lead times; NaN where nothing was measured.
    pub values: Tensor<f32>,
    /// Whether the only member is the mean over the members of an ensemble.
    pub is_mean: bool,
    /// What the numbers mean, and how they become the values 0 to 1.
    pub quantity: Quantity,
    /// What the file that was read says besides: names, coordinates, the projection.
    pub description: Description,
    /// The order of the axes of a `.npy` file with one member; see [`write_array`](crate::media::write_array).
    pub axes: Axes,
    /// When it begins, and the time from a frame to the next.
    pub times: ForecastTimes,
    /// What made it.
    pub provenance: Provenance,
}

/// What made a forecast, for those who find the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// A line about what the file is.
    pub title: String,
    /// The program with its version, and the network.
    pub source: String,
    /// When which command made it, a line.
    pub history: String,
    /// The BLAKE3 hash of the file with the network, in hexadecimal digits; see [`TrainedModel::read_with_hash`](crate::trainer::TrainedModel::read_with_hash).
    pub model_hash: String,
}

impl Forecast {
    /// A forecast from what a network predicts: `predicted` are values 0 to 1, which become numbers of the quantity's unit; `valid`, `[C, H, W]`,
    /// is 0 where the last frame that was read has no measurement, whose pixels the forecast has not either.
    ///
    /// # Shapes
    /// predicted: `[T, K C, H, W]` of `members` K, the channels of the first member first
    ///
    /// # Errors
    /// [`Error::Data`] for shapes that do not fit.
    pub fn new(predicted: &Tensor<f32>, members: usize, valid: Option<&[f32]>, about: About) -> Result<Self> {
        Self::of_numbers(&about.quantity.in_units(predicted), members, valid, about)
    }

    /// As [`new`](Self::new), from numbers of the unit.
    fn of_numbers(
        numbers: &Tensor<f32>,
        members: usize,
        valid: Option<&[f32]>,
        about: About,
    ) -> Result<Self> {
        let refuse = |reason: String| Error::Data { what: "forecast".into(), reason };
        let &[steps, channels, height, width] = numbers.shape() else {
            return Err(refuse(format!("frames are [T, K C, H, W], got {:?}", numbers.shape())));
        };
        if members == 0 || channels % members != 0 || numbers.is_empty() {
            return Err(refuse(format!(
                "{channels} channels of {steps} frames do not fit {members} members"
            )));
        }
        let frame = channels / members * height * width;
        if let Some(valid) = valid.filter(|valid| valid.len() != frame) {
            return Err(refuse(format!("a mask of {} pixels where a frame has {frame}", valid.len())));
        }
        let mut values = Vec::with_capacity(numbers.len());
        for member in 0..members {
            for step in 0..steps {
                let frame = &numbers.as_slice()[(step * members + member) * frame..][..frame];
                match valid {
                    Some(valid) => values
                        .extend(frame.iter().zip(valid).map(|(&v, &ok)| if ok > 0.0 { v } else { f32::NAN })),
                    None => values.extend_from_slice(frame),
                }
            }
        }
        let values = Tensor::from_vec(&[members, steps, channels / members, height, width], values)?;
        let About { quantity, description, axes, times, provenance, is_mean } = about;
        Ok(Self { values, is_mean, quantity, description, axes, times, provenance })
    }

    /// Members, lead times, channels, height and width.
    pub fn shape(&self) -> [usize; 5] {
        std::array::from_fn(|axis| self.values.shape()[axis])
    }
}

/// What is said of a forecast besides its numbers, as the fields of [`Forecast`].
#[derive(Clone, Debug)]
pub struct About {
    /// What the numbers mean.
    pub quantity: Quantity,
    /// What the file that was read says.
    pub description: Description,
    /// The order of the axes of a `.npy` file with one member.
    pub axes: Axes,
    /// When it begins.
    pub times: ForecastTimes,
    /// What made it.
    pub provenance: Provenance,
    /// Whether it is the mean over an ensemble.
    pub is_mean: bool,
}

impl Provenance {
    /// As attributes of a file.
    fn attributes(&self, of_input: &[Attribute]) -> Vec<Attribute> {
        let before = crate::dataset::text_of(of_input, "history").unwrap_or_default();
        let history = [self.history.as_str(), newest(before)].join("\n");
        let own = [
            ("title", self.title.as_str()),
            ("source", &self.source),
            ("history", history.trim()),
            ("model_blake3", &self.model_hash),
        ];
        let own = own.into_iter().filter(|(_, text)| !text.is_empty());
        let own = own.map(|(name, text)| Attribute::text(name, text));
        own.chain(of_input.iter().filter(|attribute| attribute.name != "history").cloned()).collect()
    }
}

/// The beginning of a history that may be long, cut at the end of a line: the newest lines come first.
fn newest(history: &str) -> &str {
    const LONGEST: usize = 16_384;
    if history.len() <= LONGEST {
        return history;
    }
    let end = (0..=LONGEST).rev().find(|&at| history.is_char_boundary(at)).unwrap_or(0);
    history[..end].rsplit_once('\n').map_or("", |(lines, _)| lines)
}
