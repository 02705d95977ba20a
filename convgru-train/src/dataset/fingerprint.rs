//! Whether data are still those that a run was trained on.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::source::{self, radar};
use super::{DataConfig, Source, SourceKind, folder, mnist};
use crate::checkpoint::bounded;
use crate::storage::{Disk, is_file};
use crate::{Error, ReadBudget, Result, input};

/// The longest file of which every byte is looked at, in bytes.
const WHOLE: u64 = 1 << 16;
/// Bytes of a sample of a longer file.
const SAMPLE: u64 = 4096;
/// Samples of a longer file, evenly over it: the first begins at its start, the last ends at its end.
const SAMPLES: u64 = 16;
/// Files that are remembered one by one.
pub(crate) const MOST_FILES: usize = 1 << 16;
/// Bytes that are kept for a file, besides its name.
const FILE_BYTES: usize = 128;
/// Changes that are told one by one.
const MOST_TOLD: usize = 5;

/// What tells data apart without reading all of them: names, sizes and bytes of the files that a source reads.
///
/// Of files up to 64 KiB all bytes count, of longer ones 16 samples of 4 KiB, among them the last bytes, in which gzip,
/// zip and PNG files have checksums of their content. Names count from the folder of the data on, so that a folder
/// that was moved or copied has the same fingerprint. A time alone is no change: bytes beat times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The source, as in the configuration.
    #[serde(deserialize_with = "bounded::text")]
    pub source: String,
    /// Number of files.
    pub count: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The blake3 hash, in hexadecimal, of names, sizes and samples of all files.
    #[serde(deserialize_with = "bounded::text")]
    pub hash: String,
    /// The files in the order of their names; empty if there are more than 65,536.
    #[serde(deserialize_with = "bounded::files")]
    pub files: Vec<FileFingerprint>,
}

/// What tells a file apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFingerprint {
    /// Its path from the folder of the data on; empty if the data are one file.
    #[serde(deserialize_with = "bounded::text")]
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, in seconds since 1970; 0 if that is not known.
    pub modified: u64,
    /// The first 16 bytes of the blake3 hash of its samples.
    pub samples: [u8; 16],
}

impl Fingerprint {
    /// The fingerprint of what a source reads at a path. Digits that are drawn come with the program and always have
    /// the same.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read.
    pub fn of(config: &DataConfig, path: Option<&Path>) -> Result<Self> {
        let files = match path {
            Some(path) if !matches!(config.source, Source::Strokes(_)) => files(config, path)?,
            _ => Vec::new(),
        };
        let list = match &config.source {
            Source::Frames(frames) if !frames.crop_list.is_empty() => Some(Path::new(&frames.crop_list)),
            _ => None,
        };
        let list = list.map(|list| FileFingerprint::of(list, list)).transpose()?;
        let named = |list| FileFingerprint { name: "data.frames.crop_list".into(), ..list };
        let inputs = config.input().map(|input| self::files(config, &input.path)).transpose()?;
        let of_input = |file: FileFingerprint| {
            let name = format!("data.frames.input/{}", file.name);
            FileFingerprint { name: name.trim_end_matches('/').to_owned(), ..file }
        };
        let inputs = inputs.into_iter().flatten().map(of_input);
        let mut files: Vec<FileFingerprint> =
            files.into_iter().chain(list.map(named)).chain(inputs).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hasher = blake3::Hasher::new();
        for file in &files {
            hasher.update(&(file.name.len() as u64).to_le_bytes()).update(file.name.as_bytes());
            hasher.update(&file.size.to_le_bytes()).update(&file.samples);
        }
        Ok(Self {
            source: config.source.name().to_owned(),
            count: files.len() as u64,
            bytes: files.iter().map(|file| file.size).fold(0, u64::saturating_add),
            hash: hasher.finalize().to_hex().to_string(),
            files: if files.len() > MOST_FILES { Vec::new() } else { files },
        })
    }

