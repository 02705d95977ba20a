//! Convolutional GRUs with hand-written, verified gradients.
//!
//! A convolutional GRU (Ballas et al. 2015, arXiv 1511.06432) is a recurrent unit whose
//! matrix products are convolutions: its memory is an image, and what it remembers keeps
//! its place in the picture.
//!
//! ```
//! use convgru_model::{ConvGru, ConvGruConfig, Tensor};
//!
//! // 8 channels in; three layers of 32, 64 and 16 channels with 3x3, 5x5 and 3x3 kernels.
//! let config = ConvGruConfig { kernel_size: [3, 5, 3].into(), ..ConvGruConfig::new(8, &[32, 64, 16]) };
//! let network = ConvGru::<f32>::new(config, 0)?;
//!
//! let frame = Tensor::zeros(&[1, 8, 64, 64]);
//! let states = network.step(&frame, None)?;
//! assert_eq!(states.len(), 3);
//! assert_eq!(states[2].shape(), [1, 16, 64, 64]);
//! # Ok::<(), convgru_model::Error>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | a convolutional GRU of one layer or several | [`ConvGru`], with packed weights [`Prepared`], frame by frame [`Stream`] |
//! | a sequence read from both ends | [`BidirectionalConvGru`] |
//! | every other cell: ConvLSTM, TrajGRU, other GRUs | [`composed::Recurrent`] |
//! | what a network runs over, initial states, samples of different lengths | [`Sequence`] |
//! | training | [`Workspace`], [`OutputGradients`], [`LossGradient`], [`Parameters`] |
//! | reading frames and continuing them | [`Forecaster`], a stream of frames [`ForecastStream`] |
//! | layers between recurrent networks | [`layer`] |
//! | frames that move on as they moved | [`motion`] |
//! | weights in and out | [`import`], [`export`] |
//! | checking gradients, also of your own layers | [`gradcheck`] |
//! | the same models as obvious loops | [`mod@reference`] |
//!
//! # Two engines
//!
//! [`ConvGru`], [`BidirectionalConvGru`] and the networks that continue frames run on the *fused* engine: kernels that compute a
//! convolutional GRU in few passes over memory, as fast as the machine can. They are what to use for a GRU with zeros
//! beyond the edges, with either reset gate, the usual functions, and kernels of any size and dilation.
//!
//! [`composed::Recurrent`] runs on the *composed* engine: a cell is a composition of operations, each with its
//! backward pass. It computes every other cell, up to about twice as slowly where both could compute one.
//! [`RecurrentConfig::from`](composed::RecurrentConfig) brings a stack to it, and
//! [`to_conv_gru`](composed::Recurrent::to_conv_gru) back where that is possible.
//!
//! Both are used in the same way, with the same types:
//!
//! ```
//! use convgru_model::composed::{Recurrent, RecurrentConfig};
//! use convgru_model::{ConvGru, ConvGruConfig, OutputGradients, Parameters, Sequence, Tensor, Workspace};
//!
//! let config = ConvGruConfig::new(2, &[4]);
//! let frames = Tensor::from_fn(&[5, 2, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
//! // The first sample has five frames, the second three.
//! let sequence = Sequence { lengths: Some(&[5, 3]), ..Sequence::from(&frames) };
//! let mut workspace = Workspace::default();
//!
//! let network = ConvGru::<f32>::new(config.clone(), 0)?;
//! let states = network.forward_train(sequence, &mut workspace)?;
//! let loss = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
//! network.backward(&mut workspace, &loss, &mut network.parameters().zeros_like())?;
//!
//! let network = Recurrent::<f32>::new(RecurrentConfig::from(&config), 0)?;
//! let states = network.forward_train(sequence, &mut workspace)?;
//! let loss = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
//! network.backward(&mut workspace, &loss, &mut network.parameters().zeros_like())?;
//! # Ok::<(), convgru_model::Error>(())
//! ```
//!
//! # Conventions
//! `h' = (1 - z).h + z.n`; gates in the order update, reset, candidate; reset before the
//! convolution; weights `[O, I, kh, kw]`; sequences `[T, N, C, H, W]`. Other conventions are
//! converted at the border, in [`import`].
//!
//! # Invariants
//! * Backward passes add to the gradients; the caller zeroes them.
//! * One frame at a time gives the same bits as the whole sequence.
//! * Results are the same bits for any number of threads.
//! * Any height and width at run time. Bad input is an error that names the numbers, and changes nothing.
//! * A call that would need more memory than the machine has is [`Error::TooLarge`], before any is taken.
#![forbid(unsafe_code)]

pub mod composed;
mod config;
mod error;
pub mod export;
mod forecaster;
mod fused;
#[cfg(feature = "gradcheck")]
pub mod gradcheck;
pub mod import;
mod init;
pub mod layer;
mod memory;
pub mod motion;
mod parallel;
mod parameters;
mod random;
#[cfg(feature = "gradcheck")]
pub mod reference;
mod sequence;
mod tensor;

pub use config::{
    BidirectionalConvGruConfig, ConvGruConfig, EncoderForecasterConfig, Feedback, ForecasterConfig,
    Initializer, KernelSize, KernelSizes, Merge, OutputActivation, Precision, PyramidConfig, PyramidScale,
    ResetGate, Residual,
};
pub use convgru_kernels::{Isa, Scalar, UnknownIsa};
pub use error::{Error, Result};
pub use forecaster::*;
pub use fused::*;
pub use parameters::Parameters;
pub use sequence::{
    InputGradients, LossGradient, MemoryBudget, Output, OutputGradients, Outputs, Sequence, StateGradient,
    Workspace,
};
pub use tensor::Tensor;
