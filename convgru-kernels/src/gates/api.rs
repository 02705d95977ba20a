//! The fused passes of a cell, as callers see them.

use super::{Candidate, CandidateBackward, ResetBackward, UpdateAndReset};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef};
use crate::isa::Isa;
use crate::scalar::Scalar;
use crate::scratchpad::Scratchpad;

/// `z = sigmoid(z + Uz*h)`, `r = sigmoid(r + Ur*h)`, and `r.h` for the candidate.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn update_and_reset<T: Scalar>(
    arguments: UpdateAndReset<'_, T>,
    scratch: &mut Scratchpad<T>,
) -> Result<()> {
    T::update_and_reset(arguments, scratch)
}

/// `n = tanh(n + Un*(r.h))` and `h' = h + z.(n - h)`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn candidate<T: Scalar>(arguments: Candidate<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    T::candidate(arguments, scratch)
}

/// A step from a zero state: `z = sigmoid(z)`, `n = tanh(n)`, `h' = z.n`. There is nothing
/// to convolve; the reset gate has nothing to reset and keeps the value before the activation.
///
/// # Shapes
/// `gates`: `[N, 3 hidden, H, W]`; `next`: `[N, hidden, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn first_step<T: Scalar>(
    gates: FeatureMapsMut<'_, T>,
    next: FeatureMapsMut<'_, T>,
    isa: Isa,
) -> Result<()> {
    T::first_step(gates, next, isa)
}

/// The product `r.h` anew from finished gates, for the weight gradient of the candidate:
/// cheaper to compute twice than to keep for every step.
///
/// # Shapes
/// `gates`: `[N, 3 hidden, H, W]`; `hidden`, `reset_hidden`: `[N, hidden, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
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
/// `a_n = dh'.z.(1 - n^2)`, `a_z = dh'.(n - h).z.(1 - z)`, `dh = dh'.(1 - z)`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn candidate_backward<T: Scalar>(arguments: CandidateBackward<'_, T>, isa: Isa) -> Result<()> {
    T::candidate_backward(arguments, isa)
}

/// Pass 2: through the convolution of the candidate and the reset gate.
///
/// `d(rh) = Un^T * a_n`, `a_r = d(rh).h.r.(1 - r)`, `dh += d(rh).r`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn reset_backward<T: Scalar>(arguments: ResetBackward<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> {
    T::reset_backward(arguments, scratch)
}
