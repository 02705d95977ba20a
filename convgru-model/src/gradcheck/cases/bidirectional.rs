//! Two stacks that read a sequence from both ends.

use convgru_kernels::reference::Number;
use proptest::prelude::*;

use crate::config::{BidirectionalConvGruConfig, ConvGruConfig, KernelSizes, Merge, ResetGate};
use crate::error::Result;
use crate::fused::BidirectionalConvGru;
use crate::gradcheck::cases::sequences::{Definition, Run};
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, probed};
use crate::parameters::Parameters;
use crate::reference::{Array, CellParameters, NamedArrays, bidirectional, zero_states};
use crate::sequence::ReturnLayers;

pub(super) fn cases() -> Vec<Case> {
    let case = Drawn {
        merge: Merge::Concatenate,
        given: true,
        lengths: true,
        reset: ResetGate::Before,
        return_layers: ReturnLayers::All,
    };
    let after = Drawn { reset: ResetGate::After, ..case };
    vec![
        case.of("bidirectional"),
        after.of("bidirectional, reset after"),
        Drawn { merge: Merge::Sum, ..case }.of("bidirectional, added up"),
        Drawn { lengths: false, ..case }.of("bidirectional, all steps"),
        Drawn { merge: Merge::Sum, given: false, ..after }.of("bidirectional from no states, added up"),
        Drawn { return_layers: ReturnLayers::Top, ..case }.of("bidirectional, top states"),
        Drawn { return_layers: ReturnLayers::None, given: false, ..after }.of("bidirectional, last states"),
    ]
}

/// What a case fixes; shapes are drawn. The loss depends on the last states of both directions, and
/// on the outputs of some layers.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    merge: Merge,
    /// Whether initial states are given.
    given: bool,
    /// Whether samples are of different lengths.
    lengths: bool,
    reset: ResetGate,
    return_layers: ReturnLayers,
}

impl Drawn {
    fn of(self, name: &str) -> Case {
        let layers = prop::collection::vec((1usize..=2, draw::odd_kernel()), 1..=2);
        let drawn = (1usize..=2, layers, draw::image_size(), draw::batch(), draw::steps(), draw::seed());
        Case::new(name, drawn, move |(inputs, layers, [height, width], batch, steps, seed)| {
            let (hidden, kernels): (Vec<usize>, Vec<_>) = layers.iter().copied().unzip();
            let stack = ConvGruConfig {
                kernel_size: KernelSizes::PerLayer(kernels),
                reset: self.reset,
                ..ConvGruConfig::new(inputs, &hidden)
            };
            let config = BidirectionalConvGruConfig { stack, merge: self.merge };
            probed(Bidirectional::run(self, config, [steps, batch, height, width], seed)?, seed ^ 1)
        })
    }
}

/// Two stacks, and what of them reaches the loss.
struct Bidirectional(Drawn);

impl Bidirectional {
    fn run(
        drawn: Drawn,
        config: BidirectionalConvGruConfig,
        [steps, batch, height, width]: [usize; 4],
        seed: u64,
    ) -> Result<Run<Self>> {
        let network = BidirectionalConvGru::new(config, seed)?;
        let stack = &network.config().stack;
        let mut values = Values::new(seed);
        let mut inputs =
            vec![("x".to_owned(), values.tensor(&[steps, batch, stack.in_channels, height, width]))];
        for direction in ["forward", "backward"].into_iter().filter(|_| drawn.given) {
            for (layer, &hidden) in stack.hidden_channels.iter().enumerate() {
                let state = values.tensor(&[batch, hidden, height, width]);
                inputs.push((format!("{direction}.h.{layer}"), state));
            }
        }
        let counts = [1, inputs.len() - 1, 0];
        for (name, parameter) in network.parameters().to_named() {
            inputs.push((name, values.tensor(parameter.shape())));
        }
        let lengths = drawn.lengths.then(|| values.lengths(batch, steps));
        let return_layers = drawn.return_layers;
        Ok(Run {
            definition: Self(drawn),
            network,
            inputs,
            counts,
            lengths,
            return_layers,
            dropout_seed: None,
        })
    }
}

impl Definition for Bidirectional {
    type Network = BidirectionalConvGru<f64>;

    fn describe(&self, run: &Run<Self>) -> String {
        format!("hidden {:?}", run.network.config().stack.hidden_channels)
    }

    fn reference<N: Number>(
        &self,
        run: &Run<Self>,
        data: &[Array<N>],
        parameters: &NamedArrays<N>,
    ) -> Result<Vec<Array<N>>> {
        let layers = run.network.config().stack.layers();
        let stack = |prefix: &str| -> Result<Vec<CellParameters<'_, N>>> {
            let mut stack = CellParameters::find_stack(parameters, prefix, layers)?;
            stack.iter_mut().for_each(|layer| layer.reset = self.0.reset);
            Ok(stack)
        };
        let stacks = [stack("forward.")?, stack("backward.")?];
        let image = data[0].index(0)?.extent()?;
        let states = match run.states(data) {
            Some(states) => [states[..layers].to_vec(), states[layers..].to_vec()],
            None => {
                stacks.each_ref().map(|stack| zero_states(stack, image.batch, [image.height, image.width]))
            }
        };
        let all = vec![data[0].shape()[0]; image.batch];
        let lengths = run.lengths.as_ref().unwrap_or(&all);
        let both = bidirectional(&stacks, &data[0], &states, lengths, self.0.merge)?;
        // The layers whose outputs the loss depends on.
        let first = match self.0.return_layers {
            ReturnLayers::All => 0,
            ReturnLayers::Top => layers - 1,
            ReturnLayers::None => layers,
        };
        let [forward, backward] = both.last;
        Ok([both.outputs[first..].to_vec(), forward, backward].concat())
    }
}
