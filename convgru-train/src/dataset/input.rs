//! Frames that a trained network goes on from.

use std::path::{Path, PathBuf};

use convgru_model::{ForecasterConfig, Tensor};

use super::{Axes, Batch, Content, Description, FoundData, Quantity};
use crate::printable::printable;
use crate::{Error, Result};

/// Frames that a network reads before it forecasts, with what is known of them. A
/// [`TrainedModel`](crate::trainer::TrainedModel::read_input) reads them from any source that a training reads.
#[derive(Clone, Debug)]
pub struct Input {
    /// `[T, C, H, W]`, values 0 to 1 as the network reads them, 0 where a pixel is missing.
    pub frames: Tensor<f32>,
    /// The same shape, 1 where a pixel was measured and 0 where it is missing; absent where none is missing.
    pub valid: Option<Tensor<f32>>,
    /// What a value means: name, unit, minutes from a frame to the next, and which number of the unit it stands for.
    pub quantity: Quantity,
    /// When each frame was seen, in seconds since the beginning of 1970 (UTC); absent where the data do not tell it.
    pub times: Option<Vec<f64>>,
    /// The order of the axes of the array they come from; `auto` where none was named, and for pictures and radar images.
    pub axes: Axes,
    /// What the file of the last frame says besides: names, coordinates, the projection.
    pub description: Description,
    /// What the user should know although the frames can be used.
    pub warnings: Vec<String>,
    /// What the file says about its numbers and places.
    pub(crate) content: Option<Content>,
}

/// What a user says about the frames of an input; what is left out is as in the training of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputOptions {
    /// What the axes of arrays are.
    pub axes: Option<Axes>,
    /// The dataset of HDF5 and netCDF files with the frames.
    pub variable: Option<String>,
    /// The unit of the numbers, whatever files tell.
    pub unit: Option<String>,
    /// The numbers that become the values 0 and 1.
    pub range: Option<[f64; 2]>,
    /// Numbers that stand for pixels that were not measured, besides such numbers of the training.
    pub missing: Vec<f64>,
    /// Minutes from a frame to the next, also where the training had others.
    pub minutes_per_step: Option<f64>,
    /// Pixels along each axis that become one, of frames of rain rates for a model that learned from radar images.
    pub downsample: Option<usize>,
    /// The newest frames alone, so many. Without it all frames of a file or a folder of frames are read, and of radar images as many as the
    /// model read in its training.
    pub newest: Option<usize>,
    /// The input frames of other frames, for the measurement of a model that [reads such](super::FramesConfig::input).
    pub input_frames: Option<PathBuf>,
}

/// The warning about frames that are left out because a gap follows them.
pub(super) fn left_out_before_gap(path: &Path, frames: usize) -> String {
    let (s, are) = if frames == 1 { ("", "is") } else { ("s", "are") };
    format!("{} has {frames} frame{s} before its last gap in time, which {are} left out", printable(path))
}

/// The warning about a frame with fewer than half of the measured pixels of the frame before it, by the shares of both that were measured.
pub(crate) fn lost_pixels(what: &str, before: f64, own: f64) -> Option<String> {
    let percent = |measured: f64| (1000.0 * (1.0 - measured)).round() / 10.0;
    (own < 0.5 * before).then(|| {
        format!(
            "{what}: {} % of the pixels of the newest frame are missing, and {} % of the frame before it; the forecast misses those of the newest",
            percent(own),
            percent(before)
        )
    })
}

/// Frames as they are read, for an [`Input`].
pub(super) struct NewestFrames {
    /// `[T, C, H, W]`, NaN where a pixel is missing.
    pub(super) frames: Tensor<f32>,
    /// Seconds since 1970.
    pub(super) times: Option<Vec<f64>>,
    /// What the files tell.
    pub(super) found: FoundData,
    pub(super) description: Description,
    pub(super) content: Option<Content>,
    pub(super) warnings: Vec<String>,
}

