//! Networks of recurrent layers.

mod bidirectional;
mod cell;
mod conv_gru;
mod encoder_forecaster;
mod forecaster;
mod limits;
mod pyramid;
mod sequence;
mod stack;
mod state_gradient;
mod stream;

pub use bidirectional::{
    BidirectionalBackward, BidirectionalConvGru, BidirectionalConvGruParameters, BidirectionalOutput,
    BidirectionalOutputGradients, BidirectionalWorkspace, Directions,
};
pub use cell::{CellBackward, CellOutputGradients, ConvGruCell};
pub use conv_gru::{
    ConvGru, ConvGruBackward, ConvGruOutput, ConvGruOutputGradients, ConvGruParameters, ConvGruSequences,
    ConvGruWorkspace, InputGradient, MemoryBudget, Outputs,
};
pub use encoder_forecaster::{
    EncoderForecaster, EncoderForecasterParameters, EncoderForecasterWorkspace, OutputGradient, Prediction,
    TeacherForcing,
};
pub use forecaster::{
    ForecastStream, Forecaster, ForecasterParameters, ForecasterWorkspace, mean_of_members,
};
pub(crate) use pyramid::NEAREST_TO_ZERO;
pub use pyramid::{
    EncoderScaleParameters, ForecasterScaleParameters, HeadParameters, Pyramid, PyramidParameters,
    PyramidWorkspace,
};
pub use sequence::Sequence;
pub(crate) use sequence::expect_steps;
pub use state_gradient::StateGradient;
pub use stream::ConvGruStream;
