//! Recorded steps of Adam, with a constant rate or a one-cycle schedule.

use convgru_model::{Parameters, Scalar, Tensor};
use serde_json::Value;

use super::{Errors, Record};
use crate::Result;
use crate::optimizer::{Adam, AdamConfig};
use crate::schedule::{Anneal, OneCycle, ScheduleConfig};

/// What a record of Adam asks for.
pub(super) struct Recipe {
    adam: AdamConfig,
    schedule: Option<OneCycle>,
}

/// The two tensors of the recorded problem.
#[derive(Clone)]
struct Linear<T> {
    w: Tensor<T>,
    b: Tensor<T>,
}

impl<T: Scalar> Parameters<T> for Linear<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        visit("w", &self.w);
        visit("b", &self.b);
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        visit("w", &mut self.w);
        visit("b", &mut self.b);
    }
}

impl Recipe {
    /// The recipe of a record; `Err` holds what of it is not supported.
    pub(super) fn of(record: &Record) -> std::result::Result<Self, String> {
        let entry =
            |key: &str| record.metadata(key).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let hyper = entry("hyper_parameters").ok_or("the record has no hyper-parameters")?;
        if hyper["amsgrad"].as_bool() == Some(true) {
            return Err("Adam with amsgrad".to_owned());
        }
        let default = AdamConfig::default();
        let number = |value: &Value, otherwise: f64| value.as_f64().unwrap_or(otherwise);
        let mut adam = AdamConfig {
            learning_rate: number(&hyper["lr"], default.learning_rate),
            beta1: number(&hyper["betas"][0], default.beta1),
            beta2: number(&hyper["betas"][1], default.beta2),
            epsilon: number(&hyper["eps"], default.epsilon),
            weight_decay: number(&hyper["weight_decay"], default.weight_decay),
        };
        let schedule = match entry("scheduler") {
            None => None,
            Some(scheduler) if scheduler["name"] == "OneCycleLR" => {
                adam.learning_rate = number(&scheduler["max_lr"], adam.learning_rate);
                let linear = scheduler["anneal_strategy"] == "linear";
                let default = ScheduleConfig::default();
                let config = ScheduleConfig {
                    pct_start: number(&scheduler["pct_start"], default.pct_start),
                    anneal: if linear { Anneal::Linear } else { Anneal::Cosine },
                    div_factor: number(&scheduler["div_factor"], default.div_factor),
                    final_div_factor: number(&scheduler["final_div_factor"], default.final_div_factor),
                    three_phase: scheduler["three_phase"] == true,
                    cycle_beta1: scheduler["cycle_momentum"] == true,
                    base_beta1: number(&scheduler["base_momentum"], default.base_beta1),
                    max_beta1: number(&scheduler["max_momentum"], default.max_beta1),
                    ..default
                };
                let steps = scheduler["total_steps"].as_u64().unwrap_or(0);
                let schedule = OneCycle::new(&config, adam.learning_rate, steps);
                Some(schedule.map_err(|error| error.to_string())?)
            }
            Some(scheduler) => {
                return Err(format!(
                    "the schedule {}",
                    scheduler["name"].as_str().unwrap_or("of the record")
                ));
            }
        };
        Ok(Self { adam, schedule })
    }

    /// Takes the recorded steps with the recorded gradients; compares rates and parameters.
    pub(super) fn compare(self, record: &Record) -> Result<Errors> {
        let mut parameters = Linear { w: record.tensor("w0")?.clone(), b: record.tensor("b0")?.clone() };
        let steps = record.tensor("lr")?.len();
        let (d_w, d_b) = (record.tensor("grad.w")?, record.tensor("grad.b")?);
        for (name, recorded) in [("grad.w", d_w), ("grad.b", d_b), ("w", record.tensor("w")?)] {
            if recorded.shape().first() != Some(&steps) {
                return Err(
                    record.refuse(format!("`{name}` has shape {:?} for {steps} steps", recorded.shape()))
                );
            }
        }
        let rate = self.adam.learning_rate;
        let mut adam = Adam::new(self.adam, &parameters)?;
        let (mut rates, mut w, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..steps {
            let at = step as u64;
            rates.push(self.schedule.as_ref().map_or(rate, |schedule| schedule.learning_rate(at)));
            if let Some(beta1) = self.schedule.as_ref().and_then(|schedule| schedule.beta1(at)) {
                adam.set_beta1(beta1)?;
            }
            adam.step(&mut parameters, &Linear { w: d_w.index(step), b: d_b.index(step) }, rates[step])?;
            w.extend_from_slice(parameters.w.as_slice());
            b.extend_from_slice(parameters.b.as_slice());
        }
        let mut errors = Errors::default();
        errors.output(record, "lr", &Tensor::from_vec(&[steps], rates)?)?;
        errors.output(record, "w", &Tensor::from_vec(&[&[steps], parameters.w.shape()].concat(), w)?)?;
        errors.output(record, "b", &Tensor::from_vec(&[&[steps], parameters.b.shape()].concat(), b)?)?;
        Ok(errors)
    }
}
