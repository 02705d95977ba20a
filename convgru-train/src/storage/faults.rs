//! The file system of the machine with calls that fail.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Disk, Storage, StorageFile};

/// Errors of the operating system, with their numbers on Unix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errno {
    /// EIO.
    Device = 5,
    /// ENOMEM.
    NoMemory = 12,
    /// EACCES.
    NoAccess = 13,
    /// EMFILE.
    TooManyFiles = 24,
    /// ENOSPC.
    NoSpace = 28,
}

impl Errno {
    pub(crate) const ALL: [Self; 5] =
        [Self::Device, Self::NoMemory, Self::NoAccess, Self::TooManyFiles, Self::NoSpace];
}

/// A file system of which the call number `at` fails, from 0, or all from there on.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    calls: Arc<AtomicUsize>,
    at: usize,
    is_once: bool,
    errno: Errno,
}

impl Failing {
    /// One call fails.
    pub(crate) fn once(at: usize, errno: Errno) -> Self {
        Self { calls: Arc::default(), at, is_once: true, errno }
    }

    /// All calls fail from one on.
    pub(crate) fn from(at: usize, errno: Errno) -> Self {
        Self { is_once: false, ..Self::once(at, errno) }
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn next(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fails = if self.is_once { call == self.at } else { call >= self.at };
        if fails { Err(io::Error::from_raw_os_error(self.errno as i32)) } else { Ok(()) }
    }

    fn file(&self, inner: Box<dyn StorageFile>) -> Box<dyn StorageFile> {
        Box::new(FailingFile { inner, storage: self.clone() })
    }
}

#[derive(Debug)]
struct FailingFile {
    inner: Box<dyn StorageFile>,
    storage: Failing,
}

impl Storage for Failing {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.next().and_then(|()| Disk.read(path))
    }

    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.next().and_then(|()| Disk.read_start(path, most))
    }

    fn find(&self, path: &Path) -> io::Result<Option<Metadata>> {
        self.next().and_then(|()| Disk.find(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.next().and_then(|()| Disk.list(folder))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.next().and_then(|()| Disk.create_folder(path))
    }

    fn create_temporary(&self, path: &Path) -> io::Result<(PathBuf, Box<dyn StorageFile>)> {
        self.next()?;
        let (path, file) = Disk.create_temporary(path)?;
        Ok((path, self.file(file)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.next()?;
        Ok(self.file(Disk.append(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next().and_then(|()| Disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.next().and_then(|()| Disk.remove(path))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.next().and_then(|()| Disk.sync_folder(folder))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        self.next().and_then(|()| Disk.lock(path))
    }
}

impl StorageFile for FailingFile {
    /// A write that fails has written half.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.storage.next() {
            self.inner.write(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.inner.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.storage.next().and_then(|()| self.inner.sync())
    }
}
