//! Two-dimensional transforms: along the rows of a tile, then along its columns.
//!
//! Unsafe: A transform reads and writes vectors in rows and columns; who calls it has compared their places with
//! the lengths of slices.

use super::transform::Transform;
use crate::real::Real;
use crate::simd::Simd;

/// Vectors in rows and columns: an address, and the elements from a row and from a column to the next.
#[derive(Clone, Copy)]
pub(super) struct VectorGrid<P> {
    pub(super) start: P,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Transforms `FROM` x `FROM` vectors to `TO` x `TO`.
///
/// # Safety
/// All vectors of `from` must be valid to read, all of `to` to write.
#[inline(always)]
pub(super) unsafe fn transform<T, S, L, const FROM: usize, const TO: usize>(
    s: S,
    from: VectorGrid<*const T>,
    to: VectorGrid<*mut T>,
) where
    T: Real,
    S: Simd<T>,
    L: Transform<FROM, TO>,
{
    // SAFETY: the one part of one has all columns, and the contract of the call is that of this function.
    unsafe { transform_part::<T, S, L, FROM, TO, 0, 1>(s, from, to) }
}

/// Transforms `FROM` x `FROM` vectors to the columns of part `PART` of `PARTS` equal ones of `TO` x `TO`,
/// the first of which goes to the first column of `to`.
///
/// # Safety
/// All vectors of `from` must be valid to read, those columns of `to` to write.
#[inline(always)]
pub(super) unsafe fn transform_part<
    T,
    S,
    L,
    const FROM: usize,
    const TO: usize,
    const PART: usize,
    const PARTS: usize,
>(
    s: S,
    from: VectorGrid<*const T>,
    to: VectorGrid<*mut T>,
) where
    T: Real,
    S: Simd<T>,
    L: Transform<FROM, TO>,
{
    const { assert!(TO.is_multiple_of(PARTS) && PART < PARTS, "the parts are equal") };
    let zero = s.splat(T::ZERO);
    let mut rows = [[zero; 8]; FROM];
    for (row, values) in rows.iter_mut().enumerate() {
        let mut line = [zero; 8];
        for (column, value) in line[..FROM].iter_mut().enumerate() {
            // SAFETY: by the contract the vector of each row and column of `from` is valid to read.
            *value = unsafe { s.load(from.start.add(row * from.row + column * from.column)) };
        }
        *values = L::line(s, line);
    }
    for column in 0..TO / PARTS {
        let mut line = [zero; 8];
        for (at, value) in line[..FROM].iter_mut().enumerate() {
            *value = rows[at][PART * (TO / PARTS) + column];
        }
        let line = L::line(s, line);
        for (row, &value) in line[..TO].iter().enumerate() {
            // SAFETY: by the contract the vector of each row and of the columns of the part is valid to write.
            unsafe { s.store(to.start.add(row * to.row + column * to.column), value) };
        }
    }
}
