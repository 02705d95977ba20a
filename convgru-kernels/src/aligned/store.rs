//! Mappings that nobody uses, kept for those who come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::mapping::Mapping;

static STORE: Mutex<Store> = Mutex::new(Store { kept: Vec::new(), used: 0, most: 0 });

/// What is used and what is kept never exceed together what was once used at a time: keeping
/// makes no process larger than it was.
#[derive(Debug)]
struct Store {
    /// The oldest first.
    kept: Vec<Mapping>,
    /// Bytes that somebody has.
    used: usize,
    /// The most bytes that somebody had at a time.
    most: usize,
}

/// A mapping of at least as many bytes, where one is used and the system has it.
pub(super) fn take(bytes: usize) -> Option<Mapping> {
    let size = Mapping::size_for(bytes)?;
    let (mapping, dropped) = store().take(size);
    // Outside the lock: giving memory back to the system takes time.
    drop(dropped);
    mapping
}

/// Takes a mapping back.
pub(super) fn keep(mapping: Mapping) {
    store().keep(mapping);
}

/// Gives all memory that the kernels keep for later back to the system.
///
/// Large buffers (two MiB and more) that are dropped are kept for the next ones, so that a training step
/// need not have its memory cleared by the system each time. Their sum and that of the buffers in use never
/// exceed what was once in use at the same time. A program that has trained and goes on with
/// something smaller can call this.
///
/// ```
/// convgru_kernels::release_memory();
/// ```
pub fn release_memory() {
    let kept = {
        let mut store = store();
        store.most = store.used;
        std::mem::take(&mut store.kept)
    };
    drop(kept);
}

fn store() -> MutexGuard<'static, Store> {
    // Nothing in here panics half way.
    STORE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// A mapping of `size` bytes, counted as used; and those that its like would make too many.
    fn take(&mut self, size: usize) -> (Option<Mapping>, Vec<Mapping>) {
        let before = (self.used, self.most);
        self.used = self.used.saturating_add(size);
        self.most = self.most.max(self.used);
        let fits = (0..self.kept.len()).filter(|&index| self.kept[index].size() >= size);
        if let Some(best) = fits.min_by_key(|&index| self.kept[index].size()) {
            let mut mapping = self.kept.remove(best);
            if mapping.size() > size {
                self.kept.insert(best, mapping.split_off(size));
            }
            return (Some(mapping), Vec::new());
        }
        let (mapping, dropped) = (Mapping::new(size), self.excess());
        if mapping.is_none() {
            // More of it is needed than the system has.
            (self.used, self.most) = before;
        }
        (mapping, dropped)
    }

    /// The oldest of what is kept, as much of it as is too much.
    fn excess(&mut self) -> Vec<Mapping> {
        let kept: usize = self.kept.iter().map(Mapping::size).sum();
        let mut excess = (self.used + kept).saturating_sub(self.most);
        let mut dropped = Vec::new();
        while excess > 0 {
            let oldest = &mut self.kept[0];
            let part = match oldest.size() > excess {
                true => oldest.split_off(oldest.size() - excess),
                false => self.kept.remove(0),
            };
            excess -= part.size();
            dropped.push(part);
        }
        dropped
    }

    /// Keeps a mapping, in one with its neighbours.
    fn keep(&mut self, mapping: Mapping) {
        self.used -= mapping.size();
        let mut mapping = mapping.used();
        let mut others = Vec::with_capacity(self.kept.len() + 1);
        for other in self.kept.drain(..) {
            mapping = match mapping.join(other).or_else(|[mapping, other]| other.join(mapping)) {
                Ok(joined) => joined,
                Err([other, mapping]) => {
                    others.push(other);
                    mapping
                }
            };
        }
        others.push(mapping);
        self.kept = others;
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn empty() -> Store {
        Store { kept: Vec::new(), used: 0, most: 0 }
    }

    fn sizes(mappings: &[Mapping]) -> Vec<usize> {
        mappings.iter().map(|mapping| mapping.size() / MIB).collect()
    }

    #[test]
    fn what_is_kept_serves_the_next_that_fits() {
        let mut store = empty();
        let first = store.take(10 * MIB).0.unwrap();
        let address = first.start();
        assert!(first.is_zero());
        store.keep(first);
        let (again, dropped) = store.take(3 * MIB);
        let again = again.unwrap();
        assert_eq!((again.start(), again.is_zero(), again.size()), (address, false, 3 * MIB));
        assert!(dropped.is_empty());
        assert_eq!((store.used, store.most, sizes(&store.kept)), (3 * MIB, 10 * MIB, vec![7]));
        let other = store.take(7 * MIB).0.unwrap();
        assert_eq!((other.is_zero(), store.kept.len(), store.used), (false, 0, 10 * MIB));
        // Parts become one again, whichever comes first.
        store.keep(other);
        store.keep(again);
        assert_eq!(sizes(&store.kept), [10]);
        assert_eq!(store.take(10 * MIB).0.unwrap().start(), address);
    }

    #[test]
    fn used_and_kept_are_together_no_more_than_was_used_once() {
        let mut store = empty();
        let mappings: Vec<Mapping> = [4, 6, 8].map(|size| store.take(size * MIB).0.unwrap()).into();
        mappings.into_iter().for_each(|mapping| store.keep(mapping));
        let kept = |store: &Store| store.kept.iter().map(Mapping::size).sum::<usize>();
        assert_eq!((store.used, store.most, kept(&store)), (0, 18 * MIB, 18 * MIB));
        // The system may have put them side by side, then they are one.
        let large = store.kept.iter().map(Mapping::size).max().unwrap();
        // Something larger than each must be new, and as much of the old goes.
        let (new, dropped) = store.take(large + MIB);
        let dropped: usize = dropped.iter().map(Mapping::size).sum();
        assert!(new.unwrap().is_zero());
        assert_eq!(dropped + kept(&store), 18 * MIB);
        assert_eq!(store.used + kept(&store), store.most);
        // More than ever: nothing can be kept.
        let (more, _) = store.take(20 * MIB);
        assert!(more.is_some() && store.kept.is_empty());
        assert_eq!(store.most, store.used);
    }

    #[test]
    fn what_the_system_does_not_give_is_not_counted() {
        let mut store = empty();
        let first = store.take(4 * MIB).0.unwrap();
        assert!(store.take(1 << 60).0.is_none());
        assert_eq!((store.used, store.most), (4 * MIB, 4 * MIB));
        store.keep(first);
        assert_eq!((store.used, sizes(&store.kept)), (0, vec![4]));
    }
}
