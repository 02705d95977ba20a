//! Which files of a folder hold sequences, and which split each belongs to.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Reader;
use crate::dataset::source::natural_order;
use crate::dataset::{Split, source};
use crate::printable::printable;
use crate::{Error, Result, input};

/// Bytes that are kept for a file or folder while it is read, besides its name: also the reason why it is left out.
const FILE_BYTES: usize = 1024;

/// What holds sequences: a file of arrays, a GIF, or a folder of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SequenceFile {
    pub(super) path: PathBuf,
    /// How many sequences.
    pub(super) sequences: usize,
}

/// The sequences of a split.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::dataset) struct SplitFiles {
    /// Files with the range of their sequences that belong to the split.
    pub(in crate::dataset) files: Vec<(PathBuf, Range<usize>)>,
    /// Which part of their time belongs to it, as shares of it.
    pub(in crate::dataset) time: Range<f64>,
}

impl SplitFiles {
    /// Files with all of their sequences, at all times.
    fn all(files: Vec<SequenceFile>) -> Self {
        Self { files: files.into_iter().map(|file| (file.path, 0..file.sequences)).collect(), time: 0.0..1.0 }
    }
}

/// The folders that hold a split, by name.
fn names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["train", "training"],
        Split::Validation => &["validation", "val", "valid"],
        Split::Test => &["test", "testing"],
    }
}

/// The sequences of a split of what a path holds. Files whose headers cannot be read end it or are gathered in `left_out`,
/// after `data.on_corrupt`.
///
/// # Errors
/// [`Error::Data`] if there are none, and the errors of the files' headers.
pub(super) fn split_files(
    reader: &Reader<'_>,
    split: Split,
    left_out: &mut Vec<Error>,
) -> Result<SplitFiles> {
    let (path, shares) = place(reader, split)?;
    let files = files(reader, &path, left_out)?;
    Ok(match shares {
        Some(shares) => shared(&files, split, shares),
        None => SplitFiles::all(files),
    })
}

/// The sequences of all splits, the training's first; each folder is looked at once.
///
/// # Errors
/// As [`split_files`].
pub(super) fn all_splits(reader: &Reader<'_>, left_out: &mut Vec<Error>) -> Result<[SplitFiles; 3]> {
    let mut seen: Vec<(PathBuf, Vec<SequenceFile>)> = Vec::new();
    let mut of_split = |split| -> Result<SplitFiles> {
        let (path, shares) = place(reader, split)?;
        if !seen.iter().any(|(own, _)| *own == path) {
            let found = files(reader, &path, left_out)?;
            seen.push((path.clone(), found));
        }
        let found = seen.iter().find(|(own, _)| *own == path).map_or(&[][..], |(_, files)| files);
        Ok(match shares {
            Some(shares) => shared(found, split, shares),
            None => SplitFiles::all(found.to_vec()),
        })
    };
    Ok([of_split(Split::Train)?, of_split(Split::Validation)?, of_split(Split::Test)?])
}

/// Where the sequences of a split lie, and the shares of the splits there; `None` where all are of it.
fn place(reader: &Reader<'_>, split: Split) -> Result<(PathBuf, Option<[f64; 3]>)> {
    let (root, config) = (reader.path, reader.config);
    let (Some(train), Some(test)) = (folder(root, Split::Train)?, folder(root, Split::Test)?) else {
        return Ok((root.into(), Some(config.shares)));
    };
    Ok(match (split, folder(root, Split::Validation)?) {
        (Split::Test, _) => (test, None),
        (Split::Validation, Some(validation)) => (validation, None),
        (Split::Train, Some(_)) => (train, None),
        // Validation is the end of training.
        (Split::Train | Split::Validation, None) => {
            let [train_share, validation_share, _] = config.shares;
            let total = train_share + validation_share;
            (train, Some([train_share / total, validation_share / total, 0.0]))
        }
    })
}

/// All sequences at a path; if it has folders for splits, the sequences of its folder for the test.
///
/// # Errors
/// As [`split_files`].
pub(super) fn whole(reader: &Reader<'_>, left_out: &mut Vec<Error>) -> Result<SplitFiles> {
    let test = folder(reader.path, Split::Train)?.and(folder(reader.path, Split::Test)?);
    Ok(SplitFiles::all(files(reader, test.as_deref().unwrap_or(reader.path), left_out)?))
}

/// The folder for a split in a folder, if there is one; its name may have capitals.
///
/// # Errors
/// [`Error::Data`] if there are several.
fn folder(root: &Path, split: Split) -> Result<Option<PathBuf>> {
    // Arrays of a store may have any names.
    if !input::is_folder(root)? || source::is_store(root) {
        return Ok(None);
    }
    let mut found: Option<PathBuf> = None;
    for entry in std::fs::read_dir(root).map_err(Error::io("open the data folder", root))? {
        let entry = entry.map_err(Error::io("read the data folder", root))?;
        let (name, path) = (entry.file_name(), entry.path());
        let is_split = names(split).iter().any(|own| name.eq_ignore_ascii_case(own));
        if !is_split || !input::is_folder(&path)? {
            continue;
        }
        if let Some(other) = &found {
            return Err(Error::Data {
                what: printable(root),
                reason: format!(
                    "has two folders for the {split} split, {} and {}; leave one of them, or give other names to both",
                    printable(other),
                    printable(&path)
                ),
            });
        }
        found = Some(path);
    }
    Ok(found)
}

