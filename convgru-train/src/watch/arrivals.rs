//! The files that arrived in a folder since the last look.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::dataset::{data_files, time_in_name};
use crate::{Result, dataset};

/// A file that changed longer ago is complete.
const SETTLED: Duration = Duration::from_secs(2);
/// Looks at which a file without a change cannot be read, until it is left out.
const ATTEMPTS: u32 = 5;

/// A complete file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) path: PathBuf,
    /// When it was changed.
    pub(super) changed: SystemTime,
    size: u64,
}

/// The files of a folder.
pub(super) struct Arrivals {
    folder: PathBuf,
    /// What is known of each file that is there: no more than that, however long it is watched.
    known: HashMap<PathBuf, Known>,
}

struct Known {
    size: u64,
    changed: SystemTime,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Seen, and not complete or not read.
    Waiting,
    /// It could not be read at so many looks.
    Failed(u32),
    /// Read, or left out.
    Done,
}

impl Arrivals {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), known: HashMap::new() }
    }

    /// The complete files that were not read, in the order of the times in their names, or else of the names.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the folder cannot be read.
    pub(super) fn look(&mut self, now: SystemTime) -> Result<Vec<Arrival>> {
        let mut found = Vec::new();
        let mut there = HashMap::with_capacity(self.known.len());
        for path in data_files(&self.folder)? {
            // It may have gone in between.
            let Ok((size, changed)) = size_and_change(&path) else { continue };
            let before = self.known.remove(&path);
            let is_same = before.as_ref().is_some_and(|own| own.size == size && own.changed == changed);
            let state = before.map_or(State::Waiting, |own| if is_same { own.state } else { State::Waiting });
            let is_old = now.duration_since(changed).is_ok_and(|since| since > SETTLED);
            if state != State::Done && (is_same || is_old) {
                found.push(Arrival { path: path.clone(), changed, size });
            }
            there.insert(path, Known { size, changed, state });
        }
        self.known = there;
        let key = |arrival: &Arrival| {
            (
                time_in_name(&arrival.path).map(|seconds| seconds as i64),
                arrival.path.to_string_lossy().into_owned(),
            )
        };
        let mut found: Vec<_> = found.into_iter().map(|arrival| (key(&arrival), arrival)).collect();
        found.sort_by(|((a_time, a), _), ((b_time, b), _)| {
            a_time.cmp(b_time).then_with(|| dataset::natural_order(a, b))
        });
        Ok(found.into_iter().map(|(_, arrival)| arrival).collect())
    }

    /// Whether there are files that are not complete, or are to be tried again.
    pub(super) fn is_waiting(&self) -> bool {
        self.known.values().any(|own| own.state != State::Done)
    }

    /// A file was read, or is left out until it changes.
    pub(super) fn took(&mut self, arrival: &Arrival) {
        self.set(arrival, |_| State::Done);
    }

    /// A file could not be read; whether that was often enough.
    pub(super) fn failed(&mut self, arrival: &Arrival) -> bool {
        let next = |state| match state {
            State::Failed(times) => State::Failed(times + 1),
            _ => State::Failed(1),
        };
        self.set(arrival, next);
        self.known.get(&arrival.path).is_some_and(|own| matches!(own.state, State::Failed(ATTEMPTS..)))
    }

    /// Whether a file may be written still.
    pub(super) fn is_recent(&self, arrival: &Arrival) -> bool {
        SystemTime::now().duration_since(arrival.changed).map_or(true, |since| since <= SETTLED)
    }

    fn set(&mut self, arrival: &Arrival, next: impl FnOnce(State) -> State) {
        if let Some(own) = self.known.get_mut(&arrival.path) {
            own.state = next(own.state);
        }
    }
}

/// The bytes of a file, or of all files of a store, and when the last of them was changed.
fn size_and_change(path: &Path) -> std::io::Result<(u64, SystemTime)> {
    let metadata = std::fs::metadata(path)?;
    let (mut size, mut changed) = (metadata.len(), metadata.modified()?);
    let mut waiting = if metadata.is_dir() { vec![path.to_path_buf()] } else { Vec::new() };
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            size += metadata.len();
            changed = changed.max(metadata.modified()?);
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok((size, changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arrivals: &mut Arrivals, now: SystemTime) -> Vec<String> {
        let found = arrivals.look(now).unwrap();
        found.iter().map(|own| own.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn files_are_complete_when_they_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let mut arrivals = Arrivals::new(folder.path());
        let now = SystemTime::now();
        write("b_10.npy", b"x");
        write("b_9.npy", b"x");
        write(".hidden.npy", b"x");
        write("note.txt", b"x");
        assert!(names(&mut arrivals, now).is_empty() && arrivals.is_waiting());
        // One grew since.
        write("b_9.npy", b"xyz");
        assert_eq!(names(&mut arrivals, now), ["b_10.npy"]);
        let found = arrivals.look(now).unwrap();
        assert_eq!(found.len(), 2, "both stayed");
        assert!(found[0].path.ends_with("b_9.npy"), "natural order");
        found.iter().for_each(|arrival| arrivals.took(arrival));
        assert!(names(&mut arrivals, now).is_empty() && !arrivals.is_waiting());
        // What is old is complete at the first look; times in names go before names.
        write("z_201609281445.npy", b"x");
        write("a_201609281450.npy", b"x");
        let later = now + 2 * SETTLED;
        assert_eq!(names(&mut arrivals, later), ["z_201609281445.npy", "a_201609281450.npy"]);
        // What changed is read again, what has gone is forgotten.
        let again = arrivals.look(later).unwrap();
        again.iter().for_each(|arrival| arrivals.took(arrival));
        write("b_9.npy", b"other");
        assert_eq!(names(&mut arrivals, later), ["b_9.npy"]);
        std::fs::remove_file(folder.path().join("b_10.npy")).unwrap();
        names(&mut arrivals, later);
        assert_eq!(arrivals.known.len(), 3);
    }

    #[test]
    fn a_store_is_complete_when_all_of_its_files_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("rain.zarr");
        let write = |name: &str, bytes: &[u8]| {
            let path = store.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write("zarr.json", b"{}");
        write("rain/c/0", b"x");
        let mut arrivals = Arrivals::new(folder.path());
        let now = SystemTime::now();
        assert!(names(&mut arrivals, now).is_empty());
        write("rain/c/1", b"x");
        assert!(names(&mut arrivals, now).is_empty(), "a chunk came");
        let found = arrivals.look(now).unwrap();
        assert_eq!(found.len(), 1);
        arrivals.took(&found[0]);
        assert!(names(&mut arrivals, now).is_empty());
        write("rain/c/0", b"xyz");
        assert!(names(&mut arrivals, now).is_empty() && arrivals.is_waiting(), "a chunk changed");
        assert_eq!(names(&mut arrivals, now), ["rain.zarr"]);
    }

    #[test]
    fn what_cannot_be_read_is_tried_again_some_times() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.npy"), b"x").unwrap();
        let mut arrivals = Arrivals::new(folder.path());
        let later = SystemTime::now() + 2 * SETTLED;
        for attempt in 1..=ATTEMPTS {
            let found = arrivals.look(later).unwrap();
            assert_eq!(arrivals.failed(&found[0]), attempt == ATTEMPTS);
        }
        let found = arrivals.look(later).unwrap();
        arrivals.took(&found[0]);
        assert!(arrivals.look(later).unwrap().is_empty() && !arrivals.is_waiting());
    }
}
