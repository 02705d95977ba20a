//! What a run minimises: a weighted sum of losses over lead times and known pixels.

use convgru_model::{Scalar, Tensor};

use super::criterion::check;
use super::planes::{PlaneSize, Planes};
use super::reduce::Elements;
use super::{LeadWeights, LossConstants, LossKind, LossTerm, LossTerms, RainWeights};
use super::{gradient_difference, pointwise, similarity};
use crate::dataset::Batch;
use crate::{Error, Result};

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
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::loss::{Forecast, FrameGradient, Loss, Objective, Truth};
///
/// let objective = Objective::from(Loss::Mse);
/// let (frames, logits) = (Tensor::from_fn(&[2, 1, 1, 1, 2], |i| i as f64), Tensor::zeros(&[2, 1, 1, 1, 2]));
/// let forecast = Forecast { output: &frames, logits: &logits };
/// let truth = Tensor::zeros(frames.shape());
/// // Nothing is known of the second frame.
/// let valid = Tensor::from_fn(frames.shape(), |i| if i < 2 { 1.0 } else { 0.0 });
/// let truth = Truth { frames: &truth, valid: Some(&valid) };
/// let counts = objective.counts(&truth)?;
/// let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts)?;
/// assert_eq!(value, 0.5);
/// let FrameGradient::Output(gradient) = gradient else { panic!("the loss is of the output") };
/// assert_eq!(gradient.as_slice(), [0.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// The losses and their shares.
    pub terms: LossTerms,
    /// The constants of those that have any.
    pub constants: LossConstants,
    /// The weights of the balanced losses, thresholds in the values of frames.
    pub rain: RainWeights,
    /// How much each lead time counts.
    pub lead_weights: LeadWeights,
}

impl<L: Into<LossTerms>> From<L> for Objective {
    /// With the constants' defaults and equal lead times.
    fn from(terms: L) -> Self {
        Self {
            terms: terms.into(),
            constants: LossConstants::default(),
            rain: RainWeights::default(),
            lead_weights: LeadWeights::default(),
        }
    }
}

/// Predicted frames, `[T, N, C, H, W]`.
#[derive(Clone, Copy, Debug)]
pub struct Forecast<'a, T> {
    /// After the output activation.
    pub output: &'a Tensor<T>,
    /// Before it.
    pub logits: &'a Tensor<T>,
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

/// How many parts each loss has in some true frames, weighted by lead time. Those of a batch in
/// pieces are the sum over the pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct PartCounts(Vec<f64>);

impl PartCounts {
    /// Whether no loss has any part: nothing is known of the truth.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0.0)
    }
}

/// The gradient of an objective with respect to the predicted frames.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameGradient<T> {
    /// After the output activation.
    Output(Tensor<T>),
    /// Before it.
    Logits(Tensor<T>),
}

impl Objective {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |reason| Err(Error::Config { field: "training.loss".to_owned(), reason });
        if self.terms.0.is_empty() {
            return refuse("the list is empty; nothing would be learned".to_owned());
        }
        if let Some(term) = self.terms.0.iter().find(|term| !(term.weight > 0.0 && term.weight.is_finite())) {
            return refuse(format!("the weight {} of {} is not above 0", term.weight, term.kind.name()));
        }
        self.rain.validate()?;
        self.constants.validate()
    }

    /// The parts of each loss in true frames.
    ///
    /// # Errors
    /// If the shapes do not fit or a field is out of its range.
    pub fn counts<T: Scalar>(&self, truth: &Truth<'_, T>) -> Result<PartCounts> {
        let work = Work::new(self, truth.frames, truth)?;
        let count = |kind| work.steps().map(|(t, lead)| lead * work.count(t, kind)).sum();
        Ok(PartCounts(self.terms.0.iter().map(|term| count(term.kind)).collect()))
    }

    /// The objective.
    ///
    /// Sums are formed in `f64` whatever `T` is, with the same bits for any number of threads.
    /// NaN and infinities in the prediction make it NaN or infinite where the truth is known.
    ///
    /// # Errors
    /// If the shapes do not fit or a field is out of its range.
    pub fn value<T: Scalar>(&self, forecast: &Forecast<'_, T>, truth: &Truth<'_, T>) -> Result<f64> {
        let counts = self.counts(truth)?;
        self.evaluate(forecast, truth, &counts, None)
    }

    /// The objective and its gradient; with `counts` of a larger batch, the share of these frames.
    ///
    /// Where losses of logits and of the output are summed, the output must be the sigmoid of
    /// the logits, and the gradient is that of the logits.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn value_and_gradient<T: Scalar>(
        &self,
        forecast: &Forecast<'_, T>,
        truth: &Truth<'_, T>,
        counts: &PartCounts,
    ) -> Result<(f64, FrameGradient<T>)> {
        let zeros = |wanted: bool| wanted.then(|| Tensor::zeros(forecast.output.shape()));
        let on_logits = |term: &LossTerm| term.kind.on_logits();
        let mut gradients = Gradients {
            output: zeros(!self.terms.0.iter().all(on_logits)),
            logits: zeros(self.terms.0.iter().any(on_logits)),
        };
        let value = self.evaluate(forecast, truth, counts, Some(&mut gradients))?;
        let gradient = match (gradients.output, gradients.logits) {
            (output, None) => {
                FrameGradient::Output(output.unwrap_or_else(|| Tensor::zeros(forecast.output.shape())))
            }
            (None, Some(logits)) => FrameGradient::Logits(logits),
            (Some(output), Some(mut logits)) => {
                let pixels = forecast.output.as_slice().iter().zip(output.as_slice());
                for (total, (pixel, slope)) in logits.as_mut_slice().iter_mut().zip(pixels) {
                    let (pixel, slope) = (pixel.to_f64(), slope.to_f64());
                    *total = T::from_f64(total.to_f64() + slope * pixel * (1.0 - pixel));
                }
                FrameGradient::Logits(logits)
            }
        };
        Ok((value, gradient))
    }

    fn evaluate<T: Scalar>(
        &self,
        forecast: &Forecast<'_, T>,
        truth: &Truth<'_, T>,
        counts: &PartCounts,
        mut gradients: Option<&mut Gradients<T>>,
    ) -> Result<f64> {
        let mut value = 0.0;
        for (index, term) in self.terms.0.iter().enumerate() {
            let on_logits = term.kind.on_logits();
            let prediction = if on_logits { forecast.logits } else { forecast.output };
            let work = Work::new(self, prediction, truth)?;
            let count = counts.0.get(index).copied().unwrap_or(0.0);
            if count == 0.0 {
                continue;
            }
            let share = term.weight / count;
            let mut gradient = gradients.as_mut().and_then(|gradients| gradients.of(on_logits));
            let mut sum = 0.0;
            for (t, lead) in work.steps() {
                let slot = gradient.as_mut().map(|gradient| (gradient.slice_mut(t), share * lead));
                sum += lead * work.sum(t, term.kind, slot);
            }
            value += share * sum;
        }
        Ok(value)
    }
}

