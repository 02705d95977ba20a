//! An optimiser: state, checks, and the way over the tensors.

use convgru_model::{Parameters, Scalar, Tensor};
use rayon::prelude::*;

use super::adam::{Adam, WeightDecay};
use super::rmsprop::RmsProp;
use super::sgd::Sgd;
use super::state::{Moment, most_moments};
use super::update_rule::{Chunk, MOMENTS, UpdateRule};
use super::{OptimizerConfig, OptimizerKind, OptimizerState};
use crate::{Error, Result};

/// Elements per chunk. Elements do not meet, so it changes no bit.
const CHUNK: usize = 8192;

/// An optimiser of the kind its configuration names, in the arithmetic of `torch.optim`.
///
/// The equations are at [`OptimizerKind`]. Constants are formed in `f64`, elements in
/// `T`. The bits do not depend on the number of threads.
///
/// ```
/// use convgru_model::{Parameters, Tensor};
/// use convgru_train::optimizer::{Optimizer, OptimizerConfig};
///
/// struct Weights(Tensor<f32>);
/// impl Parameters<f32> for Weights {
///     fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f32>)) {
///         visit("weights", &self.0);
///     }
///     fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f32>)) {
///         visit("weights", &mut self.0);
///     }
/// }
///
/// let mut weights = Weights(Tensor::from_vec(&[2], vec![1.0, 1.0])?);
/// let gradients = Weights(Tensor::from_vec(&[2], vec![0.5, -2.0])?);
/// let mut adam = Optimizer::new(OptimizerConfig::default(), &weights)?;
/// adam.step(&mut weights, &gradients, 0.1)?;
/// // The first step of Adam has the length of the learning rate, whatever the gradient's.
/// assert!((weights.0.as_slice()[0] - 0.9).abs() < 1e-6);
/// assert!((weights.0.as_slice()[1] - 1.1).abs() < 1e-6);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Optimizer<T> {
    config: OptimizerConfig,
    state: OptimizerState<T>,
    /// Of the parameters it was made for.
    shapes: Shapes,
    gradients: Vec<T>,
}

impl<T: Scalar> Optimizer<T> {
    /// An optimiser that has taken no step.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new<P: Parameters<T>>(config: OptimizerConfig, parameters: &P) -> Result<Self> {
        config.validate()?;
        let state = OptimizerState::new(&config.kind, parameters);
        Ok(Self { config, state, shapes: shapes_of(parameters), gradients: Vec::new() })
    }

    /// An optimiser that continues from a state, as read from a checkpoint.
    ///
    /// # Errors
    /// If the configuration is not valid or the state belongs to another kind or to
    /// parameters with other sizes.
    pub fn from_state<P: Parameters<T>>(
        config: OptimizerConfig,
        state: OptimizerState<T>,
        parameters: &P,
    ) -> Result<Self> {
        config.validate()?;
        state.check(&config.kind, parameters)?;
        Ok(Self { config, state, shapes: shapes_of(parameters), gradients: Vec::new() })
    }

    /// The constants.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }

    /// What a checkpoint must keep.
    pub fn state(&self) -> &OptimizerState<T> {
        &self.state
    }

    /// Changes the momentum from the next step on, for schedules that cycle it: beta1 of
    /// Adam and AdamW, the momentum of SGD and RMSprop; from 0 to below 1.
    ///
    /// # Errors
    /// [`Error::Config`] if it is out of its range.
    pub fn set_momentum(&mut self, momentum: f64) -> Result<()> {
        self.config.kind.set_momentum(momentum)
    }

    /// Changes the parameters against their gradients.
    ///
    /// `learning_rate` is the rate of this step only; zero moves nothing but the
    /// moments. Gradients that are not finite spoil the moments for good:
    /// look at the norm that
    /// [`clip_global_norm`](super::clip_global_norm) returns before this call.
    ///
    /// # Errors
    /// If the gradients have not the names and shapes of the parameters in their order, the parameters
    /// not those the optimiser was made for, or the learning rate is negative or not finite; nothing is
    /// changed then.
    pub fn step<P: Parameters<T>, G: Parameters<T>>(
        &mut self,
        parameters: &mut P,
        gradients: &G,
        learning_rate: f64,
    ) -> Result<()> {
        if !(learning_rate >= 0.0 && learning_rate.is_finite()) {
            return Err(Error::Data {
                what: "the learning rate of a step".into(),
                reason: format!("{learning_rate} is not zero or a positive number"),
            });
        }
        let shapes = shapes_of(parameters);
        self.state.check(&self.config.kind, parameters)?;
        check_shapes("the parameters of a step", &shapes, &self.shapes, "the optimiser was made for")?;
        check_shapes("the gradients of a step", &shapes_of(gradients), &shapes, "the parameters have")?;
        let (config, state) = (&self.config, &mut self.state);
        state.step = state.step.saturating_add(1);
        let begins = state.moments.is_empty();
        // Adam has all of its moments from the beginning.
        if config.kind.momentum() != 0.0 {
            state.grow(most_moments(&config.kind), parameters);
        }
        let flat = &mut self.gradients;
        flat.clear();
        gradients.for_each(&mut |_, tensor| flat.extend_from_slice(tensor.as_slice()));
        let moments = state.moments.as_mut_slice();
        let (decay, rate) = (config.weight_decay, learning_rate);
        match &config.kind {
            OptimizerKind::Adam(adam) => {
                let rule = Adam::new(adam, WeightDecay::Penalty(decay), state.step, rate);
                apply(&rule, parameters, flat, moments);
            }
            OptimizerKind::AdamW(adam) => {
                let rule = Adam::new(adam, WeightDecay::Decoupled(decay), state.step, rate);
                apply(&rule, parameters, flat, moments);
            }
            OptimizerKind::Sgd(sgd) => apply(&Sgd::new(sgd, decay, begins, rate), parameters, flat, moments),
            OptimizerKind::RmsProp(rmsprop) => {
                apply(&RmsProp::new(rmsprop, decay, rate), parameters, flat, moments);
            }
        }
        Ok(())
    }
}

