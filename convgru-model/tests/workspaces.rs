//! What a forward pass kept gives the same gradients as often as it is asked, whatever happened in between.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};

mod fixtures;

use convgru_model::composed::{CellConfig, CellKind, Recurrent, RecurrentConfig};
use convgru_model::{
    BidirectionalConvGru, BidirectionalConvGruConfig, ConvGru, ConvGruConfig, ConvGruParameters,
    EncoderForecasterConfig, Error, Feedback, Forecaster, ForecasterConfig, InputGradients, MemoryBudget,
    MlcastConfig, OutputGradients, Parameters, PredictionGradient, PyramidConfig, RecurrentForecasterConfig,
    ResetGate, Residual, Sequence, StateGradient, Tensor, Workspace,
};
use fixtures::{everything, noise, of_outputs};

/// Gradients of parameters, and of what the network was given.
type Back = (ConvGruParameters<f64>, InputGradients<f64>);

fn backward(network: &ConvGru<f64>, kept: &mut Workspace<f64>, d: &[Tensor<f64>]) -> Back {
    let mut gradients = network.parameters().zeros_like();
    let back = network.backward(kept, &of_outputs(d), &mut gradients).unwrap();
    (gradients, back)
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
                let kept = &mut Workspace::default();
                let sequence = Sequence { lengths, states, ..everything(&input) };
                let result = network.forward_train(sequence, kept).unwrap();
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
                    let mut stopped = |_: StateGradient<'_, f64>| enter(false);
                    let result = network.backward(kept, &mut stopped, &mut gradients);
                    assert_eq!(result.is_err(), stop > 0);
                    let mut entered = 0;
                    let panics = catch_unwind(AssertUnwindSafe(|| {
                        let mut enter = |_: StateGradient<'_, f64>| {
                            entered += 1;
                            assert!(entered != stop, "asked to panic");
                            Ok(())
                        };
                        network.backward(kept, &mut enter, &mut gradients).unwrap();
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
    let mut kept = Workspace::default();
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
            let sequence = Sequence { lengths, states, ..everything(&input) };
            let mut fresh = Workspace::default();
            let again = network.forward_train(sequence, &mut kept).unwrap();
            let afresh = network.forward_train(sequence, &mut fresh).unwrap();
            assert_eq!(again, afresh);
            let d: Vec<_> = afresh.outputs.iter().map(|y| noise(y.shape(), 4)).collect();
            let one = backward(&network, &mut kept, &d);
            assert_eq!(one, backward(&network, &mut fresh, &d));
        }
    }
}

#[test]
fn both_directions_and_forecasters_go_back_as_often_as_they_are_asked() {
    let stack = ConvGruConfig::new(2, &[3, 2]);
    let mut network = BidirectionalConvGru::<f64>::new(BidirectionalConvGruConfig::new(stack), 1).unwrap();
    let input = noise(&[4, 2, 2, 4, 5], 1);
    let mut kept = Workspace::default();
    let sequence = Sequence { lengths: Some(&[4, 1]), input_gradient: true, ..Sequence::from(&input) };
    let result = network.forward_train(sequence, &mut kept).unwrap();
    let d = OutputGradients { outputs: vec![Some(&result.outputs[0])], ..Default::default() };
    let mut all = Vec::new();
    for budget in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1), MemoryBudget::Unlimited] {
        network.set_memory_budget(budget);
        let mut gradients = network.parameters().zeros_like();
        network.backward(&mut kept, &d, &mut gradients).unwrap();
        all.push(gradients);
    }
    assert_eq!((&all[0], &all[0]), (&all[1], &all[2]));

    let configs: [ForecasterConfig; 6] = [
        EncoderForecasterConfig { hidden_channels: vec![3], patch: 2, ..Default::default() }.into(),
        EncoderForecasterConfig {
            feedback: Feedback::Unconditioned,
            hidden_channels: vec![3],
            ..Default::default()
        }
        .into(),
        PyramidConfig::default().into(),
        PyramidConfig { residual: Residual::Motion, skip: true, ..Default::default() }.into(),
        MlcastConfig { blocks: 2, members: 2, ..Default::default() }.into(),
        RecurrentForecasterConfig::default().into(),
    ];
    for config in configs {
        let mut network = Forecaster::<f64>::new(config, 1).unwrap();
        for made_with in [MemoryBudget::Unlimited, MemoryBudget::Bytes(1)] {
            network.set_memory_budget(made_with);
            let mut kept = Workspace::default();
            let prediction =
                network.forward_train(&noise(&[4, 1, 1, 16, 16], 1), 3, None, &mut kept).unwrap();
            let d = PredictionGradient::Output(prediction.output.clone());
            let mut all = Vec::new();
            for budget in [made_with, MemoryBudget::Bytes(1), MemoryBudget::Unlimited] {
                network.set_memory_budget(budget);
                let mut gradients = network.parameters().zeros_like();
                network.backward(&mut kept, d.clone(), &mut gradients).unwrap();
                all.push(gradients);
            }
            assert_eq!(all[0], all[1]);
            assert_eq!(all[0], all[2]);
        }
    }
}

