//! Radar images for a model that learned from frames.

use std::path::Path;

use crate::dataset::{FoundData, FramesConfig, RadarConfig, ScaleKind};
use crate::printable::printable;
use crate::{Error, Result};

/// The configuration that reads radar images for a model that learned from frames of rain rates: in their own resolution, linear or on the scale of
/// the frames. The comparison with the findings of the training refuses images that do not fit.
///
/// # Errors
/// [`Error::Data`] if the training resized its frames.
pub(super) fn rates_for(path: &Path, frames: &FramesConfig, found: &FoundData) -> Result<RadarConfig> {
    if frames.resize != [0, 0] {
        let [height, width] = frames.resize;
        let reason = format!(
            "holds radar images, and the training brought its frames to {height} x {width} pixels, which is done with arrays and pictures alone; \
             give the rain rates as .npy, HDF5 or netCDF"
        );
        return Err(Error::Data { what: printable(path), reason });
    }
    let as_they_are = RadarConfig {
        downsample: 1,
        crop: [0, 0],
        stride: frames.stride,
        minimum_measured: 0.0,
        minimum_rain: 0.0,
        ..RadarConfig::default()
    };
    if let Some(rain) = &frames.rain {
        return Ok(RadarConfig { crop: frames.crop, ..as_they_are.on(rain) });
    }
    let highest_rate =
        if found.range[0] == 0.0 { found.range[1] } else { RadarConfig::default().highest_rate };
    Ok(RadarConfig { scale: ScaleKind::Rate, highest_rate, no_rain_below: 0.0, ..as_they_are })
}
