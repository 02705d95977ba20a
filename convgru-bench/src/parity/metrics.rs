//! Recorded losses with their gradients, and metrics: every tensor of the record is either
//! what something is computed from, or computed and compared.

use convgru_model::Tensor;

use super::{Errors, Record};
use convgru_train::Result;
use convgru_train::loss::{Loss, Reduction};
use convgru_train::metric::{Contingency, Exceedance, FractionsSkillScore, Spread, SsimWindow, crps, psnr};

/// Tensors that others are computed from.
const INPUTS: [&str; 15] = [
    "loss.pred",
    "loss.target",
    "loss.binary_target",
    "loss.weight",
    "loss.pos_weight",
    "loss.extreme_logits",
    "loss.extreme_targets",
    "rain.forecast",
    "rain.observed",
    "rain.thresholds",
    "fss.scales",
    "crps.ensemble",
    "crps.observed",
    "crps.tie_ensemble",
    "crps.tie_observed",
];

/// Computes every recorded loss and metric and compares.
pub(super) fn compare(record: &Record) -> Result<Errors> {
    let mut errors = Errors::default();
    for name in record.names() {
        if INPUTS.contains(&name) || name.starts_with("image.") || name.ends_with(".grad") {
            continue;
        }
        let (group, what) = name.split_once('.').unwrap_or((name, ""));
        let value = match group {
            "loss" => {
                let (value, gradient) = loss(record, what)?;
                errors.gradient(record, &format!("{name}.grad"), &gradient)?;
                value
            }
            "psnr" => number(psnr(image(record, what)?, reference(record, what)?)?)?,
            "ssim_gaussian" | "ssim_uniform7" => {
                number(window(group).ssim(image(record, what)?, reference(record, what)?)?)?
            }
            "ssim_gaussian_map" | "ssim_uniform7_map" => {
                window(group).ssim_map(image(record, what)?, reference(record, what)?)?
            }
            "score" => scores(record, what, Exceedance::Above)?,
            "score_ge" => scores(record, what, Exceedance::AtLeast)?,
            "fss" => fractions(record)?,
            "crps" => ensemble(record, what)?,
            _ => return Err(record.refuse(format!("`{name}` is no loss or metric of ours"))),
        };
        errors.output(record, name, &value)?;
    }
    Ok(errors)
}

fn number(value: f64) -> Result<Tensor<f64>> {
    Ok(Tensor::from_vec(&[1], vec![value])?)
}

const BCE: Loss = Loss::BceWithLogits { pos_weight: 1.0 };

/// The recorded loss of a name such as `huber_delta0.7`, and its gradient.
fn loss(record: &Record, name: &str) -> Result<(Tensor<f64>, Tensor<f64>)> {
    let unknown = || record.refuse(format!("`loss.{name}` is no loss of ours"));
    let constant = |text: &str| text.parse::<f64>().map_err(|_| unknown());
    let (plain, reduction) = match name.strip_suffix("_sum") {
        Some(plain) => (plain, Reduction::Sum),
        None => (name, Reduction::Mean),
    };
    let mut weight = None;
    let loss = match plain {
        "extreme_bce" => return extreme(record),
        "mse" => Loss::Mse,
        "l1" => Loss::L1,
        "bce_with_logits" => BCE,
        "bce_with_logits_weight" => {
            weight = Some(record.tensor("loss.weight")?);
            BCE
        }
        "bce_with_logits_pos_weight" => {
            let of = record.tensor("loss.pos_weight")?.as_slice();
            Loss::BceWithLogits { pos_weight: *of.first().ok_or_else(unknown)? }
        }
        _ => match (plain.strip_prefix("huber_delta"), plain.strip_prefix("smooth_l1_beta")) {
            (Some(delta), _) => Loss::Huber { delta: constant(delta)? },
            (_, Some(beta)) => Loss::SmoothL1 { beta: constant(beta)? },
            _ => return Err(unknown()),
        },
    };
    let target = if loss.on_logits() { "loss.binary_target" } else { "loss.target" };
    let (prediction, target) = (record.tensor("loss.pred")?, record.tensor(target)?);
    let (value, gradient) = loss.reduced(prediction, target, weight, reduction)?;
    Ok((number(value)?, gradient))
}

