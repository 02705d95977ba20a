use convgru_model::composed::RecurrentParameters;
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

/// An optimiser as a configuration writes it.
fn optimizer(fields: &str) -> OptimizerConfig {
    toml::from_str(&fields.replace(", ", "\n")).unwrap()
}

/// Every kind with the most it has to remember.
fn kinds() -> Vec<OptimizerConfig> {
    let all = [
        "kind = 'adam'",
        "kind = 'adam', amsgrad = true",
        "kind = 'adamw'",
        "kind = 'sgd'",
        "kind = 'sgd', momentum = 0.9, dampening = 0.1",
        "kind = 'sgd', momentum = 0.9, nesterov = true",
        "kind = 'rmsprop'",
        "kind = 'rmsprop', momentum = 0.9, centered = true",
    ];
    all.map(|fields| OptimizerConfig { weight_decay: 0.01, ..optimizer(fields) }).into()
}

/// Repeats a recorded run from its gradients, and the rates and momenta of the
/// recording, and returns the worst difference of any parameter after any step.
fn replay(file: &ParityFile, config: OptimizerConfig) -> f64 {
    let mut parameters = recorded(file, "w0", "b0", None);
    let is_adam = matches!(config.kind, OptimizerKind::Adam(_) | OptimizerKind::AdamW(_));
    let momentum = if is_adam { "beta1" } else { "momentum" };
    let mut optimizer = Optimizer::new(config, &parameters).unwrap();
    let (rates, momenta) = (file.values("lr"), file.values(momentum));
    let mut differences = Vec::new();
    for step in 0..rates.len() {
        optimizer.set_momentum(momenta[step]).unwrap();
        let gradients = recorded(file, "grad.w", "grad.b", Some(step));
        optimizer.step(&mut parameters, &gradients, rates[step]).unwrap();
        differences.push(worst(&parameters, &recorded(file, "w", "b", Some(step))));
    }
    worst_difference(&differences, &vec![0.0; differences.len()])
}

/// Every recorded optimiser, and a constant that changes the result: the recording feels it.
#[test]
fn optimizers_are_those_of_torch() {
    for (name, fields, wrong) in [
        ("adam", "kind = 'adam'", "kind = 'adam', beta2 = 0.99"),
        ("adam_amsgrad", "kind = 'adam', beta2 = 0.5, amsgrad = true", "kind = 'adam', beta2 = 0.5"),
        ("adam_l2", "kind = 'adam', weight_decay = 0.1", "kind = 'adam'"),
        ("onecycle_adam_linear3", "kind = 'adam'", "kind = 'adam', epsilon = 1e-2"),
        ("adamw", "kind = 'adamw', weight_decay = 0.1", "kind = 'adam', weight_decay = 0.1"),
        ("step_adamw", "kind = 'adamw', weight_decay = 0.05", "kind = 'adamw'"),
        ("sgd", "kind = 'sgd'", "kind = 'sgd', weight_decay = 0.01"),
        ("sgd_dampening", "kind = 'sgd', momentum = 0.9, dampening = 0.1", "kind = 'sgd', momentum = 0.9"),
        (
            "sgd_nesterov",
            "kind = 'sgd', momentum = 0.9, nesterov = true, weight_decay = 0.01",
            "kind = 'sgd', momentum = 0.9, weight_decay = 0.01",
        ),
        ("onecycle_sgd", "kind = 'sgd', momentum = 0.9", "kind = 'sgd'"),
        ("rmsprop", "kind = 'rmsprop'", "kind = 'rmsprop', alpha = 0.9"),
        (
            "rmsprop_centered",
            "kind = 'rmsprop', alpha = 0.9, epsilon = 1e-6, momentum = 0.9, centered = true, weight_decay = 0.01",
            "kind = 'rmsprop', alpha = 0.9, epsilon = 1e-6, momentum = 0.9, weight_decay = 0.01",
        ),
    ] {
        let file = parity_file(&format!("optim_{name}.safetensors"));
        let off = replay(&file, optimizer(fields));
        assert!(off <= 1e-12, "{name}: off by {off}");
        // A cycled momentum is set by the recording, whatever the configuration says.
        if name != "onecycle_sgd" {
            let off = replay(&file, optimizer(wrong));
            assert!(off > 1e-6, "{name}: the recording does not feel a wrong constant");
        }
    }
}

