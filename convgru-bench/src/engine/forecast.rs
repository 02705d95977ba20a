//! The work of convgru for workloads of networks that continue frames.

use anyhow::Context;
use convgru_model::{
    Forecaster, ForecasterParameters, Parameters, PredictionGradient, PreparedForecaster, Scalar, Tensor,
    Workspace,
};

use super::work::Work;

/// A forecast. The first forecast packs the weights in place of the tensors of the network, and later ones use them again, as they do the
/// memory of the output.
pub(super) struct Forecast<T: Scalar> {
    network: Weights<T>,
    frames: Tensor<T>,
    predicted: usize,
    output: Tensor<T>,
}

/// A network before and after its weights were packed.
enum Weights<T: Scalar> {
    Tensors(Option<Box<Forecaster<T>>>),
    Packed(PreparedForecaster<'static, T>),
}

impl<T: Scalar> Forecast<T> {
    pub(super) fn new(network: Forecaster<T>, frames: Tensor<T>, predicted: usize) -> Self {
        let network = Weights::Tensors(Some(Box::new(network)));
        Self { network, frames, predicted, output: Tensor::default() }
    }
}

impl<T: Scalar> Work<T> for Forecast<T> {
    fn iterate(&mut self) -> anyhow::Result<()> {
        if let Weights::Tensors(network) = &mut self.network {
            let network = network.take().context("the weights of the network could not be packed")?;
            self.network = Weights::Packed(network.into_prepared()?);
        }
        if let Weights::Packed(network) = &self.network {
            network.forward(&self.frames, self.predicted, &mut self.output)?;
        }
        std::hint::black_box(&self.output);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<T>> {
        self.iterate()?;
        Ok(self.output.as_slice().to_vec())
    }
}

/// Forward and backward of the sum of all frames that are predicted; weights change from step to step, so packing them is part
/// of it. The gradients are kept, and zeroed each time.
pub(super) struct ForecastTraining<T> {
    network: Forecaster<T>,
    frames: Tensor<T>,
    predicted: usize,
    workspace: Workspace<T>,
    gradients: ForecasterParameters<T>,
}

impl<T: Scalar> ForecastTraining<T> {
    pub(super) fn new(network: Forecaster<T>, frames: Tensor<T>, predicted: usize) -> Self {
        let gradients = network.parameters().zeros_like();
        Self { network, frames, predicted, workspace: Workspace::default(), gradients }
    }

    /// Returns the forecast.
    fn step(&mut self) -> anyhow::Result<Tensor<T>> {
        self.gradients.zero();
        let prediction =
            self.network.forward_train(&self.frames, self.predicted, None, &mut self.workspace)?;
        let mut ones = prediction.logits;
        ones.fill(T::from_f32(1.0));
        let loss = PredictionGradient::Output(ones);
        self.network.backward(&mut self.workspace, loss, &mut self.gradients)?;
        Ok(prediction.output)
    }
}

impl<T: Scalar> Work<T> for ForecastTraining<T> {
    fn iterate(&mut self) -> anyhow::Result<()> {
        std::hint::black_box(self.step()?);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<T>> {
        let mut numbers = self.step()?.into_vec();
        self.gradients.for_each(&mut |_, tensor| numbers.extend_from_slice(tensor.as_slice()));
        Ok(numbers)
    }
}
