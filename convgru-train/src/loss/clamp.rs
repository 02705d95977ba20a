//! Bounds of the predictions that a loss reads.

use std::fmt;

use convgru_model::{PredictionGradient, Scalar, Tensor};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// Bounds that predictions are clamped to before every loss, as `torch.clamp`:
///
/// ```text
/// c(x) = min(max(x, low), high)        dc/dx = 1 where low <= x <= high, else 0
/// ```
///
/// Of an ensemble each member is clamped, before losses take the mean over members. The gradient of a prediction outside
/// the bounds is zero, so the loss does not move it. NaN stays NaN.
///
/// In TOML and JSON: `"none"`, or a list of both bounds, in the values of frames.
///
/// ```
/// use convgru_model::{PredictionGradient, Tensor};
/// use convgru_train::loss::{Clamp, Loss, Objective, PredictedFrames, Truth};
///
/// let objective = Objective { clamp: Clamp::Range { low: -1.0, high: 1.0 }, ..Loss::L1.into() };
/// let frames = Tensor::from_vec(&[1, 1, 1, 1, 2], vec![1.0f64, 1.5])?;
/// let truth = Tensor::zeros(frames.shape());
/// let (forecast, truth) = (PredictedFrames { output: &frames, logits: &frames }, Truth { frames: &truth, valid: None });
/// let counts = objective.counts(&truth)?;
/// let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts)?;
/// assert_eq!(value, 1.0);
/// let PredictionGradient::Output(gradient) = gradient else { panic!("the loss is of the output") };
/// assert_eq!(gradient.as_slice(), [0.5, 0.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Clamp {
    /// No bounds.
    #[default]
    None,
    /// Predictions are clamped.
    Range {
        /// The lowest value.
        low: f64,
        /// The highest value, above the lowest.
        high: f64,
    },
}

