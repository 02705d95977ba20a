//! The checker, checked: each way to be wrong must be noticed, and only that.

use std::cell::Cell;

use convgru_kernels::reference::Number;
use proptest::prelude::*;

use super::dual::Dual;
use super::subject::Broken;
use super::*;
use crate::error::{Error, Result};
use crate::reference::Array;
use crate::tensor::Tensor;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// A factor of the derivative is forgotten.
    Factor,
    /// Gradients are written, not added.
    Overwrites,
    /// The last bits differ from run to run.
    Unsteady,
    /// The forward pass is not the reference's function.
    Forward,
    /// A gradient is not a number.
    NotANumber,
    /// The gradient comes out in another shape.
    Shape,
}

/// The sum of `tanh(a_i) * b_i`.
struct Toy {
    mistake: Mistake,
    reference: bool,
    runs: Cell<u32>,
    values: u64,
}

impl Toy {
    fn new(mistake: Mistake) -> Self {
        Self { mistake, reference: true, runs: Cell::new(0), values: 5 }
    }
}

impl Subject for Toy {
    type Error = Error;

    fn describe(&self) -> String {
        "a [20], b [20]".to_owned()
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        let mut values = draw::Values::new(self.values);
        vec![("a".to_owned(), values.tensor(&[4, 5])), ("b".to_owned(), values.tensor(&[20]))]
    }

    fn loss(&self, inputs: &[Tensor<f64>]) -> Result<f64> {
        let sum: f64 = inputs[0].as_slice().iter().zip(inputs[1].as_slice()).map(|(a, b)| a.tanh() * b).sum();
        Ok(if self.mistake == Mistake::Forward { sum + 1e-9 } else { sum })
    }

    fn add_gradients(&self, inputs: &[Tensor<f64>], gradients: &mut [Tensor<f64>]) -> Result<()> {
        self.runs.set(self.runs.get() + 1);
        for i in 0..20 {
            let (a, b) = (inputs[0].as_slice()[i], inputs[1].as_slice()[i]);
            let slope = if self.mistake == Mistake::Factor { 1.0 } else { 1.0 - a.tanh().powi(2) };
            let mut d_a = b * slope;
            if self.mistake == Mistake::Unsteady && self.runs.get().is_multiple_of(2) {
                d_a = d_a.next_up();
            }
            if self.mistake == Mistake::NotANumber && i == 19 {
                d_a = f64::NAN;
            }
            if self.mistake == Mistake::Overwrites {
                gradients[0].as_mut_slice()[i] = d_a;
            } else {
                gradients[0].as_mut_slice()[i] += d_a;
            }
            gradients[1].as_mut_slice()[i] += a.tanh();
        }
        if self.mistake == Mistake::Shape {
            gradients[0] = gradients[0].clone().reshape(&[20])?;
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Option<N>> {
        let products = inputs[0].as_slice().iter().zip(inputs[1].as_slice()).map(|(&a, &b)| a.tanh() * b);
        Ok(self.reference.then(|| products.fold(N::from_f64(0.0), |sum, product| sum + product)))
    }
}

#[test]
fn a_right_gradient_passes_with_errors_far_below_the_tolerances() {
    let row = check("toy", &Toy::new(Mistake::None)).unwrap();
    assert!(row.passed, "{row:?}");
    assert_eq!(row.elements, 40);
    assert!(row.worst_dual.unwrap() < 1e-15 && row.worst_difference.unwrap() < 1e-11, "{row:?}");
}

#[test]
fn a_forgotten_factor_is_noticed_by_both() {
    let row = check("toy", &Toy::new(Mistake::Factor)).unwrap();
    assert!(!row.passed && row.bits_equal && row.accumulates);
    assert!(row.worst_dual.unwrap() > 0.1 && row.worst_difference.unwrap() > 0.1);
    assert!(row.note.unwrap().starts_with("a["));
}

#[test]
fn without_a_reference_the_differences_still_notice() {
    let toy = |mistake| Toy { reference: false, ..Toy::new(mistake) };
    let row = check("toy", &toy(Mistake::None)).unwrap();
    assert!(row.passed && row.worst_dual.is_none());
    assert!(!check("toy", &toy(Mistake::Factor)).unwrap().passed);
}

#[test]
fn each_other_mistake_is_noticed_and_named() {
    for (mistake, note) in [
        (Mistake::Overwrites, "not added"),
        (Mistake::Unsteady, "other bits"),
        (Mistake::Forward, "forward pass and reference differ"),
        (Mistake::NotANumber, "a[19] is off by NaN"),
    ] {
        let row = check("toy", &Toy::new(mistake)).unwrap();
        assert!(!row.passed, "{mistake:?}");
        assert!(row.note.as_ref().unwrap().contains(note), "{mistake:?}: {row:?}");
    }
    assert!(matches!(check("toy", &Toy::new(Mistake::Shape)), Err(Error::ShapeMismatch { .. })));
}

#[test]
fn one_broken_element_of_any_input_is_noticed() {
    for input in 0..2 {
        for element in [0, 7, 19] {
            let subject = Toy::new(Mistake::None);
            let amount = noticeable(&subject, input).unwrap();
            let row = check("broken", &Broken { subject, input, element, amount }).unwrap();
            assert!(!row.passed);
            assert!(row.worst_dual.unwrap() > DUAL_TOLERANCE);
            assert!(row.worst_difference.unwrap() > DIFFERENCE_TOLERANCE);
        }
    }
}

fn case(mistake: Mistake) -> Case {
    Case::new("toy", any::<u64>(), move |values| Ok::<_, Error>(Toy { values, ..Toy::new(mistake) }))
}

#[test]
fn a_draw_depends_on_the_seed_and_its_number_alone() {
    let case = case(Mistake::None);
    assert_eq!(case.run(1, 2), case.run(1, 2));
    assert_ne!(case.run(1, 2).worst_difference, case.run(1, 3).worst_difference);
    assert_ne!(case.run(1, 2).worst_difference, case.run(2, 2).worst_difference);
    assert!(case.catches_broken_gradient(1));
}

#[test]
fn a_subject_that_fails_is_a_failed_row() {
    let row = case(Mistake::Shape).run(1, 1);
    assert!(!row.passed && row.note.unwrap().contains("shape [20] where [4, 5] is needed"));
    assert!(!case(Mistake::Shape).catches_broken_gradient(1));
}

#[test]
fn the_report_counts_failures_and_keeps_a_nan() {
    let rows = || vec![case(Mistake::NotANumber).run(1, 0), case(Mistake::None).run(1, 0)];
    let report = Report::new(rows(), true);
    assert!(!report.passed() && report.worst_dual.is_nan() && report.cases == 2);
    let text = report.to_string();
    assert!(text.contains("2 checks, 1 failed") && text.contains("FAILED: a[19]"), "{text}");
    assert!(Report::new(rows().split_off(1), true).passed());
    assert!(!Report::new(rows().split_off(1), false).passed());
    assert!(!Report::new(Vec::new(), true).passed());
}

#[test]
fn dual_numbers_carry_the_derivatives_along() {
    // d/dx and d/dy of x * tanh(y) at (3, 0).
    let (x, y) = (Dual::<2>::variable(3.0, 0), Dual::<2>::variable(0.0, 1));
    let product = x * y.tanh();
    assert_eq!(product.value(), 0.0);
    assert_eq!(product.derivatives(), [0.0, 3.0]);
}
