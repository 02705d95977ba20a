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
//! | a convolutional GRU of one layer or several | [`ConvGru`], of a [`ConvGruConfig`] |
//! | a sequence read from its first frame and from its last | [`BidirectionalConvGru`], of a [`BidirectionalConvGruConfig`] |
//! | every other cell: ConvLSTM, TrajGRU, other GRUs | [`composed::Recurrent`], of a [`composed::RecurrentConfig`] |
//! | what a network runs over, initial states, samples of different lengths | [`Sequence`], [`ReturnLayers`] |
//! | what it gives | [`Output`] |
//! | training | [`Workspace`], [`MemoryBudget`], [`OutputGradients`], [`LossGradient`], [`InputGradients`], [`Parameters`] |
//! | reading frames and continuing them | [`Forecaster`], of a [`ForecasterConfig`]; with packed weights [`PreparedForecaster`], as a stream [`ForecastStream`], in training [`PredictionGradient`] and [`TeacherForcing`] |
//! | convolutions, residual blocks and cells one after the other, such as FireNet, for frames that keep coming | [`ConvGruChain`] |
//! | the update block of RAFT | [`RaftUpdateBlock`], of a [`RaftUpdateConfig`] |
//! | events of an event camera as frames | [`events`] |
//! | layers between recurrent networks | [`layer`] |
//! | frames that move on as they moved, without a network | [`motion`] |
//! | a network of any of these kinds, as files hold it | [`Network`] |
//! | weights in and out | [`import`], [`export`] |
//! | checking gradients, also of your own layers | `gradcheck` (feature `gradcheck`) |
//! | the same models as obvious loops | `reference` (feature `gradcheck`) |
//!
//! # Two engines
//!
//! | | fused | composed |
//! |---|---|---|
//! | networks | [`ConvGru`], [`BidirectionalConvGru`], [`Forecaster`] | [`composed::Recurrent`] |
//! | cells | the convolutional GRU, with zeros beyond the edges, either reset gate, the usual functions, kernels of any size and dilation | every other one; a convolutional GRU too |
//! | how | kernels that compute a whole gate in few passes over memory | a cell is a composition of operations, each with its backward pass |
//! | speed | as fast as the machine can | up to twice as long where both could compute a cell |
//!
//! The type of the network is the choice of the engine; none is chosen behind it. Take [`ConvGru`] where it has the cell, and
//! [`composed::Recurrent`] for anything else. [`RecurrentConfig::from`](composed::RecurrentConfig) makes the configuration of a
//! [`ConvGru`] one of the composed engine; [`to_conv_gru`](composed::Recurrent::to_conv_gru) brings a composed network with its
//! weights to the fused engine where that is possible, as [`import`] does with the networks it reads.
//!
//! # Five ways to run a network
//!
//! | | what | memory |
//! |---|---|---|
//! | [`step`](ConvGru::step) | one frame, states in and out | new in each call |
//! | [`forward`](ConvGru::forward) | a sequence | new in each call |
//! | [`forward_train`](ConvGru::forward_train), then [`backward`](ConvGru::backward) | a sequence, and gradients | kept in a [`Workspace`] |
//! | [`prepare`](ConvGru::prepare), then [`Prepared::forward`] | one sequence after the other, weights packed once | kept in [`Prepared`] and [`Output`] |
//! | [`prepare`](ConvGru::prepare), then [`Prepared::stream`] | frames that keep coming | taken once: a [`Stream`] allocates nothing |
//!
//! All of them give the same bits. [`composed::Recurrent`] has the same calls with the same types, and `prepare` gives a
//! [`PreparedRecurrent`](composed::PreparedRecurrent). A [`Forecaster`] has them all but `step`. A [`BidirectionalConvGru`] reads whole
//! sequences alone: it has `forward`, `forward_train` and `backward`.
//!
//! A frame or a sequence at a time:
//!
//! ```
//! use convgru_model::{ConvGru, ConvGruConfig, Output, Sequence, Tensor};
//!
//! let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
//! let frames = Tensor::from_fn(&[5, 3, 2, 6, 7], |i| (i % 7) as f32 / 7.0); // [T, N, C, H, W]
//!
//! let mut states = network.step(&frames.index(0), None)?;
//! for t in 1..5 {
//!     states = network.step(&frames.index(t), Some(&states))?;
//! }
//!
//! // The first sample has five frames, the second three, the third four.
//! let of_lengths = network.forward(Sequence { lengths: Some(&[5, 3, 4]), ..Sequence::from(&frames) })?;
//! assert_eq!(of_lengths.outputs[0].shape(), [5, 3, 4, 6, 7]); // of the topmost layer, after every step
//! assert_eq!(of_lengths.last[0].shape(), [3, 4, 6, 7]); // of every layer, after the last step
//! assert_eq!(of_lengths.last[0].slice(0), states[0].slice(0));
//!
//! let mut prepared = network.prepare()?; // weights packed once
//! let mut output = Output::default(); // its memory is used again
//! prepared.forward(&frames, &mut output)?;
//! assert_eq!(output.last, states);
//!
//! let mut stream = prepared.stream(3, 6, 7)?; // three samples of 6 x 7 pixels
//! for t in 0..5 {
//!     stream.step(&frames.index(t))?;
//! }
//! assert_eq!(stream.output(), &states[0]);
//! stream.reset_samples(&[1])?; // the second sample begins again
//! # Ok::<(), convgru_model::Error>(())
//! ```
//!
//! Training, by both engines:
//!
//! ```
//! use convgru_model::composed::{Recurrent, RecurrentConfig};
//! use convgru_model::{ConvGru, ConvGruConfig, OutputGradients, Parameters, Tensor, Workspace};
//!
//! let config = ConvGruConfig::new(2, &[4]);
//! let frames = Tensor::from_fn(&[5, 2, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
//! let mut workspace = Workspace::default();
//!
//! // The loss is half the sum of all squared states: its gradient is the states.
//! let mut network = ConvGru::<f32>::new(config.clone(), 0)?;
//! let states = network.forward_train(&frames, &mut workspace)?;
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
//! let states = network.forward_train(&frames, &mut workspace)?;
//! let loss = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
//! let mut gradients = network.parameters().zeros_like();
//! network.backward(&mut workspace, &loss, &mut gradients)?;
//! # Ok::<(), convgru_model::Error>(())
//! ```
//!
//! # Conventions
//! `h' = (1 - z).h + z.n`; gates in the order update, reset, candidate; reset before the
//! convolution; weights `[O, I, kh, kw]`; sequences `[T, N, C, H, W]`. Other conventions are
//! converted in [`import`].
//!
//! # Invariants
//! * Backward passes add to the gradients; the caller zeroes them.
//! * One frame at a time gives the same bits as the whole sequence and the training pass.
//! * Results are the same bits for any number of threads.
//! * Any height and width at run time. Bad input is an error that names the numbers, and changes nothing.
//! * A call that would need more memory than the machine has is [`Error::TooLarge`], before any is taken.
#![forbid(unsafe_code)]

pub mod composed;
mod config;
mod error;
pub mod events;
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
mod network;
mod parameters;
mod raft;
mod random;
#[cfg(feature = "gradcheck")]
pub mod reference;
mod sequence;
mod tensor;

pub use config::{
    BidirectionalConvGruConfig, ConvGruConfig, EncoderForecasterConfig, Feedback, ForecasterConfig,
    Initializer, KernelSizes, Merge, MlcastConfig, OutputActivation, Precision, PyramidConfig, PyramidScale,
    RecurrentForecasterConfig, ResetGate, Residual,
};
pub use convgru_kernels::{Isa, Scalar};
pub use error::{Error, Result};
pub use forecaster::*;
pub use fused::*;
pub use network::{Network, NetworkDescription};
pub use parameters::Parameters;
pub use raft::{RaftConvolution, RaftUpdate, RaftUpdateBlock, RaftUpdateConfig};
pub use sequence::{
    InputGradients, LossGradient, MemoryBudget, Output, OutputGradients, ReturnLayers, Sequence,
    StateGradient, Workspace,
};
pub use tensor::Tensor;
