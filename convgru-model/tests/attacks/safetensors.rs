//! Safetensors.

use convgru_model::import::{DESCRIPTION_ENTRY, from_safetensors, named_tensors, read, safetensors_metadata};
use convgru_model::{ConvGru, ConvGruConfig, Forecaster, ForecasterConfig, Parameters, export};

use crate::memory::within_the_rule;

/// A file of a header, without anything after it.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// The description of one network of a kind and a configuration.
fn description(kind: &str, config: &str) -> String {
    let config: serde_json::Value = serde_json::from_str(config).unwrap();
    serde_json::json!({ "version": 1, "networks": [{ "name": "", "network": { kind: config } }] }).to_string()
}

/// Reads a file in every way there is, each within the rule; the first error.
#[track_caller]
fn refused(file: &[u8]) -> String {
    let error = within_the_rule(file, |file| named_tensors(file).map(drop)).unwrap_err().to_string();
    within_the_rule(file, |file| safetensors_metadata(file).map(drop)).unwrap_err();
    within_the_rule(file, |file| read::<f32>(file).map(drop)).unwrap_err();
    error
}

#[test]
fn a_small_file_names_no_large_network() {
    let huge = [
        r#"{"kind": "encoder-forecaster", "hidden_channels": [1024, 1024], "kernel_size": 5}"#,
        r#"{"kind": "encoder-forecaster", "hidden_channels": [8192], "kernel_size": 1, "patch": 32}"#,
        r#"{"kind": "pyramid", "scales": [{"channels": 1024, "down": 8}, {"channels": 1024, "down": 2}]}"#,
        r#"{"kind": "pyramid", "head_channels": 65536, "members": 8}"#,
    ];
    for model in huge {
        let header =
            serde_json::json!({ "__metadata__": { DESCRIPTION_ENTRY: description("forecaster", model) } })
                .to_string();
        let bytes = file(&header, &[]);
        let error = within_the_rule(&bytes, |file| read::<f32>(file).map(drop)).unwrap_err().to_string();
        assert!(
            error.contains("the weights have no tensor `encoder.0") || error.contains("`encoder.layers.0"),
            "{error}"
        );
    }
}

