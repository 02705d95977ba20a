//! A forecast beside persistence and optical flow, scored as forecasts of rain are.

use convgru_model::Tensor;
use convgru_model::motion::OpticalFlow;
use serde_json::{Map, Value, json};

use crate::Result;
use crate::dataset::{Batch, Quantity, SequenceDataset};
use crate::metric::{EVENT_SCORES, EventDefinition, EventScore, ForecastScores, copy_last};

/// What a model is compared with, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct NowcastOptions {
    /// What counts as an event, in units of the data set's quantity.
    pub events: EventDefinition,
    /// How the movement is found that optical flow carries on.
    pub optical_flow: OpticalFlow,
}

impl NowcastOptions {
    /// The usual events of a quantity, and optical flow as it is by default.
    pub fn suited_to(quantity: &Quantity) -> Self {
        Self { events: EventDefinition::suited_to(quantity), optical_flow: OpticalFlow::default() }
    }

    /// The frames that optical flow predicts from those that were read, in units.
    ///
    /// # Shapes
    /// input: `[T, N, C, H, W]`; result: `[leads, N, C, H, W]`
    ///
    /// # Errors
    /// The errors of [`OpticalFlow::extrapolate_values`].
    pub fn extrapolate(&self, input: &Batch, quantity: &Quantity, leads: usize) -> Result<Tensor<f32>> {
        let carried = quantity.in_units(&input.frames);
        let valid = input.valid.as_ref();
        Ok(self.optical_flow.extrapolate_values(&input.frames, &carried, valid, leads)?)
    }
}

/// Scores of a model and of the two baselines, on the same pixels.
#[derive(Clone, Debug)]
pub struct NowcastScores {
    /// Of events, in units.
    pub thresholds: Vec<f64>,
    /// Time from the last frame that was read, for each that was predicted: in minutes, or in frames
    /// where the data set does not know its time.
    pub lead_minutes: Vec<f64>,
    /// What the values of the data set mean.
    pub quantity: Quantity,
    /// Sequences that were predicted.
    pub sequences: usize,
    /// The model.
    pub convgru: ForecastScores,
    /// Repeating the last frame.
    pub persistence: ForecastScores,
    /// Moving the last frame on along the optical flow.
    pub optical_flow: ForecastScores,
}

impl NowcastScores {
    /// Scores of no sequences, for forecasts of `leads` frames.
    ///
    /// # Errors
    /// The errors of [`ForecastScores::new`].
    pub fn new(options: &NowcastOptions, dataset: &dyn SequenceDataset, leads: usize) -> Result<Self> {
        let empty = ForecastScores::new(&options.events, leads)?;
        let quantity = dataset.quantity();
        let step = quantity.minutes_per_step.unwrap_or(1.0);
        Ok(Self {
            thresholds: options.events.thresholds.clone(),
            lead_minutes: (1..=leads).map(|lead| lead as f64 * step).collect(),
            quantity,
            sequences: 0,
            convgru: empty.clone(),
            persistence: empty.clone(),
            optical_flow: empty,
        })
    }

    /// Adds sequences. The scores have the same bits for any number of threads.
    ///
    /// # Shapes
    /// input: `[T, N, C, H, W]`; truth: `[leads, N, C, H, W]`, both values 0 to 1; forecast: the shape of the truth, numbers of the unit, of an ensemble
    /// [its mean](Quantity::mean_of_members)
    ///
    /// # Errors
    /// The errors of shapes that do not fit.
    pub fn add(
        &mut self,
        options: &NowcastOptions,
        input: &Batch,
        truth: &Batch,
        forecast: &Tensor<f32>,
    ) -> Result<()> {
        let leads = self.lead_minutes.len();
        let observed = truth.in_units(&self.quantity);
        self.convgru.add(forecast, &observed)?;
        let carried = self.quantity.in_units(&input.frames);
        self.persistence.add(&copy_last(&carried, leads)?, &observed)?;
        self.optical_flow.add(&options.extrapolate(input, &self.quantity, leads)?, &observed)?;
        self.sequences += input.frames.shape()[1];
        Ok(())
    }

