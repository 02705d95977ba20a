//! Frames of rain rates as values of a scale of rain; for a network that learned from radar images, in the resolution of these images.

use convgru_model::Tensor;

use super::georeference::squares;
use super::rain_scale::rate_of_one;
use super::source::radar::{Encoder, Field};
use super::{
    Description, FoundData, FramesConfig, Quantity, RainScale, SequenceDataset, SequenceMut, check_request,
};
use crate::{Error, Result};

/// The highest number of rain that frames may have, in their own unit; scales end earlier.
pub(crate) const HIGHEST_RATE: f64 = 10_000.0;

/// How frames of rain rates become values as radar images do.
#[derive(Clone, Debug)]
pub(crate) struct RateScale {
    /// The values of rain rates.
    pub(crate) rain: RainScale,
    /// Pixels along each axis that become one.
    pub(crate) downsample: usize,
    /// The rain rate in mm/h of the value 1 of the frames.
    pub(crate) highest: f64,
}

impl RateScale {
    /// The scale of frames with `data.frames.rain`; the headers of the files give unit and minutes. `None` for other frames.
    ///
    /// # Errors
    /// [`Error::Data`] if their unit is no unit of rain, or unknown.
    pub(super) fn of_frames(
        config: &FramesConfig,
        found: Option<&FoundData>,
        what: &str,
    ) -> Result<Option<Self>> {
        let Some(rain) = config.rain.clone() else { return Ok(None) };
        let told = found.map_or("", |found| found.unit_in_files.as_str());
        let unit = if config.unit.is_empty() { told } else { &config.unit };
        let minutes = found.map(|found| found.minutes_per_step).filter(|&minutes| minutes > 0.0);
        let one =
            rate_of_one(unit, minutes).map_err(|reason| Error::Data { what: what.to_owned(), reason })?;
        Ok(Some(Self { rain, downsample: 1, highest: HIGHEST_RATE * one }))
    }

    /// Frames whose values, 0 to 1, are rain rates, as values of the scale; NaN where a pixel is missing.
    ///
    /// # Shapes
    /// frames: `[T, 1, H, W]`; result: `[T, 1, h, w]`, as much smaller as radar images are made
    pub(crate) fn encoded(&self, frames: &Tensor<f32>) -> Result<Tensor<f32>> {
        let [height, width] = [2, 3].map(|axis| frames.shape()[axis]);
        let encoder = Encoder::new(&self.rain);
        let mut values = Vec::new();
        for frame in frames.as_slice().chunks_exact((height * width).max(1)) {
            let rates = frame.iter().map(|&value| (f64::from(value) * self.highest) as f32).collect();
            values.extend(encoder.values(&Field { height, width, rates }.coarser(self.downsample)));
        }
        let [height, width] = self.coarser([height, width]);
        Ok(Tensor::from_vec(&[frames.shape()[0], 1, height, width], values)?)
    }

    /// What a file says about frames of a height and a width, whose pixels become as coarse.
    pub(crate) fn described(&self, description: Description, size: [usize; 2]) -> Description {
        let [rows, columns] = size.map(|side| squares(side, self.downsample));
        description.averaged(&rows, &columns)
    }

    fn coarser(&self, size: [usize; 2]) -> [usize; 2] {
        size.map(|side| side.div_ceil(self.downsample))
    }
}

/// Sequences of frames of rain rates on the scale of radar images.
pub(crate) struct RateFrames {
    pub(crate) frames: Box<dyn SequenceDataset>,
    pub(crate) scale: RateScale,
}

impl RateFrames {
    /// Frames on the scale of their configuration, or unchanged frames without a scale.
    ///
    /// # Errors
    /// The errors of [`RateScale::of_frames`].
    pub(super) fn scaled(
        frames: Box<dyn SequenceDataset>,
        config: &FramesConfig,
    ) -> Result<Box<dyn SequenceDataset>> {
        Ok(match RateScale::of_frames(config, frames.found(), frames.name())? {
            Some(scale) => Box::new(Self { frames, scale }),
            None => frames,
        })
    }
}

impl SequenceDataset for RateFrames {
    fn name(&self) -> &str {
        self.frames.name()
    }

    fn len(&self) -> usize {
        self.frames.len()
    }

    fn frame_shape(&self) -> [usize; 3] {
        let [channels, height, width] = self.frames.frame_shape();
        let [height, width] = self.scale.coarser([height, width]);
        [channels, height, width]
    }

    fn steps(&self) -> usize {
        self.frames.steps()
    }

    fn quantity(&self) -> Quantity {
        self.scale.rain.quantity(self.frames.quantity().minutes_per_step)
    }

    fn found(&self) -> Option<&FoundData> {
        self.frames.found()
    }

    fn has_missing(&self) -> bool {
        self.frames.has_missing()
    }

    fn label(&self, index: usize) -> String {
        self.frames.label(index)
    }

    fn times(&self, index: usize) -> Vec<String> {
        self.frames.times(index)
    }

    fn warnings(&self) -> &[String] {
        self.frames.warnings()
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        let [channels, height, width] = self.frames.frame_shape();
        let shape = [self.steps(), channels, height, width];
        let mut read = Tensor::zeros(&shape);
        let mut valid = self.has_missing().then(|| vec![0.0; read.len()]);
        let mut fine = SequenceMut { frames: read.as_mut_slice(), valid: valid.as_deref_mut() };
        self.frames.sequence(epoch, index, &mut fine)?;
        for (value, &valid) in read.as_mut_slice().iter_mut().zip(valid.iter().flatten()) {
            *value = if valid > 0.0 { *value } else { f32::NAN };
        }
        into.put(self.scale.encoded(&read)?.as_slice());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Coordinate, Georeference};

    #[test]
    fn coordinates_become_as_coarse_as_frames() {
        let along = |name: &str, length: i32| {
            let values = (0..length).map(f64::from).collect();
            Some(Coordinate { name: name.into(), attributes: Vec::new(), values })
        };
        let georeference =
            Georeference { rows: along("y", 5), columns: along("x", 4), ..Georeference::default() };
        let description = Description { georeference, ..Description::default() };
        let scale = RateScale { rain: RainScale::default(), downsample: 2, highest: 100.0 };
        let coarse = scale.encoded(&Tensor::zeros(&[1, 1, 5, 4])).unwrap();
        let Georeference { rows, columns, .. } = scale.described(description, [5, 4]).georeference;
        let [rows, columns] = [rows, columns].map(|own| own.unwrap().values);
        assert_eq!((&rows[..], &columns[..]), (&[0.5, 2.5, 4.0][..], &[0.5, 2.5][..]));
        assert_eq!(coarse.shape(), [1, 1, rows.len(), columns.len()]);
    }
}
