//! Ten recorded steps of training: a stack, a 1x1 convolution, mean squared error, Adam.

use convgru_model::import::layout::Layout;
use convgru_model::layer::{Conv2d, Conv2dConfig, Conv2dParameters};
use convgru_model::{
    ConvGru, ConvGruConfig, ConvGruParameters, OutputGradients, Parameters, Scalar, Tensor, Workspace,
};

use super::{Errors, Record};
use convgru_train::Result;
use convgru_train::loss::Loss;
use convgru_train::optimizer::{NormType, Optimizer, OptimizerConfig, global_norm};

/// The parameters that are trained, or their gradients.
#[derive(Clone)]
struct Trained<T> {
    gru: ConvGruParameters<T>,
    head: Conv2dParameters<T>,
}

impl<T: Scalar> Parameters<T> for Trained<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        self.gru.for_each(&mut |name, tensor| visit(&format!("gru.{name}"), tensor));
        self.head.for_each(&mut |name, tensor| visit(&format!("head.{name}"), tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        self.gru.for_each_mut(&mut |name, tensor| visit(&format!("gru.{name}"), tensor));
        self.head.for_each_mut(&mut |name, tensor| visit(&format!("head.{name}"), tensor));
    }
}

impl Trained<f64> {
    /// The tensors as the record names them; `prefixes` are those of the layers.
    fn recorded(&self, prefixes: &[String]) -> Result<Vec<(String, Tensor<f64>)>> {
        let gru = Layout::SEED.write(prefixes, &self.gru.layers)?;
        let gru = gru.into_iter().map(|(name, tensor)| (format!("gru.{name}"), tensor));
        let head = self.head.to_named().into_iter().map(|(name, tensor)| (format!("head.{name}"), tensor));
        Ok(gru.chain(head).collect())
    }
}

/// One pass forward and backward.
struct Pass {
    loss: f64,
    prediction: Tensor<f64>,
    gradients: Trained<f64>,
}

/// What stays the same in all steps.
struct Problem<'a> {
    gru: ConvGruConfig,
    head: Conv2dConfig,
    x: &'a Tensor<f64>,
    target: &'a Tensor<f64>,
}

impl Problem<'_> {
    fn pass(&self, trained: &Trained<f64>) -> Result<Pass> {
        let gru = ConvGru::from_parameters(self.gru.clone(), trained.gru.clone())?;
        let head = Conv2d::from_parameters(self.head, trained.head.clone())?;
        let mut workspace = Workspace::default();
        let top = &gru.forward_train(self.x, &mut workspace)?.outputs[0];
        let prediction = head.forward(top)?;
        let (loss, d_prediction) = Loss::Mse.value_and_gradient(&prediction, self.target)?;

        let mut gradients = trained.zeros_like();
        let d_top = head.backward(top, &d_prediction, &mut gradients.head)?;
        let d_states = OutputGradients { outputs: vec![Some(&d_top)], ..Default::default() };
        gru.backward(&mut workspace, &d_states, &mut gradients.gru)?;
        Ok(Pass { loss, prediction, gradients })
    }
}

/// Trains as the record says and compares losses, gradients, predictions and parameters.
pub(super) fn compare(record: &Record) -> Result<Errors> {
    let stack = Layout::SEED.read(&record.with_prefix("initial.gru."))?;
    let (weight, bias) = (record.tensor("initial.head.weight")?, record.tensor("initial.head.bias")?);
    let &[out_channels, in_channels, kernel_height, kernel_width] = weight.shape() else {
        return Err(record.refuse(format!("`initial.head.weight` has shape {:?}", weight.shape())));
    };
    let problem = Problem {
        gru: stack.config,
        head: Conv2dConfig::new(in_channels, out_channels, [kernel_height, kernel_width]),
        x: record.tensor("x")?,
        target: record.tensor("target")?,
    };
    let mut trained = Trained {
        gru: ConvGruParameters { layers: stack.layers },
        head: Conv2dParameters { weight: weight.clone(), bias: Some(bias.clone()) },
    };
    let config = OptimizerConfig { learning_rate: 1e-3, ..OptimizerConfig::default() };
    let rate = config.learning_rate;
    let mut adam = Optimizer::new(config, &trained)?;

    let prefixes = stack.prefixes;
    let mut errors = Errors::default();
    let steps = record.tensor("loss")?.len();
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for step in 0..steps {
        let pass = problem.pass(&trained)?;
        losses.push(pass.loss);
        norms.push(global_norm(&pass.gradients, NormType::EUCLIDEAN));
        if step == 0 {
            errors.output(record, "prediction.initial", &pass.prediction)?;
        }
        for (recorded, at) in [("grad0", 0), ("grad_last", steps - 1)] {
            if step == at {
                for (name, gradient) in pass.gradients.recorded(&prefixes)? {
                    errors.gradient(record, &format!("{recorded}.{name}"), &gradient)?;
                }
            }
        }
        adam.step(&mut trained, &pass.gradients, rate)?;
        for (recorded, at) in [("step1", 0), ("final", steps - 1)] {
            if step == at {
                for (name, parameter) in trained.recorded(&prefixes)? {
                    errors.output(record, &format!("{recorded}.{name}"), &parameter)?;
                }
            }
        }
    }
    let last = problem.pass(&trained)?;
    errors.output(record, "prediction.final", &last.prediction)?;
    errors.output(record, "final_loss", &Tensor::from_vec(&[1], vec![last.loss])?)?;
    errors.output(record, "loss", &Tensor::from_vec(&[steps], losses)?)?;
    errors.gradient(record, "grad_norm", &Tensor::from_vec(&[steps], norms)?)?;
    Ok(errors)
}
