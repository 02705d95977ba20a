//! Adam.

use convgru_model::{Parameters, Scalar, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Elements per piece of work. Elements do not meet, so it changes no bit.
const CHUNK: usize = 8192;

/// The constants of [`Adam`]; the defaults are those of its authors.
///
/// ```
/// use convgru_train::optimizer::AdamConfig;
///
/// let config = AdamConfig { learning_rate: 3e-4, ..AdamConfig::default() };
/// assert_eq!((config.beta1, config.beta2, config.epsilon), (0.9, 0.999, 1e-8));
/// config.validate()?;
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// The (highest) learning rate; above 0. A
    /// [`Schedule`](crate::schedule::Schedule) made with it gives the rate of each step.
    pub learning_rate: f64,
    /// Decay of the mean of the gradients; from 0 to below 1.
    pub beta1: f64,
    /// Decay of the mean of the squared gradients; from 0 to below 1.
    pub beta2: f64,
    /// Added to the root of the mean square, which may be zero; positive in `f32`.
    pub epsilon: f64,
    /// Factor of the parameters added to the gradients (L2 penalty); not negative.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        let rate = self.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(invalid("learning_rate", format!("{rate} is not a positive number")));
        }
        for (field, value) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(invalid(field, format!("{value} is not from 0 to below 1")));
            }
        }
        let (epsilon, least) = (self.epsilon, f64::from(f32::MIN_POSITIVE));
        if !(epsilon >= least && epsilon.is_finite()) {
            return Err(invalid("epsilon", format!("{epsilon} is not at least {least:e}")));
        }
        let decay = self.weight_decay;
        if !(decay >= 0.0 && decay.is_finite()) {
            return Err(invalid("weight_decay", format!("{decay} is not zero or a positive number")));
        }
        Ok(())
    }
}

/// What [`Adam`] remembers between steps: everything a checkpoint needs.
///
/// A format that keeps every bit of a number, as bincode does, restores an
/// optimiser that continues with the same bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdamState<T> {
    /// Steps taken.
    pub step: u64,
    /// Decaying mean of the gradients: one entry per tensor, in the order of
    /// the parameters, each in memory order.
    pub first: Vec<Vec<T>>,
    /// Decaying mean of the squared gradients, in the same layout.
    pub second: Vec<Vec<T>>,
}

/// The optimiser Adam: Kingma and Ba, "Adam: a method for stochastic
/// optimization", 2015, in the arithmetic of `torch.optim.Adam`.
///
/// With gradient `g` of parameter `p` at step `t = 1, 2, ...`:
///
/// ```text
/// g += weight_decay p
/// m  = m + (1 - beta1) (g - m)                  first moment
/// v  = beta2 v + (1 - beta2) g^2                second moment
/// p -= learning_rate / (1 - beta1^t)  m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// ```
///
/// Constants are formed in `f64`, elements in `T`. The bits do not depend on
/// the number of threads.
///
/// ```
/// use convgru_model::{Parameters, Tensor};
/// use convgru_train::optimizer::{Adam, AdamConfig};
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
/// let mut adam = Adam::new(AdamConfig::default(), &weights)?;
/// adam.step(&mut weights, &gradients, 0.1)?;
/// // The first step has the length of the learning rate, whatever the gradient's.
/// assert!((weights.0.as_slice()[0] - 0.9).abs() < 1e-6);
/// assert!((weights.0.as_slice()[1] - 1.1).abs() < 1e-6);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adam<T> {
    config: AdamConfig,
    state: AdamState<T>,
    gradients: Vec<T>,
}