/// A workspace serves every network, one after the other; between them it is of the last that wrote it.
#[test]
fn networks_of_both_engines_and_forecasters_take_turns_with_a_workspace() {
    let stack = ConvGruConfig::new(2, &[3]);
    let fused = ConvGru::<f64>::new(stack.clone(), 1).unwrap();
    let both = BidirectionalConvGru::<f64>::new(BidirectionalConvGruConfig::new(stack), 1).unwrap();
    let lstm = CellConfig { kind: CellKind::Lstm, ..CellConfig::new(2, 3) };
    let composed = Recurrent::<f64>::new(RecurrentConfig::chain([lstm]), 1).unwrap();
    let forecaster = EncoderForecasterConfig { image_channels: 2, patch: 1, ..Default::default() };
    let forecaster = Forecaster::<f64>::new(forecaster, 1).unwrap();
    let input = noise(&[4, 2, 2, 4, 5], 1);
    let wrong = noise(&[4, 2, 3, 4, 5], 1);
    let mut kept = Workspace::default();
    let mut of_forecaster = forecaster.parameters().zeros_like();
    let mut of_fused = fused.parameters().zeros_like();
    let mut of_both = both.parameters().zeros_like();
    let mut of_composed = composed.parameters().zeros_like();
    let error = fused.backward(&mut kept, &OutputGradients::default(), &mut of_fused).unwrap_err();
    assert!(error.to_string().contains("it is empty"), "{error}");
    assert_eq!(kept.bytes(), 0);
    for _ in 0..2 {
        let states = fused.forward_train(&input, &mut kept).unwrap();
        // What does not fit leaves it as it is.
        both.forward_train(&wrong, &mut kept).unwrap_err();
        composed.forward_train(&wrong, &mut kept).unwrap_err();
        forecaster.forward_train(&wrong, 2, None, &mut kept).unwrap_err();
        let d = PredictionGradient::Output(noise(&[2, 2, 2, 4, 5], 2));
        forecaster.backward(&mut kept, d.clone(), &mut of_forecaster).unwrap_err();
        both.backward(&mut kept, &OutputGradients::default(), &mut of_both).unwrap_err();
        fused.backward(&mut kept, &of_outputs(&states.outputs), &mut of_fused).unwrap();
        forecaster.forward_train(&input, 2, None, &mut kept).unwrap();
        fused.backward(&mut kept, &OutputGradients::default(), &mut of_fused).unwrap_err();
        assert!(kept.bytes() > 2 * 2 * 2 * 4 * 5 * size_of::<f64>());
        forecaster.backward(&mut kept, d, &mut of_forecaster).unwrap();
        let d = both.forward_train(&input, &mut kept).unwrap();
        fused.backward(&mut kept, &OutputGradients::default(), &mut of_fused).unwrap_err();
        both.backward(&mut kept, &of_outputs(&d.outputs), &mut of_both).unwrap();
        let d = composed.forward_train(&input, &mut kept).unwrap();
        both.backward(&mut kept, &OutputGradients::default(), &mut of_both).unwrap_err();
        composed.backward(&mut kept, &of_outputs(&d.outputs), &mut of_composed).unwrap();
        assert!(kept.bytes() > 0);
    }
}
