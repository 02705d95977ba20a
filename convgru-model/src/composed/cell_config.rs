//! What a recurrent layer is.

use serde::{Deserialize, Serialize};

use crate::composed::graph::PaddingMode;
use crate::config::{Initializer, Precision, ResetGate};
use crate::layer::Activation;

/// The family a cell is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// The convolutional GRU (Ballas et al. 2015, arXiv 1511.06432).
    #[default]
    Gru,
    /// The convolutional LSTM (Shi et al. 2015, arXiv 1506.04214).
    Lstm,
    /// The trajectory GRU, whose state is moved along learned flows (Shi et al. 2017, arXiv 1706.03458).
    TrajGru,
}

/// Biases of the gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// None.
    None,
    /// One for each gate.
    One,
    /// One for each gate, and one more for the candidate's convolution of the state where the reset
    /// gate acts after it; elsewhere two biases are their sum, and this is the same as one.
    #[default]
    Two,
}

/// Normalisation of the sums before each activation.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// None.
    #[default]
    None,
    /// Over each gate as a whole, with scale and shift for each channel (Ba et al. 2016).
    Layer,
    /// Over groups of channels (Wu and He 2018): of update and reset gate together, and of the candidate.
    #[serde(rename_all = "kebab-case")]
    Group {
        /// Groups of the channels of update and reset gate, one after the other.
        gates: usize,
        /// Groups of the channels of the candidate.
        candidate: usize,
    },
}

/// What the gates see besides input and state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// Nothing.
    #[default]
    None,
    /// Images given with a sequence, the same at every step, added to the sums of the three gates (RAFT-Stereo).
    Additive,
    /// The mean over the image of the state, weighed by a gate of its own (DROID-SLAM):
    /// `g = mean(sigmoid(Wg*h + bg).h)`; `Gz g`, `Gr g`, `Gn g` are added to the sums.
    Global,
}

/// A recurrent layer: kind of cell, channels, kernels and everything that is a choice.
///
/// ```
/// use convgru_model::composed::{CellConfig, CellKind};
/// use convgru_model::layer::Activation;
///
/// let config = CellConfig { candidate_activation: Activation::LeakyRelu(0.2), ..CellConfig::new(8, 32) };
/// config.validate()?;
/// let lstm = CellConfig { kind: CellKind::Lstm, peephole: true, ..CellConfig::new(8, 32) };
/// assert_eq!(lstm.states(), 2);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CellConfig {
    /// The family the cell is of.
    pub kind: CellKind,
    /// Channels of the input; zero makes a layer that runs without input.
    pub in_channels: usize,
    /// Channels of the state.
    pub hidden_channels: usize,
    /// Height and width of the kernels over the state, odd.
    pub kernel_size: [usize; 2],
    /// Height and width of the kernels over the input where they are others.
    pub input_kernel_size: Option<[usize; 2]>,
    /// Depth of the kernels over the state, for volumes; odd.
    pub kernel_depth: usize,
    /// Depth of the kernels over the input, for volumes; odd.
    pub input_kernel_depth: usize,
    /// With it the cell is applied twice in each step, to the same input and with weights of its own the second
    /// time, whose kernels are of this size (the pair 1 x 5, 5 x 1 of RAFT).
    pub second_kernel_size: Option<[usize; 2]>,
    /// Distance of the taps of kernels over the state.
    pub dilation: [usize; 2],
    /// Distance of the taps of kernels over the input.
    pub input_dilation: [usize; 2],
    /// Distance of neighbouring pixels of the state in pixels of the input.
    pub input_stride: [usize; 2],
    /// Rows above and below and columns on either side of the input; half the kernel where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_padding: Option<[usize; 2]>,
    /// Groups of channels of state and gates that see each other alone; as many as channels: depthwise.
    pub groups: usize,
    /// Groups of channels of input and gates.
    pub input_groups: usize,
    /// What lies beyond the edges of input and state: rows, columns.
    pub padding_mode: [PaddingMode; 2],
    /// Biases.
    pub bias: Bias,
    /// Where the reset gate acts.
    pub reset: ResetGate,
    /// The function of the candidate, or of cell input and output of an LSTM.
    pub candidate_activation: Activation,
    /// The function of the gates.
    pub gate_activation: Activation,
    /// Normalisation of sums.
    pub normalization: Normalization,
    /// What is added to the variance under the root where sums are normalised.
    pub normalization_epsilon: f64,
    /// Whether the kernel of each gate is divided by an estimate of its spectral norm (Miyato et al. 2018).
    pub spectral_norm: bool,
    /// What the gates see besides.
    pub context: Context,
    /// Channels of the state of the layer below that update and reset gate read in the same step, in a stack
    /// of [`Wiring::GruRcn`](super::Wiring::GruRcn); zero for none.
    pub lower_channels: usize,
    /// Whether the gates of an LSTM read its memory, each channel its own.
    pub peephole: bool,
    /// Flows of a trajectory GRU.
    pub flows: usize,
    /// Channels of the features its flows are made of.
    pub flow_channels: usize,
    /// Part of the state that is not renewed in a step of training (Krueger et al. 2016).
    pub zoneout: f64,
    /// Part of input and state that the gates do not see in training, the same in every step (Gal and Ghahramani 2016).
    pub dropout: f64,
    /// What the bias of the update gate (of an LSTM: the forget gate) begins with.
    pub update_bias: f64,
    /// How kernels are drawn.
    pub initializer: Initializer,
    /// How exactly convolutions are computed.
    pub precision: Precision,
}