#[test]
fn a_small_file_names_no_large_stack_and_no_large_origin() {
    let huge = [
        ("conv_gru", r#"{"in_channels": 60000, "hidden_channels": [60000], "kernel_size": 1}"#),
        ("recurrent", r#"{"stages": [{"cell": {"in_channels": 60000, "hidden_channels": 60000}}]}"#),
    ];
    for (kind, config) in huge {
        let header = serde_json::json!({ "__metadata__": { DESCRIPTION_ENTRY: description(kind, config) } })
            .to_string();
        let bytes = file(&header, &[]);
        let error = within_the_rule(&bytes, |file| read::<f32>(file).map(drop)).unwrap_err().to_string();
        assert!(error.contains("0.input_weights") || error.contains("parameters, more than"), "{error}");
    }
    // What an origin says is looked at when it is written back.
    let network = ConvGru::<f32>::new(ConvGruConfig::new(1, &[2]), 0).unwrap();
    let origin: convgru_model::import::Origin = serde_json::from_value(serde_json::json!({
        "system": "raft", "tensors": [{ "name": "convz.weight", "shape": [usize::MAX, usize::MAX, 3, 3] }],
    }))
    .unwrap();
    let error = export::original(&network.into(), &origin).unwrap_err().to_string();
    assert!(error.contains("the layout of raft: its tensors have"), "{error}");
}

#[test]
fn a_network_whose_tensors_have_other_shapes_is_refused_at_the_first() {
    let network = Forecaster::<f32>::new(ForecasterConfig::default(), 0).unwrap();
    let described =
        description("forecaster", r#"{"kind": "encoder-forecaster", "hidden_channels": [1024, 1024]}"#);
    let bytes =
        export::to_safetensors(network.parameters(), &[(DESCRIPTION_ENTRY.into(), described)]).unwrap();
    let error = within_the_rule(&bytes, |file| read::<f32>(file).map(drop)).unwrap_err().to_string();
    assert!(error.contains("encoder.layers.0.input_weights: shape [96, 16, 3, 3] where"), "{error}");
}

#[test]
fn headers_take_no_more_than_their_length() {
    let item = |i: usize| format!(r#""{i:x}":{{"dtype":"I8","shape":[],"data_offsets":[0,0]}}"#);
    // Tensors with no element overlap nowhere; these have one and lie in one place.
    let many: Vec<String> = (0..150_000).map(item).collect();
    assert!(
        refused(&file(&format!("{{{}}}", many.join(",")), &[])).contains("is said to be in bytes 0 to 0")
    );
    let shapes: Vec<String> = (0..60_000)
        .map(|i| format!(r#""{i:x}":{{"dtype":"F32","shape":[{}0],"data_offsets":[0,0]}}"#, "0,".repeat(31)))
        .collect();
    let bytes = file(&format!("{{{}}}", shapes.join(",")), &[]);
    within_the_rule(&bytes, |file| named_tensors(file).map(drop)).unwrap();
    let sizes = "0,".repeat(3_000_000);
    let long = format!(r#"{{"a":{{"dtype":"F32","shape":[{sizes}0],"data_offsets":[0,0]}}}}"#);
    assert!(refused(&file(&long, &[])).contains("at most 32 sizes"));
    let unknown = format!(r#"{{"a":{{"dtype":"F32","x":[{sizes}0],"shape":[0],"data_offsets":[0,0]}}}}"#);
    within_the_rule(&file(&unknown, &[]), |file| named_tensors(file).map(drop)).unwrap();
    let texts: Vec<String> = (0..400_000).map(|i| format!(r#""{i:x}":"""#)).collect();
    let texts = format!(r#"{{"__metadata__":{{{}}}}}"#, texts.join(","));
    assert!(refused(&file(&texts, &[])).contains("more than 1024 entries"));
    let text = format!(r#"{{"__metadata__":{{"a":"{}"}}}}"#, "x".repeat(1 << 21));
    assert!(refused(&file(&text, &[])).contains("1048576 bytes"));
    let deep = format!(r#"{{"a":{}"#, "[".repeat(1 << 22));
    assert!(refused(&file(&deep, &[])).contains("the header: "));
    assert!(refused(&file(&format!("{{{}", " ".repeat(9 << 20)), &[])).contains("at most 8388608 are read"));
    let beyond = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(refused(&beyond).contains("neither safetensors nor"));
}

#[test]
fn tensors_lie_one_after_the_other_under_names_of_their_own() {
    let tensor = |name: &str, shape: &str, [start, end]: [usize; 2]| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let refused =
        |tensors: &[String], len: usize| refused(&file(&format!("{{{}}}", tensors.join(",")), &vec![0; len]));
    let (a, b) = (tensor("a", "[2]", [0, 8]), tensor("b", "[2]", [4, 12]));
    assert!(refused(&[a.clone(), b], 12).contains("tensor `b`"));
    assert!(refused(&[a.clone(), tensor("b", "[1]", [12, 16])], 16).contains("tensor `b`"));
    assert!(refused(&[a.clone(), tensor("a", "[2]", [8, 16])], 16).contains("two tensors are named `a`"));
    assert!(
        refused(std::slice::from_ref(&a), 12)
            .contains("tensors take 8 bytes after the header, and 12 are there")
    );
    assert!(refused(&[a], 4).contains("tensors take 8 bytes after the header, and 4 are there"));
    assert!(refused(&[tensor("a", "[3]", [0, 8])], 8).contains("tensor `a`"));
    assert!(refused(&[tensor("a", "[4611686018427387904, 4]", [0, 0])], 0).contains("tensor `a`"));
    assert!(refused(&[tensor("a", "[2]", [8, 0])], 8).contains("tensor `a`"));
    let twice = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert!(super::safetensors::refused(&file(twice, &[])).contains("two entries are named `__metadata__`"));
}

/// A file as this crate writes it.
fn written() -> (ConvGru<f32>, Vec<u8>) {
    let network =
        ConvGru::<f32>::new(ConvGruConfig { kernel_size: 1.into(), ..ConvGruConfig::new(1, &[2]) }, 0);
    let network = network.unwrap();
    let metadata = [("about".to_owned(), "a \"network\" of \u{e4} few numbers".to_owned())];
    let bytes = export::to_safetensors(network.parameters(), &metadata).unwrap();
    (network, bytes)
}

#[test]
fn every_changed_bit_of_a_file_of_ours_is_noticed() {
    let (network, bytes) = written();
    assert_eq!(from_safetensors(&bytes, &mut network.parameters().clone()).unwrap().len(), 1);
    for bit in 0..8 * bytes.len() {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let mut parameters = network.parameters().clone();
        from_safetensors(&changed, &mut parameters).unwrap_err();
        assert_eq!(&parameters, network.parameters());
        named_tensors(&changed).unwrap_err();
        safetensors_metadata(&changed).unwrap_err();
    }
}

#[test]
fn every_cut_and_every_exchange_of_two_bytes_is_noticed() {
    let (network, bytes) = written();
    for length in 0..bytes.len() {
        from_safetensors(&bytes[..length], &mut network.parameters().clone()).unwrap_err();
    }
    let differ = |at: &usize| bytes[*at] != bytes[at + 1];
    for at in (0..bytes.len() - 1).filter(differ) {
        let mut changed = bytes.clone();
        changed.swap(at, at + 1);
        named_tensors(&changed).unwrap_err();
    }
}

#[test]
fn the_peer_reads_what_is_written_and_files_without_a_hash_are_read() {
    let (network, bytes) = written();
    let peer = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut again = Vec::new();
    network.parameters().for_each(&mut |name, tensor| {
        let view = peer.tensor(name).unwrap();
        assert_eq!(view.shape(), tensor.shape());
        let numbers: Vec<u8> = tensor.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(view.data(), numbers);
        again.push((name.to_owned(), view));
    });
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    assert!(metadata.remove("convgru_hash").unwrap().starts_with("blake3:"));
    let plain = safetensors::serialize(again, Some(metadata.clone())).unwrap();
    let mut read = network.parameters().zeros_like();
    assert_eq!(from_safetensors(&plain, &mut read).unwrap(), metadata);
    assert_eq!(&read, network.parameters());
}

#[test]
fn a_file_is_the_same_to_the_byte_whenever_it_is_written() {
    let (network, bytes) = written();
    let mut metadata: Vec<(String, String)> =
        (0..20).map(|i| (format!("entry {i}"), i.to_string())).collect();
    let first = export::to_safetensors(network.parameters(), &metadata).unwrap();
    metadata.reverse();
    assert_eq!(export::to_safetensors(network.parameters(), &metadata).unwrap(), first);
    // What was read can be written again: its hash is that of the new file.
    let read: Vec<(String, String)> = safetensors_metadata(&bytes).unwrap().into_iter().collect();
    assert_eq!(export::to_safetensors(network.parameters(), &read).unwrap(), bytes);
}
