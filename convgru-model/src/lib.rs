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
//! | a sequence read from both ends | [`BidirectionalConvGru`], of a [`BidirectionalConvGruConfig`] |
//! | every other cell: ConvLSTM, TrajGRU, other GRUs | [`composed::Recurrent`] |
//! | what a network runs over, initial states, samples of different lengths | [`Sequence`] |
//! | training | [`Workspace`], [`OutputGradients`], [`LossGradient`], [`Parameters`] |
//! | reading frames and continuing them | [`Forecaster`], with packed weights [`PreparedForecaster`], as a stream [`ForecastStream`], in training [`PredictionGradient`] and [`TeacherForcing`] |
//! | layers between recurrent networks | [`layer`] |
//! | frames that move on as they moved | [`motion`] |
//! | weights in and out | [`import`], [`export`] |
//! | checking gradients, also of your own layers | `gradcheck` (feature `gradcheck`) |
//! | the same models as obvious loops | `reference` (feature `gradcheck`) |
//!
//! # Two engines
//!
//! [`ConvGru`], [`BidirectionalConvGru`] and the networks that continue frames run on the *fused* engine: kernels that compute a
//! convolutional GRU in few passes over memory, as fast as the machine can. They are what to use for a GRU with zeros
//! beyond the edges, with either reset gate, the usual functions, and kernels of any size and dilation.
//!
//! [`composed::Recurrent`] runs on the *composed* engine: a cell is a composition of operations, each with its
//! backward pass. It computes every other cell, up to about twice as slowly where both could compute one.
//! [`RecurrentConfig::from`](composed::RecurrentConfig) makes the configuration of a stack one of that engine;
//! [`to_conv_gru`](composed::Recurrent::to_conv_gru) brings a network with its weights to the fused engine where that is possible.
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
//! // The loss is half the sum of all squared states: its gradient is the states.
//! let mut network = ConvGru::<f32>::new(config.clone(), 0)?;
//! let states = network.forward_train(sequence, &mut workspace)?;
//! let loss = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
//! let mut gradients = network.parameters().zeros_like();
//! network.backward(&mut workspace, &loss, &mut gradients)?;
//! // A step of gradient descent.
//! let mut gradients = gradients.to_named().into_iter();
//! network.parameters_mut().for_each_mut(&mut |_, weights| {
//!     let (_, gradient) = gradients.next().expect("a gradient of each tensor, in the same order");
//!     weights.as_mut_slice().iter_mut().zip(gradient.as_slice()).for_each(|(w, g)| *w -= 0.01 * g);
//! });
//!
//! let network = Recurrent::<f32>::new(RecurrentConfig::from(&config), 0)?;
//! let states = network.forward_train(sequence, &mut workspace)?;
//! let loss = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
//! let mut gradients = network.parameters().zeros_like();
//! network.backward(&mut workspace, &loss, &mut gradients)?;
//! # Ok::<(), convgru_model::Error>(())
//! ```
//!
//! # Running a network that is trained
//!
//! ```
//! use convgru_model::{ConvGru, ConvGruConfig, Output, Tensor};
//!
//! let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
//! let mut prepared = network.prepare()?; // weights packed once
//! let frames = Tensor::zeros(&[5, 3, 2, 6, 7]);
//! let mut output = Output::default(); // its memory is used again
//! prepared.forward(&frames, &mut output)?;
//! assert_eq!(output.outputs[0].shape(), [5, 3, 4, 6, 7]); // of the topmost layer, after every step
//! assert_eq!(output.last[0].shape(), [3, 4, 6, 7]); // of every layer, after the last step
//!
//! let mut stream = prepared.stream(3, 6, 7)?; // three samples of 6 x 7 pixels
//! stream.step(&frames.index(0))?;
//! stream.reset_samples(&[1])?; // the second sample begins again
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
