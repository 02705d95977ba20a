//! Weights of pixels by how much it really rained there.

use serde::{Deserialize, Serialize};

use crate::dataset::Transform;

/// Steps of the weight of a pixel over its true value: Shi et al., "Deep learning for
/// precipitation nowcasting: a benchmark and a new model", 2017 (arXiv 1706.03458).
///
/// Below `thresholds[0]` a pixel weighs `weights[0]`, from `thresholds[i]` on
/// `weights[i + 1]`. The defaults come from the paper: 1, 2, 5, 10 and 30 below 2, 5, 10
/// and 30 mm/h and above.
///
/// ```
/// use convgru_train::loss::RainWeights;
///
/// let rain = RainWeights::default();
/// assert_eq!([0.0, 2.0, 9.9, 80.0].map(|rate| rain.of(rate)), [1.0, 2.0, 5.0, 30.0]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RainWeights {
    /// Where the weight changes, in the unit of the data, rising.
    pub thresholds: Vec<f64>,
    /// The weights between them, one more; not negative, not all zero.
    pub weights: Vec<f64>,
}

impl Default for RainWeights {
    fn default() -> Self {
        Self { thresholds: vec![2.0, 5.0, 10.0, 30.0], weights: vec![1.0, 2.0, 5.0, 10.0, 30.0] }
    }
}

impl RainWeights {
    /// What is wrong with the first field out of its range.
    pub(super) fn fault(&self) -> Option<String> {
        let Self { thresholds, weights } = self;
        if weights.len() != thresholds.len() + 1 {
            let needed = thresholds.len() + 1;
            return Some(format!(
                "weights: {} weights where {needed} are needed, one more than thresholds",
                weights.len()
            ));
        }
        if let Some(weight) = weights.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
            return Some(format!("weights: {weight} is not zero or a positive number"));
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Some("weights: all are 0; nothing would be learned".to_owned());
        }
        let rises = thresholds.windows(2).all(|pair| pair[0] < pair[1]);
        if !rises || thresholds.iter().any(|threshold| !threshold.is_finite()) {
            return Some(format!("thresholds: {thresholds:?} do not rise"));
        }
        None
    }

    /// The same steps over the values of pixels that stand for numbers of the unit. Thresholds
    /// beyond the range of values are never reached; those below it by every value above 0.
    pub fn over_values(&self, transform: &Transform) -> Self {
        let mut reached: Vec<(f64, f64)> = Vec::new();
        for (&threshold, &weight) in self.thresholds.iter().zip(self.weights.iter().skip(1)) {
            let value = transform.from_units(threshold);
            let off = (transform.to_units(value) - threshold).abs();
            // What lies beyond the range was clamped to one of its ends.
            if off <= 1e-6 * threshold.abs().max(1e-6) {
                reached.push((value, weight));
            } else if value <= 0.0 {
                reached.retain(|(value, _)| *value < f64::MIN_POSITIVE);
                reached.push((f64::MIN_POSITIVE, weight));
            }
        }
        let (thresholds, above): (Vec<f64>, Vec<f64>) = reached.into_iter().unzip();
        Self { thresholds, weights: self.weights.iter().take(1).copied().chain(above).collect() }
    }

    /// The weight of a pixel of this true value.
    pub fn of(&self, truth: f64) -> f64 {
        let step = self.thresholds.partition_point(|threshold| truth >= *threshold);
        self.weights.get(step).copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Reflectivity;
    use crate::loss::Loss;

    #[test]
    fn the_weight_changes_at_the_thresholds() {
        let rain = RainWeights::default();
        for (rate, weight) in [(-1.0, 1.0), (1.999, 1.0), (2.0, 2.0), (5.0, 5.0), (10.0, 10.0), (30.0, 30.0)]
        {
            assert_eq!(rain.of(rate), weight, "{rate} mm/h");
        }
        assert_eq!(RainWeights { thresholds: vec![], weights: vec![3.0] }.of(1.0), 3.0);
    }

    #[test]
    fn thresholds_of_a_unit_become_those_of_values() {
        let rain = RainWeights::default();
        let transform = Transform::Logarithm { knee: 1.0, highest: 20.0 };
        let values = rain.over_values(&transform);
        assert_eq!(values.weights, [1.0, 2.0, 5.0, 10.0], "30 mm/h lie beyond the range");
        for rate in [0.5, 1.9, 2.1, 6.0, 11.0, 19.0] {
            assert_eq!(values.of(transform.from_units(rate)), rain.of(rate), "{rate} mm/h");
        }
        assert_eq!(values.fault(), None);
        let plain = Transform::Linear { scale: 1.0, offset: 0.0 };
        assert_eq!(rain.over_values(&plain), rain);
        // 2 and 5 mm/h lie below 35 dBZ, where values begin.
        let strong = Reflectivity { low: 38.0, high: 60.0, a: 223.0, b: 1.53 };
        let transform = Transform::Reflectivity(strong);
        let values = rain.over_values(&transform);
        assert_eq!(values.fault(), None);
        assert_eq!(values.of(0.0), 1.0, "no rain");
        for value in [0.01, 0.2, 0.9] {
            assert_eq!(values.of(value), rain.of(transform.to_units(value)), "{value}");
        }
        // Rates below 38 dBZ have no value of their own, except no rain.
        let of = |thresholds: &[f64], weights: &[f64]| RainWeights {
            thresholds: thresholds.to_vec(),
            weights: weights.to_vec(),
        };
        let values = of(&[0.0, 2.0], &[1.0, 3.0, 5.0]).over_values(&transform);
        assert_eq!([-0.1, 0.0, 0.01].map(|value| values.of(value)), [1.0, 3.0, 5.0]);
        let values = of(&[5e-4], &[1.0, 3.0]).over_values(&transform);
        assert_eq!([0.0, 0.01].map(|value| values.of(value)), [1.0, 3.0]);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let ok = RainWeights::default();
        assert_eq!(ok.fault(), None);
        let few = RainWeights { weights: vec![1.0], ..ok.clone() }.fault().unwrap();
        assert!(few.contains("1 weights where 5 are needed"), "{few}");
        for (rain, field) in [
            (RainWeights { weights: vec![1.0], ..ok.clone() }, "rain.weights"),
            (RainWeights { weights: vec![1.0, -1.0, 1.0, 1.0, 1.0], ..ok.clone() }, "rain.weights"),
            (RainWeights { weights: vec![0.0; 5], ..ok.clone() }, "rain.weights"),
            (RainWeights { thresholds: vec![2.0, 2.0, 3.0, 4.0], ..ok.clone() }, "rain.thresholds"),
            (RainWeights { thresholds: vec![2.0, 3.0, 4.0, f64::NAN], ..ok.clone() }, "rain.thresholds"),
        ] {
            let error = Loss::BalancedMse { rain }.validate().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
