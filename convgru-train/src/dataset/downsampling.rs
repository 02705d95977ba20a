//! How many pixels of frames of rain rates become one for a network that learned from radar images.

use std::path::Path;

use super::source::{self, FrameSource};
use super::{Coordinate, FoundData, FramesConfig, Georeference, RadarConfig, data_files, text_of};
use crate::printable::printable;
use crate::{Error, ReadBudget, Result};

/// The share by which distances of pixels may differ from a multiple.
const TOLERANCE: f64 = 0.05;

/// The distance from a pixel to the next: a number and its unit, `m` or `degrees`.
pub(super) type Spacing = (f64, &'static str);

/// The distance of columns, or else of rows, as coordinates tell it.
pub(super) fn spacing(georeference: &Georeference) -> Option<Spacing> {
    [&georeference.columns, &georeference.rows].into_iter().flatten().find_map(along)
}

fn along(coordinate: &Coordinate) -> Option<Spacing> {
    let unit = text_of(&coordinate.attributes, "units")?;
    let (metres, unit) = match unit.trim() {
        "m" | "metre" | "metres" | "meter" | "meters" => (1.0, "m"),
        "km" | "kilometre" | "kilometres" | "kilometer" | "kilometers" => (1000.0, "m"),
        degrees if degrees.starts_with("degree") => (1.0, "degrees"),
        _ => return None,
    };
    let mut distances: Vec<f64> = coordinate.values.windows(2).map(|two| (two[1] - two[0]).abs()).collect();
    distances.sort_by(f64::total_cmp);
    // The last square of coarser pixels may be cut, and the numbers be rounded.
    let usual = *distances.get(distances.len() / 2)?;
    (usual > 0.0 && usual.is_finite()).then_some((metres * usual, unit))
}

/// How many pixels along each axis of the frames at a path become one, so that they are as coarse as the radar images that a training read:
/// by the coordinates of both, or else by the size of whole images.
///
/// # Errors
/// [`Error::Data`] where neither tells it, with the sizes and the option that does.
pub(crate) fn downsample_of(
    path: &Path,
    (config, radar, found): (&FramesConfig, &RadarConfig, &FoundData),
    budget: &ReadBudget,
) -> Result<usize> {
    // What cannot be opened is refused where it is read.
    let Some(source) = first_source(path, config, budget).filter(|_| radar.downsample > 1) else {
        return Ok(radar.downsample);
    };
    let info = source.info()?;
    let own = spacing(&source.description()?.georeference);
    let refuse = |told: String| {
        let downsample = radar.downsample;
        let reason = format!(
            "{told}; say --downsample 1 if they are as coarse as that already, or --downsample {downsample} if they are as fine as the images were"
        );
        Err(Error::Data { what: printable(path), reason })
    };
    let of_training = (found.spacing > 0.0).then_some((found.spacing, found.spacing_unit.as_str()));
    if let (Some((own, unit)), Some((coarse, of_training))) = (own, of_training)
        && unit == of_training
    {
        let times = coarse / own;
        let pixels = times.round().max(1.0);
        return match (times / pixels - 1.0).abs() < TOLERANCE {
            true => Ok(pixels as usize),
            false => refuse(format!(
                "has a pixel every {own} {unit}, which is no part of the {coarse} {unit} of the pixels that the model learned from"
            )),
        };
    }
    let size = [info.height, info.width];
    let whole = match (found.whole, radar.crop) {
        ([0, 0], [0, 0]) => [found.frame[1], found.frame[2]],
        (whole, _) => whole,
    };
    match () {
        () if size == whole => Ok(1),
        () if size.map(|side| side.div_ceil(radar.downsample)) == whole => Ok(radar.downsample),
        () => refuse(format!(
            "has frames of {} x {} pixels and does not tell how coarse they are; the model learned from radar images whose pixels are the mean of \
             {n} x {n}{}",
            size[0],
            size[1],
            match whole {
                [0, 0] => String::new(),
                [height, width] => format!(" (whole ones have {height} x {width})"),
            },
            n = radar.downsample
        )),
    }
}

/// The first frames at a path that can be opened.
fn first_source(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Option<Box<dyn FrameSource>> {
    let open = |path: &Path| match source::is_picture(path) {
        true => source::open_picture(path, budget).ok(),
        false => source::open(path, config, budget).ok(),
    };
    match source::sequences_in(path, config, budget) {
        Ok(Some(_)) => open(path),
        _ => {
            let mut files = data_files(path).ok()?;
            files.sort();
            files.iter().find_map(|file| open(file))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Attribute;

    fn columns(unit: &str, values: &[f64]) -> Georeference {
        let attributes = vec![Attribute::text("units", unit)];
        let columns = Some(Coordinate { name: "x".into(), attributes, values: values.into() });
        Georeference { columns, ..Georeference::default() }
    }

    #[test]
    fn the_distance_of_pixels_is_the_usual_one_in_metres_or_degrees() {
        assert_eq!(spacing(&columns("km", &[0.0, 4.0, 8.0, 11.0])), Some((4000.0, "m")));
        assert_eq!(spacing(&columns("m", &[9.0, 6.0, 3.0])), Some((3.0, "m")));
        assert_eq!(spacing(&columns("degrees_east", &[1.0, 1.5, 2.0])), Some((0.5, "degrees")));
        assert_eq!(spacing(&columns("pixels", &[1.0, 2.0])), None);
        assert_eq!(spacing(&columns("m", &[1.0])), None);
        assert_eq!(spacing(&Georeference::default()), None);
    }
}
