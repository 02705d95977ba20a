//! The file system of the machine with a record of all calls, from which follows what a power cut may leave.
//!
//! The model is POSIX at its strictest: the bytes of a file are safe when it was synced, a name in a folder when the
//! folder was, and nothing else orders anything. Of names that were not synced any part may be there, of bytes that
//! were not synced none, all, a beginning, or zeros in their place. Renaming is one change.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Disk, Storage, StorageFile};
use crate::atomic_file::folder_of;

/// A call that changed something, or a note of the test.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    CreateFolder(PathBuf),
    /// The file of this number got a name.
    Create(usize, PathBuf),
    /// The file of this number is the one that has this name.
    Open(usize, PathBuf),
    Write(usize, Vec<u8>),
    Sync(usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncFolder(PathBuf),
    /// What the program told its user: that this step is safe.
    Saved(u64),
}

/// A file system that remembers what was done with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recording {
    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Notes a call; a file that it opens has the number of the call.
    pub(crate) fn note(&self, call: impl FnOnce(usize) -> Call) -> usize {
        let mut calls = self.calls.lock().unwrap();
        let number = calls.len();
        calls.push(call(number));
        number
    }
}

#[derive(Debug)]
struct RecordedFile {
    inner: Box<dyn StorageFile>,
    number: usize,
    recording: Recording,
}

