//! The thread that ends the program at a signal where nothing has to be saved.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use super::Interrupt;
use crate::{Error, Result};

/// How long a signal may wait to be noticed.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Held while a file is written. The program does not end in the middle of one.
static WRITING: RwLock<()> = RwLock::new(());
/// Whether the program is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Whether a signal ends the program at once, and what is told then.
#[derive(Debug, Default)]
pub(super) struct AtOnce {
    /// `None` where signals are only remembered.
    told: Mutex<Option<String>>,
    changed: Condvar,
}

impl AtOnce {
    /// Does some work during which a signal ends the program.
    pub(super) fn during<R>(&self, told: &str, work: impl FnOnce() -> R) -> R {
        let _back = Back { at_once: self, before: self.replace(Some(told.to_owned())) };
        work()
    }

    fn replace(&self, told: Option<String>) -> Option<String> {
        let before = std::mem::replace(&mut *self.lock(), told);
        self.changed.notify_all();
        before
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings back what held before some work.
struct Back<'a> {
    at_once: &'a AtOnce,
    before: Option<String>,
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.at_once.replace(self.before.take());
    }
}

/// Starts the thread.
///
/// # Errors
/// [`Error::Signal`] if the system refuses it.
pub(super) fn start(interrupt: Interrupt) -> Result<()> {
    let thread = std::thread::Builder::new().name("convgru-signals".into());
    thread.spawn(move || watch(&interrupt)).map_err(|source| Error::Signal { source })?;
    Ok(())
}

/// Ends the program once a signal came and it is to end at once.
fn watch(interrupt: &Interrupt) {
    let at_once: &Arc<AtOnce> = &interrupt.at_once;
    let mut told = at_once.lock();
    let (signal, told) = loop {
        told = match (&*told, interrupt.raised()) {
            (Some(words), Some(signal)) => break (signal, words.clone()),
            (Some(_), None) => match at_once.changed.wait_timeout(told, BETWEEN_LOOKS) {
                Ok((told, _)) => told,
                Err(poisoned) => poisoned.into_inner().0,
            },
            (None, _) => at_once.changed.wait(told).unwrap_or_else(PoisonError::into_inner),
        };
    };
    ENDING.store(true, Ordering::SeqCst);
    let _nothing_is_being_written = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    // Where nobody reads it, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{}: {told}", signal.name());
    signal_hook::low_level::exit(i32::from(signal.exit_code()))
}

/// A file that is being written: the program ends after it, not in the middle of it.
pub(crate) struct Writing {
    guard: Option<RwLockReadGuard<'static, ()>>,
}

/// Begins to write a file; until the result is dropped no signal ends the program, but a second one.
pub(crate) fn writing() -> Writing {
    Writing { guard: Some(WRITING.read().unwrap_or_else(PoisonError::into_inner)) }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.guard = None;
        // Nothing happens any more between the end of the file and the end of the program.
        while ENDING.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }
}

impl Writing {
    /// Fails if the program is about to end, so that what takes long stops and cleans up.
    ///
    /// # Errors
    /// [`std::io::ErrorKind::Interrupted`]
    pub(crate) fn expect_time(&self) -> std::io::Result<()> {
        match ENDING.load(Ordering::SeqCst) {
            true => Err(std::io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }
}
