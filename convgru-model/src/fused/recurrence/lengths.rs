//! How long each sample of a batch is.

use std::ops::Range;

/// The step at which each sample of a batch ends: how many of the steps that lie in memory are its own.
///
/// From there on its state stays as it is. None are kept where every sample takes all steps.
#[derive(Debug, Default)]
pub(crate) struct SampleLengths(Vec<usize>);

impl SampleLengths {
    /// Every sample takes all steps.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Samples of the given lengths, of which `before` steps have gone.
    pub(crate) fn set(&mut self, lengths: &[usize], before: usize) {
        self.0.clear();
        self.0.extend(lengths.iter().map(|length| length.saturating_sub(before)));
    }

    /// Whether there are samples with an end of their own.
    pub(crate) fn are_given(&self) -> bool {
        !self.0.is_empty()
    }

    /// The samples that ended before a step, those side by side as one range.
    pub(crate) fn ended(&self, step: usize) -> impl Iterator<Item = Range<usize>> {
        let mut first = 0;
        self.0.chunk_by(move |&one, &next| (one <= step) == (next <= step)).filter_map(move |samples| {
            let range = first..first + samples.len();
            first = range.end;
            (samples[0] <= step).then_some(range)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_ended_from_their_length_on() {
        let mut lengths = SampleLengths::default();
        assert_eq!(lengths.ended(0).count(), 0);
        lengths.set(&[2, 0, 1, 3, 1], 0);
        let ended = |lengths: &SampleLengths, step: usize| {
            lengths.ended(step).map(|r| (r.start, r.end)).collect::<Vec<_>>()
        };
        assert_eq!(ended(&lengths, 0), [(1, 2)]);
        assert_eq!(ended(&lengths, 1), [(1, 3), (4, 5)]);
        assert_eq!(ended(&lengths, 2), [(0, 3), (4, 5)]);
        assert_eq!(ended(&lengths, 3), [(0, 5)]);
        lengths.set(&[2, 0, 1, 3, 1], 2);
        assert_eq!(ended(&lengths, 0), [(0, 3), (4, 5)]);
        assert!(lengths.are_given());
        lengths.clear();
        assert!(!lengths.are_given() && ended(&lengths, 9).is_empty());
    }
}
