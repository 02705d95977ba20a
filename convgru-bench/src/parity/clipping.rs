//! Recorded gradients before and after `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`.

use convgru_model::{Parameters, Tensor};
use serde_json::Value;

use super::{Errors, Record};
use convgru_train::Result;
use convgru_train::optimizer::{NormType, clip_global_norm, clip_value};

/// What a record of clipping asks for: cases by name.
pub(super) struct Recipe {
    cases: Vec<(String, Case)>,
}

enum Case {
    Norm { max_norm: f64, norm_type: NormType },
    Value { limit: f64 },
}

/// Gradients by name.
#[derive(Clone)]
struct Gradients(Vec<(String, Tensor<f64>)>);

impl Parameters<f64> for Gradients {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f64>)) {
        self.0.iter().for_each(|(name, tensor)| visit(name, tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f64>)) {
        self.0.iter_mut().for_each(|(name, tensor)| visit(name, tensor));
    }
}

impl Recipe {
    /// The recipe of a record; `Err` holds what of it is not supported.
    pub(super) fn of(record: &Record) -> std::result::Result<Self, String> {
        let text = record.metadata("cases").ok_or("a record that names no cases")?;
        let entries: Value = serde_json::from_str(text).map_err(|error| format!("cases: {error}"))?;
        let mut cases = Vec::new();
        for (name, fields) in entries.as_object().ok_or("cases that are no object")? {
            let case = match (fields["max_norm"].as_f64(), fields["clip_value"].as_f64()) {
                (Some(max_norm), None) => {
                    let power = &fields["norm_type"];
                    let power = if power == "inf" { Some(f64::INFINITY) } else { power.as_f64() };
                    let norm_type = NormType::new(power.unwrap_or(2.0)).map_err(|error| error.to_string())?;
                    Case::Norm { max_norm, norm_type }
                }
                (None, Some(limit)) => Case::Value { limit },
                _ => return Err(format!("the case {name} of clipping")),
            };
            cases.push((name.clone(), case));
        }
        Ok(Self { cases })
    }

    /// Clips the recorded gradients in every case; compares them and their norm.
    pub(super) fn compare(&self, record: &Record) -> Result<Errors> {
        let gradients = Gradients(record.with_prefix("grad."));
        let mut errors = Errors::default();
        for (name, case) in &self.cases {
            let mut clipped = gradients.clone();
            match *case {
                Case::Norm { max_norm, norm_type } => {
                    let norm = clip_global_norm(&mut clipped, max_norm, norm_type);
                    errors.output(
                        record,
                        &format!("total_norm.{name}"),
                        &Tensor::from_vec(&[1], vec![norm])?,
                    )?;
                }
                Case::Value { limit } => clip_value(&mut clipped, limit),
            }
            for (tensor, values) in &clipped.0 {
                errors.gradient(record, &format!("clipped.{name}.{tensor}"), values)?;
            }
        }
        Ok(errors)
    }
}