    /// Names and scores, the model first.
    pub fn models(&self) -> [(&'static str, &ForecastScores); 3] {
        [("convgru", &self.convgru), ("persistence", &self.persistence), ("optical_flow", &self.optical_flow)]
    }

    /// For programs: `{thresholds, lead_minutes, sequences, models: {convgru, persistence, optical_flow:
    /// {csi, pod, far, hss, fss: [threshold][lead], mae: [lead]}}}`. A score that is undefined, because there was
    /// no event, is null.
    pub fn to_json(&self) -> Map<String, Value> {
        let model = |scores: &ForecastScores| {
            let of = |score: &EventScore| (score.name.to_owned(), json!((score.of)(scores)));
            let mut value: Map<String, Value> = EVENT_SCORES.iter().map(of).collect();
            value.insert("mae".to_owned(), json!(scores.mae()));
            Value::Object(value)
        };
        let models: Map<String, Value> =
            self.models().into_iter().map(|(name, scores)| (name.to_owned(), model(scores))).collect();
        let parts = [
            ("thresholds", json!(self.thresholds)),
            ("lead_minutes", json!(self.lead_minutes)),
            ("sequences", json!(self.sequences)),
            ("models", Value::Object(models)),
        ];
        parts.into_iter().map(|(key, part)| (key.to_owned(), part)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{DataConfig, DigitsConfig, Source, Split, open};

    #[test]
    fn programs_get_every_score_of_every_model() {
        let source = Source::Strokes(DigitsConfig { size: 40, ..DigitsConfig::default() });
        let data = DataConfig { input_frames: 2, output_frames: 2, source, ..DataConfig::default() };
        let dataset = open(&data, None, Split::Test, 0).unwrap();
        let options = NowcastOptions::suited_to(&dataset.quantity());
        let mut evaluation = NowcastScores::new(&options, dataset.as_ref(), 2).unwrap();
        let batch = crate::dataset::batch(dataset.as_ref(), 0, &[0, 1]).unwrap();
        let (input, truth) = batch.split(2).unwrap();
        evaluation.add(&options, &input, &truth, &truth.frames).unwrap();
        let value = Value::Object(evaluation.to_json());
        assert_eq!((&value["sequences"], &value["thresholds"]), (&json!(2), &json!([0.5])));
        assert_eq!(value["lead_minutes"], json!([1.0, 2.0]));
        assert_eq!(value["models"].as_object().unwrap().len(), 3);
        for model in ["convgru", "persistence", "optical_flow"] {
            let scores = &value["models"][model];
            assert_eq!(scores.as_object().unwrap().len(), 6, "{model}");
            for score in ["csi", "pod", "far", "hss", "fss"] {
                assert_eq!(scores[score][0].as_array().unwrap().len(), 2, "{model} {score}");
            }
            assert_eq!(scores["mae"].as_array().unwrap().len(), 2, "{model}");
        }
        assert_eq!(value["models"]["convgru"]["csi"], json!([[1.0, 1.0]]), "the truth itself");
        assert_ne!(value["models"]["persistence"]["csi"], json!([[1.0, 1.0]]));
    }

    #[test]
    fn scores_without_events_are_null() {
        let source = Source::Strokes(DigitsConfig { size: 40, ..DigitsConfig::default() });
        let data = DataConfig { input_frames: 2, output_frames: 1, source, ..DataConfig::default() };
        let dataset = open(&data, None, Split::Test, 0).unwrap();
        let mut options = NowcastOptions::suited_to(&dataset.quantity());
        options.events.thresholds = vec![7.0];
        let mut evaluation = NowcastScores::new(&options, dataset.as_ref(), 1).unwrap();
        let (input, truth) = crate::dataset::batch(dataset.as_ref(), 0, &[0]).unwrap().split(2).unwrap();
        evaluation.add(&options, &input, &truth, &truth.frames).unwrap();
        assert_eq!(evaluation.to_json()["models"]["convgru"]["csi"], json!([[null]]));
    }
}
