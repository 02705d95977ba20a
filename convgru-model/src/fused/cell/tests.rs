use super::*;
use crate::config::{Initializer, ResetGate};
use crate::error::Error;
use crate::random::Random;
use crate::tensor::Tensor;

const SHAPE: CellShape = CellShape {
    in_channels: 3,
    hidden_channels: 20,
    kernel: [3, 5],
    input_kernel: [7, 1],
    reset: ResetGate::Before,
};

const AFTER: CellShape = CellShape { reset: ResetGate::After, ..SHAPE };

fn drawn(shape: CellShape, bias: bool) -> CellParameters<f64> {
    draw(shape, bias, Initializer::Xavier, &mut Random::new(1, 0))
}

/// Xavier over input and state together.
#[test]
fn weights_are_drawn_as_wide_as_the_kernels_say() {
    let parameters = drawn(SHAPE, true);
    let bound = (6.0f64 / (3.0 * 7.0 + 20.0 * 15.0 + 20.0 * 15.0)).sqrt();
    for weights in [&parameters.input_weights, &parameters.hidden_weights] {
        let largest = weights.as_slice().iter().fold(0.0f64, |most, w| most.max(w.abs()));
        assert!(largest <= bound && largest > 0.98 * bound, "{largest} of {bound}");
    }
}

#[test]
fn a_cell_takes_the_tensors_it_has() {
    let names = |shape: CellShape, bias: bool| {
        let mut names = Vec::new();
        let taken = take::<f64>(shape, bias, &mut |name, shape| {
            names.push((name.to_owned(), shape.to_vec()));
            Ok(Tensor::zeros(shape))
        });
        taken.unwrap().expect("cell", shape, bias).unwrap();
        drawn(shape, bias).expect("cell", shape, bias).unwrap();
        names
    };
    let kernels = [("input_weights", vec![60, 3, 7, 1]), ("hidden_weights", vec![60, 20, 3, 5])];
    let biases = [("bias", vec![60]), ("hidden_bias", vec![20])];
    for (shape, bias, count) in [(SHAPE, false, 0), (SHAPE, true, 1), (AFTER, false, 0), (AFTER, true, 2)] {
        let expected = kernels.iter().chain(&biases[..count]);
        let expected: Vec<_> = expected.map(|(name, shape)| (name.to_string(), shape.clone())).collect();
        assert_eq!(names(shape, bias), expected);
    }
}

#[test]
fn tensors_of_another_cell_are_refused_by_name() {
    let (one, both) = (drawn(SHAPE, true), drawn(AFTER, true));
    let none = || Tensor::zeros(&[5]);
    let replaced = |change: fn(&mut CellParameters<f64>, Tensor<f64>), mut of: CellParameters<f64>| {
        change(&mut of, none());
        of
    };
    let cases = [
        ("cell.reset", SHAPE, true, both.clone()),
        ("cell.bias", SHAPE, false, one.clone()),
        ("cell.bias", SHAPE, true, drawn(SHAPE, false)),
        ("cell.bias", AFTER, true, drawn(AFTER, false)),
        ("cell.hidden_bias", AFTER, true, CellParameters { hidden_bias: None, ..both.clone() }),
        ("cell.hidden_bias", SHAPE, true, CellParameters { hidden_bias: Some(none()), ..one.clone() }),
        ("cell.hidden_bias", AFTER, true, replaced(|cell, it| cell.hidden_bias = Some(it), both)),
        ("cell.input_weights", SHAPE, true, replaced(|cell, it| cell.input_weights = it, one.clone())),
        ("cell.hidden_weights", SHAPE, true, replaced(|cell, it| cell.hidden_weights = it, one)),
    ];
    for (name, shape, bias, parameters) in cases {
        match parameters.expect("cell", shape, bias).unwrap_err() {
            Error::ShapeMismatch { what, .. } => assert_eq!(what, name),
            Error::InvalidConfig { field, .. } => assert_eq!(field, name),
            error => panic!("{name}: {error}"),
        }
    }
}
