//! What a case of a stack fixes, and what it runs.

use super::kinks;
use crate::config::ResetGate;
use crate::layer::Activation;

/// What runs, and what of it reaches the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// `ConvGru::step`: the states of all layers.
    Step,
    /// `ConvGru::forward`: all states after every step, and the last ones once more.
    Everything,
    /// `ConvGru::forward`: the states of the top layer after every step.
    Top,
    /// `ConvGru::forward`: the last states.
    Last,
}

/// What a case fixes; shapes are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub(super) bias: bool,
    /// Whether initial states are given.
    pub(super) given: bool,
    /// Whether there is an input.
    pub(super) input: bool,
    pub(super) reset: ResetGate,
    /// The size of kernels over inputs, if it is another than that over states.
    pub(super) input_kernel: Option<[usize; 2]>,
    /// Whether samples are of different lengths.
    pub(super) lengths: bool,
    pub(super) gate: Activation,
    pub(super) candidate: Activation,
    pub(super) dilation: [usize; 2],
    pub(super) input_dilation: Option<[usize; 2]>,
    pub(super) form: Form,
}

impl Drawn {
    pub(super) fn has_kinks(self) -> bool {
        [self.gate, self.candidate].into_iter().any(kinks::has_kinks)
    }
}
