//! Points of a cell or stack at which no difference crosses a kink.
//!
//! Dual numbers give the derivative of the piece of a function that a point lies on; differences give it only
//! where all of their points lie on the same piece. Each number of a point is moved as differences move it,
//! and whether any gate changes its side is seen from the gates of the reference.

use crate::error::{Error, Result};
use crate::gradcheck::check::distances;
use crate::gradcheck::draw::Values;
use crate::layer::Activation;
use crate::reference::{Array, CellParameters, cell_gates, cell_step};
use crate::tensor::Tensor;

/// Points that are tried before none is found. The later ones are the better: see [`scale`].
const TRIES: i32 = 120;

/// What all weights of a try are multiplied with: what is left of the sums in the end are biases, which are
/// drawn away from the kinks.
fn scale(attempt: i32) -> f64 {
    0.6 * 0.95f64.powi(attempt)
}

/// Whether a function has kinks.
pub(super) fn has_kinks(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::LeakyRelu(_) | Activation::HardSigmoid)
}

/// The first of some drawn points from which differences cross no kink. `draw` makes the inputs of a try with
/// weights of a scale; `sides` tells which piece each gate of each step lies on.
pub(super) fn find(
    mut draw: impl FnMut(f64) -> Vec<(String, Tensor<f64>)>,
    sides: impl Fn(&[Tensor<f64>]) -> Result<Vec<u8>>,
) -> Result<Vec<(String, Tensor<f64>)>> {
    for attempt in 0..TRIES {
        let inputs = draw(scale(attempt));
        let mut point: Vec<Tensor<f64>> = inputs.iter().map(|(_, tensor)| tensor.clone()).collect();
        if stays(&mut point, &sides)? {
            return Ok(inputs);
        }
    }
    let reason = format!("none of {TRIES} points is far enough from every kink");
    Err(Error::InvalidConfig { field: "case of the gradient check".into(), reason })
}

/// Whether all gates stay on their sides at every point of the differences around a point.
fn stays(point: &mut [Tensor<f64>], sides: &impl Fn(&[Tensor<f64>]) -> Result<Vec<u8>>) -> Result<bool> {
    let expected = sides(point)?;
    for input in 0..point.len() {
        for element in 0..point[input].len() {
            let centre = point[input].as_slice()[element];
            for distance in distances() {
                point[input].as_mut_slice()[element] = centre + distance;
                if sides(point)? != expected {
                    return Ok(false);
                }
            }
            point[input].as_mut_slice()[element] = centre;
        }
    }
    Ok(true)
}

/// The sides of all gates of all layers at all steps.
pub(super) fn sides_of_stack(
    layers: &[CellParameters<'_, f64>],
    input: &Array<f64>,
    states: &[Array<f64>],
) -> Result<Vec<u8>> {
    let (mut sides, mut states) = (Vec::new(), states.to_vec());
    for t in 0..input.shape().first().copied().unwrap_or(0) {
        let mut below = input.index(t)?;
        for (layer, state) in layers.iter().zip(&mut states) {
            let gates = cell_gates(layer, Some(&below), state)?;
            let options = layer.options;
            for (activation, values) in [
                (options.gate_activation, &gates.update),
                (options.gate_activation, &gates.reset),
                (options.candidate_activation, &gates.candidate),
            ] {
                sides.extend(values.as_slice().iter().map(|&y| side(activation, y)));
            }
            *state = cell_step(layer, Some(&below), state)?;
            below = state.clone();
        }
    }
    Ok(sides)
}

/// The piece of a function on which it has a value.
fn side(activation: Activation, y: f64) -> u8 {
    match activation {
        Activation::Relu | Activation::LeakyRelu(_) => u8::from(y > 0.0),
        Activation::HardSigmoid => u8::from(y > 0.0) + u8::from(y >= 1.0),
        _ => 0,
    }
}

/// The bias of the gates of a cell, `[3 hidden]`, away from the kinks and on both sides of them.
pub(super) fn bias(values: &mut Values, [gate, candidate]: [Activation; 2], shape: &[usize]) -> Tensor<f64> {
    let of_gates = 2 * shape[0] / 3;
    Tensor::from_fn(shape, |i| {
        let number = values.number();
        match if i < of_gates { gate } else { candidate } {
            // Beyond three, or well within.
            Activation::HardSigmoid if values.coin() => 4.0 * number.signum() + 0.4 * number,
            Activation::HardSigmoid => 2.0 * number,
            // One channel at least is not dead.
            Activation::Relu if i == of_gates => number.abs() + 0.6,
            _ => number + 0.6 * number.signum(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sides of rectifiers at the numbers of a point.
    fn sides(point: &[Tensor<f64>]) -> Result<Vec<u8>> {
        Ok(point[0].as_slice().iter().map(|&x| side(Activation::Relu, x.max(0.0))).collect())
    }

    #[test]
    fn points_near_a_kink_are_passed_over() {
        let near = Tensor::from_fn(&[2], |i| [1.0, -0.01][i]);
        let far = Tensor::from_fn(&[2], |i| [1.0, -0.02][i]);
        assert!(!stays(&mut [near.clone()], &sides).unwrap());
        assert!(stays(&mut [far.clone()], &sides).unwrap());
        let mut points = [near.clone(), near.clone(), far.clone()].into_iter();
        let found = find(|_| vec![("x".to_owned(), points.next().unwrap())], sides).unwrap();
        assert_eq!(found[0].1, far);
        let error = find(|_| vec![("x".to_owned(), near.clone())], sides).unwrap_err();
        assert!(error.to_string().contains("far enough"), "{error}");
    }

    #[test]
    fn every_piece_of_a_function_has_its_side() {
        assert_eq!([-1.0, 0.0, 0.5].map(|y| side(Activation::LeakyRelu(0.2), y)), [0, 0, 1]);
        assert_eq!([0.0, 0.5, 1.0].map(|y| side(Activation::HardSigmoid, y)), [0, 1, 2]);
        assert!(has_kinks(Activation::HardSigmoid) && !has_kinks(Activation::Tanh));
    }
}
