//! Work cut into items, so that the bits never depend on threads.
//!
//! Every item writes its own part of the output and nothing else, and an item
//! computes the same numbers whichever thread takes it, in whichever order.
//!
//! Unsafe: Parts of a slice are compared with its length; who takes one knows that no other overlaps it.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Elementary operations below which a call runs on the calling thread: waking
/// another one costs more than it saves. In Miri threads are to be seen at work on the small calls of its tests.
const INLINE_OPERATIONS: usize = if cfg!(miri) { 800 } else { 100_000 };

/// Elements of a range of elementwise work: several streams of them fit into the
/// second-level cache.
const RANGE_OPERATIONS: usize = 16 * 1024;

/// Shares of the items that threads begin with; of more threads some begin with the same.
const MOST_SHARES: usize = 32;

/// Threads that share out ranges at most. Lanes without memory take no room.
const MOST_THREADS: usize = 4096;

/// Turns of waiting for the others, of some ten nanoseconds each.
const LINGER: u32 = if cfg!(miri) { 2 } else { 2000 };

/// Runs `work(item, lane)` for every item, with one lane of scratch per thread.
///
/// `operations` estimates the arithmetic of the whole call. With a single lane,
/// a single item or little to do, everything runs on the calling thread.
pub(crate) fn for_each_item<L: Send>(
    items: usize,
    operations: usize,
    lanes: &mut [L],
    work: impl Fn(usize, &mut L) + Sync,
) {
    if items <= 1 || lanes.len() <= 1 || operations < INLINE_OPERATIONS {
        if let Some(lane) = lanes.first_mut() {
            (0..items).for_each(|item| work(item, lane));
        }
        return;
    }
    let items = Items::new(items, lanes.len());
    in_parallel(lanes, &|index, lane| {
        items.take(index, |item| work(item, lane));
        items.linger();
    });
}

/// Runs `work(index, lane)` for every lane. What rayon becomes is compiled for a type of lanes,
/// not for each of the many callers.
fn in_parallel<L: Send>(lanes: &mut [L], work: &(dyn Fn(usize, &mut L) + Sync)) {
    lanes.par_iter_mut().with_max_len(1).enumerate().for_each(|(index, lane)| work(index, lane));
}

/// Items that threads take until none are left.
struct Items {
    count: usize,
    shares: usize,
    /// Of each share the item that is taken next.
    next: [Counter; MOST_SHARES],
    done: Counter,
}

/// A number in a cache line of its own: threads count without waiting for each other's.
#[repr(align(64))]
struct Counter(AtomicUsize);

impl Items {
    /// Each lane begins with a share of its own, the same in every call of the same size, so that it finds
    /// what it wrote before in its caches; then it helps the others.
    fn new(count: usize, lanes: usize) -> Self {
        let shares = lanes.clamp(1, MOST_SHARES);
        let next = std::array::from_fn(|share| Counter(AtomicUsize::new(share * count / shares)));
        Self { count, shares, next, done: Counter(AtomicUsize::new(0)) }
    }

    /// Does what is left, beginning with the share of a lane.
    fn take(&self, lane: usize, mut work: impl FnMut(usize)) {
        let own = lane % self.shares;
        let mut done = 0;
        for share in (own..self.shares).chain(0..own) {
            let end = (share + 1) * self.count / self.shares;
            loop {
                let item = self.next[share].0.fetch_add(1, Ordering::Relaxed);
                if item >= end {
                    break;
                }
                work(item);
                done += 1;
            }
        }
        self.done.0.fetch_add(done, Ordering::Relaxed);
    }

    /// Stays awake until the others are done as well, though not for long: a thread that sleeps takes longer to
    /// wake than many a call lasts, and the next call comes soon.
    fn linger(&self) {
        for _ in 0..LINGER {
            if self.done.0.load(Ordering::Relaxed) >= self.count {
                break;
            }
            std::hint::spin_loop();
        }
    }
}

/// Runs `work(range)` over ranges that cover `0..len` once. An element of `len` stands for
/// `operations` elementary operations, and a range for about [`RANGE_OPERATIONS`].
pub(crate) fn for_each_range(len: usize, operations: usize, work: impl Fn(Range<usize>) + Sync) {
    let chunk = (RANGE_OPERATIONS / operations.max(1)).max(1);
    let items = len.div_ceil(chunk);
    let range = |item: usize| item * chunk..len.min((item + 1) * chunk);
    if items <= 1 || len.saturating_mul(operations) < INLINE_OPERATIONS / 8 {
        (0..items).for_each(|item| work(range(item)));
    } else {
        let mut lanes = [(); MOST_THREADS];
        let threads = rayon::current_num_threads().min(MOST_THREADS);
        for_each_item(items, usize::MAX, &mut lanes[..threads], |item, ()| work(range(item)));
    }
}

/// A slice of which several items write disjoint parts at the same time.
#[derive(Clone, Copy)]
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: a `Disjoint` stands for the exclusive borrow it was made from; by the
// contract of `part` the parts that threads see are apart.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}
// SAFETY: as above; sharing the handle gives no access without that contract.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Takes the slice for as long as its parts are written.
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), borrow: PhantomData }
    }

    /// One part of the slice.
    ///
    /// # Safety
    /// While the returned slice lives, no other item may hold a part that
    /// overlaps `range`.
    ///
    /// # Panics
    /// If the range does not lie in the slice.
    #[expect(clippy::mut_from_ref, reason = "the contract above makes the parts exclusive")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the assertion puts the range inside the slice this handle borrows
        // exclusively, and by the contract no live part overlaps it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_runs_once_whatever_the_lanes() {
        for lanes in [1, 2, 7, 40] {
            let mut out = vec![0u32; 1000];
            let parts = Disjoint::new(&mut out);
            for_each_item(1000, usize::MAX, &mut vec![(); lanes], |item, _| {
                // SAFETY: item `i` is the only one that touches element `i`.
                unsafe { parts.part(item..item + 1)[0] += 1 };
            });
            assert!(out.iter().all(|&n| n == 1));
        }
    }

    #[test]
    fn ranges_cover_everything_once() {
        let sum = AtomicUsize::new(0);
        for_each_range(123_457, 3, |range| {
            sum.fetch_add(range.len(), Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 123_457);
    }
}
