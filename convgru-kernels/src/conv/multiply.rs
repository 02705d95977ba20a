//! The two products behind every convolution, with sums held in registers.
//!
//! Both read one number of the left operand and a panel of vectors of the right one for
//! each step of the sum. [`RowProduct`] is a matrix product whose left rows are pixels or
//! tiles, one block of channels each; [`Outer`] sums over pixels or tiles instead.
//!
//! Unsafe: Operands and results are slices whose lengths are compared with rows, segments, runs and panels before
//! the first product.

use std::ptr;

use crate::real::Real;
use crate::simd::{Simd, TileKernel};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Channels of one block that enter a sum: where they lie, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// The segments of a product, and where the last of their channels ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProductSegments<'a> {
    all: &'a [Segment],
    end: usize,
}

impl<'a> ProductSegments<'a> {
    /// No segments.
    pub(super) const NONE: Self = Self { all: &[], end: 0 };

    pub(super) fn new(all: &'a [Segment]) -> Self {
        let ends = all.iter().map(|segment| segment.offset.saturating_add(segment.len));
        Self { all, end: ends.max().unwrap_or(0) }
    }

    /// How many there are.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }
}

/// Left rows against panels: `c[row] = sum over terms, segments and channels of a[row] b`, added to what is there unless it begins.
///
/// The result has one row of a panel for each row.
pub(super) struct RowProduct<'a, T> {
    pub(super) rows: usize,
    pub(super) terms: &'a [Term<'a, T>],
    pub(super) c: &'a mut [T],
    /// Blocks of the panel: one, or as many as fit into the registers.
    pub(super) blocks: usize,
    /// Whether the result is unspecified before, and the sum replaces it.
    pub(super) begin: bool,
}

/// A product that enters the sums of [`RowProduct`].
///
/// Row `i` of the left operand lies `i` blocks behind its first; the right operand holds
/// a whole block of rows for each segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term<'a, T> {
    pub(super) a: &'a [T],
    pub(super) segments: ProductSegments<'a>,
    pub(super) b: &'a [T],
    /// The right operand of the next product, brought closer meanwhile. Any address will do.
    pub(super) next: *const T,
}

impl<T> Term<'_, T> {
    /// Nothing to add.
    pub(super) const NONE: Self = Self { a: &[], segments: ProductSegments::NONE, b: &[], next: ptr::null() };
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

impl<T: Real> RowProduct<'_, T> {
    /// # Panics
    /// If an operand or the result is shorter than the rows, the segments and the panel ask for.
    #[inline(always)]
    pub(super) fn multiply<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(
        self,
        s: S,
    ) {
        let (width, whole) = (self.blocks * T::BLOCK, self.blocks * BLOCK == COLUMNS);
        assert!(whole || self.blocks == 1, "a panel of {} blocks", self.blocks);
        assert!(self.c.len() >= self.rows.saturating_mul(width), "the result is too short");
        let behind = self.rows.saturating_sub(1).saturating_mul(T::BLOCK);
        for term in self.terms {
            let ProductSegments { all, end } = term.segments;
            assert!(term.a.len() >= end.saturating_add(behind), "the left operand is too short");
            assert!(term.b.len() >= all.len() * T::BLOCK * width, "the right operand is too short");
        }
        let mut done = 0;
        while done < self.rows {
            let group = next_group(self.rows - done, ROWS);
            // Where the next product has the same right operand it is close already.
            let same = self.terms.iter().all(|term| term.next == term.b.as_ptr());
            let lines = if same { 0 } else { T::BLOCK * width * size_of::<T>() / LINE };
            let ahead = [done * lines / self.rows, (done + group) * lines / self.rows];
            // SAFETY: rows `done` to `done + group` are among `self.rows`; the assertions made sure that for
            // each of these the left operands hold the channels of every segment and `c` a row of the panel,
            // and that the right operands hold a block of rows of the panel for every segment. The panel has
            // as many blocks as the vectors of the function that is called.
            unsafe {
                let c = self.c.as_mut_ptr().add(done * width);
                let at = RowsAt { first: done, ahead, begin: self.begin };
                if whole {
                    with_rows!(group, ROWS, rows::<T, S, BLOCK, COLUMNS>(s, self.terms, at, c));
                } else {
                    with_rows!(group, ROWS, rows::<T, S, BLOCK, BLOCK>(s, self.terms, at, c));
                }
            }
            done += group;
        }
    }
}

