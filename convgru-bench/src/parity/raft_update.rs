//! Update blocks of RAFT over some updates.

use convgru_model::import::detect;
use convgru_model::{RaftUpdate, Scalar, Tensor};

use super::{Errors, Record};
use convgru_train::Result;

/// Whether a record is one of an update block.
pub(super) fn is_recorded(record: &Record) -> bool {
    record.metadata("system") == Some("raft")
        && record.metadata("config").is_some_and(|config| config.contains("UpdateBlock"))
}

/// Computes all updates in 64 and in 32 bits, each from the results of the update before it, and compares.
pub(super) fn compare(record: &Record) -> Result<Errors> {
    let mut errors = Errors::default();
    let double: Vec<RaftUpdate<f64>> = updates(record)?;
    for (name, steps) in stacked(&double)? {
        errors.output(record, name, &steps)?;
    }
    let single: Vec<RaftUpdate<f32>> = updates(record)?;
    for (name, steps) in stacked(&single)? {
        errors.single(record, name, &steps)?;
    }
    let has_mask = double.iter().all(|update| update.mask.is_some());
    if record.find("after.mask").is_some() && !has_mask {
        return Err(record.refuse("the block has no mask for `after.mask`".to_owned()));
    }
    Ok(errors)
}

fn updates<T: Scalar>(record: &Record) -> Result<Vec<RaftUpdate<T>>> {
    let cast = |(name, tensor): (String, Tensor<f64>)| (name, tensor.cast());
    let tensors: Vec<(String, Tensor<T>)> = record.with_prefix("param.").into_iter().map(cast).collect();
    let Some(found) = detect(tensors).networks.into_iter().next() else {
        return Err(record.refuse("no update block is among its tensors".to_owned()));
    };
    let block = found.network.into_raft_update()?;
    let get = |name: &str| Ok::<Tensor<T>, convgru_train::Error>(record.tensor(name)?.cast());
    let (inp, corr) = (get("inp")?, get("corr")?);
    let (mut net, mut flow) = (get("net")?, get("flow")?);
    let mut updates = Vec::new();
    for step in 0..corr.shape()[0] {
        let update = block.update(&net, &inp, &corr.index(step), &flow)?;
        net = update.net.clone();
        flow.add_assign(&update.delta_flow)?;
        updates.push(update);
    }
    Ok(updates)
}

/// The results of all updates, by their names in records.
fn stacked<T: Scalar>(updates: &[RaftUpdate<T>]) -> Result<Vec<(&'static str, Tensor<T>)>> {
    let all = |part: fn(&RaftUpdate<T>) -> Option<&Tensor<T>>| -> Result<Option<Tensor<T>>> {
        let Some(parts) = updates.iter().map(part).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let Some(first) = parts.first() else { return Ok(None) };
        let shape = [&[parts.len()], first.shape()].concat();
        let values = parts.iter().flat_map(|part| part.as_slice()).copied().collect();
        Ok(Some(Tensor::from_vec(&shape, values)?))
    };
    let named = [
        ("after.net", all(|update| Some(&update.net))?),
        ("after.delta_flow", all(|update| Some(&update.delta_flow))?),
        ("after.mask", all(|update| update.mask.as_ref())?),
    ];
    Ok(named.into_iter().filter_map(|(name, steps)| Some((name, steps?))).collect())
}
