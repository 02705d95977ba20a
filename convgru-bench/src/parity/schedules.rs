//! Schedules of `torch.optim.lr_scheduler`: of recorded optimisers, and recorded alone.

use convgru_model::Tensor;
use serde_json::Value;

use super::{Errors, Record};
use convgru_train::Result;
use convgru_train::schedule::{
    Anneal, Cosine, CosineConfig, CosineRestarts, CosineRestartsConfig, Exponential, ExponentialConfig,
    Linear, LinearConfig, Mode, MultiStep, MultiStepConfig, OneCycle, OneCycleConfig, Plateau, PlateauConfig,
    Polynomial, PolynomialConfig, Schedule, Step, StepConfig, ThresholdMode,
};

/// What a schedule begins with.
#[derive(Clone, Copy)]
pub(super) struct Base {
    /// The rate of the optimiser.
    pub(super) learning_rate: f64,
    /// Steps for lengths that are not given.
    pub(super) steps: u64,
}

/// Schedules recorded alone, by name.
pub(super) struct Recipe {
    schedules: Vec<(String, Schedule)>,
}

impl Recipe {
    /// The recipe of a record; `Err` holds what of it is not supported.
    pub(super) fn of(record: &Record) -> std::result::Result<Self, String> {
        let text = record.metadata("schedules").ok_or("a record that names no schedules")?;
        let entries: Value = serde_json::from_str(text).map_err(|error| format!("schedules: {error}"))?;
        let mut schedules = Vec::new();
        for (name, fields) in entries.as_object().ok_or("schedules that are no object")? {
            let scheduler = fields["scheduler"].as_str().ok_or_else(|| format!("schedule {name}"))?;
            let learning_rate = fields["base_lr"].as_f64().ok_or_else(|| format!("the rate of {name}"))?;
            let base = Base { learning_rate, steps: 0 };
            schedules.push((name.clone(), torch(scheduler, fields, base)?));
        }
        Ok(Self { schedules })
    }

    /// Computes every rate and momentum that is recorded; a tensor that no schedule
    /// answers for is an error.
    pub(super) fn compare(&self, record: &Record) -> Result<Errors> {
        let mut errors = Errors::default();
        for name in record.names() {
            let (what, schedule) = name.split_once('.').unwrap_or((name, ""));
            let found = self.schedules.iter().find(|(known, _)| known == schedule);
            let (_, schedule) = found.ok_or_else(|| record.refuse(format!("`{name}` has no schedule")))?;
            let steps = 0..record.tensor(name)?.len() as u64;
            let values = match what {
                "lr" => steps.map(|step| schedule.learning_rate(step)).collect::<Vec<_>>(),
                // Where it is not cycled, there is none, which equals no number.
                _ => steps.map(|step| schedule.momentum(step).unwrap_or(f64::NAN)).collect(),
            };
            errors.output(record, name, &Tensor::from_vec(&[values.len()], values)?)?;
        }
        for (name, _) in &self.schedules {
            record.tensor(&format!("lr.{name}"))?;
        }
        Ok(errors)
    }
}

