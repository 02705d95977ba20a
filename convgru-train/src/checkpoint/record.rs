//! What a checkpoint holds.

use std::path::Path;

use convgru_model::{Parameters, Tensor};
use serde::{Deserialize, Serialize};

use super::envelope::{self, Fault};
use super::history::History;
use super::{bounded, version3, version4, version5};
use crate::dataset::Fingerprint;
use crate::optimizer::OptimizerState;
use crate::storage::{Disk, Storage};
use crate::{Error, Result};

/// No record is larger: 16 GiB. What reading one takes is bounded by its bytes, see [`bounded`].
const LIMIT: usize = 1 << 34;

fn format() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>()
}

/// Everything a run needs to go on as if it had never stopped.
///
/// Random numbers need no state of their own: the order of the samples, the
/// samples and the teacher forcing all derive from the seed and the cursor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// When it was saved, in milliseconds since 1970; version 3 does not know it.
    pub saved: Option<u64>,
    /// The instruction set whose bits these are, see [`Isa::name`](convgru_model::Isa::name); empty in versions 3 and 4,
    /// which do not know it.
    #[serde(deserialize_with = "bounded::text")]
    pub instruction_set: String,
    /// The whole configuration of the run as TOML.
    #[serde(deserialize_with = "bounded::text")]
    pub config_toml: String,
    /// Hash of the part of the configuration that decides the result.
    #[serde(deserialize_with = "bounded::text")]
    pub config_hash: String,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Where the next step continues.
    pub cursor: Cursor,
    /// The data that the run learns from; version 3 does not know them.
    pub data: Option<Fingerprint>,
    /// The parameters of the model, in their order.
    #[serde(deserialize_with = "bounded::tensors")]
    pub parameters: Vec<NamedTensor>,
    /// What the optimiser remembers.
    #[serde(deserialize_with = "bounded::state")]
    pub optimizer: OptimizerState<f32>,
    /// The moving average of the parameters, where the run keeps one.
    #[serde(deserialize_with = "bounded::average")]
    pub average: Option<Vec<NamedTensor>>,
    /// What was measured so far.
    pub history: History,
}

/// A position in the training data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Optimiser steps done.
    pub step: u64,
    /// Epoch of the next batch, from 0.
    pub epoch: u64,
    /// Next batch within that epoch, from 0.
    pub batch: u64,
}

impl Cursor {
    /// The position after `step` steps.
    pub fn at(step: u64, batches_per_epoch: u64) -> Self {
        let batches = batches_per_epoch.max(1);
        Self { step, epoch: step / batches, batch: step % batches }
    }
}

/// A tensor with its name, as a checkpoint stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedTensor {
    /// Name as in a weight file.
    #[serde(deserialize_with = "bounded::text")]
    pub name: String,
    /// Dimensions, outermost first.
    #[serde(deserialize_with = "bounded::shape")]
    pub shape: Vec<u64>,
    /// Elements in memory order.
    #[serde(deserialize_with = "bounded::long")]
    pub values: Vec<f32>,
}

impl NamedTensor {
    /// Whether it has this name and shape, and a number for each place.
    pub(crate) fn is(&self, name: &str, shape: &[usize]) -> bool {
        let same = |(&stored, &size): (&u64, &usize)| stored == size as u64;
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        self.name == name
            && self.shape.len() == shape.len()
            && self.shape.iter().zip(shape).all(same)
            && count == Some(self.values.len())
    }

    /// Copies of all parameters.
    pub fn collect(parameters: &impl Parameters<f32>) -> Vec<Self> {
        let mut tensors = Vec::new();
        parameters.for_each(&mut |name, tensor: &Tensor<f32>| {
            tensors.push(Self {
                name: name.to_owned(),
                shape: tensor.shape().iter().map(|&d| d as u64).collect(),
                values: tensor.as_slice().to_vec(),
            });
        });
        tensors
    }
}

