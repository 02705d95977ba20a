//! The blocks of an array that are read, and where their numbers go.

use std::ops::Range;

use super::axes::Axis;

/// A stored axis: its length, which part of it is wanted, and the distance of neighbours in what is made.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) length: usize,
    pub(super) wanted: Range<usize>,
    pub(super) stride: usize,
}

/// Numbers of a block that is put in order, where frames do not lie in one piece.
const LARGEST_BLOCK: usize = 1 << 16;

/// Where each wanted number of a block goes, from the place of the block on.
pub(super) fn offsets(axes: &[Place]) -> Vec<usize> {
    axes.iter().fold(vec![0], |before, axis| {
        let along = |before: usize| (0..axis.wanted.len()).map(move |at| before + at * axis.stride);
        before.into_iter().flat_map(along).collect()
    })
}

/// Which numbers of a block lie within a part of each of its axes.
pub(super) fn lies_within(block: &[usize], within: &[Range<usize>]) -> Vec<bool> {
    block.iter().zip(within).fold(vec![true], |before, (&length, part)| {
        let along = |before: bool| (0..length).map(move |at| before && part.contains(&at));
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

/// How many stored axes lie outside of a block: those around a frame that lies in one piece, otherwise as few as leave small blocks.
pub(super) fn leading(axes: &[(Axis, usize)]) -> usize {
    if let Some(at) = (0..axes.len()).find(|&at| is_frame(axes, at)) {
        return at;
    }
    let small = |at: &usize| {
        let block = axes[*at..].iter().try_fold(1usize, |product, (_, length)| product.checked_mul(*length));
        block.is_some_and(|block| block <= LARGEST_BLOCK)
    };
    (1..axes.len()).find(small).unwrap_or(axes.len() - 1)
}

/// Whether the stored axes from a place on are the axes of a whole frame, in the order `[C, H, W]`.
pub(super) fn is_frame(axes: &[(Axis, usize)], at: usize) -> bool {
    let names: Vec<Axis> = axes[at..].iter().map(|(axis, _)| *axis).collect();
    match names[..] {
        [Axis::Channel, Axis::Row, Axis::Column] => true,
        // Of several channels that lie further outside it is one.
        [Axis::Row, Axis::Column] => {
            axes[..at].iter().all(|&(axis, length)| axis != Axis::Channel || length == 1)
        }
        _ => false,
    }
}
