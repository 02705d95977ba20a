use convgru_model::{Parameters, Scalar, Tensor};
use proptest::prelude::*;

use super::*;
use crate::fixtures::{ParityFile, parity_file, worst_difference};

/// The parameters of the recorded problem, or any list of tensors.
#[derive(Clone, Debug, PartialEq)]
struct Tensors<T: Scalar>(Vec<(String, Tensor<T>)>);

impl<T: Scalar> Parameters<T> for Tensors<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        self.0.iter().for_each(|(name, tensor)| visit(name, tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        self.0.iter_mut().for_each(|(name, tensor)| visit(name, tensor));
    }
}

fn tensors<T: Scalar>(named: &[(&str, Tensor<T>)]) -> Tensors<T> {
    Tensors(named.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect())
}

fn recorded(file: &ParityFile, w: &str, b: &str, step: Option<usize>) -> Tensors<f64> {
    let pick = |name| step.map_or_else(|| file.tensor(name).clone(), |step| file.tensor(name).index(step));
    tensors(&[("w", pick(w)), ("b", pick(b))])
}

fn worst(a: &Tensors<f64>, b: &Tensors<f64>) -> f64 {
    let flat = |set: &Tensors<f64>| set.0.iter().flat_map(|(_, t)| t.as_slice().to_vec()).collect::<Vec<_>>();
    worst_difference(&flat(a), &flat(b))
}

/// Repeats a recorded run from its gradients, and the rates and decays of the
/// recording, and returns the worst difference of any parameter after any step.
fn replay(file: &ParityFile, config: AdamConfig) -> f64 {
    let mut parameters = recorded(file, "w0", "b0", None);
    let mut adam = Adam::new(config, &parameters).unwrap();
    let (rates, beta1) = (file.values("lr"), file.values("beta1"));
    let mut differences = Vec::new();
    for step in 0..rates.len() {
        adam.set_beta1(beta1[step]).unwrap();
        let gradients = recorded(file, "grad.w", "grad.b", Some(step));
        adam.step(&mut parameters, &gradients, rates[step]).unwrap();
        differences.push(worst(&parameters, &recorded(file, "w", "b", Some(step))));
    }
    worst_difference(&differences, &vec![0.0; differences.len()])
}

#[test]
fn adam_is_that_of_torch() {
    let Some(file) = parity_file("optim_adam.safetensors") else {
        return;
    };
    let off = replay(&file, AdamConfig::default());
    assert!(off <= 1e-12, "off by {off}");
    let wrong = replay(&file, AdamConfig { beta2: 0.99, ..AdamConfig::default() });
    assert!(wrong > 1e-6, "the recording does not feel beta2");
}

#[test]
fn adam_with_weight_decay_is_that_of_torch() {
    let Some(file) = parity_file("optim_adam_l2.safetensors") else {
        return;
    };
    let off = replay(&file, AdamConfig { weight_decay: 0.1, ..AdamConfig::default() });
    assert!(off <= 1e-12, "off by {off}");
}

#[test]
fn adam_with_cycled_beta1_is_that_of_torch() {
    let Some(file) = parity_file("optim_onecycle_adam_linear3.safetensors") else {
        return;
    };
    let off = replay(&file, AdamConfig::default());
    assert!(off <= 1e-12, "off by {off}");
}

#[test]
fn clipping_is_that_of_torch() {
    let Some(file) = parity_file("optim_clip_grad_norm.safetensors") else {
        return;
    };
    for (case, max_norm) in [("l2_small", 0.5), ("l2_large", 1000.0)] {
        let set = |prefix: &str| {
            let names = ["0", "1", "2"];
            tensors(&names.map(|i| (i, file.tensor(&format!("{prefix}.{i}")).clone())))
        };
        let mut gradients = set("grad");
        let norm = clip_global_norm(&mut gradients, max_norm);
        let expected = file.number(&format!("total_norm.{case}"));
        assert!((norm - expected).abs() <= 1e-12, "{case}: norm {norm} instead of {expected}");
        let off = worst(&gradients, &set(&format!("clipped.{case}")));
        assert!(off <= 1e-12, "{case}: off by {off}");
    }
}

/// A set of tensors of which some need several chunks.
fn large(scale: f32) -> Tensors<f32> {
    let tensor = |n: usize| Tensor::from_fn(&[n], |i| scale * (i as f32 * 0.61 + n as f32).sin());
    tensors(&[("a", tensor(40_009)), ("b", tensor(7)), ("c", tensor(0)), ("d", tensor(9_001))])
}

