//! Scores of events: whether a value above a threshold was forecast and observed.

use convgru_model::{Scalar, Tensor};
use serde::{Deserialize, Serialize};

use super::check;
use crate::Result;

/// When a value is an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceedance {
    /// Above the threshold, as `pysteps.verification.det_cat_fct` counts.
    Above,
    /// At the threshold or above, as the tables on HKO-7 count (Shi et al., "Deep learning
    /// for precipitation nowcasting: a benchmark and a new model", 2017).
    AtLeast,
}

impl Exceedance {
    /// Whether a value is an event; NaN is none.
    pub(super) fn is(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::AtLeast => value >= threshold,
        }
    }
}

/// How often events were forecast and observed, and the scores that follow from that:
/// Wilks, "Statistical methods in the atmospheric sciences", in the names of
/// `pysteps.verification.detcatscores`.
///
/// With hits `H`, false alarms `F`, misses `M`, correct negatives `R` and `n` their sum:
///
/// | score | | best |
/// |---|---|---|
/// | [`pod`](Self::pod) | `H / (H + M)` | 1 |
/// | [`far`](Self::far) | `F / (H + F)` | 0 |
/// | [`fa`](Self::fa) | `F / (F + R)` | 0 |
/// | [`csi`](Self::csi) | `H / (H + F + M)` | 1 |
/// | [`bias`](Self::bias) | `(H + F) / (H + M)` | 1 |
/// | [`accuracy`](Self::accuracy) | `(H + R) / n` | 1 |
/// | [`f1`](Self::f1) | `2 H / (2 H + F + M)` | 1 |
/// | [`hss`](Self::hss) | `2 (H R - F M) / ((H + M) (M + R) + (H + F) (F + R))` | 1 |
/// | [`hk`](Self::hk) | `H / (H + M) - F / (F + R)` | 1 |
/// | [`gss`](Self::gss) | `(H - E) / (H + F + M - E)`, `E = (H + F) (H + M) / n` | 1 |
/// | [`mcc`](Self::mcc) | `(H R - F M) / sqrt((H + F) (H + M) (R + F) (R + M))` | 1 |
///
/// A score whose denominator is zero, because there was no event, is NaN.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::metric::{Contingency, Exceedance};
///
/// let forecast = Tensor::from_vec(&[5], vec![2.0f32, 2.0, 0.0, 0.0, 0.0])?;
/// let observed = Tensor::from_vec(&[5], vec![2.0f32, 0.0, 2.0, 0.0, 1.0])?;
/// let table = Contingency::count(&forecast, &observed, 1.0, Exceedance::Above)?;
/// assert_eq!((table.hits, table.false_alarms, table.misses, table.correct_negatives), (1, 1, 1, 2));
/// assert_eq!((table.csi(), table.pod(), table.far()), (1.0 / 3.0, 0.5, 0.5));
/// assert_eq!(Contingency::count(&forecast, &observed, 1.0, Exceedance::AtLeast)?.misses, 2);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contingency {
    /// Events that were forecast and observed.
    pub hits: u64,
    /// Events that were forecast alone.
    pub false_alarms: u64,
    /// Events that were observed alone.
    pub misses: u64,
    /// Values that were no event and not forecast as one.
    pub correct_negatives: u64,
}

impl Contingency {
    /// Counts over all elements. Those where one of the two is NaN or infinite, as where a
    /// radar does not reach, are left out.
    ///
    /// # Shapes
    /// forecast, observed: any, the same
    ///
    /// # Errors
    /// If the shapes differ or there are no elements.
    pub fn count<T: Scalar>(
        forecast: &Tensor<T>,
        observed: &Tensor<T>,
        threshold: f64,
        event: Exceedance,
    ) -> Result<Self> {
        check(forecast, observed)?;
        let mut table = Self::default();
        for (x, y) in forecast.as_slice().iter().zip(observed.as_slice()) {
            if !(x.is_finite() && y.is_finite()) {
                continue;
            }
            *match (event.is(x.to_f64(), threshold), event.is(y.to_f64(), threshold)) {
                (true, true) => &mut table.hits,
                (true, false) => &mut table.false_alarms,
                (false, true) => &mut table.misses,
                (false, false) => &mut table.correct_negatives,
            } += 1;
        }
        Ok(table)
    }

