//! The seam behind which matrices are multiplied.
//!
//! Kernels describe their operands as `Matrix` and `MatrixMut` and call
//! `multiply`; which code does the arithmetic is the business of the
//! implementations of [`Gemm`], one file each.
//!
//! Unsafe: Matrices are made from slices whose lengths are compared with rows, columns and stride, and the result
//! is borrowed exclusively.

mod matrix;
mod matrixmultiply;

pub(crate) use matrix::{Matrix, MatrixMut};

/// A number type for which matrix products are implemented.
pub trait Gemm: Copy + 'static {
    /// `c = a * b + beta * c` on raw operands; `c` is not read where `beta` is zero.
    ///
    /// # Safety
    /// Every element the three descriptions name must be valid to read, those of
    /// `c` also to write, and no element of `c` may be named twice, nor be an
    /// element of `a` or `b`.
    #[doc(hidden)]
    unsafe fn gemm(size: GemmSize, a: Operand<Self>, b: Operand<Self>, beta: Self, c: OperandMut<Self>);
}

/// Sizes of a product: `[rows, inner] * [inner, columns]`.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct GemmSize {
    /// Rows of the first operand and of the result.
    pub rows: usize,
    /// Columns of the first operand and rows of the second.
    pub inner: usize,
    /// Columns of the second operand and of the result.
    pub columns: usize,
}

/// A readable operand: address of its first element, row and column stride.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Operand<T>(pub *const T, pub isize, pub isize);

/// A writable operand: address of its first element, row and column stride.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct OperandMut<T>(pub *mut T, pub isize, pub isize);

/// `c = a * b + beta * c`; `c` is not read where `beta` is zero.
///
/// # Panics
/// If the sizes of the three matrices do not fit together.
pub(crate) fn multiply<T: Gemm>(a: Matrix<'_, T>, b: Matrix<'_, T>, beta: T, c: &mut MatrixMut<'_, T>) {
    assert_eq!((a.rows(), a.columns(), b.columns()), (c.rows(), b.rows(), c.columns()));
    let size = GemmSize { rows: a.rows(), inner: a.columns(), columns: b.columns() };
    // SAFETY: the constructors of `Matrix` and `MatrixMut` checked that every element
    // lies in its borrow and that no element of `c` is named twice; `c` is borrowed
    // exclusively, so it cannot overlap `a` or `b`.
    unsafe { T::gemm(size, a.operand(), b.operand(), beta, c.operand()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
            }
        }
        c
    }

    #[test]
    fn products_of_integers_are_exact_at_odd_sizes() {
        for dims @ [m, k, n] in [[1, 1, 1], [3, 7, 5], [17, 33, 9], [8, 0, 4], [65, 300, 33]] {
            let a: Vec<f64> = (0..m * k).map(|i| (i % 7) as f64 - 3.0).collect();
            let b: Vec<f64> = (0..k * n).map(|i| (i % 5) as f64 - 2.0).collect();
            let mut c = vec![f64::NAN; m * n];
            let mut out = MatrixMut::new(&mut c, m, n);
            multiply(Matrix::new(&a, m, k), Matrix::new(&b, k, n), 0.0, &mut out);
            multiply(Matrix::new(&a, m, k), Matrix::new(&b, k, n), 1.0, &mut out);
            let expected: Vec<f64> = naive(&a, &b, dims).iter().map(|v| 2.0 * v).collect();
            assert_eq!(c, expected, "{dims:?}");
        }
    }

    #[test]
    fn transposed_operands_are_read_through_their_strides() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut c = [0.0; 9];
        multiply(
            Matrix::new(&a, 2, 3).transposed(),
            Matrix::new(&a, 2, 3),
            0.0,
            &mut MatrixMut::new(&mut c, 3, 3),
        );
        assert_eq!(c, [17.0, 22.0, 27.0, 22.0, 29.0, 36.0, 27.0, 36.0, 45.0]);
    }
}
