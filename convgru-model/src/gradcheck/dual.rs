//! Forward-mode dual numbers.

use std::ops::{Add, Div, Mul, Neg, Sub};

use convgru_kernels::reference::Number;

/// A real number with its derivatives along `L` directions.
///
/// `x + d_1 e_1 + ... + d_L e_L` with `e_i e_j = 0`: every operation carries the
/// derivatives along by the chain rule, exactly, up to rounding. One evaluation
/// of a function on dual numbers gives `L` entries of its gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dual<const L: usize> {
    value: f64,
    derivatives: [f64; L],
}

impl<const L: usize> Dual<L> {
    /// A number that moves with none of the directions.
    pub(crate) fn constant(value: f64) -> Self {
        Self { value, derivatives: [0.0; L] }
    }

    /// The number that moves with direction `lane`, at unit speed.
    ///
    /// # Panics
    /// If `lane` is not below `L`.
    pub(crate) fn variable(value: f64, lane: usize) -> Self {
        let mut derivatives = [0.0; L];
        derivatives[lane] = 1.0;
        Self { value, derivatives }
    }

    /// The derivatives along the directions, in order.
    pub(crate) fn derivatives(&self) -> [f64; L] {
        self.derivatives
    }

    /// A function of one number, by its value and its derivative at the number.
    fn chain(self, value: f64, derivative: f64) -> Self {
        Self { value, derivatives: self.derivatives.map(|d| derivative * d) }
    }

    fn combine(self, other: Self, value: f64, combine: impl Fn(f64, f64) -> f64) -> Self {
        let derivatives = std::array::from_fn(|i| combine(self.derivatives[i], other.derivatives[i]));
        Self { value, derivatives }
    }
}

impl<const L: usize> Add for Dual<L> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.combine(other, self.value + other.value, |a, b| a + b)
    }
}

impl<const L: usize> Sub for Dual<L> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.combine(other, self.value - other.value, |a, b| a - b)
    }
}

impl<const L: usize> Mul for Dual<L> {
    type Output = Self;
    #[expect(clippy::suspicious_arithmetic_impl, reason = "the derivative of a product is a sum")]
    fn mul(self, other: Self) -> Self {
        // (uv)' = u'v + uv'
        let (u, v) = (self.value, other.value);
        self.combine(other, u * v, |du, dv| du * v + u * dv)
    }
}

impl<const L: usize> Div for Dual<L> {
    type Output = Self;
    #[expect(clippy::suspicious_arithmetic_impl, reason = "the derivative of a quotient is a difference")]
    fn div(self, other: Self) -> Self {
        // (u/v)' = (u' - (u/v) v') / v
        let (quotient, v) = (self.value / other.value, other.value);
        self.combine(other, quotient, |du, dv| (du - quotient * dv) / v)
    }
}

impl<const L: usize> Neg for Dual<L> {
    type Output = Self;
    fn neg(self) -> Self {
        self.chain(-self.value, -1.0)
    }
}

impl<const L: usize> Number for Dual<L> {
    fn from_f64(value: f64) -> Self {
        Self::constant(value)
    }

    fn value(self) -> f64 {
        self.value
    }

    fn exp(self) -> Self {
        let e = self.value.exp();
        self.chain(e, e)
    }

    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), 1.0 / (1.0 + self.value))
    }

    fn tanh(self) -> Self {
        // tanh' = 1 - tanh^2 = (1 - tanh)(1 + tanh)
        let y = self.value.tanh();
        self.chain(y, (1.0 - y) * (1.0 + y))
    }

    fn abs(self) -> Self {
        let sign = if self.value == 0.0 { 0.0 } else { self.value.signum() };
        self.chain(self.value.abs(), sign)
    }

    fn sigmoid(self) -> Self {
        // sigmoid'(x) = sigmoid(x) sigmoid(-x)
        let y = self.value.sigmoid();
        self.chain(y, y * (-self.value).sigmoid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function that uses every operation, written once for both kinds of numbers.
    fn everything<N: Number>(x: N, y: N) -> N {
        let two = N::from_f64(2.0);
        (x * y).tanh() / (two + y.exp()) - (-x).sigmoid() * (x - y).abs() + (y * y).ln_1p()
    }

    #[test]
    fn derivatives_agree_with_differences() {
        for (x, y) in [(0.3, -0.8), (-1.2, 0.4), (2.0, 1.5)] {
            let dual = everything(Dual::<2>::variable(x, 0), Dual::<2>::variable(y, 1));
            assert!((dual.value() - everything(x, y)).abs() < 1e-15);
            let h = 5e-3;
            let difference = |f: &dyn Fn(f64) -> f64| {
                let pair = |k: f64| f(k * h) - f(-k * h);
                (45.0 * pair(1.0) - 9.0 * pair(2.0) + pair(3.0)) / (60.0 * h)
            };
            let [d_x, d_y] = dual.derivatives();
            assert!((d_x - difference(&|e| everything(x + e, y))).abs() < 1e-10);
            assert!((d_y - difference(&|e| everything(x, y + e))).abs() < 1e-10);
        }
    }

    #[test]
    fn the_sigmoid_is_flat_far_out_and_never_nan() {
        for x in [-1000.0, 1000.0] {
            let y = Dual::<1>::variable(x, 0).sigmoid();
            assert_eq!(y.derivatives(), [0.0]);
        }
    }
}
