//! The one-dimensional transforms, on vectors of channels.
//!
//! Winograd's minimal filtering `F(m, r)` evaluates polynomials at `n - 1 = m + r - 2` points
//! and at infinity (Winograd 1980; Lavin and Gray 2015, arXiv 1509.09308). The points are
//! 0, 1, -1, 2, -2 for `n = 6`, and 1/2, -1/2 beside them for `n = 8`. With `X` the input,
//! `g` the kernel and `Y` the output, `Y = A^T ((G g) . (B^T X))`; its transposes give the
//! gradients, `dX` by the same with a turned kernel and `dg = G^T ((A dY) . (B^T X))`.
//!
//! All take and return arrays of eight vectors, of which they use the first `n`, `m` or `r`.

use crate::real::Real;
use crate::simd::Simd;

/// The pairs of points `p, -p`, and the factor of each in `G`.
#[inline(always)]
fn points<const N: usize>() -> &'static [(f64, f64)] {
    match N {
        6 => &[(1.0, -1.0 / 6.0), (2.0, 1.0 / 24.0)],
        _ => &[(1.0, -2.0 / 9.0), (2.0, 1.0 / 90.0), (0.5, 32.0 / 45.0)],
    }
}

/// The factor of the point 0 in `G`.
#[inline(always)]
fn factor_of_zero<const N: usize>() -> f64 {
    if N == 6 { 0.25 } else { 1.0 }
}

/// `point^power`, in a form that compilers evaluate.
#[inline(always)]
fn power_of(point: f64, power: usize) -> f64 {
    let mut result = 1.0;
    for _ in 0..power {
        result *= point;
    }
    result
}

/// Eight vectors, of which the first are used.
pub(super) type Line<V> = [V; 8];

/// A matrix that takes `FROM` vectors to `TO`. A type rather than a closure, because what kernels call must be inlined
/// into them.
pub(super) trait Transform<const FROM: usize, const TO: usize> {
    fn line<T: Real, S: Simd<T>>(s: S, x: Line<S::Vector>) -> Line<S::Vector>;
}

/// `factor a + b`.
#[inline(always)]
fn fma<T: Real, S: Simd<T>>(s: S, factor: f64, a: S::Vector, b: S::Vector) -> S::Vector {
    s.mul_add(s.splat(T::from_f64(factor)), a, b)
}

/// `factor a`.
#[inline(always)]
fn times<T: Real, S: Simd<T>>(s: S, factor: f64, a: S::Vector) -> S::Vector {
    s.mul(s.splat(T::from_f64(factor)), a)
}

/// `B^T`: `n` inputs to `n`.
pub(super) struct InputMatrix;

impl<const N: usize> Transform<N, N> for InputMatrix {
    #[inline(always)]
    fn line<T: Real, S: Simd<T>>(s: S, x: Line<S::Vector>) -> Line<S::Vector> {
        let mut y = x;
        if N == 6 {
            y[0] = fma::<T, S>(s, 4.0, x[0], fma::<T, S>(s, -5.0, x[2], x[4]));
            y[5] = fma::<T, S>(s, 4.0, x[1], fma::<T, S>(s, -5.0, x[3], x[5]));
            let (even, odd) = (fma::<T, S>(s, -4.0, x[2], x[4]), fma::<T, S>(s, -4.0, x[1], x[3]));
            (y[1], y[2]) = (s.add(even, odd), s.sub(even, odd));
            let (even, odd) = (s.sub(x[4], x[2]), times::<T, S>(s, 2.0, s.sub(x[3], x[1])));
            (y[3], y[4]) = (s.add(even, odd), s.sub(even, odd));
        } else {
            y[0] = fma::<T, S>(s, 5.25, s.sub(x[4], x[2]), s.sub(x[0], x[6]));
            y[7] = fma::<T, S>(s, 5.25, s.sub(x[3], x[5]), s.sub(x[7], x[1]));
            let even = fma::<T, S>(s, -4.25, x[4], s.add(x[2], x[6]));
            let odd = fma::<T, S>(s, -4.25, x[3], s.add(x[1], x[5]));
            (y[1], y[2]) = (s.add(even, odd), s.sub(even, odd));
            let even = fma::<T, S>(s, -1.25, x[4], fma::<T, S>(s, 0.25, x[2], x[6]));
            let odd = fma::<T, S>(s, 2.0, x[5], fma::<T, S>(s, -2.5, x[3], times::<T, S>(s, 0.5, x[1])));
            (y[3], y[4]) = (s.add(even, odd), s.sub(even, odd));
            let even = fma::<T, S>(s, -5.0, x[4], fma::<T, S>(s, 4.0, x[2], x[6]));
            let odd = fma::<T, S>(s, 0.5, x[5], fma::<T, S>(s, -2.5, x[3], times::<T, S>(s, 2.0, x[1])));
            (y[5], y[6]) = (s.add(even, odd), s.sub(even, odd));
        }
        y
    }
}

