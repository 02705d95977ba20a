use convgru_model::{PredictionGradient, Tensor};
use proptest::prelude::*;

use super::ensemble::EnsembleScore;
use super::*;
use crate::fixtures::{parity_file, worst_difference};

fn tensor(values: &[f64]) -> Tensor<f64> {
    Tensor::from_vec(&[values.len()], values.to_vec()).unwrap()
}

/// The losses of elements, which take tensors of any shape.
fn losses_of_elements() -> Vec<Loss> {
    Loss::all().into_iter().take(7).collect()
}

const BCE: Loss = Loss::BceWithLogits { pos_weight: 1.0 };

/// The recorded losses: name, loss, reduction, name of the target.
fn recorded() -> Vec<(&'static str, Loss, Reduction, &'static str)> {
    use Reduction::{Mean, Sum};
    vec![
        ("mse", Loss::Mse, Mean, "target"),
        ("l1", Loss::L1, Mean, "target"),
        ("mse_sum", Loss::Mse, Sum, "target"),
        ("l1_sum", Loss::L1, Sum, "target"),
        ("huber_delta1", Loss::Huber { delta: 1.0 }, Mean, "target"),
        ("huber_delta0.7", Loss::Huber { delta: 0.7 }, Mean, "target"),
        ("smooth_l1_beta1", Loss::SmoothL1 { beta: 1.0 }, Mean, "target"),
        ("smooth_l1_beta0.3", Loss::SmoothL1 { beta: 0.3 }, Mean, "target"),
        ("bce_with_logits", BCE, Mean, "binary_target"),
        ("bce_with_logits_sum", BCE, Sum, "binary_target"),
    ]
}

#[test]
fn values_and_gradients_are_those_of_torch() {
    let file = parity_file("metrics.safetensors");
    let prediction = file.tensor("loss.pred");
    let pos_weight = file.number("loss.pos_weight");
    assert!((pos_weight - 1.0).abs() > 0.1, "a weight of 1 would prove nothing");
    let mut cases = recorded();
    let positive = Loss::BceWithLogits { pos_weight };
    cases.push(("bce_with_logits_pos_weight", positive, Reduction::Mean, "binary_target"));
    for (name, loss, reduction, target) in cases {
        let name = &format!("loss.{name}");
        let target = file.tensor(&format!("loss.{target}"));
        let (value, gradient) = loss.reduced(prediction, target, None, reduction).unwrap();
        let expected = file.number(name);
        let scale = expected.abs().max(1.0);
        assert!((value - expected).abs() <= 1e-13 * scale, "{name}: {value} instead of {expected}");
        let by_reference = reference(&loss, reduction, prediction.as_slice(), target.as_slice(), &[]);
        assert!((by_reference - expected).abs() <= 1e-13 * scale, "{name}: reference {by_reference}");
        let worst = worst_difference(gradient.as_slice(), file.values(&format!("{name}.grad")));
        assert!(worst <= 1e-12, "{name}: gradient off by {worst}");

        let (value, gradient) =
            loss.reduced(&prediction.cast::<f32>(), &target.cast(), None, reduction).unwrap();
        assert!((value - expected).abs() <= 1e-6 * expected, "{name} in f32: {value}");
        let worst = worst_difference(gradient.cast().as_slice(), file.values(&format!("{name}.grad")));
        assert!(worst <= 1e-6, "{name} in f32: gradient off by {worst}");
    }
}

#[test]
fn weights_of_elements_are_those_of_torch() {
    let file = parity_file("metrics.safetensors");
    let (prediction, target) = (file.tensor("loss.pred"), file.tensor("loss.binary_target"));
    let weight = file.tensor("loss.weight");
    let (value, gradient) = BCE.reduced(prediction, target, Some(weight), Reduction::Mean).unwrap();
    let expected = file.number("loss.bce_with_logits_weight");
    assert!((value - expected).abs() <= 1e-12, "{value} instead of {expected}");
    let worst = worst_difference(gradient.as_slice(), file.values("loss.bce_with_logits_weight.grad"));
    assert!(worst <= 1e-12, "gradient off by {worst}");
    let by_reference =
        reference(&BCE, Reduction::Mean, prediction.as_slice(), target.as_slice(), weight.as_slice());
    assert!((by_reference - expected).abs() <= 1e-12);
    let error = BCE.reduced(prediction, target, Some(&Tensor::zeros(&[3])), Reduction::Mean);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the weight's [3] is needed"), "{error}");
}

