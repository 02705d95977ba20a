//! Some steps of a forecast, forward and back.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::RecurrentNetwork;
use super::timeline::Timeline;
use crate::composed::graph::{Eager, NodeIndex, Operations, Record, Tape};
use crate::composed::{RecurrentParameters, Seed, SequenceShape, sizes_of_images};
use crate::error::Result;
use crate::tensor::Tensor;

/// The states and the prediction that a part of a forecast starts from.
#[derive(Debug, Clone)]
pub(super) struct Entry<T> {
    /// All states of each cell; none before the first frame.
    pub(super) states: Option<Vec<Vec<Tensor<T>>>>,
    /// The prediction of the step before, in patches, if that step made one.
    pub(super) prediction: Option<Tensor<T>>,
    /// Whether gradients flow through both.
    pub(super) varies: bool,
}

impl<T: Scalar> Entry<T> {
    /// Before the first frame.
    pub(super) fn start() -> Self {
        Self { states: None, prediction: None, varies: false }
    }

    pub(super) fn bytes(&self) -> usize {
        let states = self.states.iter().flatten().flatten();
        states.chain(&self.prediction).map(|tensor| tensor.len() * size_of::<T>()).sum()
    }
}

/// The gradient of an [`Entry`].
pub(super) struct EntryGradient<T> {
    states: Vec<Vec<Tensor<T>>>,
    prediction: Option<Tensor<T>>,
}

/// The inputs and the outputs of some steps.
#[derive(Debug)]
struct Values<V> {
    /// Given frames and their steps.
    frames: Vec<(Range<usize>, V)>,
    /// The states before the first of the steps.
    states: Option<Vec<Vec<V>>>,
    prediction: Option<V>,
    /// Predictions before and after the activation, with their steps.
    predicted: Vec<(Range<usize>, [V; 2])>,
    /// All states of each cell after the last step.
    last_states: Vec<Vec<V>>,
    /// The prediction of the last step.
    last_prediction: Option<V>,
}

/// Predictions in patches, `[M N, C p^2, H/p, W/p]`, before and after the activation, with the steps that made them.
pub(super) type Predicted<T> = Vec<(Range<usize>, [Tensor<T>; 2])>;

/// Runs some steps.
fn run<T: Scalar, O: Operations>(
    network: &RecurrentNetwork<'_, T>,
    (ops, put): (&mut O, impl Fn(&mut O, Tensor<T>, bool) -> O::Value),
    (timeline, steps): (&Timeline<T>, Range<usize>),
    (entry, input_gradient): (&Entry<T>, bool),
) -> Result<Values<O::Value>> {
    let (batch, [rows, columns]) = (timeline.batch(), timeline.size());
    let mut network_so_far = network.continuation(ops, batch)?;
    let mut hold = |tensor: &Tensor<T>| put(ops, tensor.clone(), entry.varies);
    let states = entry.states.as_ref().map(|states| {
        states.iter().map(|cell| cell.iter().map(&mut hold).collect()).collect::<Vec<Vec<O::Value>>>()
    });
    let prediction = entry.prediction.as_ref().map(hold);
    (network_so_far.states, network_so_far.prediction) = (states.clone(), prediction.clone());

    let sizes = sizes_of_images(&[&[rows, columns]], &network.body);
    let dims = SequenceShape::of_images(steps.len(), batch);
    let before = timeline.before + steps.start;
    let seed = timeline.dropout_seed.map(|seed| Seed { seed, before });
    let noises = network.body.noises(ops, &dims, &sizes, seed);

    let (mut frames, mut predicted) = (Vec::new(), Vec::new());
    for group in timeline.groups(steps.clone()) {
        let within = group.start - steps.start..group.end - steps.start;
        let noises = noises.iter().map(|noise| noise.of_steps(within.clone())).collect();
        let given = timeline.given(group.clone())?.map(|(steps, given)| {
            let varies = input_gradient && steps.start < timeline.inputs;
            (steps, put(ops, given, varies))
        });
        let value = given.as_ref().map(|(_, value)| value.clone());
        let top = network_so_far.read(ops, timeline.reads_prediction(group.start), value, noises)?;
        frames.extend(given);
        let count = timeline.predictions(&group);
        if count > 0 {
            predicted.push((group.end - count..group.end, network_so_far.predict(ops, &top, count)?));
        }
    }
    Ok(Values {
        frames,
        states,
        prediction,
        predicted,
        last_states: network_so_far.states.unwrap_or_default(),
        last_prediction: network_so_far.prediction,
    })
}

