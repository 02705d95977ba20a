//! The memory that reading data may take, counted before it is taken.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::{Error, Result, input};

const MEBIBYTE: u64 = 1 << 20;

/// Whether the system has the memory is asked for amounts from here on.
const ASKED_FOR: u64 = MEBIBYTE;

/// Working memory that any limit allows besides: the buffers of a small file.
const WORKING_FLOOR: u64 = 32 * MEBIBYTE;

/// A limit on the memory of readers, shared by its clones.
///
/// Readers count what they take before they take it: the numbers that stay in memory, what is kept
/// for each file, sequence and frame, and besides the working memory of the files that are being decoded. What
/// stays is at most the limit. Files wait for working memory while others have it; one file alone that needs more
/// than the limit and 32 MiB is refused. Whether data are refused does not depend on the number of threads.
///
/// ```
/// use convgru_train::ReadBudget;
/// use convgru_train::dataset::{FramesConfig, read_frames};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("large.npy");
/// let frames = convgru_model::Tensor::<f32>::zeros(&[600, 1, 32, 32]);
/// convgru_train::media::write_frames(&path, &frames)?;
/// let error = read_frames(&path, &FramesConfig::default(), &ReadBudget::new(1, "--memory-mib")).unwrap_err();
/// assert!(error.to_string().contains("--memory-mib"), "{error}");
/// assert!(read_frames(&path, &FramesConfig::default(), &ReadBudget::new(8, "--memory-mib")).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReadBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    setting: String,
    advice: String,
    kept: AtomicU64,
    working: Mutex<u64>,
    freed: Condvar,
}

impl ReadBudget {
    /// A limit in MiB, and the setting that raises it, for messages.
    pub fn new(mebibytes: usize, setting: impl Into<String>) -> Self {
        Self::with_advice(mebibytes, setting, "")
    }

    /// As [`new`](Self::new), and what besides raising the limit helps.
    pub(crate) fn with_advice(mebibytes: usize, setting: impl Into<String>, advice: &str) -> Self {
        let shared = Shared {
            limit: (mebibytes as u64).saturating_mul(MEBIBYTE),
            setting: setting.into(),
            advice: advice.into(),
            kept: AtomicU64::new(0),
            working: Mutex::new(0),
            freed: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.shared.limit
    }

    /// Counts memory that stays. `path` is the file that needs it.
    ///
    /// # Errors
    /// [`Error::Memory`] if it and what is counted already is more than the limit; [`Error::Io`] if the system has less.
    pub(crate) fn keep(&self, path: &Path, bytes: u64) -> Result<Kept> {
        let mut kept = Kept { budget: self.clone(), bytes: 0 };
        kept.more(path, bytes)?;
        Ok(kept)
    }

    /// The most working memory that one file may take.
    pub(crate) fn most_working(&self) -> u64 {
        self.shared.limit.saturating_add(WORKING_FLOOR)
    }

    /// Counts memory that decoding a file takes, and waits for it while others have it. A thread asks for all that a file
    /// needs at once, and for no more before it has given that back.
    ///
    /// # Errors
    /// [`Error::Memory`] if it is more than one file may take; [`Error::Io`] if the system has less.
    pub(crate) fn work(&self, path: &Path, bytes: u64) -> Result<Working> {
        let most = self.most_working();
        if bytes > most {
            return Err(self.refuse(path, bytes, 0));
        }
        expect(path, bytes)?;
        let shared = &self.shared;
        let mut working = shared.working.lock().unwrap_or_else(PoisonError::into_inner);
        while working.saturating_add(bytes) > most {
            working = shared.freed.wait(working).unwrap_or_else(PoisonError::into_inner);
        }
        *working += bytes;
        Ok(Working { budget: self.clone(), bytes })
    }

    fn refuse(&self, path: &Path, asked: u64, held: u64) -> Error {
        let Shared { limit, setting, advice, .. } = &*self.shared;
        let advice = advice.clone();
        Error::Memory { path: path.into(), asked, held, limit: *limit, setting: setting.clone(), advice }
    }
}

/// Fails unless the system has so much memory.
fn expect(path: &Path, bytes: u64) -> Result<()> {
    input::expect_memory(bytes).map_err(Error::io("read", path))
}

/// Memory that stays; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    budget: ReadBudget,
    bytes: u64,
}

impl Kept {
    /// Counts more of it.
    ///
    /// # Errors
    /// As [`ReadBudget::keep`].
    pub(crate) fn more(&mut self, path: &Path, bytes: u64) -> Result<()> {
        let shared = &self.budget.shared;
        let added = |held: u64| held.checked_add(bytes).filter(|&sum| sum <= shared.limit);
        match shared.kept.fetch_update(Ordering::AcqRel, Ordering::Acquire, added) {
            Ok(_) => {
                self.bytes += bytes;
                if bytes < ASKED_FOR { Ok(()) } else { expect(path, bytes) }
            }
            Err(held) => Err(self.budget.refuse(path, bytes, held)),
        }
    }

    /// Leaves it counted for as long as the budget is used.
    pub(crate) fn stay(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.shared.kept.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Working memory; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Working {
    budget: ReadBudget,
    bytes: u64,
}

impl Drop for Working {
    fn drop(&mut self) {
        let shared = &self.budget.shared;
        *shared.working.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        shared.freed.notify_all();
    }
}

/// The bytes of some things of a size; the largest number where that is too many to count.
pub(crate) fn bytes_of(size: usize, counts: &[usize]) -> u64 {
    counts.iter().fold(size as u64, |product, &count| product.saturating_mul(count as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_at_most_the_limit_and_is_given_back() {
        let budget = ReadBudget::new(1, "data.memory_mib");
        let path = Path::new("a.npy");
        let half = budget.keep(path, MEBIBYTE / 2).unwrap();
        let mut other = budget.keep(path, MEBIBYTE / 2).unwrap();
        let error = other.more(path, 1).unwrap_err().to_string();
        for word in ["a.npy", "1 byte", "1048576", "1 MiB", "data.memory_mib"] {
            assert!(error.contains(word), "{error}");
        }
        drop(half);
        other.more(path, MEBIBYTE / 2).unwrap();
        other.stay();
        assert!(budget.keep(path, 1).is_err());
        assert!(budget.keep(path, u64::MAX).is_err());
    }

    #[test]
    fn files_wait_for_working_memory() {
        let budget = ReadBudget::new(8, "data.memory_mib");
        let path = Path::new("a.npy");
        assert!(budget.work(path, budget.most_working() + 1).is_err());
        let (most, held) = (AtomicU64::new(0), AtomicU64::new(0));
        let each = budget.most_working() / 3;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _working = budget.work(path, each).unwrap();
                        most.fetch_max(1 + held.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
    }
}
