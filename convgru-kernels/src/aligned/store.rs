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
    if mapping.is_none() {
        // More of it is needed than the system has.
        store().used -= size;
    }
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
    /// A mapping of `size` bytes or somewhat more, counted as used; and those it took the place of.
    fn take(&mut self, size: usize) -> (Option<Mapping>, Vec<Mapping>) {
        let fits = |mapping: &Mapping| (size..=size + size / 4).contains(&mapping.size());
        let best = (0..self.kept.len()).filter(|&index| fits(&self.kept[index]));
        if let Some(best) = best.min_by_key(|&index| self.kept[index].size()) {
            let mapping = self.kept.remove(best);
            self.use_more(mapping.size());
            return (Some(mapping), Vec::new());
        }
        self.use_more(size);
        let mut kept: usize = self.kept.iter().map(Mapping::size).sum();
        let many = self.kept.iter().take_while(|mapping| {
            let too_much = self.used + kept > self.most;
            kept -= mapping.size();
            too_much
        });
        let many = many.count();
        let dropped = self.kept.drain(..many).collect();
        (Mapping::new(size), dropped)
    }

    fn use_more(&mut self, bytes: usize) {
        self.used += bytes;
        self.most = self.most.max(self.used);
    }

    fn keep(&mut self, mapping: Mapping) {
        self.used -= mapping.size();
        self.kept.push(mapping.used());
    }
}

#[cfg(all(test, target_os = "linux"))]
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
    fn what_is_kept_serves_the_next_of_about_its_size() {
        let mut store = empty();
        let first = store.take(10 * MIB).0.unwrap();
        let address = first.start();
        assert!(first.is_zero());
        store.keep(first);
        let (again, dropped) = store.take(9 * MIB);
        let again = again.unwrap();
        assert_eq!((again.start(), again.is_zero(), again.size()), (address, false, 10 * MIB));
        assert!(dropped.is_empty());
        assert_eq!((store.used, store.most), (10 * MIB, 10 * MIB));
        store.keep(again);
        // Of less than four fifths it would waste too much.
        let (smaller, dropped) = store.take(7 * MIB);
        assert!(smaller.unwrap().is_zero());
        assert_eq!(sizes(&dropped), [10]);
    }

    #[test]
    fn used_and_kept_are_together_no_more_than_was_used_once() {
        let mut store = empty();
        let mappings: Vec<Mapping> = [4, 6, 8].map(|size| store.take(size * MIB).0.unwrap()).into();
        mappings.into_iter().for_each(|mapping| store.keep(mapping));
        assert_eq!((store.used, store.most, sizes(&store.kept)), (0, 18 * MIB, vec![4, 6, 8]));
        // Ten new ones leave room for eight: the oldest two go.
        let (new, dropped) = store.take(10 * MIB);
        assert_eq!((sizes(&dropped), sizes(&store.kept)), (vec![4, 6], vec![8]));
        assert_eq!((store.used, store.most), (10 * MIB, 18 * MIB));
        // More than ever: nothing can be kept.
        let (more, dropped) = store.take(20 * MIB);
        assert_eq!((sizes(&dropped), store.most), (vec![8], 30 * MIB));
        assert!(new.is_some() && more.is_some());
    }
}