#[test]
fn thread_counts_do_not_change_a_bit() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut parameters = large(1.0);
            let mut adam = Adam::new(AdamConfig::default(), &parameters).unwrap();
            let mut norms = Vec::new();
            for step in 0..3 {
                let mut gradients = large(1.0 + step as f32);
                norms.push(clip_global_norm(&mut gradients, 1.0));
                adam.step(&mut parameters, &gradients, 1e-2).unwrap();
            }
            (parameters, adam.state().clone(), norms)
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn a_restored_state_continues_with_the_same_bits() {
    let config = AdamConfig { weight_decay: 0.01, ..AdamConfig::default() };
    let mut parameters = large(1.0);
    let mut adam = Adam::new(config.clone(), &parameters).unwrap();
    adam.step(&mut parameters, &large(0.3), 1e-2).unwrap();

    let format = bincode::config::standard().with_fixed_int_encoding();
    let bytes = bincode::serde::encode_to_vec(adam.state(), format).unwrap();
    let (state, _) = bincode::serde::decode_from_slice::<AdamState<f32>, _>(&bytes, format).unwrap();
    assert_eq!(&state, adam.state());
    let mut restored_parameters = parameters.clone();
    let mut restored = Adam::from_state(config, state, &parameters).unwrap();
    adam.step(&mut parameters, &large(0.7), 1e-2).unwrap();
    restored.step(&mut restored_parameters, &large(0.7), 1e-2).unwrap();
    assert_eq!(parameters, restored_parameters);
    assert_eq!(adam.state(), restored.state());
    assert_eq!(adam.state().step, 2);
}

#[test]
fn a_learning_rate_of_zero_moves_no_parameter() {
    let mut parameters = large(1.0);
    let mut adam = Adam::new(AdamConfig::default(), &parameters).unwrap();
    adam.step(&mut parameters, &large(0.3), 0.0).unwrap();
    assert_eq!(parameters, large(1.0));
    assert!(adam.state().first[0].iter().any(|&m| m != 0.0));
}

#[test]
fn sizes_must_be_those_of_the_state() {
    let mut parameters = large(1.0);
    let mut adam = Adam::new(AdamConfig::default(), &parameters).unwrap();
    let mut other = large(1.0);
    other.0[1].1 = Tensor::zeros(&[8]);
    let error = adam.step(&mut parameters, &other, 0.1).unwrap_err().to_string();
    assert_eq!(error, "the state of Adam: `b` has 8 numbers where it has 7");
    other.0.truncate(1);
    let error = adam.step(&mut other, &large(1.0), 0.1).unwrap_err().to_string();
    assert_eq!(error, "the state of Adam: there are 1 tensors where it has 4");
    let state = AdamState { second: Vec::new(), ..adam.state().clone() };
    assert!(Adam::from_state(AdamConfig::default(), state, &parameters).is_err());
    for rate in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(adam.step(&mut parameters, &large(1.0), rate).is_err());
    }
    assert_eq!((parameters, adam.state().step), (large(1.0), 0));
}

#[test]
fn constants_out_of_range_are_named() {
    let adam = AdamConfig::default();
    for (field, config) in [
        ("learning_rate", AdamConfig { learning_rate: 0.0, ..adam.clone() }),
        ("learning_rate", AdamConfig { learning_rate: f64::NAN, ..adam.clone() }),
        ("beta1", AdamConfig { beta1: 1.0, ..adam.clone() }),
        ("beta2", AdamConfig { beta2: -0.1, ..adam.clone() }),
        ("epsilon", AdamConfig { epsilon: 0.0, ..adam.clone() }),
        ("epsilon", AdamConfig { epsilon: 1e-50, ..adam.clone() }),
        ("weight_decay", AdamConfig { weight_decay: f64::INFINITY, ..adam.clone() }),
    ] {
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(&format!("`optimizer.{field}`")), "{error}");
        assert!(Adam::new(config, &large(1.0)).is_err());
    }
    assert!(serde_json::from_str::<AdamConfig>(r#"{"learning_rate": 0.1, "momentum": 0.9}"#).is_err());
}

#[test]
fn gradients_without_a_finite_norm_are_left_alone() {
    let mut gradients = large(1.0);
    gradients.0[3].1.as_mut_slice()[5] = f32::INFINITY;
    let before = gradients.clone();
    assert_eq!(clip_global_norm(&mut gradients, 1.0), f64::INFINITY);
    assert_eq!(gradients, before);
    gradients.0[3].1.as_mut_slice()[5] = f32::NAN;
    assert!(clip_global_norm(&mut gradients, 1.0).is_nan());
    assert_eq!(gradients.0[0], before.0[0]);
}

proptest! {
    #[test]
    fn clipping_never_lengthens_and_reaches_its_bound(
        values in prop::collection::vec(-1e3f32..1e3, 1..40),
        max_norm in 1e-3f64..2e3,
    ) {
        let mut gradients = tensors(&[("g", Tensor::from_vec(&[values.len()], values).unwrap())]);
        let before = clip_global_norm(&mut gradients, max_norm);
        let after = global_norm(&gradients);
        prop_assert!(after <= before);
        prop_assert!(after <= max_norm * (1.0 + 1e-6));
        prop_assert!(after >= before.min(max_norm) * 0.99);
    }
}