impl<T: Scalar> Adam<T> {
    /// An optimiser that has taken no step.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn new<P: Parameters<T>>(config: AdamConfig, parameters: &P) -> Result<Self> {
        let mut zeros = Vec::new();
        parameters.for_each(&mut |_, tensor| zeros.push(vec![T::ZERO; tensor.len()]));
        let state = AdamState { step: 0, first: zeros.clone(), second: zeros };
        Self::from_state(config, state, parameters)
    }

    /// An optimiser that continues from a state, as read from a checkpoint.
    ///
    /// # Errors
    /// If the configuration is not valid or the state is that of parameters
    /// with other sizes.
    pub fn from_state<P: Parameters<T>>(
        config: AdamConfig,
        state: AdamState<T>,
        parameters: &P,
    ) -> Result<Self> {
        config.validate()?;
        check_state(&state, parameters)?;
        Ok(Self { config, state, gradients: Vec::new() })
    }

    /// The constants.
    pub fn config(&self) -> &AdamConfig {
        &self.config
    }

    /// What a checkpoint must keep.
    pub fn state(&self) -> &AdamState<T> {
        &self.state
    }

    /// Changes the decay of the first moment from the next step on, for
    /// schedules that cycle it; from 0 to below 1.
    ///
    /// # Errors
    /// [`Error::Config`] if it is out of its range.
    pub fn set_beta1(&mut self, beta1: f64) -> Result<()> {
        let config = AdamConfig { beta1, ..self.config.clone() };
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// Changes the parameters against their gradients.
    ///
    /// `learning_rate` is that of this step alone; zero moves nothing but the
    /// moments. Gradients that are not finite spoil the moments for good:
    /// look at the norm that
    /// [`clip_global_norm`](super::clip_global_norm) returns before this call.
    ///
    /// # Errors
    /// If the gradients or the parameters differ in their tensors' sizes from
    /// those the optimiser was made for, or the learning rate is negative or
    /// not finite; nothing is changed then.
    pub fn step<P: Parameters<T>>(
        &mut self,
        parameters: &mut P,
        gradients: &P,
        learning_rate: f64,
    ) -> Result<()> {
        if !(learning_rate >= 0.0 && learning_rate.is_finite()) {
            return Err(Error::Data {
                what: "the learning rate of a step".into(),
                reason: format!("{learning_rate} is not zero or a positive number"),
            });
        }
        check_state(&self.state, parameters)?;
        check_state(&self.state, gradients)?;
        let state = &mut self.state;
        state.step = state.step.saturating_add(1);
        let update = Update::new(&self.config, state.step, learning_rate);

        let flat = &mut self.gradients;
        flat.clear();
        gradients.for_each(&mut |_, tensor| flat.extend_from_slice(tensor.as_slice()));
        let mut rest = flat.as_slice();
        let mut moments = state.first.iter_mut().zip(&mut state.second);
        parameters.for_each_mut(&mut |_, tensor: &mut Tensor<T>| {
            let (first, second) = moments.next().expect("one entry per tensor, as checked");
            let (gradient, after) = rest.split_at(tensor.len());
            rest = after;
            let parameters = tensor.as_mut_slice().par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
            let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
            parameters.zip(moments).for_each(|((p, g), (m, v))| update.apply(p, g, m, v));
        });
        Ok(())
    }
}

/// The numbers of one step that all elements share.
struct Update<T> {
    weight_decay: T,
    first_share: T,
    beta2: T,
    second_share: T,
    step_size: T,
    second_correction: T,
    epsilon: T,
}

impl<T: Scalar> Update<T> {
    fn new(config: &AdamConfig, step: u64, learning_rate: f64) -> Self {
        // Beyond 2^31 steps a power of a decay below one is zero anyway.
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        let correction = |beta: f64| 1.0 - beta.powi(exponent);
        Self {
            weight_decay: T::from_f64(config.weight_decay),
            first_share: T::from_f64(1.0 - config.beta1),
            beta2: T::from_f64(config.beta2),
            second_share: T::from_f64(1.0 - config.beta2),
            step_size: T::from_f64(learning_rate / correction(config.beta1)),
            second_correction: T::from_f64(correction(config.beta2).sqrt()),
            epsilon: T::from_f64(config.epsilon),
        }
    }

    fn apply(&self, parameters: &mut [T], gradients: &[T], first: &mut [T], second: &mut [T]) {
        let moments = first.iter_mut().zip(second);
        for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
            let g = g + self.weight_decay * *p;
            *m += self.first_share * (g - *m);
            *v = self.beta2 * *v + self.second_share * g * g;
            let root = v.sqrt() / self.second_correction + self.epsilon;
            *p -= self.step_size * (*m / root);
        }
    }
}

/// Fails unless the moments have the sizes of these parameters.
fn check_state<T: Scalar, P: Parameters<T>>(state: &AdamState<T>, parameters: &P) -> Result<()> {
    let mut tensors = 0;
    let mut wrong = None;
    parameters.for_each(&mut |name, tensor| {
        let (first, second) = (state.first.get(tensors), state.second.get(tensors));
        for moment in [first, second].into_iter().flatten() {
            if moment.len() != tensor.len() && wrong.is_none() {
                wrong = Some(format!("`{name}` has {} numbers where it has {}", tensor.len(), moment.len()));
            }
        }
        tensors += 1;
    });
    for moments in [&state.first, &state.second] {
        if moments.len() != tensors && wrong.is_none() {
            wrong = Some(format!("there are {tensors} tensors where it has {}", moments.len()));
        }
    }
    wrong.map_or(Ok(()), |reason| Err(Error::Data { what: "the state of Adam".into(), reason }))
}

fn invalid(field: &str, reason: String) -> Error {
    Error::Config { field: format!("optimizer.{field}"), reason }
}
