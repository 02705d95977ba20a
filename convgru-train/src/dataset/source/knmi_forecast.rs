//! Forecasts of the Royal Netherlands Meteorological Institute: files of HDF5 with an image for each lead time, `/image1/image_data` and
//! so on, which are the frames of one sequence.

use super::array::{Array, VisitBlock};
use super::named_axes::NamedAxes;
use super::number_type::NumberType;
use super::radar::composite::knmi::{self, Calibration, ImageGroup};
use super::times::{Origin, Times};
use super::{Content, FramesConfig};
use crate::dataset::gridded::{Dimension, GriddedFile, Variable};
use crate::dataset::timestamp::Timestamp;
use crate::{Error, Result};

/// The images of a forecast as an array `[T, H, W]`.
pub(super) struct Forecast {
    images: Vec<(Variable, Calibration)>,
    times: Option<Times>,
    /// `[T, H, W]`.
    shape: [usize; 3],
    kind: NumberType,
    content: Content,
}

impl Forecast {
    /// The forecast in a file; `None` if there is none, or the configuration names a dataset.
    ///
    /// # Errors
    /// [`Error::Format`] if the images differ in size, type or quantity, or one cannot be read.
    pub(super) fn of(file: &GriddedFile, config: &FramesConfig) -> Result<Option<Self>> {
        if !config.variable.is_empty() || file.attributes("overview")?.is_none() {
            return Ok(None);
        }
        let groups = knmi::images(file)?;
        if !knmi::is_forecast(&groups) {
            return Ok(None);
        }
        let refuse = |reason: String| Error::Format { path: file.path().into(), reason };
        let mut images: Vec<(Variable, Calibration)> = Vec::with_capacity(groups.len());
        let mut parameter: Option<String> = None;
        for ImageGroup { name, .. } in &groups {
            let variable = file.variable(&format!("{name}/image_data"))?;
            // An image without a calibration of its own has the calibration of the first.
            let own = file.attributes(&format!("{name}/calibration"))?;
            let attributes = match own {
                Some(own) => Some(own),
                None => file.attributes("image1/calibration")?,
            };
            let attributes = attributes.ok_or_else(|| refuse(format!("has no /{name}/calibration")))?;
            let calibration = Calibration::of(file, name, &attributes)?;
            let own = file.attributes(name)?.map_or(Ok(None), |own| own.text("image_geo_parameter"))?;
            let own = own.unwrap_or_default();
            let first = parameter.get_or_insert_with(|| own.clone());
            if *first != own {
                return Err(refuse(format!(
                    "is a forecast whose images are of \"{first}\" and, in {name}, of \"{own}\"; the frames of a sequence are of one quantity"
                )));
            }
            if let Some((other, _)) = images.first()
                && (other.shape(), other.kind()) != (variable.shape(), variable.kind())
            {
                return Err(refuse(format!(
                    "is a forecast whose images have the shapes {:?} ({}) and, in {name}, {:?} ({}); all frames must be alike",
                    other.shape(),
                    other.kind(),
                    variable.shape(),
                    variable.kind()
                )));
            }
            images.push((variable, calibration));
        }
        let Some((first, _)) = images.first() else { return Ok(None) };
        let &[height, width] = first.shape() else {
            return Err(refuse(format!("has images of shape {:?}, but [H, W] is needed", first.shape())));
        };
        let (shape, kind) = ([images.len(), height, width], first.kind());
        let parameter = parameter.unwrap_or_default();
        let is_scaled = images.iter().any(|(_, own)| (own.gain, own.offset) != (1.0, 0.0));
        let content = content(&parameter, is_scaled);
        Ok(Some(Self { images, times: times(&groups), shape, kind, content }))
    }
}

/// The times of images, where all have one.
fn times(groups: &[ImageGroup]) -> Option<Times> {
    let seconds =
        |group: &ImageGroup| Some(60.0 * group.valid?.minutes_since(Timestamp::of_minutes(0)) as f64);
    Some(Times { seconds: groups.iter().map(seconds).collect::<Option<_>>()?, origin: Origin::Year1970 })
}

/// What `REFLECTIVITY_[DBZ]` and the like say.
fn content(parameter: &str, is_scaled: bool) -> Content {
    let (name, unit) = match parameter.split_once('[') {
        Some((name, unit)) => (name, unit.trim_end_matches(']')),
        None => (parameter, ""),
    };
    let unit = match unit {
        "DBZ" => "dBZ".into(),
        unit => unit.to_ascii_lowercase(),
    };
    let name = name.trim_matches('_').to_ascii_lowercase();
    Content { name, is_scaled, unit, ..Content::default() }
}

impl Array for Forecast {
    fn stored_shape(&self) -> Vec<usize> {
        self.shape.to_vec()
    }

    fn named_axes(&self) -> NamedAxes {
        let dimension = |name: &str| {
            Some(Dimension { name: name.into(), other_names: Vec::new(), variable: None, coordinates: None })
        };
        NamedAxes::of(&["time", "y", "x"].map(dimension), &self.shape)
    }

    fn times(&self, axis: Option<usize>) -> Result<Option<Times>> {
        Ok(if axis == Some(0) { self.times.clone() } else { None })
    }

    fn content(&self) -> Result<Option<Content>> {
        Ok(Some(self.content.clone()))
    }

    fn number_type(&self) -> NumberType {
        self.kind
    }

    fn natural_range(&self) -> [f64; 2] {
        // Scaled numbers are of no type.
        if self.content.is_scaled { [0.0, 1.0] } else { self.kind.natural_range() }
    }

    fn may_miss(&self) -> bool {
        self.images.iter().any(|(_, calibration)| !calibration.missing.is_empty())
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn working(&self, leading: usize) -> u64 {
        self.images.first().map_or(0, |(first, _)| first.working(leading.saturating_sub(1)))
    }

    fn visit(
        &self,
        leading: usize,
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        // Blocks of an image; an image lies outside of each.
        let blocks: usize = self.shape[1..leading.max(1)].iter().product();
        for block in wanted {
            let (variable, calibration) = &self.images[block / blocks];
            let number = |stored: f64| match calibration.missing.contains(&stored) {
                true => f64::NAN,
                false => calibration.gain * stored + calibration.offset,
            };
            let leading = leading.saturating_sub(1);
            variable.frames(leading, std::iter::once(block % blocks), &mut |stored| {
                visit(&mut stored.map(number))
            })?;
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "hdf5"))]
mod tests;