/// `A^T`: `n` products to `m` outputs.
pub(super) struct OutputMatrix;

impl<const N: usize, const M: usize> Transform<N, M> for OutputMatrix {
    #[inline(always)]
    fn line<T: Real, S: Simd<T>>(s: S, x: Line<S::Vector>) -> Line<S::Vector> {
        let mut y = x;
        let (mut sums, mut differences) = (x, x);
        for pair in 0..N / 2 - 1 {
            sums[pair] = s.add(x[2 * pair + 1], x[2 * pair + 2]);
            differences[pair] = s.sub(x[2 * pair + 1], x[2 * pair + 2]);
        }
        for (power, y) in y[..M].iter_mut().enumerate() {
            let terms = if power % 2 == 0 { &sums } else { &differences };
            // The first pair is 1, -1.
            let mut sum = terms[0];
            for (pair, &term) in terms.iter().enumerate() {
                if (1..N / 2 - 1).contains(&pair) {
                    let (point, _) = points::<N>()[pair];
                    sum = s.mul_add(s.splat(T::from_f64(power_of(point, power))), term, sum);
                }
            }
            if power == 0 {
                sum = s.add(sum, x[0]);
            }
            if power == M - 1 {
                sum = s.add(sum, x[N - 1]);
            }
            *y = sum;
        }
        y
    }
}

/// `A`: `m` gradients of outputs to `n`.
pub(super) struct OutputMatrixTransposed;

impl<const M: usize, const N: usize> Transform<M, N> for OutputMatrixTransposed {
    #[inline(always)]
    fn line<T: Real, S: Simd<T>>(s: S, y: Line<S::Vector>) -> Line<S::Vector> {
        powers::<T, S, N>(s, &y[..M], y[0], false)
    }
}

/// `G`: `r` taps of a kernel to `n`.
pub(super) struct KernelMatrix;

impl<const R: usize, const N: usize> Transform<R, N> for KernelMatrix {
    #[inline(always)]
    fn line<T: Real, S: Simd<T>>(s: S, g: Line<S::Vector>) -> Line<S::Vector> {
        let first = s.mul(s.splat(T::from_f64(factor_of_zero::<N>())), g[0]);
        powers::<T, S, N>(s, &g[..R], first, true)
    }
}

