//! Which functions the gates and the candidate of a cell are.

use crate::error::{Error, Result};

/// The function of update and reset gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GateActivation {
    /// `1 / (1 + e^-x)`.
    #[default]
    Sigmoid,
    /// `clamp(x / 6 + 1 / 2, 0, 1)`, with the derivative 1/6 strictly inside and 0 outside.
    HardSigmoid,
}

/// The function of the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum CandidateActivation {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// `max(x, 0)`, with the derivative 0 at zero.
    Relu,
    /// `x` for `x > 0` and `slope * x` elsewhere, with a slope of at least zero that is a number in `f32`: the sign of
    /// the value tells the side then.
    LeakyRelu(f64),
}

/// Both functions of a cell.
///
/// ```
/// use convgru_kernels::gates::{Activations, CandidateActivation, GateActivation};
///
/// let leaky = Activations { candidate: CandidateActivation::LeakyRelu(0.2), ..Default::default() };
/// assert_eq!(leaky.gate, GateActivation::Sigmoid);
/// assert!(leaky.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Activations {
    /// Of update and reset gate.
    pub gate: GateActivation,
    /// Of the candidate.
    pub candidate: CandidateActivation,
}

impl Activations {
    /// Fails unless values tell derivatives.
    ///
    /// # Errors
    /// [`Error::Slope`] for a slope that is negative, infinite in `f32` or no number.
    pub fn validate(&self) -> Result<()> {
        let most = f64::from(f32::MAX);
        match self.candidate {
            CandidateActivation::LeakyRelu(got) if !(0.0..=most).contains(&got) => Err(Error::Slope { got }),
            _ => Ok(()),
        }
    }
}

/// Work with the type of the function of the gates, compiled for each of them: the choice is made once,
/// outside of all loops.
macro_rules! with_gate {
    ($activations:expr, $gate:ident => $work:expr) => {
        match $activations.gate {
            $crate::gates::activations::GateActivation::Sigmoid => {
                let $gate = $crate::activation::functions::Sigmoid;
                $work
            }
            $crate::gates::activations::GateActivation::HardSigmoid => {
                let $gate = $crate::activation::functions::HardSigmoid;
                $work
            }
        }
    };
}

/// Work with the type of the function of the candidate, as `with_gate`.
macro_rules! with_candidate {
    ($activations:expr, $candidate:ident => $work:expr) => {
        match $activations.candidate {
            $crate::gates::activations::CandidateActivation::Tanh => {
                let $candidate = $crate::activation::functions::Tanh;
                $work
            }
            $crate::gates::activations::CandidateActivation::Relu => {
                let $candidate = $crate::activation::functions::Relu;
                $work
            }
            $crate::gates::activations::CandidateActivation::LeakyRelu(slope) => {
                let $candidate = $crate::activation::functions::LeakyRelu::new(slope);
                $work
            }
        }
    };
}

pub(super) use {with_candidate, with_gate};
