//! Continuous ranked probability score of an ensemble of forecasts.

use convgru_model::{Scalar, Tensor};
use rayon::prelude::*;

use super::Spread;
use crate::{Error, Result};

/// The continuous ranked probability score at every element: Matheson and Winkler, "Scoring
/// rules for continuous probability distributions", 1976, as in Gneiting and Raftery,
/// "Strictly proper scoring rules, prediction, and estimation", 2007. With `K` members `X`
/// and the observation `y`:
///
/// ```text
/// CRPS = sum over k of |X_k - y| / K  -  sum over j, k of |X_j - X_k| / (2 K^2)
/// ```
///
/// and `2 c` in place of `2 K^2` with the `c` of another [`Spread`]. It is in the unit of the
/// values, zero is best; of a single member it is the absolute error. Members equal to the
/// observation, such as zeros of rain, count like all others.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::metric::{Spread, crps};
///
/// let ensemble = Tensor::from_vec(&[2, 1], vec![1.0f64, 3.0])?;
/// let observed = Tensor::from_vec(&[1], vec![2.0])?;
/// assert_eq!(crps(&ensemble, &observed, Spread::Ensemble)?.as_slice(), [0.5]);
/// assert_eq!(crps(&ensemble, &observed, Spread::Fair)?.as_slice(), [0.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
///
/// # Shapes
/// ensemble: `[K, ...]`, observed: `[...]`; scores: `[...]`
///
/// # Errors
/// If a member has another shape than the observation, there are no elements, or there are
/// fewer members than the spread needs, 1 for [`Spread::Ensemble`] and 2 for the others, or its constant is out of its range.
pub fn crps<T: Scalar>(ensemble: &Tensor<T>, observed: &Tensor<T>, spread: Spread) -> Result<Tensor<f64>> {
    let mismatch = || {
        Error::Model(convgru_model::Error::ShapeMismatch {
            what: "the ensemble of forecasts".into(),
            expected: format!("[K, ...] with the observation's {:?}", observed.shape()),
            got: ensemble.shape().to_vec(),
        })
    };
    let (&members, shape) = ensemble.shape().split_first().ok_or_else(mismatch)?;
    if shape != observed.shape() {
        return Err(mismatch());
    }
    let needed = spread.fewest_members();
    if members < needed || observed.is_empty() {
        return Err(Error::Data {
            what: "the ensemble of forecasts".into(),
            reason: format!(
                "{members} members of {} numbers where at least {needed} members of 1 are needed",
                observed.len()
            ),
        });
    }
    if let Some(reason) = spread.fault() {
        return Err(Error::Data { what: "the spread of an ensemble".into(), reason });
    }
    let values = ensemble.as_slice();
    let score = |(i, y): (usize, &T)| {
        let x = (0..members).map(|k| values[k * observed.len() + i].to_f64());
        score(x.collect(), y.to_f64(), spread)
    };
    let scores = observed.as_slice().par_iter().enumerate().map(score).collect();
    Ok(Tensor::from_vec(shape, scores)?)
}

/// The score of one element.
fn score(mut x: Vec<f64>, y: f64, spread: Spread) -> f64 {
    let count = spread.pairs(x.len());
    let [error, pairs] = error_and_pairs(&mut x, y);
    error - pairs / count
}

