//! Scores of events over all lead times.

use serde::{Deserialize, Serialize};

use super::{EVENT_SCORES, ForecastScores};

/// Scores of events from a threshold on, each the mean over the lead times in which it is defined.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct EventMeans {
    /// Where events begin, in the unit of the data.
    pub threshold: f64,
    /// In the order of [`EVENT_SCORES`]; NaN where a score is defined in no lead time.
    pub scores: [f64; EVENT_SCORES.len()],
}

impl PartialEq for EventMeans {
    /// NaN is equal to itself.
    fn eq(&self, other: &Self) -> bool {
        let bits = |means: &Self| (means.threshold.to_bits(), means.scores.map(f64::to_bits));
        bits(self) == bits(other)
    }
}

impl EventMeans {
    /// The means of forecasts, for each of their thresholds.
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::metric::{EventDefinition, EventMeans, ForecastScores};
    ///
    /// let mut scores = ForecastScores::new(&EventDefinition { thresholds: vec![0.5], window: 1 }, 2)?;
    /// let observed = Tensor::from_vec(&[2, 1, 1, 1, 2], vec![1.0f32, 1.0, 0.0, 0.0])?;
    /// let forecast = Tensor::from_vec(&[2, 1, 1, 1, 2], vec![1.0f32, 0.0, 0.0, 0.0])?;
    /// scores.add(&forecast, &observed)?;
    /// let means = EventMeans::of(&scores);
    /// // Nothing happened in the second frame.
    /// assert_eq!((means[0].threshold, means[0].scores[0]), (0.5, 0.5));
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn of(forecasts: &ForecastScores) -> Vec<Self> {
        let by_score = EVENT_SCORES.map(|score| (score.of)(forecasts));
        let mean = |leads: &[f64]| {
            let defined: Vec<f64> = leads.iter().copied().filter(|score| !score.is_nan()).collect();
            defined.iter().sum::<f64>() / defined.len() as f64
        };
        let of_threshold = |(at, &threshold): (usize, &f64)| Self {
            threshold,
            scores: std::array::from_fn(|score| mean(&by_score[score][at])),
        };
        forecasts.thresholds().iter().enumerate().map(of_threshold).collect()
    }
}
