//! Recorded weights, imported and written back: the published tensors bit for bit.

use std::collections::HashMap;

use convgru_model::export;
use convgru_model::import::network::{Hints, read};
use convgru_model::import::{NamedNetwork, NamedTensors, Origin, detect, read_all};
use convgru_model::{Network, Tensor};

use super::Record;
use convgru_train::Result;

/// Fails unless the weights of a record come back from the network that a system's reader makes of them, and from every network that
/// is detected among them, by way of a file.
pub(super) fn expect(
    record: &Record,
    system: &str,
    hints: &Hints,
    tensors: &[(String, Tensor<f64>)],
) -> Result<()> {
    let imported = read(system, tensors, hints)?;
    let origin = imported.origin(system, tensors, hints)?;
    let network =
        NamedNetwork { name: "net.".into(), network: imported.into_network()?, origin: Some(origin) };
    compare(record, tensors, vec![network])?;
    expect_detected(record, tensors)
}

/// Fails unless the weights of every network that is detected come back.
pub(super) fn expect_detected(record: &Record, tensors: &[(String, Tensor<f64>)]) -> Result<()> {
    let networks = detect(tensors.to_vec()).networks;
    if networks.is_empty() { Ok(()) } else { compare(record, tensors, networks) }
}

fn compare(
    record: &Record,
    tensors: &[(String, Tensor<f64>)],
    networks: Vec<NamedNetwork<f64>>,
) -> Result<()> {
    let bytes = export::networks(&networks)?;
    for (read, written) in read_all::<f64>(&bytes)?.into_iter().zip(networks) {
        let Some(origin) = read.origin.filter(|origin| written.origin.as_ref() == Some(origin)) else {
            return Err(record.refuse(format!("the origin of `{}` is another in its file", read.name)));
        };
        compare_one(record, tensors, &read.network, &origin)?;
    }
    Ok(())
}

fn compare_one(
    record: &Record,
    tensors: &[(String, Tensor<f64>)],
    network: &Network<f64>,
    origin: &Origin,
) -> Result<()> {
    let published: HashMap<&str, &Tensor<f64>> =
        tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let NamedTensors { tensors: back, .. } = export::original(network, origin)?;
    for (name, tensor) in &back {
        // The first of two biases is the sum minus the second, which rounds.
        let rounds = !origin.second_biases.is_empty() && name.contains("bias") || name == "B";
        let is_same = |(a, b): (&f64, &f64)| {
            a.to_bits() == b.to_bits() || rounds && (a - b).abs() <= 4.0 * f64::EPSILON * a.abs().max(1.0)
        };
        let same = published.get(name.as_str()).is_some_and(|expected| {
            expected.shape() == tensor.shape()
                && tensor.as_slice().iter().zip(expected.as_slice()).all(is_same)
        });
        if !same {
            return Err(record.refuse(format!("`{name}` of {} does not come back as it was", origin.system)));
        }
    }
    Ok(())
}
