//! The comparison itself.

use super::dual::Dual;
use super::report::{Row, worse};
use super::subject::Subject;
use crate::error::Error;
use crate::reference::Array;
use crate::tensor::{Tensor, expect_shape};

/// Largest error allowed against dual numbers through the reference.
pub const DUAL_TOLERANCE: f64 = 1e-9;

/// Largest error allowed against central differences of the shipped forward pass.
pub const DIFFERENCE_TOLERANCE: f64 = 1e-7;

/// Largest error allowed between the shipped forward pass and the reference.
pub const VALUE_TOLERANCE: f64 = 1e-11;

/// Largest error allowed between gradients added to zeros and to other numbers.
const ACCUMULATION_TOLERANCE: f64 = 1e-12;

/// Derivatives taken in one pass through the reference.
const LANES: usize = 16;

/// Distance of the points of the central difference. The error of the formula
/// shrinks with its sixth power, that of rounding grows with its inverse; for
/// losses of order one both are below 1e-11 here.
const STEP: f64 = 4e-3;

/// The points of the central difference, in steps, with their coefficients.
const POINTS: [(f64, f64); 6] =
    [(1.0, 45.0), (-1.0, -45.0), (2.0, -9.0), (-2.0, 9.0), (3.0, 1.0), (-3.0, -1.0)];

/// How far from a point the central difference looks, the farthest first.
pub(super) fn distances() -> impl Iterator<Item = f64> {
    POINTS.into_iter().rev().map(|(steps, _)| steps * STEP)
}

/// Checks every element of the gradients of `subject`.
///
/// Per element the gradient of the shipped backward pass is compared with
///
/// * forward-mode dual numbers through the reference, if the subject has one;
/// * the central difference of sixth order of the shipped forward pass,
///   `f'(x) = (45 (f(x+h) - f(x-h)) - 9 (f(x+2h) - f(x-2h)) + (f(x+3h) - f(x-3h))) / 60h`.
///
/// The error of a tensor is `max |a - b| / max(1, max |b|)`: absolute for small
/// gradients, relative to the largest for large ones. Moreover the forward pass must
/// give the reference's loss, the backward pass the same bits when it runs
/// again, and gradients must be added to what was there.
///
/// # Errors
/// The errors of the subject, and [`Error::ShapeMismatch`] if it changes the shape of
/// a gradient.
pub fn check<S: Subject>(case: &str, subject: &S) -> Result<Row, S::Error> {
    let (names, inputs): (Vec<String>, Vec<Tensor<f64>>) = subject.inputs().into_iter().unzip();
    let zeros: Vec<Tensor<f64>> = inputs.iter().map(|input| Tensor::zeros(input.shape())).collect();
    let gradients = gradients_onto(subject, &inputs, zeros.clone())?;
    let again = gradients_onto(subject, &inputs, zeros)?;
    let bits_equal = gradients.iter().zip(&again).all(|(a, b)| same_bits(a, b));

    let dual = dual_gradients(subject, &inputs)?;
    let value_error = match subject.reference(&constants(&inputs))? {
        Some(value) => Some(relative(subject.loss(&inputs)?, value)),
        None => None,
    };
    let difference = difference_gradients(subject, &inputs)?;

    let worst_dual = dual.as_ref().map(|dual| Worst::of(&gradients, dual));
    let worst_difference = Worst::of(&gradients, &difference);
    let accumulates = accumulates(subject, &inputs, &gradients)?;

    let mut notes = Vec::new();
    if let Some(worst) = worst_dual.as_ref().filter(|worst| exceeds(worst.error, DUAL_TOLERANCE)) {
        notes.push(worst.describe("dual numbers", &names));
    }
    if exceeds(worst_difference.error, DIFFERENCE_TOLERANCE) {
        notes.push(worst_difference.describe("differences", &names));
    }
    if let Some(error) = value_error.filter(|error| exceeds(*error, VALUE_TOLERANCE)) {
        notes.push(format!("forward pass and reference differ by {error:.1e}"));
    }
    if !bits_equal {
        notes.push("a second backward pass gave other bits".to_owned());
    }
    if !accumulates {
        notes.push("gradients are not added to what was there".to_owned());
    }
    Ok(Row {
        case: case.to_owned(),
        shapes: subject.describe(),
        elements: inputs.iter().map(Tensor::len).sum(),
        worst_dual: worst_dual.map(|worst| worst.error),
        worst_difference: Some(worst_difference.error),
        value_error,
        bits_equal,
        accumulates,
        passed: notes.is_empty(),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}

/// Whether an error is larger than allowed; a NaN is.
fn exceeds(error: f64, allowed: f64) -> bool {
    error.is_nan() || error > allowed
}

/// The largest error of all tensors, and where it was found.
struct Worst {
    error: f64,
    input: usize,
    element: usize,
}

impl Worst {
    fn of(gradients: &[Tensor<f64>], expected: &[Tensor<f64>]) -> Self {
        let mut worst = Self { error: 0.0, input: 0, element: 0 };
        for (input, (gradient, expected)) in gradients.iter().zip(expected).enumerate() {
            let scale = expected.as_slice().iter().fold(1.0, |scale, g| worse(scale, g.abs()));
            for (element, (a, b)) in gradient.as_slice().iter().zip(expected.as_slice()).enumerate() {
                let error = (a - b).abs() / scale;
                if !worst.error.is_nan() && exceeds(error, worst.error) {
                    worst = Self { error, input, element };
                }
            }
        }
        worst
    }

    fn describe(&self, against: &str, names: &[String]) -> String {
        let name = names.get(self.input).map_or("?", String::as_str);
        format!("{name}[{}] is off by {:.1e} against {against}", self.element, self.error)
    }
}

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs().max(1.0)
}

fn same_bits(a: &Tensor<f64>, b: &Tensor<f64>) -> bool {
    a.shape() == b.shape() && a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| a.to_bits() == b.to_bits())
}

