//! The scale of rain rates, which turns them into the values 0 to 1 that a network reads.

use serde::{Deserialize, Serialize};

use super::config::invalid;
use super::unit_names::are_same;
use super::{Quantity, Reflectivity, Transform};
use crate::Result;

/// The function that turns rain rates into the values 0 to 1 that a network reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleKind {
    /// Linear in dBZ, from `lowest_dbz` to `highest_dbz`.
    #[default]
    Dbz,
    /// Logarithmic in the rain rate: `ln(1 + R / knee_rate) / ln(1 + highest_rate / knee_rate)`.
    LogRate,
    /// Linear in the rain rate, up to `highest_rate`.
    Rate,
}

/// The scale of rain rates, of radar images and of frames alike: the section `[data.frames.rain]`, and fields of the same names in
/// `[data.radar]`.
///
/// On the scale `dbz` the value of a rain rate `R` in mm/h is, with `Z = a R^b` (Marshall and Palmer 1948),
///
/// ```text
/// v = (10 log10(a R^b) - lowest_dbz) / (highest_dbz - lowest_dbz), clamped to 0 to 1
/// ```
///
/// ```
/// use convgru_train::dataset::RainScale;
///
/// let scale = RainScale { z_r: [200.0, 1.6], no_rain_below: 0.0, ..RainScale::default() };
/// let rain = scale.quantity(Some(5.0));
/// let value = rain.transform.from_units(10.0); // 39 dBZ of 60
/// assert!((60.0 * value - 39.0103).abs() < 1e-4);
/// assert!((rain.transform.to_units(value) - 10.0).abs() < 1e-9);
/// assert_eq!(rain.transform.to_units(0.0), 0.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RainScale {
    /// How rain rates become values.
    pub scale: ScaleKind,
    /// The dBZ of the value 0, which stands for no rain.
    pub lowest_dbz: f64,
    /// The dBZ of the value 1.
    pub highest_dbz: f64,
    /// The rain rate in mm/h of the value 1, for the other two scales.
    pub highest_rate: f64,
    /// Where the scale `log-rate` turns from a line to a logarithm, in mm/h.
    pub knee_rate: f64,
    /// `a` and `b` of `Z = a R^b`.
    pub z_r: [f64; 2],
    /// Rain rates below this, in mm/h, are no rain.
    pub no_rain_below: f64,
}

impl Default for RainScale {
    fn default() -> Self {
        Self {
            scale: ScaleKind::Dbz,
            lowest_dbz: 0.0,
            highest_dbz: 60.0,
            highest_rate: 100.0,
            knee_rate: 0.5,
            z_r: [223.0, 1.53],
            no_rain_below: 0.1,
        }
    }
}

impl RainScale {
    /// The relation of reflectivity and rain rate, on the scale of dBZ.
    pub fn reflectivity(&self) -> Reflectivity {
        Reflectivity { low: self.lowest_dbz, high: self.highest_dbz, a: self.z_r[0], b: self.z_r[1] }
    }

    /// The quantity of values: rain rates in mm/h.
    pub fn quantity(&self, minutes_per_step: Option<f64>) -> Quantity {
        let transform = match self.scale {
            ScaleKind::Dbz => Transform::Reflectivity(self.reflectivity()),
            ScaleKind::LogRate => Transform::Logarithm { knee: self.knee_rate, highest: self.highest_rate },
            ScaleKind::Rate => Transform::Linear { scale: self.highest_rate, offset: 0.0 },
        };
        Quantity { name: "rain rate".into(), unit: "mm/h".into(), minutes_per_step, transform }
    }

    /// The lowest rain rate in mm/h that counts as rain.
    pub(super) fn least_rain(&self) -> f64 {
        // The value 0 stands for no rain, so that a scale of dBZ must not give it to rain.
        let least = match self.scale {
            ScaleKind::Dbz => self.reflectivity().rate(self.lowest_dbz),
            ScaleKind::LogRate | ScaleKind::Rate => 0.0,
        };
        self.no_rain_below.max(least)
    }

    /// Checks every field of a section, such as `radar`.
    pub(super) fn validate(&self, section: &str) -> Result<()> {
        let refused = |field: &str, reason: String| Err(invalid(&format!("{section}.{field}"), reason));
        let positive = [
            ("highest_rate", self.highest_rate),
            ("knee_rate", self.knee_rate),
            ("z_r", self.z_r[0]),
            ("z_r", self.z_r[1]),
        ];
        for (field, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return refused(field, format!("has the number {value}, but must be above 0"));
            }
        }
        if !(self.lowest_dbz < self.highest_dbz && self.lowest_dbz >= -100.0 && self.highest_dbz <= 200.0) {
            return refused(
                "highest_dbz",
                format!(
                    "is {}, but must be above data.{section}.lowest_dbz = {}, both within -100 to 200",
                    self.highest_dbz, self.lowest_dbz
                ),
            );
        }
        if !(self.no_rain_below >= 0.0 && self.no_rain_below < self.highest_rate) {
            return refused(
                "no_rain_below",
                format!(
                    "is {}, but must be 0 or more and below data.{section}.highest_rate = {}",
                    self.no_rain_below, self.highest_rate
                ),
            );
        }
        Ok(())
    }
}

