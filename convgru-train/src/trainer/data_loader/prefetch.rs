//! Batches that are made ahead, on a thread of their own.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use rayon::ThreadPoolBuilder;

use super::{BatchSampler, load};
use crate::dataset::{Batch, SequenceDataset};
use crate::{Error, Result};

/// A thread that makes the batches of the following steps and holds at most so many of them. It ends after the
/// last step, after an error, and when this is dropped, which waits for it.
pub(super) struct Prefetch {
    made: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts with the batch of the first of some steps; `ahead` batches, at least 1, may wait to be taken. Work within a
    /// batch is done by as many threads as there are where this is called, besides those.
    ///
    /// # Errors
    /// [`Error::Threads`] if the thread cannot be started.
    pub(super) fn start(
        dataset: Arc<dyn SequenceDataset>,
        sampler: BatchSampler,
        steps: Range<u64>,
        ahead: usize,
    ) -> Result<Self> {
        // One more is held by the thread while it waits for room.
        let (sender, made) = sync_channel(ahead.saturating_sub(1));
        let threads = rayon::current_num_threads();
        let thread = Builder::new()
            .name("convgru-data".into())
            .spawn(move || produce(dataset.as_ref(), sampler, steps, threads, &sender))
            .map_err(|error| Error::Threads { threads: 1, reason: error.to_string() })?;
        Ok(Self { made: Some(made), thread: Some(thread) })
    }

    /// The batch of the following step; `None` after the last one.
    ///
    /// # Errors
    /// The errors of the data set, at the step whose batch it is.
    ///
    /// # Panics
    /// If the thread did, as the data set would have here.
    pub(super) fn next(&mut self) -> Option<Result<Batch>> {
        let made = self.made.as_ref().and_then(|made| made.recv().ok());
        if made.is_none()
            && let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
        {
            std::panic::resume_unwind(panic);
        }
        made
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Without a receiver nothing can be sent, and the thread ends.
        self.made = None;
        if let Some(thread) = self.thread.take() {
            // What it panicked with has been printed; nobody asked for that batch.
            let _ = thread.join();
        }
    }
}

/// Makes one batch after the other until nobody takes them.
fn produce(
    dataset: &dyn SequenceDataset,
    mut sampler: BatchSampler,
    steps: Range<u64>,
    threads: usize,
    sender: &SyncSender<Result<Batch>>,
) {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("convgru-data-{number}"))
        .build_scoped(
            |thread| thread.run(),
            |pool| {
                for step in steps {
                    let cursor = sampler.cursor(step);
                    let batch = pool.install(|| load(dataset, &mut sampler, cursor));
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        break;
                    }
                }
            },
        );
    if let Err(error) = pool {
        let _ = sender.send(Err(Error::Threads { threads, reason: error.to_string() }));
    }
}
