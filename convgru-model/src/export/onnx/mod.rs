//! Networks as ONNX files, for runtimes of other languages (feature `onnx`).
//!
//! A file is written in operators of version [`OPSET`] and numbers of 32 bits. Batch, height and width are free,
//! so is the number of steps of a sequence, and the recurrent states are inputs and outputs with names. Its
//! `doc_string` and its metadata (`convgru.network`, `convgru.form`, `convgru.equation`, `convgru.config`) say
//! what it is.
//!
//! | file | inputs | outputs |
//! |---|---|---|
//! | [`conv_gru`], [`Form::Step`] | `input [N, C, H, W]`, `state.0 [N, hidden, H, W]`, ... | `next_state.0`, ... |
//! | [`conv_gru`], [`Form::Sequence`] | `input [T, N, C, H, W]`, `state.0`, ... | `output [T, N, hidden, H, W]` of the topmost layer, `next_state.0`, ... after the last frame |
//! | [`forecaster()`] of an encoder-forecaster, [`Part::EncoderStep`] | `frame [N, C, H, W]`, `state.0 [N, hidden, H/p, W/p]`, ... | `next_state.0`, ... |
//! | [`forecaster()`] of an encoder-forecaster, [`Part::ForecasterStep`] | `frame`, `state.0`, ... | `prediction [N, C, H, W]`, `next_state.0`, ... |
//! | [`forecaster()`] of an encoder-forecaster, [`Part::Forecast`] | `frames [T, N, C, H, W]`, `steps` (a whole number, may be left out) | `prediction [steps, N, C, H, W]` |
//! | [`forecaster()`] of a pyramid, [`Part::EncoderStep`] | `frame`, `state.0`, ... from the finest scale on | `next_state.0`, ..., with skips `features.0`, ... of all scales but the coarsest |
//! | [`forecaster()`] of a pyramid, [`Part::ForecasterStep`] | `state.0`, ..., with a residual `frame`, with skips `features.0`, ... | `prediction`, `next_state.0`, ... |
//! | [`forecaster()`] of a pyramid, [`Part::Forecast`] | `frames`, `steps` | `prediction` |
//! | [`recurrent`], [`Form::Step`] | `input [N, C, H, W]` (of several `input.0`, ...), `state.0`, ..., `context.i [N, 3 hidden, H, W]` of cell i | `output` of the topmost stage, `next_state.0`, ... |
//! | [`recurrent`], [`Form::Sequence`] | `input [T, N, C, H, W]`, `state.0`, ..., `context.i` | `output [T, N, C, H, W]` of the topmost stage, `next_state.0`, ... after the last frame |
//! | [`raft_update`] | `net [N, hidden, H, W]`, `inp`, `corr`, `flow [N, 2, H, W]` | `next_net`, `delta_flow`, `mask` of a block that has one |
//!
//! Inputs and outputs have the order of the table. States before a first frame are zeros. A network without input has none here either, and its sequence takes the
//! number of `steps` instead; a forecaster that reads nothing has no `frame`. A step of a pyramid's forecaster without a `frame` does not know
//! the size of frames: its prediction is as large as the states say, a multiple of the factor.

mod cells;
mod encoder_forecaster;
mod forecaster;
mod forecaster_graph;
mod form;
mod frame;
mod graph;
mod loops;
mod mlcast;
mod model;
mod operators;
mod patches;
mod proto;
mod pyramid;
mod raft_update;
mod recurrent;
mod recurrent_forecaster;
#[cfg(test)]
mod tests;

use convgru_kernels::Scalar;

pub use form::{Form, Part};
pub use model::OPSET;

use crate::composed::Recurrent;
use crate::error::Result;
use crate::forecaster::Forecaster;
use crate::fused::ConvGru;
use crate::raft::RaftUpdateBlock;

