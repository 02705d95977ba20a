//! Cells of the first published ConvGRU: states after every step and all gradients.

use convgru_model::import::seed;
use convgru_model::{
    ConvGru, ConvGruOutputGradients, ConvGruParameters, InputGradient, Outputs, Parameters, Tensor,
};

use super::{Errors, Record};
use crate::Result;

/// Computes what the record holds and compares.
///
/// The loss of the record is the sum of all states, of every layer at every step, times
/// the recorded probes. A record without probes has no gradients.
pub(super) fn compare(record: &Record) -> Result<Errors> {
    let stack = seed::read(&record.with_prefix("param."))?;
    let layers = stack.layers.len();
    let network = ConvGru::from_parameters(stack.config, ConvGruParameters { layers: stack.layers })?;
    let x = record.tensor("x")?;
    let states: Vec<Tensor<f64>> =
        (0..layers).map_while(|layer| record.find(&format!("h0.{layer}")).cloned()).collect();
    let states = (!states.is_empty()).then_some(states.as_slice());

    let mut errors = Errors::default();
    let (trained, mut workspace) = network.forward_train(x, states)?;
    let used = network.forward(x, states, Outputs::AllLayers)?;
    for (layer, outputs) in trained.outputs.iter().zip(&used.outputs).enumerate() {
        let name = format!("h.{layer}");
        errors.output(record, &name, outputs.0)?;
        errors.output(record, &name, outputs.1)?;
    }

    if record.find("probe.0").is_some() {
        let probes: Result<Vec<&Tensor<f64>>> =
            (0..layers).map(|layer| record.tensor(&format!("probe.{layer}"))).collect();
        let d_outputs = ConvGruOutputGradients {
            outputs: probes?.into_iter().map(Some).collect(),
            last: vec![None; layers],
        };
        let mut gradients = network.parameters().zeros_like();
        let back = network.backward(&mut workspace, &d_outputs, InputGradient::Compute, &mut gradients)?;
        for (name, gradient) in seed::write(&gradients.layers)? {
            errors.gradient(record, &format!("grad.param.{name}"), &gradient)?;
        }
        if let Some(d_input) = &back.d_input {
            errors.gradient(record, "grad.x", d_input)?;
        }
        for (layer, d_state) in back.d_initial.iter().flatten().enumerate() {
            errors.gradient(record, &format!("grad.h0.{layer}"), d_state)?;
        }
    }
    Ok(errors)
}
