//! Writing a file so that a crash leaves the old one or the new one, never a
//! part of one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Writes `bytes` to `path` in one step as far as any reader can tell:
/// temporary file in the same folder, fsync, rename, fsync of the folder.
///
/// A file that was there before stays untouched unless everything succeeded.
///
/// # Errors
/// [`Error::Io`] naming the file, for example when the disk is full; the
/// temporary file is removed.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("metrics.txt");
/// convgru_train::write_atomically(&path, b"mse 12.5")?;
/// assert_eq!(std::fs::read(&path)?, b"mse 12.5");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let _whole = crate::interrupt::writing();
    let temporary = temporary_name(path)?;
    let written = fill(&temporary, bytes)
        .map_err(Error::io("write", path))
        .and_then(|()| fs::rename(&temporary, path).map_err(Error::io("write", path)));
    if written.is_err() {
        // The error to report is the one of the write; a leftover is ignored
        // by every reader and overwritten by the next write.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_folder(folder_of(path)).map_err(Error::io("write", path))
}

fn fill(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// `folder/name` becomes `folder/.name.tmp`.
fn temporary_name(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path names no file");
        return Err(Error::io("write", path)(source));
    };
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    Ok(path.with_file_name(temporary))
}

/// The folder a path lies in; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the renaming durable. Only Unix can open a folder as a file; other
/// systems order the operations themselves.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_an_error_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("file.txt");
        let error = write_atomically(&path, b"x").unwrap_err().to_string();
        assert!(error.contains("file.txt"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        fs::write(&plain, b"x").unwrap();
        write_atomically(&ours, b"x").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&plain), mode(&ours));
    }

    #[test]
    fn a_path_without_a_file_name_is_refused() {
        assert!(write_atomically(Path::new("/"), b"").unwrap_err().to_string().contains("names no file"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_atomically(&path, b"old").unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(".a.tmp")).unwrap();
        let error = write_atomically(&path, b"new").unwrap_err().to_string();
        assert!(error.contains("No space left"), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