/// Where the square becomes a line, both have the same value and slope.
#[test]
fn squares_go_over_into_lines() {
    let (huber, smooth) = (Loss::Huber { delta: 0.5 }, Loss::SmoothL1 { beta: 0.25 });
    for (loss, bend, slope) in [(huber, 0.5, 0.5), (smooth, 0.25, 1.0)] {
        let at = |x: f64| {
            let (value, gradient) = loss.value_and_gradient(&tensor(&[x]), &tensor(&[0.0])).unwrap();
            (value, gradient.as_slice()[0])
        };
        let (below, above) = (at(bend * (1.0 - 1e-12)), at(bend));
        assert!((below.0 - above.0).abs() < 1e-11 && (below.1 - above.1).abs() < 1e-11, "{loss:?}");
        assert_eq!((at(10.0).1, at(-10.0).1, at(0.0)), (slope, -slope, (0.0, 0.0)), "{loss:?}");
    }
    let l1 = Loss::SmoothL1 { beta: 0.0 };
    assert_eq!(l1.value(&tensor(&[0.5, -2.0]), &tensor(&[0.5, 0.0])).unwrap(), 1.0);
}

#[test]
fn constants_out_of_range_are_named() {
    for (constant, loss) in [
        ("delta", Loss::Huber { delta: 0.0 }),
        ("beta", Loss::SmoothL1 { beta: -0.1 }),
        ("pos_weight", Loss::BceWithLogits { pos_weight: f64::INFINITY }),
        ("alpha", Loss::GradientDifference { alpha: 0.5 }),
        ("spread.alpha", Loss::Crps { spread: Spread::AlmostFair { alpha: 0.0 } }),
        ("rain.weights", Loss::BalancedMae { rain: RainWeights { weights: vec![], ..Default::default() } }),
    ] {
        let frame = Tensor::<f64>::zeros(&[1, 1, 1, 2, 2]);
        let error = loss.value(&frame, &frame).unwrap_err().to_string();
        let expected = format!("`training.loss`: {}: {constant}", loss.name());
        assert!(error.contains(&expected), "{error}");
    }
}

/// Losses of whole frames take frames, and are neither weighted by element nor summed.
#[test]
fn losses_of_frames_are_those_of_an_objective_of_one_loss() {
    let [x, y] = [0.7, 0.3].map(|f| Tensor::<f64>::from_fn(&[1, 2, 1, 13, 14], |i| (i as f64 * f).sin()));
    for loss in Loss::all().into_iter().skip(7) {
        let (value, gradient) = loss.value_and_gradient(&x, &y).unwrap();
        let (forecast, truth) =
            (PredictedFrames { output: &x, logits: &x }, Truth { frames: &y, valid: None });
        let objective = Objective::from(loss.clone());
        let counts = objective.counts(&truth).unwrap();
        let expected = objective.value_and_gradient(&forecast, &truth, &counts).unwrap();
        assert_eq!((value, PredictionGradient::Output(gradient)), expected, "{loss:?}");
        assert_eq!(loss.value(&x, &y).unwrap(), value);
        assert!(loss.value(&tensor(&[1.0]), &tensor(&[1.0])).is_err(), "{loss:?} takes no list");
        let error = loss.reduced(&x, &y, None, Reduction::Sum).unwrap_err().to_string();
        assert!(error.contains(loss.name()), "{error}");
    }
}