/// The mean of `|X_k - y|` and the sum of `|X_j - X_k|` over pairs `j < k`; sorts the members.
pub(super) fn error_and_pairs(x: &mut [f64], y: f64) -> [f64; 2] {
    let members = x.len() as f64;
    let error = x.iter().map(|x| (x - y).abs()).sum::<f64>() / members;
    // For sorted members that sum is the sum of (2 k - K + 1) X_k.
    x.sort_by(f64::total_cmp);
    let ranked = x.iter().enumerate().map(|(k, x)| (2.0 * k as f64 - members + 1.0) * x);
    [error, ranked.sum()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{parity_file, worst_difference};

    #[test]
    fn scores_are_those_of_properscoring() {
        let file = parity_file("metrics.safetensors");
        for (ensemble, observed, scores, spread) in [
            ("ensemble", "observed", "values", Spread::Ensemble),
            ("ensemble", "observed", "fair_values", Spread::Fair),
            ("tie_ensemble", "tie_observed", "tie_values", Spread::Ensemble),
        ] {
            let [ensemble, observed, expected] =
                [ensemble, observed, scores].map(|name| file.tensor(&format!("crps.{name}")));
            let got = crps(ensemble, observed, spread).unwrap();
            assert_eq!(got.shape(), expected.shape());
            let worst = worst_difference(got.as_slice(), expected.as_slice());
            assert!(worst <= 1e-13, "{scores} off by {worst}");
        }
    }

    #[test]
    fn shapes_and_numbers_of_members_are_checked() {
        let observed = Tensor::<f32>::zeros(&[2, 3]);
        let error = crps(&Tensor::zeros(&[4, 3, 2]), &observed, Spread::Ensemble).unwrap_err().to_string();
        assert!(error.contains("[4, 3, 2]") && error.contains("[2, 3]"), "{error}");
        let one = Tensor::zeros(&[1, 2, 3]);
        crps(&one, &observed, Spread::Ensemble).unwrap();
        let error = crps(&one, &observed, Spread::Fair).unwrap_err().to_string();
        assert!(error.contains("1 members") && error.contains("at least 2"), "{error}");
        let error = crps(&one, &observed, Spread::ALMOST_FAIR).unwrap_err().to_string();
        assert!(error.contains("1 members") && error.contains("at least 2"), "{error}");
        for alpha in [0.0, -0.1, 1.1, f64::NAN] {
            let two = Tensor::zeros(&[2, 2, 3]);
            let error = crps(&two, &observed, Spread::AlmostFair { alpha }).unwrap_err().to_string();
            assert!(error.contains(&format!("alpha: {alpha} is not above 0 and at most 1")), "{error}");
        }
        assert!(crps(&Tensor::zeros(&[0, 2, 3]), &observed, Spread::Ensemble).is_err());
        assert!(crps(&Tensor::<f32>::zeros(&[]), &observed, Spread::Ensemble).is_err());
        let nan = Tensor::from_vec(&[2, 1], vec![f64::NAN, 1.0]).unwrap();
        assert!(crps(&nan, &Tensor::zeros(&[1]), Spread::Ensemble).unwrap().as_slice()[0].is_nan());
    }

    proptest! {
        /// The definition over all pairs, ties among them.
        #[test]
        fn scores_are_the_definition(
            x in prop::collection::vec((-4i8..4).prop_map(f64::from), 2..8),
            y in -4.0f64..4.0,
        ) {
            let members = x.len() as f64;
            let error = x.iter().map(|x| (x - y).abs()).sum::<f64>() / members;
            let pairs: f64 = x.iter().flat_map(|a| x.iter().map(move |b| (a - b).abs())).sum();
            for (spread, count) in
                [(Spread::Ensemble, members * members), (Spread::Fair, members * (members - 1.0))]
            {
                let got = score(x.clone(), y, spread);
                prop_assert!((got - (error - pairs / (2.0 * count))).abs() < 1e-12);
            }
            // Equation 4 of Lang et al. as it stands there: a sum over ordered pairs of different members.
            let alpha = 0.3;
            let ordered = (0..x.len()).flat_map(|j| (0..x.len()).filter(move |&k| k != j).map(move |k| (j, k)));
            let of_pair = |(j, k): (usize, usize)| {
                let epsilon = (1.0 - alpha) / members;
                (x[j] - y).abs() + (x[k] - y).abs() - (1.0 - epsilon) * (x[j] - x[k]).abs()
            };
            let expected = ordered.map(of_pair).sum::<f64>() / (2.0 * members * (members - 1.0));
            let got = score(x.clone(), y, Spread::AlmostFair { alpha });
            prop_assert!((got - expected).abs() < 1e-12);
        }
    }
}
