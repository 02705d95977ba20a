//! Which sequences make each batch, found by its position alone.

use crate::checkpoint::Cursor;
use crate::config::RunConfig;
use crate::dataset::order;

/// Cuts the sequences of a training set into batches: epoch after epoch, each in an order of its own. Sequences that do
/// not fill a batch at the end of an epoch are left out of it.
#[derive(Clone, Debug)]
pub struct BatchSampler {
    seed: u64,
    batch_size: usize,
    sequences: usize,
    /// The order of the epoch that was asked for last.
    order: Option<(u64, Vec<usize>)>,
}

impl BatchSampler {
    /// A sampler of a training set of so many sequences.
    pub fn new(sequences: usize, config: &RunConfig) -> Self {
        let (seed, batch_size) = (config.training.seed, config.training.batch_size);
        Self { seed, batch_size, sequences, order: None }
    }

    /// The position after `step` steps.
    pub fn cursor(&self, step: u64) -> Cursor {
        Cursor::at(step, self.steps_per_epoch())
    }

    /// The batches of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.sequences / self.batch_size).max(1) as u64
    }

    /// The sequences of the batch at a position.
    pub fn indices(&mut self, cursor: Cursor) -> &[usize] {
        let order = match self.order.take() {
            Some((epoch, order)) if epoch == cursor.epoch => order,
            _ => order(self.seed, cursor.epoch, self.sequences),
        };
        let first = usize::try_from(cursor.batch).expect("a batch of an epoch in memory") * self.batch_size;
        let (_, order) = self.order.insert((cursor.epoch, order));
        &order[first..(first + self.batch_size).min(order.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_depends_on_its_position_and_not_on_those_before() {
        let config = RunConfig::from_toml("[training]\nbatch_size = 3\nseed = 5").unwrap();
        let new = || BatchSampler::new(7, &config);
        let mut forwards = new();
        // Two batches of three per epoch; the seventh sequence is left out.
        assert_eq!(forwards.cursor(5), Cursor { step: 5, epoch: 2, batch: 1 });
        let seen: Vec<_> = (0..6).map(|step| forwards.indices(forwards.cursor(step)).to_vec()).collect();
        let mut backwards = new();
        for step in (0..6).rev() {
            assert_eq!(backwards.indices(backwards.cursor(step)), seen[step as usize], "step {step}");
        }
        assert!((1..6).all(|step| seen[step] != seen[0] && seen[step].len() == 3));
    }
}
