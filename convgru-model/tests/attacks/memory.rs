//! An allocator that counts: how much memory a call takes at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread took and did not give back. It may give back those of others.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The most that were held at once.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The allocator of the system, counting bytes for each thread. Memory that grows is counted twice while it moves.
struct Counting;

// SAFETY: every call is passed on unchanged to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|held| {
            held.set(held.get() + layout.size() as isize);
            PEAK.with(|peak| peak.set(peak.get().max(held.get())));
        });
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get() - layout.size() as isize));
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The result of a call, and the most bytes that it held at once.
pub(crate) fn peak_of<R>(call: impl FnOnce() -> R) -> (R, usize) {
    let before = HELD.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let result = call();
    let peak = PEAK.with(Cell::get);
    (result, usize::try_from(peak - before).unwrap_or(0))
}

/// Fails unless a reader of a file keeps the rule of SECURITY.md: at most four times the bytes of the file and 64 MiB.
#[track_caller]
pub(crate) fn within_the_rule<R>(file: &[u8], read: impl FnOnce(&[u8]) -> R) -> R {
    let (result, peak) = peak_of(|| read(file));
    let most = 4 * file.len() + (64 << 20);
    assert!(peak <= most, "{peak} bytes for a file of {}; {most} are allowed", file.len());
    result
}

#[test]
fn the_peak_is_what_is_held_at_once() {
    let ((), peak) = peak_of(|| {
        drop(vec![0u8; 1000]);
        drop(vec![0u8; 3000]);
        let (one, other) = (vec![0u8; 1500], vec![0u8; 2000]);
        drop((one, other));
    });
    assert_eq!(peak, 3500);
}
