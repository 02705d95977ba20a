//! The blocks of an array that are read, and where their numbers go.

use std::ops::Range;

/// A stored axis: its length, which part of it is wanted, and the distance of neighbours in what is made.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) length: usize,
    pub(super) wanted: Range<usize>,
    pub(super) stride: usize,
}

/// What stands in a table of offsets for a number that is not wanted.
pub(super) const UNWANTED: usize = usize::MAX;

/// Where each number of a block goes, from the place of the block on.
pub(super) fn offsets(axes: &[Place]) -> Vec<usize> {
    axes.iter().fold(vec![0], |before, axis| {
        let along = |before: usize| {
            (0..axis.length).map(move |at| match before != UNWANTED && axis.wanted.contains(&at) {
                true => before + (at - axis.wanted.start) * axis.stride,
                false => UNWANTED,
            })
        };
        before.into_iter().flat_map(along).collect()
    })
}

/// The wanted blocks in the order of the file: the number of each, and where it goes.
pub(super) struct Blocks<'a> {
    axes: &'a [Place],
    given: usize,
    total: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(axes: &'a [Place]) -> Self {
        Self { axes, given: 0, total: axes.iter().map(|axis| axis.wanted.len()).product() }
    }
}

impl Iterator for Blocks<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        if self.given == self.total {
            return None;
        }
        let (mut rest, mut block, mut place, mut step) = (self.given, 0, 0, 1);
        for axis in self.axes.iter().rev() {
            let at = rest % axis.wanted.len();
            rest /= axis.wanted.len();
            block += (axis.wanted.start + at) * step;
            place += at * axis.stride;
            step *= axis.length;
        }
        self.given += 1;
        Some((block, place))
    }
}
