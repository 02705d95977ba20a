//! Feature maps cut into pieces that are worked on at the same time.

use std::ops::Range;

use crate::feature_maps::{Extent, FeatureMapsMut, FeatureMapsRef};
use crate::parallel::{Disjoint, for_each_range};
use crate::scalar::Scalar;

/// Elements of a piece: a handful of streams of this length fit into the first-level cache.
const PIECE: usize = 2048;

/// A part of one image of a view with `extent.channels` channels.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) image: usize,
    pub(super) range: Range<usize>,
}

/// Calls `work` for pieces that cover every image once.
pub(super) fn for_each_piece(extent: Extent, work: impl Fn(Piece) + Sync) {
    let len = extent.image_len();
    if extent.is_empty() {
        return;
    }
    let per_image = len.div_ceil(PIECE);
    let padded = per_image * PIECE;
    for_each_range(extent.batch * padded, PIECE, |range| {
        let (image, start) = (range.start / padded, range.start % padded);
        work(Piece { image, range: start..len.min(start + PIECE) });
    });
}

/// A view of which pieces are written at the same time.
#[derive(Clone, Copy)]
pub(super) struct PieceWriter<'a, T> {
    memory: Disjoint<'a, T>,
    image_stride: usize,
}

impl<'a, T: Scalar> PieceWriter<'a, T> {
    pub(super) fn new(maps: &'a mut FeatureMapsMut<'_, T>) -> Self {
        Self { image_stride: maps.image_stride(), memory: Disjoint::new(maps.as_mut_slice()) }
    }

    /// The elements of a piece, `offset` elements into its image.
    ///
    /// # Safety
    /// No two pieces that overlap, and no piece twice, at the same time.
    #[expect(clippy::mut_from_ref, reason = "the contract above makes the pieces exclusive")]
    pub(super) unsafe fn piece(&self, piece: &Piece, offset: usize) -> &mut [T] {
        let start = piece.image * self.image_stride + offset;
        // SAFETY: the caller keeps pieces apart, and pieces of different images or
        // ranges are different elements.
        unsafe { self.memory.part(start + piece.range.start..start + piece.range.end) }
    }
}

/// The elements of a piece, `offset` elements into its image.
pub(super) fn read<'a, T: Scalar>(maps: &FeatureMapsRef<'a, T>, piece: &Piece, offset: usize) -> &'a [T] {
    &maps.image(piece.image)[offset..][piece.range.clone()]
}
