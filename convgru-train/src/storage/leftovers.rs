//! Temporary files that a kill left in the folders of a run.

use std::path::{Path, PathBuf};

use super::Storage;
use super::disk::{RANDOM, SUFFIX};
use crate::{Error, Result};

/// Removes the temporary files that earlier processes left in a folder on the way to files of which `is_ours` is true.
/// Call it only while the folder is locked: a file of a process that still writes looks the same. What was removed.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be listed or a file not removed.
pub(crate) fn remove_leftovers(
    storage: &dyn Storage,
    folder: &Path,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for path in storage.list(folder).map_err(Error::io("list", folder))? {
        if is_leftover(&path, &is_ours) {
            storage.remove(&path).map_err(Error::io("remove", &path))?;
            removed.push(path);
        }
    }
    Ok(removed)
}

/// Whether a path leads to a temporary file that would become a file of which `is_ours` is true. A folder is none.
pub(crate) fn is_leftover(path: &Path, is_ours: impl Fn(&str) -> bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(target);
    name.is_some_and(is_ours) && std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir())
}

/// The file that a temporary file would have become: `.name.A1b2C3d4E5f6.tmp`, or `.name.tmp` as the first versions
/// called it.
fn target(name: &str) -> Option<&str> {
    let inner = name.strip_prefix('.')?.strip_suffix(SUFFIX)?;
    match inner.rsplit_once('.') {
        Some((target, random))
            if random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            Some(target)
        }
        _ => Some(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic_file::folder_of;
    use crate::storage::Disk;

    #[test]
    fn only_our_own_temporary_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, _) = Disk.create_temporary(&folder.path().join("notes.txt")).unwrap();
        let (ours, _) = Disk.create_temporary(&folder.path().join("best.ckpt")).unwrap();
        for name in
            [".best.ckpt.tmp", "best.ckpt", ".best.ckpt", ".notes.tmp", "best.ckpt.tmp", ".best.ckpt.x.tmp"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join(".best.ckpt.A1b2C3d4E5f6.tmp")).unwrap();
        let mut removed = remove_leftovers(&Disk, folder.path(), |name| name == "best.ckpt").unwrap();
        removed.sort();
        let mut expected = vec![ours.clone(), folder_of(&ours).join(".best.ckpt.tmp")];
        expected.sort();
        assert_eq!(removed, expected);
        assert!(kept.is_file() && removed.iter().all(|path| !path.exists()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7);
    }
}
