//! The moving average of the parameters over the steps of a run.

use convgru_model::{Forecaster, Parameters};

use super::freezing::Freezing;
use crate::Result;

/// The exponential moving average of parameters `p`, after each optimiser step:
///
/// ```text
/// d = min(decay, (1 + t) / (10 + t))     average = d average + (1 - d) p
/// ```
///
/// with `t` the steps before, from 0, so that what was drawn at random is soon forgotten
/// (Polyak and Juditsky 1992 for averages; the warm-up is the warm-up of TensorFlow's
/// `ExponentialMovingAverage`).
#[derive(Clone)]
pub(super) struct MovingAverage {
    /// The network with the average for its parameters.
    pub(super) model: Forecaster<f32>,
    decay: f64,
}

impl MovingAverage {
    /// The average before the first step.
    pub(super) fn new(model: &Forecaster<f32>, decay: f64) -> Self {
        Self { model: model.clone(), decay }
    }

    /// Takes in the parameters that are trained after a step, `before` steps after the first.
    ///
    /// # Errors
    /// The errors of the model.
    pub(super) fn update(
        &mut self,
        freezing: &Freezing,
        parameters: &impl Parameters<f32>,
        before: u64,
    ) -> Result<()> {
        let decay = self.decay.min((1.0 + before as f64) / (10.0 + before as f64));
        let mut flat = Vec::with_capacity(parameters.count());
        parameters.for_each(&mut |_, tensor| flat.extend_from_slice(tensor.as_slice()));
        let mut values = flat.into_iter();
        freezing.trained(self.model.parameters_mut()).for_each_mut(&mut |_, tensor| {
            for (average, value) in tensor.as_mut_slice().iter_mut().zip(&mut values) {
                let (old, new) = (f64::from(*average), f64::from(value));
                *average = (decay * old + (1.0 - decay) * new) as f32;
            }
        });
        // The mean of vectors of length 1 is shorter.
        Ok(self.model.iterate_spectral_norms(|name| freezing.trains(name))?)
    }
}

#[cfg(test)]
mod tests {
    use convgru_model::EncoderForecasterConfig;

    use super::*;

    #[test]
    fn the_average_is_its_definition() {
        let config = EncoderForecasterConfig { hidden_channels: vec![2], ..Default::default() };
        let mut model = Forecaster::<f32>::new(config, 0).unwrap();
        let mut average = MovingAverage::new(&model, 0.3);
        let mut fill = |value: f32| {
            model.parameters_mut().for_each_mut(&mut |_, tensor| tensor.fill(value));
            model.clone()
        };
        average.model = fill(1.0);
        let mut expected = 1.0;
        // The warm-up holds until (1 + t) / (10 + t) reaches 0.3.
        for (before, decay) in [(0, 0.1), (1, 2.0 / 11.0), (2, 0.25), (3, 0.3), (4, 0.3)] {
            let value = before as f32 * 0.5 - 2.0;
            average.update(&Freezing::default(), fill(value).parameters(), before).unwrap();
            expected = decay * expected + (1.0 - decay) * f64::from(value);
            average.model.parameters().for_each(&mut |name, tensor| {
                let off =
                    tensor.as_slice().iter().map(|x| (f64::from(*x) - expected).abs()).fold(0.0, f64::max);
                assert!(off < 1e-6, "{name} after {before} steps: off by {off}");
            });
        }
    }
}
