//! Work on several threads, in pieces that do not depend on their number.
//!
//! Callers hand over their work as a trait object: what rayon becomes is compiled for a few types
//! instead of for every caller, which is a good part of what compiling this crate takes.

use rayon::prelude::*;

/// The results of `work` of each number below `items`, in order.
pub(crate) fn map<R: Send>(items: usize, work: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    (0..items).into_par_iter().map(work).collect()
}

/// The sum of `work` of each number below `items`, added in order.
pub(crate) fn sum(items: usize, work: &(dyn Fn(usize) -> f64 + Sync)) -> f64 {
    map(items, work).iter().sum()
}

/// The sum of `work` of each part of `values` and its index, added in order; parts have `size`
/// elements, the last one what remains.
pub(crate) fn sum_parts<T: Send>(
    values: &mut [T],
    size: usize,
    work: &(dyn Fn(usize, &mut [T]) -> f64 + Sync),
) -> f64 {
    let parts = values.par_chunks_mut(size.max(1)).enumerate();
    let sums: Vec<f64> = parts.map(|(index, part)| work(index, part)).collect();
    sums.iter().sum()
}