/// The bytes of an ONNX file of a stack of cells.
///
/// # Errors
/// [`Error::FileTooLarge`](crate::Error::FileTooLarge) if the weights are more than a file of this format can hold.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, export::onnx::{self, Form}};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(1, &[4]), 0)?;
/// let file = onnx::conv_gru(&network, Form::Sequence)?;
/// assert!(file.len() > 4 * 3 * 4 * (5 * 9 + 1));
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn conv_gru<T: Scalar>(network: &ConvGru<T>, form: Form) -> Result<Vec<u8>> {
    recurrent::write_stack(network, form)
}

/// The bytes of an ONNX file of a network of recurrent layers, spectral norms folded into the kernels.
///
/// # Errors
/// [`Error::FileTooLarge`](crate::Error::FileTooLarge) if the weights are more than a file of this format can hold, [`Error::InvalidConfig`](crate::Error::InvalidConfig) for kernels over
/// volumes, and for a sequence of a network that reads several inputs.
///
/// ```
/// use convgru_model::export::onnx::{self, Form};
/// use convgru_model::composed::{CellConfig, CellKind, Recurrent, RecurrentConfig};
///
/// let lstm = CellConfig { kind: CellKind::Lstm, ..CellConfig::new(1, 4) };
/// let network = Recurrent::<f32>::new(RecurrentConfig::chain([lstm]), 0)?;
/// let file = onnx::recurrent(&network, Form::Step)?;
/// assert!(file.len() > 4 * 4 * 4 * (5 * 9 + 1));
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn recurrent<T: Scalar>(network: &Recurrent<T>, form: Form) -> Result<Vec<u8>> {
    recurrent::write(network, form)
}

/// The bytes of an ONNX file of an update block of RAFT: one update.
///
/// # Errors
/// [`Error::FileTooLarge`](crate::Error::FileTooLarge) if the weights are more than a file of this format can hold.
///
/// ```
/// use convgru_model::{RaftConvolution, RaftUpdateBlock, RaftUpdateConfig, Tensor, export::onnx};
///
/// let convolution = |channels| RaftConvolution { channels, kernel_size: [3, 3] };
/// let config = RaftUpdateConfig {
///     correlation_channels: 9,
///     context_channels: 4,
///     hidden_channels: 6,
///     correlations: vec![convolution(5)],
///     flow: [convolution(4), convolution(3)],
///     joint: convolution(7),
///     cell_kernels: vec![[3, 3]],
///     flow_head: [convolution(8), convolution(2)],
///     mask: None,
/// };
/// let block = RaftUpdateBlock::<f32>::from_tensors(config, &mut |_, shape| Ok(Tensor::zeros(shape)))?;
/// assert!(onnx::raft_update(&block)?.len() > 4 * 3 * 6 * (6 + 4 + 7 + 2) * 9);
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn raft_update<T: Scalar>(block: &RaftUpdateBlock<T>) -> Result<Vec<u8>> {
    raft_update::write(block)
}

/// The bytes of an ONNX file of a network that continues frames, or a part of it.
///
/// # Errors
/// [`Error::FileTooLarge`](crate::Error::FileTooLarge) if the weights are more than a file of this format can hold, [`Error::Count`](crate::Error::Count)
/// for a forecast of no frames, [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 65536, [`Error::InvalidConfig`](crate::Error::InvalidConfig) for
/// [`Residual::Motion`](crate::Residual::Motion).
///
/// ```
/// use convgru_model::{Forecaster, PyramidConfig, export::onnx::{self, Part}};
///
/// let network = Forecaster::<f32>::new(PyramidConfig::default(), 0)?;
/// let whole = onnx::forecaster(&network, Part::Forecast { steps: 10 })?;
/// let encoder = onnx::forecaster(&network, Part::EncoderStep)?;
/// assert!(encoder.len() < whole.len());
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn forecaster<T: Scalar>(network: &Forecaster<T>, part: Part) -> Result<Vec<u8>> {
    forecaster::write(network, part)
}
