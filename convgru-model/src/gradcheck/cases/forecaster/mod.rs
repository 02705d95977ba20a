//! Networks that continue frames, as a whole.

mod encoder_forecaster;
mod mlcast;
mod pyramid;
mod recurrent;
mod truncated;

use convgru_kernels::reference::Number;

use crate::config::ForecasterConfig;
use crate::error::Result;
use crate::forecaster::{Forecaster, PredictionGradient, TeacherForcing};
use crate::gradcheck::cases::sequences::{get, named, set};
use crate::gradcheck::{Case, Operation};
use crate::parameters::Parameters;
use crate::reference::{self, Array};
use crate::sequence::{Sequence, Workspace};
use crate::tensor::Tensor;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = encoder_forecaster::cases();
    cases.extend(pyramid::cases());
    cases.extend(mlcast::cases());
    cases.extend(recurrent::cases());
    cases.extend(truncated::cases());
    cases
}

/// A forecast of a network.
struct Forecasting {
    network: Forecaster<f64>,
    /// The frames, unless they are fixed, and all parameters.
    inputs: Vec<(String, Tensor<f64>)>,
    /// Frames that are data and have no gradient.
    fixed: Option<Tensor<f64>>,
    steps: usize,
    /// Whether the loss is taken before the output activation.
    logits: bool,
    /// True frames, `[steps, N, C, H, W]`, which are data, and whether a step reads them.
    teacher: Option<(Tensor<f64>, Vec<bool>)>,
}

impl Forecasting {
    /// How many of the inputs are frames.
    fn count_of_frames(&self) -> usize {
        usize::from(self.fixed.is_none())
    }

    fn frames<'a>(&'a self, inputs: &'a [Tensor<f64>]) -> &'a Tensor<f64> {
        self.fixed.as_ref().unwrap_or(&inputs[0])
    }

    fn network(&self, inputs: &[Tensor<f64>]) -> Forecaster<f64> {
        let (mut network, first) = (self.network.clone(), self.count_of_frames());
        set(network.parameters_mut(), &self.inputs[first..], &inputs[first..]);
        network
    }

    fn teacher(&self) -> Option<TeacherForcing<'_, f64>> {
        self.teacher.as_ref().map(|(frames, forced)| TeacherForcing { frames, forced })
    }
}

impl Operation for Forecasting {
    fn describe(&self) -> String {
        let shape = self.fixed.as_ref().unwrap_or(&self.inputs[0].1).shape();
        let mut text = format!("x {shape:?} to {}, ", self.steps);
        text += &match self.network.config() {
            ForecasterConfig::EncoderForecaster(config) => encoder_forecaster::describe(config),
            ForecasterConfig::Pyramid(config) => pyramid::describe(config),
            ForecasterConfig::Mlcast(config) => mlcast::describe(config),
            ForecasterConfig::Recurrent(config) => recurrent::describe(config),
        };
        if let Some((_, forced)) = &self.teacher {
            let forced: String = forced.iter().map(|&forced| if forced { 'f' } else { '-' }).collect();
            text += &format!(", forced {forced}");
        }
        text
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let (network, frames) = (self.network(inputs), self.frames(inputs));
        if self.teacher.is_none() && !self.logits {
            return Ok(vec![network.forward(frames, self.steps)?]);
        }
        let workspace = &mut Workspace::default();
        let prediction = network.forward_train(frames, self.steps, self.teacher(), workspace)?;
        Ok(vec![if self.logits { prediction.logits } else { prediction.output }])
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let network = self.network(inputs);
        let first = self.count_of_frames();
        let sequence = Sequence { input_gradient: first > 0, ..Sequence::from(self.frames(inputs)) };
        let mut workspace = Workspace::default();
        network.forward_train(sequence, self.steps, self.teacher(), &mut workspace)?;
        let loss = match self.logits {
            true => PredictionGradient::Logits(d_outputs[0].clone()),
            false => PredictionGradient::Output(d_outputs[0].clone()),
        };
        let (of_frames, of_parameters) = gradients.split_at_mut(first);
        let mut d_parameters = network.parameters().zeros_like();
        set(&mut d_parameters, &self.inputs[first..], of_parameters);
        let back = network.backward(&mut workspace, loss, &mut d_parameters)?;
        if let Some(gradient) = of_frames.first_mut() {
            gradient.add_assign(&back.inputs[0])?;
        }
        get(&d_parameters, &self.inputs[first..], of_parameters);
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let (fixed, first) = (self.fixed.as_ref().map(Array::constant), self.count_of_frames());
        let frames = fixed.as_ref().unwrap_or(&inputs[0]);
        let parameters = named(&self.inputs[first..], &inputs[first..]);
        let truth = self.teacher.as_ref().map(|(truth, forced)| (Array::constant(truth), forced));
        let forcing = truth.as_ref().map(|(frames, forced)| (frames, forced.as_slice()));
        let config = self.network.config();
        let forecast =
            reference::forecaster(config, &parameters, frames, self.steps, forcing, self.network.noise())?;
        Ok(vec![if self.logits { forecast.logits } else { forecast.output }])
    }
}