impl Default for CellConfig {
    fn default() -> Self {
        Self {
            kind: CellKind::Gru,
            in_channels: 1,
            hidden_channels: 1,
            kernel_size: [3, 3],
            input_kernel_size: None,
            kernel_depth: 1,
            input_kernel_depth: 1,
            second_kernel_size: None,
            dilation: [1, 1],
            input_dilation: [1, 1],
            input_stride: [1, 1],
            input_padding: None,
            groups: 1,
            input_groups: 1,
            padding_mode: [PaddingMode::Zeros; 2],
            bias: Bias::Two,
            reset: ResetGate::Before,
            candidate_activation: Activation::Tanh,
            gate_activation: Activation::Sigmoid,
            normalization: Normalization::None,
            normalization_epsilon: 1e-5,
            spectral_norm: false,
            context: Context::None,
            lower_channels: 0,
            peephole: false,
            flows: 5,
            flow_channels: 32,
            zoneout: 0.0,
            dropout: 0.0,
            update_bias: 0.0,
            initializer: Initializer::Orthogonal,
            precision: Precision::Fast,
        }
    }
}

impl CellConfig {
    /// A convolutional GRU with kernels of 3x3.
    pub fn new(in_channels: usize, hidden_channels: usize) -> Self {
        Self { in_channels, hidden_channels, ..Self::default() }
    }

    /// Tensors of state: the hidden state, and the memory of an LSTM.
    pub fn states(&self) -> usize {
        if self.kind == CellKind::Lstm { 2 } else { 1 }
    }

    /// Height and width of the state for the height and width of an input; zero where the kernel does not fit.
    pub fn state_size(&self, input: [usize; 2]) -> [usize; 2] {
        let (kernel, padding) = (self.input_kernel(), self.padding_of_input());
        [0, 1].map(|axis| {
            let reach = self.input_dilation[axis].saturating_mul(kernel[axis].saturating_sub(1));
            let padded = input[axis].saturating_add(padding[axis].saturating_mul(2));
            let rest = padded.checked_sub(reach.saturating_add(1));
            rest.map_or(0, |rest| (rest / self.input_stride[axis].max(1)).saturating_add(1))
        })
    }

    /// Rows and columns on each side of the input.
    pub(crate) fn padding_of_input(&self) -> [usize; 2] {
        let kernel = self.input_kernel();
        let half = |axis: usize| self.input_dilation[axis].saturating_mul(kernel[axis] / 2);
        self.input_padding.unwrap_or([half(0), half(1)])
    }

    /// Height and width of the kernels over the input.
    pub fn input_kernel(&self) -> [usize; 2] {
        self.input_kernel_size.unwrap_or(self.kernel_size)
    }

    /// Groups of normalisation, of update and reset gate together and of the candidate.
    pub(crate) fn normalization_groups(&self) -> Option<[usize; 2]> {
        match self.normalization {
            Normalization::None => None,
            Normalization::Layer => Some([2, 1]),
            Normalization::Group { gates, candidate } => Some([gates, candidate]),
        }
    }
}
