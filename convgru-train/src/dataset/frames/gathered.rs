//! Frames of a source in memory, in the size that is asked for.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use convgru_model::Tensor;

use super::{FramesConfig, resize};
use crate::dataset::OnCorrupt;
use crate::dataset::source::{Failed, Frame, FrameSource};
use crate::read_budget::bytes_of;
use crate::{Error, Result};

/// What happens to damaged files that are a frame each, and those that were left out.
pub(super) struct Damage {
    pub(super) on_corrupt: OnCorrupt,
    pub(super) left_out: Vec<Error>,
}

/// Frames of sequences, a tensor `[T, C, H, W]` for each, in the size that is asked for. `keep` is asked for the bytes of all before
/// they are taken. None where there are no frames. Frames whose files are damaged go to `failed`, and all of their pixels are missing.
pub(super) fn gathered(
    source: &dyn FrameSource,
    sequences: Range<usize>,
    steps: Range<usize>,
    config: &FramesConfig,
    keep: &mut dyn FnMut(u64) -> Result<()>,
    failed: Failed<'_>,
) -> Result<Vec<Tensor<f32>>> {
    let mut values: Vec<Vec<f32>> = Vec::new();
    let mut shape = [steps.len(), 0, 0, 0];
    let is_damaged = Cell::new(false);
    let mut gather = |frame: Frame<'_>| {
        let (frame_shape, pixels) = resized(&frame, config);
        if values.is_empty() {
            let [channels, height, width] = frame_shape;
            shape = [steps.len(), channels, height, width];
            keep(bytes_of(size_of::<f32>(), &[sequences.len(), steps.len(), pixels.len()]))?;
            values = sequences.clone().map(|_| Vec::with_capacity(steps.len() * pixels.len())).collect();
        }
        let own = &mut values[frame.sequence - sequences.start];
        if is_damaged.get() {
            own.resize((frame.step - steps.start) * pixels.len(), f32::NAN);
        }
        own.extend_from_slice(&pixels);
        Ok(())
    };
    let mut note = |step, error| {
        is_damaged.set(true);
        failed(step, error)
    };
    source.visit_readable(sequences.clone(), steps.clone(), &mut gather, &mut note)?;
    if is_damaged.get() {
        let whole = shape.iter().product();
        values.iter_mut().for_each(|own| own.resize(whole, f32::NAN));
    }
    values.into_iter().map(|values| Ok(Tensor::from_vec(&shape, values)?)).collect()
}

/// A frame in the size that is asked for, with its shape.
fn resized<'a>(frame: &Frame<'a>, config: &FramesConfig) -> ([usize; 3], Cow<'a, [f32]>) {
    let [channels, height, width] = frame.shape;
    if config.resize == [0, 0] || config.resize == [height, width] {
        return (frame.shape, Cow::Borrowed(frame.values));
    }
    let planes = frame.values.chunks_exact(height * width);
    let resized = planes.flat_map(|plane| resize::resized(plane, [height, width], config.resize)).collect();
    ([channels, config.resize[0], config.resize[1]], Cow::Owned(resized))
}
