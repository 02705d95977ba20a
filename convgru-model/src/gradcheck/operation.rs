//! Operations with tensors for outputs, made scalar by random probes.

use convgru_kernels::reference::Number;

use super::draw::Values;
use super::subject::Subject;
use crate::error::{Error, Result, expect_count};
use crate::reference::Array;
use crate::tensor::Tensor;

/// Something with a forward pass from tensors to tensors and a backward pass.
pub trait Operation {
    /// Shapes and options in one line, for the report.
    fn describe(&self) -> String;

    /// The tensors the outputs depend on, with their names, where the check is made.
    fn inputs(&self) -> Vec<(String, Tensor<f64>)>;

    /// The outputs, through the shipped forward pass.
    ///
    /// # Errors
    /// The errors of the forward pass.
    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>>;

    /// Adds to `gradients` the gradient of each input, given the gradients of the outputs,
    /// through the shipped backward pass; see [`Subject::add_gradients`].
    ///
    /// # Errors
    /// The errors of the forward and backward pass.
    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()>;

    /// The outputs by their definition.
    ///
    /// # Errors
    /// The errors of the reference.
    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>>;
}

/// The scalar loss `sum over outputs of sum(output . probe)` of an operation, with fixed random probes of a seed, one for
/// each output: the gradient of each output is its probe.
///
/// # Errors
/// The errors of the forward pass, which gives the shapes.
pub fn probed<O: Operation>(operation: O, seed: u64) -> Result<impl Subject<Error = Error>> {
    let inputs: Vec<Tensor<f64>> = operation.inputs().into_iter().map(|(_, tensor)| tensor).collect();
    let mut values = Values::new(seed);
    let outputs = operation.forward(&inputs)?;
    let probes = outputs.iter().map(|output| values.tensor(output.shape())).collect();
    Ok(Probed { operation, probes })
}

struct Probed<O> {
    operation: O,
    probes: Vec<Tensor<f64>>,
}

impl<O: Operation> Probed<O> {
    fn expect_outputs(&self, got: usize) -> Result<()> {
        expect_count("outputs of an operation under check", self.probes.len(), got)
    }
}

impl<O: Operation> Subject for Probed<O> {
    type Error = Error;

    fn describe(&self) -> String {
        self.operation.describe()
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.operation.inputs()
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        let outputs = self.operation.forward(inputs)?;
        self.expect_outputs(outputs.len())?;
        let mut sum = 0.0;
        for (output, probe) in outputs.iter().zip(&self.probes) {
            sum += Array::<f64>::constant(output).dot(probe)?;
        }
        Ok(sum)
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        self.operation.add_gradients(inputs, &self.probes, gradients)
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let outputs = self.operation.reference(inputs)?;
        self.expect_outputs(outputs.len())?;
        let mut sum = N::from_f64(0.0);
        for (output, probe) in outputs.iter().zip(&self.probes) {
            sum = sum + output.dot(probe)?;
        }
        Ok(Some(sum))
    }
}
