//! The section `[data.frames.input]` of a configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::FramesConfig;
use crate::Result;
use crate::config::path_text;
use crate::dataset::config::invalid;
use crate::dataset::{Axes, DataConfig, OnCorrupt, Source};

/// Frames that the network reads in place of the frames of the data, at the same times and places, such as voxel grids of events. The network gives
/// a frame of the data for each of them.
///
/// The numbers are floating-point numbers, which the network reads as they are, of any sign and size.
///
/// ```
/// use convgru_train::dataset::{DataConfig, FramesConfig, InputFramesConfig, Source};
///
/// let input = InputFramesConfig { path: "voxels".into(), ..InputFramesConfig::default() };
/// let frames = FramesConfig { input: Some(Box::new(input)), ..FramesConfig::default() };
/// let config = DataConfig { source: Source::Frames(frames), ..DataConfig::default() };
/// assert!(config.validate().is_ok());
/// assert_eq!(config.steps(), config.input_frames); // a frame for each of them
/// let config = DataConfig { output_frames: 3, ..config };
/// assert!(config.validate().unwrap_err().to_string().contains("data.output_frames"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputFramesConfig {
    /// A file or a folder with as many sequences of as many frames as the data have. Of folders each sequence has the name of its frames:
    /// `walk.npy` goes with `walk.npy`, `walk.nc` or the folder `walk`.
    #[serde(with = "path_text")]
    pub path: PathBuf,
    /// What the axes of arrays are, such as `"ntchw"`; `"auto"` takes four axes for `"tchw"`, and other numbers of axes as `data.frames.axes` does.
    pub axes: Axes,
    /// The dataset of HDF5, netCDF and Zarr, or the member of `.npz` files; empty where there is only one.
    pub variable: String,
}

impl DataConfig {
    /// The frames that the network reads in place of the frames of the data, if there are any.
    pub fn input(&self) -> Option<&InputFramesConfig> {
        match &self.source {
            Source::Frames(frames) => frames.input.as_deref(),
            Source::Strokes(_) | Source::Mnist(_) | Source::Radar(_) => None,
        }
    }

    /// Refuses fields and values that cannot be used with input frames.
    pub(in crate::dataset) fn validate_input(&self) -> Result<()> {
        let Some(input) = self.input() else { return Ok(()) };
        if input.path.as_os_str().is_empty() {
            return Err(invalid(
                "frames.input.path",
                "is empty; name the file or the folder of the frames that the network reads".into(),
            ));
        }
        if self.output_frames != self.input_frames {
            let reason = format!(
                "is {}, but data.input_frames is {}, and the network gives a frame for each frame of data.frames.input; set both to one number",
                self.output_frames, self.input_frames
            );
            return Err(invalid("output_frames", reason));
        }
        if self.mask_channel {
            let reason = "is true, but data.frames.input has no missing pixels; set it to false";
            return Err(invalid("mask_channel", reason.into()));
        }
        if self.on_corrupt == OnCorrupt::Skip {
            let reason = "is \"skip\", but frames and data.frames.input go together one to one, and none can be left out; set it to \"stop\"";
            return Err(invalid("on_corrupt", reason.into()));
        }
        let Source::Frames(FramesConfig { resize, .. }) = &self.source else { return Ok(()) };
        if *resize != [0, 0] {
            let reason = format!(
                "is {resize:?}, but frames of data.frames.input are read in their own size; save both in one size, or take parts (data.frames.crop)"
            );
            return Err(invalid("frames.resize", reason));
        }
        Ok(())
    }
}

impl FramesConfig {
    /// How the input frames are read: in the same parts, splits and windows, as they are.
    pub(super) fn of_input(&self, input: &InputFramesConfig, axes: Axes) -> Self {
        Self {
            axes,
            member: input.variable.clone(),
            variable: input.variable.clone(),
            stride: self.stride,
            shares: self.shares,
            minutes_per_step: self.minutes_per_step,
            crop: self.crop,
            crop_list: self.crop_list.clone(),
            time_depth: self.time_depth,
            ..Self::default()
        }
    }
}
