//! What a forward pass kept gives the same gradients as often as it is asked, whatever happened in between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, BidirectionalOutputGradients, ConvGru, ConvGruConfig,
    ConvGruOutputGradients, ConvGruParameters, ConvGruWorkspace, Directions, EncoderForecasterConfig, Error,
    Feedback, Forecaster, ForecasterConfig, InputGradient, MemoryBudget, Outputs, Parameters,
    PredictionGradient, PyramidConfig, ResetGate, Residual, Sequence, Tensor,
};

fn noise(shape: &[usize], seed: usize) -> Tensor<f64> {
    Tensor::from_fn(shape, |i| (((i + seed * 7919) * 2_654_435_761) % 2001) as f64 / 1000.0 - 1.0)
}

/// Gradients of parameters, of the input and of the first states.
type Back = (ConvGruParameters<f64>, Option<Tensor<f64>>, Option<Vec<Tensor<f64>>>);

fn backward(network: &ConvGru<f64>, kept: &mut ConvGruWorkspace<f64>, d: &[Tensor<f64>]) -> Back {
    let mut gradients = network.parameters().zeros_like();
    let d = ConvGruOutputGradients { outputs: d.iter().map(Some).collect(), last: vec![None; d.len()] };
    let back = network.backward(kept, &d, InputGradient::Compute, &mut gradients).unwrap();
    (gradients, back.d_input, back.d_initial)
}

#[test]
fn a_stack_goes_back_as_often_as_it_is_asked() {
    for reset in [ResetGate::Before, ResetGate::After] {
        for budget in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1)] {
            for (lengths, given) in [(None, true), (Some(&[5, 2][..]), false), (Some(&[0, 0][..]), true)] {
                let config = ConvGruConfig { reset, ..ConvGruConfig::new(2, &[3, 2]) };
                let mut network = ConvGru::<f64>::new(config, 1).unwrap();
                network.set_memory_budget(budget);
                let (input, states) =
                    (noise(&[5, 2, 2, 4, 5], 1), [noise(&[2, 3, 4, 5], 2), noise(&[2, 2, 4, 5], 3)]);
                let states = given.then_some(&states[..]);
                let mut kept = None;
                let sequence =
                    Sequence { lengths, states, outputs: Outputs::AllLayers, ..Sequence::new(&input) };
                let result = network.forward_train_sequence(sequence, &mut kept).unwrap();
                let kept = kept.as_mut().unwrap();
                let d: Vec<_> = result.outputs.iter().map(|y| noise(y.shape(), 4)).collect();
                let first = backward(&network, kept, &d);
                assert_eq!(backward(&network, kept, &d), first);
                // Gradients of states that end early, by an error and by a panic.
                for stop in 0..10 {
                    let mut gradients = network.parameters().zeros_like();
                    let mut entered = 0;
                    let mut enter = |panics: bool| {
                        entered += 1;
                        assert!(entered != stop || !panics, "asked to panic");
                        let error = || Error::Workspace { reason: "asked to".into() };
                        if entered == stop { Err(error()) } else { Ok(()) }
                    };
                    let result =
                        network.backward_with(kept, |_| enter(false), InputGradient::Compute, &mut gradients);
                    assert_eq!(result.is_err(), stop > 0);
                    let mut entered = 0;
                    let panics = catch_unwind(AssertUnwindSafe(|| {
                        let enter = |_: convgru_model::StateGradient<'_, f64>| {
                            entered += 1;
                            assert!(entered != stop, "asked to panic");
                            Ok(())
                        };
                        network.backward_with(kept, enter, InputGradient::Skip, &mut gradients).unwrap();
                    }));
                    assert_eq!(panics.is_err(), stop > 0);
                    assert_eq!(backward(&network, kept, &d), first, "{stop}");
                }
                // What is kept next time is not what was kept.
                network.set_memory_budget(match budget {
                    MemoryBudget::Unlimited => MemoryBudget::Bytes(1),
                    MemoryBudget::Bytes(_) => MemoryBudget::Unlimited,
                });
                assert_eq!(backward(&network, kept, &d), first);
            }
        }
    }
}

