//! What an optimiser remembers between steps.

use convgru_model::{Parameters, Scalar};
use serde::{Deserialize, Serialize};

use super::OptimizerKind;
use crate::{Error, Result};

/// One number for each element of the parameters: one entry per tensor, in the order
/// of the parameters, each in memory order.
pub type Moment<T> = Vec<Vec<T>>;

/// What an [`Optimizer`](super::Optimizer) remembers between steps: everything a
/// checkpoint needs.
///
/// A format that keeps every bit of a number, as bincode does, restores an
/// optimiser that continues with the same bits.
///
/// | kind | `moments` |
/// |---|---|
/// | Adam, AdamW | mean of the gradients, mean of their squares, with amsgrad its largest value |
/// | SGD | the direction, once there is a momentum |
/// | RMSprop | mean of the squares, if centered mean of the gradients, the direction once there is a momentum |
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OptimizerState<T> {
    /// Steps taken.
    pub step: u64,
    /// The moments of the kind, in the order of the table.
    pub moments: Vec<Moment<T>>,
}

impl<T: Scalar> OptimizerState<T> {
    /// The state before the first step.
    pub(super) fn new<P: Parameters<T>>(kind: &OptimizerKind, parameters: &P) -> Self {
        let mut state = Self { step: 0, moments: Vec::new() };
        state.grow(least_moments(kind), parameters);
        state
    }

    /// Adds moments that are zero until there are as many as needed.
    pub(super) fn grow<P: Parameters<T>>(&mut self, count: usize, parameters: &P) {
        while self.moments.len() < count {
            let mut zeros = Vec::new();
            parameters.for_each(&mut |_, tensor| zeros.push(vec![T::ZERO; tensor.len()]));
            self.moments.push(zeros);
        }
    }

    /// Fails unless the moments belong to this kind and have the sizes of these parameters.
    pub(super) fn check<P: Parameters<T>>(&self, kind: &OptimizerKind, parameters: &P) -> Result<()> {
        let refuse = |reason| Error::Data { what: format!("the state of {}", kind.name()), reason };
        let (least, most) = (least_moments(kind), most_moments(kind));
        let count = self.moments.len();
        if !(least..=most).contains(&count) {
            return Err(refuse(format!("there are {count} moments where it has {least} to {most}")));
        }
        let (mut tensors, mut wrong) = (0, None);
        parameters.for_each(&mut |name, tensor| {
            for moment in self.moments.iter().filter_map(|moment| moment.get(tensors)) {
                if moment.len() != tensor.len() && wrong.is_none() {
                    let (has, needs) = (tensor.len(), moment.len());
                    wrong = Some(format!("`{name}` has {has} numbers where it has {needs}"));
                }
            }
            tensors += 1;
        });
        for moment in &self.moments {
            if moment.len() != tensors && wrong.is_none() {
                wrong = Some(format!("there are {tensors} tensors where it has {}", moment.len()));
            }
        }
        wrong.map_or(Ok(()), |reason| Err(refuse(reason)))
    }
}

/// Moments a kind has from the beginning.
fn least_moments(kind: &OptimizerKind) -> usize {
    match kind {
        OptimizerKind::Adam(adam) | OptimizerKind::AdamW(adam) => 2 + usize::from(adam.amsgrad),
        OptimizerKind::Sgd(_) => 0,
        OptimizerKind::RmsProp(rmsprop) => 1 + usize::from(rmsprop.centered),
    }
}

/// Moments a kind has once there is a momentum.
pub(super) fn most_moments(kind: &OptimizerKind) -> usize {
    let direction = matches!(kind, OptimizerKind::Sgd(_) | OptimizerKind::RmsProp(_));
    least_moments(kind) + usize::from(direction)
}
