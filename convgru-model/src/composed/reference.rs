//! A network by its definition, on any kind of number.

use std::rc::Rc;

use convgru_kernels::reference::Number;

use super::config::RecurrentConfig;
use super::forward::RunImages;
use super::network::Recurrent;
use super::run::{RunInput, Runner};
use super::sequence_shape::SequenceShape;
use crate::error::Result;
use crate::reference::{Array, Plain};
use crate::sequence::Sequence;

/// What a run of the reference gives.
pub(crate) struct ReferenceRun<N> {
    /// The tensors of an [`Output`](crate::Output) of all layers, in its order.
    pub(crate) results: Vec<Array<N>>,
    /// How far the nearest number is from a kink of the function it is put into.
    pub(crate) to_kink: f64,
}

/// Runs a network on arrays that take the places of the tensors of `sequence` (inputs, states, contexts) and
/// of the parameters.
pub(crate) fn reference<N: Number>(
    network: &Recurrent<f64>,
    sequence: Sequence<'_, f64>,
    given: &[Array<N>],
    parameters: Vec<Array<N>>,
) -> Result<ReferenceRun<N>> {
    let dims = SequenceShape::of(sequence, &network.config)?;
    let mut images = given.iter().map(|array| {
        let (shape, values) = dims.planes_of(array.shape(), array.as_slice());
        Rc::new(Array::from_fn(&shape, |i| values[i]))
    });
    let values = RunImages {
        inputs: images.by_ref().take(sequence.inputs.len()).collect(),
        states: sequence.states.map(|states| images.by_ref().take(states.len()).collect()),
        contexts: images.collect(),
    };
    let mut plain = Plain::new(parameters);
    let given = network.arrange(&mut plain, sequence, &dims, values, 0);
    let run = network.runner(&mut plain, dims.depth)?.run(&mut plain, &given)?;
    let public = |images: &Array<N>, leading: &[usize]| {
        let (shape, values) = dims.public_of(images.shape(), images.as_slice(), leading);
        Array::from_fn(&shape, |i| values[i])
    };
    let mut results = Vec::new();
    for steps in &run.outputs {
        let steps: Vec<Array<N>> = steps.iter().map(|step| public(step, &[dims.batch])).collect();
        results.push(Array::stack(&steps)?);
    }
    if !network.config.gives_state() {
        results.push(public(&run.top, &[dims.steps, dims.batch]));
    }
    results.extend(run.last.iter().flatten().map(|state| public(state, &[dims.batch])));
    Ok(ReferenceRun { results, to_kink: plain.to_kink() })
}

/// All states of each cell.
pub(crate) type ReferenceStates<N> = Vec<Vec<Rc<Array<N>>>>;

/// Runs a network of images frame by frame, from given states or from zeros on. The arguments of `next` are the number of steps so far, the output of the
/// topmost stage in the last step and the states after it; it returns the frame `[N, C, H, W]` that the next step reads, or none after the last.
/// Returns how far the nearest number is from a kink.
pub(crate) fn reference_steps<N: Number>(
    config: &RecurrentConfig,
    parameters: Vec<Array<N>>,
    start: Option<ReferenceStates<N>>,
    mut next: impl FnMut(usize, Option<(&Array<N>, &ReferenceStates<N>)>) -> Result<Option<Array<N>>>,
) -> Result<f64> {
    let (mut plain, specs) = (Plain::new(parameters), config.parameter_specs());
    let runner = Runner::new(&mut plain, config, &specs, 1)?;
    let (mut steps, mut result) = (0, None::<(Rc<Array<N>>, ReferenceStates<N>)>);
    while let Some(frame) = next(steps, result.as_ref().map(|(top, states)| (&**top, states)))? {
        let given = RunInput {
            steps: 1,
            batch: frame.shape()[0],
            depth: 1,
            inputs: vec![Rc::new(frame)],
            states: result.map(|(_, states)| states).or_else(|| start.clone()),
            contexts: vec![None; runner.cells()],
            lengths: None,
            noises: Vec::new(),
        };
        let run = runner.run(&mut plain, &given)?;
        result = Some((run.top, run.last));
        steps += 1;
    }
    Ok(plain.to_kink())
}