/// Which rows of a product are computed.
#[derive(Clone, Copy)]
struct RowsAt {
    first: usize,
    /// The lines of each segment's part of the next right operand that are brought closer meanwhile.
    ahead: [usize; 2],
    /// Whether sums begin with zero, not with the result that is there.
    begin: bool,
}

/// `ROWS` rows of `COLUMNS` vectors.
///
/// # Safety
/// The left operands must hold the channels of every segment for rows `at.first` to `at.first + ROWS`, the right ones
/// `BLOCK` numbers times `COLUMNS` vectors for every segment, and `c` must be valid to write, and to read unless sums begin, for
/// `ROWS` rows of `COLUMNS` vectors.
#[inline(always)]
unsafe fn rows<T: Real, S: Simd<T>, const BLOCK: usize, const COLUMNS: usize, const ROWS: usize>(
    s: S,
    terms: &[Term<'_, T>],
    RowsAt { first, ahead, begin }: RowsAt,
    c: *mut T,
) {
    let width = COLUMNS * S::LANES;
    let mut sums = [[s.splat(T::ZERO); COLUMNS]; ROWS];
    if !begin {
        for (row, sums) in sums.iter_mut().enumerate() {
            for (v, sum) in sums.iter_mut().enumerate() {
                // SAFETY: by the contract `c` has `ROWS` rows of `COLUMNS` vectors to read.
                *sum = unsafe { s.load(c.add(row * width + v * S::LANES)) };
            }
        }
    }
    for term in terms {
        let (mut b, mut next) = (term.b.as_ptr(), term.next);
        for segment in term.segments.all {
            for line in ahead[0]..ahead[1] {
                s.prefetch(next.wrapping_add(line * (LINE / size_of::<T>())));
            }
            next = next.wrapping_add(T::BLOCK * width);
            // SAFETY: by the contract the left operand holds `segment.len` channels of rows `first` to
            // `first + ROWS`, a block apart, and the right one a block of rows of the panel for the segment.
            unsafe {
                let a = term.a.as_ptr().add(segment.offset + first * T::BLOCK);
                for k in 0..segment.len {
                    let mut panel = [s.splat(T::ZERO); COLUMNS];
                    for (v, panel) in panel.iter_mut().enumerate() {
                        *panel = s.load(b.add(k * width + v * S::LANES));
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let x = s.splat(*a.add(row * T::BLOCK + k));
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = s.mul_add(x, panel[v], *sum);
                        }
                    }
                }
                b = b.add(T::BLOCK * width);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: by the contract `c` has `ROWS` rows of `COLUMNS` vectors.
            unsafe { s.store(c.add(row * width + v * S::LANES), sum) };
        }
    }
}

/// A sum over pixels or tiles: `c[channel] += sum over runs and pixels of a[pixel][channel] b[pixel]`.
///
/// Channels of the left operand lie next to each other, pixels of both operands a block
/// apart; the result has one row of `blocks` blocks for each left channel.
pub(super) struct Outer<'a, T> {
    /// Left channels, at most a block.
    pub(super) channels: usize,
    pub(super) a: &'a [T],
    pub(super) b: &'a [T],
    /// Elements from a block of the right operand to the next.
    pub(super) b_block_stride: usize,
    pub(super) runs: &'a [PixelRun],
    /// Pixels of each run.
    pub(super) len: usize,
    pub(super) c: &'a mut [T],
    /// Elements from a row of the result to the next.
    pub(super) c_stride: usize,
    /// Blocks of the right operand: one, or as many as fit into the registers.
    pub(super) blocks: usize,
    /// Whether the result is unspecified before, and the sum replaces it.
    pub(super) begin: bool,
}

