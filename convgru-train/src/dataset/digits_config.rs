//! The fields of `[data]` that moving digits have.

use serde::{Deserialize, Serialize};

use super::config::{invalid, within};
use crate::Result;

/// What moving digits look like: fields of `[data]` for the sources `"strokes"` and `"mnist"`.
///
/// The defaults are the defaults of Moving MNIST (Srivastava et al. 2015): two digits
/// of 28 x 28 pixels in frames of 64 x 64, 3.6 pixels per frame, which is a tenth of the free canvas of
/// 64 - 28 = 36 pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DigitsConfig {
    /// Digits per sequence, 1 to 16.
    pub digits: usize,
    /// Height and width of a frame in pixels, larger than `digit_size`, at most 1024.
    pub size: usize,
    /// Height and width of a digit's image in pixels, at least 8. The digit
    /// itself fills about 20/28 of it.
    pub digit_size: usize,
    /// Lowest speed of a digit in pixels per frame; 0 stands still.
    pub min_speed: f64,
    /// Highest speed of a digit in pixels per frame, at most `size - digit_size`.
    /// Each digit's speed is drawn uniformly between the two.
    pub max_speed: f64,
}

impl Default for DigitsConfig {
    fn default() -> Self {
        Self { digits: 2, size: 64, digit_size: 28, min_speed: 3.6, max_speed: 3.6 }
    }
}

impl DigitsConfig {
    /// The pixels a digit may travel along one axis: `size - digit_size`.
    pub(super) fn free_canvas(&self) -> usize {
        self.size - self.digit_size
    }

    /// Checks every field.
    pub(super) fn validate(&self) -> Result<()> {
        within("digits", self.digits, 1, 16)?;
        within("digit_size", self.digit_size, 8, 1023)?;
        if self.size <= self.digit_size {
            return Err(invalid(
                "size",
                format!(
                    "is {}, but a frame must be larger than a digit, which is data.digit_size = {}",
                    self.size, self.digit_size
                ),
            ));
        }
        within("size", self.size, 9, 1024)?;
        let fastest = self.free_canvas() as f64;
        // Written so that NaN fails.
        if !(self.min_speed >= 0.0 && self.min_speed <= fastest) {
            return Err(invalid(
                "min_speed",
                format!("is {}, but must be 0 to {fastest} (data.size - data.digit_size)", self.min_speed),
            ));
        }
        if !(self.max_speed >= self.min_speed && self.max_speed <= fastest) {
            return Err(invalid(
                "max_speed",
                format!(
                    "is {}, but must be data.min_speed = {} to {fastest} (data.size - data.digit_size)",
                    self.max_speed, self.min_speed
                ),
            ));
        }
        Ok(())
    }
}
