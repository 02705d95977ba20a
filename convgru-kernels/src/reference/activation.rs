//! Activations and their derivatives.

use super::Number;

/// The logistic sigmoid `1 / (1 + e^-x)`.
pub fn sigmoid<N: Number>(x: N) -> N {
    x.sigmoid()
}

/// The derivative of [`sigmoid`] at the point where its value is `y`: `y (1 - y)`.
pub fn sigmoid_derivative<N: Number>(y: N) -> N {
    y * (N::from_f64(1.0) - y)
}

/// The hyperbolic tangent.
pub fn tanh<N: Number>(x: N) -> N {
    x.tanh()
}

/// The derivative of [`tanh`] at the point where its value is `y`: `1 - y^2`.
pub fn tanh_derivative<N: Number>(y: N) -> N {
    N::from_f64(1.0) - y * y
}

/// The rectifier with a slope on the negative side: `x` for `x > 0`, `slope * x`
/// otherwise. A slope of zero gives the plain rectifier.
pub fn leaky_relu<N: Number>(x: N, slope: f64) -> N {
    if x.value() > 0.0 { x } else { N::from_f64(slope) * x }
}

/// The derivative of [`leaky_relu`] at `x`: 1 for `x > 0`, `slope` otherwise.
pub fn leaky_relu_derivative<N: Number>(x: N, slope: f64) -> N {
    N::from_f64(if x.value() > 0.0 { 1.0 } else { slope })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central difference of `f` at `x`, of sixth order.
    fn difference(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        let h = 1e-2;
        let pair = |k: f64| f(x + k * h) - f(x - k * h);
        (45.0 * pair(1.0) - 9.0 * pair(2.0) + pair(3.0)) / (60.0 * h)
    }

    #[test]
    fn derivatives_agree_with_differences() {
        for x in [-3.0, -0.5, 0.3, 2.0] {
            assert!((sigmoid_derivative(sigmoid(x)) - difference(sigmoid, x)).abs() < 1e-11);
            assert!((tanh_derivative(tanh(x)) - difference(tanh, x)).abs() < 1e-9);
            let leaky = |x| leaky_relu(x, 0.2);
            assert!((leaky_relu_derivative(x, 0.2) - difference(leaky, x)).abs() < 1e-11);
        }
    }

    #[test]
    fn the_sigmoid_does_not_overflow() {
        assert_eq!(sigmoid(-1e4f64), 0.0);
        assert_eq!(sigmoid(1e4f64), 1.0);
        assert_eq!(sigmoid(0.0f64), 0.5);
    }
}
