//! Files of weights that are made to take memory or time, given to the program. Each is made here, of some lines.
//!
//! What a process held at most is what Linux says of it; elsewhere it is not known, and only the answers are compared.

use std::path::Path;
use std::process::{Command, Output};

/// Bytes that the program itself takes: code, libraries, stacks of threads.
const PROGRAM: usize = 64 << 20;

/// Runs the program with the memory that the rule of SECURITY.md allows for a file: more is refused by the system.
fn convgru(arguments: &[&str], file: &Path) -> Output {
    let length = std::fs::metadata(file).unwrap().len() as usize;
    let program = env!("CARGO_BIN_EXE_convgru");
    let output = if cfg!(target_os = "linux") {
        // Of memory that is written to: data and anonymous mappings, in KiB.
        let most = (4 * length + (64 << 20) + PROGRAM) / 1024;
        let line = format!("ulimit -d {most}; exec \"$0\" \"$@\"");
        Command::new("sh")
            .args(["-c", &line, program])
            .args(arguments)
            .arg(file)
            .env("RAYON_NUM_THREADS", "1")
            .output()
    } else {
        Command::new(program).args(arguments).arg(file).output()
    };
    output.unwrap()
}

/// The error of a file that is refused with exit code 1.
#[track_caller]
fn refused(arguments: &[&str], file: &Path) -> String {
    let output = convgru(arguments, file);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    error
}

fn safetensors(metadata: &serde_json::Value) -> Vec<u8> {
    let header = serde_json::json!({ "__metadata__": metadata }).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
}

#[test]
fn a_model_of_some_bytes_names_no_large_network() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let config = "[model]\nhidden_channels = [1024, 1024]\nkernel_size = 5";
    let network = serde_json::json!({ "forecaster": { "kind": "encoder-forecaster" } });
    let description = serde_json::json!({
        "version": 1,
        "networks": [{ "name": "", "network": network }],
        "training": { "config": config, "step": 1 },
    });
    std::fs::write(&file, safetensors(&serde_json::json!({ "convgru": description.to_string() }))).unwrap();
    for command in [&["eval", "--checkpoint"][..], &["export", "--out", "x.onnx", "--checkpoint"]] {
        let error = refused(command, &file);
        assert!(error.contains("no tensor `encoder.layers.0.input_weights`"), "{error}");
    }
}

#[test]
fn weights_of_some_bytes_name_no_large_stack() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let stack = serde_json::json!({ "in_channels": 60000, "hidden_channels": [60000], "kernel_size": 1 });
    let cell = serde_json::json!({ "cell": { "in_channels": 60000, "hidden_channels": 60000 } });
    for network in
        [serde_json::json!({ "conv_gru": stack }), serde_json::json!({ "recurrent": { "stages": [cell] } })]
    {
        let described = serde_json::json!({ "version": 1, "networks": [{ "name": "", "network": network }] });
        std::fs::write(&file, safetensors(&serde_json::json!({ "convgru": described.to_string() }))).unwrap();
        let error = refused(&["export", "--out", "x.safetensors", "--weights"], &file);
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn a_pickle_that_shares_its_values_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.pth");
    let begin = &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}."[..];
    // Names of functions that are joined of two texts, and dictionaries within each other.
    let long = format!("X\u{fa}\0\0\0{}", "m".repeat(250)).into_bytes();
    let long: Vec<u8> = [b"X\xfa\0\0\0", &long[long.len() - 250..]].concat();
    let names = [&long[..], b"q\x00q\x010", &b"h\x00h\x01\x930".repeat(1_700_000), b"N"].concat();
    let list = [&b"]("[..], &b"N".repeat(150_000), b"e"].concat();
    let dictionary = [b"ccollections\nOrderedDict\n", &list[..], b"\x85Rq\x030"].concat();
    let nested = [&dictionary[..], b"](", &b"h\x03".repeat(150_000), b"e"].concat();
    for pickle in [names, nested] {
        std::fs::write(&file, [begin, &pickle, b".]."].concat()).unwrap();
        let error = refused(&["import", "--input"], &file);
        assert!(error.contains("pickle"), "{error}");
    }
}

