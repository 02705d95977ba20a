//! The fused passes of a cell, as callers see them.

use super::{
    CandidateBackward, CellWeights, FirstStep, ResetAfterBackward, ResetAfterStep, ResetBackward, Step,
};
use crate::error::Result;
use crate::feature_maps::{Extent, FeatureMapsMut, FeatureMapsRef};
use crate::isa::Isa;
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// A step with a state:
///
/// ```text
/// z = sigmoid(Wz*x + bz + Uz*h)     r = sigmoid(Wr*x + br + Ur*h)
/// n = tanh(Wn*x + bn + Un*(r.h))    h' = h + z.(n - h)
/// ```
/// with the [`Activations`](super::Activations) of the weights in the place of `sigmoid` and `tanh`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps or weights do not
/// fit, [`Error::Algorithm`](crate::Error::Algorithm) if the weights of the state are packed for patches,
/// [`Error::Slope`](crate::Error::Slope) if the activations cannot be.
pub fn step<T: Scalar>(arguments: Step<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    T::step(arguments, scratch)
}

/// Whether the convolutions of input and state are to be added up step by step, for states of an
/// extent `[N, hidden, H, W]`, instead of convolving the inputs of many steps at once.
///
/// A fixed function of weights and images, whatever the batch. The sums differ in their last bits, so that every way to run a
/// sequence must ask.
pub fn joins_input<T: Scalar>(weights: CellWeights<'_, T>, state: Extent) -> bool {
    super::step::joins_input(weights, state)
}

/// A step from a zero state: `z = sigmoid(Wz*x + bz)`, `n = tanh(Wn*x + bn)`, `h' = z.n`. The reset
/// gate has nothing to reset, and where the input is given it is not computed.
///
/// # Errors
/// As [`step`].
pub fn first_step<T: Scalar>(arguments: FirstStep<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    T::first_step(arguments, scratch)
}

/// The product `r.h` anew from finished gates, for the weight gradient of the candidate:
/// cheaper to compute twice than to keep for every step.
///
/// # Shapes
/// `gates`: `[N, 3 hidden, H, W]`; `hidden`, `reset_hidden`: `[N, hidden, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps do not fit.
pub fn reset_hidden<T: Scalar>(
    gates: FeatureMapsRef<'_, T>,
    hidden: FeatureMapsRef<'_, T>,
    reset_hidden: FeatureMapsMut<'_, T>,
    isa: Isa,
) -> Result<()> {
    T::reset_hidden(gates, hidden, reset_hidden, isa)
}

/// Pass 1: through the blend, the candidate and the update gate.
///
/// `a_n = dh'.z.(1 - n^2)`, `a_z = dh'.(n - h).z.(1 - z)`, `dh = dh'.(1 - z)`, or with the derivatives of
/// other [`Activations`](super::Activations) where their values are `n` and `z`.
///
/// # Errors
/// As [`step`].
pub fn candidate_backward<T: Scalar>(arguments: CandidateBackward<'_, T>, isa: Isa) -> Result<()> {
    T::candidate_backward(arguments, isa)
}

/// Pass 2: through the convolution of the candidate and the reset gate.
///
/// `d(rh) = Un^T * a_n`, `a_r = d(rh).h.r.(1 - r)`, `dh += d(rh).r`, or with the derivative of another
/// function of the gates where its value is `r`.
///
/// # Errors
/// As [`step`].
pub fn reset_backward<T: Scalar>(arguments: ResetBackward<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    T::reset_backward(arguments, scratch)
}

/// A step whose reset gate acts after the convolution of the state, which has a bias of its own:
///
/// ```text
/// z = sigmoid(Wz*x + bz + Uz*h)     r = sigmoid(Wr*x + br + Ur*h)     u = Un*h + cn
/// n = tanh(Wn*x + bn + r.u)         h' = h + z.(n - h)
/// ```
/// or with other [`Activations`](super::Activations). From a zero state nothing is convolved.
///
/// # Errors
/// As [`step`].
pub fn step_reset_after<T: Scalar>(
    arguments: ResetAfterStep<'_, T>,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    T::step_reset_after(arguments, scratch)
}

/// Pass 2 of the way back through [`step_reset_after`], after [`candidate_backward`]: through the reset gate.
///
/// `du = a_n.r`, `a_r = a_n.u.r.(1 - r)`, or with the derivative of another function of the gates. What remains
/// are convolutions: `dh += [Uz Ur]^T * [a_z a_r] + Un^T * du`.
///
/// # Errors
/// As [`step`].
pub fn reset_after_backward<T: Scalar>(arguments: ResetAfterBackward<'_, T>, isa: Isa) -> Result<()> {
    T::reset_after_backward(arguments, isa)
}
