//! The two products behind every convolution, with sums held in registers.
//!
//! Both read one number of the left operand and a panel of vectors of the right one for
//! each step of the sum. [`Rows`] is a matrix product whose left rows are pixels or
//! tiles, one block of channels each; [`Outer`] sums over pixels or tiles instead.

use std::ptr;

use crate::scalar::Scalar;
use crate::simd::{Kernel, Simd};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Channels of one block that enter a sum: where they lie, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// Left rows against panels: `c[row] = sum over terms, segments and channels of a[row] b`.
///
/// The result has one row of a panel for each row.
pub(super) struct Rows<'a, T> {
    pub(super) rows: usize,
    pub(super) terms: &'a [Term<'a, T>],
    pub(super) c: *mut T,
    /// Blocks of the panel.
    pub(super) blocks: usize,
}

/// A product that enters the sums of [`Rows`].
///
/// Row `i` of the left operand lies `i` blocks behind its first; the right operand holds
/// a whole block of rows for each segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term<'a, T> {
    pub(super) a: *const T,
    pub(super) segments: &'a [Segment],
    pub(super) b: *const T,
    /// The right operand of the next product, brought closer meanwhile. Any address will do.
    pub(super) next: *const T,
}

impl<T> Term<'_, T> {
    /// Nothing to add.
    pub(super) const NONE: Self = Self { a: ptr::null(), segments: &[], b: ptr::null(), next: ptr::null() };
}

/// Calls a generic function with the number of rows as a constant, up to the 14 of the
/// instruction set with the most registers.
macro_rules! with_rows {
    ($rows:expr, $most:expr, $function:ident::<$t:ident, $s:ident, $b:ident, $c:ident>$arguments:tt) => {
        match $rows {
            1 if $most >= 1 => $function::<$t, $s, $b, $c, 1> $arguments,
            2 if $most >= 2 => $function::<$t, $s, $b, $c, 2> $arguments,
            3 if $most >= 3 => $function::<$t, $s, $b, $c, 3> $arguments,
            4 if $most >= 4 => $function::<$t, $s, $b, $c, 4> $arguments,
            5 if $most >= 5 => $function::<$t, $s, $b, $c, 5> $arguments,
            6 if $most >= 6 => $function::<$t, $s, $b, $c, 6> $arguments,
            7 if $most >= 7 => $function::<$t, $s, $b, $c, 7> $arguments,
            8 if $most >= 8 => $function::<$t, $s, $b, $c, 8> $arguments,
            9 if $most >= 9 => $function::<$t, $s, $b, $c, 9> $arguments,
            10 if $most >= 10 => $function::<$t, $s, $b, $c, 10> $arguments,
            11 if $most >= 11 => $function::<$t, $s, $b, $c, 11> $arguments,
            12 if $most >= 12 => $function::<$t, $s, $b, $c, 12> $arguments,
            13 if $most >= 13 => $function::<$t, $s, $b, $c, 13> $arguments,
            14 if $most >= 14 => $function::<$t, $s, $b, $c, 14> $arguments,
            rows => unreachable!("groups have one row to {}, not {rows}", $most),
        }
    };
}

/// The rows of the next group, so that groups are nearly of the same size.
#[inline(always)]
fn next_group(left: usize, most: usize) -> usize {
    if left >= 2 * most {
        most
    } else if left > most {
        left.div_ceil(2)
    } else {
        left
    }
}

impl<T: Scalar> Rows<'_, T> {
    /// # Safety
    /// All that the fields describe must be valid to read, and `rows` rows of the panel
    /// behind `c` to write.
    #[inline(always)]
    pub(super) unsafe fn multiply<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(
        &self,
        s: S,
    ) {
        let width = self.blocks * T::BLOCK;
        let mut done = 0;
        while done < self.rows {
            let group = next_group(self.rows - done, ROWS);
            // Where the next product has the same right operand it is close already.
            let same = self.terms.iter().all(|term| term.next == term.b);
            let lines = if same { 0 } else { T::BLOCK * width * size_of::<T>() / LINE };
            let ahead = [done * lines / self.rows, (done + group) * lines / self.rows];
            // SAFETY: the group lies among the rows the caller vouches for.
            unsafe {
                let c = self.c.add(done * width);
                if self.blocks * BLOCK == COLUMNS {
                    with_rows!(group, ROWS, rows::<T, S, BLOCK, COLUMNS>(s, self.terms, done, ahead, c));
                } else {
                    with_rows!(group, ROWS, rows::<T, S, BLOCK, BLOCK>(s, self.terms, done, ahead, c));
                }
            }
            done += group;
        }
    }
}

