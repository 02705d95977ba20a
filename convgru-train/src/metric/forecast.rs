//! Scores of forecasts in units of what is measured, for each threshold and lead time.

use convgru_model::Tensor;

use super::{Contingency, Exceedance, FractionsSkillScore};
use crate::dataset::Quantity;
use crate::{Error, Result};

/// What events are, for [`ForecastScores`].
#[derive(Clone, Debug, PartialEq)]
pub struct EventDefinition {
    /// Values at or above one of these are events, in units of what is measured, rising.
    pub thresholds: Vec<f64>,
    /// Side in pixels of the window of the fractions skill score, at least 1.
    pub window: usize,
}

impl EventDefinition {
    /// The usual ones of a quantity: of rain rates 0.5, 2 and 5 mm/h, of others half of what values reach;
    /// windows of 5 x 5 pixels.
    pub fn suited_to(quantity: &Quantity) -> Self {
        let thresholds = match quantity.is_rain() {
            true => vec![0.5, 2.0, 5.0],
            false => vec![quantity.transform.to_units(0.5)],
        };
        Self { thresholds, window: 5 }
    }
}

/// A score of events, by threshold and lead time.
#[derive(Clone, Copy, Debug)]
pub struct EventScore {
    /// Its name in JSON, such as `csi`.
    pub name: &'static str,
    /// Whether 1 is best, and not 0.
    pub higher_is_better: bool,
    /// Its values, `[threshold][lead]`; NaN where it is undefined.
    pub of: fn(&ForecastScores) -> Vec<Vec<f64>>,
}

/// All scores of events, in the order in which they are shown.
pub const EVENT_SCORES: [EventScore; 5] = [
    EventScore { name: "csi", higher_is_better: true, of: ForecastScores::csi },
    EventScore { name: "pod", higher_is_better: true, of: ForecastScores::pod },
    EventScore { name: "far", higher_is_better: false, of: ForecastScores::far },
    EventScore { name: "hss", higher_is_better: true, of: ForecastScores::hss },
    EventScore { name: "fss", higher_is_better: true, of: ForecastScores::fss },
];

/// Gathers CSI, POD, FAR, HSS, FSS and the mean absolute error, for each threshold and lead time.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::metric::{EventDefinition, ForecastScores};
///
/// let events = EventDefinition { thresholds: vec![0.5, 5.0], window: 3 };
/// let mut scores = ForecastScores::new(&events, 1)?;
/// let forecast = Tensor::from_vec(&[1, 1, 1, 1, 3], vec![1.0f32, 6.0, f32::NAN])?;
/// let observed = Tensor::from_vec(&[1, 1, 1, 1, 3], vec![1.0, 0.0, 9.0])?;
/// scores.add(&forecast, &observed)?;
/// assert_eq!(scores.csi(), [[0.5], [0.0]]);
/// assert_eq!(scores.mae(), [3.0]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ForecastScores {
    thresholds: Vec<f64>,
    /// By threshold and lead time.
    tables: Vec<Vec<Contingency>>,
    fractions: Vec<Vec<FractionsSkillScore>>,
    /// Sum of absolute errors and their number, by lead time.
    errors: Vec<(f64, u64)>,
}

impl ForecastScores {
    /// Scores of nothing, for forecasts of `leads` frames.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no thresholds, one is not finite or not above the one before,
    /// or the window is 0.
    pub fn new(events: &EventDefinition, leads: usize) -> Result<Self> {
        let thresholds = &events.thresholds;
        let rising = thresholds.windows(2).all(|pair| pair[0] < pair[1]);
        if thresholds.is_empty() || !rising || thresholds.iter().any(|threshold| !threshold.is_finite()) {
            return Err(Error::Data {
                what: "thresholds of events".into(),
                reason: format!(
                    "{thresholds:?} are not one or more finite numbers, each above the one before"
                ),
            });
        }
        let fractions =
            |&threshold: &f64| Ok(vec![FractionsSkillScore::new(threshold, events.window)?; leads]);
        Ok(Self {
            thresholds: thresholds.clone(),
            tables: vec![vec![Contingency::default(); leads]; thresholds.len()],
            fractions: thresholds.iter().map(fractions).collect::<Result<_>>()?,
            errors: vec![(0.0, 0); leads],
        })
    }

    /// Adds forecasts. Pixels where one of the two is NaN count nowhere; they are no event around
    /// others in the fractions skill score.
    ///
    /// # Shapes
    /// forecast, observed: `[T, N, C, H, W]`, `T` as given to [`new`](Self::new)
    ///
    /// # Errors
    /// [`Error::Model`] if the shapes differ or are others.
    pub fn add(&mut self, forecast: &Tensor<f32>, observed: &Tensor<f32>) -> Result<()> {
        let leads = self.errors.len();
        let shape = forecast.shape();
        if shape.len() != 5 || shape[0] != leads || observed.shape() != shape {
            return Err(Error::Model(convgru_model::Error::ShapeMismatch {
                what: "a forecast to be scored".into(),
                expected: format!("[{leads}, N, C, H, W], as the observation's {:?}", observed.shape()),
                got: shape.to_vec(),
            }));
        }
        for lead in 0..leads {
            let (x, y) = alike(forecast.slice(lead), observed.slice(lead));
            let errors = x.iter().zip(&y).filter(|(x, _)| x.is_finite());
            for (x, y) in errors {
                self.errors[lead].0 += (f64::from(*x) - f64::from(*y)).abs();
                self.errors[lead].1 += 1;
            }
            let (x, y) = (Tensor::from_vec(&shape[1..], x)?, Tensor::from_vec(&shape[1..], y)?);
            for (at, &threshold) in self.thresholds.iter().enumerate() {
                self.tables[at][lead].add(&Contingency::count(&x, &y, threshold, Exceedance::AtLeast)?);
                self.fractions[at][lead].add(&x, &y)?;
            }
        }
        Ok(())
    }