fn constants(inputs: &[Tensor<f64>]) -> Vec<Array<f64>> {
    inputs.iter().map(Array::constant).collect()
}

/// The gradients added to `start`.
fn gradients_onto<S: Subject>(
    subject: &S,
    inputs: &[Tensor<f64>],
    start: Vec<Tensor<f64>>,
) -> Result<Vec<Tensor<f64>>, S::Error> {
    let mut gradients = start;
    subject.add_gradients(inputs, &mut gradients)?;
    for (gradient, input) in gradients.iter().zip(inputs) {
        expect_shape("gradient of a subject", gradient.shape(), input.shape())?;
    }
    Ok(gradients)
}

/// Whether gradients added to other numbers than zero come out as the sum.
fn accumulates<S: Subject>(
    subject: &S,
    inputs: &[Tensor<f64>],
    gradients: &[Tensor<f64>],
) -> Result<bool, S::Error> {
    let start = |input: usize| {
        Tensor::from_fn(inputs[input].shape(), move |i| 0.5 + ((input + 7 * i) % 11) as f64 / 16.0)
    };
    let summed = gradients_onto(subject, inputs, (0..inputs.len()).map(start).collect())?;
    Ok(summed.iter().enumerate().all(|(input, summed)| {
        let (before, gradient) = (start(input), &gradients[input]);
        summed.as_slice().iter().enumerate().all(|(i, &sum)| {
            let expected = before.as_slice()[i] + gradient.as_slice()[i];
            relative(sum, expected) <= ACCUMULATION_TOLERANCE
        })
    }))
}

/// The gradients by dual numbers, [`LANES`] elements per pass.
fn dual_gradients<S: Subject>(
    subject: &S,
    inputs: &[Tensor<f64>],
) -> Result<Option<Vec<Tensor<f64>>>, S::Error> {
    let constants: Vec<Array<Dual<LANES>>> = inputs.iter().map(Array::constant).collect();
    let mut gradients = Vec::new();
    for (input, tensor) in inputs.iter().enumerate() {
        let mut gradient = Tensor::zeros(tensor.shape());
        for (block, derivatives) in gradient.as_mut_slice().chunks_mut(LANES).enumerate() {
            let mut point = constants.clone();
            for lane in 0..derivatives.len() {
                let element = block * LANES + lane;
                point[input].as_mut_slice()[element] = Dual::variable(tensor.as_slice()[element], lane);
            }
            let Some(loss) = subject.reference(&point)? else {
                return Ok(None);
            };
            derivatives.copy_from_slice(&loss.derivatives()[..derivatives.len()]);
        }
        gradients.push(gradient);
    }
    Ok(Some(gradients))
}

/// The gradients by central differences of sixth order.
fn difference_gradients<S: Subject>(
    subject: &S,
    inputs: &[Tensor<f64>],
) -> Result<Vec<Tensor<f64>>, S::Error> {
    let mut point = inputs.to_vec();
    let mut gradients = Vec::new();
    for (input, tensor) in inputs.iter().enumerate() {
        let mut gradient = Tensor::zeros(tensor.shape());
        for (element, derivative) in gradient.as_mut_slice().iter_mut().enumerate() {
            let centre = tensor.as_slice()[element];
            let mut sum = 0.0;
            for (steps, coefficient) in POINTS {
                point[input].as_mut_slice()[element] = centre + steps * STEP;
                sum += coefficient * subject.loss(&point)?;
            }
            point[input].as_mut_slice()[element] = centre;
            *derivative = sum / (60.0 * STEP);
        }
        gradients.push(gradient);
    }
    Ok(gradients)
}

/// The amount by which a gradient must be wrong for both comparisons to notice:
/// ten times what the coarser one allows for gradients of this size.
///
/// # Errors
/// The errors of the subject.
pub fn noticeable<S: Subject>(subject: &S, input: usize) -> Result<f64, S::Error> {
    let inputs: Vec<Tensor<f64>> = subject.inputs().into_iter().map(|(_, tensor)| tensor).collect();
    let zeros = inputs.iter().map(|tensor| Tensor::zeros(tensor.shape())).collect();
    let gradients = gradients_onto(subject, &inputs, zeros)?;
    let Some(gradient) = gradients.get(input) else {
        let what = "inputs of the subject".to_owned();
        return Err(Error::Count { what, expected: input + 1, got: gradients.len() }.into());
    };
    let scale = gradient.as_slice().iter().fold(1.0, |scale, g| worse(scale, g.abs()));
    Ok(10.0 * DIFFERENCE_TOLERANCE * scale)
}
