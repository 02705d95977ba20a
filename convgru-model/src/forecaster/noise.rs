//! Noise that a decoder reads.

use std::ops::Range;

use convgru_kernels::{Extent, FeatureMapsMut, Scalar};

use crate::error::{Error, Result};
use crate::memory;
use crate::random::Random;
use crate::tensor::Tensor;

/// The noise that the coarsest cell of a decoder reads, where it does: see [`MlcastConfig`](crate::MlcastConfig).
///
/// ```
/// use convgru_model::{Forecaster, MlcastConfig, Noise, Tensor};
///
/// let config = MlcastConfig { blocks: 2, members: 2, ..Default::default() };
/// let mut network = Forecaster::<f32>::new(config, 0)?;
/// let frames = Tensor::from_fn(&[3, 1, 1, 8, 8], |i| (i % 7) as f32 / 7.0);
/// let forecast = network.forward(&frames, 4)?;
/// network.set_noise(Noise::Seed(1));
/// assert_ne!(network.forward(&frames, 4)?, forecast);
/// network.set_noise(Noise::default());
/// assert_eq!(network.forward(&frames, 4)?, forecast);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Noise<T> {
    /// Standard normal numbers, the same for the same seed. The numbers of a member, step and sample are the same however many
    /// members, steps and samples there are.
    Seed(u64),
    /// Numbers that are given, `[members, steps, N, C', H', W']` with the channels, rows and columns of the coarsest states, for as
    /// many steps as are forecast or more.
    Given(Tensor<T>),
}

impl<T> Default for Noise<T> {
    fn default() -> Self {
        Self::Seed(0)
    }
}

