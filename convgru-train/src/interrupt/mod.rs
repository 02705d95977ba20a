//! Ctrl-C, SIGTERM and SIGHUP: the first asks the run to save and stop, the second Ctrl-C or SIGTERM
//! ends the program at once.

mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use self::watch::AtOnce;
pub(crate) use self::watch::{Writing, writing};
use crate::{Error, Result};

/// A signal that asked a run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// A polite request to end, as `kill` sends by default.
    Terminate,
    /// The terminal went away, or the connection to it.
    Hangup,
}

impl Signal {
    /// The exit code a shell expects: 128 plus the number of the signal.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::Hangup => 129,
        }
    }

    /// The number of the signal.
    fn number(self) -> usize {
        usize::from(self.exit_code()) - 128
    }

    /// What the user did.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupted (Ctrl-C)",
            Self::Terminate => "asked to end (SIGTERM)",
            Self::Hangup => "the terminal went away (SIGHUP)",
        }
    }
}

/// A flag that signals raise and the training loop looks at after each step.
///
/// ```
/// use convgru_train::interrupt::{Interrupt, Signal};
///
/// let interrupt = Interrupt::manual();
/// assert_eq!(interrupt.raised(), None);
/// interrupt.raise(Signal::Interrupt);
/// assert_eq!(interrupt.raised(), Some(Signal::Interrupt));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    raised: Arc<AtomicUsize>,
    at_once: Arc<AtOnce>,
}

impl Interrupt {
    /// A flag that only [`raise`](Self::raise) raises.
    pub fn manual() -> Self {
        Self::default()
    }

    /// A flag that SIGINT, SIGTERM and SIGHUP raise; a second SIGINT or SIGTERM ends the program
    /// with its exit code without saving. A terminal that goes away may send more than one SIGHUP, so that none of
    /// them ends anything. A program that was started to ignore SIGHUP, as `nohup` does, goes on ignoring it. SIGXFSZ, which
    /// ends programs that write more than `ulimit -f` allows, is caught, so that the call that writes fails.
    ///
    /// # Errors
    /// [`Error::Signal`] if the system refuses the handlers.
    pub fn on_signals() -> Result<Self> {
        let interrupt = Self::default();
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in the order of registration: the first signal finds
            // the shutdown not armed yet, arms it, and the second finds it armed.
            let raised = interrupt.raised.clone();
            let number = usize::try_from(signal).expect("signal numbers are positive");
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, armed.clone())
                .and_then(|_| signal_hook::flag::register_usize(signal, raised, number))
                .and_then(|_| signal_hook::flag::register(signal, armed.clone()))
                .map_err(|source| Error::Signal { source })?;
        }
        #[cfg(unix)]
        if !is_hangup_ignored() {
            let raised = interrupt.raised.clone();
            signal_hook::flag::register_usize(signal_hook::consts::SIGHUP, raised, Signal::Hangup.number())
                .map_err(|source| Error::Signal { source })?;
        }
        // Whoever may not write longer files is told so by the call that writes, as where the disk is full.
        #[cfg(unix)]
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
            .map_err(|source| Error::Signal { source })?;
        watch::start(interrupt.clone())?;
        Ok(interrupt)
    }

    /// Does some work during which nothing has to be saved: a signal ends the program within a fraction of a second, wherever it
    /// is, with the exit code of the signal, and tells `told`. A file that is being written then is written to its end.
    ///
    /// A flag other than the flag of signals changes nothing.
    pub fn at_once<R>(&self, told: &str, work: impl FnOnce() -> R) -> R {
        self.at_once.during(told, work)
    }

    /// A flag of its own for a part of the work. Signals do not raise it, but while it is used with
    /// [`at_once`](Self::at_once) they end the program as they do with this one.
    pub fn apart(&self) -> Self {
        Self { raised: Arc::default(), at_once: self.at_once.clone() }
    }

    /// Raises the flag as the signal would.
    pub fn raise(&self, signal: Signal) {
        self.raised.store(signal.number(), Ordering::SeqCst);
    }

    /// The last signal since the start, if any.
    pub fn raised(&self) -> Option<Signal> {
        let number = self.raised.load(Ordering::SeqCst);
        [Signal::Interrupt, Signal::Terminate, Signal::Hangup]
            .into_iter()
            .find(|signal| signal.number() == number)
    }
}

/// Whether this process was started to ignore SIGHUP; only Linux tells.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Whether the first bit, SIGHUP's, is set in the mask of ignored signals.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_raise_the_flag() {
        let interrupt = Interrupt::on_signals().unwrap();
        assert_eq!(interrupt.raised(), None);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(interrupt.raised(), Some(Signal::Terminate));
        assert_eq!(interrupt.raised().map(Signal::exit_code), Some(143));
    }

    #[cfg(unix)]
    #[test]
    fn any_number_of_hangups_is_one() {
        let ignored = ignores_hangup(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let interrupt = Interrupt::on_signals().unwrap();
        for _ in 0..3 {
            signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
        }
        // Under nohup a hangup is none.
        assert_eq!(interrupt.raised().map(Signal::exit_code), (!ignored).then_some(129));
        assert!(
            ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\n") && !ignores_hangup("SigIgn:\t1000\n")
        );
        assert!(!ignores_hangup(""));
    }

    #[test]
    fn copies_share_the_flag() {
        let interrupt = Interrupt::manual();
        let copy = interrupt.clone();
        interrupt.raise(Signal::Interrupt);
        assert_eq!(copy.raised(), Some(Signal::Interrupt));
    }
}