impl Clamp {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Error::Config`] with both bounds, unless the first is below the second and both are finite.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Range { low, high } if !(low < high && low.is_finite() && high.is_finite()) => {
                refuse(format!(
                    "[{low}, {high}] is no range; give the lower bound and then the higher, such as [-1.0, 1.0], or \"none\""
                ))
            }
            _ => Ok(()),
        }
    }

    /// Bounds as they are in the arithmetic of predictions.
    fn bounds<T: Scalar>(self) -> Option<[f64; 2]> {
        match self {
            Self::None => None,
            Self::Range { low, high } => Some([low, high].map(|bound| T::from_f64(bound).to_f64())),
        }
    }

    /// The predictions within the bounds; none where there are no bounds.
    pub(super) fn apply<T: Scalar>(self, prediction: &Tensor<T>) -> Option<Tensor<T>> {
        let [low, high] = self.bounds::<T>()?;
        let mut clamped = prediction.clone();
        for value in clamped.as_mut_slice() {
            let number = value.to_f64();
            // Written so that NaN stays.
            let bound = if number < low {
                low
            } else if number > high {
                high
            } else {
                continue;
            };
            *value = T::from_f64(bound);
        }
        Some(clamped)
    }

    /// Takes the gradient away where a prediction lies beyond the bounds.
    pub(super) fn mask<T: Scalar>(self, prediction: &Tensor<T>, gradient: &mut PredictionGradient<T>) {
        let (Some([low, high]), PredictionGradient::Output(gradient)) = (self.bounds::<T>(), gradient) else {
            return;
        };
        for (slope, value) in gradient.as_mut_slice().iter_mut().zip(prediction.as_slice()) {
            if !(low..=high).contains(&value.to_f64()) {
                *slope = T::ZERO;
            }
        }
    }
}

pub(super) fn refuse<T>(reason: String) -> Result<T> {
    Err(Error::Config { field: "training.clamp".to_owned(), reason })
}

impl Serialize for Clamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Range { low, high } => [low, high].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Clamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(NoneOrBounds)
    }
}

struct NoneOrBounds;

impl<'de> Visitor<'de> for NoneOrBounds {
    type Value = Clamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"none\" or a list of two bounds, such as [-1.0, 1.0]")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<Clamp, E> {
        match name {
            "none" => Ok(Clamp::None),
            _ => Err(E::unknown_variant(name, &["none", "[LOW, HIGH]"])),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Clamp, A::Error> {
        let mut bounds = Vec::new();
        while let Some(bound) = list.next_element::<f64>()? {
            bounds.push(bound);
        }
        match bounds[..] {
            [low, high] => Ok(Clamp::Range { low, high }),
            _ => Err(de::Error::invalid_length(bounds.len(), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Loss, LossTerm, LossTerms, Objective, PredictedFrames, Truth};
    use crate::metric::Spread;

    const UNIT: Clamp = Clamp::Range { low: -1.0, high: 1.0 };

    #[test]
    fn bounds_are_read_written_and_checked() {
        for (text, clamp) in [("\"none\"", Clamp::None), ("[-1.0,1.0]", UNIT)] {
            assert_eq!(serde_json::to_string(&clamp).unwrap(), text);
            assert_eq!(serde_json::from_str::<Clamp>(text).unwrap(), clamp);
            clamp.validate().unwrap();
        }
        assert_eq!(serde_json::from_str::<Clamp>("[-1, 1]").unwrap(), UNIT);
        for (text, words) in [
            ("\"nothing\"", &["nothing", "none"][..]),
            ("[1.0]", &["length 1", "[-1.0, 1.0]"]),
            ("[1.0, 2.0, 3.0]", &["length 3", "two bounds"]),
            ("1.0", &["two bounds"]),
        ] {
            let error = serde_json::from_str::<Clamp>(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
        for (low, high) in [(1.0, -1.0), (0.5, 0.5), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            let error = Clamp::Range { low, high }.validate().unwrap_err().to_string();
            assert!(
                error.contains("`training.clamp`") && error.contains(&format!("[{low}, {high}]")),
                "{error}"
            );
        }
    }

    /// `torch.clamp(torch.tensor(x), -1, 1)` and its gradient: 1 at both bounds, 0 beyond them and of NaN, which stays.
    #[test]
    fn values_and_slopes_are_those_of_torch() {
        let x = Tensor::from_vec(&[6], vec![-1.5f32, -1.0, 0.25, 1.0, 1.000_000_1, f32::NAN]).unwrap();
        let clamped = UNIT.apply(&x).unwrap();
        assert_eq!(clamped.as_slice()[..5], [-1.0, -1.0, 0.25, 1.0, 1.0]);
        assert!(clamped.as_slice()[5].is_nan());
        let mut gradient = PredictionGradient::Output(Tensor::from_fn(&[6], |_| 1.0f32));
        UNIT.mask(&x, &mut gradient);
        let PredictionGradient::Output(gradient) = gradient else { panic!("of the output") };
        assert_eq!(gradient.as_slice(), [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        // A bound that 32 bits cannot hold exactly lets a prediction pass that equals the bound in 32 bits.
        let tenth = Clamp::Range { low: 0.0, high: 0.1 };
        let mut gradient = PredictionGradient::Output(Tensor::from_fn(&[1], |_| 1.0f32));
        tenth.mask(&Tensor::from_vec(&[1], vec![0.1f32]).unwrap(), &mut gradient);
        assert_eq!(gradient, PredictionGradient::Output(Tensor::from_fn(&[1], |_| 1.0f32)));
        assert!(Clamp::None.apply(&x).is_none());
    }

    /// Members are clamped one by one, and then the mean of a loss of the mean is formed.
    #[test]
    fn every_loss_sees_clamped_members() {
        let members = Tensor::from_vec(&[1, 1, 2, 1, 1], vec![3.0f64, 0.5]).unwrap();
        let truth = Tensor::zeros(&[1, 1, 1, 1, 1]);
        let term = |loss| LossTerm { loss, weight: 1.0 };
        let terms = LossTerms(vec![term(Loss::Mse), term(Loss::Crps { spread: Spread::Ensemble })]);
        let objective = Objective { clamp: UNIT, ..terms.into() };
        let (forecast, truth) =
            (PredictedFrames { output: &members, logits: &members }, Truth { frames: &truth, valid: None });
        let counts = objective.counts(&truth).unwrap();
        let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts).unwrap();
        assert_eq!(value, 0.75 * 0.75 + (0.75 - 0.5 / 4.0));
        assert_eq!(objective.value(&forecast, &truth).unwrap(), value);
        let PredictionGradient::Output(gradient) = gradient else { panic!("of the output") };
        assert_eq!(gradient.as_slice(), [0.0, 2.0 * 0.75 / 2.0 + (0.5 + 0.25)]);
    }

    #[test]
    fn logits_are_not_clamped() {
        let objective = Objective { clamp: UNIT, ..Loss::BceWithLogits { pos_weight: 1.0 }.into() };
        let error = objective.validate().unwrap_err().to_string();
        assert!(error.contains("bce-with-logits") && error.contains("`training.clamp`"), "{error}");
    }
}
