//! What a rule of optimisation is: one step of some elements.

/// Most moments that a rule has.
pub(super) const MOMENTS: usize = 3;

/// Some elements of one tensor, side by side.
pub(super) struct Chunk<'a, T> {
    pub(super) parameters: &'a mut [T],
    pub(super) gradients: &'a [T],
    /// The moments of the same elements; empty where the rule has fewer.
    pub(super) moments: [&'a mut [T]; MOMENTS],
}

/// The numbers of one step that all elements share, and what they do to a piece.
/// Elements do not meet, so the size of the pieces changes no bit.
pub(super) trait UpdateRule<T>: Sync {
    fn apply(&self, chunk: Chunk<'_, T>);
}
