//! The files in a folder and the folders below, without hidden ones.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::source::{is_hidden, is_store};
use crate::printable::printable;
use crate::trainer::RunFolder;
use crate::{Error, Result, input};

/// How deep folders may lie in folders.
const DEEPEST: usize = 6;
/// No recording may have more files.
const MOST_FILES: usize = 2_000_000;
/// No folder may have more folders in it.
const MOST_FOLDERS: usize = 50_000;

/// How deep folders of a store may lie in folders: groups, and the axes of chunks.
const DEEPEST_OF_STORE: usize = 40;

/// Calls `visit` with each file in a folder and those below, in any order, but not with hidden files, those in hidden folders and those in
/// folders of runs. A store of Zarr counts as a file. A file is its own. No folder is visited twice: one
/// that links lead to is visited where it lies, if that is below the same folder too.
///
/// # Errors
/// [`Error::Io`] if a folder cannot be read, [`Error::Data`] if there is too much in it, and the errors of `visit`.
pub(crate) fn each_file(root: &Path, visit: &mut dyn FnMut(PathBuf) -> Result<()>) -> Result<()> {
    if root.is_file() || is_store(root) {
        return visit(root.to_path_buf());
    }
    let mut count = 0;
    let mut seen = HashSet::new();
    let mut folders = vec![(root.to_path_buf(), 0)];
    // Folders that links lead to come last, in the order of their names.
    let mut linked = BTreeSet::new();
    while let Some((folder, depth)) = folders.pop().or_else(|| linked.pop_first()) {
        if !seen.insert(std::fs::canonicalize(&folder).map_err(Error::io("open the data folder", &folder))?) {
            continue;
        }
        let entries = std::fs::read_dir(&folder).map_err(Error::io("open the data folder", &folder))?;
        for entry in entries {
            let entry = entry.map_err(Error::io("read the data folder", &folder))?;
            let path = entry.path();
            if is_hidden(&path) {
                continue;
            }
            count += 1;
            if count > MOST_FILES || seen.len() + folders.len() + linked.len() > MOST_FOLDERS {
                let reason = format!(
                    "holds more than {MOST_FILES} files or {MOST_FOLDERS} folders; give a folder with fewer"
                );
                return Err(Error::Data { what: printable(root), reason });
            }
            if !input::is_folder(&path)? || is_store(&path) {
                visit(path)?;
            } else if depth == DEEPEST || RunFolder::open(&path).is_ok() {
            } else if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                linked.insert((path, depth + 1));
            } else {
                folders.push((path, depth + 1));
            }
        }
    }
    Ok(())
}

/// Calls `visit` with each file of a store, hidden ones too: names of metadata begin with a dot. Folders that links lead to are left out.
///
/// # Errors
/// As [`each_file`].
pub(super) fn each_file_of_store(root: &Path, visit: &mut dyn FnMut(PathBuf) -> Result<()>) -> Result<()> {
    let mut count = 0;
    let mut folders = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io("open the data folder", &folder))? {
            let entry = entry.map_err(Error::io("read the data folder", &folder))?;
            count += 1;
            if count > MOST_FILES {
                let reason = format!("holds more than {MOST_FILES} files; give a store with larger chunks");
                return Err(Error::Data { what: printable(root), reason });
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEPEST_OF_STORE => {
                    folders.push((entry.path(), depth + 1))
                }
                Ok(kind) if kind.is_dir() => {}
                _ => visit(entry.path())?,
            }
        }
    }
    Ok(())
}
