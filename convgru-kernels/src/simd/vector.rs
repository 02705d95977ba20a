//! The operations on vectors, and the work that is written in them.
//!
//! | operation | result, lane by lane |
//! |---|---|
//! | `prefetch(p)` | none: memory around `p` will be read soon |
//! | `splat(x)` | `x` in every lane |
//! | `load(p)`, `store(p, a)` | `LANES` numbers from or to memory, any alignment |
//! | `read(v)`, `write(v, a)` | the same for slices of at least as many |
//! | `add`, `sub`, `mul`, `div` | the arithmetic of the type |
//! | `mul_add(a, b, c)` | `a b + c`; with one rounding where the instruction set has it |
//! | `min(a, b)` | `a` where `a < b`, else `b`: a NaN in `b` stays |
//! | `abs`, `copy_sign(a, b)` | without the sign; with the sign of `b` |
//! | `where_negative(x, a, b)` | `a` where `x < 0`, else `b` |
//! | `power_of_two(r)` | `2^k` for `r = k + ROUND`, see [`Vectorised::ROUND`](super::vectorised::Vectorised::ROUND) |
//!
//! Unsafe: Loads and stores of vectors need memory for as many numbers as there are lanes; methods that take slices
//! compare the length first; everything else is safe.

/// The operations of an instruction set on vectors of `T`. A value of an implementing
/// type is the proof that the processor has the instructions.
pub(crate) trait Simd<T>: Copy + Send + Sync + 'static {
    /// A register of numbers.
    type Vector: Copy;
    /// Numbers in a register.
    const LANES: usize;

    /// # Safety
    /// `from` must be valid to read for `LANES` numbers.
    unsafe fn load(self, from: *const T) -> Self::Vector;
    /// # Safety
    /// `to` must be valid to write for `LANES` numbers.
    unsafe fn store(self, to: *mut T, a: Self::Vector);
    /// The first numbers of a slice.
    ///
    /// # Panics
    /// If it has fewer than a vector.
    #[inline(always)]
    fn read(self, from: &[T]) -> Self::Vector {
        assert!(from.len() >= Self::LANES, "{} numbers for a vector of {}", from.len(), Self::LANES);
        // SAFETY: the assertion found as many numbers as there are lanes.
        unsafe { self.load(from.as_ptr()) }
    }
    /// Replaces the first numbers of a slice.
    ///
    /// # Panics
    /// If it has fewer than a vector.
    #[inline(always)]
    fn write(self, to: &mut [T], a: Self::Vector) {
        assert!(to.len() >= Self::LANES, "{} numbers for a vector of {}", to.len(), Self::LANES);
        // SAFETY: the assertion found as many numbers as there are lanes, and the borrow is exclusive.
        unsafe { self.store(to.as_mut_ptr(), a) }
    }
    /// Brings a line closer that will be read soon. Any address will do.
    #[inline(always)]
    fn prefetch(self, _: *const T) {}
    fn splat(self, x: T) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn abs(self, a: Self::Vector) -> Self::Vector;
    fn copy_sign(self, magnitude: Self::Vector, sign: Self::Vector) -> Self::Vector;
    fn where_negative(self, x: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn power_of_two(self, rounded: Self::Vector) -> Self::Vector;
}

/// Work that is compiled for each instruction set.
pub(crate) trait Kernel<T> {
    type Output;
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}

/// Work that holds a tile of sums in registers, compiled for each instruction set.
///
/// `ROWS` x `COLUMNS` vectors of sums fit into the registers beside what a matrix
/// product reads; `BLOCK` vectors hold one block of channels, and `COLUMNS` is a
/// multiple of it.
pub(crate) trait TileKernel<T> {
    type Output;
    fn run<S: Simd<T>, const ROWS: usize, const COLUMNS: usize, const BLOCK: usize>(
        self,
        simd: S,
    ) -> Self::Output;
}