/// The polynomial with the given coefficients at all points but zero, times the factor of each in `G` where they are `scaled`.
#[inline(always)]
fn powers<T: Real, S: Simd<T>, const N: usize>(
    s: S,
    coefficients: &[S::Vector],
    at_zero: S::Vector,
    scaled: bool,
) -> Line<S::Vector> {
    let mut values = [at_zero; 8];
    for (pair, &(point, of_point)) in points::<N>().iter().enumerate() {
        let factor = if scaled { of_point } else { 1.0 };
        let (mut even, mut odd) = (s.splat(T::ZERO), s.splat(T::ZERO));
        for (power, &coefficient) in coefficients.iter().enumerate() {
            let weight = s.splat(T::from_f64(factor * power_of(point, power)));
            let sum = if power % 2 == 0 { &mut even } else { &mut odd };
            *sum = s.mul_add(weight, coefficient, *sum);
        }
        values[2 * pair + 1] = s.add(even, odd);
        values[2 * pair + 2] = s.sub(even, odd);
    }
    values[N - 1] = coefficients[coefficients.len() - 1];
    values
}

/// `G^T`: `n` sums to `r` gradients of taps.
pub(super) struct KernelMatrixTransposed;

impl<const N: usize, const R: usize> Transform<N, R> for KernelMatrixTransposed {
    #[inline(always)]
    fn line<T: Real, S: Simd<T>>(s: S, x: Line<S::Vector>) -> Line<S::Vector> {
        let mut g = x;
        for (power, g) in g[..R].iter_mut().enumerate() {
            let mut sum = s.splat(T::ZERO);
            for (pair, &(point, factor)) in points::<N>().iter().enumerate() {
                let (a, b) = (x[2 * pair + 1], x[2 * pair + 2]);
                let term = if power % 2 == 0 { s.add(a, b) } else { s.sub(a, b) };
                sum = s.mul_add(s.splat(T::from_f64(factor * power_of(point, power))), term, sum);
            }
            if power == 0 {
                sum = s.mul_add(s.splat(T::from_f64(factor_of_zero::<N>())), x[0], sum);
            }
            if power == R - 1 {
                sum = s.add(sum, x[N - 1]);
            }
            *g = sum;
        }
        g
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    /// One number in the first lane.
    fn line(values: &[f64]) -> Line<[f64; 2]> {
        std::array::from_fn(|i| [values.get(i).copied().unwrap_or(f64::NAN), 0.0])
    }

    fn products<const N: usize, const M: usize, const R: usize>() {
        let x: Vec<f64> = (0..N).map(|i| (i as f64 * 1.7).sin()).collect();
        let g: Vec<f64> = (0..R).map(|i| (i as f64 * 0.9).cos()).collect();
        let dy: Vec<f64> = (0..M).map(|i| (i as f64 * 2.3).sin()).collect();
        let transformed = <InputMatrix as Transform<N, N>>::line::<f64, _>(Portable, line(&x));
        let filter = <KernelMatrix as Transform<R, N>>::line::<f64, _>(Portable, line(&g));
        let product = |a: Line<[f64; 2]>, b: Line<[f64; 2]>| {
            let values: Vec<f64> = (0..N).map(|i| a[i][0] * b[i][0]).collect();
            line(&values)
        };
        let y = <OutputMatrix as Transform<N, M>>::line::<f64, _>(Portable, product(filter, transformed));
        for i in 0..M {
            let exact: f64 = (0..R).map(|j| x[i + j] * g[j]).sum();
            assert!((y[i][0] - exact).abs() < 1e-13, "F({M}, {R}) output {i}: {} {exact}", y[i][0]);
        }
        let d_product = <OutputMatrixTransposed as Transform<M, N>>::line::<f64, _>(Portable, line(&dy));
        let sums = product(d_product, transformed);
        let dg = <KernelMatrixTransposed as Transform<N, R>>::line::<f64, _>(Portable, sums);
        for j in 0..R {
            let exact: f64 = (0..M).map(|i| x[i + j] * dy[i]).sum();
            assert!((dg[j][0] - exact).abs() < 1e-13, "F({M}, {R}) gradient {j}: {} {exact}", dg[j][0]);
        }
    }

    #[test]
    fn transforms_give_the_sums_of_the_definition_and_their_gradients() {
        products::<6, 4, 3>();
        products::<8, 6, 3>();
        products::<8, 4, 5>();
    }
}
