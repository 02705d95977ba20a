//! Activations as types, which kernels take so that all of them is inlined.

use super::exponential::{exp_minus_one, exp_of_negative};
use crate::real::Real;
use crate::simd::Simd;

/// A function of every lane of a vector, with a derivative that its value tells.
pub(crate) trait Function<T>: Copy + Sync {
    /// The values at `x`.
    fn of<S: Simd<T>>(self, s: S, x: S::Vector) -> S::Vector;

    /// A gradient times the derivative where the value is `y`.
    fn back<S: Simd<T>>(self, s: S, gradient: S::Vector, y: S::Vector) -> S::Vector;

    /// [`back`](Self::back) of the gradient `a b`, with `a y`, which the caller has.
    #[inline(always)]
    fn back_of_product<S: Simd<T>>(
        self,
        s: S,
        [a, b]: [S::Vector; 2],
        _ay: S::Vector,
        y: S::Vector,
    ) -> S::Vector {
        self.back(s, s.mul(a, b), y)
    }
}

/// `1 / (1 + e^-x)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sigmoid;

impl<T: Real> Function<T> for Sigmoid {
    #[inline(always)]
    fn of<S: Simd<T>>(self, s: S, x: S::Vector) -> S::Vector {
        // With e = e^-|x|: 1 / (1 + e) for x >= 0 and e / (1 + e) below.
        let magnitude = s.min(s.splat(T::EXP_LIMIT), s.abs(x));
        let e = exp_of_negative(s, magnitude);
        let one = s.splat(T::ONE);
        s.div(s.where_negative(x, e, one), s.add(one, e))
    }

    #[inline(always)]
    fn back<S: Simd<T>>(self, s: S, gradient: S::Vector, y: S::Vector) -> S::Vector {
        s.mul(s.mul(gradient, y), s.sub(s.splat(T::ONE), y))
    }

    #[inline(always)]
    fn back_of_product<S: Simd<T>>(
        self,
        s: S,
        [_, b]: [S::Vector; 2],
        ay: S::Vector,
        y: S::Vector,
    ) -> S::Vector {
        s.mul(s.mul(ay, b), s.sub(s.splat(T::ONE), y))
    }
}

/// `x / 6 + 1 / 2`, between 0 and 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HardSigmoid;

impl<T: Real> Function<T> for HardSigmoid {
    #[inline(always)]
    fn of<S: Simd<T>>(self, s: S, x: S::Vector) -> S::Vector {
        let number = |number| s.splat(T::from_f64(number));
        let [three, six, sixth] = [number(3.0), number(6.0), number(1.0 / 6.0)];
        let below = s.min(six, s.add(x, three));
        s.mul(s.where_negative(below, s.splat(T::ZERO), below), sixth)
    }

    #[inline(always)]
    fn back<S: Simd<T>>(self, s: S, gradient: S::Vector, y: S::Vector) -> S::Vector {
        let (zero, one) = (s.splat(T::ZERO), s.splat(T::ONE));
        let inside = s.mul(gradient, s.splat(T::from_f64(1.0 / 6.0)));
        s.where_negative(s.sub(zero, y), s.where_negative(s.sub(y, one), inside, zero), zero)
    }
}

/// The hyperbolic tangent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tanh;

impl<T: Real> Function<T> for Tanh {
    #[inline(always)]
    fn of<S: Simd<T>>(self, s: S, x: S::Vector) -> S::Vector {
        // (e^2|x| - 1) / (e^2|x| + 1), with the sign of x; 1 where it rounds to 1.
        let magnitude = s.min(s.splat(T::TANH_LIMIT), s.abs(x));
        let e = exp_minus_one(s, s.add(magnitude, magnitude));
        s.copy_sign(s.div(e, s.add(e, s.splat(T::from_f64(2.0)))), x)
    }

    #[inline(always)]
    fn back<S: Simd<T>>(self, s: S, gradient: S::Vector, y: S::Vector) -> S::Vector {
        s.mul(gradient, s.sub(s.splat(T::ONE), s.mul(y, y)))
    }
}

/// `max(x, 0)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relu;

impl<T: Real> Function<T> for Relu {
    #[inline(always)]
    fn of<S: Simd<T>>(self, s: S, x: S::Vector) -> S::Vector {
        s.where_negative(x, s.splat(T::ZERO), x)
    }

    #[inline(always)]
    fn back<S: Simd<T>>(self, s: S, gradient: S::Vector, y: S::Vector) -> S::Vector {
        let zero = s.splat(T::ZERO);
        s.where_negative(s.sub(zero, y), gradient, zero)
    }
}

/// `x` where it is positive, a slope of at least zero times `x` elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeakyRelu<T>(T);

impl<T: Real> LeakyRelu<T> {
    #[inline(always)]
    pub(crate) fn new(slope: f64) -> Self {
        Self(T::from_f64(slope))
    }
}

impl<T: Real> Function<T> for LeakyRelu<T> {
    #[inline(always)]
    fn of<S: Simd<T>>(self, s: S, x: S::Vector) -> S::Vector {
        s.where_negative(x, s.mul(s.splat(self.0), x), x)
    }

    #[inline(always)]
    fn back<S: Simd<T>>(self, s: S, gradient: S::Vector, y: S::Vector) -> S::Vector {
        s.where_negative(s.sub(s.splat(T::ZERO), y), gradient, s.mul(s.splat(self.0), gradient))
    }
}
