//! Readers of frames, one for each format.

pub(super) mod idx;
pub(crate) mod natural_order;
pub(super) mod npz;
pub(super) mod radar;
