//! What a finished run left, and whether another left the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use convgru_train::checkpoint::{Checkpoint, Timing, Timings};
use convgru_train::trainer::TrainedModel;
use serde_json::{Map, Value};

/// The files of a run by their names within its folder.
pub(super) struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    /// Everything below `folder`.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        for path in list(folder)? {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.insert(path.strip_prefix(folder)?.to_path_buf(), bytes);
        }
        Ok(Self(files))
    }
}

/// The files below `folder`.
pub(super) fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

/// What two uninterrupted runs have in common, which every other run must have too. Times differ between
/// them, and so does every file with a time in it.
#[derive(Default)]
pub(super) struct Expected {
    names: BTreeSet<PathBuf>,
    /// Files that have the same bytes.
    same: BTreeMap<PathBuf, Vec<u8>>,
    /// Files of lines of JSON, without the keys whose values differ.
    lines: BTreeMap<PathBuf, Vec<Map<String, Value>>>,
    /// Checkpoints, without their times.
    checkpoints: BTreeMap<PathBuf, Vec<u8>>,
}

impl Expected {
    /// From the files of two runs that nothing interrupted.
    pub(super) fn of(one: &Files, other: &Files) -> anyhow::Result<Self> {
        let names: BTreeSet<PathBuf> = one.0.keys().cloned().collect();
        anyhow::ensure!(
            names.iter().eq(other.0.keys()),
            "two uninterrupted runs left files of different names: {names:?} and {:?}",
            other.0.keys()
        );
        let mut expected =
            Self { names, same: BTreeMap::new(), lines: BTreeMap::new(), checkpoints: BTreeMap::new() };
        for (name, bytes) in &one.0 {
            let twin = &other.0[name];
            if let Some(record) = timeless(bytes)? {
                anyhow::ensure!(
                    timeless(twin)?.as_ref() == Some(&record),
                    "two uninterrupted runs wrote different {}",
                    name.display()
                );
                expected.checkpoints.insert(name.clone(), record);
            } else if bytes == twin {
                expected.same.insert(name.clone(), bytes.clone());
            } else if name.extension().is_some_and(|extension| extension == "jsonl") {
                expected.lines.insert(name.clone(), in_common(&records(bytes)?, &records(twin)?)?);
            }
        }
        anyhow::ensure!(!expected.checkpoints.is_empty(), "the uninterrupted run left no checkpoint");
        let weights = Path::new("model.safetensors");
        anyhow::ensure!(expected.same.contains_key(weights), "two uninterrupted runs have other weights");
        Ok(expected)
    }

    /// How many files are compared, and how.
    pub(super) fn describe(&self) -> String {
        format!(
            "{} files in a run: {} compared by bytes, {} checkpoints without their times, {} by their lines",
            self.names.len(),
            self.same.len(),
            self.checkpoints.len(),
            self.lines.len()
        )
    }

    /// What is not as it must be.
    pub(super) fn differences(&self, files: &Files) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for name in self.names.iter().filter(|name| !files.0.contains_key(*name)) {
            found.push(format!("{} is missing", name.display()));
        }
        for (name, bytes) in &files.0 {
            let named = name.display();
            if self.same.get(name).is_some_and(|same| same != bytes) {
                found.push(format!("{named} has other bytes"));
            }
            if self
                .checkpoints
                .get(name)
                .is_some_and(|record| timeless(bytes).ok().flatten().as_ref() != Some(record))
            {
                found.push(format!("{named} holds another record"));
            }
            if let Some(lines) = self.lines.get(name) {
                found.extend(first_other_line(lines, bytes).map(|what| format!("{named}: {what}")));
            }
        }
        Ok(found)
    }

    /// Files that an uninterrupted run does not leave.
    pub(super) fn extra<'f>(&self, files: &'f Files) -> Vec<&'f Path> {
        files.0.keys().filter(|name| !self.names.contains(*name)).map(PathBuf::as_path).collect()
    }
}

/// The bytes of a checkpoint whose times are zero; nothing where the bytes are no checkpoint.
pub(super) fn timeless(bytes: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let Ok(mut checkpoint) = Checkpoint::from_bytes(bytes) else {
        return Ok(None);
    };
    checkpoint.saved = None;
    checkpoint.history.seconds = 0.0;
    let Timings { steps, validations, skipped } = &mut checkpoint.history.timings;
    for timing in steps.iter_mut().chain(validations).chain(skipped) {
        *timing = Timing { seconds: 0.0, data_wait: 0.0 };
    }
    Ok(Some(checkpoint.to_bytes()?))
}

