//! Forecasts of trained networks.

use convgru_model::Tensor;

use super::{About, Forecast, ForecastTimes, Provenance};
use crate::dataset::{Axes, Description, Input, Quantity};
use crate::trainer::TrainedModel;
use crate::{Error, Result};

/// Which forecasts of an ensemble are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Members {
    /// Their mean, in the unit of the data.
    #[default]
    Mean,
    /// Each of them.
    All,
}

/// What is known when a network has read its frames.
#[derive(Clone, Debug)]
pub struct LastFrame {
    /// 1 where the last frame was measured and 0 where it is missing, `[C, H, W]`; absent where nothing is missing.
    pub valid: Option<Vec<f32>>,
    /// What values mean.
    pub quantity: Quantity,
    /// What the file of the last frame says besides.
    pub description: Description,
    /// The order of the axes of the array it comes from.
    pub axes: Axes,
    /// When it was seen, in seconds since 1970.
    pub time: Option<f64>,
}

impl LastFrame {
    /// That of an input.
    pub fn of(input: &Input) -> Self {
        let frames = input.frames.shape().first().copied().unwrap_or(0);
        let last = |valid: &Tensor<f32>| valid.slice(frames.saturating_sub(1)).to_vec();
        Self {
            valid: input.valid.as_ref().filter(|_| frames > 0).map(last),
            quantity: input.quantity.clone(),
            description: input.description.clone(),
            axes: input.axes.clone(),
            time: input.times.as_ref().and_then(|times| times.last().copied()),
        }
    }
}

impl Forecast {
    /// What a network expects to follow an input.
    ///
    /// # Errors
    /// [`Error::Data`] for an input that is no sequence of frames; [`Error::Model`] for frames of a size or channels that the network cannot
    /// read, or more than there is memory for.
    pub fn of_input(
        trained: &TrainedModel,
        input: &Input,
        steps: usize,
        members: Members,
        provenance: Provenance,
    ) -> Result<Self> {
        let sequence = input.as_read_by(trained.model.config());
        let predicted = trained.model.forward(&sequence, steps)?;
        Self::of_prediction(predicted, trained.model.members(), members, LastFrame::of(input), provenance)
    }

    /// A forecast that a network of `count` members made; values outside of 0 to 1 are brought to the nearest of them. The mean is the mean of numbers
    /// in the unit of the data ([`Quantity::mean_of_members`]).
    ///
    /// # Shapes
    /// predicted: `[T, 1, K C, H, W]` of `count` members K
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Model`] for another shape.
    pub fn of_prediction(
        mut predicted: Tensor<f32>,
        count: usize,
        members: Members,
        last: LastFrame,
        provenance: Provenance,
    ) -> Result<Self> {
        let LastFrame { valid, quantity, description, axes, time } = last;
        let is_mean = members == Members::Mean && count > 1;
        let (numbers, count) = match members {
            Members::Mean => (quantity.mean_of_members(predicted, count)?, 1),
            Members::All => {
                predicted.as_mut_slice().iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
                (quantity.in_units(&predicted), count)
            }
        };
        let &[steps, 1, channels, height, width] = numbers.shape() else {
            let reason =
                format!("a prediction of shape {:?} where [T, 1, K C, H, W] is needed", numbers.shape());
            return Err(Error::Data { what: "forecast".into(), reason });
        };
        let numbers = numbers.reshape(&[steps, channels, height, width])?;
        let times = ForecastTimes { reference: time, minutes_per_step: quantity.minutes_per_step };
        let about = About { quantity, description, axes, times, provenance, is_mean };
        Self::of_numbers(&numbers, count, valid.as_deref(), about)
    }
}
