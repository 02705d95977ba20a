//! What stored numbers stand for, after the conventions of netCDF and CF: `scale_factor`, `add_offset`, `_Unsigned`, and which of them
//! stand for none: `_FillValue`, `missing_value`, `valid_min`, `valid_max`, `valid_range`, `flag_values`, and the default fill values.

use super::{Attributes, NumberType};
use crate::Result;

/// From stored numbers to numbers.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) struct Packing {
    /// Factor and offset, where one of them is given.
    pub(in crate::dataset) scale: Option<[f64; 2]>,
    /// Stored numbers that stand for none.
    missing: Vec<f64>,
    /// The lowest and the highest number that was measured, as it is stored or after scaling.
    valid: Option<Valid>,
    /// What is added to negative numbers that are meant without a sign; below 0 to large ones that are meant with a sign.
    wrap: f64,
}

/// Numbers outside of these stand for none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Valid {
    range: [f64; 2],
    /// Whether they are compared after scaling.
    is_scaled: bool,
}

impl Packing {
    /// The packing that attributes tell, of numbers of a kind in a file of netCDF or of another form.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if one of the attributes is no number.
    pub(in crate::dataset) fn of(attributes: &Attributes, kind: NumberType, is_netcdf: bool) -> Result<Self> {
        let unsigned = attributes.text("_Unsigned").ok().flatten().unwrap_or_default().to_ascii_lowercase();
        let wrap = match (kind, unsigned.as_str()) {
            (NumberType::Signed(bytes), "true") => 2f64.powi(8 * i32::from(bytes)),
            (NumberType::Unsigned(bytes), "false") => -2f64.powi(8 * i32::from(bytes)),
            _ => 0.0,
        };
        let scale = match (attributes.only_number("scale_factor")?, attributes.only_number("add_offset")?) {
            (None, None) => None,
            (factor, offset) => Some([factor.unwrap_or(1.0), offset.unwrap_or(0.0)]),
        };
        let fill = attributes.numbers("_FillValue")?;
        let mut missing = if fill.is_empty() && is_netcdf { default_fill(kind) } else { fill };
        missing.extend(attributes.numbers_or_texts("missing_value")?);
        let valid = valid(attributes, kind, scale.is_some())?;
        // Numbers that are measured beside flags have a unit or a range; without them the flags are the numbers.
        let unit = attributes.text("units").ok().flatten().unwrap_or_default();
        let is_measured = scale.is_some() || valid.is_some() || !["", "1"].contains(&unit.as_str());
        if is_measured {
            missing.extend(attributes.numbers_or_texts("flag_values")?);
        }
        if kind == NumberType::Float(4) {
            missing.iter_mut().for_each(|number| *number = f64::from(*number as f32));
        }
        let missing = missing.into_iter().map(|number| wrapped(number, wrap)).collect();
        let stored = |limit: f64| {
            wrapped(if kind == NumberType::Float(4) { f64::from(limit as f32) } else { limit }, wrap)
        };
        let scaled = |[low, high]: [f64; 2]| {
            let rounding =
                |limit: f64| (1e-7 * limit).abs().max(scale.map_or(0.0, |[factor, _]| 1e-3 * factor.abs()));
            [low - rounding(low), high + rounding(high)]
        };
        let valid = valid.map(|valid| match valid.is_scaled {
            true => Valid { range: scaled(valid.range), ..valid },
            false => Valid { range: valid.range.map(stored), ..valid },
        });
        Ok(Self { scale, missing, valid, wrap })
    }

    /// The number that a stored one stands for; NaN for none.
    pub(in crate::dataset) fn unpacked(&self, stored: f64) -> f64 {
        let number = wrapped(stored, self.wrap);
        let is_outside = |[low, high]: [f64; 2], number: f64| number < low || number > high;
        if self.missing.contains(&number)
            || self.valid.is_some_and(|valid| !valid.is_scaled && is_outside(valid.range, number))
        {
            return f64::NAN;
        }
        let scaled = match self.scale {
            Some([factor, offset]) => number * factor + offset,
            None => number,
        };
        let invalid = self.valid.is_some_and(|valid| valid.is_scaled && is_outside(valid.range, scaled));
        if invalid { f64::NAN } else { scaled }
    }

    /// Whether a stored number may stand for none.
    pub(in crate::dataset) fn has_missing(&self) -> bool {
        !self.missing.is_empty() || self.valid.is_some()
    }

    /// The type of the numbers that are meant by stored ones, before scaling.
    pub(in crate::dataset) fn meant(&self, stored: NumberType) -> NumberType {
        match stored {
            NumberType::Signed(bytes) if self.wrap > 0.0 => NumberType::Unsigned(bytes),
            NumberType::Unsigned(bytes) if self.wrap < 0.0 => NumberType::Signed(bytes),
            stored => stored,
        }
    }
}