fn records(bytes: &[u8]) -> anyhow::Result<Vec<Map<String, Value>>> {
    let text = std::str::from_utf8(bytes)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The lines without the keys that have different values in any of them.
fn in_common(
    one: &[Map<String, Value>],
    other: &[Map<String, Value>],
) -> anyhow::Result<Vec<Map<String, Value>>> {
    anyhow::ensure!(
        one.len() == other.len(),
        "two uninterrupted runs wrote {} and {} lines",
        one.len(),
        other.len()
    );
    let pairs = || one.iter().zip(other);
    let varies = |key: &String| pairs().any(|(one, other)| one.get(key) != other.get(key));
    let varying: BTreeSet<&String> = one.iter().flat_map(Map::keys).filter(|key| varies(key)).collect();
    let keep = |line: &Map<String, Value>| {
        line.iter().filter(|(key, _)| !varying.contains(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    Ok(one.iter().map(keep).collect())
}

/// The first line that lacks what is expected of it.
fn first_other_line(expected: &[Map<String, Value>], bytes: &[u8]) -> Option<String> {
    let Ok(lines) = records(bytes) else {
        return Some("a line is no JSON".into());
    };
    if lines.len() != expected.len() {
        return Some(format!("{} lines where {} are expected", lines.len(), expected.len()));
    }
    let has = |line: &Map<String, Value>, wanted: &Map<String, Value>| {
        wanted.iter().all(|(key, value)| line.get(key) == Some(value))
    };
    let other = lines.iter().zip(expected).position(|(line, wanted)| !has(line, wanted))?;
    Some(format!("line {} differs", other + 1))
}

/// What lies in a folder of runs when the program has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Files that bear the name of a checkpoint or of weights and are not intact, or that were set aside as damaged.
    pub(super) damaged: Vec<PathBuf>,
    /// There is a checkpoint to go on from.
    pub(super) can_resume: bool,
}

impl State {
    pub(super) fn of(folder: &Path) -> anyhow::Result<Self> {
        let mut state = Self::default();
        if !folder.exists() {
            return Ok(state);
        }
        for path in list(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is = |extension: &str| !name.starts_with('.') && name.ends_with(extension);
            let intact = match () {
                () if is(".ckpt") => {
                    let intact = Checkpoint::read(&path).is_ok();
                    state.can_resume |= intact;
                    intact
                }
                () if is(".safetensors") => TrainedModel::read(&path).is_ok(),
                () => !name.contains("damaged"),
            };
            if !intact {
                state.damaged.push(path);
            }
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHTS: &str = "model.safetensors";

    /// A recorded checkpoint at another step, after so many seconds.
    fn checkpoint(step: u64, seconds: f64) -> Vec<u8> {
        let recorded =
            include_bytes!("../../../convgru-train/src/checkpoint/version4/step_00000002.ckpt").as_slice();
        let mut checkpoint = Checkpoint::from_bytes(recorded).unwrap();
        checkpoint.cursor.step = step;
        checkpoint.saved = Some(seconds as u64);
        checkpoint.history.seconds = seconds;
        for timing in &mut checkpoint.history.timings.steps {
            *timing = Timing { seconds, data_wait: 1.0 / seconds };
        }
        checkpoint.to_bytes().unwrap()
    }

    fn files(weights: &str, lines: &str, record: Vec<u8>) -> Files {
        let text = |text: &str| text.as_bytes().to_vec();
        let all = [(WEIGHTS, text(weights)), ("metrics.jsonl", text(lines)), ("a.ckpt", record)];
        Files(all.into_iter().map(|(name, bytes)| (name.into(), bytes)).collect())
    }

    fn expected() -> Expected {
        let one = files("w", "{\"step\":1,\"seconds\":1}\n{\"step\":2,\"seconds\":2}\n", checkpoint(2, 1.0));
        let other =
            files("w", "{\"step\":1,\"seconds\":3}\n{\"step\":2,\"seconds\":2}\n", checkpoint(2, 9.0));
        Expected::of(&one, &other).unwrap()
    }

    #[test]
    fn times_may_differ_and_nothing_else() {
        let lines = "{\"step\":1,\"seconds\":7}\n{\"step\":2,\"seconds\":7}\n";
        let differences = |files: &Files| expected().differences(files).unwrap();
        assert_eq!(differences(&files("w", lines, checkpoint(2, 5.0))), Vec::<String>::new());
        assert_eq!(
            differences(&files("v", lines, checkpoint(2, 5.0))),
            ["model.safetensors has other bytes"]
        );
        assert_eq!(differences(&files("w", lines, checkpoint(3, 5.0))), ["a.ckpt holds another record"]);
        assert_eq!(differences(&files("w", lines, b"cut".to_vec())), ["a.ckpt holds another record"]);
        let twice = format!("{lines}{lines}");
        let found = differences(&files("w", &twice, checkpoint(2, 5.0)));
        assert_eq!(found, ["metrics.jsonl: 4 lines where 2 are expected"]);
        let found = differences(&files("w", &lines.replace("\"step\":2", "\"step\":3"), checkpoint(2, 5.0)));
        assert_eq!(found, ["metrics.jsonl: line 2 differs"]);
    }

    #[test]
    fn a_file_too_many_and_one_too_few_are_found() {
        let lines = "{\"step\":1,\"seconds\":7}\n{\"step\":2,\"seconds\":7}\n";
        let mut files = files("w", lines, checkpoint(2, 5.0));
        files.0.insert(".a.ckpt.tmp".into(), Vec::new());
        assert_eq!(expected().extra(&files), [Path::new(".a.ckpt.tmp")]);
        files.0.remove(Path::new(WEIGHTS));
        assert_eq!(expected().differences(&files).unwrap(), ["model.safetensors is missing"]);
    }
}