#[test]
fn extreme_logits_are_those_of_torch() {
    let file = parity_file("metrics.safetensors");
    let (logits, targets) = (file.values("loss.extreme_logits"), file.values("loss.extreme_targets"));
    let (values, gradients) = (file.values("loss.extreme_bce"), file.values("loss.extreme_bce.grad"));
    assert!(logits.iter().any(|x| x.abs() > 700.0), "a logit whose exponential overflows");
    for i in 0..logits.len() {
        let (x, y) = (tensor(&logits[i..=i]), tensor(&targets[i..=i]));
        let (value, gradient) = BCE.value_and_gradient(&x, &y).unwrap();
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
    for loss in losses_of_elements() {
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
fn thread_counts_do_not_change_a_bit() {
    let prediction = Tensor::<f32>::from_fn(&[5, 3, 1, 61, 67], |i| (i as f32 * 0.37).sin() * 4.0);
    let target = Tensor::<f32>::from_fn(prediction.shape(), |i| (i % 3) as f32 * 0.5);
    for loss in losses_of_elements() {
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
        let distance = (x[index] - y[index]).abs();
        prop_assume!(distance > 1e-3 && (distance - 1.0).abs() > 1e-3);
        for loss in losses_of_elements() {
            let (_, gradient) = loss.value_and_gradient(&tensor(&x), &tensor(&y)).unwrap();
            let at = |offset: f64| {
                let mut x = x.clone();
                x[index] += offset;
                reference(&loss, Reduction::Mean, &x, &y, &[])
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
        for loss in losses_of_elements() {
            let value = loss.value(&tensor(&x), &tensor(&y)).unwrap();
            let expected = reference(&loss, Reduction::Mean, &x, &y, &[]);
            prop_assert!((value - expected).abs() <= 1e-13 * expected.abs().max(1.0));
        }
    }
}

/// Frames with the elements of one flat prediction.
fn frames(shape: [usize; 5], f: impl FnMut(usize) -> f64) -> Tensor<f64> {
    Tensor::from_fn(&shape, f)
}

/// All losses, with a window that small frames hold.
fn all_losses() -> Vec<Loss> {
    let small = |loss| match loss {
        Loss::Ssim { .. } => Loss::Ssim { window: SsimWindow::Uniform },
        loss => loss,
    };
    Loss::all().into_iter().map(small).collect()
}

#[test]
fn an_objective_of_one_loss_is_that_loss() {
    let (x, y) = (frames([2, 2, 1, 3, 4], |i| (i as f64).sin()), frames([2, 2, 1, 3, 4], |i| (i % 2) as f64));
    let (forecast, truth) = (PredictedFrames { output: &x, logits: &x }, Truth { frames: &y, valid: None });
    for loss in losses_of_elements() {
        let objective = Objective::from(loss.clone());
        let counts = objective.counts(&truth).unwrap();
        let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts).unwrap();
        let (expected, slopes) = loss.value_and_gradient(&x, &y).unwrap();
        assert!((value - expected).abs() < 1e-14, "{loss:?}: {value} instead of {expected}");
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        assert!(worst_difference(gradient.as_slice(), slopes.as_slice()) < 1e-15, "{loss:?}");
    }
}

/// With the pixels of HKO-7: Shi et al. 2017, equations of B-MSE and B-MAE.
#[test]
fn balanced_losses_weigh_by_the_true_rate() {
    let rates = [0.0, 1.9, 2.0, 7.0, 10.0, 29.0, 30.0, 100.0];
    let weights = [1.0, 1.0, 2.0, 5.0, 10.0, 10.0, 30.0, 30.0];
    let y = frames([1, 1, 1, 2, 4], |i| rates[i]);
    let x = frames([1, 1, 1, 2, 4], |i| rates[i] + if i % 2 == 0 { 0.5 } else { -2.0 });
    let (forecast, truth) = (PredictedFrames { output: &x, logits: &x }, Truth { frames: &y, valid: None });
    let square: f64 = weights.iter().enumerate().map(|(i, w)| w * if i % 2 == 0 { 0.25 } else { 4.0 }).sum();
    let absolute: f64 = weights.iter().enumerate().map(|(i, w)| w * if i % 2 == 0 { 0.5 } else { 2.0 }).sum();
    let rain = RainWeights::default;
    let value = |loss: Loss| Objective::from(loss).value(&forecast, &truth).unwrap();
    assert!((value(Loss::BalancedMse { rain: rain() }) - square / 8.0).abs() < 1e-13);
    assert!((value(Loss::BalancedMae { rain: rain() }) - absolute / 8.0).abs() < 1e-13);
}

#[test]
fn the_similarity_of_a_loss_is_that_of_the_metric() {
    let x = frames([1, 2, 1, 13, 15], |i| 0.5 + 0.5 * (i as f64 * 0.7).sin());
    let y = frames([1, 2, 1, 13, 15], |i| 0.5 + 0.5 * (i as f64 * 0.3).cos());
    let plane = |tensor: &Tensor<f64>, n: usize| {
        Tensor::from_vec(&[13, 15], tensor.as_slice()[n * 195..][..195].to_vec()).unwrap()
    };
    for window in [SsimWindow::Gaussian, SsimWindow::Uniform] {
        let objective = Objective::from(Loss::Ssim { window });
        let value = objective
            .value(&PredictedFrames { output: &x, logits: &x }, &Truth { frames: &y, valid: None })
            .unwrap();
        let mean: f64 =
            [0, 1].map(|n| window.ssim(&plane(&x, n), &plane(&y, n)).unwrap()).iter().sum::<f64>() / 2.0;
        assert!((value - (1.0 - mean)).abs() < 1e-13, "{window:?}: {value} instead of {}", 1.0 - mean);
    }
}

/// What is in unknown pixels reaches nothing, and micro-batches add up to the whole.
#[test]
fn unknown_pixels_count_nothing_and_pieces_add_up() {
    let shape = [2, 2, 1, 9, 9];
    let valid = frames(shape, |i| if i % 81 > 74 || (i < 162 && i % 9 == 0) { 0.0 } else { 1.0 });
    let hidden = |value: f64, seed: f64| {
        let known = &valid;
        move |i: usize| if known.as_slice()[i] == 0.0 { value } else { (i as f64 * seed).sin() }
    };
    let sample = |tensor: &Tensor<f64>, n: usize| {
        let values = (0..2).flat_map(|t| tensor.slice(t)[n * 81..][..81].to_vec()).collect();
        Tensor::from_vec(&[2, 1, 1, 9, 9], values).unwrap()
    };
    for loss in all_losses() {
        let objective = Objective { lead_weights: LeadWeights::Linear, ..loss.clone().into() };
        let run = |x: &Tensor<f64>, y: &Tensor<f64>, valid: &Tensor<f64>, counts: Option<&PartCounts>| {
            let truth = Truth { frames: y, valid: Some(valid) };
            let own = objective.counts(&truth).unwrap();
            let forecast = PredictedFrames { output: x, logits: x };
            objective.value_and_gradient(&forecast, &truth, counts.unwrap_or(&own)).unwrap()
        };
        let (x, y) = (frames(shape, hidden(f64::NAN, 0.7)), frames(shape, hidden(f64::NAN, 0.3)));
        let (other_x, other_y) = (frames(shape, hidden(9.0, 0.7)), frames(shape, hidden(-5.0, 0.3)));
        let whole = run(&x, &y, &valid, None);
        assert_eq!(whole, run(&other_x, &other_y, &valid, None), "{loss:?}");
        assert!(whole.0.is_finite() && whole.0 != 0.0, "{loss:?}: {}", whole.0);

        let counts = objective.counts(&Truth { frames: &y, valid: Some(&valid) }).unwrap();
        let sum: f64 = [0, 1]
            .map(|n| run(&sample(&x, n), &sample(&y, n), &sample(&valid, n), Some(&counts)).0)
            .iter()
            .sum();
        assert!((sum - whole.0).abs() < 1e-13, "{loss:?}: {sum} instead of {}", whole.0);

        let (value, gradient) = run(&x, &y, &Tensor::zeros(&shape), None);
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        assert!(value == 0.0 && gradient.as_slice().iter().all(|slope| *slope == 0.0), "{loss:?}");
    }
}

/// The factor of a mean, of a lead time and of a weight is in the gradient as it is in the value.
#[test]
fn an_objective_has_the_slopes_of_its_value() {
    let shape = [2, 1, 1, 9, 9];
    let x = frames(shape, |i| 0.5 + 0.4 * (i as f64 * 0.71).sin());
    let y = frames(shape, |i| 0.5 + 0.4 * (i as f64 * 0.33).cos());
    let truth = Truth { frames: &y, valid: None };
    let value = |objective: &Objective, x: &Tensor<f64>| {
        objective.value(&PredictedFrames { output: x, logits: x }, &truth).unwrap()
    };
    for loss in all_losses() {
        let objective = Objective { lead_weights: LeadWeights::Linear, ..loss.clone().into() };
        let counts = objective.counts(&truth).unwrap();
        let forecast = PredictedFrames { output: &x, logits: &x };
        let (_, gradient) = objective.value_and_gradient(&forecast, &truth, &counts).unwrap();
        let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
        let largest = gradient.as_slice().iter().fold(0.0f64, |largest, slope| largest.max(slope.abs()));
        assert!(largest > 0.0, "{loss:?}");
        for i in (0..x.len()).step_by(5) {
            let moved = |by: f64| {
                let mut moved = x.clone();
                moved.as_mut_slice()[i] += by;
                value(&objective, &moved)
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let off = (slope - gradient.as_slice()[i]).abs();
            assert!(
                off < 1e-6 * largest,
                "{loss:?} at {i}: {slope} where {} is given",
                gradient.as_slice()[i]
            );
        }
    }
}

#[test]
fn thread_counts_do_not_change_a_bit_of_an_objective() {
    let x = Tensor::<f32>::from_fn(&[2, 3, 1, 61, 67], |i| (i as f32 * 0.37).sin());
    let y = Tensor::<f32>::from_fn(x.shape(), |i| (i % 3) as f32 * 0.5);
    for loss in all_losses() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (forecast, truth) =
                (PredictedFrames { output: &x, logits: &x }, Truth { frames: &y, valid: None });
            let objective = Objective::from(loss.clone());
            pool.install(|| {
                let counts = objective.counts(&truth).unwrap();
                objective.value_and_gradient(&forecast, &truth, &counts).unwrap()
            })
        };
        let (value, gradient) = run(1);
        for threads in [2, 7] {
            let (other, slopes) = run(threads);
            assert!(
                value.to_bits() == other.to_bits() && gradient == slopes,
                "{loss:?} on {threads} threads"
            );
        }
    }
}

#[test]
fn objectives_that_cannot_work_are_refused() {
    let frames = Tensor::<f32>::zeros(&[2, 1, 1, 2, 2]);
    let truth = Truth { frames: &frames, valid: None };
    let forecast = PredictedFrames { output: &frames, logits: &frames };
    for (objective, words) in [
        (Objective::from(LossTerms(vec![])), "`training.loss`"),
        (Objective { lead_weights: LeadWeights::List(vec![1.0]), ..Loss::Mse.into() }, "2 frames"),
        (Loss::BalancedMse { rain: RainWeights { weights: vec![], ..Default::default() } }.into(), "rain"),
    ] {
        let error = objective.value(&forecast, &truth).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let flat = Tensor::<f32>::zeros(&[8]);
    let truth = Truth { frames: &flat, valid: None };
    let error = Objective::from(Loss::Mse).value(&PredictedFrames { output: &flat, logits: &flat }, &truth);
    assert!(error.unwrap_err().to_string().contains("[T, N, C, H, W]"));
    let valid = Tensor::zeros(&[1]);
    let truth = Truth { frames: &frames, valid: Some(&valid) };
    assert!(Objective::from(Loss::Mse).value(&forecast, &truth).unwrap_err().to_string().contains("mask"));
}

/// Members of two samples of two channels, some of whose true pixels are unknown.
fn ensemble(members: usize) -> [Tensor<f64>; 3] {
    let truth = frames([2, 2, 2, 5, 6], |i| (i as f64 * 0.3).sin());
    let valid = frames([2, 2, 2, 5, 6], |i| if i % 7 == 3 { 0.0 } else { 1.0 });
    let predicted = Tensor::from_fn(&[2, 2, 2 * members, 5, 6], |i| (i as f64 * 0.7).cos());
    [predicted, truth, valid]
}

#[test]
fn the_score_of_an_ensemble_is_that_of_its_members_and_other_losses_are_of_their_mean() {
    let [predicted, truth, valid] = ensemble(3);
    let mean = convgru_model::mean_of_members(predicted.clone(), 3).unwrap();
    let truth = Truth { frames: &truth, valid: Some(&valid) };
    let run = |objective: &Objective, output: &Tensor<f64>| {
        let counts = objective.counts(&truth).unwrap();
        let forecast = PredictedFrames { output, logits: output };
        let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts).unwrap();
        assert_eq!(objective.value(&forecast, &truth).unwrap(), value);
        let PredictionGradient::Output(gradient) = gradient else { panic!("no loss is of logits") };
        assert_eq!(gradient.shape(), output.shape());
        (value, gradient)
    };
    for spread in [Spread::Ensemble, Spread::Fair, Spread::AlmostFair { alpha: 0.7 }] {
        let (value, gradient) = run(&Loss::Crps { spread }.into(), &predicted);
        let mut slopes = Tensor::zeros(predicted.shape());
        let count = truth.valid.unwrap().as_slice().iter().sum::<f64>();
        let elements = reduce::Elements {
            x: predicted.as_slice(),
            y: truth.frames.as_slice(),
            weight: truth.valid.unwrap().as_slice(),
        };
        let score = EnsembleScore { members: 3, spread };
        let expected = score.sum(elements, 2 * 30, Some((slopes.as_mut_slice(), 1.0 / count))) / count;
        assert!((value - expected).abs() < 1e-14);
        for (a, b) in gradient.as_slice().iter().zip(slopes.as_slice()) {
            assert!((a - b).abs() < 1e-16);
        }
    }
    let balanced = Loss::BalancedMae { rain: RainWeights::default() };
    for loss in [Loss::Mse, Loss::GradientDifference { alpha: 1.0 }, balanced] {
        let (value, gradient) = run(&loss.clone().into(), &predicted);
        let (expected, slopes) = run(&loss.clone().into(), &mean);
        assert_eq!(value, expected, "{loss:?}");
        for (i, slope) in gradient.as_slice().iter().enumerate() {
            let of_mean = slopes.as_slice()[i / (6 * 30) * 60 + i % 60];
            assert!((slope - of_mean / 3.0).abs() < 1e-16, "{loss:?}");
        }
    }
    let crps = Objective::from(Loss::Crps { spread: Spread::Ensemble });
    // Of one forecast it is the absolute error.
    assert_eq!(run(&crps, &mean), run(&Loss::L1.into(), &mean));
    let error =
        Objective::from(BCE).value(&PredictedFrames { output: &predicted, logits: &predicted }, &truth);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("3 members") && error.contains("training.loss"), "{error}");
    let odd = Tensor::zeros(&[2, 2, 5, 5, 6]);
    let error = crps.value(&PredictedFrames { output: &odd, logits: &odd }, &truth).unwrap_err();
    assert!(error.to_string().contains("[2, 2, 5, 5, 6]"), "{error}");
}

/// Sums of losses whose terms differ in what they look at: elements, neighbours, windows, logits, members.
fn sums_of_losses() -> Vec<LossTerms> {
    let of = |terms: &[(Loss, f64)]| {
        let term = |(loss, weight): &(Loss, f64)| LossTerm { loss: loss.clone(), weight: *weight };
        LossTerms(terms.iter().map(term).collect())
    };
    let steepness = Loss::GradientDifference { alpha: 1.5 };
    let ssim = Loss::Ssim { window: SsimWindow::Uniform };
    let crps = Loss::Crps { spread: Spread::Fair };
    let rain = RainWeights { thresholds: vec![0.2, 0.6], weights: vec![0.5, 1.0, 4.0] };
    vec![
        of(&[(Loss::Mse, 0.7), (steepness, 0.4)]),
        of(&[(ssim.clone(), 1.5), (crps.clone(), 0.3)]),
        of(&[(crps, 2.0), (Loss::BalancedMae { rain }, 0.2)]),
        of(&[(Loss::Crps { spread: Spread::AlmostFair { alpha: 0.4 } }, 0.8), (Loss::TemporalPenalty, 0.3)]),
        of(&[(Loss::TemporalPenalty, 0.6), (Loss::Mse, 1.2), (Loss::BceWithLogits { pos_weight: 0.5 }, 0.3)]),
        of(&[(Loss::BceWithLogits { pos_weight: 2.5 }, 1.0), (ssim, 0.5), (Loss::L1, 0.2)]),
    ]
}

/// Several samples, channels and lead times, one of which counts nothing; pixels near edges are unknown, and all of one plane.
#[test]
fn sums_of_losses_over_partly_known_frames_are_their_definition() {
    let shape = [3, 2, 2, 9, 11];
    let area = 9 * 11;
    let unknown = |i: usize| i / area == 9 || [0, 10, 88, 93].contains(&(i % area)) && i / area % 3 != 1;
    let valid = frames(shape, |i| if unknown(i) { 0.0 } else { 1.0 });
    let truth = frames(shape, |i| if unknown(i) { f64::NAN } else { 0.5 + 0.5 * (i as f64 * 0.73).sin() });
    // What the definition reads has no numbers that are none.
    let known = frames(shape, |i| if unknown(i) { 0.0 } else { truth.as_slice()[i] });
    let lead_weights = LeadWeights::List(vec![0.5, 0.0, 2.0]);
    let bounds = Clamp::Range { low: -1.1, high: 1.4 };
    for members in [1, 3] {
        let logits = Tensor::from_fn(&[3, 2, 2 * members, 9, 11], |i| 2.0 * (i as f64 * 0.41).cos());
        for (terms, clamp) in
            sums_of_losses().into_iter().flat_map(|terms| [(terms.clone(), Clamp::None), (terms, bounds)])
        {
            if terms.on_logits() && (members > 1 || clamp != Clamp::None) {
                continue;
            }
            let output = |logits: &Tensor<f64>| match terms.on_logits() {
                true => Tensor::from_fn(logits.shape(), |i| 1.0 / (1.0 + (-logits.as_slice()[i]).exp())),
                false => logits.clone(),
            };
            let objective = Objective { terms: terms.clone(), lead_weights: lead_weights.clone(), clamp };
            let by_definition = |logits: &Tensor<f64>| {
                let prediction = [output(logits), logits.clone()];
                let [output, logits] = [0, 1].map(|of| prediction[of].as_slice());
                objective_reference(&objective, [output, logits], [known.as_slice(), valid.as_slice()], shape)
            };
            let truth = Truth { frames: &truth, valid: Some(&valid) };
            let forecast = PredictedFrames { output: &output(&logits), logits: &logits };
            let counts = objective.counts(&truth).unwrap();
            let (value, gradient) = objective.value_and_gradient(&forecast, &truth, &counts).unwrap();
            let expected = by_definition(&logits);
            assert!((value - expected).abs() < 1e-12, "{terms}: {value} instead of {expected}");
            let (PredictionGradient::Output(gradient) | PredictionGradient::Logits(gradient)) = gradient;
            for i in (0..logits.len()).step_by(29) {
                let at = |by: f64| {
                    let mut moved = logits.clone();
                    moved.as_mut_slice()[i] += by;
                    by_definition(&moved)
                };
                let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                let given = gradient.as_slice()[i];
                assert!((slope - given).abs() < 1e-8, "{terms} at {i}: {slope} where {given} is given");
            }
        }
    }
}

/// A lead time of weight zero is not looked at.
#[test]
fn frames_that_count_nothing_may_hold_anything() {
    let objective = Objective { lead_weights: LeadWeights::List(vec![0.0, 1.0]), ..Loss::Mse.into() };
    let x = frames([2, 1, 1, 1, 2], |i| if i < 2 { f64::NAN } else { 3.0 });
    let y = frames([2, 1, 1, 1, 2], |_| 1.0);
    let (forecast, truth) = (PredictedFrames { output: &x, logits: &x }, Truth { frames: &y, valid: None });
    assert_eq!(objective.value(&forecast, &truth).unwrap(), 4.0);
}

/// Where the truth or another member is met, or two frames are equally steep, the derivative is zero.
#[test]
fn kinks_have_no_slope() {
    let of = |loss: Loss, x: &[f64], y: &[f64]| {
        let x = Tensor::from_vec(&[1, 1, x.len() / y.len(), 1, y.len()], x.to_vec()).unwrap();
        let y = Tensor::from_vec(&[1, 1, 1, 1, y.len()], y.to_vec()).unwrap();
        let (value, gradient) = loss.value_and_gradient(&x, &y).unwrap();
        (value, gradient.as_slice().to_vec())
    };
    let steepness = || Loss::GradientDifference { alpha: 1.0 };
    assert_eq!(of(steepness(), &[0.0, 1.0], &[5.0, 6.0]), (0.0, vec![0.0, 0.0]));
    assert_eq!(of(steepness(), &[1.0, 1.0], &[0.0, 2.0]), (2.0, vec![0.0, 0.0]));
    assert_eq!(of(steepness(), &[0.0, 1.0], &[0.0, 3.0]), (2.0, vec![1.0, -1.0]));
    for spread in [Spread::Ensemble, Spread::Fair, Spread::ALMOST_FAIR] {
        let crps = || Loss::Crps { spread };
        assert_eq!(of(crps(), &[2.0, 2.0], &[2.0]), (0.0, vec![0.0, 0.0]));
        assert_eq!(of(crps(), &[3.0, 3.0], &[2.0]), (1.0, vec![0.5, 0.5]));
        // One member has no spread.
        assert_eq!(of(crps(), &[5.0, 1.0], &[2.0, 2.0]), (2.0, vec![0.5, -0.5]));
    }
}

/// Elements are summed in chunks.
#[test]
fn many_elements_have_the_losses_and_slopes_of_few() {
    let [x, y, weight] =
        [0.7, 0.3, 0.9].map(|pace| (0..9001).map(|i| (i as f64 * pace).sin()).collect::<Vec<f64>>());
    for loss in losses_of_elements() {
        let of = |x: &[f64], y: &[f64], weight: &[f64]| {
            loss.reduced(&tensor(x), &tensor(y), Some(&tensor(weight)), Reduction::Sum).unwrap()
        };
        let (value, gradient) = of(&x, &y, &weight);
        let parts: Vec<_> = (0..9001)
            .step_by(1000)
            .map(|start| {
                let range = start..x.len().min(start + 1000);
                of(&x[range.clone()], &y[range.clone()], &weight[range])
            })
            .collect();
        let sum: f64 = parts.iter().map(|(value, _)| value).sum();
        assert!((value - sum).abs() < 1e-9, "{loss:?}: {value} instead of {sum}");
        let slopes: Vec<f64> = parts.iter().flat_map(|(_, gradient)| gradient.as_slice().to_vec()).collect();
        assert_eq!(gradient.as_slice(), slopes, "{loss:?}");
        let alone = loss.value(&tensor(&x), &tensor(&y)).unwrap();
        let expected = reference(&loss, Reduction::Mean, &x, &y, &[]);
        assert!((alone - expected).abs() < 1e-12, "{loss:?}: {alone} instead of {expected}");
    }
}

#[test]
fn constants_at_the_ends_of_their_ranges_are_taken_and_those_beyond_refused() {
    let rain = |thresholds: &[f64], weights: &[f64]| Loss::BalancedMse {
        rain: RainWeights { thresholds: thresholds.to_vec(), weights: weights.to_vec() },
    };
    for loss in [
        Loss::Huber { delta: f64::MIN_POSITIVE },
        Loss::SmoothL1 { beta: 0.0 },
        Loss::GradientDifference { alpha: 1.0 },
        Loss::Crps { spread: Spread::AlmostFair { alpha: 1.0 } },
        Loss::Crps { spread: Spread::AlmostFair { alpha: f64::MIN_POSITIVE } },
        rain(&[], &[1.0]),
        rain(&[1.0], &[0.0, 1.0]),
    ] {
        loss.validate().unwrap();
    }
    let not_numbers = [f64::NAN, f64::INFINITY];
    let beyond = not_numbers.into_iter().flat_map(|it| {
        let constants = [
            Loss::Huber { delta: it },
            Loss::SmoothL1 { beta: it },
            Loss::BceWithLogits { pos_weight: it },
            Loss::GradientDifference { alpha: it },
            Loss::Crps { spread: Spread::AlmostFair { alpha: it } },
        ];
        constants.into_iter().chain([rain(&[it], &[1.0, 2.0]), rain(&[1.0], &[1.0, it])])
    });
    for loss in beyond.chain([rain(&[], &[]), rain(&[1.0], &[1.0])]) {
        loss.validate().expect_err(&format!("{loss:?}"));
    }
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let objective = Objective::from(LossTerms(vec![LossTerm { loss: Loss::Mse, weight }]));
        let error = objective.validate().unwrap_err().to_string();
        assert!(error.contains("the weight") && error.contains("mse"), "{error}");
    }
}

#[test]
fn a_truth_without_channels_or_known_pixels_is_said_to_be_one() {
    let none = Tensor::<f64>::zeros(&[1, 1, 0, 2, 2]);
    let error = Loss::Crps { spread: Spread::Fair }.value(&none, &none).unwrap_err().to_string();
    assert!(error.contains("no elements"), "{error}");
    let (forecast, truth) =
        (PredictedFrames { output: &none, logits: &none }, Truth { frames: &none, valid: None });
    let error = Objective::from(Loss::Mse).value(&forecast, &truth).unwrap_err().to_string();
    assert!(error.contains("no elements"), "{error}");
    let frame = Tensor::<f64>::zeros(&[1, 1, 2, 2, 2]);
    let odd = Tensor::<f64>::zeros(&[1, 1, 5, 2, 2]);
    let error = Loss::Crps { spread: Spread::Fair }.value(&odd, &frame).unwrap_err().to_string();
    assert!(error.contains("the target's [1, 1, 2, 2, 2]"), "{error}");
    let objective = Objective::from(Loss::Mse);
    let counts = |valid: f64| {
        let valid = Tensor::from_fn(frame.shape(), |_| valid);
        objective.counts(&Truth { frames: &frame, valid: Some(&valid) }).unwrap()
    };
    assert!(counts(0.0).is_empty());
    assert!(!counts(1.0).is_empty());
}