/// A stored number as it is meant: without a sign where `wrap` is above 0, with one where it is below.
fn wrapped(stored: f64, wrap: f64) -> f64 {
    let is_wrapped = if wrap < 0.0 { stored >= -0.5 * wrap } else { stored < 0.0 };
    if is_wrapped { stored + wrap } else { stored }
}

/// The range of valid numbers, if attributes tell one. Attributes of a wider type than the stored numbers, where these are packed, tell
/// scaled numbers (NetCDF User's Guide, "Attribute Conventions").
fn valid(attributes: &Attributes, kind: NumberType, is_packed: bool) -> Result<Option<Valid>> {
    let is_scaled = |name| is_packed && attributes.is_wider(name, kind);
    if let [low, high] = attributes.numbers("valid_range")?[..] {
        return Ok(Some(Valid { range: [low, high], is_scaled: is_scaled("valid_range") }));
    }
    let (low, high) = (attributes.number("valid_min")?, attributes.number("valid_max")?);
    let name = if low.is_some() { "valid_min" } else { "valid_max" };
    Ok((low.is_some() || high.is_some()).then(|| Valid {
        range: [low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY)],
        is_scaled: is_scaled(name),
    }))
}

/// The number that netCDF fills variables with before they are written, where no `_FillValue` says another. Bytes have too few values to
/// spare one.
fn default_fill(kind: NumberType) -> Vec<f64> {
    const FLOAT: f64 = 9.969_209_968_386_869e36;
    match kind {
        NumberType::Signed(2) => vec![-32767.0],
        NumberType::Unsigned(2) => vec![65535.0],
        NumberType::Signed(4) => vec![-2_147_483_647.0],
        NumberType::Unsigned(4) => vec![4_294_967_295.0],
        NumberType::Signed(8) => vec![-9_223_372_036_854_775_806.0],
        NumberType::Unsigned(8) => vec![18_446_744_073_709_551_614.0],
        NumberType::Float(4 | 8) => vec![FLOAT],
        _ => Vec::new(),
    }
}

#[cfg(all(test, feature = "hdf5"))]
mod tests {
    use std::path::Path;

    use netcdf_reader::{NcAttrValue, NcAttribute};

    use super::*;

    /// The packing that attributes tell, in a file of netCDF.
    fn packing(kind: NumberType, attributes: &[(&str, NcAttrValue)]) -> Result<Packing> {
        let named =
            |(name, value): &(&str, NcAttrValue)| NcAttribute { name: (*name).into(), value: value.clone() };
        let attributes = Attributes::new(Path::new("a.nc"), "rain", attributes.iter().map(named));
        Packing::of(&attributes, kind, true)
    }

    /// Which of these numbers stand for none.
    fn missing(packing: &Packing, numbers: &[f64]) -> Vec<f64> {
        numbers.iter().copied().filter(|&number| packing.unpacked(number).is_nan()).collect()
    }

    #[test]
    fn numbers_outside_of_the_valid_range_are_missing() {
        use NcAttrValue::{Bytes, Doubles, Shorts, UBytes};
        let byte = NumberType::Unsigned(1);
        let numbers = [0.0, 1.0, 99.0, 100.0, 101.0, 255.0];
        let range = packing(byte, &[("valid_range", UBytes(vec![1, 100]))]).unwrap();
        assert_eq!(missing(&range, &numbers), [0.0, 101.0, 255.0]);
        let most = packing(byte, &[("valid_max", UBytes(vec![100]))]).unwrap();
        assert_eq!(missing(&most, &numbers), [101.0, 255.0]);
        let least = packing(byte, &[("valid_min", UBytes(vec![99]))]).unwrap();
        assert_eq!(missing(&least, &numbers), [0.0, 1.0]);
        assert!(range.has_missing() && most.has_missing() && least.has_missing());
        // Of packed numbers a range of their own type is stored, one of a wider type scaled.
        let short = NumberType::Signed(2);
        let scale = ("scale_factor", Doubles(vec![0.5]));
        let stored = packing(short, &[scale.clone(), ("valid_range", Shorts(vec![0, 10]))]).unwrap();
        assert_eq!(missing(&stored, &[-1.0, 0.0, 10.0, 11.0, 20.0]), [-1.0, 11.0, 20.0]);
        let scaled = packing(short, &[scale, ("valid_range", Doubles(vec![0.0, 10.0]))]).unwrap();
        assert_eq!(missing(&scaled, &[-1.0, 0.0, 20.0, 21.0]), [-1.0, 21.0]);
        // The ends are valid, however they are rounded.
        let [tenths, single] = [Doubles(vec![0.0, 0.3]), NcAttrValue::Floats(vec![0.0, 0.1])];
        let tenth = ("scale_factor", Doubles(vec![0.1]));
        let tenths = packing(short, &[tenth, ("valid_range", tenths)]).unwrap();
        assert_eq!(missing(&tenths, &[-1.0, 0.0, 3.0, 4.0]), [-1.0, 4.0]);
        let unit = packing(short, &[("scale_factor", Doubles(vec![0.01])), ("valid_range", single)]).unwrap();
        assert_eq!(missing(&unit, &[10.0, 11.0]), [11.0]);
        let single = packing(NumberType::Float(4), &[("valid_max", Doubles(vec![0.1]))]).unwrap();
        assert!(missing(&single, &[f64::from(0.1_f32)]).is_empty());
        // Bytes without a sign, whose attributes are written with one: 0 to 250.
        let unsigned = ("_Unsigned", NcAttrValue::Chars("true".into()));
        let unsigned =
            packing(NumberType::Signed(1), &[unsigned, ("valid_range", Bytes(vec![0, -6]))]).unwrap();
        assert_eq!(missing(&unsigned, &[0.0, 127.0, -128.0, -6.0, -5.0, -1.0]), [-5.0, -1.0]);
    }

