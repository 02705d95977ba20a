//! The arithmetic of one pixel of one hidden channel of a ConvGRU, between its
//! convolutions.
//!
//! The reset gate acts before the candidate's hidden convolution (Ballas et al.,
//! "Delving Deeper into Convolutional Networks for Learning Video
//! Representations", 2016, section 3.1). `*` is a convolution, `.` a product:
//!
//! ```text
//! z = sigmoid(a_z)   a_z = Wz*x + Uz*h + bz
//! r = sigmoid(a_r)   a_r = Wr*x + Ur*h + br
//! n = tanh(a_n)      a_n = Wn*x + Un*(r.h) + bn
//! h' = h + z.(n - h)
//! ```
//! Where the [`Activations`] are others, they take the place of `sigmoid` and `tanh`.

use super::number::Number;
use crate::gates::Activations;

/// First half of the forward pass: the two gates, and what the candidate's
/// hidden convolution reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gates<N> {
    /// Update gate, z.
    pub update_gate: N,
    /// Reset gate, r.
    pub reset_gate: N,
    /// The state the candidate sees, `r.h`.
    pub reset_state: N,
}

/// Second half of the forward pass: the candidate and the new state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend<N> {
    /// Candidate, n.
    pub candidate: N,
    /// The new hidden state, h'.
    pub hidden_state: N,
}

/// What the first half of the backward pass knows of a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendGradients<N> {
    /// Gradient of the candidate's pre-activation, `a_n`.
    pub d_candidate: N,
    /// Gradient of the update gate's pre-activation, `a_z`.
    pub d_update: N,
    /// The part of the previous state's gradient that does not pass a convolution.
    pub d_hidden_state: N,
}

/// What the second half of the backward pass knows of a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResetGradients<N> {
    /// Gradient of the reset gate's pre-activation, `a_r`.
    pub d_reset: N,
    /// What is added to the previous state's gradient.
    pub d_hidden_state: N,
}

/// Forward, part 1: `z = sigmoid(a_z)`, `r = sigmoid(a_r)`, `r.h`, or another function of the gates.
pub fn gates_forward<N: Number>(functions: Activations, a_z: N, a_r: N, h: N) -> Gates<N> {
    let (update_gate, reset_gate) = (functions.gate_at(a_z), functions.gate_at(a_r));
    Gates { update_gate, reset_gate, reset_state: reset_gate * h }
}

/// Forward, part 2: `n = tanh(a_n)`, `h' = h + z.(n - h)`, or another function of the candidate.
pub fn blend_forward<N: Number>(functions: Activations, a_n: N, z: N, h: N) -> Blend<N> {
    let candidate = functions.candidate_at(a_n);
    Blend { candidate, hidden_state: h + z * (candidate - h) }
}

/// Backward, part 1, given the gradient of the new state:
/// `da_n = dh'.z.tanh'`, `da_z = dh'.(n - h).sigmoid'`, `dh = dh'.(1 - z)`, with the derivatives where the
/// values are `n` and `z`.
pub fn blend_backward<N: Number>(functions: Activations, d_new: N, [z, n, h]: [N; 3]) -> BlendGradients<N> {
    BlendGradients {
        d_candidate: d_new * z * functions.candidate_derivative(n),
        d_update: d_new * (n - h) * functions.gate_derivative(z),
        d_hidden_state: d_new * (N::from_f64(1.0) - z),
    }
}

/// Backward, part 2, given the gradient of `r.h`:
/// `da_r = d(rh).h.sigmoid'`, `dh += d(rh).r`, with the derivative where the value is `r`.
pub fn gates_backward<N: Number>(functions: Activations, d_reset_state: N, r: N, h: N) -> ResetGradients<N> {
    ResetGradients {
        d_reset: d_reset_state * h * functions.gate_derivative(r),
        d_hidden_state: d_reset_state * r,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::{CandidateActivation, GateActivation};

    /// One pixel with a 1x1 candidate convolution of weight `u`.
    fn cell(f: Activations, [a_z, a_r, a_n, h]: [f64; 4], u: f64) -> f64 {
        let gates = gates_forward(f, a_z, a_r, h);
        blend_forward(f, a_n + u * gates.reset_state, gates.update_gate, h).hidden_state
    }

    #[test]
    fn the_backward_pass_of_a_pixel_agrees_with_differences() {
        let plain = Activations::default();
        let leaky = CandidateActivation::LeakyRelu(0.2);
        let hard = Activations { gate: GateActivation::HardSigmoid, candidate: leaky };
        for (functions, a_n) in [(plain, 0.2), (hard, 0.2), (hard, -1.5)] {
            expect_differences(functions, [0.3, -0.4, a_n, 0.7], 1.3);
        }
    }

    fn expect_differences(f: Activations, point: [f64; 4], u: f64) {
        let gates = gates_forward(f, point[0], point[1], point[3]);
        let blend = blend_forward(f, point[2] + u * gates.reset_state, gates.update_gate, point[3]);
        let part_1 = blend_backward(f, 1.0, [gates.update_gate, blend.candidate, point[3]]);
        let part_2 = gates_backward(f, u * part_1.d_candidate, gates.reset_gate, point[3]);
        let analytic = [
            part_1.d_update,
            part_2.d_reset,
            part_1.d_candidate,
            part_1.d_hidden_state + part_2.d_hidden_state,
        ];
        for (i, &gradient) in analytic.iter().enumerate() {
            let h = 1e-2;
            let at = |k: f64| {
                let mut moved = point;
                moved[i] += k * h;
                cell(f, moved, u)
            };
            let pair = |k: f64| at(k) - at(-k);
            let difference = (45.0 * pair(1.0) - 9.0 * pair(2.0) + pair(3.0)) / (60.0 * h);
            assert!((gradient - difference).abs() < 1e-11, "argument {i}: {gradient} and {difference}");
        }
    }

    #[test]
    fn a_closed_update_gate_keeps_the_state() {
        let plain = Activations::default();
        assert_eq!(blend_forward(plain, 5.0, 0.0, 0.25).hidden_state, 0.25);
        assert_eq!(blend_forward(plain, 0.0, 1.0, 0.25).hidden_state, 0.0);
    }
}
