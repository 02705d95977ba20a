//! The file system of the machine.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Storage, StorageFile};
use crate::atomic_file::folder_of;
use crate::input;

/// Random characters in the name of a temporary file.
pub(super) const RANDOM: usize = 12;
/// How the name of a temporary file ends.
pub(super) const SUFFIX: &str = ".tmp";

/// The file system of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

impl Storage for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        input::bytes(path)
    }

    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        input::open(path)?.take(most).read_to_end(&mut start)?;
        Ok(start)
    }

    fn find(&self, path: &Path) -> io::Result<Option<Metadata>> {
        match fs::metadata(path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if leads_nowhere(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create_temporary(&self, path: &Path) -> io::Result<(PathBuf, Box<dyn StorageFile>)> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(RANDOM).suffix(SUFFIX);
        // As the umask allows, not for the owner alone: the file will be an ordinary one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let (file, path) = builder.tempfile_in(folder_of(path)).map_err(without_path)?.keep()?;
        Ok((path, Box::new(file)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        input::expect_file(&fs::symlink_metadata(path)?)?;
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Only Unix can open a folder as a file; other systems order the operations themselves. So do file systems that
    /// refuse to sync a folder.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if cfg!(not(unix)) {
            return Ok(());
        }
        match File::open(folder)?.sync_all() {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                Ok(())
            }
            synced => synced,
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => {
                let reason = "it is no ordinary file; remove it if no run is using the folder";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            // A file system without locks can still be trained on.
            Err(fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(file))
            }
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The error of a temporary file or folder without its name, which nobody gave.
pub(crate) fn without_path(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((reason, _)) => io::Error::new(error.kind(), reason),
        None => error,
    }
}

/// Whether an error says that nothing is at a path: no such name, a file where a folder would have to be, or links that
/// lead to each other. Any other error says nothing about it.
fn leads_nowhere(error: &io::Error) -> bool {
    let too_many_links = if cfg!(any(target_os = "linux", target_os = "android")) { 40 } else { 62 };
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || (cfg!(unix) && error.raw_os_error() == Some(too_many_links))
}

impl StorageFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
