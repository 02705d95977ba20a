//! What a run minimises: a weighted sum of losses over lead times and known pixels.

use convgru_model::{PredictionGradient, Scalar, Tensor, mean_of_members};

use super::ensemble_members::{members_of, share_out};
use super::lead_times::LeadTimes;
use super::{Clamp, LeadWeights, Loss, LossTerm, LossTerms, clamp, invalid};
use crate::Result;
use crate::dataset::Batch;

/// A weighted sum of losses of predicted frames.
///
/// Each loss is the weighted mean of its parts (elements; pairs of neighbours; windows):
///
/// ```text
/// L = sum over losses k of weight_k  (sum over t of lead_t sum of parts_kt) / (sum over t of lead_t count_kt)
/// ```
///
/// where a part counts if the truth of all its pixels is known. A loss without such parts is 0.
///
/// Of an ensemble, whose prediction has `K` times the channels of the truth, all losses are those of the mean over the members
/// but for [`Loss::Crps`] and [`Loss::TemporalPenalty`], which are of the members. A loss of logits is none of an ensemble: the mean of
/// probabilities has no logits that the network computed.
///
/// ```
/// use convgru_model::{PredictionGradient, Tensor};
/// use convgru_train::loss::{PredictedFrames, Loss, Objective, Truth};
///
/// let objective = Objective::from(Loss::Mse);
/// let (frames, logits) = (Tensor::from_fn(&[2, 1, 1, 1, 2], |i| i as f64), Tensor::zeros(&[2, 1, 1, 1, 2]));
/// let forecast = PredictedFrames { output: &frames, logits: &logits };
/// let truth = Tensor::zeros(frames.shape());
/// // Nothing is known of the second frame.
/// let valid = Tensor::from_fn(frames.shape(), |i| if i < 2 { 1.0 } else { 0.0 });
/// let truth = Truth { frames: &truth, valid: Some(&valid) };
/// let counts = objective.counts(&truth)?;
/// let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts)?;
/// assert_eq!(value, 0.5);
/// let PredictionGradient::Output(gradient) = gradient else { panic!("the loss is of the output") };
/// assert_eq!(gradient.as_slice(), [0.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The losses and their shares; thresholds of balanced losses are in the values of frames.
    pub terms: LossTerms,
    /// How much each lead time counts.
    pub lead_weights: LeadWeights,
    /// Bounds that predictions are clamped to before every loss.
    pub clamp: Clamp,
}

impl<L: Into<LossTerms>> From<L> for Objective {
    /// With equal lead times, without a clamp.
    fn from(terms: L) -> Self {
        Self { terms: terms.into(), lead_weights: LeadWeights::default(), clamp: Clamp::default() }
    }
}

/// Predicted frames, `[T, N, C, H, W]`, or `[T, N, K C, H, W]` of `K` members, the channels of the first one first.
#[derive(Clone, Copy, Debug)]
pub struct PredictedFrames<'a, T> {
    /// After the output activation.
    pub output: &'a Tensor<T>,
    /// Before it.
    pub logits: &'a Tensor<T>,
}

impl<'a, T> PredictedFrames<'a, T> {
    /// With another output, if there is one.
    fn with_output(self, output: Option<&'a Tensor<T>>) -> Self {
        Self { output: output.unwrap_or(self.output), ..self }
    }
}

/// True frames, `[T, N, C, H, W]`.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a, T> {
    /// Their pixels; what they hold where nothing is known means nothing, NaN included.
    pub frames: &'a Tensor<T>,
    /// 1 where a pixel is known and 0 where it is not, of the same shape; all are known if absent.
    pub valid: Option<&'a Tensor<T>>,
}

impl<'a> From<&'a Batch> for Truth<'a, f32> {
    fn from(batch: &'a Batch) -> Self {
        Self { frames: &batch.frames, valid: batch.valid.as_ref() }
    }
}

/// How many parts each loss has in some true frames, weighted by lead time. The parts of a batch are
/// the sum over its micro-batches.
#[derive(Clone, Debug, PartialEq)]
pub struct PartCounts(Vec<f64>);

impl PartCounts {
    /// Whether no loss has any part: nothing is known of the truth.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0.0)
    }
}

