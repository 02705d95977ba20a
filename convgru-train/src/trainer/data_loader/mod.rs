//! The batches of a run in the order of its steps, and how long it waits for them.

use std::time::{Duration, Instant};

mod batch_sampler;
mod prefetch;

pub use self::batch_sampler::Batches;
use self::prefetch::{Ahead, Prefetch};
use crate::Result;
use crate::checkpoint::Cursor;
use crate::config::TrainingConfig;
use crate::dataset::{Batch, SequenceDataset};

/// Where the steps of a run get their batches from: made ahead or when they are asked for, the same to the bit.
pub(super) struct Feed {
    batches: Batches,
    /// Batches made ahead, 0 for none.
    ahead: usize,
    steps: u64,
    prefetch: Option<Prefetch>,
    /// The step whose batch comes next from there.
    next: u64,
    /// How long the run waited for batches, and how long its steps took with that.
    pub(super) waiting: Waiting,
}

/// How long batches were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Waiting {
    waited: Duration,
    passed: Duration,
    of_last: f64,
}

impl Feed {
    /// Nothing is made before the first batch is asked for.
    pub(super) fn new(batches: Batches, config: &TrainingConfig) -> Self {
        let (ahead, steps) = (config.data.prefetch, config.training.steps);
        Self { batches, ahead, steps, prefetch: None, next: 0, waiting: Waiting::default() }
    }

    /// The training set.
    pub(super) fn dataset(&self) -> &dyn SequenceDataset {
        self.batches.dataset()
    }

    /// The position after `step` steps.
    pub(super) fn cursor(&self, step: u64) -> Cursor {
        self.batches.cursor(step)
    }

    /// The batch at a position. The following ones are made while it is learned from, if any are to be.
    ///
    /// # Errors
    /// Those of the data set, and if no thread can be started.
    pub(super) fn at(&mut self, cursor: Cursor) -> Result<Batch> {
        if self.ahead == 0 {
            return self.batches.at(cursor);
        }
        let prefetch = match &mut self.prefetch {
            Some(prefetch) if self.next == cursor.step => prefetch,
            prefetch => {
                let ahead =
                    Ahead { first: cursor.step, end: self.steps.max(cursor.step + 1), batches: self.ahead };
                // One that stands elsewhere ends before the next one begins.
                *prefetch = None;
                prefetch.insert(Prefetch::begin(self.batches.clone(), ahead)?)
            }
        };
        self.next = cursor.step + 1;
        match prefetch.next() {
            Some(batch) => batch,
            None => self.batches.at(cursor),
        }
    }
}

impl Waiting {
    /// Counts a step that began at `began` and had its batch at `ready`.
    pub(super) fn count(&mut self, began: Instant, ready: Instant) {
        let (waited, passed) = (ready - began, began.elapsed());
        self.waited += waited;
        self.passed += passed;
        self.of_last = share(waited, passed);
    }

    /// The share of the last step's time, 0 to 1.
    pub(super) fn of_last_step(&self) -> f64 {
        self.of_last
    }

    /// The share of the time of all steps, 0 to 1.
    pub(super) fn of_all_steps(&self) -> f64 {
        share(self.waited, self.passed)
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex};

    use super::*;
    use crate::Error;
    use crate::dataset::SequenceMut;

    /// Sequences of one number; counts those that were made and may fail at some.
    struct Numbers {
        made: Arc<(Mutex<usize>, Condvar)>,
        fails_at: usize,
        panics_at: usize,
    }

    impl Numbers {
        fn until(index: usize) -> Self {
            Self { made: Arc::default(), fails_at: index, panics_at: usize::MAX }
        }

        fn feed(self, ahead: usize) -> Feed {
            let config = TrainingConfig::from_toml("[training]\nsteps = 20\nbatch_size = 1").unwrap();
            let config = config.with(&format!("data.prefetch={ahead}")).unwrap();
            Feed::new(Batches::new(Box::new(self), &config), &config)
        }
    }

