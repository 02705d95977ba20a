//! What a fault left, without what differs between two runs that did the same: times, process numbers, random names.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::evidence::{list, timeless};

/// A number for what lies in a folder of runs: the next start does the same in folders of one number.
pub(super) fn digest(folder: &Path) -> anyhow::Result<u64> {
    let mut files = BTreeMap::new();
    if folder.exists() {
        for path in list(folder)? {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = without_random(path.strip_prefix(folder)?);
            let content = without_times(&name, bytes)?;
            files.entry(name).or_insert_with(Vec::new).push(content);
        }
    }
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    Ok(hasher.finish())
}

/// `.best.ckpt.A1b2C3d4E5f6.tmp` becomes `.best.ckpt.tmp`.
fn without_random(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let inner = name.strip_suffix(".tmp").filter(|inner| inner.starts_with('.'));
    match inner.and_then(|inner| inner.rsplit_once('.')) {
        Some((target, _)) => path.with_file_name(format!("{target}.tmp")),
        None => path.to_path_buf(),
    }
}

fn without_times(name: &Path, bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let is = |ending: &str| name.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes());
    let empty_or_not = |bytes: &[u8]| vec![u8::from(!bytes.is_empty())];
    Ok(match () {
        // Who held the lock; when a report was made, or an event.
        () if is("run.lock") || is("report.html") || is(".tmp") => empty_or_not(&bytes),
        () if is("tfevents.convgru") => bytes.len().to_le_bytes().to_vec(),
        () if is(".jsonl") => bytes.split(|&byte| byte == b'\n').flat_map(line_without_times).collect(),
        () => timeless(&bytes)?.unwrap_or(bytes),
    })
}

/// A line of JSON without its times; one that was cut stays as it is.
fn line_without_times(line: &[u8]) -> Vec<u8> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(line) else {
        return [line, b"\n"].concat();
    };
    for time in ["seconds", "data_wait"] {
        fields.remove(time);
    }
    format!("{}\n", Value::Object(fields)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_random_names_make_no_difference_and_all_else_does() {
        let digest_of = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            digest(folder.path()).unwrap()
        };
        let lines = "{\"step\":1,\"seconds\":0.5}\n{\"st";
        let one =
            [("a/metrics.jsonl", lines), ("a/run.lock", "process 7"), ("a/.b.ckpt.A1b2C3d4E5f6.tmp", "x")];
        let mut other = [
            ("a/metrics.jsonl", "{\"step\":1,\"seconds\":9}\n{\"st"),
            ("a/run.lock", "process 12"),
            ("a/.b.ckpt.Z1b2C3d4E5f6.tmp", "y"),
        ];
        assert_eq!(digest_of(&one), digest_of(&other));
        for (at, text) in [(0, "{\"step\":2,\"seconds\":9}\n{\"st"), (0, "{\"step\":1}\n"), (1, ""), (2, "")]
        {
            let before = std::mem::replace(&mut other[at].1, text);
            assert_ne!(digest_of(&one), digest_of(&other), "{text}");
            other[at].1 = before;
        }
        assert_ne!(digest_of(&one), digest_of(&one[1..]));
        assert_ne!(digest_of(&[("a", "x")]), digest_of(&[("b", "x")]));
    }
}
