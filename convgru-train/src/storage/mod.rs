//! The file system as a run uses it: every file of a run is read and written through [`Storage`], so that tests can
//! make any call fail and lose whatever was not synced.

mod disk;
#[cfg(test)]
pub(crate) mod faults;
mod leftovers;
mod lock;
#[cfg(test)]
pub(crate) mod power_cut;

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use disk::{Disk, without_path};
pub(crate) use leftovers::{is_leftover, remove_leftovers};
pub(crate) use lock::Lock;

use crate::atomic_file::folder_of;
use crate::{Error, Result};

/// The calls to the file system that a run makes.
pub(crate) trait Storage: std::fmt::Debug + Send + Sync {
    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The first bytes of a file, at most this many.
    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;
    /// What is at a path, with links followed; `None` if nothing is. A path that cannot be looked at is an error.
    fn find(&self, path: &Path) -> io::Result<Option<Metadata>>;
    /// The paths of what is in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// Creates one folder; fails if there is something of the name.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Creates a file of a new random name beside `path`, and never opens one that is there.
    fn create_temporary(&self, path: &Path) -> io::Result<(PathBuf, Box<dyn StorageFile>)>;
    /// Opens a file that is there, to write at its end; no link to one.
    fn append(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Gives a file another name in the same folder; a file that has it is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, or a link instead of what it points to.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Locks a file for as long as it stays open, and creates it if there is none. `None` where another process
    /// holds the lock.
    fn lock(&self, path: &Path) -> io::Result<Option<std::fs::File>>;
}

/// A file that is open for writing.
pub(crate) trait StorageFile: std::fmt::Debug + Send {
    /// Writes all bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of the machine.
pub(crate) fn disk() -> Arc<dyn Storage> {
    Arc::new(Disk)
}

/// Whether a file is at a path, or a link to one.
///
/// # Errors
/// [`Error::Io`] if the path cannot be looked at now; it may be there then.
pub(crate) fn is_file(storage: &dyn Storage, path: &Path) -> Result<bool> {
    let found = storage.find(path).map_err(Error::io("look at", path))?;
    Ok(found.is_some_and(|found| found.is_file()))
}

/// The bytes of a file, `None` if there is no such file.
pub(crate) fn read_if_there(storage: &dyn Storage, path: &Path) -> Result<Option<Vec<u8>>> {
    match storage.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Creates a folder with all folders above it, each of them durable.
///
/// # Errors
/// [`Error::Io`] with the folder that cannot be created.
pub(crate) fn create_folders(storage: &dyn Storage, path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder_of(path);
    if above != path && !above.is_dir() {
        create_folders(storage, above)?;
    }
    match storage.create_folder(path) {
        Ok(()) => {}
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(Error::io("create the folder", path)(error)),
    }
    storage.sync_folder(above).map_err(Error::io("sync the folder", above))
}

#[cfg(test)]
mod tests {
    use super::faults::{Errno, Failing};
    use super::*;

    #[test]
    fn what_cannot_be_looked_at_now_is_not_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        assert!(is_file(&Disk, &path).unwrap());
        for absent in ["nothing", "file/below", "", "loop"] {
            #[cfg(unix)]
            let _ = std::os::unix::fs::symlink("loop", folder.path().join("loop"));
            assert!(!is_file(&Disk, &folder.path().join(absent)).unwrap(), "{absent}");
        }
        for errno in Errno::ALL {
            let error = is_file(&Failing::once(0, errno), &path).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
        }
    }
}
