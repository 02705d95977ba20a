//! An objective by its definition: part by part, windows in two dimensions.

use convgru_kernels::reference::Number;

use super::ensemble::{of_element, place};
use super::pointwise::element;
use super::temporal_penalty::temporal_penalty;
use crate::loss::{Clamp, Loss, Objective};
use crate::metric::{C1, C2, Window};

/// The specification of [`Objective::value`].
///
/// # Shapes
/// logits, target, valid: `[T, N, C, H, W]`, valid 1 or 0; output: as they are, or `[T, N, K C, H, W]` of `K` members
///
/// # Panics
/// If the objective is invalid or nothing is known.
pub fn objective_reference<N: Number>(
    objective: &Objective,
    [output, logits]: [&[N]; 2],
    [target, valid]: [&[f64]; 2],
    shape: [usize; 5],
) -> N {
    let leads = objective.lead_weights.weights(shape[0]).expect("a valid objective");
    let [height, width] = [shape[3], shape[4]];
    let (members, sample) = (output.len() / target.len(), shape[2..].iter().product());
    let output: &[N] = &output.iter().map(|&x| clamped(objective.clamp, x)).collect::<Vec<N>>();
    let of_members = |i: usize| (0..members).map(move |k| output[place(i, k, members, sample)]);
    let mean = |i: usize| {
        let sum = of_members(i).fold(N::from_f64(0.0), |sum, x| sum + x);
        sum / N::from_f64(members as f64)
    };
    let mean: Vec<N> = (0..target.len()).map(mean).collect();
    let mut total = N::from_f64(0.0);
    for term in &objective.terms.0 {
        if let Loss::TemporalPenalty = term.loss {
            let penalty = temporal_penalty(output, valid, &leads, [members, sample]);
            total = total + N::from_f64(term.weight) * penalty;
            continue;
        }
        if let Loss::Crps { spread } = term.loss
            && members > 1
        {
            let (mut sum, mut count) = (N::from_f64(0.0), 0.0);
            for i in (0..target.len()).filter(|&i| valid[i] != 0.0) {
                let lead = leads[i / (target.len() / shape[0])];
                let values: Vec<N> = of_members(i).collect();
                sum = sum + N::from_f64(lead) * of_element(spread, &values, target[i]);
                count += lead;
            }
            total = total + N::from_f64(term.weight / count) * sum;
            continue;
        }
        let x = if term.loss.on_logits() { logits } else { &mean };
        let (mut sum, mut count) = (N::from_f64(0.0), 0.0);
        let planes = x.len() / (height * width);
        for plane in 0..planes {
            let lead = leads[plane / (planes / shape[0])];
            let range = plane * height * width..(plane + 1) * height * width;
            let frame = Frame {
                x: &x[range.clone()],
                y: &target[range.clone()],
                valid: &valid[range],
                height,
                width,
            };
            for part in frame.parts(&term.loss) {
                sum = sum + N::from_f64(lead) * part;
                count += lead;
            }
        }
        total = total + N::from_f64(term.weight / count) * sum;
    }
    total
}

/// The clamped prediction.
fn clamped<N: Number>(clamp: Clamp, x: N) -> N {
    match clamp {
        Clamp::Range { low, .. } if x.value() < low => N::from_f64(low),
        Clamp::Range { high, .. } if x.value() > high => N::from_f64(high),
        _ => x,
    }
}

/// One plane.
struct Frame<'a, N> {
    x: &'a [N],
    y: &'a [f64],
    valid: &'a [f64],
    height: usize,
    width: usize,
}

impl<N: Number> Frame<'_, N> {
    /// The loss of each part whose truth is known.
    fn parts(&self, loss: &Loss) -> Vec<N> {
        match loss {
            Loss::GradientDifference { alpha } => self.gradient_differences(*alpha),
            Loss::Ssim { window } => self.dissimilarities(&Window::of(*window)),
            loss => {
                let known = (0..self.x.len()).filter(|&i| self.valid[i] != 0.0);
                known.map(|i| element(loss, self.x[i], N::from_f64(self.y[i]))).collect()
            }
        }
    }

    fn gradient_differences(&self, alpha: f64) -> Vec<N> {
        let mut parts = Vec::new();
        for row in 0..self.height {
            for column in 0..self.width {
                let here = row * self.width + column;
                let above = (row > 0).then(|| here - self.width);
                let left = (column > 0).then(|| here - 1);
                for there in above.into_iter().chain(left) {
                    if self.valid[here] == 0.0 || self.valid[there] == 0.0 {
                        continue;
                    }
                    let truth = N::from_f64((self.y[here] - self.y[there]).abs());
                    let difference = (truth - (self.x[here] - self.x[there]).abs()).abs();
                    // d^alpha = e^(alpha ln d)
                    let logarithm = (difference - N::from_f64(1.0)).ln_1p();
                    parts.push((N::from_f64(alpha) * logarithm).exp());
                }
            }
        }
        parts
    }

    fn dissimilarities(&self, window: &Window) -> Vec<N> {
        let side = window.weights.len();
        let mut parts = Vec::new();
        for top in 0..(self.height + 1).saturating_sub(side) {
            for left in 0..(self.width + 1).saturating_sub(side) {
                let mut e = [N::from_f64(0.0); 5];
                let mut whole = true;
                for (dy, row) in window.weights.iter().enumerate() {
                    for (dx, column) in window.weights.iter().enumerate() {
                        let at = (top + dy) * self.width + left + dx;
                        whole &= self.valid[at] != 0.0;
                        let (x, y) = (self.x[at], N::from_f64(self.y[at]));
                        for (e, value) in e.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                            *e = *e + N::from_f64(row * column) * value;
                        }
                    }
                }
                if whole {
                    parts.push(dissimilarity(e, window.covariance_factor));
                }
            }
        }
        parts
    }
}

fn dissimilarity<N: Number>([mx, my, mxx, myy, mxy]: [N; 5], factor: f64) -> N {
    let (c1, c2, two) = (N::from_f64(C1), N::from_f64(C2), N::from_f64(2.0));
    let covariance = |product: N, a: N, b: N| N::from_f64(factor) * (product - a * b);
    let [vx, vy, vxy] = [covariance(mxx, mx, mx), covariance(myy, my, my), covariance(mxy, mx, my)];
    let above = (two * mx * my + c1) * (two * vxy + c2);
    let below = (mx * mx + my * my + c1) * (vx + vy + c2);
    N::from_f64(1.0) - above / below
}