/// Where pixels that lie one after the other begin in both operands.
#[derive(Debug, Clone, Copy)]
pub(super) struct PixelRun {
    pub(super) a: usize,
    pub(super) b: usize,
}

impl<T: Real> Outer<'_, T> {
    /// Fails loudly where an operand or the result is too short.
    #[inline(always)]
    fn expect_within(&self) {
        let (last, width) = (self.channels.saturating_sub(1), self.blocks.saturating_mul(T::BLOCK));
        let result = last.saturating_mul(self.c_stride).saturating_add(width);
        assert!(self.c.len() >= result, "the result is too short");
        let blocks = self.blocks.saturating_sub(1).saturating_mul(self.b_block_stride);
        if self.len == 0 || self.runs.is_empty() {
            return;
        }
        let (a, b) = self.runs.iter().fold((0, 0), |(a, b), run| (run.a.max(a), run.b.max(b)));
        let behind = (self.len - 1).saturating_mul(T::BLOCK);
        let a = a.saturating_add(behind).saturating_add(self.channels);
        let b = b.saturating_add(behind).saturating_add(blocks).saturating_add(T::BLOCK);
        assert!(a <= self.a.len() && b <= self.b.len(), "an operand is too short");
    }
}

impl<T: Real> TileKernel<T> for Outer<'_, T> {
    type Output = ();

    /// # Panics
    /// If an operand or the result is shorter than the fields say.
    #[inline(always)]
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(self, s: S) {
        let whole = self.blocks * BLOCK == COLUMNS;
        assert!(whole || self.blocks == 1, "a panel of {} blocks", self.blocks);
        self.expect_within();
        let c = self.c.as_mut_ptr();
        let mut done = 0;
        while done < self.channels {
            let group = next_group(self.channels - done, ROWS);
            // SAFETY: channels `done` to `done + group` are among `self.channels`. For as many `expect_within`
            // found every pixel of every run and every row of the result within the slices, and the blocks of
            // the right operand are those of the vectors of the function that is called.
            unsafe {
                if whole {
                    with_rows!(group, ROWS, outer::<T, S, BLOCK, COLUMNS>(s, &self, c, done));
                } else {
                    with_rows!(group, ROWS, outer::<T, S, BLOCK, BLOCK>(s, &self, c, done));
                }
            }
            done += group;
        }
    }
}

/// `ROWS` channels from `first` on against `COLUMNS` vectors.
///
/// # Safety
/// Channels `first` to `first + ROWS` and `COLUMNS` vectors of every pixel of every run must lie in the operands,
/// and `c` must be valid to read and write for as many rows of as many vectors.
#[inline(always)]
unsafe fn outer<T: Real, S: Simd<T>, const BLOCK: usize, const COLUMNS: usize, const ROWS: usize>(
    s: S,
    operands: &Outer<'_, T>,
    c: *mut T,
    first: usize,
) {
    // SAFETY: by the contract all pixels of all runs lie in the operands, and all rows in the result.
    unsafe {
        let c = c.add(first * operands.c_stride);
        let mut sums = [[s.splat(T::ZERO); COLUMNS]; ROWS];
        if !operands.begin {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = s.load(c.add(row * operands.c_stride + v * S::LANES));
                }
            }
        }
        for run in operands.runs {
            let a = operands.a.as_ptr().wrapping_add(run.a + first);
            let b = operands.b.as_ptr().wrapping_add(run.b);
            for k in 0..operands.len {
                let mut panel = [s.splat(T::ZERO); COLUMNS];
                for (v, panel) in panel.iter_mut().enumerate() {
                    let block = v / BLOCK * operands.b_block_stride;
                    *panel = s.load(b.add(k * T::BLOCK + block + v % BLOCK * S::LANES));
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = s.splat(*a.add(k * T::BLOCK + row));
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = s.mul_add(x, panel[v], *sum);
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
