//! Predictions that need no model: what a trained one must beat.

use convgru_model::{Scalar, Tensor};

use crate::{Error, Result};

/// Predicts that nothing moves: the last input frame, at every step.
///
/// # Shapes
/// input: `[T, N, C, H, W]`; prediction: `[steps, N, C, H, W]`
///
/// # Errors
/// If the input has another rank or no frames.
///
/// ```
/// use convgru_model::Tensor;
///
/// let input = Tensor::<f32>::from_fn(&[2, 1, 1, 1, 2], |i| i as f32);
/// let prediction = convgru_train::metric::copy_last(&input, 2)?;
/// assert_eq!(prediction.as_slice(), [2.0, 3.0, 2.0, 3.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn copy_last<T: Scalar>(input: &Tensor<T>, steps: usize) -> Result<Tensor<T>> {
    match *input.shape() {
        [inputs, n, c, h, w] if inputs > 0 => {
            Ok(repeated(input.slice(inputs - 1), steps, &[steps, n, c, h, w]))
        }
        _ => Err(shape_mismatch("the input frames to copy from", "[T, N, C, H, W] with T > 0", input)),
    }
}

/// Predicts the mean frame of the training data (see [`MeanFrame`]) for every
/// sequence and step.
///
/// # Shapes
/// mean_frame: `[C, H, W]`; prediction: `[steps, batch, C, H, W]`
///
/// # Errors
/// If the mean frame has another rank.
pub fn mean<T: Scalar>(mean_frame: &Tensor<T>, steps: usize, batch: usize) -> Result<Tensor<T>> {
    let &[c, h, w] = mean_frame.shape() else {
        return Err(shape_mismatch("the mean frame", "[C, H, W]", mean_frame));
    };
    Ok(repeated(mean_frame.as_slice(), steps * batch, &[steps, batch, c, h, w]))
}

/// Gathers the mean frame of a data set, pixel by pixel, in `f64`.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::metric::MeanFrame;
///
/// let mut mean = MeanFrame::new([1, 1, 2]);
/// mean.add(&Tensor::from_vec(&[2, 1, 1, 1, 2], vec![0.0f32, 1.0, 1.0, 1.0])?, None)?;
/// assert_eq!(mean.frame::<f32>()?.as_slice(), [0.5, 1.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MeanFrame {
    shape: [usize; 3],
    sums: Vec<f64>,
    /// How often each pixel was measured.
    counts: Vec<u64>,
}

impl MeanFrame {
    /// Starts with no frames of the shape `[C, H, W]`.
    pub fn new(frame_shape: [usize; 3]) -> Self {
        let pixels = frame_shape.iter().product();
        Self { shape: frame_shape, sums: vec![0.0; pixels], counts: vec![0; pixels] }
    }

    /// Adds all frames of a batch, in order; with `valid` those pixels alone where it is
    /// above 0.
    ///
    /// # Shapes
    /// frames, valid: `[T, N, C, H, W]`
    ///
    /// # Errors
    /// If a shape is another.
    pub fn add<T: Scalar>(&mut self, frames: &Tensor<T>, valid: Option<&Tensor<T>>) -> Result<()> {
        for tensor in [Some(frames), valid].into_iter().flatten() {
            match *tensor.shape() {
                [_, _, c, h, w] if [c, h, w] == self.shape && tensor.shape() == frames.shape() => {}
                _ => {
                    let [c, h, w] = self.shape;
                    let expected = format!("[T, N, {c}, {h}, {w}]");
                    return Err(shape_mismatch("the frames of a mean frame", &expected, tensor));
                }
            }
        }
        let pixels = self.sums.len().max(1);
        for (at, frame) in frames.as_slice().chunks_exact(pixels).enumerate() {
            let valid = valid.map(|valid| &valid.as_slice()[at * pixels..][..pixels]);
            for (pixel, value) in frame.iter().enumerate() {
                if valid.is_none_or(|valid| valid[pixel].to_f64() > 0.0) {
                    self.sums[pixel] += value.to_f64();
                    self.counts[pixel] += 1;
                }
            }
        }
        Ok(())
    }

