//! Weights, checkpoints and configurations.

use std::path::Path;

use convgru_model::import::{detect, named_tensors, pytorch, read_all};
use convgru_train::checkpoint::{Checkpoint, MAGIC, VERSION};
use convgru_train::config::RunConfig;
use convgru_train::trainer::TrainedModel;

use crate::memory::within_the_rule;

/// Files of named tensors, and the search for cells among these.
fn tensors(bytes: &[u8]) {
    within_the_rule(bytes, 0, || {
        let Ok(weights) = named_tensors(bytes) else { return };
        detect(weights.tensors);
    });
}

/// Safetensors: named tensors, and the networks that they hold.
pub fn safetensors(bytes: &[u8]) {
    tensors(bytes);
    within_the_rule(bytes, 0, || drop(read_all::<f32>(bytes)));
    within_the_rule(bytes, 0, || drop(TrainedModel::from_bytes(bytes, Path::new("fuzzed"))));
}

/// Files of `torch.save`: as they are, and as the pickle in a file before version 1.6 with a storage `s` of six numbers.
pub fn pickle(bytes: &[u8]) {
    tensors(bytes);
    let begin = &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}."[..];
    let storage = [&6u64.to_le_bytes()[..], &[0x3f; 24]].concat();
    let file = [begin, bytes, b".]U\x01sa.", &storage].concat();
    within_the_rule(&file, 0, || drop(pytorch::read(&file)));
}

/// Lists of arrays of MXNet.
pub fn mxnet(bytes: &[u8]) {
    tensors(bytes);
}

/// Records of checkpoints: the version, then the record, which is sealed with its hash here.
pub fn checkpoint(bytes: &[u8]) {
    let Some((&version, payload)) = bytes.split_first() else { return };
    let version = u32::from(version) % (VERSION + 2);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&version.to_le_bytes());
    let hash = hasher.update(payload).finalize();
    let length = (payload.len() as u64).to_le_bytes();
    let file = [&MAGIC[..], &version.to_le_bytes(), &length, hash.as_bytes(), payload].concat();
    within_the_rule(&file, 0, || drop(Checkpoint::from_bytes(&file)));
    within_the_rule(&file, 0, || drop(TrainedModel::from_bytes(&file, Path::new("fuzzed"))));
    within_the_rule(bytes, 0, || drop(Checkpoint::from_bytes(bytes)));
}

/// Configurations.
pub fn toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    within_the_rule(bytes, 0, || {
        if let Ok(config) = RunConfig::from_toml(text) {
            let again = RunConfig::from_toml(&config.to_toml());
            assert!(again.is_ok(), "what was written is not read: {again:?}");
            drop(config.validate());
        }
    });
}