    /// What changed from these data to others, in words; empty if nothing did.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        if (&self.source, &self.hash) == (&now.source, &now.hash) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if self.source != now.source {
            changes.push(format!("the source was {} and is {}", self.source, now.source));
        }
        if (self.count, self.bytes) != (now.count, now.bytes) {
            changes.push(format!(
                "there were {} files of {} bytes, now there are {} of {}",
                self.count, self.bytes, now.count, now.bytes
            ));
        }
        let known = |one: &Self| one.files.len() as u64 == one.count;
        let told = if known(self) && known(now) { told(&self.files, &now.files) } else { Vec::new() };
        let more = told.len().saturating_sub(MOST_TOLD);
        changes.extend(told.into_iter().take(MOST_TOLD));
        if more > 0 {
            changes.push(format!("{more} more files changed"));
        }
        if changes.is_empty() {
            changes.push("names or contents of files differ".to_owned());
        }
        changes
    }

    /// Of data without [`changes`](Self::changes): files of which only samples were compared and whose time differs.
    pub fn only_times_differ(&self, now: &Self) -> usize {
        let pairs = self.files.iter().zip(&now.files);
        pairs.filter(|(then, now)| now.size > WHOLE && then.modified != now.modified).count()
    }
}

/// Each file that is in one list and not the same in the other; both are sorted by name.
fn told(then: &[FileFingerprint], now: &[FileFingerprint]) -> Vec<String> {
    let find = |files: &[FileFingerprint], name: &str| {
        files.binary_search_by(|file| file.name.as_str().cmp(name)).ok()
    };
    let shown = |name: &str| if name.is_empty() { "the file".to_owned() } else { format!("{name:?}") };
    let mut told = Vec::new();
    for old in then {
        let name = shown(&old.name);
        match find(now, &old.name).map(|at| &now[at]) {
            None => told.push(format!("{name} is gone")),
            Some(new) if new.size != old.size => {
                told.push(format!("{name} had {} bytes and has {}", old.size, new.size));
            }
            Some(new) if new.samples != old.samples => {
                told.push(format!("{name} has other content of the same size"));
            }
            Some(_) => {}
        }
    }
    let added = now.iter().filter(|new| find(then, &new.name).is_none());
    told.extend(added.map(|new| format!("{} is new", shown(&new.name))));
    told
}

/// The files that a source reads at a path, in the order of their names.
fn files(config: &DataConfig, path: &Path) -> Result<Vec<FileFingerprint>> {
    let budget = config.budget();
    let mut names = budget.keep(path, 0)?;
    let mut found = Vec::new();
    // With each file whether it is part of a store.
    let mut add = |file: PathBuf, of_store: bool| {
        names.more(path, (FILE_BYTES + 2 * file.as_os_str().len()) as u64)?;
        found.push((file, of_store));
        Ok(())
    };
    folder::each_file(path, &mut |file| match source::is_store(&file) && file.is_dir() {
        true => folder::each_file_of_store(&file, &mut |file| add(file, true)),
        false => add(file, false),
    })?;
    let is_single = is_file(&Disk, path)?;
    // Anything else than a file, such as a pipe, might never end.
    let one = |(file, of_store): &(PathBuf, bool)| {
        let is_read = is_file(&Disk, file)?
            && (is_single || *of_store || is_read(config.source.kind(), file, path, &budget)?);
        is_read.then(|| FileFingerprint::of(file, path)).transpose()
    };
    let files = found.par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<FileFingerprint> = files.into_iter().flatten().collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Whether a source reads a file of this name and kind in a folder.
fn is_read(source: SourceKind, file: &Path, folder: &Path, budget: &ReadBudget) -> Result<bool> {
    Ok(match source {
        SourceKind::Strokes => false,
        SourceKind::Mnist => mnist::is_images(file) && file.parent() == Some(folder),
        SourceKind::Radar => radar::meteonet::is_dates(file) || radar::is_radar(file, budget)?,
        SourceKind::Frames => source::is_frames(file),
    })
}

impl FileFingerprint {
    fn of(path: &Path, folder: &Path) -> Result<Self> {
        let io = || Error::io("read", path);
        let mut file = input::open(path).map_err(io())?;
        let metadata = file.metadata().map_err(io())?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mut hasher = blake3::Hasher::new();
        for start in starts(metadata.len()) {
            file.seek(SeekFrom::Start(start)).map_err(io())?;
            let length = if metadata.len() <= WHOLE { WHOLE } else { SAMPLE };
            std::io::copy(&mut file.by_ref().take(length), &mut hasher).map_err(io())?;
        }
        let mut samples = [0; 16];
        samples.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let modified = modified.map_or(0, |time| time.as_secs());
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        Ok(Self { name: parts.join("/"), size: metadata.len(), modified, samples })
    }
}

/// Where samples of a file begin.
fn starts(size: u64) -> Vec<u64> {
    if size <= WHOLE {
        return vec![0];
    }
    let last = size - SAMPLE;
    (0..SAMPLES).map(|at| (u128::from(last) * u128::from(at) / u128::from(SAMPLES - 1)) as u64).collect()
}

#[cfg(test)]
mod tests;