    /// Critical success index, by threshold and lead time; NaN where there was no event.
    pub fn csi(&self) -> Vec<Vec<f64>> {
        self.of_tables(Contingency::csi)
    }

    /// Probability of detection, by threshold and lead time; NaN where nothing was observed.
    pub fn pod(&self) -> Vec<Vec<f64>> {
        self.of_tables(Contingency::pod)
    }

    /// False alarm ratio, by threshold and lead time; NaN where nothing was forecast.
    pub fn far(&self) -> Vec<Vec<f64>> {
        self.of_tables(Contingency::far)
    }

    /// Heidke skill score, by threshold and lead time; NaN where it is undefined.
    pub fn hss(&self) -> Vec<Vec<f64>> {
        self.of_tables(Contingency::hss)
    }

    /// Fractions skill score, by threshold and lead time; NaN where there was no event.
    pub fn fss(&self) -> Vec<Vec<f64>> {
        let scores =
            |leads: &Vec<FractionsSkillScore>| leads.iter().map(FractionsSkillScore::score).collect();
        self.fractions.iter().map(scores).collect()
    }

    /// The thresholds of events, rising.
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// Mean absolute error of a pixel in units, by lead time.
    pub fn mae(&self) -> Vec<f64> {
        self.errors.iter().map(|&(sum, count)| sum / count as f64).collect()
    }

    /// How often events were forecast and observed, by threshold and lead time.
    pub fn tables(&self) -> &[Vec<Contingency>] {
        &self.tables
    }

    fn of_tables(&self, score: fn(&Contingency) -> f64) -> Vec<Vec<f64>> {
        self.tables.iter().map(|leads| leads.iter().map(score).collect()).collect()
    }
}

/// Both, NaN in each where one of them is not finite.
fn alike(x: &[f32], y: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let both = |(&x, &y): (&f32, &f32)| match x.is_finite() && y.is_finite() {
        true => (x, y),
        false => (f32::NAN, f32::NAN),
    };
    x.iter().zip(y).map(both).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> EventDefinition {
        EventDefinition { thresholds: vec![0.5, 2.0], window: 3 }
    }

    fn tensor(values: &[f32]) -> Tensor<f32> {
        Tensor::from_vec(&[2, 1, 1, 2, 2], values.to_vec()).unwrap()
    }

    #[test]
    fn each_lead_time_and_threshold_has_its_own_scores() {
        let mut scores = ForecastScores::new(&events(), 2).unwrap();
        let observed = tensor(&[1.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let forecast = tensor(&[1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        scores.add(&forecast, &observed).unwrap();
        assert_eq!(scores.csi()[0], [1.0, 0.0]);
        assert_eq!(scores.csi()[1][0], 0.0);
        assert!(scores.csi()[1][1].is_nan(), "no event at all");
        assert_eq!(scores.mae(), [0.5, 0.5]);
        assert_eq!(scores.pod()[0], [1.0, 0.0]);
        assert!(scores.far()[1][0].is_nan(), "nothing was forecast");
        // The windows hold the whole image.
        assert_eq!(scores.fss()[0], [1.0, 1.0]);
    }

    #[test]
    fn missing_pixels_count_nowhere() {
        let observed = tensor(&[1.0, f32::NAN, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let mut with = ForecastScores::new(&events(), 2).unwrap();
        with.add(&tensor(&[1.0, 9.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]), &observed).unwrap();
        let mut without = ForecastScores::new(&events(), 2).unwrap();
        without.add(&tensor(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]), &observed).unwrap();
        assert_eq!(format!("{with:?}"), format!("{without:?}"));
        assert_eq!(with.tables()[0][0].correct_negatives, 2);
    }

    #[test]
    fn thresholds_rise_and_shapes_fit() {
        for thresholds in [vec![], vec![2.0, 1.0], vec![1.0, 1.0], vec![f64::NAN]] {
            assert!(ForecastScores::new(&EventDefinition { thresholds, window: 1 }, 2).is_err());
        }
        assert!(ForecastScores::new(&EventDefinition { window: 0, ..events() }, 2).is_err());
        let mut scores = ForecastScores::new(&events(), 3).unwrap();
        let frames = tensor(&[0.0; 8]);
        let error = scores.add(&frames, &frames).unwrap_err().to_string();
        assert!(error.contains("[3, N, C, H, W]"), "{error}");
    }
}
