//! HDF5 of the Royal Netherlands Meteorological Institute (KNMI HDF5 data format specification 3.5).
//!
//! `/overview` has the times, `/image1/image_data` the image, `/image1/calibration` the formula from stored numbers to numbers.
//! Images of reflectivity are in dBZ. Images of rain are sums in mm from the beginning to the end of the product, also where
//! `image_geo_parameter` speaks of a rate.

use super::{Image, Unit};
use crate::dataset::gridded::{Attributes, GriddedFile};
use crate::dataset::timestamp::Timestamp;
use crate::{Error, Result};

/// Minutes of a sum of rain whose product begins when it ends.
const SHORTEST_SUM: i64 = 5;
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// The time of a file: the end of its product.
///
/// # Errors
/// [`Error::Format`] if there is none.
pub(in crate::dataset) fn time(file: &GriddedFile) -> Result<Timestamp> {
    let overview = file.attributes("overview")?;
    let text = overview.map_or(Ok(None), |overview| overview.text("product_datetime_end"))?;
    let text = text.unwrap_or_default();
    moment(&text).ok_or_else(|| {
        refuse(
            file,
            format!(
                "has product_datetime_end \"{text}\" in /overview, but a time such as 07-JUN-2018;12:00:00.000 is needed"
            ),
        )
    })
}

/// A time such as `07-JUN-2018;12:00:00.000`.
fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(';')?;
    let [day, month, year] = *date.splitn(3, '-').collect::<Vec<_>>() else { return None };
    let month = 1 + MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let [hour, minute, _] = *time.splitn(3, ':').collect::<Vec<_>>() else { return None };
    Timestamp::in_text(&format!("{year}-{month:02}-{day} {hour}:{minute}"))
}

/// The image of a file.
///
/// # Errors
/// [`Error::Format`] if it is of something else than rain, or its calibration cannot be read.
pub(super) fn image(file: &GriddedFile) -> Result<Image> {
    let (Some(image), Some(calibration)) =
        (file.attributes("image1")?, file.attributes("image1/calibration")?)
    else {
        return Err(refuse(file, "has no /image1/calibration, which KNMI's files have".into()));
    };
    let parameter = image.text("image_geo_parameter")?.unwrap_or_default().to_ascii_uppercase();
    let unit = unit(file, &parameter)?;
    let Calibration { gain, offset, missing } = Calibration::of(file, "image1", &calibration)?;
    let dry = vec![0.0];
    Ok(Image { variable: file.variable("image1/image_data")?, unit, gain, offset, missing, dry })
}

/// From stored numbers to numbers.
pub(in crate::dataset) struct Calibration {
    pub(in crate::dataset) gain: f64,
    pub(in crate::dataset) offset: f64,
    /// Stored numbers where nothing was measured.
    pub(in crate::dataset) missing: Vec<f64>,
}

impl Calibration {
    /// The calibration of an image, by the attributes of its group for that.
    ///
    /// # Errors
    /// [`Error::Format`] if its formula is none that is read, or a mark is no number.
    pub(in crate::dataset) fn of(file: &GriddedFile, image: &str, attributes: &Attributes) -> Result<Self> {
        let formula = attributes.text("calibration_formulas")?.unwrap_or_default();
        let (gain, offset) = linear(&formula).ok_or_else(|| {
            refuse(
                file,
                format!(
                    "has the formula \"{formula}\" in /{image}/calibration, but one such as GEO = 0.500000 * PV + -32.000000 is read"
                ),
            )
        })?;
        let mut missing = attributes.numbers("calibration_out_of_image")?;
        // Where 0 is called missing, it is what stands for no echo within the radars' reach.
        let marks = attributes.numbers("calibration_missing_data")?;
        missing.extend(marks.into_iter().filter(|&number| number != 0.0));
        Ok(Self { gain, offset, missing })
    }
}

/// A group `imageN` of a file.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) struct ImageGroup {
    pub(in crate::dataset) name: String,
    /// The time that the image is of, where the group says it.
    pub(in crate::dataset) valid: Option<Timestamp>,
}