/// A schedule by its name and fields in `torch.optim.lr_scheduler`, or as a call such as
/// `LinearLR(start_factor=0.05,total_iters=6)`. `Err` holds what is not supported.
pub(super) fn torch(name: &str, fields: &Value, base: Base) -> std::result::Result<Schedule, String> {
    if let Some(rest) = name.strip_prefix("SequentialLR[") {
        return sequential(rest, base);
    }
    let number = |key: &str, otherwise: f64| fields[key].as_f64().unwrap_or(otherwise);
    let whole = |key: &str, otherwise: u64| fields[key].as_u64().unwrap_or(otherwise);
    let rate = base.learning_rate;
    let schedule = match name {
        "OneCycleLR" => one_cycle(fields).map(Schedule::OneCycle),
        "StepLR" => {
            let default = StepConfig::default();
            let step_size = whole("step_size", default.step_size);
            Step::new(&StepConfig { step_size, gamma: number("gamma", 0.1) }, rate).map(Schedule::Step)
        }
        "MultiStepLR" => {
            let milestones = fields["milestones"].as_array().into_iter().flatten();
            let milestones = milestones.filter_map(Value::as_u64).collect();
            let config = MultiStepConfig { milestones, gamma: number("gamma", 0.1) };
            MultiStep::new(&config, rate).map(Schedule::MultiStep)
        }
        "ExponentialLR" => {
            let gamma = number("gamma", f64::NAN);
            Exponential::new(&ExponentialConfig { gamma }, rate).map(Schedule::Exponential)
        }
        "LinearLR" => {
            let default = LinearConfig::default();
            let config = LinearConfig {
                start_factor: number("start_factor", default.start_factor),
                end_factor: number("end_factor", default.end_factor),
                total_iters: whole("total_iters", default.total_iters),
            };
            Linear::new(&config, rate, base.steps).map(Schedule::Linear)
        }
        "PolynomialLR" => {
            let config =
                PolynomialConfig { total_iters: whole("total_iters", 5), power: number("power", 1.0) };
            Polynomial::new(&config, rate, base.steps).map(Schedule::Polynomial)
        }
        "CosineAnnealingLR" => {
            let config = CosineConfig { t_max: whole("T_max", 0), eta_min: number("eta_min", 0.0) };
            Cosine::new(&config, rate, base.steps).map(Schedule::Cosine)
        }
        "CosineAnnealingWarmRestarts" => {
            let config = CosineRestartsConfig {
                t_0: whole("T_0", 0),
                t_mult: whole("T_mult", 1),
                eta_min: number("eta_min", 0.0),
            };
            CosineRestarts::new(&config, rate).map(Schedule::CosineRestarts)
        }
        "ReduceLROnPlateau" => plateau(fields, rate).map(Schedule::Plateau),
        _ => return Err(format!("the schedule {name}")),
    };
    schedule.map_err(|error| error.to_string())
}

fn one_cycle(fields: &Value) -> Result<OneCycle> {
    let default = OneCycleConfig::default();
    let number = |key: &str, otherwise: f64| fields[key].as_f64().unwrap_or(otherwise);
    let linear = fields["anneal_strategy"] == "linear";
    let config = OneCycleConfig {
        pct_start: number("pct_start", default.pct_start),
        anneal: if linear { Anneal::Linear } else { Anneal::Cosine },
        div_factor: number("div_factor", default.div_factor),
        final_div_factor: number("final_div_factor", default.final_div_factor),
        three_phase: fields["three_phase"] == true,
        cycle_momentum: fields["cycle_momentum"] != false,
        base_momentum: number("base_momentum", default.base_momentum),
        max_momentum: number("max_momentum", default.max_momentum),
    };
    OneCycle::new(&config, number("max_lr", f64::NAN), fields["total_steps"].as_u64().unwrap_or(0))
}

fn plateau(fields: &Value, rate: f64) -> Result<Plateau> {
    let default = PlateauConfig::default();
    let number = |key: &str, otherwise: f64| fields[key].as_f64().unwrap_or(otherwise);
    let config = PlateauConfig {
        metric: default.metric,
        factor: number("factor", default.factor),
        patience: fields["patience"].as_u64().unwrap_or(default.patience),
        threshold: number("threshold", default.threshold),
        threshold_mode: match fields["threshold_mode"] == "abs" {
            true => ThresholdMode::Abs,
            false => ThresholdMode::Rel,
        },
        cooldown: fields["cooldown"].as_u64().unwrap_or(default.cooldown),
        min_lr: number("min_lr", default.min_lr),
        eps: number("eps", default.eps),
    };
    let mode = if fields["mode"] == "max" { Mode::Max } else { Mode::Min };
    Plateau::new(&config, mode, rate)
}

/// `First(a=1), Second(b=2)], milestones [6]`.
fn sequential(text: &str, base: Base) -> std::result::Result<Schedule, String> {
    let unreadable = || format!("the schedule SequentialLR[{text}");
    let (calls, milestones) = text.split_once("], milestones [").ok_or_else(unreadable)?;
    let steps = milestones.trim_end_matches(']').parse().map_err(|_| unreadable())?;
    let (first, then) = calls.split_once("), ").ok_or_else(unreadable)?;
    let call = |text: &str| {
        let (name, arguments) = text.trim_end_matches(')').split_once('(').ok_or_else(unreadable)?;
        let mut fields = serde_json::Map::new();
        for argument in arguments.split(',') {
            let (key, value) = argument.split_once('=').ok_or_else(unreadable)?;
            let value = serde_json::from_str(value.trim()).map_err(|_| unreadable())?;
            fields.insert(key.trim().to_owned(), value);
        }
        torch(name.trim(), &Value::Object(fields), base)
    };
    Ok(Schedule::Sequential { first: Box::new(call(first)?), steps, then: Box::new(call(then)?) })
}
