//! The batches of the training set, each found by its position alone.

use std::sync::Arc;

use crate::Result;
use crate::checkpoint::Cursor;
use crate::config::TrainingConfig;
use crate::dataset::{Batch, SequenceDataset, batch, order};

/// The training set cut into batches: epoch after epoch, each in an order of its own.
/// Sequences that do not fill a batch at the end of an epoch are left out of it. Clones share the
/// data.
#[derive(Clone)]
pub struct Batches {
    dataset: Arc<dyn SequenceDataset>,
    seed: u64,
    size: usize,
    /// The order of the epoch that was asked for last.
    order: Option<(u64, Vec<usize>)>,
}

impl Batches {
    /// The batches of a training set.
    pub fn new(dataset: Box<dyn SequenceDataset>, config: &TrainingConfig) -> Self {
        let (seed, size) = (config.training.seed, config.training.batch_size);
        Self { dataset: dataset.into(), seed, size, order: None }
    }

    /// The training set.
    pub fn dataset(&self) -> &dyn SequenceDataset {
        self.dataset.as_ref()
    }

    /// The position after `step` steps.
    pub fn cursor(&self, step: u64) -> Cursor {
        Cursor::at(step, (self.dataset.len() / self.size).max(1) as u64)
    }

    /// The batch at a position.
    ///
    /// # Errors
    /// Those of the data set.
    pub fn at(&mut self, cursor: Cursor) -> Result<Batch> {
        let order = match self.order.take() {
            Some((epoch, order)) if epoch == cursor.epoch => order,
            _ => order(self.seed, cursor.epoch, self.dataset.len()),
        };
        let first = usize::try_from(cursor.batch).expect("a batch of an epoch in memory") * self.size;
        let frames = batch(self.dataset(), cursor.epoch, &order[first..(first + self.size).min(order.len())]);
        self.order = Some((cursor.epoch, order));
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Split, open};

    #[test]
    fn a_batch_depends_on_its_position_and_not_on_those_before() {
        let config = TrainingConfig::from_toml(
            "[data]\nsize = 16\ndigit_size = 8\nmin_speed = 1.0\nmax_speed = 2.0\ninput_frames = 1\n\
             output_frames = 1\ntrain_sequences = 7\n[training]\nbatch_size = 3\nseed = 5",
        )
        .unwrap();
        let new = || Batches::new(open(&config.data, None, Split::Train, 5).unwrap(), &config);
        let mut forwards = new();
        // Two batches of three per epoch; the seventh sequence is left out.
        assert_eq!(forwards.cursor(5), Cursor { step: 5, epoch: 2, batch: 1 });
        let seen: Vec<_> = (0..6).map(|step| forwards.at(forwards.cursor(step)).unwrap()).collect();
        let mut backwards = new();
        for step in (0..6).rev() {
            assert_eq!(backwards.at(backwards.cursor(step)).unwrap(), seen[step as usize], "step {step}");
        }
        assert!((1..6).all(|step| seen[step] != seen[0]));
    }
}