/// Minutes over which an amount of rain is taken to have fallen.
pub(super) const AMOUNT_MINUTES: f64 = 5.0;

/// The units of rain that are read as rain rates, for messages.
const UNITS: &str = "mm/h (kg m-2 h-1), kg m-2 s-1 (mm/s), and mm or kg m-2 of five minutes";

/// The rain rate in mm/h of the number 1 in a unit; a kilogram on a square metre is a millimetre. Amounts are sums over five minutes.
///
/// # Errors
/// The fault of the unit, or of the minutes from a frame to the next if numbers are amounts, as the end of a sentence.
pub(super) fn rate_of_one(unit: &str, minutes_per_step: Option<f64>) -> std::result::Result<f64, String> {
    let is = |names: &[&str]| names.iter().any(|name| are_same(unit, name));
    match () {
        () if is(&["mm/h", "kg m-2 h-1"]) => Ok(1.0),
        () if is(&["kg m-2 s-1", "mm/s"]) => Ok(3600.0),
        () if is(&["mm", "kg m-2"]) => match minutes_per_step {
            Some(AMOUNT_MINUTES) => Ok(60.0 / AMOUNT_MINUTES),
            Some(minutes) => Err(format!(
                "has amounts of rain (\"{unit}\") every {minutes} minutes, but amounts are read of {AMOUNT_MINUTES} minutes alone; give rain rates in mm/h"
            )),
            None => Err(format!(
                "has amounts of rain (\"{unit}\") and does not tell in how many minutes they fell; if these are {AMOUNT_MINUTES}, say \
                 data.frames.minutes_per_step = {AMOUNT_MINUTES} (--minutes-per-step {AMOUNT_MINUTES})"
            )),
        },
        () if unit.trim().is_empty() => Err(format!(
            "tells no unit, and data.frames.rain reads rain in {UNITS}; say which it is with data.frames.unit (--unit), such as mm/h"
        )),
        () => Err(format!(
            "has the unit \"{}\", but data.frames.rain reads rain in {UNITS}; bring the numbers to one of them, or, if they have it already, say \
             which with data.frames.unit (--unit)",
            crate::printable::escaped(unit)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scale of the package mlcast.
    fn marshall_palmer() -> RainScale {
        RainScale { z_r: [200.0, 1.6], no_rain_below: 0.0, ..RainScale::default() }
    }

    #[test]
    fn values_are_those_that_the_package_mlcast_computes() {
        // Rain rates in mm/h and mlcast 0.1.0's ReflectivityScaling().rainfall_rate_to_normalized of them in f64, from -1 to 1.
        let recorded = include!("rain_scale/recorded.in");
        let transform = marshall_palmer().quantity(None).transform;
        for (rate, normalized) in recorded {
            let value: f64 = transform.from_units(rate);
            assert!((2.0 * value - 1.0 - normalized).abs() < 1e-12, "{rate}: {value} {normalized}");
        }
    }

    #[test]
    fn rain_rates_are_those_that_the_package_mlcast_computes() {
        // Numbers from -1 to 1 and ReflectivityScaling().normalized_to_rainfall_rate of them in f64.
        let recorded = include!("rain_scale/recorded_inverse.in");
        let transform = marshall_palmer().quantity(None).transform;
        for (normalized, rate) in recorded {
            let own: f64 = transform.to_units((1.0 + normalized) / 2.0);
            assert!((own - rate).abs() <= 1e-12 * rate.max(1.0), "{normalized}: {own} {rate}");
        }
    }

    #[test]
    fn numbers_of_every_unit_become_rain_rates() {
        let rate = |unit: &str, minutes| rate_of_one(unit, minutes);
        for unit in ["mm/h", "mm h-1", "kg m-2 h-1", "mm hr^-1"] {
            assert_eq!(rate(unit, None), Ok(1.0), "{unit}");
        }
        assert_eq!(rate("kg m-2 s-1", None), Ok(3600.0));
        assert_eq!((rate("mm", Some(5.0)), rate("kg m-2", Some(5.0))), (Ok(12.0), Ok(12.0)));
        let message = |unit: &str, minutes| rate(unit, minutes).unwrap_err();
        assert!(message("mm", Some(15.0)).contains("every 15 minutes"));
        assert!(message("mm", None).contains("minutes_per_step = 5"));
        assert!(message("", None).starts_with("tells no unit"));
        assert!(message("K", None).contains("\"K\""));
    }
}