/// Losses of single logits so large that their exponentials overflow.
fn extreme(record: &Record) -> Result<(Tensor<f64>, Tensor<f64>)> {
    let (logits, targets) = (record.tensor("loss.extreme_logits")?, record.tensor("loss.extreme_targets")?);
    let (mut values, mut slopes) = (Vec::new(), Vec::new());
    for (&x, &y) in logits.as_slice().iter().zip(targets.as_slice()) {
        let (value, slope) = BCE.value_and_gradient(&number(x)?, &number(y)?)?;
        values.push(value);
        slopes.extend_from_slice(slope.as_slice());
    }
    Ok((Tensor::from_vec(logits.shape(), values)?, Tensor::from_vec(logits.shape(), slopes)?))
}

fn image<'a>(record: &'a Record, name: &str) -> Result<&'a Tensor<f64>> {
    record.tensor(&format!("image.{name}"))
}

/// What an image is compared with.
fn reference<'a>(record: &'a Record, name: &str) -> Result<&'a Tensor<f64>> {
    image(record, if name.starts_with("rgb_") { "rgb_ref" } else { "ref" })
}

fn window(group: &str) -> SsimWindow {
    if group.starts_with("ssim_uniform7") { SsimWindow::Uniform } else { SsimWindow::Gaussian }
}

/// A score of events, or their table, for each threshold.
fn scores(record: &Record, name: &str, event: Exceedance) -> Result<Tensor<f64>> {
    let (forecast, observed) = (record.tensor("rain.forecast")?, record.tensor("rain.observed")?);
    let thresholds = record.tensor("rain.thresholds")?;
    let mut values = Vec::new();
    for &threshold in thresholds.as_slice() {
        let table = Contingency::count(forecast, observed, threshold, event)?;
        let score = match name {
            "ACC" => table.accuracy(),
            "BIAS" => table.bias(),
            "CSI" => table.csi(),
            "F1" => table.f1(),
            "FA" => table.fa(),
            "FAR" => table.far(),
            "GSS" => table.gss(),
            "HK" => table.hk(),
            "HSS" => table.hss(),
            "MCC" => table.mcc(),
            "POD" => table.pod(),
            "table" => {
                let Contingency { hits, false_alarms, misses, correct_negatives } = table;
                values.extend([hits, false_alarms, misses].map(|count| count as f64));
                correct_negatives as f64
            }
            _ => return Err(record.refuse(format!("`{name}` is no score of ours"))),
        };
        values.push(score);
    }
    let shape = if name == "table" { vec![thresholds.len(), 4] } else { vec![thresholds.len()] };
    Ok(Tensor::from_vec(&shape, values)?)
}

/// The fractions skill score for each threshold and scale.
fn fractions(record: &Record) -> Result<Tensor<f64>> {
    let (forecast, observed) = (record.tensor("rain.forecast")?, record.tensor("rain.observed")?);
    let (thresholds, scales) = (record.tensor("rain.thresholds")?, record.tensor("fss.scales")?);
    let mut values = Vec::new();
    for &threshold in thresholds.as_slice() {
        for &scale in scales.as_slice() {
            let mut score = FractionsSkillScore::new(threshold, scale as usize)?;
            score.add(forecast, observed)?;
            values.push(score.score());
        }
    }
    Ok(Tensor::from_vec(&[thresholds.len(), scales.len()], values)?)
}

/// Scores of the recorded ensembles, or their mean.
fn ensemble(record: &Record, name: &str) -> Result<Tensor<f64>> {
    let (ties, spread) = match name {
        "values" | "mean" => ("", Spread::Ensemble),
        "fair_values" => ("", Spread::Fair),
        "tie_values" => ("tie_", Spread::Ensemble),
        _ => return Err(record.refuse(format!("`crps.{name}` is no score of ours"))),
    };
    let ensemble = record.tensor(&format!("crps.{ties}ensemble"))?;
    let scores = crps(ensemble, record.tensor(&format!("crps.{ties}observed"))?, spread)?;
    if name == "mean" {
        return number(scores.as_slice().iter().sum::<f64>() / scores.len() as f64);
    }
    Ok(scores)
}