    impl SequenceDataset for Numbers {
        fn name(&self) -> &str {
            "numbers"
        }
        fn len(&self) -> usize {
            5
        }
        fn frame_shape(&self) -> [usize; 3] {
            [1, 1, 1]
        }
        fn steps(&self) -> usize {
            2
        }
        fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
            let (made, changed) = &*self.made;
            let mut made = made.lock().unwrap();
            if *made == self.panics_at {
                drop(made);
                panic!("a bug in numbers");
            }
            if *made >= self.fails_at {
                let reason = format!("there are {made}");
                return Err(Error::Data { what: self.name().to_owned(), reason });
            }
            *made += 1;
            changed.notify_all();
            into.frames.fill((epoch * 5) as f32 + index as f32);
            Ok(())
        }
    }

    #[test]
    fn batches_are_the_same_however_many_are_made_ahead() {
        let taken = |ahead, from: u64| {
            let mut feed = Numbers::until(usize::MAX).feed(ahead);
            (from..20).map(|step| feed.at(feed.cursor(step)).unwrap()).collect::<Vec<_>>()
        };
        let all = taken(0, 0);
        for ahead in [1, 2, 100] {
            assert_eq!(taken(ahead, 0), all);
            assert_eq!(taken(ahead, 7), all[7..]);
        }
        // Nor if they are asked for in another order.
        let mut feed = Numbers::until(usize::MAX).feed(3);
        for step in [3, 4, 2, 3, 19] {
            assert_eq!(feed.at(feed.cursor(step)).unwrap(), all[step as usize]);
        }
    }

    #[test]
    fn no_more_batches_lie_in_memory_than_were_asked_for() {
        for ahead in [1, 2, 4] {
            let numbers = Numbers::until(usize::MAX);
            let made = numbers.made.clone();
            let mut feed = numbers.feed(ahead);
            assert_eq!(*made.0.lock().unwrap(), 0, "nothing was asked for");
            for step in 0..20 {
                feed.at(feed.cursor(step)).unwrap();
                let (taken, expected) = (step as usize + 1, (step as usize + 1 + ahead).min(20));
                // So many are made without being asked for.
                let guard = made.0.lock().unwrap();
                let guard = made.1.wait_while(guard, |made| *made < expected).unwrap();
                assert_eq!(*guard, expected, "{taken} taken, {ahead} ahead");
            }
        }
    }

    #[test]
    fn an_error_arrives_at_its_step_with_its_text() {
        for ahead in [0, 1, 2, 9] {
            let mut feed = Numbers::until(3).feed(ahead);
            for step in 0..3 {
                feed.at(feed.cursor(step)).unwrap();
            }
            let error = feed.at(feed.cursor(3)).unwrap_err().to_string();
            assert!(error.contains("numbers") && error.contains("there are 3"), "{ahead} ahead: {error}");
        }
    }

    #[test]
    fn the_thread_has_ended_when_nobody_needs_batches_any_more() {
        for (taken, fails_at) in [(1, usize::MAX), (20, usize::MAX), (4, 3)] {
            let numbers = Numbers::until(fails_at);
            let made = numbers.made.clone();
            let mut feed = numbers.feed(2);
            for step in 0..taken {
                let _ = feed.at(feed.cursor(step));
            }
            drop(feed);
            assert_eq!(Arc::strong_count(&made), 1, "the data are still in use after {taken} batches");
        }
    }

    #[test]
    fn a_panic_of_the_data_is_one_of_the_run() {
        let mut numbers = Numbers::until(usize::MAX);
        numbers.panics_at = 1;
        let mut feed = numbers.feed(1);
        feed.at(feed.cursor(0)).unwrap();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| feed.at(feed.cursor(1))));
        let panic = panic.map(drop).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a bug in numbers"));
    }

    #[test]
    fn the_share_of_waiting_is_that_of_the_time_of_steps() {
        assert_eq!(Waiting::default().of_all_steps(), 0.0);
        let second = Duration::from_secs(1);
        assert_eq!(share(second, 4 * second), 0.25);
        let mut waiting = Waiting::default();
        let began = Instant::now();
        waiting.count(began, began);
        assert_eq!((waiting.of_last_step(), waiting.of_all_steps()), (0.0, 0.0));
    }
}