impl Checkpoint {
    /// The bytes of the file.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the record is larger than 16 GiB.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let payload = bincode::serde::encode_to_vec(self, format()).map_err(|error| Error::Checkpoint {
            path: "memory".into(),
            reason: format!("the record cannot be encoded: {error}"),
        })?;
        Ok(envelope::seal(&payload))
    }

    /// The record in the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, Fault> {
        let (version, payload) = envelope::open(bytes)?;
        let decoded = match version {
            3 => bincode::serde::decode_from_slice(payload, format())
                .map(|(record, used): (version3::Record, usize)| (record.into(), used)),
            4 => bincode::serde::decode_from_slice(payload, format())
                .map(|(record, used): (version4::Record, usize)| (record.into(), used)),
            5 => bincode::serde::decode_from_slice(payload, format())
                .map(|(record, used): (version5::Record, usize)| (record.into(), used)),
            _ => bincode::serde::decode_from_slice(payload, format()),
        };
        let (checkpoint, used): (Self, usize) =
            decoded.map_err(|error| Fault::Record { reason: error.to_string() })?;
        if used != payload.len() {
            let reason = format!("{} bytes are left after the record", payload.len() - used);
            return Err(Fault::Record { reason });
        }
        if !checkpoint.history.is_timed() {
            return Err(Fault::Record { reason: "the timings do not fit the history".to_owned() });
        }
        Ok(checkpoint)
    }

    /// When the checkpoint in these bytes was saved, in milliseconds since 1970, as far as that can be seen without
    /// looking at the hash; the first 100 bytes of a file are enough.
    pub(crate) fn saved_at_a_glance(bytes: &[u8]) -> Option<u64> {
        let (is_known, rest) = envelope::glance(bytes)?.split_first()?;
        let saved = rest.first_chunk::<8>()?;
        (*is_known == 1).then(|| u64::from_le_bytes(*saved))
    }

    /// Reads a checkpoint file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::DamagedCheckpoint`] if it is
    /// not intact.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_from(&Disk, path)
    }

    /// As [`read`](Self::read), from any storage.
    pub(crate) fn read_from(storage: &dyn Storage, path: &Path) -> Result<Self> {
        let bytes = storage.read(path).map_err(Error::io("read", path))?;
        Self::from_bytes(&bytes).map_err(|fault| Error::DamagedCheckpoint { path: path.into(), fault })
    }

    /// Puts the stored parameters into a model's.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if names or shapes differ; nothing is changed then.
    pub fn restore(&self, parameters: &mut impl Parameters<f32>) -> Result<()> {
        fill(parameters, &self.parameters)
    }

    /// Puts the average of the parameters into a model's; the parameters themselves where
    /// there is none. This is the model that was measured.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub fn restore_average(&self, parameters: &mut impl Parameters<f32>) -> Result<()> {
        fill(parameters, self.average.as_ref().unwrap_or(&self.parameters))
    }
}

/// Copies stored tensors into the tensors of a model.
fn fill(parameters: &mut impl Parameters<f32>, tensors: &[NamedTensor]) -> Result<()> {
    let mut expected = Vec::new();
    parameters.for_each(&mut |name, tensor| {
        let shape: Vec<u64> = tensor.shape().iter().map(|&d| d as u64).collect();
        expected.push((name.to_owned(), shape));
    });
    let refuse = |reason| Err(Error::Checkpoint { path: "the checkpoint".into(), reason });
    if expected.len() != tensors.len() {
        let got = tensors.len();
        return refuse(format!("it holds {got} tensors, the model has {}", expected.len()));
    }
    for ((name, shape), stored) in expected.iter().zip(tensors) {
        let elements = shape.iter().product::<u64>();
        if (name, shape) != (&stored.name, &stored.shape) || elements != stored.values.len() as u64 {
            return refuse(format!(
                "it holds `{}` {:?} where the model has `{name}` {shape:?}",
                stored.name, stored.shape
            ));
        }
    }
    let mut stored = tensors.iter();
    parameters.for_each_mut(&mut |_, tensor| {
        let source = stored.next().expect("the number of tensors was compared above");
        tensor.as_mut_slice().copy_from_slice(&source.values);
    });
    Ok(())
}