    #[test]
    fn fill_values_are_missing_as_numbers_texts_and_by_default() {
        use NcAttrValue::{Chars, Floats, UBytes};
        let float = NumberType::Float(4);
        let fill = f64::from(9.969_21e36_f32);
        assert_eq!(missing(&packing(float, &[]).unwrap(), &[0.0, fill, -999.0]), [fill]);
        let named = packing(float, &[("_FillValue", Floats(vec![-999.0]))]).unwrap();
        assert_eq!(missing(&named, &[0.0, fill, -999.0]), [-999.0]);
        let texts = packing(float, &[("missing_value", Chars("-999, -99.9f".into()))]).unwrap();
        assert_eq!(missing(&texts, &[-999.0, f64::from(-99.9_f32), 1.0]).len(), 2);
        let error = packing(float, &[("missing_value", Chars("none".into()))]).unwrap_err().to_string();
        assert!(error.contains("missing_value") && error.contains("\"none\""), "{error}");
        for (kind, stored) in [
            (NumberType::Signed(2), -32767.0),
            (NumberType::Unsigned(2), 65535.0),
            (NumberType::Signed(4), -2_147_483_647.0),
            (NumberType::Float(8), 9.969_209_968_386_869e36),
        ] {
            assert_eq!(missing(&packing(kind, &[]).unwrap(), &[stored, 0.0]), [stored], "{kind}");
        }
        assert!(!packing(NumberType::Unsigned(1), &[]).unwrap().has_missing());
        // Flags beside measured numbers are no measurement; flags alone are the numbers.
        let flags = ("flag_values", UBytes(vec![250, 251]));
        let alone = packing(NumberType::Unsigned(1), std::slice::from_ref(&flags)).unwrap();
        assert!(missing(&alone, &[1.0, 250.0, 251.0]).is_empty());
        for unit in ["1", ""] {
            let unit = ("units", Chars(unit.into()));
            let counted = packing(NumberType::Unsigned(1), &[flags.clone(), unit]).unwrap();
            assert!(missing(&counted, &[1.0, 250.0, 251.0]).is_empty());
        }
        let measured = packing(NumberType::Unsigned(1), &[flags, ("units", Chars("dBZ".into()))]).unwrap();
        assert_eq!(missing(&measured, &[1.0, 250.0, 251.0]), [250.0, 251.0]);
    }

    #[test]
    fn whole_numbers_may_be_meant_with_the_other_sign() {
        let text = |text: &str| ("_Unsigned", NcAttrValue::Chars(text.into()));
        let signed = packing(
            NumberType::Unsigned(1),
            &[text("false"), ("_FillValue", NcAttrValue::UBytes(vec![128]))],
        );
        let signed = signed.unwrap();
        assert_eq!(
            [0.0, 127.0, 255.0, 129.0].map(|stored| signed.unpacked(stored)),
            [0.0, 127.0, -1.0, -127.0]
        );
        assert_eq!(missing(&signed, &[127.0, 128.0, 129.0]), [128.0]);
        assert_eq!(signed.meant(NumberType::Unsigned(1)), NumberType::Signed(1));
        let unsigned = packing(NumberType::Signed(2), &[text("True")]).unwrap();
        assert_eq!(unsigned.unpacked(-1.0), 65535.0);
        assert_eq!(unsigned.meant(NumberType::Signed(2)), NumberType::Unsigned(2));
    }

    #[test]
    fn several_factors_are_refused() {
        for name in ["scale_factor", "add_offset"] {
            let several = packing(NumberType::Signed(2), &[(name, NcAttrValue::Doubles(vec![0.1, 0.2]))]);
            let error = several.unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("2 numbers"), "{error}");
        }
    }
}
