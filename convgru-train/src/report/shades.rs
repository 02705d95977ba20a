//! How values become colours.

use convgru_model::Tensor;

use super::rain::rain_colour;
use crate::media::byte;
use crate::{Error, Result};

/// What the values of frames are, and how they are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shades {
    /// From 0 to 1 (others are clamped), of one (grey) or three (RGB) channels.
    #[default]
    Intensity,
    /// Rain rates in mm/h, of one channel, NaN where nothing was measured: the classes of weather maps, and grey.
    Rain,
}

impl Shades {
    /// # Errors
    /// [`Error::Data`] if frames of so many channels cannot be shown.
    pub(super) fn expect_channels(self, channels: usize) -> Result<()> {
        let reason = match (self, channels) {
            (Self::Intensity, 1 | 3) | (Self::Rain, 1) => return Ok(()),
            (Self::Intensity, _) => {
                format!("one (grey) or three (RGB) channels can be shown, got {channels}")
            }
            (Self::Rain, _) => format!("rain rates have one channel, got {channels}"),
        };
        Err(Error::Data { what: "sequence of the report".into(), reason })
    }

    /// Red, green, blue of a pixel of one frame of `[T, C, H, W]`.
    pub(super) fn colour(self, frames: &Tensor<f32>, frame: usize, pixel: usize) -> [u8; 3] {
        let values = frames.slice(frame);
        match (self, frames.shape()[1]) {
            (Self::Rain, _) => rain_colour(values[pixel]),
            (Self::Intensity, 1) => [byte(values[pixel]); 3],
            (Self::Intensity, _) => {
                let area = values.len() / 3;
                [0, 1, 2].map(|channel| byte(values[channel * area + pixel]))
            }
        }
    }
}
