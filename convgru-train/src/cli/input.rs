//! The arguments that say how the frames of an input are read.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use convgru_train::dataset::{Axes, InputOptions};
use convgru_train::forecast::Members;

/// The most pixels that become one, as of `data.radar.downsample`.
const MOST_DOWNSAMPLED: usize = 64;

/// What a user says about the frames of an input; what is left out is as in the training.
#[derive(Args)]
pub(super) struct InputArguments {
    /// Axes of arrays, such as tchw [default: data.frames.axes of the training]
    #[arg(long, value_name = "AXES")]
    axes: Option<Axes>,
    /// Dataset with the frames in HDF5, netCDF, Zarr and GRIB files, or array in .npz files [default: data.frames.variable or data.frames.member of the training]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    variable: Option<String>,
    /// Unit of the numbers, such as mm/h; replaces the unit in the files
    #[arg(long, value_name = "UNIT", value_parser = NonEmptyStringValueParser::new())]
    unit: Option<String>,
    /// Numbers of the input that correspond to the lowest and the highest number of the training, such as 0,100 [default: the range of the training]
    #[arg(long, value_name = "LOW,HIGH", value_parser = range, allow_hyphen_values = true)]
    range: Option<[f64; 2]>,
    /// Number that marks missing pixels, in addition to data.frames.missing of the training; can be repeated
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = missing)]
    missing: Vec<f64>,
    /// Minutes between frames; overrides the time step of the files and of the training
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    minutes_per_step: Option<f64>,
    /// Pixels along each axis that become one, of rain rates for a model of radar images; 1 for frames that are as coarse [default: what their
    /// coordinates or their size tell]
    #[arg(long, value_name = "PIXELS", value_parser = downsample)]
    downsample: Option<usize>,
}

impl InputArguments {
    /// The same for the library.
    pub(super) fn options(&self) -> InputOptions {
        InputOptions {
            axes: self.axes.clone(),
            variable: self.variable.clone(),
            unit: self.unit.clone(),
            range: self.range,
            missing: self.missing.clone(),
            minutes_per_step: self.minutes_per_step,
            downsample: self.downsample,
            newest: None,
            input_frames: None,
        }
    }
}

/// Which forecasts of an ensemble to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum MembersArgument {
    /// The mean over the members
    #[default]
    Mean,
    /// Each member
    All,
}

impl MembersArgument {
    /// Refuses the members of a network that is no ensemble.
    pub(super) fn expect_of(self, members: usize) -> anyhow::Result<()> {
        anyhow::ensure!(
            self == Self::Mean || members > 1,
            "--members all: the network is no ensemble and has one forecast; leave --members out"
        );
        Ok(())
    }
}

impl From<MembersArgument> for Members {
    fn from(argument: MembersArgument) -> Self {
        match argument {
            MembersArgument::Mean => Self::Mean,
            MembersArgument::All => Self::All,
        }
    }
}

/// A number that pixels can have; NaN stands for a missing one anyway.
fn missing(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "a finite number is needed, such as -9999".into())
}

/// Two numbers with a comma between them, the second one larger.
pub(super) fn range(text: &str) -> Result<[f64; 2], String> {
    let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    match text.split_once(',').map(|(low, high)| (number(low), number(high))) {
        Some((Some(low), Some(high))) if low < high => Ok([low, high]),
        _ => Err("two numbers are needed, the second one larger, such as 0,100".into()),
    }
}

/// As `data.radar.downsample`.
fn downsample(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST_DOWNSAMPLED).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {MOST_DOWNSAMPLED} is needed"))
}

/// A number above 0.
fn minutes(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&number: &f64| number > 0.0 && number.is_finite());
    number.ok_or_else(|| "a number above 0 is needed".into())
}
