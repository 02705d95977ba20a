//! An allocator that counts, and the rule it checks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes that are held, and the most that were held at once.
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// One measurement at a time: the numbers are those of the whole program.
static MEASURING: Mutex<()> = Mutex::new(());

/// The allocator of the system, with its calls counted.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn taken(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: every call is that of the system's allocator with the same arguments; the counters hold no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is this one's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is this one's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old and the new block may be held at the same time.
        taken(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`; the pointer came from the system's allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

pub(crate) const MIB: usize = 1 << 20;

/// The most that a reader may take of files of `bytes` with a limit of `mebibytes`.
pub(crate) fn allowed(bytes: u64, mebibytes: usize) -> usize {
    4 * (bytes as usize + mebibytes * MIB) + 64 * MIB
}

/// The result of some work, which must take no more than `most` bytes at once.
pub(crate) fn bounded<R>(what: &str, most: usize, work: impl FnOnce() -> R) -> R {
    let _alone = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let before = HELD.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let result = work();
    let peak = PEAK.load(Ordering::SeqCst).saturating_sub(before);
    eprintln!("{what}: {:.1} MiB of {:.1} allowed", peak as f64 / MIB as f64, most as f64 / MIB as f64);
    assert!(peak <= most, "{what} took {peak} bytes, but {most} are allowed");
    result
}

#[test]
fn what_is_taken_is_counted() {
    let held = bounded("8 MiB", 9 * MIB, || vec![1u8; 8 * MIB]);
    drop(held);
    let refused = std::panic::catch_unwind(|| bounded("too much", MIB, || vec![1u8; 8 * MIB]).len());
    assert!(refused.is_err());
}
