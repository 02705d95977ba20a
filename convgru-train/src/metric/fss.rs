//! Fractions skill score: events need not be forecast at the very pixel.

use convgru_model::{Scalar, Tensor};

use super::categorical::Exceedance;
use super::check;
use crate::{Error, Result};

/// The fractions skill score of forecasts, gathered frame by frame: Roberts and Lean,
/// "Scale-selective verification of rainfall accumulations from high-resolution forecasts
/// of convective events", 2008, in the arithmetic of `pysteps.verification.fss`.
///
/// With `p` and `q` the shares of events (values at the threshold or above) in the
/// `scale x scale` pixels around each pixel of forecast and observation, no event outside
/// the frame:
///
/// ```text
/// FSS = 1 - sum (p - q)^2 / (sum p^2 + sum q^2)
/// ```
///
/// over all pixels of all frames, from 0 to 1, which is best; NaN where there was no
/// event. A window of even side reaches one pixel further up and to the left.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::metric::FractionsSkillScore;
///
/// let observed = Tensor::<f32>::from_fn(&[8, 8], |i| if i == 27 { 1.0 } else { 0.0 });
/// let displaced = Tensor::<f32>::from_fn(&[8, 8], |i| if i == 28 { 1.0 } else { 0.0 });
/// let mut pixel = FractionsSkillScore::new(0.5, 1)?;
/// pixel.add(&displaced, &observed)?;
/// let mut wide = FractionsSkillScore::new(0.5, 5)?;
/// wide.add(&displaced, &observed)?;
/// assert_eq!(pixel.score(), 0.0);
/// assert!((wide.score() - 0.8).abs() < 1e-12);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FractionsSkillScore {
    threshold: f64,
    scale: usize,
    forecast_squares: f64,
    observed_squares: f64,
    products: f64,
}

impl FractionsSkillScore {
    /// A score without frames.
    ///
    /// # Errors
    /// [`Error::Data`] if the threshold is no number or the scale is 0.
    pub fn new(threshold: f64, scale: usize) -> Result<Self> {
        if threshold.is_nan() || scale == 0 {
            return Err(Error::Data {
                what: "the fractions skill score".into(),
                reason: format!("a threshold of {threshold} and windows of {scale} x {scale} pixels"),
            });
        }
        let [forecast_squares, observed_squares, products] = [0.0; 3];
        Ok(Self { threshold, scale, forecast_squares, observed_squares, products })
    }

