//! What a file computes in one call.

/// What a file of a [`ConvGru`](crate::ConvGru) computes in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// One frame.
    Step,
    /// A sequence of any length.
    Sequence,
}

impl Form {
    /// What the metadata say.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Sequence => "sequence",
        }
    }
}

/// What a file of a [`Forecaster`](crate::Forecaster) computes in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The encoder reads one frame.
    EncoderStep,
    /// The forecaster predicts one frame.
    ForecasterStep,
    /// Frames are read and continued.
    Forecast {
        /// How many frames are predicted where the input `steps` is left out.
        steps: usize,
    },
}

impl Part {
    /// What the metadata say.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EncoderStep => "encoder step",
            Self::ForecasterStep => "forecaster step",
            Self::Forecast { .. } => "forecast",
        }
    }
}
