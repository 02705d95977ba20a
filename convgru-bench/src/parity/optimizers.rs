//! Recorded steps of an optimiser, with a constant rate or a schedule.

use convgru_model::{Parameters, Scalar, Tensor};
use serde_json::Value;

use super::schedules::{self, Base};
use super::{Errors, Record};
use convgru_train::Result;
use convgru_train::optimizer::{
    AdamConfig, Optimizer, OptimizerConfig, OptimizerKind, RmsPropConfig, SgdConfig,
};
use convgru_train::schedule::Schedule;

/// What a record of an optimiser asks for.
pub(super) struct Recipe {
    optimizer: OptimizerConfig,
    schedule: Schedule,
}

/// The two tensors of the recorded problem.
#[derive(Clone)]
struct Affine<T> {
    w: Tensor<T>,
    b: Tensor<T>,
}

impl<T: Scalar> Parameters<T> for Affine<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        visit("w", &self.w);
        visit("b", &self.b);
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        visit("w", &mut self.w);
        visit("b", &mut self.b);
    }
}

/// The optimisers of PyTorch that are ours too.
const SYSTEMS: [&str; 4] =
    ["torch.optim.Adam", "torch.optim.AdamW", "torch.optim.SGD", "torch.optim.RMSprop"];

impl Recipe {
    /// The recipe of a record; `Err` holds what of it is not supported.
    pub(super) fn of(record: &Record) -> std::result::Result<Self, String> {
        let system = record.metadata("system").unwrap_or_default();
        if !SYSTEMS.contains(&system) {
            return Err(format!("the optimiser {system}"));
        }
        let entry =
            |key: &str| record.metadata(key).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let hyper = entry("hyper_parameters").ok_or("the record has no hyper-parameters")?;
        let optimizer = config(system, &hyper)?;
        let schedule = match entry("scheduler") {
            None => Schedule::Constant { learning_rate: optimizer.learning_rate },
            Some(scheduler) => {
                let name = scheduler["name"].as_str().ok_or("a schedule without a name")?;
                let base = Base { learning_rate: optimizer.learning_rate, steps: 0 };
                schedules::torch(name, &scheduler, base)?
            }
        };
        Ok(Self { optimizer, schedule })
    }

    /// Takes the recorded steps with the recorded gradients and metrics; compares rates,
    /// momenta and parameters.
    pub(super) fn compare(mut self, record: &Record) -> Result<Errors> {
        let mut parameters = Affine { w: record.tensor("w0")?.clone(), b: record.tensor("b0")?.clone() };
        let steps = record.tensor("lr")?.len();
        let (d_w, d_b) = (record.tensor("grad.w")?, record.tensor("grad.b")?);
        let metric = record.find("metric");
        let recorded = [("grad.w", Some(d_w)), ("grad.b", Some(d_b)), ("metric", metric)];
        for (name, tensor) in recorded.into_iter().filter_map(|(name, tensor)| Some((name, tensor?))) {
            if tensor.shape().first() != Some(&steps) {
                let shape = tensor.shape();
                return Err(record.refuse(format!("`{name}` has shape {shape:?} for {steps} steps")));
            }
        }
        let mut optimizer = Optimizer::new(self.optimizer, &parameters)?;
        let is_adam = matches!(optimizer.config().kind, OptimizerKind::Adam(_) | OptimizerKind::AdamW(_));
        let (mut w, mut b) = (Vec::new(), Vec::new());
        let (mut rates, mut later_rates, mut momenta) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..steps {
            let at = step as u64;
            rates.push(self.schedule.learning_rate(at));
            if let Some(momentum) = self.schedule.momentum(at) {
                optimizer.set_momentum(momentum)?;
            }
            momenta.push(optimizer.config().kind.momentum());
            let gradients = Affine { w: d_w.index(step), b: d_b.index(step) };
            optimizer.step(&mut parameters, &gradients, rates[step])?;
            w.extend_from_slice(parameters.w.as_slice());
            b.extend_from_slice(parameters.b.as_slice());
            if let Some(metric) = metric {
                self.schedule.observe(metric.as_slice()[step]);
            }
            later_rates.push(self.schedule.learning_rate(at + 1));
        }
        let mut errors = Errors::default();
        errors.output(record, "lr", &Tensor::from_vec(&[steps], rates)?)?;
        if record.find("lr_after").is_some() {
            errors.output(record, "lr_after", &Tensor::from_vec(&[steps], later_rates)?)?;
        }
        let momentum = if is_adam { "beta1" } else { "momentum" };
        errors.output(record, momentum, &Tensor::from_vec(&[steps], momenta)?)?;
        errors.output(record, "w", &Tensor::from_vec(&[&[steps], parameters.w.shape()].concat(), w)?)?;
        errors.output(record, "b", &Tensor::from_vec(&[&[steps], parameters.b.shape()].concat(), b)?)?;
        Ok(errors)
    }
}

/// The optimiser of a system such as `torch.optim.SGD` with its constants.
fn config(system: &str, hyper: &Value) -> std::result::Result<OptimizerConfig, String> {
    const KNOWN: [&str; 11] = [
        "lr",
        "betas",
        "eps",
        "weight_decay",
        "amsgrad",
        "momentum",
        "dampening",
        "nesterov",
        "alpha",
        "centered",
        "foreach",
    ];
    let fields = hyper.as_object().ok_or("hyper-parameters that are no object")?;
    if let Some(unknown) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("the hyper-parameter {unknown}"));
    }
    let number = |value: &Value, otherwise: f64| value.as_f64().unwrap_or(otherwise);
    let adam = || {
        let default = AdamConfig::default();
        AdamConfig {
            beta1: number(&hyper["betas"][0], default.beta1),
            beta2: number(&hyper["betas"][1], default.beta2),
            epsilon: number(&hyper["eps"], default.epsilon),
            amsgrad: hyper["amsgrad"] == true,
        }
    };
    let momentum = number(&hyper["momentum"], 0.0);
    let kind = match system.strip_prefix("torch.optim.") {
        Some("Adam") => OptimizerKind::Adam(adam()),
        Some("AdamW") => OptimizerKind::AdamW(adam()),
        Some("SGD") => OptimizerKind::Sgd(SgdConfig {
            momentum,
            dampening: number(&hyper["dampening"], 0.0),
            nesterov: hyper["nesterov"] == true,
        }),
        Some("RMSprop") => {
            let default = RmsPropConfig::default();
            OptimizerKind::RmsProp(RmsPropConfig {
                alpha: number(&hyper["alpha"], default.alpha),
                epsilon: number(&hyper["eps"], default.epsilon),
                momentum,
                centered: hyper["centered"] == true,
            })
        }
        _ => return Err(format!("the optimiser {system}")),
    };
    // The decay that torch.optim.AdamW has where none is given.
    let decay = if matches!(kind, OptimizerKind::AdamW(_)) { 0.01 } else { 0.0 };
    let default = OptimizerConfig::default();
    Ok(OptimizerConfig {
        kind,
        learning_rate: number(&hyper["lr"], default.learning_rate),
        weight_decay: number(&hyper["weight_decay"], decay),
    })
}