    /// Adds the frames of a forecast. NaN is no event.
    ///
    /// # Shapes
    /// forecast, observed: `[..., H, W]`, the same
    ///
    /// # Errors
    /// If the shapes differ, have fewer than two dimensions, or hold no pixels.
    pub fn add<T: Scalar>(&mut self, forecast: &Tensor<T>, observed: &Tensor<T>) -> Result<()> {
        check(forecast, observed)?;
        let &[.., height, width] = forecast.shape() else {
            return Err(Error::Model(convgru_model::Error::ShapeMismatch {
                what: "the frames of the fractions skill score".into(),
                expected: "[..., H, W]".into(),
                got: forecast.shape().to_vec(),
            }));
        };
        let frames = forecast.as_slice().chunks_exact(height * width);
        for (x, y) in frames.zip(observed.as_slice().chunks_exact(height * width)) {
            let (p, q) = (self.counts(x, width), self.counts(y, width));
            let area = (self.scale as f64).powi(4);
            let sum = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| (a * b) as f64).sum::<f64>() / area;
            self.forecast_squares += sum(&p, &p);
            self.observed_squares += sum(&q, &q);
            self.products += sum(&p, &q);
        }
        Ok(())
    }

    /// The score of all frames so far.
    pub fn score(&self) -> f64 {
        let all = self.forecast_squares + self.observed_squares;
        1.0 - (all - 2.0 * self.products) / all
    }

    /// Events in the window around each pixel.
    fn counts<T: Scalar>(&self, frame: &[T], width: usize) -> Vec<u64> {
        let height = frame.len() / width;
        let is_event = |value: &T| u64::from(Exceedance::AtLeast.is(value.to_f64(), self.threshold));
        // totals[y][x] is the number of events above row y and left of column x.
        let mut totals = vec![0; (height + 1) * (width + 1)];
        for y in 0..height {
            let mut row = 0;
            for x in 0..width {
                row += is_event(&frame[y * width + x]);
                totals[(y + 1) * (width + 1) + x + 1] = totals[y * (width + 1) + x + 1] + row;
            }
        }
        let (before, after) = (self.scale / 2, self.scale.div_ceil(2));
        let ends =
            |at: usize, length: usize| [at.saturating_sub(before), at.saturating_add(after).min(length)];
        let mut counts = Vec::with_capacity(frame.len());
        for y in 0..height {
            let [top, bottom] = ends(y, height).map(|row| row * (width + 1));
            counts.extend((0..width).map(|x| {
                let [left, right] = ends(x, width);
                totals[bottom + right] + totals[top + left] - totals[top + right] - totals[bottom + left]
            }));
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::parity_file;

    #[test]
    fn scores_are_those_of_pysteps() {
        let file = parity_file("metrics.safetensors");
        for (i, &threshold) in file.values("rain.thresholds").iter().enumerate() {
            for (j, &scale) in file.values("fss.scales").iter().enumerate() {
                let mut score = FractionsSkillScore::new(threshold, scale as usize).unwrap();
                score.add(file.tensor("rain.forecast"), file.tensor("rain.observed")).unwrap();
                let expected = file.tensor("fss").slice(i)[j];
                let got = score.score();
                assert!((got - expected).abs() <= 1e-12, "{threshold}, {scale}: {got}, not {expected}");
            }
        }
    }

    /// The definition, pixel by pixel, for windows that are even, odd, and wider than the frame.
    #[test]
    fn counts_are_the_definition() {
        let (height, width) = (5, 7);
        let frame: Vec<f64> = (0..height * width).map(|i| (i as f64 * 1.7).sin()).collect();
        for scale in [1, 2, 3, 4, 9, 100] {
            let counts = FractionsSkillScore::new(0.2, scale).unwrap().counts(&frame, width);
            let half = (scale / 2) as isize;
            for y in 0..height as isize {
                for x in 0..width as isize {
                    let inside = |dy: isize, dx: isize| {
                        let (row, column) = (y - half + dy, x - half + dx);
                        let rows = (0..height as isize).contains(&row);
                        rows && (0..width as isize).contains(&column)
                            && frame[row as usize * width + column as usize] >= 0.2
                    };
                    let side = 0..scale as isize;
                    let events = side.clone().flat_map(|dy| side.clone().map(move |dx| (dy, dx)));
                    let expected = events.filter(|&(dy, dx)| inside(dy, dx)).count() as u64;
                    assert_eq!(counts[y as usize * width + x as usize], expected, "{scale}: {y}, {x}");
                }
            }
        }
    }

    #[test]
    fn frames_may_come_one_by_one_and_must_be_frames() {
        let frame = |k: usize| Tensor::<f32>::from_fn(&[2, 6, 5], move |i| ((i * k) % 7) as f32);
        let mut whole = FractionsSkillScore::new(3.0, 3).unwrap();
        whole.add(&frame(3), &frame(5)).unwrap();
        let mut parts = FractionsSkillScore::new(3.0, 3).unwrap();
        for i in 0..2 {
            parts.add(&frame(3).index(i), &frame(5).index(i)).unwrap();
        }
        assert_eq!(whole, parts);
        assert!((0.0..1.0).contains(&whole.score()));
        assert!(whole.add(&Tensor::<f32>::zeros(&[4]), &Tensor::zeros(&[4])).is_err());
        assert!(FractionsSkillScore::new(f64::NAN, 3).is_err());
        let error = FractionsSkillScore::new(1.0, 0).unwrap_err().to_string();
        assert!(error.contains("0 x 0"), "{error}");
        assert!(FractionsSkillScore::new(1.0, 3).unwrap().score().is_nan());
    }
}
