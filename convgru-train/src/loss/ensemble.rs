//! The score of an ensemble of forecasts as a loss.

use convgru_model::Scalar;

use super::reduce::Elements;
use crate::metric::Spread;
use crate::parallel;

/// The continuous ranked probability score of `K` forecasts of the same frames: [`metric::crps`](crate::metric::crps())
/// with its gradient.
///
/// ```text
/// L = sum over k of |X_k - y| / K  -  sum over j < k of |X_j - X_k| / c
/// c = K^2, or the divisor of another Spread
/// dL/dX_k = sign(X_k - y) / K  -  sum over j of sign(X_k - X_j) / c,  each sign zero at zero
/// ```
///
/// The forecasts lie in groups of channels, as a head with `K` times the channels gives them:
/// member `k` has the channels `k C` to `(k + 1) C`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct EnsembleScore {
    /// Members of the ensemble, at least 2.
    pub(super) members: usize,
    /// How the spread is estimated.
    pub(super) spread: Spread,
}

impl EnsembleScore {
    /// The sum of the scores of known elements; adds their derivatives with a factor. Predictions are the predictions of the members of
    /// one sample of `sample` elements after the other.
    pub(super) fn sum<T: Scalar>(
        &self,
        each: Elements<'_, T>,
        sample: usize,
        gradient: Option<(&mut [T], f64)>,
    ) -> f64 {
        let all = self.members * sample;
        // An item is a sample of a lead time: its members lie one after the other.
        let of_item = |item: usize, mut gradient: Option<(&mut [T], f64)>| {
            let members = &each.x[item * all..][..all];
            let known = |element: &usize| {
                each.weight.get(item * sample + element).is_none_or(|weight| weight.to_f64() != 0.0)
            };
            let mut x = vec![0.0; self.members];
            let mut sum = 0.0;
            for element in (0..sample).filter(known) {
                x.iter_mut().enumerate().for_each(|(k, x)| *x = members[k * sample + element].to_f64());
                let y = each.y[item * sample + element].to_f64();
                sum += self.of_element(&x, y, |k, slope| {
                    if let Some((dx, scale)) = &mut gradient {
                        let dx = &mut dx[k * sample + element];
                        *dx = T::from_f64(dx.to_f64() + slope * *scale);
                    }
                });
            }
            sum
        };
        match gradient {
            None => parallel::sum(each.x.len() / all, &|item| of_item(item, None)),
            Some((dx, scale)) => parallel::sum_parts(dx, all, &|item, dx| of_item(item, Some((dx, scale)))),
        }
    }

    /// The score of one element; calls `visit` with the derivative by each member.
    fn of_element(&self, x: &[f64], y: f64, mut visit: impl FnMut(usize, f64)) -> f64 {
        let (members, pairs) = (self.members as f64, self.spread.pairs(self.members));
        let mut value = 0.0;
        for (k, &member) in x.iter().enumerate() {
            let mut slope = sign(member - y) / members;
            value += (member - y).abs() / members;
            for (j, &other) in x.iter().enumerate() {
                slope -= sign(member - other) / pairs;
                if j < k {
                    value -= (member - other).abs() / pairs;
                }
            }
            visit(k, slope);
        }
        value
    }
}

/// The sign, and zero of zero.
fn sign(d: f64) -> f64 {
    if d == 0.0 { 0.0 } else { d.signum() }
}

#[cfg(test)]
mod tests {
    use convgru_model::{PredictionGradient, Tensor};

    use super::*;
    use crate::loss::{Loss, Objective, PredictedFrames, Truth};
    use crate::metric::crps;

    fn score(spread: Spread, members: &Tensor<f64>, truth: &Truth<'_, f64>) -> (f64, Tensor<f64>) {
        let objective = Objective::from(Loss::Crps { spread });
        let forecast = PredictedFrames { output: members, logits: members };
        let counts = objective.counts(truth).unwrap();
        match objective.value_and_gradient(&forecast, truth, &counts).unwrap() {
            (value, PredictionGradient::Output(gradient)) => (value, gradient),
            (_, PredictionGradient::Logits(_)) => panic!("the score is not of logits"),
        }
    }

