//! Matrix products by the crate `matrixmultiply`.
//!
//! Unsafe: The contract of the library is that of `Gemm::gemm`.

use super::{Gemm, GemmSize, Operand, OperandMut};

impl Gemm for f32 {
    unsafe fn gemm(size: GemmSize, a: Operand<f32>, b: Operand<f32>, beta: f32, c: OperandMut<f32>) {
        // SAFETY: the contract of `Gemm::gemm` has every element of the three operands valid and apart,
        // which is all that `sgemm` asks for.
        unsafe {
            matrixmultiply::sgemm(
                size.rows,
                size.inner,
                size.columns,
                1.0,
                a.0,
                a.1,
                a.2,
                b.0,
                b.1,
                b.2,
                beta,
                c.0,
                c.1,
                c.2,
            );
        }
    }
}

impl Gemm for f64 {
    unsafe fn gemm(size: GemmSize, a: Operand<f64>, b: Operand<f64>, beta: f64, c: OperandMut<f64>) {
        // SAFETY: the contract of `Gemm::gemm` has every element of the three operands valid and apart,
        // which is all that `dgemm` asks for.
        unsafe {
            matrixmultiply::dgemm(
                size.rows,
                size.inner,
                size.columns,
                1.0,
                a.0,
                a.1,
                a.2,
                b.0,
                b.1,
                b.2,
                beta,
                c.0,
                c.1,
                c.2,
            );
        }
    }
}
