//! Every other recurrent cell of the field, in one configuration.
//!
//! [`ConvGru`](crate::ConvGru) is one cell at the speed of the machine. Here are its dialects and relatives:
//! reset gate before or after, other activations, dilated, strided, grouped and periodic convolutions, normalisation
//! inside the recurrence, spectral normalisation, contexts, pairs of passes, the stacked GRU-RCN, the
//! ConvLSTM and the trajectory GRU, on lines, images and volumes. Each is composed of operations whose backward
//! passes are written by hand and checked; the same kernels compute the convolutions, the convolutions of inputs
//! are one call for all steps, and a state that is not given costs no convolution.
//!
//! ```
//! use convgru_model::composed::{CellConfig, CellKind, Recurrent, RecurrentConfig};
//! use convgru_model::Tensor;
//!
//! let lstm = CellConfig { kind: CellKind::Lstm, ..CellConfig::new(3, 8) };
//! let network = Recurrent::<f32>::new(RecurrentConfig::chain([lstm]), 0)?;
//! let frames = Tensor::zeros(&[5, 1, 3, 16, 20]);
//! let run = network.forward(&frames)?;
//! assert_eq!(run.outputs[0].shape(), [5, 1, 8, 16, 20]);
//! assert_eq!(run.last.len(), 2); // hidden state and memory
//! # Ok::<(), convgru_model::Error>(())
//! ```

mod backward;
mod cell;
mod cell_config;
mod chain;
mod config;
mod continuation;
mod conversion;
mod dropout;
mod forward;
pub(crate) mod graph;
mod network;
mod parameter_spec;
mod prepared;
mod recorded;
#[cfg(feature = "gradcheck")]
mod reference;
mod run;
mod segments;
mod sequence_shape;
mod spectral_norm;
mod stream;
mod validate;

pub use cell_config::{Bias, CellConfig, CellKind, Context, Normalization};
pub use config::{ConvStageConfig, RecurrentConfig, Stage, Wiring};
pub use network::{Recurrent, RecurrentParameters};
pub use prepared::PreparedRecurrent;
pub use stream::RecurrentStream;

pub(crate) use self::continuation::Continuation;
pub use self::graph::PaddingMode;
#[cfg(feature = "onnx")]
pub(crate) use conversion::from_layers;
pub(crate) use dropout::Seed;
pub(crate) use parameter_spec::ParameterSpec;
#[cfg(feature = "gradcheck")]
pub(crate) use reference::{ReferenceRun, reference, reference_steps};
pub(crate) use run::Runner;
#[cfg(feature = "onnx")]
pub(crate) use run::{Run, RunInput};
pub(crate) use sequence_shape::{SequenceShape, sizes_of_images};
