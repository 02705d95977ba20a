use proptest::prelude::*;

use super::*;
use crate::fixtures::{parity_file, worst_difference};

fn tensor(values: &[f64]) -> Tensor<f64> {
    Tensor::from_vec(&[values.len()], values.to_vec()).unwrap()
}

#[test]
fn values_and_gradients_are_those_of_torch() {
    let Some(file) = parity_file("metrics.safetensors") else {
        return;
    };
    let prediction = file.tensor("loss.pred");
    for (loss, name, target) in [
        (Loss::Mse, "loss.mse", "loss.target"),
        (Loss::L1, "loss.l1", "loss.target"),
        (Loss::BceWithLogits, "loss.bce_with_logits", "loss.binary_target"),
    ] {
        let target = file.tensor(target);
        let (value, gradient) = loss.value_and_gradient(prediction, target).unwrap();
        let expected = file.number(name);
        assert!((value - expected).abs() <= 1e-12, "{name}: {value} instead of {expected}");
        let by_reference = reference(loss, prediction.as_slice(), target.as_slice());
        assert!((by_reference - expected).abs() <= 1e-12, "{name}: reference {by_reference}");
        let worst = worst_difference(gradient.as_slice(), file.values(&format!("{name}.grad")));
        assert!(worst <= 1e-12, "{name}: gradient off by {worst}");

        let (value, gradient) = loss.value_and_gradient(&prediction.cast::<f32>(), &target.cast()).unwrap();
        assert!((value - expected).abs() <= 1e-6 * expected, "{name} in f32: {value}");
        let worst = worst_difference(gradient.cast().as_slice(), file.values(&format!("{name}.grad")));
        assert!(worst <= 1e-8, "{name} in f32: gradient off by {worst}");
    }
}

#[test]
fn extreme_logits_are_those_of_torch() {
    let Some(file) = parity_file("metrics.safetensors") else {
        return;
    };
    let (logits, targets) = (file.values("loss.extreme_logits"), file.values("loss.extreme_targets"));
    let (values, gradients) = (file.values("loss.extreme_bce"), file.values("loss.extreme_bce.grad"));
    assert!(logits.iter().any(|x| x.abs() > 700.0), "a logit whose exponential overflows");
    for i in 0..logits.len() {
        let (x, y) = (tensor(&logits[i..=i]), tensor(&targets[i..=i]));
        let (value, gradient) = Loss::BceWithLogits.value_and_gradient(&x, &y).unwrap();
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
        assert!(near(value, values[i]), "logit {}: {value} instead of {}", logits[i], values[i]);
        assert!(near(gradient.as_slice()[0], gradients[i]), "logit {}: {gradient:?}", logits[i]);
    }
}

#[test]
fn the_derivative_of_l1_at_zero_is_zero() {
    let (value, gradient) = Loss::L1.value_and_gradient(&tensor(&[0.5, -0.0]), &tensor(&[0.5, 0.0])).unwrap();
    assert_eq!(value, 0.0);
    assert_eq!(gradient.as_slice(), [0.0, 0.0]);
}

#[test]
fn not_a_number_stays_visible() {
    for loss in Loss::ALL {
        let (value, gradient) =
            loss.value_and_gradient(&tensor(&[0.0, f64::NAN]), &tensor(&[0.0, 0.0])).unwrap();
        assert!(value.is_nan() && gradient.as_slice()[1].is_nan(), "{loss:?}");
    }
}

#[test]
fn shapes_must_agree_and_hold_something() {
    let two = Tensor::<f32>::zeros(&[1, 2]);
    let error = Loss::Mse.value(&two, &Tensor::zeros(&[2, 1])).unwrap_err().to_string();
    assert_eq!(error, "the prediction of a loss: shape [1, 2] where the target's [2, 1] is needed");
    let none = Tensor::<f32>::zeros(&[0, 3]);
    let error = Loss::L1.value_and_gradient(&none, &none).unwrap_err().to_string();
    assert_eq!(error, "the prediction of a loss: shape [0, 3] has no elements to take the mean of");
}

#[test]
fn names_are_those_of_the_configuration() {
    for loss in Loss::ALL {
        assert_eq!(serde_json::to_value(loss).unwrap(), loss.name());
        assert_eq!(serde_json::from_value::<Loss>(loss.name().into()).unwrap(), loss);
    }
    assert!(serde_json::from_str::<Loss>("\"hinge\"").is_err());
}

#[test]
fn thread_counts_do_not_change_a_bit() {
    let prediction = Tensor::<f32>::from_fn(&[5, 3, 1, 61, 67], |i| (i as f32 * 0.37).sin() * 4.0);
    let target = Tensor::<f32>::from_fn(prediction.shape(), |i| (i % 3) as f32 * 0.5);
    for loss in Loss::ALL {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| loss.value_and_gradient(&prediction, &target).unwrap())
        };
        let (value, gradient) = run(1);
        for threads in [2, 3, 7] {
            let (other_value, other_gradient) = run(threads);
            assert_eq!(value.to_bits(), other_value.to_bits(), "{loss:?} on {threads} threads");
            assert_eq!(gradient, other_gradient, "{loss:?} on {threads} threads");
        }
        assert_eq!(value.to_bits(), loss.value(&prediction, &target).unwrap().to_bits());
    }
}

proptest! {
    /// Central differences of the value give the gradient; away from the kink
    /// of the absolute value.
    #[test]
    fn gradients_are_slopes_of_the_value(
        elements in prop::collection::vec((-6.0f64..6.0, 0.0f64..1.0), 1..6),
        index in 0usize..6,
    ) {
        let index = index % elements.len();
        let (x, y): (Vec<f64>, Vec<f64>) = elements.into_iter().unzip();
        prop_assume!((x[index] - y[index]).abs() > 1e-3);
        for loss in Loss::ALL {
            let (_, gradient) = loss.value_and_gradient(&tensor(&x), &tensor(&y)).unwrap();
            let at = |offset: f64| {
                let mut x = x.clone();
                x[index] += offset;
                reference(loss, &x, &y)
            };
            let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
            prop_assert!((slope - gradient.as_slice()[index]).abs() < 1e-7, "{:?}: {} {:?}", loss, slope, gradient);
        }
    }

    /// The value of the shipped code is the reference's.
    #[test]
    fn values_are_those_of_the_reference(
        elements in prop::collection::vec((-900.0f64..900.0, 0.0f64..1.0), 1..50),
    ) {
        let (x, y): (Vec<f64>, Vec<f64>) = elements.into_iter().unzip();
        for loss in Loss::ALL {
            let value = loss.value(&tensor(&x), &tensor(&y)).unwrap();
            let expected = reference(loss, &x, &y);
            prop_assert!((value - expected).abs() <= 1e-13 * expected.abs().max(1.0));
        }
    }
}
