//! The numbers of frames, as their file means them.

use std::path::Path;

use convgru_model::Tensor;

use super::FramesConfig;
use crate::dataset::source::{self, Given};
use crate::read_budget::{Kept, ReadBudget, bytes_of};
use crate::{Error, Result, input};

/// The numbers of all frames of a file or a folder of images, in the order of the file: after `scale_factor` and `add_offset`, before
/// `config.range`, `config.missing`, `config.resize` and `config.channels`, which play no part.
///
/// # Shapes
/// returns: `[N, T, C, H, W]`, in the unit of the file; NaN where a pixel is missing
///
/// # Errors
/// [`Error::Io`] if the path cannot be read; [`Error::Format`] if it is of an unknown kind, is damaged or holds no frames;
/// [`Error::Memory`] if reading takes more than the budget allows. What is returned stays counted in the budget.
///
/// # Example
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::dataset::{FramesConfig, read_numbers};
/// use convgru_train::{ReadBudget, media};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("kelvin.npy");
/// media::write_frames(&path, &Tensor::from_fn(&[3, 1, 4, 5], |i| 273.0 + i as f32))?;
/// let config = FramesConfig { axes: "thw".parse()?, ..FramesConfig::default() };
/// let numbers = read_numbers(&path, &config, &ReadBudget::new(64, "--memory-mib"))?;
/// assert_eq!((numbers.shape(), numbers.as_slice()[59]), (&[1, 3, 1, 4, 5][..], 332.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_numbers(
    path: impl AsRef<Path>,
    config: &FramesConfig,
    budget: &ReadBudget,
) -> Result<Tensor<f32>> {
    let path = path.as_ref();
    let source = source::open_as(path, config, budget, Given::Numbers)?;
    let info = source.info()?;
    let mut frame_shape = None;
    let mut values: Vec<f32> = Vec::new();
    source.visit(0..info.sequences, 0..info.steps, &mut |frame| {
        if frame_shape.is_none() {
            frame_shape = Some(frame.shape);
            let count = info.sequences * info.steps;
            budget.keep(path, bytes_of(size_of::<f32>(), &[count, frame.values.len()])).map(Kept::stay)?;
            values = input::zeros(count * frame.values.len()).map_err(Error::io("read", path))?;
        }
        if frame_shape != Some(frame.shape) {
            let reason = format!(
                "has a frame of {:?} among frames of {frame_shape:?} ([C, H, W]), whose numbers make no array",
                frame.shape
            );
            return Err(Error::Format { path: path.into(), reason });
        }
        let begin = (frame.sequence * info.steps + frame.step) * frame.values.len();
        values[begin..begin + frame.values.len()].copy_from_slice(frame.values);
        Ok(())
    })?;
    let [channels, height, width] = frame_shape.unwrap_or_default();
    Ok(Tensor::from_vec(&[info.sequences, info.steps, channels, height, width], values)?)
}
