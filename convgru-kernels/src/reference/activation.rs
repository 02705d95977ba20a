//! Activations and their derivatives.

use super::number::Number;
use crate::gates::{Activations, CandidateActivation, GateActivation};

/// The logistic sigmoid `1 / (1 + e^-x)`.
pub fn sigmoid<N: Number>(x: N) -> N {
    x.sigmoid()
}

/// The derivative of [`sigmoid`] at the point where its value is `y`: `y (1 - y)`.
pub fn sigmoid_derivative<N: Number>(y: N) -> N {
    y * (N::from_f64(1.0) - y)
}

/// `x / 6 + 1 / 2`, 0 where that is less and 1 where it is more.
pub fn hard_sigmoid<N: Number>(x: N) -> N {
    match x.value() {
        x if x <= -3.0 => N::from_f64(0.0),
        x if x >= 3.0 => N::from_f64(1.0),
        _ => (x + N::from_f64(3.0)) / N::from_f64(6.0),
    }
}

/// The derivative of [`hard_sigmoid`] at the point where its value is `y`: 1/6 for `0 < y < 1`, 0 elsewhere.
pub fn hard_sigmoid_derivative<N: Number>(y: N) -> N {
    N::from_f64(if y.value() > 0.0 && y.value() < 1.0 { 1.0 / 6.0 } else { 0.0 })
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

impl Activations {
    /// The function of the gates, by its definition.
    pub fn gate_at<N: Number>(self, x: N) -> N {
        match self.gate {
            GateActivation::Sigmoid => sigmoid(x),
            GateActivation::HardSigmoid => hard_sigmoid(x),
        }
    }

    /// The derivative of the function of the gates where its value is `y`.
    pub fn gate_derivative<N: Number>(self, y: N) -> N {
        match self.gate {
            GateActivation::Sigmoid => sigmoid_derivative(y),
            GateActivation::HardSigmoid => hard_sigmoid_derivative(y),
        }
    }

    /// The function of the candidate, by its definition.
    pub fn candidate_at<N: Number>(self, x: N) -> N {
        match self.candidate {
            CandidateActivation::Tanh => tanh(x),
            CandidateActivation::Relu => leaky_relu(x, 0.0),
            CandidateActivation::LeakyRelu(slope) => leaky_relu(x, slope),
        }
    }

    /// The derivative of the function of the candidate where its value is `y`, which is positive where `x` is.
    pub fn candidate_derivative<N: Number>(self, y: N) -> N {
        match self.candidate {
            CandidateActivation::Tanh => tanh_derivative(y),
            CandidateActivation::Relu => leaky_relu_derivative(y, 0.0),
            CandidateActivation::LeakyRelu(slope) => leaky_relu_derivative(y, slope),
        }
    }
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
        for x in [-4.0, -2.5, 0.3, 2.0, 5.0] {
            assert!((sigmoid_derivative(sigmoid(x)) - difference(sigmoid, x)).abs() < 1e-11);
            assert!((tanh_derivative(tanh(x)) - difference(tanh, x)).abs() < 1e-9);
            let at = difference(hard_sigmoid, x);
            assert!((hard_sigmoid_derivative(hard_sigmoid(x)) - at).abs() < 1e-11);
            let leaky = |x| leaky_relu(x, 0.2);
            assert!((leaky_relu_derivative(x, 0.2) - difference(leaky, x)).abs() < 1e-11);
        }
    }

    #[test]
    fn the_functions_of_a_cell_are_those_it_names() {
        let hard = Activations { gate: GateActivation::HardSigmoid, candidate: CandidateActivation::Relu };
        let leaky = Activations { candidate: CandidateActivation::LeakyRelu(0.5), ..Default::default() };
        let plain = Activations::default();
        assert_eq!([hard.gate_at(1.5), leaky.gate_at(0.0), plain.gate_at(0.0)], [0.75, 0.5, 0.5]);
        assert_eq!([hard, leaky].map(|f| f.candidate_at(-2.0)), [0.0, -1.0]);
        assert_eq!([hard, leaky].map(|f| f.candidate_derivative(-1.0)), [0.0, 0.5]);
        assert_eq!([hard, plain].map(|f| f.gate_derivative(0.5)), [1.0 / 6.0, 0.25]);
        assert_eq!([0.0, 1.0].map(|z| hard.gate_derivative(z)), [0.0, 0.0]);
        assert_eq!(plain.candidate_derivative(plain.candidate_at(0.0)), 1.0);
    }

    #[test]
    fn the_sigmoid_does_not_overflow() {
        assert_eq!(sigmoid(-1e4f64), 0.0);
        assert_eq!(sigmoid(1e4f64), 1.0);
        assert_eq!(sigmoid(0.0f64), 0.5);
    }
}
