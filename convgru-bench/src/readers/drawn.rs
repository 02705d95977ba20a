//! What the script says about a file that it drew, and the files of a draw.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// A line of `draw_files.py`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Line {
    pub(super) kind: String,
    pub(super) number: usize,
    /// Why the kind is not drawn at all.
    pub(super) absent: Option<String>,
    /// Why this draw was not written.
    pub(super) skipped: Option<String>,
    /// The name of the file, or of the folder.
    pub(super) file: String,
    pub(super) described: String,
    /// `[N, T, C, H, W]`.
    pub(super) shape: [usize; 5],
    pub(super) config: Settings,
    /// A refusal is right if it contains one of these, whatever the case of letters.
    pub(super) refusals: Vec<String>,
    /// Roundings of `f32` by which numbers may differ.
    pub(super) roundings: u32,
}

/// Settings of `[data.frames]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) axes: Option<String>,
    pub(super) variable: String,
    pub(super) member: String,
}

/// The numbers that the reference reads.
pub(super) fn expected(line: &Line, folder: &Path) -> anyhow::Result<Vec<f32>> {
    let path = folder.join(format!("{}-{}.f32", line.kind, line.number));
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let count: usize = line.shape.iter().product();
    anyhow::ensure!(numbers.len() == count, "{} holds {} numbers of {count}", path.display(), numbers.len());
    Ok(numbers)
}

/// What lies in a folder and belongs to a draw: the file, files that it refers to, and what is expected.
fn files(line: &Line, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let begin = format!("{}-{}.", line.kind, line.number);
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    let is_own =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begin));
    Ok(paths.into_iter().filter(is_own).collect())
}

/// Moves the files of a draw to a folder where they stay; the path of the file.
pub(super) fn keep(line: &Line, folder: &Path, kept: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(kept).with_context(|| format!("cannot make {}", kept.display()))?;
    for path in files(line, folder)? {
        let target = kept.join(path.file_name().unwrap_or_default());
        remove(&target)?;
        copy(&path, &target).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(kept.join(&line.file))
}

/// Deletes the files of a draw.
pub(super) fn delete(line: &Line, folder: &Path) -> anyhow::Result<()> {
    files(line, folder)?.iter().try_for_each(|path| remove(path))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match path {
        path if path.is_dir() => fs::remove_dir_all(path),
        path if path.exists() => fs::remove_file(path),
        _ => Ok(()),
    };
    removed.with_context(|| format!("cannot delete {}", path.display()))
}

/// Copies a file or a folder with all in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