    #[test]
    fn two_members_on_either_side_of_the_truth_are_scored_by_hand() {
        let members = Tensor::from_vec(&[1, 1, 2, 1, 1], vec![1.0f64, 3.0]).unwrap();
        let truth = Tensor::from_vec(&[1, 1, 1, 1, 1], vec![2.0]).unwrap();
        let (value, gradient) = score(Spread::Ensemble, &members, &Truth { frames: &truth, valid: None });
        assert_eq!(value, 1.0 - 0.5);
        assert_eq!(gradient.as_slice(), [-0.5 + 0.25, 0.5 - 0.25]);
    }

    #[test]
    fn scores_are_those_of_the_metric() {
        let ensemble = Tensor::<f64>::from_fn(&[4, 6], |i| ((i * 7) % 11) as f64 * 0.3);
        let observed = Tensor::<f64>::from_fn(&[6], |i| i as f64 * 0.5);
        for spread in [Spread::Ensemble, Spread::Fair, Spread::AlmostFair { alpha: 0.6 }] {
            let expected: f64 =
                crps(&ensemble, &observed, spread).unwrap().as_slice().iter().sum::<f64>() / 6.0;
            let members = ensemble.clone().reshape(&[1, 1, 4, 2, 3]).unwrap();
            let truth = observed.clone().reshape(&[1, 1, 1, 2, 3]).unwrap();
            let (value, _) = score(spread, &members, &Truth { frames: &truth, valid: None });
            assert!((value - expected).abs() < 1e-13, "{value} instead of {expected}");
        }
    }

    #[test]
    fn unknown_elements_count_nothing() {
        let members = Tensor::<f64>::from_fn(&[1, 1, 2, 1, 2], |i| [1.0, f64::NAN, 3.0, 5.0][i]);
        let truth = Tensor::from_vec(&[1, 1, 1, 1, 2], vec![2.0, f64::NAN]).unwrap();
        let valid = Tensor::from_vec(truth.shape(), vec![1.0, 0.0]).unwrap();
        let (value, gradient) = score(Spread::Fair, &members, &Truth { frames: &truth, valid: Some(&valid) });
        assert_eq!((value, gradient.as_slice()), (0.0, &[0.0, 0.0, 0.0, 0.0][..]));
        let none = Tensor::zeros(truth.shape());
        let (value, _) = score(Spread::Fair, &members, &Truth { frames: &truth, valid: Some(&none) });
        assert_eq!(value, 0.0);
    }

    #[test]
    fn shapes_are_checked() {
        let truth = Tensor::<f32>::zeros(&[2, 1, 1, 2, 3]);
        let of = |shape: &[usize]| Loss::Crps { spread: Spread::Fair }.value(&Tensor::zeros(shape), &truth);
        of(&[2, 1, 3, 2, 3]).unwrap();
        let error = of(&[2, 2, 2, 2, 3]).unwrap_err().to_string();
        assert!(error.contains("[2, 2, 2, 2, 3]") && error.contains("[2, 1, 2, 2, 3]"), "{error}");
    }

    #[test]
    fn thread_counts_do_not_change_a_bit() {
        let members = Tensor::<f32>::from_fn(&[3, 2, 6, 17, 19], |i| (i as f32 * 0.37).sin());
        let truth = Tensor::<f32>::from_fn(&[3, 2, 2, 17, 19], |i| (i as f32 * 0.11).cos());
        let loss = Loss::Crps { spread: Spread::Fair };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| loss.value_and_gradient(&members, &truth).unwrap())
        };
        let (value, gradient) = run(1);
        for threads in [2, 5] {
            let other = run(threads);
            assert_eq!((value.to_bits(), &gradient), (other.0.to_bits(), &other.1));
        }
    }
}
