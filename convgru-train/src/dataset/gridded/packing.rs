//! What stored numbers stand for, after the conventions of netCDF: `scale_factor`, `add_offset`, `_FillValue`,
//! `missing_value`, `_Unsigned`.

use super::{Attributes, NumberType};
use crate::Result;

/// From stored numbers to numbers.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) struct Packing {
    /// Factor and offset, where one of them is given.
    pub(in crate::dataset) scale: Option<[f64; 2]>,
    /// Stored numbers that stand for none.
    missing: Vec<f64>,
    /// What is added to negative numbers that are meant without a sign.
    wrap: f64,
}

impl Packing {
    /// The packing that attributes tell, of numbers of a kind.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if one of the attributes is no number.
    pub(in crate::dataset) fn of(attributes: &Attributes, kind: NumberType) -> Result<Self> {
        let unsigned = attributes.text("_Unsigned").ok().flatten();
        let wrap = match kind {
            NumberType::Signed(bytes) if unsigned.is_some_and(|text| text.eq_ignore_ascii_case("true")) => {
                2f64.powi(8 * i32::from(bytes))
            }
            _ => 0.0,
        };
        let scale = match (attributes.number("scale_factor")?, attributes.number("add_offset")?) {
            (None, None) => None,
            (factor, offset) => Some([factor.unwrap_or(1.0), offset.unwrap_or(0.0)]),
        };
        let mut missing = attributes.numbers("_FillValue")?;
        missing.extend(attributes.numbers("missing_value")?);
        if kind == NumberType::Float(4) {
            missing.iter_mut().for_each(|number| *number = f64::from(*number as f32));
        }
        Ok(Self { scale, missing, wrap })
    }

    /// The number that a stored one stands for; NaN for none.
    pub(in crate::dataset) fn unpacked(&self, stored: f64) -> f64 {
        if self.missing.contains(&stored) {
            return f64::NAN;
        }
        let number = if stored < 0.0 { stored + self.wrap } else { stored };
        match self.scale {
            Some([factor, offset]) => number * factor + offset,
            None => number,
        }
    }

    /// Whether a stored number may stand for none.
    pub(in crate::dataset) fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Whether negative numbers are meant without a sign.
    pub(in crate::dataset) fn is_unsigned(&self) -> bool {
        self.wrap > 0.0
    }
}