    /// The mean over all frames added so far; 0 where a pixel was never measured.
    ///
    /// # Shapes
    /// mean frame: `[C, H, W]`
    ///
    /// # Errors
    /// If no pixel has been added.
    pub fn frame<T: Scalar>(&self) -> Result<Tensor<T>> {
        if self.counts.iter().all(|&count| count == 0) {
            return Err(Error::Data {
                what: "the mean frame".into(),
                reason: "no frame was added, or none with a measured pixel, so there is no mean".into(),
            });
        }
        Ok(Tensor::from_fn(&self.shape, |i| T::from_f64(self.sums[i] / self.counts[i].max(1) as f64)))
    }
}

fn repeated<T: Scalar>(frames: &[T], times: usize, shape: &[usize]) -> Tensor<T> {
    Tensor::from_vec(shape, frames.repeat(times)).expect("the shape is that of the frames, repeated")
}

fn shape_mismatch<T: Scalar>(what: &str, expected: &str, got: &Tensor<T>) -> Error {
    Error::Model(convgru_model::Error::ShapeMismatch {
        what: what.into(),
        expected: expected.into(),
        got: got.shape().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_of_each_sequence_is_repeated() {
        let input = Tensor::<f64>::from_fn(&[3, 2, 1, 2, 2], |i| i as f64);
        let prediction = copy_last(&input, 4).unwrap();
        assert_eq!(prediction.shape(), [4, 2, 1, 2, 2]);
        for t in 0..4 {
            assert_eq!(prediction.slice(t), input.slice(2));
        }
    }

    #[test]
    fn the_mean_frame_fills_every_step() {
        let mut gathered = MeanFrame::new([1, 2, 1]);
        gathered.add(&Tensor::<f32>::from_fn(&[2, 2, 1, 2, 1], |i| i as f32), None).unwrap();
        gathered.add(&Tensor::<f32>::from_fn(&[1, 1, 1, 2, 1], |_| 8.0), None).unwrap();
        let frame = gathered.frame::<f64>().unwrap();
        assert_eq!(frame.as_slice(), [4.0, 4.8]);
        let prediction = mean(&frame, 3, 2).unwrap();
        assert_eq!(prediction.shape(), [3, 2, 1, 2, 1]);
        assert!(prediction.as_slice().chunks(2).all(|pair| pair == [4.0, 4.8]));
    }

    #[test]
    fn missing_pixels_are_no_part_of_the_mean() {
        let mut gathered = MeanFrame::new([1, 1, 3]);
        let frames = Tensor::from_vec(&[2, 1, 1, 1, 3], vec![1.0f64, 2.0, 0.0, 3.0, 0.0, 0.0]).unwrap();
        let valid = Tensor::from_vec(&[2, 1, 1, 1, 3], vec![1.0, 1.0, 0.0, 1.0, 0.0, 0.0]).unwrap();
        gathered.add(&frames, Some(&valid)).unwrap();
        assert_eq!(gathered.frame::<f64>().unwrap().as_slice(), [2.0, 2.0, 0.0]);
        assert!(gathered.add(&frames, Some(&Tensor::zeros(&[1, 1, 1, 1, 3]))).is_err());
    }

    #[test]
    fn what_has_no_frames_is_refused() {
        let error = copy_last(&Tensor::<f32>::zeros(&[0, 1, 1, 2, 2]), 3).unwrap_err().to_string();
        assert!(error.contains("[T, N, C, H, W] with T > 0"), "{error}");
        assert!(copy_last(&Tensor::<f32>::zeros(&[1, 2, 2]), 3).is_err());
        assert!(mean(&Tensor::<f32>::zeros(&[2, 2]), 3, 1).is_err());
        let mut gathered = MeanFrame::new([1, 2, 2]);
        assert!(gathered.frame::<f32>().is_err());
        let error = gathered.add(&Tensor::<f32>::zeros(&[1, 1, 1, 2, 3]), None).unwrap_err().to_string();
        assert!(error.contains("[T, N, 1, 2, 2]"), "{error}");
    }
}
