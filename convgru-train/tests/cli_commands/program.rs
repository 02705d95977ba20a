//! Running the program and looking at what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Six steps on small frames: well under a second.
pub(crate) const TINY: &str = r#"
name = "tiny"
[data]
size = 16
digit_size = 8
min_speed = 1.0
max_speed = 3.0
input_frames = 3
output_frames = 2
train_sequences = 8
validation_sequences = 2
test_sequences = 3
[model]
patch = 2
hidden_channels = [4]
output_activation = "sigmoid"
[training]
steps = 6
batch_size = 2
loss = "bce-with-logits"
validate_every = 2
checkpoint_every = 1
threads = 1
"#;

/// A step that changes nothing of a network that repeats the last frame.
pub(crate) const LAST_FRAME: &str = r#"
name = "t"
[data]
input_frames = 2
output_frames = 2
train_sequences = 1
validation_sequences = 1
[model]
kind = "pyramid"
residual = "last-frame"
head_channels = 0
[[model.scales]]
channels = 2
down = 1
[training]
steps = 1
batch_size = 1
threads = 1
[optimizer]
learning_rate = 1e-12
"#;

/// A `.npy` file of `float32`.
pub(crate) fn array(path: &Path, shape: &[u64], value: impl Fn(usize) -> f32) {
    use npyz::WriterBuilder;
    let file = std::fs::File::create(path).unwrap();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
    let count = shape.iter().product::<u64>() as usize;
    writer.extend((0..count).map(value)).unwrap();
    writer.finish().unwrap();
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The last line of stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("no stdout: {}", self.stderr));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// This, if the command succeeded.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }
}

/// The program with arguments, split at spaces, in a folder.
pub(crate) fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_convgru"));
    command.args(arguments.split(' ').filter(|argument| !argument.is_empty()));
    command.current_dir(folder).env_remove("CONVGRU_PROGRAM").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn convgru(folder: &Path, arguments: &str) -> Ran {
    let output = command(folder, arguments).output().expect("the program was built");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!ran.stderr.contains("panicked"), "{arguments}: {}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b'), "colours where there is no terminal: {}", ran.stderr);
    ran
}

/// A new folder with `tiny.toml`.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("tiny.toml"), TINY).expect("a file in a temporary folder");
    folder
}

/// A folder with the finished run `runs/tiny`, made once. Nothing may change it.
pub(crate) fn finished_run() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = folder();
            convgru(folder.path(), "train --config tiny.toml").succeeded();
            folder
        })
        .path()
}

/// `model.safetensors` of the finished run.
pub(crate) fn weights() -> PathBuf {
    finished_run().join("runs/tiny/model.safetensors")
}

/// A zip archive of entries that are not compressed. Checksums are not looked at.
pub(crate) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let short = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let long = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let sizes = [long(0), long(data.len()), long(data.len())].concat();
        let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &sizes, &short(name.len()), &[0, 0]].concat();
        let place = long(bytes.len());
        bytes.extend([b"PK\x03\x04", &common[..], name.as_bytes(), data].concat());
        let entry = [b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &place, name.as_bytes()].concat();
        directory.extend(entry);
    }
    let count = short(entries.len());
    let end = [&[0; 4][..], &count, &count, &long(directory.len()), &long(bytes.len()), &[0, 0]].concat();
    [bytes, directory, b"PK\x05\x06".to_vec(), end].concat()
}