/// Runs some steps without a record, and returns predictions and the start of the next steps.
pub(super) fn forward<T: Scalar>(
    network: &RecurrentNetwork<'_, T>,
    timeline: &Timeline<T>,
    steps: Range<usize>,
    entry: &Entry<T>,
) -> Result<(Predicted<T>, Entry<T>)> {
    let mut eager = Eager::new(network.tensors.clone());
    let put = |_: &mut Eager<'_, T>, tensor, _| Eager::hold(tensor);
    let values = run(network, (&mut eager, put), (timeline, steps), (entry, false))?;
    let tensor = |value| eager.tensor(value).clone();
    let states = values.last_states.iter().map(|cell| cell.iter().map(|state| tensor(state)).collect());
    let next = Entry {
        states: Some(states.collect()),
        prediction: values.last_prediction.as_ref().map(|prediction| tensor(prediction)),
        varies: true,
    };
    let predicted = values
        .predicted
        .iter()
        .map(|(steps, [logits, frames])| (steps.clone(), [tensor(logits), tensor(frames)]));
    Ok((predicted.collect(), next))
}

/// Some steps with every intermediate result.
#[derive(Debug)]
pub(super) struct RecordedPart<T> {
    record: Record<T>,
    values: Values<NodeIndex>,
}

impl<T: Scalar> RecordedPart<T> {
    /// Runs some steps and records them.
    pub(super) fn forward(
        network: &RecurrentNetwork<'_, T>,
        timeline: &Timeline<T>,
        steps: Range<usize>,
        (entry, input_gradient): (&Entry<T>, bool),
    ) -> Result<Self> {
        let mut record = Record::new();
        let mut tape = Tape::new(&network.tensors, &mut record);
        let values = run(network, (&mut tape, Tape::leaf), (timeline, steps), (entry, input_gradient))?;
        Ok(Self { record, values })
    }

    /// The predictions.
    pub(super) fn predicted(&self) -> Predicted<T> {
        let tensor = |&value: &NodeIndex| self.record.result(value).clone();
        let predicted = self.values.predicted.iter();
        predicted.map(|(steps, values)| (steps.clone(), [tensor(&values[0]), tensor(&values[1])])).collect()
    }

    /// Bytes of all intermediate results.
    pub(super) fn bytes(&self) -> usize {
        self.record.bytes()
    }

    /// Adds the gradients of all weights. Given are the gradients of predictions before the activation, `[S, N, C p^2, H/p, W/p]` of the steps from
    /// `first` on, and the gradients of the start of later steps. Gradients of frames of the input are added to `d_frames`, by step.
    pub(super) fn backward(
        &mut self,
        network: &RecurrentNetwork<'_, T>,
        (first, d_logits): (usize, &Tensor<T>),
        later: Option<EntryGradient<T>>,
        (gradients, d_frames): (&mut RecurrentParameters<T>, Option<&mut Tensor<T>>),
    ) -> Result<EntryGradient<T>> {
        let mut seeds = Vec::new();
        for (steps, [logits, _]) in &self.values.predicted {
            let numbers = d_logits.len() / d_logits.shape()[0];
            let range = (steps.start - first) * numbers..(steps.end - first) * numbers;
            let shape = self.record.result(*logits).shape();
            seeds.push((*logits, Tensor::from_vec(shape, d_logits.as_slice()[range].to_vec())?));
        }
        if let Some(later) = later {
            let states = self.values.last_states.iter().flatten().copied();
            seeds.extend(states.zip(later.states.into_iter().flatten()));
            seeds.extend(self.values.last_prediction.zip(later.prediction));
        }
        let tape = Tape::of(&network.tensors, &mut self.record)?;
        let mut all = tape.backward(seeds, gradients.named_mut())?;
        if let Some(d_frames) = d_frames {
            let inputs = d_frames.shape()[0];
            for (steps, value) in &self.values.frames {
                let Some(d) = all.take(*value) else { continue };
                let image = d.len() / steps.len();
                for (step, d) in
                    steps.clone().zip(d.as_slice().chunks_exact(image)).take_while(|(t, _)| *t < inputs)
                {
                    d_frames.slice_mut(step).copy_from_slice(d);
                }
            }
        }
        let mut take = |value: &NodeIndex| {
            all.take(*value).unwrap_or_else(|| Tensor::zeros(tape.tensor(*value).shape()))
        };
        let states = self.values.states.iter().flatten();
        let states = states.map(|cell| cell.iter().map(&mut take).collect()).collect();
        Ok(EntryGradient { states, prediction: self.values.prediction.as_ref().map(take) })
    }
}
