//! A batch cut into micro-batches of some samples each.

use std::ops::Range;

use convgru_model::Tensor;

use crate::Result;
use crate::dataset::Batch;

/// The batch in `count` micro-batches of nearly equal numbers of samples, in order.
///
/// # Errors
/// If a micro-batch would hold no sample.
pub(super) fn micro_batches(batch: &Batch, count: usize) -> Result<Vec<Batch>> {
    let samples = batch.frames.shape()[1];
    let part = |index: usize| {
        let range = index * samples / count..(index + 1) * samples / count;
        let valid = batch.valid.as_ref().map(|valid| samples_of(valid, &range)).transpose()?;
        let input = batch.input.as_ref().map(|input| samples_of(input, &range)).transpose()?;
        Ok(Batch { frames: samples_of(&batch.frames, &range)?, valid, input })
    };
    (0..count).map(part).collect()
}

/// Some samples of `[T, N, ...]`.
fn samples_of(tensor: &Tensor<f32>, samples: &Range<usize>) -> Result<Tensor<f32>> {
    let sample: usize = tensor.shape()[2..].iter().product();
    let mut shape = tensor.shape().to_vec();
    shape[1] = samples.len();
    let range = samples.start * sample..samples.end * sample;
    let values = (0..shape[0]).flat_map(|t| &tensor.slice(t)[range.clone()]).copied().collect();
    Ok(Tensor::from_vec(&shape, values)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_hold_every_sample_once_and_in_order() {
        let frames = Tensor::from_fn(&[2, 5, 1, 1, 1], |i| i as f32);
        let valid = Tensor::from_fn(&[2, 5, 1, 1, 1], |i| i as f32 + 100.0);
        let input = Tensor::from_fn(&[2, 5, 2, 1, 1], |i| i as f32);
        let cut = micro_batches(&Batch { frames, valid: Some(valid), input: Some(input) }, 2).unwrap();
        assert_eq!(cut[0].input.as_ref().unwrap().as_slice(), [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0]);
        assert_eq!(cut[0].frames.as_slice(), [0.0, 1.0, 5.0, 6.0]);
        assert_eq!(cut[1].frames.as_slice(), [2.0, 3.0, 4.0, 7.0, 8.0, 9.0]);
        assert_eq!(cut[0].valid.as_ref().unwrap().as_slice(), [100.0, 101.0, 105.0, 106.0]);
        assert_eq!(cut[1].frames.shape(), [2, 3, 1, 1, 1]);
    }
}