/// The images of a file by the numbers in their names.
///
/// # Errors
/// [`Error::Format`] if the file is damaged.
pub(in crate::dataset) fn images(file: &GriddedFile) -> Result<Vec<ImageGroup>> {
    let is_image = |name: &String| {
        let number = name.strip_prefix("image").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let image = |name: String| {
        let attributes = file.attributes(&name)?;
        let text = |key| attributes.as_ref().and_then(|own| own.text(key).ok().flatten());
        let valid = text("image_datetime_valid").or_else(|| text("datetime_valid"));
        Ok(ImageGroup { name, valid: valid.as_deref().and_then(moment) })
    };
    file.groups("")?.into_iter().filter(is_image).map(image).collect()
}

/// Whether the images belong to a forecast: several, of different times.
pub(in crate::dataset) fn is_forecast(images: &[ImageGroup]) -> bool {
    images
        .windows(2)
        .any(|two| two[0].valid.is_some() && two[1].valid.is_some() && two[0].valid != two[1].valid)
}

fn unit(file: &GriddedFile, parameter: &str) -> Result<Unit> {
    if parameter.contains("DBZ") {
        return Ok(Unit::Reflectivity);
    }
    if !["PRECIP", "RAIN"].iter().any(|word| parameter.contains(word)) {
        return Err(refuse(
            file,
            format!(
                "has image_geo_parameter \"{parameter}\" in /image1, but reflectivity (..._[DBZ]), precipitation or rainfall is \
                 needed"
            ),
        ));
    }
    let overview = file.attributes("overview")?;
    let start = overview.map_or(Ok(None), |overview| overview.text("product_datetime_start"))?;
    let end = time(file)?;
    match start.as_deref().and_then(moment).map(|start| end.minutes_since(start)) {
        Some(0) => Ok(Unit::Rain(60.0 / SHORTEST_SUM as f64)),
        Some(minutes @ 1..) => Ok(Unit::Rain(60.0 / minutes as f64)),
        _ => Err(refuse(
            file,
            format!(
                "is a sum of rain from product_datetime_start = {start:?} to {end}; the start must be a time before the end"
            ),
        )),
    }
}

/// The factor and offset of `GEO = factor * PV + offset`.
fn linear(formula: &str) -> Option<(f64, f64)> {
    let formula: String = formula.chars().filter(|c| !c.is_whitespace()).collect();
    let (factor, offset) = formula.strip_prefix("GEO=")?.split_once("*PV")?;
    let offset = match offset {
        "" => 0.0,
        // `+-32.0`, `-32.0` and `+32.0`.
        _ => offset.strip_prefix('+').unwrap_or(offset).parse().ok()?,
    };
    let factor = factor.parse().ok()?;
    (f64::is_finite(factor) && f64::is_finite(offset)).then_some((factor, offset))
}

fn refuse(file: &GriddedFile, reason: String) -> Error {
    Error::Format { path: file.path().into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_formulas_are_read_as_they_are_written() {
        assert_eq!(moment("07-JUN-2018;12:05:00.000").unwrap().to_string(), "2018-06-07 12:05");
        for text in
            ["", "07-JUN-2018", "07-XXX-2018;12:05:00.000", "7;8", "07-JUN-2018;12", "40-JUN-2018;12:05:00"]
        {
            assert_eq!(moment(text), None, "{text}");
        }
        assert_eq!(linear("GEO = 0.500000 * PV + -32.000000"), Some((0.5, -32.0)));
        assert_eq!(linear("GEO=0.010000*PV+0.000000"), Some((0.01, 0.0)));
        assert_eq!(linear("GEO=2*PV-1"), Some((2.0, -1.0)));
        assert_eq!(linear("GEO=2*PV"), Some((2.0, 0.0)));
        for text in ["", "GEO=PV", "GEO=10^PV", "GEO=nan*PV+0", "GEO=1*PV+x", "0.5 * PV"] {
            assert_eq!(linear(text), None, "{text}");
        }
    }
}