#[test]
fn clipping_is_that_of_torch() {
    let file = parity_file("optim_clip_grad_norm.safetensors");
    let set = |prefix: &str| {
        let names = ["0", "1", "2"];
        tensors(&names.map(|i| (i, file.tensor(&format!("{prefix}.{i}")).clone())))
    };
    for (case, max_norm, power) in [
        ("l2_small", 0.5, 2.0),
        ("l2_large", 1000.0, 2.0),
        ("l1", 1.0, 1.0),
        ("inf", 0.7, f64::INFINITY),
        ("l3", 0.9, 3.0),
    ] {
        let mut gradients = set("grad");
        let norm = clip_global_norm(&mut gradients, max_norm, NormType::new(power).unwrap());
        let expected = file.number(&format!("total_norm.{case}"));
        assert!((norm - expected).abs() <= 1e-12, "{case}: norm {norm} instead of {expected}");
        let off = worst(&gradients, &set(&format!("clipped.{case}")));
        assert!(off <= 1e-12, "{case}: off by {off}");
    }
    let mut gradients = set("grad");
    clip_value(&mut gradients, 0.6);
    assert_eq!(gradients, set("clipped.value"));
}

/// A set of tensors of which some need several chunks.
fn large(scale: f32) -> Tensors<f32> {
    let tensor = |n: usize| Tensor::from_fn(&[n], |i| scale * (i as f32 * 0.61 + n as f32).sin());
    tensors(&[("a", tensor(40_009)), ("b", tensor(7)), ("c", tensor(0)), ("d", tensor(9_001))])
}

#[test]
fn thread_counts_do_not_change_a_bit() {
    let run =
        |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut results = Vec::new();
                for config in kinds() {
                    let mut parameters = large(1.0);
                    let mut optimizer = Optimizer::new(config, &parameters).unwrap();
                    let mut norms = Vec::new();
                    for step in 0..3 {
                        let mut gradients = large(1.0 + step as f32);
                        norms.push([1.0, 2.0, 3.0, f64::INFINITY].map(|power| {
                            clip_global_norm(&mut gradients, 1.0, NormType::new(power).unwrap())
                        }));
                        optimizer.step(&mut parameters, &gradients, 1e-2).unwrap();
                    }
                    results.push((parameters, optimizer.state().clone(), norms));
                }
                results
            })
        };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn a_restored_state_continues_with_the_same_bits() {
    for config in kinds() {
        let mut parameters = large(1.0);
        let mut optimizer = Optimizer::new(config.clone(), &parameters).unwrap();
        assert_eq!(optimizer.config(), &config);
        optimizer.step(&mut parameters, &large(0.3), 1e-2).unwrap();

        let format = bincode::config::standard().with_fixed_int_encoding();
        let bytes = bincode::serde::encode_to_vec(optimizer.state(), format).unwrap();
        let (state, _) = bincode::serde::decode_from_slice::<OptimizerState<f32>, _>(&bytes, format).unwrap();
        assert_eq!(&state, optimizer.state());
        let mut restored_parameters = parameters.clone();
        let mut restored = Optimizer::from_state(config.clone(), state, &parameters).unwrap();
        optimizer.step(&mut parameters, &large(0.7), 1e-2).unwrap();
        restored.step(&mut restored_parameters, &large(0.7), 1e-2).unwrap();
        assert_eq!(parameters, restored_parameters, "{config:?}");
        assert_eq!(optimizer.state(), restored.state(), "{config:?}");
        assert_eq!(optimizer.state().step, 2);

        // A state that is forgotten is felt.
        if !optimizer.state().moments.is_empty() {
            let mut other_parameters = parameters.clone();
            let mut other = Optimizer::new(config.clone(), &parameters).unwrap();
            optimizer.step(&mut parameters, &large(0.7), 1e-2).unwrap();
            other.step(&mut other_parameters, &large(0.7), 1e-2).unwrap();
            assert_ne!(parameters, other_parameters, "{config:?}");
        }
    }
}

#[test]
fn a_state_of_another_kind_is_refused() {
    let parameters = large(1.0);
    let adam = Optimizer::new(OptimizerConfig::default(), &parameters).unwrap();
    let sgd = optimizer("kind = 'sgd'");
    let error = Optimizer::from_state(sgd, adam.state().clone(), &parameters).unwrap_err().to_string();
    assert_eq!(error, "the state of sgd: there are 2 moments where it has 0 to 1");
}

