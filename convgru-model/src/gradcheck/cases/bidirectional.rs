//! Two stacks that read a sequence from both ends.

use convgru_kernels::reference::Number;
use proptest::prelude::*;

use crate::config::{BidirectionalConvGruConfig, ConvGruConfig, KernelSize, KernelSizes, Merge, ResetGate};
use crate::error::Result;
use crate::fused::{BidirectionalConvGru, BidirectionalConvGruParameters};
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, Operation, Probed};
use crate::parameters::Parameters;
use crate::reference::{Array, CellParameters, NamedArrays, bidirectional, zero_states};
use crate::sequence::{OutputGradients, Outputs, Sequence, Workspace};
use crate::tensor::Tensor;

pub(super) fn cases() -> Vec<Case> {
    let case = Drawn {
        merge: Merge::Concatenate,
        given: true,
        lengths: true,
        reset: ResetGate::Before,
        outputs: Outputs::All,
    };
    let after = Drawn { reset: ResetGate::After, ..case };
    vec![
        case.of("bidirectional"),
        after.of("bidirectional, reset after"),
        Drawn { merge: Merge::Sum, ..case }.of("bidirectional, added up"),
        Drawn { lengths: false, ..case }.of("bidirectional, all steps"),
        Drawn { merge: Merge::Sum, given: false, ..after }.of("bidirectional from no states, added up"),
        Drawn { outputs: Outputs::Top, ..case }.of("bidirectional, top states"),
        Drawn { outputs: Outputs::None, given: false, ..after }.of("bidirectional, last states"),
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
    outputs: Outputs,
}

impl Drawn {
    fn of(self, name: &str) -> Case {
        let layers = prop::collection::vec((1usize..=2, draw::odd_kernel()), 1..=2);
        let drawn = (1usize..=2, layers, draw::image_size(), draw::batch(), draw::steps(), draw::seed());
        Case::new(name, drawn, move |(inputs, layers, [height, width], batch, steps, seed)| {
            let (hidden, kernels): (Vec<usize>, Vec<_>) =
                layers.iter().map(|(hidden, kernel)| (*hidden, KernelSize::Rectangle(*kernel))).unzip();
            let stack = ConvGruConfig {
                kernel_size: KernelSizes::PerLayer(kernels),
                reset: self.reset,
                ..ConvGruConfig::new(inputs, &hidden)
            };
            let config = BidirectionalConvGruConfig { stack, merge: self.merge };
            Probed::new(Bidirectional::new(self, config, [steps, batch, height, width], seed)?, seed ^ 1)
        })
    }
}

/// Two stacks with the tensors they are checked at: the input, the initial states if given, the parameters.
struct Bidirectional {
    drawn: Drawn,
    network: BidirectionalConvGru<f64>,
    inputs: Vec<(String, Tensor<f64>)>,
    lengths: Vec<usize>,
}

impl Bidirectional {
    fn new(
        drawn: Drawn,
        config: BidirectionalConvGruConfig,
        [steps, batch, height, width]: [usize; 4],
        seed: u64,
    ) -> Result<Self> {
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
        for (name, parameter) in network.parameters().to_named() {
            inputs.push((name, values.tensor(parameter.shape())));
        }
        let lengths = if drawn.lengths { values.lengths(batch, steps) } else { vec![steps; batch] };
        Ok(Self { drawn, network, inputs, lengths })
    }

    fn layers(&self) -> usize {
        self.network.config().stack.layers()
    }

    /// The number of inputs before the parameters.
    fn first_parameter(&self) -> usize {
        1 + if self.drawn.given { 2 * self.layers() } else { 0 }
    }

    fn parameters(&self, tensors: &[Tensor<f64>]) -> BidirectionalConvGruParameters<f64> {
        let mut parameters = self.network.parameters().clone();
        let mut given = tensors[self.first_parameter()..].iter();
        parameters.for_each_mut(&mut |_, parameter| {
            if let Some(tensor) = given.next() {
                parameter.clone_from(tensor);
            }
        });
        parameters
    }

    fn network(&self, inputs: &[Tensor<f64>]) -> Result<BidirectionalConvGru<f64>> {
        BidirectionalConvGru::from_parameters(self.network.config().clone(), self.parameters(inputs))
    }

    fn sequence<'a>(&'a self, inputs: &'a [Tensor<f64>]) -> Sequence<'a, f64> {
        Sequence {
            states: self.drawn.given.then(|| &inputs[1..self.first_parameter()]),
            lengths: self.drawn.lengths.then_some(&self.lengths),
            outputs: self.drawn.outputs,
            input_gradient: true,
            ..Sequence::from(&inputs[0])
        }
    }

    /// The layers whose outputs the loss depends on.
    fn first_output(&self) -> usize {
        match self.drawn.outputs {
            Outputs::All => 0,
            Outputs::Top => self.layers() - 1,
            Outputs::None => self.layers(),
        }
    }
}

impl Operation for Bidirectional {
    fn describe(&self) -> String {
        let hidden = &self.network.config().stack.hidden_channels;
        format!("x {:?}, hidden {hidden:?}, lengths {:?}", self.inputs[0].1.shape(), self.lengths)
    }

    fn inputs(&self) -> Vec<(String, Tensor<f64>)> {
        self.inputs.clone()
    }

    fn forward(&self, inputs: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
        let states = self.network(inputs)?.forward(self.sequence(inputs))?;
        Ok([states.outputs, states.last].concat())
    }

    fn add_gradients(
        &self,
        inputs: &[Tensor<f64>],
        d_outputs: &[Tensor<f64>],
        gradients: &mut [Tensor<f64>],
    ) -> Result<()> {
        let network = self.network(inputs)?;
        let mut workspace = Workspace::default();
        let outputs = network.forward_train(self.sequence(inputs), &mut workspace)?.outputs.len();
        let (outputs, last) = d_outputs.split_at(outputs);
        let d_states = OutputGradients {
            outputs: outputs.iter().map(Some).collect(),
            last: last.iter().map(Some).collect(),
        };
        let mut d_parameters = self.parameters(gradients);
        let back = network.backward(&mut workspace, &d_states, &mut d_parameters)?;
        let d_inputs = back.inputs.into_iter().chain(back.states);
        for (gradient, d_input) in gradients.iter_mut().zip(d_inputs) {
            gradient.add_assign(&d_input)?;
        }
        let first = self.first_parameter();
        for (gradient, (_, d_parameter)) in gradients[first..].iter_mut().zip(d_parameters.to_named()) {
            *gradient = d_parameter;
        }
        Ok(())
    }

    fn reference<N: Number>(&self, inputs: &[Array<N>]) -> Result<Vec<Array<N>>> {
        let (first, layers) = (self.first_parameter(), self.layers());
        let names = self.inputs[first..].iter().map(|(name, _)| name.clone());
        let named = NamedArrays::new(names.zip(inputs[first..].iter().cloned()).collect());
        let stack = |prefix: &str| -> Result<Vec<CellParameters<'_, N>>> {
            let mut stack = CellParameters::find_stack(&named, prefix, layers)?;
            stack.iter_mut().for_each(|layer| layer.reset = self.drawn.reset);
            Ok(stack)
        };
        let stacks = [stack("forward.")?, stack("backward.")?];
        let image = inputs[0].index(0)?.extent()?;
        let states = match self.drawn.given {
            true => [inputs[1..1 + layers].to_vec(), inputs[1 + layers..first].to_vec()],
            false => {
                stacks.each_ref().map(|stack| zero_states(stack, image.batch, [image.height, image.width]))
            }
        };
        let both = bidirectional(&stacks, &inputs[0], &states, &self.lengths, self.drawn.merge)?;
        let [forward, backward] = both.last;
        Ok([both.outputs[self.first_output()..].to_vec(), forward, backward].concat())
    }
}
