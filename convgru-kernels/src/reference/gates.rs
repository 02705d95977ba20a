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

use super::Number;

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

/// Forward, part 1: `z = sigmoid(a_z)`, `r = sigmoid(a_r)`, `r.h`.
pub fn gates_forward<N: Number>(a_z: N, a_r: N, h: N) -> Gates<N> {
    let (update_gate, reset_gate) = (a_z.sigmoid(), a_r.sigmoid());
    Gates { update_gate, reset_gate, reset_state: reset_gate * h }
}

/// Forward, part 2: `n = tanh(a_n)`, `h' = h + z.(n - h)`.
pub fn blend_forward<N: Number>(a_n: N, z: N, h: N) -> Blend<N> {
    let candidate = a_n.tanh();
    Blend { candidate, hidden_state: h + z * (candidate - h) }
}

/// Backward, part 1, given the gradient of the new state:
/// `da_n = dh'.z.(1 - n^2)`, `da_z = dh'.(n - h).z.(1 - z)`, `dh = dh'.(1 - z)`.
pub fn blend_backward<N: Number>(d_new: N, z: N, n: N, h: N) -> BlendGradients<N> {
    let one = N::from_f64(1.0);
    BlendGradients {
        d_candidate: d_new * z * (one - n * n),
        d_update: d_new * (n - h) * z * (one - z),
        d_hidden_state: d_new * (one - z),
    }
}

/// Backward, part 2, given the gradient of `r.h`:
/// `da_r = d(rh).h.r.(1 - r)`, `dh += d(rh).r`.
pub fn gates_backward<N: Number>(d_reset_state: N, r: N, h: N) -> ResetGradients<N> {
    ResetGradients {
        d_reset: d_reset_state * h * r * (N::from_f64(1.0) - r),
        d_hidden_state: d_reset_state * r,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pixel with a 1x1 candidate convolution of weight `u`.
    fn cell([a_z, a_r, a_n, h]: [f64; 4], u: f64) -> f64 {
        let gates = gates_forward(a_z, a_r, h);
        blend_forward(a_n + u * gates.reset_state, gates.update_gate, h).hidden_state
    }

    #[test]
    fn the_backward_pass_of_a_pixel_agrees_with_differences() {
        let (point, u) = ([0.3, -0.4, 0.2, 0.7], 1.3);
        let gates = gates_forward(point[0], point[1], point[3]);
        let blend = blend_forward(point[2] + u * gates.reset_state, gates.update_gate, point[3]);
        let part_1 = blend_backward(1.0, gates.update_gate, blend.candidate, point[3]);
        let part_2 = gates_backward(u * part_1.d_candidate, gates.reset_gate, point[3]);
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
                cell(moved, u)
            };
            let pair = |k: f64| at(k) - at(-k);
            let difference = (45.0 * pair(1.0) - 9.0 * pair(2.0) + pair(3.0)) / (60.0 * h);
            assert!((gradient - difference).abs() < 1e-11, "argument {i}: {gradient} and {difference}");
        }
    }

    #[test]
    fn a_closed_update_gate_keeps_the_state() {
        assert_eq!(blend_forward(5.0, 0.0, 0.25).hidden_state, 0.25);
        assert_eq!(blend_forward(0.0, 1.0, 0.25).hidden_state, 0.0);
    }
}