impl<T: Scalar> Noise<T> {
    /// Writes the noise of some steps to maps `[steps members N, C', H', W']`; `step` is the extent of one step of one member.
    pub(super) fn write(
        &self,
        steps: Range<usize>,
        members: usize,
        step: Extent,
        mut maps: FeatureMapsMut<'_, T>,
    ) -> Result<()> {
        let mut batch = vec![T::ZERO; step.len()];
        self.expect(steps.end, members, step)?;
        for (index, t) in steps.enumerate() {
            for member in 0..members {
                let first = (index * members + member) * step.batch;
                let mut images = maps.reborrow().into_images(first..first + step.batch);
                match self {
                    Self::Seed(seed) => {
                        for (sample, image) in batch.chunks_exact_mut(step.image_len()).enumerate() {
                            draw(*seed, [member, t, sample], image);
                        }
                        images.read_nchw(&batch)?;
                    }
                    Self::Given(numbers) => {
                        let first = (member * numbers.shape()[1] + t) * step.len();
                        images.read_nchw(&numbers.as_slice()[first..first + step.len()])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The numbers of a shape [`MlcastConfig::noise_shape`](crate::MlcastConfig::noise_shape).
    ///
    /// # Shapes
    /// result: `[members, steps, N, C', H', W']`; given numbers keep their own number of steps
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for given numbers of another shape, [`Error::TooLarge`](crate::Error::TooLarge) if the result needs more memory than the machine has.
    ///
    /// ```
    /// use convgru_model::{MlcastConfig, Noise};
    ///
    /// let config = MlcastConfig { blocks: 2, members: 3, ..Default::default() };
    /// let shape = config.noise_shape(1, [8, 8], 5);
    /// assert_eq!(shape, [3, 5, 1, 16, 2, 2]);
    /// let noise = Noise::<f32>::Seed(1).to_tensor(shape)?;
    /// assert_eq!(Noise::Given(noise.clone()).to_tensor(shape)?, noise);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn to_tensor(&self, [members, steps, n, c, h, w]: [usize; 6]) -> Result<Tensor<T>> {
        let step = Extent { batch: n, channels: c, height: h, width: w };
        match self {
            Self::Seed(seed) => {
                let mut numbers = Tensor::try_zeros(&[members, steps, n, c, h, w])?;
                for (index, image) in numbers.as_mut_slice().chunks_exact_mut(step.image_len()).enumerate() {
                    draw(*seed, [index / n / steps, index / n % steps, index % n], image);
                }
                Ok(numbers)
            }
            Self::Given(numbers) => {
                self.expect(steps, members, step)?;
                Ok(numbers.clone())
            }
        }
    }

    /// Fails unless there are numbers of some steps.
    fn expect(&self, steps: usize, members: usize, step: Extent) -> Result<()> {
        let [n, c, h, w] = step.dims();
        let Self::Given(numbers) = self else {
            return memory::expect_bytes("noise", memory::bytes_of::<T>(&step.dims()));
        };
        match numbers.shape() {
            &[k, t, ref one @ ..] if k == members && t >= steps && *one == [n, c, h, w] => Ok(()),
            got => Err(Error::ShapeMismatch {
                what: "noise".into(),
                expected: format!("[{members}, {steps} or more, {n}, {c}, {h}, {w}]"),
                got: got.to_vec(),
            }),
        }
    }
}

/// Draws the noise of a member, step and sample.
fn draw<T: Scalar>(seed: u64, [member, step, sample]: [usize; 3], image: &mut [T]) {
    // There are at most 64 members and 65536 steps.
    let stream = ((sample as u64) << 24) | ((step as u64) << 7) | member as u64;
    let mut random = Random::new(seed, stream);
    image.fill_with(|| T::from_f64(random.normal()));
}

#[cfg(test)]
mod tests {
    use convgru_kernels::FeatureMaps;

    use super::*;

    const STEP: Extent = Extent { batch: 2, channels: 3, height: 4, width: 5 };

    fn written(noise: &Noise<f64>, steps: Range<usize>, members: usize) -> Result<Vec<f64>> {
        let extent = STEP.with_batch(steps.len() * members * STEP.batch);
        let mut maps = FeatureMaps::zeros(extent).unwrap();
        noise.write(steps, members, STEP, maps.as_mut())?;
        let mut images = vec![0.0; extent.len()];
        maps.as_ref().write_nchw(&mut images).unwrap();
        Ok(images)
    }

    #[test]
    fn noise_of_a_step_and_member_does_not_depend_on_how_many_there_are() {
        let noise = Noise::Seed(7);
        let (all, len) = (written(&noise, 0..4, 3).unwrap(), STEP.len());
        assert_eq!(written(&noise, 2..4, 3).unwrap(), all[2 * 3 * len..]);
        assert_eq!(written(&noise, 1..2, 1).unwrap(), all[3 * len..4 * len]);
        assert_ne!(written(&Noise::Seed(8), 0..4, 3).unwrap(), all);
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        assert_eq!(sorted.len(), all.len(), "no two images have the same noise");
        let (mean, square) = (all.iter().sum::<f64>(), all.iter().map(|x| x * x).sum::<f64>());
        let count = all.len() as f64;
        assert!((mean / count).abs() < 0.1 && (square / count - 1.0).abs() < 0.1, "{mean} {square}");
    }

    #[test]
    fn given_noise_is_read_where_it_lies() {
        let numbers = Tensor::from_fn(&[3, 4, 2, 3, 4, 5], |i| i as f64);
        let (noise, len) = (Noise::Given(numbers.clone()), STEP.len());
        let two = written(&noise, 1..3, 3).unwrap();
        for (index, image) in two.chunks_exact(len).enumerate() {
            let (t, member) = (1 + index / 3, index % 3);
            assert_eq!(image, &numbers.as_slice()[(member * 4 + t) * len..][..len]);
        }
        let error = written(&noise, 3..5, 3).unwrap_err().to_string();
        assert!(error.contains("noise") && error.contains("[3, 5 or more, 2, 3, 4, 5]"), "{error}");
        written(&noise, 0..1, 2).unwrap_err();
    }
}