impl Input {
    /// One of the frames, as an input of its own.
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) for frames that are not `[T, C, H, W]`.
    pub(crate) fn frame(&self, step: usize) -> Result<Self> {
        let one = |frames: &Tensor<f32>| -> Result<Tensor<f32>> {
            let mut shape = frames.shape().to_vec();
            shape[0] = 1;
            Ok(Tensor::from_vec(&shape, frames.slice(step).to_vec())?)
        };
        Ok(Self {
            frames: one(&self.frames)?,
            valid: self.valid.as_ref().map(one).transpose()?,
            quantity: self.quantity.clone(),
            times: self.times.as_ref().and_then(|times| times.get(step)).map(|&time| vec![time]),
            axes: self.axes.clone(),
            description: self.description.clone(),
            warnings: Vec::new(),
            content: self.content.clone(),
        })
    }

    /// The frames after the last one without a measured pixel, which counts as missing: they go on without those before it. The last frame stays.
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) for frames that are not `[T, C, H, W]`.
    pub(crate) fn after_unmeasured(mut self, what: &str) -> Result<Self> {
        let frames = self.frames.shape()[0];
        let Some(gap) = (0..frames.saturating_sub(1)).rev().find(|&step| self.measured(step) <= 0.0) else {
            return Ok(self);
        };
        let rest = |tensor: &Tensor<f32>| -> Result<Tensor<f32>> {
            let mut shape = tensor.shape().to_vec();
            shape[0] = frames - gap - 1;
            let values = tensor.as_slice()[(gap + 1) * tensor.slice(0).len()..].to_vec();
            Ok(Tensor::from_vec(&shape, values)?)
        };
        self.frames = rest(&self.frames)?;
        let valid = self.valid.as_ref().map(rest).transpose()?;
        self.valid = valid.filter(|valid| valid.as_slice().contains(&0.0));
        self.times = self.times.map(|times| times[gap + 1..].to_vec());
        self.warnings.push(format!(
            "{what}: frame {gap} of {frames} (from 0) has no measured pixel and counts as missing; the {} up to it {} left out",
            if gap == 0 { "frame".to_owned() } else { format!("{} frames", gap + 1) },
            if gap == 0 { "is" } else { "are" }
        ));
        Ok(self)
    }

    /// The share of the pixels of a frame that were measured.
    pub(crate) fn measured(&self, step: usize) -> f64 {
        self.valid.as_ref().filter(|valid| step < valid.shape()[0]).map_or(1.0, |valid| {
            let frame = valid.slice(step);
            frame.iter().map(|&own| f64::from(own)).sum::<f64>() / frame.len().max(1) as f64
        })
    }

    /// Refuses to go on from a frame without a measured pixel: its forecast would have none either.
    ///
    /// # Errors
    /// [`Error::Data`] if all of its pixels are missing.
    pub(crate) fn expect_measured(&self, step: usize, what: &str) -> Result<()> {
        if self.measured(step) > 0.0 {
            return Ok(());
        }
        let reason = "has no measured pixel in its newest frame (100 % are missing), and a forecast from it would have none either; leave this \
                      frame out, or wait for the next one";
        Err(Error::Data { what: what.into(), reason: reason.into() })
    }

    /// The frames as a sequence of one sample that a network reads, with a mask where it [reads one](ForecasterConfig::has_mask_channel).
    ///
    /// # Shapes
    /// result: `[T, 1, C, H, W]`, or `[T, 1, C + 1, H, W]` with a mask
    pub fn as_read_by(&self, network: &ForecasterConfig) -> Tensor<f32> {
        let one = |tensor: &Tensor<f32>| {
            let shape = [&tensor.shape()[..1], &[1], &tensor.shape()[1..]].concat();
            tensor.clone().reshape(&shape).expect("a sample is one of one")
        };
        let batch = Batch::new(one(&self.frames), self.valid.as_ref().map(one));
        batch.as_read_by(network).into_owned()
    }

    /// An input of frames that were read; their numbers are the values themselves.
    pub(super) fn new(read: NewestFrames, axes: Axes) -> Self {
        let NewestFrames { mut frames, times, found, description, content, warnings } = read;
        let is_measured = |value: &f32| if value.is_nan() { 0.0 } else { 1.0 };
        let valid = frames.as_slice().iter().any(|value| value.is_nan()).then(|| {
            let valid = frames.as_slice().iter().map(is_measured).collect();
            Tensor::from_vec(frames.shape(), valid).expect("there is a number for each pixel")
        });
        frames.as_mut_slice().iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        let minutes_per_step = (found.minutes_per_step > 0.0).then_some(found.minutes_per_step);
        let quantity = Quantity { minutes_per_step, ..Quantity::intensity() };
        Self { frames, valid, quantity, times, axes, description, warnings, content }
    }
}