#[test]
fn momentum_may_begin_and_pause() {
    for kind in ["sgd", "rmsprop"] {
        let config = optimizer(&format!("kind = '{kind}'"));
        let mut parameters = large(1.0);
        let mut optimizer = Optimizer::new(config, &parameters).unwrap();
        let before = optimizer.state().moments.len();
        optimizer.step(&mut parameters, &large(0.3), 1e-2).unwrap();
        assert_eq!(optimizer.state().moments.len(), before);
        optimizer.set_momentum(0.9).unwrap();
        optimizer.step(&mut parameters, &large(0.3), 1e-2).unwrap();
        assert_eq!(optimizer.state().moments.len(), before + 1);
        let direction = optimizer.state().moments[before].clone();
        if kind == "sgd" {
            assert_eq!(direction[0], large(0.3).0[0].1.as_slice());
        }
        optimizer.set_momentum(0.0).unwrap();
        optimizer.step(&mut parameters, &large(0.3), 1e-2).unwrap();
        assert_eq!(optimizer.state().moments[before], direction);
        let error = optimizer.set_momentum(1.0).unwrap_err().to_string();
        assert_eq!(error, "config field `optimizer.momentum`: 1 is not from 0 to below 1");
    }
}

#[test]
fn a_learning_rate_of_zero_moves_no_parameter() {
    let mut parameters = large(1.0);
    let mut adam = Optimizer::new(OptimizerConfig::default(), &parameters).unwrap();
    adam.step(&mut parameters, &large(0.3), 0.0).unwrap();
    assert_eq!(parameters, large(1.0));
    assert!(adam.state().moments[0][0].iter().any(|&m| m != 0.0));
}

/// Tensors of one size in another order would exchange gradients, or moments.
#[test]
fn another_order_is_refused_and_changes_nothing() {
    let named = |names: [&str; 2], values: [f32; 2]| {
        let tensor = |value| Tensor::from_fn(&[2, 3], |_| value);
        let tensors = names.into_iter().zip(values).map(|(name, value)| (name.to_owned(), tensor(value)));
        RecurrentParameters::new(tensors.collect())
    };
    let mut parameters = named(["a", "b"], [1.0, 2.0]);
    let mut adam = Optimizer::new(OptimizerConfig::default(), &parameters).unwrap();
    adam.step(&mut parameters, &named(["a", "b"], [0.5, 0.1]), 0.1).unwrap();
    let before = (parameters.clone(), adam.state().clone());
    let error = adam.step(&mut parameters, &named(["b", "a"], [0.1, 0.5]), 0.1).unwrap_err().to_string();
    assert_eq!(error, "the gradients of a step: tensor 0 is `b` where the parameters have `a`");
    let mut other = named(["b", "a"], [2.0, 1.0]);
    let error = adam.step(&mut other, &named(["b", "a"], [0.1, 0.5]), 0.1).unwrap_err().to_string();
    assert_eq!(error, "the parameters of a step: tensor 0 is `b` where the optimiser was made for `a`");
    let turned = Tensor::zeros(&[3, 2]);
    let turned = RecurrentParameters::new(vec![("a".into(), turned.clone()), ("b".into(), turned)]);
    adam.step(&mut parameters, &turned, 0.1).unwrap_err();
    adam.step(&mut turned.clone(), &turned, 0.1).unwrap_err();
    assert_eq!((&parameters, adam.state()), (&before.0, &before.1));
}

#[test]
fn sizes_must_be_those_of_the_state() {
    let mut parameters = large(1.0);
    let mut adam = Optimizer::new(OptimizerConfig::default(), &parameters).unwrap();
    let mut other = large(1.0);
    other.0[1].1 = Tensor::zeros(&[8]);
    let error = adam.step(&mut parameters, &other, 0.1).unwrap_err().to_string();
    assert_eq!(error, "the gradients of a step: `b` has 8 numbers where the parameters have 7");
    other.0.truncate(1);
    let error = adam.step(&mut other, &large(1.0), 0.1).unwrap_err().to_string();
    assert_eq!(error, "the state of adam: there are 1 tensors where it has 4");
    let state = OptimizerState { moments: vec![adam.state().moments[0].clone()], step: 0 };
    assert!(Optimizer::from_state(OptimizerConfig::default(), state, &parameters).is_err());
    for rate in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(adam.step(&mut parameters, &large(1.0), rate).is_err());
    }
    assert_eq!((parameters, adam.state().step), (large(1.0), 0));
}

