//! The gradient difference of a plane: Mathieu, Couprie and LeCun, "Deep multi-scale video
//! prediction beyond mean square error", 2016 (arXiv 1511.05440).

use super::planes::Plane;

/// The pairs of neighbours of a plane with both truths known, the first above or left.
fn pairs(plane: &Plane) -> impl Iterator<Item = (usize, usize)> + '_ {
    let (height, width) = (plane.size.height, plane.size.width);
    let down = (width..height * width).map(move |pixel| (pixel - width, pixel));
    let across = (0..height * width).filter(move |pixel| pixel % width > 0).map(|pixel| (pixel - 1, pixel));
    down.chain(across).filter(|&(a, b)| plane.knows(a) && plane.knows(b))
}

/// The number of pairs.
pub(super) fn count(plane: &Plane) -> f64 {
    pairs(plane).count() as f64
}

/// The sum of `| |Y_b - Y_a| - |X_b - X_a| |^alpha` over the pairs.
pub(super) fn sum(plane: &Plane, alpha: f64) -> f64 {
    pairs(plane).fold(0.0, |sum, pair| sum + of_pair(plane, pair, alpha).0)
}

/// As [`sum`]; adds the derivative by `x` to `dx`.
pub(super) fn sum_and_gradient(plane: &Plane, alpha: f64, dx: &mut [f64]) -> f64 {
    pairs(plane).fold(0.0, |sum, (a, b)| {
        let (value, derivative) = of_pair(plane, (a, b), alpha);
        dx[b] += derivative;
        dx[a] -= derivative;
        sum + value
    })
}

/// Value, and derivative by `X_b - X_a`: zero where one of the absolute values has its kink.
fn of_pair(plane: &Plane, (a, b): (usize, usize), alpha: f64) -> (f64, f64) {
    let step = plane.x[b] - plane.x[a];
    let difference = (plane.y[b] - plane.y[a]).abs() - step.abs();
    if difference == 0.0 || step == 0.0 {
        return (difference.abs().powf(alpha), 0.0);
    }
    let slope = alpha * difference.abs().powf(alpha - 1.0);
    (difference.abs().powf(alpha), -slope * difference.signum() * step.signum())
}
