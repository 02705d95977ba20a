//! Writing a file so that a crash leaves the old one or the new one, never a
//! part of one.

use std::path::Path;

use crate::storage::{Disk, Storage};
use crate::{Error, Result};

/// Writes `bytes` to `path` in one step as far as any reader can tell:
/// temporary file of a random name in the same folder, fsync, rename, fsync of the folder.
///
/// A file that was there before stays untouched unless everything succeeded; a link in its place is replaced, and
/// what it points to stays as it is. The file may be read by whom the umask allows.
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
    write_to(&Disk, path, bytes)
}

/// As [`write_atomically`], on any storage.
pub(crate) fn write_to(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let _whole = crate::interrupt::writing();
    let (temporary, mut file) = storage.create_temporary(path).map_err(Error::io("write", path))?;
    let filled = file.write(bytes).and_then(|()| file.sync());
    drop(file);
    if let Err(error) = filled.and_then(|()| storage.rename(&temporary, path)) {
        // The error to report is the one of the write. A file that stays is removed at the next start of its run.
        let _ = storage.remove(&temporary);
        return Err(Error::io("write", path)(error));
    }
    storage.sync_folder(folder_of(path)).map_err(Error::io("write", path))
}

/// The folder a path lies in; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::faults::{Errno, Failing};

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

    #[test]
    fn any_call_that_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        // Create, write, sync, rename.
        for at in 0..4 {
            write_atomically(&path, b"old").unwrap();
            let error = write_to(&Failing::once(at, Errno::NoSpace), &path, b"new").unwrap_err().to_string();
            assert!(error.contains("No space left"), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert_eq!(fs::read(&path).unwrap(), b"old", "call {at}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "call {at}");
        }
        write_to(&Failing::once(4, Errno::NoSpace), &path, b"new").unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"new", "the name alone may not be durable");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        for link in ["a", ".a.tmp"] {
            std::os::unix::fs::symlink(&victim, folder.path().join(link)).unwrap();
        }
        let path = folder.path().join("a");
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_can_be_written() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff"));
        write_atomically(&path, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