/// Names and shapes of tensors, in their order.
type Shapes = Vec<(String, Vec<usize>)>;

fn shapes_of<T: Scalar, P: Parameters<T>>(tensors: &P) -> Shapes {
    let mut shapes = Vec::new();
    tensors.for_each(&mut |name, tensor| shapes.push((name.to_owned(), tensor.shape().to_vec())));
    shapes
}

/// Fails unless tensors have the names and shapes they should have, in their order: steps go by place.
fn check_shapes(what: &str, given: &Shapes, expected: &Shapes, of: &str) -> Result<()> {
    let refuse = |reason| Err(Error::Data { what: what.to_owned(), reason });
    for (place, ((name, shape), (needed, as_needed))) in given.iter().zip(expected).enumerate() {
        let [has, needs] = [shape, as_needed].map(|shape| shape.iter().product::<usize>());
        if name != needed {
            return refuse(format!("tensor {place} is `{name}` where {of} `{needed}`"));
        }
        if has != needs {
            return refuse(format!("`{name}` has {has} numbers where {of} {needs}"));
        }
        if shape != as_needed {
            return refuse(format!("`{name}` is of shape {shape:?} where {of} {as_needed:?}"));
        }
    }
    if given.len() == expected.len() {
        return Ok(());
    }
    refuse(format!("there are {} tensors where {of} {}", given.len(), expected.len()))
}

/// Takes one step: a rule on every chunk of every tensor.
fn apply<T: Scalar, P: Parameters<T>>(
    rule: &impl UpdateRule<T>,
    parameters: &mut P,
    mut gradients: &[T],
    moments: &mut [Moment<T>],
) {
    let mut tensors: Vec<_> = moments.iter_mut().map(|moment| moment.iter_mut()).collect();
    parameters.for_each_mut(&mut |_, tensor: &mut Tensor<T>| {
        let mut moments: [&mut [T]; MOMENTS] = Default::default();
        for (slot, moment) in moments.iter_mut().zip(&mut tensors) {
            *slot = moment.next().expect("one entry per tensor, as checked");
        }
        let (gradient, after) = gradients.split_at(tensor.len());
        gradients = after;
        let whole = Chunk { parameters: tensor.as_mut_slice(), gradients: gradient, moments };
        chunks(whole).into_par_iter().for_each(|chunk| rule.apply(chunk));
    });
}

/// The same in chunks of [`CHUNK`] elements.
fn chunks<T>(mut whole: Chunk<'_, T>) -> Vec<Chunk<'_, T>> {
    let mut chunks = Vec::with_capacity(whole.parameters.len().div_ceil(CHUNK));
    while whole.parameters.len() > CHUNK {
        let (parameters, rest) = whole.parameters.split_at_mut(CHUNK);
        let (gradients, later) = whole.gradients.split_at(CHUNK);
        let [(a, a_rest), (b, b_rest), (c, c_rest)] =
            whole.moments.map(|moment| moment.split_at_mut(CHUNK.min(moment.len())));
        chunks.push(Chunk { parameters, gradients, moments: [a, b, c] });
        whole = Chunk { parameters: rest, gradients: later, moments: [a_rest, b_rest, c_rest] };
    }
    chunks.push(whole);
    chunks
}
