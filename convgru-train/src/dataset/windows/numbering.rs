//! The windows of clips, counted over all of them.

/// Candidates looked at for each listed sequence, at most.
const CANDIDATES: usize = 64;

/// Which clip a window lies in, and where it begins there.
pub(in crate::dataset) struct Numbering {
    /// The windows of each clip and of all before it.
    pub(super) ends: Vec<usize>,
    /// Frames from the beginning of a window to the beginning of the next, at least 1.
    stride: usize,
}

impl Numbering {
    /// The windows of some frames in clips of the given lengths, `stride` frames from each to the next.
    pub(in crate::dataset) fn new(lengths: impl Iterator<Item = usize>, steps: usize, stride: usize) -> Self {
        let windows = |length: usize| {
            (length + 1).checked_sub(steps).map_or(0, |places| places.div_ceil(stride.max(1)))
        };
        let before = |sum: &mut usize, length: usize| {
            *sum = sum.saturating_add(windows(length));
            Some(*sum)
        };
        Self { ends: lengths.scan(0, before).collect(), stride }
    }

    /// The number of windows of all clips.
    pub(in crate::dataset) fn windows(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Clip and first frame of a window.
    pub(in crate::dataset) fn window(&self, number: usize) -> (usize, usize) {
        let clip = self.ends.partition_point(|&end| end <= number);
        let before = clip.checked_sub(1).map_or(0, |before| self.ends[before]);
        (clip, (number - before) * self.stride)
    }
}

/// How many of `count` candidates are looked at where at most `most` are listed.
pub(super) fn tried(count: usize, most: usize) -> usize {
    most.saturating_mul(CANDIDATES).min(count)
}

/// The candidate, of `count`, that is listed at a place where at most `most` are and none is left out.
pub(in crate::dataset) fn listed(at: usize, count: usize, most: usize) -> usize {
    let tried = tried(count, most);
    thinned(thinned(at, tried, most.min(tried)), count, tried)
}

/// The number of the thing that is taken at a place, where `kept` of `count` things are taken evenly spaced, the first
/// among them.
pub(super) fn thinned(at: usize, count: usize, kept: usize) -> usize {
    // The first thing `i` for which the rounded-down `i kept / count` is `at`.
    (at as u128 * count as u128).div_ceil(kept.max(1) as u128) as usize
}