#[test]
fn constants_out_of_range_are_named() {
    for (field, fields) in [
        ("learning_rate", "kind = 'adam', learning_rate = 0.0"),
        ("learning_rate", "kind = 'adam', learning_rate = nan"),
        ("beta1", "kind = 'adam', beta1 = 1.0"),
        ("beta2", "kind = 'adamw', beta2 = -0.1"),
        ("epsilon", "kind = 'adam', epsilon = 0.0"),
        ("epsilon", "kind = 'rmsprop', epsilon = 1e-50"),
        ("weight_decay", "kind = 'adam', weight_decay = inf"),
        ("alpha", "kind = 'rmsprop', alpha = 1.0"),
        ("momentum", "kind = 'rmsprop', momentum = nan"),
        ("momentum", "kind = 'sgd', momentum = 1.0"),
        ("dampening", "kind = 'sgd', dampening = 0.1"),
        ("nesterov", "kind = 'sgd', nesterov = true"),
        ("nesterov", "kind = 'sgd', nesterov = true, momentum = 0.9, dampening = 0.1"),
    ] {
        let config = optimizer(fields);
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(&format!("`optimizer.{field}`")), "{error}");
        assert!(Optimizer::new(config, &large(1.0)).is_err());
    }
}

#[test]
fn fields_of_another_kind_are_no_configuration() {
    for text in [
        "kind = 'adam'\nmomentum = 0.9",
        "kind = 'adam'\nalpha = 0.9",
        "kind = 'adam'\ncentered = true",
        "kind = 'sgd'\namsgrad = true",
        "kind = 'sgd'\nepsilon = 1e-6",
        "kind = 'rmsprop'\nrho = 0.9",
    ] {
        let error = toml::from_str::<OptimizerConfig>(text).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{text}: {error}");
    }
    for (kind, name) in OptimizerKind::all().into_iter().zip(OptimizerKind::NAMES) {
        assert_eq!(kind.name(), name);
        assert_eq!(serde_json::to_value(OptimizerConfig::from(kind)).unwrap()["kind"], name);
    }
}

#[test]
fn fields_that_are_left_out_have_their_documented_values() {
    let config = optimizer("kind = 'adam'");
    assert_eq!((config.learning_rate, config.weight_decay), (1e-3, 0.0));
    assert_eq!(config, OptimizerConfig::from(config.kind.clone()));
}

#[test]
fn gradients_without_a_finite_norm_are_left_alone() {
    let mut gradients = large(1.0);
    gradients.0[3].1.as_mut_slice()[5] = f32::INFINITY;
    let before = gradients.clone();
    assert_eq!(clip_global_norm(&mut gradients, 1.0, NormType::EUCLIDEAN), f64::INFINITY);
    assert_eq!(gradients, before);
    gradients.0[3].1.as_mut_slice()[5] = f32::NAN;
    assert!(clip_global_norm(&mut gradients, 1.0, NormType::EUCLIDEAN).is_nan());
    assert_eq!(gradients.0[0], before.0[0]);
}

proptest! {
    #[test]
    fn clipping_never_lengthens_and_reaches_its_bound(
        values in prop::collection::vec(-1e3f32..1e3, 1..40),
        max_norm in 1e-3f64..2e3,
        power in prop::sample::select(vec![1.0, 1.5, 2.0, 3.0, 100.0, f64::INFINITY]),
    ) {
        let norm_type = NormType::new(power).unwrap();
        let mut gradients = tensors(&[("g", Tensor::from_vec(&[values.len()], values).unwrap())]);
        let before = clip_global_norm(&mut gradients, max_norm, norm_type);
        let after = global_norm(&gradients, norm_type);
        prop_assert!(after <= before);
        prop_assert!(after <= max_norm * (1.0 + 1e-6));
        prop_assert!(after >= before.min(max_norm) * 0.99);
    }
}

/// Tensors are summed in chunks; every element is in one of them.
#[test]
fn the_norm_of_a_long_tensor_counts_each_element_once() {
    for length in [1usize, 4096, 4097, 12_288, 20_003] {
        let whole = Tensor::<f64>::from_fn(&[length], |i| (i + 1) as f64);
        let gradients = tensors(&[("w", whole)]);
        let n = length as f64;
        let expected = (n * (n + 1.0) * (2.0 * n + 1.0) / 6.0).sqrt();
        let norm = global_norm(&gradients, NormType::EUCLIDEAN);
        assert!((norm / expected - 1.0).abs() < 1e-12, "{length}: {norm} instead of {expected}");
    }
}