/// Those gradients that a sum of losses has.
struct Gradients<T> {
    output: Option<Tensor<T>>,
    logits: Option<Tensor<T>>,
}

impl<T> Gradients<T> {
    fn of(&mut self, logits: bool) -> Option<&mut Tensor<T>> {
        if logits { self.logits.as_mut() } else { self.output.as_mut() }
    }
}

/// Predicted and true frames of an objective, one lead time at a time.
struct Work<'a, T> {
    objective: &'a Objective,
    prediction: &'a Tensor<T>,
    truth: &'a Truth<'a, T>,
    leads: Vec<f64>,
    size: PlaneSize,
}

impl<'a, T: Scalar> Work<'a, T> {
    fn new(objective: &'a Objective, prediction: &'a Tensor<T>, truth: &'a Truth<'a, T>) -> Result<Self> {
        objective.validate()?;
        check(prediction, truth.frames, "the target's")?;
        if let Some(valid) = truth.valid {
            check(prediction, valid, "the mask's")?;
        }
        let &[steps, _, _, height, width] = prediction.shape() else {
            return Err(Error::Model(convgru_model::Error::ShapeMismatch {
                what: "the prediction of a loss".into(),
                expected: "[T, N, C, H, W]".into(),
                got: prediction.shape().to_vec(),
            }));
        };
        let leads = objective.lead_weights.weights(steps)?;
        Ok(Self { objective, prediction, truth, leads, size: PlaneSize { height, width } })
    }

    /// The lead times that count, with their weights.
    fn steps(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.leads.iter().copied().enumerate().filter(|(_, lead)| *lead > 0.0)
    }

    fn planes(&self, t: usize) -> Planes<'a, T> {
        let valid = self.truth.valid.map_or(&[][..], |valid| valid.slice(t));
        Planes { x: self.prediction.slice(t), y: self.truth.frames.slice(t), valid, size: self.size }
    }

    /// The number of parts of a loss at a lead time.
    fn count(&self, t: usize, kind: LossKind) -> f64 {
        let planes = self.planes(t);
        match kind {
            LossKind::GradientDifference => planes.sum(gradient_difference::count),
            LossKind::Ssim => {
                planes.sum(|plane| similarity::count(plane, self.objective.constants.ssim_window))
            }
            _ if planes.valid.is_empty() => planes.x.len() as f64,
            _ => planes.valid.iter().filter(|valid| valid.to_f64() != 0.0).count() as f64,
        }
    }

    /// The sum of a loss over its parts at a lead time; adds its derivatives with a factor.
    fn sum(&self, t: usize, kind: LossKind, gradient: Option<(&mut [T], f64)>) -> f64 {
        let planes = self.planes(t);
        let LossConstants { delta, beta, pos_weight, alpha, ssim_window } = self.objective.constants;
        let rain = &self.objective.rain;
        let balanced = |y, (value, derivative): (f64, f64)| {
            let weight = rain.of(y);
            (weight * value, weight * derivative)
        };
        let each = Elements { x: planes.x, y: planes.y, weight: planes.valid };
        match kind {
            LossKind::Mse => each.reduce(gradient, pointwise::squared),
            LossKind::L1 => each.reduce(gradient, pointwise::absolute),
            LossKind::Huber => each.reduce(gradient, |x, y| pointwise::huber(x, y, delta)),
            LossKind::SmoothL1 => each.reduce(gradient, |x, y| pointwise::smooth_absolute(x, y, beta)),
            LossKind::BceWithLogits => {
                each.reduce(gradient, |x, y| pointwise::cross_entropy(x, y, pos_weight))
            }
            LossKind::BalancedMse => each.reduce(gradient, |x, y| balanced(y, pointwise::squared(x, y))),
            LossKind::BalancedMae => each.reduce(gradient, |x, y| balanced(y, pointwise::absolute(x, y))),
            LossKind::GradientDifference => match gradient {
                None => planes.sum(|plane| gradient_difference::sum(plane, alpha)),
                Some((dx, scale)) => planes.sum_and_gradient(dx, scale, |plane, dx| {
                    gradient_difference::sum_and_gradient(plane, alpha, dx)
                }),
            },
            LossKind::Ssim => match gradient {
                None => planes.sum(|plane| similarity::sum(plane, ssim_window)),
                Some((dx, scale)) => planes.sum_and_gradient(dx, scale, |plane, dx| {
                    similarity::sum_and_gradient(plane, ssim_window, dx)
                }),
            },
        }
    }
}
