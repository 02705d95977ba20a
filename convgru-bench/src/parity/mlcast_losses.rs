//! Losses of mlcast's package with their gradients, as `peers/python/record_mlcast.py` recorded them.

use std::collections::BTreeMap;

use convgru_model::{PredictionGradient, Tensor};
use convgru_train::Result;
use convgru_train::loss::{Clamp, Loss, LossTerm, LossTerms, Objective, PredictedFrames, Truth};
use convgru_train::metric::Spread;
use serde::Deserialize;

use super::{Errors, Record};

/// Tensors that losses are computed from.
const INPUTS: [&str; 4] = ["prediction", "target", "valid", "valid_always"];

/// The settings of a recorded loss, in the package's words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// `crps` or `afcrps`.
    class: String,
    alpha: Option<f64>,
    #[serde(default)]
    temporal_lambda: f64,
    clamp: Option<[f64; 2]>,
    /// The tensor with the known pixels.
    mask: Option<String>,
}

impl Case {
    fn objective(&self, record: &Record) -> Result<Objective> {
        let spread = match (self.class.as_str(), self.alpha) {
            ("crps", None) => Spread::Ensemble,
            ("afcrps", Some(1.0)) => Spread::Fair,
            ("afcrps", Some(alpha)) => Spread::AlmostFair { alpha },
            (class, alpha) => {
                return Err(record.refuse(format!("the loss {class} with alpha {alpha:?} is none of ours")));
            }
        };
        let mut terms = vec![LossTerm { loss: Loss::Crps { spread }, weight: 1.0 }];
        if self.temporal_lambda != 0.0 {
            terms.push(LossTerm { loss: Loss::TemporalPenalty, weight: self.temporal_lambda });
        }
        let clamp = self.clamp.map_or(Clamp::None, |[low, high]| Clamp::Range { low, high });
        Ok(Objective { clamp, ..LossTerms(terms).into() })
    }
}

/// Computes every recorded loss and its gradient and compares.
pub(super) fn compare(record: &Record) -> Result<Errors> {
    let cases: BTreeMap<String, Case> = serde_json::from_str(record.metadata("cases").unwrap_or_default())
        .map_err(|error| record.refuse(format!("`cases` of the header: {error}")))?;
    let prediction = record.tensor("prediction")?;
    let mut errors = Errors::default();
    for (name, case) in &cases {
        let valid = case.mask.as_ref().map(|mask| record.tensor(mask)).transpose()?;
        let truth = Truth { frames: record.tensor("target")?, valid };
        let objective = case.objective(record)?;
        let counts = objective.counts(&truth)?;
        let forecast = PredictedFrames { output: prediction, logits: prediction };
        let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts)?;
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        errors.output(record, &format!("{name}.loss"), &Tensor::from_vec(&[1], vec![value])?)?;
        errors.gradient(record, &format!("{name}.grad"), &gradient)?;
    }
    // Nothing that is recorded goes without a comparison.
    let of_case = |name: &str| name.rsplit_once('.').is_some_and(|(case, _)| cases.contains_key(case));
    match record.names().find(|name| !INPUTS.contains(name) && !of_case(name)) {
        Some(name) => Err(record.refuse(format!("`{name}` belongs to no case"))),
        None => Ok(errors),
    }
}