#[test]
fn names_of_many_cells_are_not_searched_for_hours() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let gates = ["convz", "convr", "convq"];
    let names = (0..20_000).flat_map(|cell| gates.map(|gate| format!("c{cell}.{gate}.weight")));
    let item =
        |name: String| (name, serde_json::json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}));
    let header = serde_json::Value::Object(names.map(item).collect()).to_string();
    std::fs::write(&file, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()).unwrap();
    let error = refused(&["import", "--input"], &file);
    assert!(error.contains("more than are looked for"), "{error}");
}

/// A safetensors file of the cell `convz`, `convr`, `convq` with numbers of one type.
fn cell(dtype: &str, number: &[u8], hidden: usize) -> Vec<u8> {
    let (rows, columns) = (hidden, 2 * hidden);
    let length = rows * columns * number.len();
    let item = |at: usize| serde_json::json!({ "dtype": dtype, "shape": [rows, columns, 1, 1], "data_offsets": [at * length, (at + 1) * length] });
    let names = ["convq", "convr", "convz"].into_iter().enumerate();
    let entries = names.map(|(at, gate)| (format!("gru.{gate}.weight"), item(at)));
    let header = serde_json::Value::Object(entries.collect()).to_string();
    let mut bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    bytes.extend(number.repeat(3 * rows * columns));
    bytes
}

#[test]
fn weights_of_every_width_are_imported_within_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let (file, output) = (folder.path().join("weights.safetensors"), folder.path().join("out.safetensors"));
    let to = ["import", "--out", output.to_str().unwrap(), "--input"];
    // 1.5 in each type; a file of 16-bit numbers has 48 MiB.
    for (dtype, number, hidden) in [
        ("BF16", &[0xc0, 0x3f][..], 2048),
        ("F16", &[0x00, 0x3e], 2048),
        ("F32", &1.5f32.to_le_bytes(), 2048),
        ("F64", &1.1f64.to_le_bytes(), 2048),
    ] {
        std::fs::write(&file, cell(dtype, number, hidden)).unwrap();
        let done = convgru(&to, &file);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{dtype}: {error}");
        let wide = if dtype == "F64" { 8 } else { 4 };
        let length = std::fs::metadata(&output).unwrap().len() as usize;
        assert!((6 * hidden * hidden * wide..6 * hidden * hidden * wide + 4096).contains(&length), "{dtype}");
    }
}

#[test]
fn numbers_of_64_bits_beside_many_of_16_are_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let header = |number: f64| {
        let header = serde_json::json!({
            "half": { "dtype": "F16", "shape": [1000], "data_offsets": [0, 2000] },
            "gru.convz.weight": { "dtype": "F64", "shape": [1, 2, 1, 1], "data_offsets": [2000, 2016] },
            "gru.convr.weight": { "dtype": "F64", "shape": [1, 2, 1, 1], "data_offsets": [2016, 2032] },
            "gru.convq.weight": { "dtype": "F64", "shape": [1, 2, 1, 1], "data_offsets": [2032, 2048] },
        })
        .to_string();
        let numbers = number.to_le_bytes().repeat(6);
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 2000], &numbers].concat()
    };
    std::fs::write(&file, header(0.5)).unwrap();
    assert!(convgru(&["import", "--input"], &file).status.success());
    std::fs::write(&file, header(0.1)).unwrap();
    assert!(refused(&["import", "--input"], &file).contains("64 bits"));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for command in
        [&["import", "--input"][..], &["eval", "--checkpoint"], &["export", "--out", "x.onnx", "--weights"]]
    {
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let output =
                Command::new(env!("CARGO_BIN_EXE_convgru")).args(command).arg(path).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{command:?} {path:?}");
        }
    }
}