impl Objective {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        if self.terms.0.is_empty() {
            return Err(invalid("the list is empty; nothing would be learned".to_owned()));
        }
        for LossTerm { loss, weight } in &self.terms.0 {
            if !(*weight > 0.0 && weight.is_finite()) {
                return Err(invalid(format!("the weight {weight} of {} is not above 0", loss.name())));
            }
            loss.validate()?;
        }
        if self.clamp != Clamp::None && self.terms.on_logits() {
            let reason =
                format!("clamps predictions, but {} compares logits; set it to \"none\"", self.terms);
            return clamp::refuse(reason);
        }
        self.clamp.validate()
    }

    /// The parts of each loss in true frames.
    ///
    /// # Errors
    /// If the shapes do not fit or a field is out of its range.
    pub fn counts<T: Scalar>(&self, truth: &Truth<'_, T>) -> Result<PartCounts> {
        let leads = LeadTimes::new(self, truth.frames, truth, 1)?;
        let count = |loss| leads.steps().map(|(t, lead)| lead * leads.count(t, loss)).sum();
        Ok(PartCounts(self.terms.0.iter().map(|term| count(&term.loss)).collect()))
    }

    /// The objective.
    ///
    /// Sums are formed in `f64` whatever `T` is, with the same bits for any number of threads.
    /// NaN and infinities in the prediction make it NaN or infinite where the truth is known.
    ///
    /// # Errors
    /// If the shapes do not fit or a field is out of its range.
    pub fn value<T: Scalar>(&self, forecast: &PredictedFrames<'_, T>, truth: &Truth<'_, T>) -> Result<f64> {
        let counts = self.counts(truth)?;
        let clamped = self.clamp.apply(forecast.output);
        self.evaluate(&forecast.with_output(clamped.as_ref()), truth, &counts, None)
    }

    /// The objective and its gradient; with `counts` of a larger batch, the share of these frames.
    ///
    /// Where losses of logits and of the output are summed, the output must be the sigmoid of
    /// the logits, and the gradient is the gradient of the logits.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_and_gradient<T: Scalar>(
        &self,
        forecast: &PredictedFrames<'_, T>,
        truth: &Truth<'_, T>,
        counts: &PartCounts,
    ) -> Result<(f64, PredictionGradient<T>)> {
        let any = |of: &dyn Fn(&Loss) -> bool| self.terms.0.iter().any(|term| of(&term.loss));
        let zeros = |wanted: bool, of: &Tensor<T>| wanted.then(|| Tensor::zeros(of.shape()));
        let members = members_of(forecast.output, truth.frames);
        let of_mean = members > 1 && any(&|loss| !loss.on_members());
        let mut gradients = Gradients {
            output: zeros(any(&|loss| !loss.on_logits()), forecast.output),
            mean: zeros(of_mean, truth.frames),
            logits: zeros(any(&Loss::on_logits), forecast.logits),
        };
        let clamped = self.clamp.apply(forecast.output);
        let seen = forecast.with_output(clamped.as_ref());
        let value = self.evaluate(&seen, truth, counts, Some(&mut gradients))?;
        if let (Some(output), Some(mean)) = (&mut gradients.output, &gradients.mean) {
            share_out(mean, output, members);
        }
        let mut gradient = match (gradients.output, gradients.logits) {
            (output, None) => {
                PredictionGradient::Output(output.unwrap_or_else(|| Tensor::zeros(forecast.output.shape())))
            }
            (None, Some(logits)) => PredictionGradient::Logits(logits),
            (Some(output), Some(mut logits)) => {
                let pixels = forecast.output.as_slice().iter().zip(output.as_slice());
                for (total, (pixel, slope)) in logits.as_mut_slice().iter_mut().zip(pixels) {
                    let (pixel, slope) = (pixel.to_f64(), slope.to_f64());
                    *total = T::from_f64(total.to_f64() + slope * pixel * (1.0 - pixel));
                }
                PredictionGradient::Logits(logits)
            }
        };
        self.clamp.mask(forecast.output, &mut gradient);
        Ok((value, gradient))
    }

    fn evaluate<T: Scalar>(
        &self,
        forecast: &PredictedFrames<'_, T>,
        truth: &Truth<'_, T>,
        counts: &PartCounts,
        mut gradients: Option<&mut Gradients<T>>,
    ) -> Result<f64> {
        let members = members_of(forecast.output, truth.frames);
        if members > 1 && self.terms.on_logits() {
            let reason =
                format!("{} compares logits, but the mean of {members} members has none", self.terms);
            return Err(invalid(reason));
        }
        let mean = (members > 1).then(|| mean_of_members(forecast.output.clone(), members)).transpose()?;
        let mut value = 0.0;
        for (index, term) in self.terms.0.iter().enumerate() {
            let (prediction, of) = match &mean {
                _ if term.loss.on_logits() => (forecast.logits, 1),
                Some(mean) if !term.loss.on_members() => (mean, 1),
                _ => (forecast.output, members),
            };
            let leads = LeadTimes::new(self, prediction, truth, of)?;
            let count = counts.0.get(index).copied().unwrap_or(0.0);
            if count == 0.0 {
                continue;
            }
            let share = term.weight / count;
            let gradient = gradients.as_mut().and_then(|gradients| gradients.of(&term.loss));
            value += share * leads.sum(&term.loss, gradient.map(|gradient| (gradient, share)));
        }
        Ok(value)
    }
}

/// Those gradients that a sum of losses has.
struct Gradients<T> {
    output: Option<Tensor<T>>,
    /// Of the mean over members, where there are several.
    mean: Option<Tensor<T>>,
    logits: Option<Tensor<T>>,
}

impl<T> Gradients<T> {
    fn of(&mut self, loss: &Loss) -> Option<&mut Tensor<T>> {
        match &mut self.mean {
            _ if loss.on_logits() => self.logits.as_mut(),
            Some(mean) if !loss.on_members() => Some(mean),
            _ => self.output.as_mut(),
        }
    }
}
