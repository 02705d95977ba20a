//! Planes, samples and rows on several threads, in pieces that do not depend on their number.
//!
//! Callers hand over their work as a trait object: what rayon becomes is compiled once for each
//! type instead of for every caller.

use rayon::prelude::*;

/// The results of `work` of each number below `items`, in order.
pub(crate) fn map<R: Send>(items: usize, work: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    (0..items).into_par_iter().map(work).collect()
}

/// Does `work` with each row of `values` and its index; rows have `width` elements, the last one what remains.
pub(crate) fn for_each_row<T: Send>(values: &mut [T], width: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    values.par_chunks_mut(width.max(1)).enumerate().for_each(|(index, row)| work(index, row));
}