impl Storage for Recording {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk.read(path)
    }

    fn read_start(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        Disk.read_start(path, most)
    }

    fn find(&self, path: &Path) -> io::Result<Option<Metadata>> {
        Disk.find(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        Disk.list(folder)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        Disk.create_folder(path)?;
        self.note(|_| Call::CreateFolder(path.into()));
        Ok(())
    }

    fn create_temporary(&self, path: &Path) -> io::Result<(PathBuf, Box<dyn StorageFile>)> {
        let (path, inner) = Disk.create_temporary(path)?;
        let number = self.note(|number| Call::Create(number, path.clone()));
        Ok((path, Box::new(RecordedFile { inner, number, recording: self.clone() })))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let inner = Disk.append(path)?;
        let number = self.note(|number| Call::Open(number, path.into()));
        Ok(Box::new(RecordedFile { inner, number, recording: self.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)?;
        self.note(|_| Call::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)?;
        self.note(|_| Call::Remove(path.into()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        Disk.sync_folder(folder)?;
        self.note(|_| Call::SyncFolder(folder.into()));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        let locked = Disk.lock(path)?;
        self.note(|number| Call::Create(number, path.into()));
        Ok(locked)
    }
}

impl StorageFile for RecordedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write(bytes)?;
        self.recording.note(|_| Call::Write(self.number, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()?;
        self.recording.note(|_| Call::Sync(self.number));
        Ok(())
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
enum Node {
    Folder,
    File(usize),
}

/// A change of the names in a folder: those that go, and those that come.
struct NameChange {
    folder: PathBuf,
    gone: Option<PathBuf>,
    come: Option<(PathBuf, Node)>,
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    written: Vec<u8>,
}

/// What is on a disk, and what is on its way.
#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    pending: Vec<NameChange>,
    contents: BTreeMap<usize, Content>,
    /// Numbers of open files, and of the files they are.
    open: BTreeMap<usize, usize>,
}

impl State {
    fn take(&mut self, call: &Call) {
        match call {
            Call::CreateFolder(path) => self.come(path, Node::Folder),
            Call::Create(number, path) => {
                self.open.insert(*number, *number);
                self.contents.insert(*number, Content::default());
                self.come(path, Node::File(*number));
            }
            Call::Open(number, path) => {
                let Node::File(file) = self.names[path] else { panic!("{path:?} is a folder") };
                self.open.insert(*number, file);
            }
            Call::Write(number, bytes) => self.content(*number).written.extend_from_slice(bytes),
            Call::Sync(number) => {
                let content = self.content(*number);
                content.durable.clone_from(&content.written);
            }
            Call::Rename(from, to) => {
                let node = self.names.remove(from).expect("it was created");
                self.names.insert(to.clone(), node);
                let folder = folder_of(to).to_path_buf();
                self.pending.push(NameChange {
                    folder,
                    gone: Some(from.clone()),
                    come: Some((to.clone(), node)),
                });
            }
            Call::Remove(path) => {
                self.names.remove(path);
                self.pending.push(NameChange {
                    folder: folder_of(path).into(),
                    gone: Some(path.clone()),
                    come: None,
                });
            }
            Call::SyncFolder(folder) => {
                let (synced, pending) =
                    std::mem::take(&mut self.pending).into_iter().partition(|p| &p.folder == folder);
                self.pending = pending;
                let synced: Vec<NameChange> = synced;
                synced.into_iter().for_each(|change| change.apply(&mut self.durable_names));
            }
            Call::Saved(_) => {}
        }
    }

    fn come(&mut self, path: &Path, node: Node) {
        self.names.insert(path.into(), node);
        self.pending.push(NameChange {
            folder: folder_of(path).into(),
            gone: None,
            come: Some((path.into(), node)),
        });
    }

    fn content(&mut self, number: usize) -> &mut Content {
        self.contents.get_mut(&self.open[&number]).expect("it was created")
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<PathBuf, Node>) {
        if let Some(gone) = self.gone {
            names.remove(&gone);
        }
        names.extend(self.come);
    }
}

/// Writes to `into` what may be left of `root` when the power fails after some calls. `seed` 0 loses everything that
/// was not synced, 1 nothing, others a part.
pub(crate) fn leave(calls: &[Call], root: &Path, seed: u64, into: &Path) {
    let mut state = State::default();
    calls.iter().for_each(|call| state.take(call));
    let mut random = seed;
    let mut draw = |of: u64| {
        // The generator of Steele, Lea and Flood (2014), SplitMix64.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % of
    };
    let mut names = std::mem::take(&mut state.durable_names);
    for change in std::mem::take(&mut state.pending) {
        if seed == 1 || seed > 1 && draw(2) == 0 {
            change.apply(&mut names);
        }
    }
    fs::create_dir_all(into).unwrap();
    // In the order of paths folders come before what is in them.
    for (path, node) in names {
        let Ok(inside) = path.strip_prefix(root) else { continue };
        let target = into.join(inside);
        if !target.parent().is_some_and(Path::is_dir) {
            continue;
        }
        match node {
            Node::Folder => fs::create_dir_all(target).unwrap(),
            Node::File(number) => {
                let Content { durable, written } = &state.contents[&number];
                let kind = if seed < 2 { seed } else { draw(4) };
                let bytes = match kind {
                    0 => durable.clone(),
                    1 => written.clone(),
                    2 => written[..(durable.len() + written.len()) / 2].to_vec(),
                    _ => [&durable[..], &vec![0; written.len() - durable.len()]].concat(),
                };
                fs::write(target, bytes).unwrap();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic_file::write_to;

    /// What is left of `root/a` with each of some seeds.
    fn left(calls: &[Call], root: &Path) -> Vec<Option<Vec<u8>>> {
        let outcomes = (0..16).map(|seed| {
            let into = tempfile::tempdir().unwrap();
            leave(calls, root, seed, into.path());
            fs::read(into.path().join("a")).ok()
        });
        outcomes.collect()
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let recording = Recording::default();
        write_to(&recording, &path, b"old").unwrap();
        assert!(left(&recording.calls(), folder.path()).iter().all(|left| left.as_deref() == Some(b"old")));
        write_to(&recording, &path, b"new").unwrap();
        let all = recording.calls();
        assert!(left(&all, folder.path()).iter().all(|left| left.as_deref() == Some(b"new")));
        // Without the sync of the folder either is possible, without the sync of the file anything.
        let unsynced = left(&all[..all.len() - 1], folder.path());
        assert!(unsynced.iter().flatten().any(|left| left == b"old"));
        assert!(unsynced.iter().flatten().all(|left| left == b"old" || left == b"new"));
        let careless: Vec<_> = all.into_iter().filter(|call| !matches!(call, Call::Sync(_))).collect();
        let torn = left(&careless, folder.path());
        assert!(torn.iter().flatten().any(|left| left.is_empty()));
        assert!(torn.iter().flatten().any(|left| left == b"\0\0\0"));
    }
}