    /// Adds the counts of other elements.
    pub fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.false_alarms += other.false_alarms;
        self.misses += other.misses;
        self.correct_negatives += other.correct_negatives;
    }

    /// `H`, `F`, `M` and `R`.
    fn counts(&self) -> [f64; 4] {
        [self.hits, self.false_alarms, self.misses, self.correct_negatives].map(|count| count as f64)
    }

    /// The probability of detection, or hit rate.
    pub fn pod(&self) -> f64 {
        let [h, _, m, _] = self.counts();
        h / (h + m)
    }

    /// The false alarm ratio: the share of forecast events that were none.
    pub fn far(&self) -> f64 {
        let [h, f, _, _] = self.counts();
        f / (h + f)
    }

    /// The false alarm rate: the share of what was no event that was forecast as one.
    pub fn fa(&self) -> f64 {
        let [_, f, _, r] = self.counts();
        f / (f + r)
    }

    /// The critical success index, or threat score.
    pub fn csi(&self) -> f64 {
        let [h, f, m, _] = self.counts();
        h / (h + f + m)
    }

    /// The frequency bias: forecast events for each observed one.
    pub fn bias(&self) -> f64 {
        let [h, f, m, _] = self.counts();
        (h + f) / (h + m)
    }

    /// The share of correct forecasts.
    pub fn accuracy(&self) -> f64 {
        let [h, f, m, r] = self.counts();
        (h + r) / (h + f + m + r)
    }

    /// The harmonic mean of detection and precision.
    pub fn f1(&self) -> f64 {
        let [h, f, m, _] = self.counts();
        2.0 * h / (2.0 * h + f + m)
    }

    /// The Heidke skill score.
    pub fn hss(&self) -> f64 {
        let [h, f, m, r] = self.counts();
        2.0 * (h * r - f * m) / ((h + m) * (m + r) + (h + f) * (f + r))
    }

    /// The discriminant of Hanssen and Kuipers.
    pub fn hk(&self) -> f64 {
        self.pod() - self.fa()
    }

    /// The Gilbert skill score, or equitable threat score.
    pub fn gss(&self) -> f64 {
        let [h, f, m, r] = self.counts();
        let expected = (h + f) * (h + m) / (h + f + m + r);
        (h - expected) / (h + f + m - expected)
    }

    /// The correlation coefficient of Matthews.
    pub fn mcc(&self) -> f64 {
        let [h, f, m, r] = self.counts();
        (h * r - f * m) / ((h + f) * (h + m) * (r + f) * (r + m)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::parity_file;

    #[test]
    fn scores_are_those_of_pysteps() {
        let file = parity_file("metrics.safetensors");
        let (forecast, observed) = (file.tensor("rain.forecast"), file.tensor("rain.observed"));
        for (i, &threshold) in file.values("rain.thresholds").iter().enumerate() {
            let table = Contingency::count(forecast, observed, threshold, Exceedance::Above).unwrap();
            assert_eq!(table.counts(), file.tensor("score.table").slice(i));
            for (name, score) in [
                ("POD", table.pod()),
                ("FAR", table.far()),
                ("FA", table.fa()),
                ("CSI", table.csi()),
                ("BIAS", table.bias()),
                ("ACC", table.accuracy()),
                ("F1", table.f1()),
                ("HSS", table.hss()),
                ("HK", table.hk()),
                ("GSS", table.gss()),
                ("MCC", table.mcc()),
            ] {
                let expected = file.values(&format!("score.{name}"))[i];
                assert!((score - expected).abs() <= 1e-12, "{name}: {score} instead of {expected}");
            }
            let table = Contingency::count(forecast, observed, threshold, Exceedance::AtLeast).unwrap();
            assert_eq!(table.counts(), file.tensor("score_ge.table").slice(i));
            assert!((table.csi() - file.values("score_ge.CSI")[i]).abs() <= 1e-12);
        }
        assert_ne!(file.values("score.table"), file.values("score_ge.table"), "the conventions differ");
    }

    #[test]
    fn counts_add_up_over_frames_and_leave_out_what_is_no_number() {
        let forecast = Tensor::from_vec(&[2, 2], vec![1.0, f64::NAN, 0.0, 1.0]).unwrap();
        let observed = Tensor::from_vec(&[2, 2], vec![1.0, 1.0, 1.0, f64::INFINITY]).unwrap();
        let whole = Contingency::count(&forecast, &observed, 0.5, Exceedance::Above).unwrap();
        assert_eq!(whole, Contingency { hits: 1, misses: 1, ..Contingency::default() });
        let mut sum = Contingency::default();
        for frame in 0..2 {
            let (x, y) = (forecast.index(frame), observed.index(frame));
            sum.add(&Contingency::count(&x, &y, 0.5, Exceedance::Above).unwrap());
        }
        assert_eq!(sum, whole);
    }

    #[test]
    fn scores_without_events_are_no_numbers() {
        let dry = Tensor::<f32>::zeros(&[3]);
        let table = Contingency::count(&dry, &dry, 0.0, Exceedance::Above).unwrap();
        assert_eq!((table.correct_negatives, table.accuracy()), (3, 1.0));
        assert!(table.csi().is_nan() && table.pod().is_nan() && table.mcc().is_nan());
        assert!(Contingency::count(&dry, &Tensor::zeros(&[2]), 0.0, Exceedance::Above).is_err());
    }
}