#[test]
fn memory_that_is_used_again_leaves_no_trace() {
    let network = ConvGru::<f64>::new(ConvGruConfig::new(2, &[3, 2]), 1).unwrap();
    let mut kept = None;
    let sequences = [
        ([5, 2, 2, 4, 5], None),
        ([5, 2, 2, 4, 5], Some([2, 4])),
        ([5, 2, 2, 4, 5], None),
        ([3, 2, 2, 4, 5], None),
    ];
    let states = [noise(&[2, 3, 4, 5], 2), noise(&[2, 2, 4, 5], 3)];
    for (index, (shape, lengths)) in sequences.iter().enumerate() {
        for states in [None, Some(&states[..])] {
            let input = noise(shape, index);
            let lengths = lengths.as_ref().map(|lengths| &lengths[..]);
            let sequence = Sequence { lengths, states, outputs: Outputs::AllLayers, ..Sequence::new(&input) };
            let mut fresh = None;
            let again = network.forward_train_sequence(sequence, &mut kept).unwrap();
            let afresh = network.forward_train_sequence(sequence, &mut fresh).unwrap();
            assert_eq!((&again.outputs, &again.last), (&afresh.outputs, &afresh.last));
            let d: Vec<_> = afresh.outputs.iter().map(|y| noise(y.shape(), 4)).collect();
            let one = backward(&network, kept.as_mut().unwrap(), &d);
            assert_eq!(one, backward(&network, fresh.as_mut().unwrap(), &d));
        }
    }
}

#[test]
fn both_directions_and_forecasters_go_back_as_often_as_they_are_asked() {
    let stack = ConvGruConfig::new(2, &[3, 2]);
    let mut network = BidirectionalConvGru::<f64>::new(BidirectionalConvGruConfig::new(stack), 1).unwrap();
    let input = noise(&[4, 2, 2, 4, 5], 1);
    let (result, mut kept) =
        network.forward_train(Sequence { lengths: Some(&[4, 1]), ..Sequence::new(&input) }).unwrap();
    let d = BidirectionalOutputGradients {
        outputs: vec![None, Some(&result.outputs[0])],
        last: Directions { forward: vec![None; 2], backward: vec![None; 2] },
    };
    let mut all = Vec::new();
    for budget in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1), MemoryBudget::Unlimited] {
        network.set_memory_budget(budget);
        let mut gradients = network.parameters().zeros_like();
        network.backward(&mut kept, &d, InputGradient::Compute, &mut gradients).unwrap();
        all.push(gradients);
    }
    assert_eq!((&all[0], &all[0]), (&all[1], &all[2]));

    let configs: [ForecasterConfig; 4] = [
        EncoderForecasterConfig { hidden_channels: vec![3], patch: 2, ..Default::default() }.into(),
        EncoderForecasterConfig {
            feedback: Feedback::Unconditioned,
            hidden_channels: vec![3],
            ..Default::default()
        }
        .into(),
        PyramidConfig::default().into(),
        PyramidConfig { residual: Residual::Motion, skip: true, ..Default::default() }.into(),
    ];
    for config in configs {
        let mut network = Forecaster::<f64>::new(config, 1).unwrap();
        for made_with in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1)] {
            network.set_memory_budget(made_with);
            let (prediction, mut kept) =
                network.forward_train(&noise(&[4, 1, 1, 16, 16], 1), 3, None).unwrap();
            let d = PredictionGradient::Output(&prediction.output);
            let mut all = Vec::new();
            for budget in [made_with, MemoryBudget::Bytes(1), MemoryBudget::Unlimited] {
                network.set_memory_budget(budget);
                let mut gradients = network.zero_gradients();
                network.backward(&mut kept, d, &mut gradients).unwrap();
                all.push(gradients);
            }
            assert_eq!(all[0], all[1]);
            assert_eq!(all[0], all[2]);
        }
    }
}
