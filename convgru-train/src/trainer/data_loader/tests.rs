//! Batches are the same however they are made, and a thread that makes them leaves nothing behind.

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

    fn loader(self, ahead: usize) -> DataLoader {
        let config = RunConfig::from_toml("[training]\nsteps = 20\nbatch_size = 1").unwrap();
        let config = config.with(&format!("data.prefetch={ahead}")).unwrap();
        DataLoader::new(Box::new(self), &config)
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
        let mut loader = Numbers::until(usize::MAX).loader(ahead);
        (from..20).map(|step| loader.batch(loader.cursor(step)).unwrap()).collect::<Vec<_>>()
    };
    let all = taken(0, 0);
    for ahead in [1, 2, 100] {
        assert_eq!(taken(ahead, 0), all);
        assert_eq!(taken(ahead, 7), all[7..]);
    }
    // Nor if they are asked for in another order.
    let mut loader = Numbers::until(usize::MAX).loader(3);
    for step in [3, 4, 2, 3, 19] {
        assert_eq!(loader.batch(loader.cursor(step)).unwrap(), all[step as usize]);
    }
}

#[test]
fn no_more_batches_lie_in_memory_than_were_asked_for() {
    for ahead in [1, 2, 4] {
        let numbers = Numbers::until(usize::MAX);
        let made = numbers.made.clone();
        let mut loader = numbers.loader(ahead);
        assert_eq!(*made.0.lock().unwrap(), 0, "nothing was asked for");
        for step in 0..20 {
            loader.batch(loader.cursor(step)).unwrap();
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
        let mut loader = Numbers::until(3).loader(ahead);
        for step in 0..3 {
            loader.batch(loader.cursor(step)).unwrap();
        }
        let error = loader.batch(loader.cursor(3)).unwrap_err().to_string();
        assert!(error.contains("numbers") && error.contains("there are 3"), "{ahead} ahead: {error}");
    }
}

#[test]
fn the_thread_has_ended_when_nobody_needs_batches_any_more() {
    for (taken, fails_at) in [(1, usize::MAX), (20, usize::MAX), (4, 3)] {
        let numbers = Numbers::until(fails_at);
        let made = numbers.made.clone();
        let mut loader = numbers.loader(2);
        for step in 0..taken {
            let _ = loader.batch(loader.cursor(step));
        }
        drop(loader);
        assert_eq!(Arc::strong_count(&made), 1, "the data are still in use after {taken} batches");
    }
}

#[test]
fn a_panic_of_the_data_is_one_of_the_run() {
    let mut numbers = Numbers::until(usize::MAX);
    numbers.panics_at = 1;
    let mut loader = numbers.loader(1);
    loader.batch(loader.cursor(0)).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| loader.batch(loader.cursor(1))));
    let panic = panic.map(drop).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a bug in numbers"));
}

#[test]
fn the_share_of_waiting_is_that_of_the_time_of_steps() {
    assert_eq!(WaitTime::default().of_all_steps(), 0.0);
    let second = Duration::from_secs(1);
    assert_eq!(share(second, 4 * second), 0.25);
    let mut waiting = WaitTime::default();
    let began = Instant::now();
    waiting.count(began, began);
    assert_eq!((waiting.of_last_step(), waiting.of_all_steps()), (0.0, 0.0));
}
