//! The losses of one element: value, and derivative by the prediction.

/// `(x - y)^2`.
#[inline(always)]
pub(super) fn squared(x: f64, y: f64) -> (f64, f64) {
    let d = x - y;
    (d * d, 2.0 * d)
}

/// `|x - y|`; its derivative is zero where `x = y`.
#[inline(always)]
pub(super) fn absolute(x: f64, y: f64) -> (f64, f64) {
    let d = x - y;
    (d.abs(), sign(d))
}

/// `d^2 / 2` up to `delta`, then the line that continues it, with `d = |x - y|`.
#[inline(always)]
pub(super) fn huber(x: f64, y: f64, delta: f64) -> (f64, f64) {
    let d = x - y;
    if d.abs() < delta { (0.5 * d * d, d) } else { (delta * (d.abs() - 0.5 * delta), delta * sign(d)) }
}

/// `d^2 / (2 beta)` up to `beta`, then `d - beta / 2`, with `d = |x - y|`; the absolute
/// error where `beta` is zero.
#[inline(always)]
pub(super) fn smooth_absolute(x: f64, y: f64, beta: f64) -> (f64, f64) {
    let d = x - y;
    if d.abs() < beta { (0.5 * d * d / beta, d / beta) } else { (d.abs() - 0.5 * beta, sign(d)) }
}

/// `-w y ln s - (1 - y) ln(1 - s)` with `s = sigmoid(x)` and the weight `w` of the
/// positive class.
///
/// Both logarithms are written with the one exponential that cannot overflow:
/// `ln s = min(x, 0) - ln(1 + e^-|x|)`, `ln(1 - s) = ln s - x`. The derivative is
/// `c s - w y` with `c = 1 + (w - 1) y`; for positive `x` it is `(1 - y) - c (1 - s)`,
/// which keeps the digits of `1 - s`.
#[inline(always)]
pub(super) fn cross_entropy(x: f64, y: f64, w: f64) -> (f64, f64) {
    let e = (-x.abs()).exp();
    let c = 1.0 + (w - 1.0) * y;
    let small = e / (1.0 + e);
    if x >= 0.0 {
        (x - x * y + c * e.ln_1p(), (1.0 - y) - c * small)
    } else {
        (c * e.ln_1p() - w * x * y, c * small - w * y)
    }
}

/// The sign, and zero of zero.
#[inline(always)]
fn sign(d: f64) -> f64 {
    if d == 0.0 { 0.0 } else { d.signum() }
}