/// One parameter after some steps, by the formulas of `torch.optim` as its documentation has them.
fn by_formula(c: &OptimizerConfig, mut p: f64, gradients: &[f64], rate: f64) -> f64 {
    let (mut first, mut square, mut most, mut b) = (0.0, 0.0, 0.0_f64, None);
    for (t, &g) in (1..).zip(gradients) {
        let decoupled = matches!(c.kind, OptimizerKind::AdamW(_));
        let g = if decoupled { g } else { g + c.weight_decay * p };
        match &c.kind {
            OptimizerKind::Sgd(c) => {
                let next = b.map_or(g, |b| c.momentum * b + (1.0 - c.dampening) * g);
                b = Some(next);
                let momentum = if c.nesterov { g + c.momentum * next } else { next };
                p -= rate * if c.momentum == 0.0 { g } else { momentum };
            }
            OptimizerKind::RmsProp(c) => {
                square = c.alpha * square + (1.0 - c.alpha) * g * g;
                first = c.alpha * first + (1.0 - c.alpha) * g;
                let spread: f64 = if c.centered { square - first * first } else { square };
                let d = c.momentum * b.unwrap_or(0.0) + g / (spread.sqrt() + c.epsilon);
                b = Some(d);
                p -= rate * d;
            }
            OptimizerKind::Adam(a) | OptimizerKind::AdamW(a) => {
                if decoupled {
                    p -= rate * c.weight_decay * p;
                }
                first = a.beta1 * first + (1.0 - a.beta1) * g;
                square = a.beta2 * square + (1.0 - a.beta2) * g * g;
                most = if a.amsgrad { most.max(square) } else { square };
                let (m, v) = (first / (1.0 - a.beta1.powi(t)), most / (1.0 - a.beta2.powi(t)));
                p -= rate * m / (v.sqrt() + a.epsilon);
            }
        }
    }
    p
}

#[test]
fn every_rule_is_its_formula() {
    // Decay that moves, and squares that grow and shrink again.
    let gradients = [3.0, -0.5, 0.01, 0.02, -0.03];
    for config in kinds() {
        let mut config = OptimizerConfig { weight_decay: 0.3, ..config };
        match &mut config.kind {
            OptimizerKind::Sgd(_) => {}
            OptimizerKind::RmsProp(rmsprop) => (rmsprop.alpha, rmsprop.epsilon) = (0.6, 0.01),
            OptimizerKind::Adam(adam) | OptimizerKind::AdamW(adam) => {
                (adam.beta2, adam.epsilon) = (0.5, 0.01);
            }
        }
        let one = |value| tensors(&[("p", Tensor::from_vec(&[1], vec![value]).unwrap())]);
        let mut parameters = one(2.0_f64);
        let mut optimizer = Optimizer::new(config.clone(), &parameters).unwrap();
        for steps in 1..=gradients.len() {
            optimizer.step(&mut parameters, &one(gradients[steps - 1]), 0.1).unwrap();
            let expected = by_formula(&config, 2.0, &gradients[..steps], 0.1);
            let got = parameters.0[0].1.as_slice()[0];
            assert!((got - expected).abs() < 1e-12, "{config:?}, step {steps}: {got} {expected}");
        }
    }
}

#[test]
fn a_variance_of_zero_that_rounds_below_stays_a_number() {
    let gradients: Vec<f32> = (1..=1000).map(|i| i as f32 / 997.0).collect();
    let of = |values: &[f32]| tensors(&[("p", Tensor::from_vec(&[values.len()], values.to_vec()).unwrap())]);
    let config = optimizer("kind = 'rmsprop', centered = true, alpha = 0.5");
    let mut parameters = of(&vec![0.0; gradients.len()]);
    let mut optimizer = Optimizer::new(config, &parameters).unwrap();
    for _ in 0..60 {
        optimizer.step(&mut parameters, &of(&gradients), 1e-9).unwrap();
    }
    assert!(parameters.0[0].1.as_slice().iter().all(|p| p.is_finite()));
}

#[test]
fn nothing_has_no_length_by_any_norm() {
    for power in [1.0, 2.0, 3.0, f64::INFINITY] {
        let zeros = tensors(&[("p", Tensor::from_vec(&[3], vec![0.0_f32; 3]).unwrap())]);
        assert_eq!(global_norm(&zeros, NormType::new(power).unwrap()), 0.0, "{power}");
    }
}
