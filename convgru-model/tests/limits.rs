//! Training steps that keep less, or whose gradients go less far back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroUsize;

mod fixtures;

use convgru_model::gradcheck::{self, Report};
use convgru_model::{
    EncoderForecasterConfig, Feedback, Forecaster, ForecasterParameters, MemoryBudget, Parameters,
    Prediction, PredictionGradient, Sequence, Tensor, Workspace,
};
use fixtures::noise;

fn network(feedback: Feedback) -> Forecaster<f32> {
    let config =
        EncoderForecasterConfig { patch: 2, hidden_channels: vec![5, 3], feedback, ..Default::default() };
    Forecaster::new(config, 3).unwrap()
}

/// A training step: what is predicted, and the gradients of frames and parameters.
fn step(
    network: &Forecaster<f32>,
    frames: &Tensor<f32>,
) -> (Prediction<f32>, Tensor<f32>, ForecasterParameters<f32>) {
    let mut workspace = Workspace::default();
    let sequence = Sequence { input_gradient: true, ..Sequence::from(frames) };
    let prediction = network.forward_train(sequence, 4, None, &mut workspace).unwrap();
    let mut gradients = network.parameters().zeros_like();
    let loss = PredictionGradient::Output(noise(prediction.output.shape(), 9));
    let mut back = network.backward(&mut workspace, loss, &mut gradients).unwrap();
    (prediction, back.inputs.remove(0), gradients)
}

fn same_bits(a: &Tensor<f32>, b: &Tensor<f32>) -> bool {
    a.shape() == b.shape() && a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[test]
fn a_truncation_changes_no_prediction_and_cuts_what_came_before() {
    for feedback in [Feedback::Predictions, Feedback::Unconditioned] {
        let (mut network, frames) = (network(feedback), noise(&[6, 2, 1, 12, 10], 1));
        let (whole, d_whole, gradients) = step(&network, &frames);
        for last in 1..=8 {
            network.set_truncation(NonZeroUsize::new(last));
            let (prediction, d_frames, cut) = step(&network, &frames);
            assert!(same_bits(&prediction.output, &whole.output), "{feedback:?}, last {last}");
            assert!(same_bits(&prediction.logits, &whole.logits), "{feedback:?}, last {last}");
            assert_eq!(cut == gradients, last >= 6, "{feedback:?}, last {last}");
            for t in 0..6 {
                let zero = d_frames.slice(t).iter().all(|slope| *slope == 0.0);
                assert_eq!(zero, t + last < 6, "{feedback:?}, last {last}, frame {t}");
            }
            if last >= 6 {
                assert!(same_bits(&d_frames, &d_whole), "{feedback:?}, last {last}");
            }
        }
    }
}

#[test]
fn a_memory_budget_changes_no_prediction_and_gradients_by_rounding_alone() {
    for feedback in [Feedback::Predictions, Feedback::Unconditioned] {
        // So large that a block of steps is shorter than the sequence.
        let (mut network, frames) = (network(feedback), noise(&[5, 1, 1, 400, 400], 2));
        let (whole, d_whole, gradients) = step(&network, &frames);
        network.set_memory_budget(MemoryBudget::Bytes(0));
        let (prediction, d_frames, less) = step(&network, &frames);
        assert!(same_bits(&prediction.output, &whole.output), "{feedback:?}");
        let near = |a: &Tensor<f32>, b: &Tensor<f32>, what: &str| {
            let scale = b.as_slice().iter().fold(1e-6f32, |scale, value| scale.max(value.abs()));
            let worst = a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-5 * scale, "{feedback:?}: {what} off by {worst} of {scale}");
        };
        near(&d_frames, &d_whole, "the gradient of the frames");
        for ((name, a), (_, b)) in less.to_named().into_iter().zip(gradients.to_named()) {
            near(&a, &b, &name);
        }
    }
}

/// Against dual numbers through a graph that is cut where the truncation cuts.
#[test]
fn a_truncation_has_the_gradients_of_the_cut_graph() {
    let cases: Vec<_> =
        gradcheck::cases().into_iter().filter(|case| case.name().contains("truncated")).collect();
    let rows = cases.iter().flat_map(|case| (0..10).map(|draw| case.run(6, draw))).collect();
    let report = Report::new(rows, cases.iter().all(|case| case.catches_broken_gradient(6)));
    assert!(report.passed() && cases.len() == 3, "{report}");
}