/// Splits sequences by shares; too few to give each split one are split in time.
fn shared(files: &[SequenceFile], split: Split, shares: [f64; 3]) -> SplitFiles {
    let total: usize = files.iter().map(|file| file.sequences).sum();
    let parts = shares.iter().filter(|&&share| share > 0.0).count();
    let ends = [shares[0], shares[0] + shares[1], 1.0];
    let at = match split {
        Split::Train => 0,
        Split::Validation => 1,
        Split::Test => 2,
    };
    if total < parts {
        let begin = if at == 0 { 0.0 } else { ends[at - 1] };
        let end = if at + 1 == parts { 1.0 } else { ends[at] };
        let files = files.iter().map(|file| (file.path.clone(), 0..file.sequences)).collect();
        return SplitFiles { files, time: begin..end };
    }
    // Each split has one sequence at least.
    let last = |at: usize| {
        ((ends[at] * total as f64).round() as usize).clamp(at + 1, total - (parts - 1 - at.min(parts - 1)))
    };
    let range = (if at == 0 { 0 } else { last(at - 1) })..last(at);
    let mut before = 0;
    let mut chosen = Vec::new();
    for file in files {
        let own = before..before + file.sequences;
        let (start, end) = (range.start.max(own.start), range.end.min(own.end));
        if start < end {
            chosen.push((file.path.clone(), start - before..end - before));
        }
        before = own.end;
    }
    SplitFiles { files: chosen, time: 0.0..1.0 }
}

/// What holds sequences in a folder, in natural order; a file holds its own.
fn files(reader: &Reader<'_>, path: &Path, left_out: &mut Vec<Error>) -> Result<Vec<SequenceFile>> {
    let Reader { data, config, budget, .. } = reader;
    if let Some(sequences) = source::sequences_in(path, config, budget)? {
        return Ok(vec![SequenceFile { path: path.into(), sequences }]);
    }
    let mut names = budget.keep(path, 0)?;
    let mut entries = Vec::new();
    if input::is_folder(path)? {
        for entry in std::fs::read_dir(path).map_err(Error::io("open the data folder", path))? {
            let entry = entry.map_err(Error::io("read the data folder", path))?.path();
            if source::is_frames(&entry) || !source::is_hidden(&entry) && input::is_folder(&entry)? {
                names.more(path, (FILE_BYTES + 4 * entry.as_os_str().len()) as u64)?;
                entries.push(entry);
            }
        }
    }
    names.stay();
    entries.sort_by(|a, b| natural_order::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    let file = |path: PathBuf| {
        let sequences = source::sequences_in(&path, config, budget)?;
        Ok(sequences.map(|sequences| SequenceFile { path, sequences }))
    };
    let found = data.on_corrupt.kept(entries.into_iter().map(file), left_out)?;
    let found: Vec<SequenceFile> = found.into_iter().flatten().collect();
    if found.is_empty() {
        if !left_out.is_empty() {
            return Err(left_out.swap_remove(0));
        }
        return Err(Error::Data {
            what: printable(path),
             reason: "holds no sequences; looked for *.npy, *.npz, *.h5, *.hdf5, *.nc, *.zarr, *.grib2, *.gif, animated *.png, and folders of *.png or *.jpg".into(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_sequence_belongs_to_one_split(counts in proptest::collection::vec(1usize..6, 1..6), train in 0.1f64..0.8) {
            let files: Vec<SequenceFile> = counts
                .iter()
                .enumerate()
                .map(|(at, &sequences)| SequenceFile { path: format!("{at}").into(), sequences })
                .collect();
            let total: usize = counts.iter().sum();
            let shares = [train, (1.0 - train) / 2.0, (1.0 - train) / 2.0];
            let parts = [Split::Train, Split::Validation, Split::Test].map(|split| shared(&files, split, shares));
            if total >= 3 {
                let mut all: Vec<(PathBuf, usize)> = Vec::new();
                for part in &parts {
                    prop_assert!(!part.files.is_empty());
                    all.extend(part.files.iter().flat_map(|(path, range)| range.clone().map(|n| (path.clone(), n))));
                }
                let expected: Vec<(PathBuf, usize)> =
                    files.iter().flat_map(|h| (0..h.sequences).map(|n| (h.path.clone(), n))).collect();
                prop_assert_eq!(all, expected);
            } else {
                prop_assert_eq!(parts[0].time.start, 0.0);
                prop_assert_eq!(parts[0].time.end, parts[1].time.start);
                prop_assert_eq!(parts[1].time.end, parts[2].time.start);
                prop_assert_eq!(parts[2].time.end, 1.0);
            }
        }
    }
}