/// `ROWS` rows of `COLUMNS` vectors, from row `first` on. Of each segment's part of the next right
/// operand the lines of `ahead` are brought closer.
///
/// # Safety
/// As [`Rows::multiply`].
#[inline(always)]
unsafe fn rows<T: Scalar, S: Simd<T>, const BLOCK: usize, const COLUMNS: usize, const ROWS: usize>(
    s: S,
    terms: &[Term<'_, T>],
    first: usize,
    ahead: [usize; 2],
    c: *mut T,
) {
    let width = COLUMNS * S::LANES;
    let mut sums = [[s.splat(T::ZERO); COLUMNS]; ROWS];
    for term in terms {
        let (mut b, mut next) = (term.b, term.next);
        for segment in term.segments {
            for line in ahead[0]..ahead[1] {
                s.prefetch(next.wrapping_add(line * (LINE / size_of::<T>())));
            }
            next = next.wrapping_add(T::BLOCK * width);
            // SAFETY: the caller vouches for the rows of every segment and for the panel.
            unsafe {
                let a = term.a.add(segment.offset + first * T::BLOCK);
                for k in 0..segment.len {
                    let mut panel = [s.splat(T::ZERO); COLUMNS];
                    for (v, panel) in panel.iter_mut().enumerate() {
                        *panel = s.load(b.add(k * width + v * S::LANES));
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let x = s.splat(*a.add(row * T::BLOCK + k));
                        for (sum, &y) in sums.iter_mut().zip(&panel) {
                            *sum = s.mul_add(x, y, *sum);
                        }
                    }
                }
                b = b.add(T::BLOCK * width);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller vouches for the rows of the result.
            unsafe { s.store(c.add(row * width + v * S::LANES), sum) };
        }
    }
}

/// A sum over pixels or tiles: `c[channel] += sum over runs and pixels of a[pixel][channel] b[pixel]`.
///
/// Channels of the left operand lie next to each other, pixels of both operands a block
/// apart; the result has one row of `blocks` blocks for each left channel.
pub(super) struct Outer<'a, T> {
    pub(super) channels: usize,
    pub(super) a: *const T,
    pub(super) b: *const T,
    /// Elements from a block of the right operand to the next.
    pub(super) b_block_stride: usize,
    pub(super) runs: &'a [Run],
    pub(super) c: *mut T,
    /// Elements from a row of the result to the next.
    pub(super) c_stride: usize,
    /// Blocks of the right operand, at most a panel.
    pub(super) blocks: usize,
    /// Whether the result is unspecified before, and the sum replaces it.
    pub(super) begin: bool,
}

/// Pixels that lie one after the other in both operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) len: usize,
}

impl<T: Scalar> Kernel<T> for Outer<'_, T> {
    type Output = ();

    /// All that the fields describe must be valid, which their makers see to.
    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let mut done = 0;
        while done < self.channels {
            let group = next_group(self.channels - done, ROWS);
            // SAFETY: the group lies among the channels that the maker of the value vouches for.
            unsafe {
                if self.blocks * BLOCK == COLUMNS {
                    with_rows!(group, ROWS, outer::<T, S, BLOCK, COLUMNS>(s, &self, done));
                } else {
                    with_rows!(group, ROWS, outer::<T, S, BLOCK, BLOCK>(s, &self, done));
                }
            }
            done += group;
        }
    }
}

/// `ROWS` channels from `first` on against `COLUMNS` vectors.
///
/// # Safety
/// As the fields of [`Outer`] say.
#[inline(always)]
unsafe fn outer<T: Scalar, S: Simd<T>, const BLOCK: usize, const COLUMNS: usize, const ROWS: usize>(
    s: S,
    operands: &Outer<'_, T>,
    first: usize,
) {
    // SAFETY: the caller vouches for all that the operands describe.
    unsafe {
        let c = operands.c.add(first * operands.c_stride);
        let mut sums = [[s.splat(T::ZERO); COLUMNS]; ROWS];
        if !operands.begin {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = s.load(c.add(row * operands.c_stride + v * S::LANES));
                }
            }
        }
        for run in operands.runs {
            let a = operands.a.add(run.a + first);
            let b = operands.b.add(run.b);
            for k in 0..run.len {
                let mut panel = [s.splat(T::ZERO); COLUMNS];
                for (v, panel) in panel.iter_mut().enumerate() {
                    let block = v / BLOCK * operands.b_block_stride;
                    *panel = s.load(b.add(k * T::BLOCK + block + v % BLOCK * S::LANES));
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = s.splat(*a.add(k * T::BLOCK + row));
                    for (sum, &y) in sums.iter_mut().zip(&panel) {
                        *sum = s.mul_add(x, y, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                s.store(c.add(row * operands.c_stride + v * S::LANES), sum);
            }
        }
    }
}
