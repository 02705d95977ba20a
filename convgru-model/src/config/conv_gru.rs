//! The configuration of a stack of cells.

use serde::{Deserialize, Serialize};

use super::kernel_size::validate_dilation;
use super::{Initializer, KernelSizes, MAX_CHANNELS, MAX_LAYERS, MAX_PARAMETERS, activations, invalid};
use crate::error::Result;
use crate::layer::Activation;
use convgru_kernels::gates::Activations;

/// Where the reset gate acts. Weights of one kind are no weights of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetGate {
    /// On the state, before its convolution: `n = tanh(Wn*x + bn + Un*(r.h))` (Ballas et al. 2015).
    #[default]
    Before,
    /// On the convolution of the state, which has a bias of its own: `n = tanh(Wn*x + bn + r.(Un*h + cn))`
    /// (the GRU of cuDNN and PyTorch, as a convolution).
    After,
}

impl std::fmt::Display for ResetGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// How exactly the convolutions of a network are computed in `f32`. `f64` is always exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Products and sums as in the definition.
    Exact,
    /// Winograd's minimal filtering for kernels of 3x3 and 5x5: two to three times faster, an
    /// error of a few 1e-6 of a state's 2-norm (docs/numerics.md).
    #[default]
    Fast,
}

impl From<Precision> for convgru_kernels::conv::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Exact => Self::Exact,
            Precision::Fast => Self::Fast,
        }
    }
}

/// A stack of convolutional GRU cells: each layer reads the hidden state of the one below.
///
/// ```
/// use convgru_model::ConvGruConfig;
///
/// let config = ConvGruConfig { kernel_size: [3, 5, 3].into(), ..ConvGruConfig::new(8, &[32, 64, 16]) };
/// config.validate()?;
/// assert_eq!(config.layers(), 3);
/// # Ok::<(), convgru_model::Error>(())
/// ```
///
/// Cells with a rectifier, a hard sigmoid and kernels over the state whose taps are two pixels apart:
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Tensor, layer::Activation};
///
/// let config = ConvGruConfig {
///     gate_activation: Activation::HardSigmoid,
///     candidate_activation: Activation::LeakyRelu(0.2),
///     dilation: [2, 2],
///     input_dilation: Some([1, 1]),
///     ..ConvGruConfig::new(3, &[8])
/// };
/// let network = ConvGru::<f32>::new(config, 0)?;
/// assert_eq!(network.step(&Tensor::zeros(&[1, 3, 7, 9]), None)?[0].shape(), [1, 8, 7, 9]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvGruConfig {
    /// Channels of the input; zero makes a network that runs without input.
    pub in_channels: usize,
    /// Channels of the hidden state of each layer, from the input up.
    pub hidden_channels: Vec<usize>,
    /// Kernel sizes, odd; a number serves all layers.
    #[serde(default)]
    pub kernel_size: KernelSizes,
    /// Kernel sizes of the convolutions of inputs, if they differ from the kernel sizes of the convolutions of states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_kernel_size: Option<KernelSizes>,
    /// Rows and columns from tap to tap of the kernels over states.
    #[serde(default = "side_by_side", skip_serializing_if = "is_side_by_side")]
    pub dilation: [usize; 2],
    /// Rows and columns from tap to tap of the kernels over inputs, where they are others than over states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_dilation: Option<[usize; 2]>,
    /// Whether each gate adds a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The function of update and reset gate: the sigmoid or the hard sigmoid.
    #[serde(default = "activations::gate", skip_serializing_if = "activations::is_gate")]
    pub gate_activation: Activation,
    /// The function of the candidate: tanh, ReLU, or leaky ReLU with a slope of at least 0.
    #[serde(default = "activations::candidate", skip_serializing_if = "activations::is_candidate")]
    pub candidate_activation: Activation,
    /// Where the reset gate acts.
    #[serde(default)]
    pub reset: ResetGate,
    /// How weights are drawn before training.
    #[serde(default)]
    pub initializer: Initializer,
    /// How exactly convolutions are computed.
    #[serde(default)]
    pub precision: Precision,
}

fn yes() -> bool {
    true
}

fn side_by_side() -> [usize; 2] {
    [1, 1]
}

fn is_side_by_side(dilation: &[usize; 2]) -> bool {
    *dilation == side_by_side()
}

impl ConvGruConfig {
    /// Kernels of 3x3, bias, orthogonal weights, gates by the sigmoid and candidates by tanh.
    pub fn new(in_channels: usize, hidden_channels: &[usize]) -> Self {
        Self {
            in_channels,
            hidden_channels: hidden_channels.to_vec(),
            kernel_size: KernelSizes::default(),
            input_kernel_size: None,
            dilation: side_by_side(),
            input_dilation: None,
            bias: true,
            gate_activation: activations::GATE,
            candidate_activation: activations::CANDIDATE,
            reset: ResetGate::default(),
            initializer: Initializer::default(),
            precision: Precision::default(),
        }
    }

    /// The number of layers.
    pub fn layers(&self) -> usize {
        self.hidden_channels.len()
    }

    /// The channels that layer `layer` reads: the channels of the input or of the state below.
    pub fn input_of_layer(&self, layer: usize) -> usize {
        if layer == 0 { self.in_channels } else { self.hidden_channels[layer - 1] }
    }

    /// Height and width of the kernels over the input of a layer.
    pub fn input_kernel_of_layer(&self, layer: usize) -> [usize; 2] {
        self.input_kernel_size.as_ref().unwrap_or(&self.kernel_size).of_layer(layer)
    }

    /// Whether both stacks compute the same with the same weights: all fields but `initializer` and `precision` have the same
    /// meaning.
    ///
    /// ```
    /// use convgru_model::{ConvGruConfig, Precision, ResetGate};
    ///
    /// let config = ConvGruConfig::new(2, &[4, 4]);
    /// let same = ConvGruConfig { kernel_size: [3, 3].into(), precision: Precision::Exact, ..config.clone() };
    /// assert!(config.computes_the_same_as(&same));
    /// assert!(!config.computes_the_same_as(&ConvGruConfig { reset: ResetGate::After, ..config.clone() }));
    /// ```
    pub fn computes_the_same_as(&self, other: &Self) -> bool {
        let kernels = |config: &Self| -> Vec<_> {
            let of = |layer| (config.kernel_size.of_layer(layer), config.input_kernel_of_layer(layer));
            (0..config.layers()).map(of).collect()
        };
        let functions = |config: &Self| (config.gate_activation, config.candidate_activation, config.reset);
        self.in_channels == other.in_channels
            && self.hidden_channels == other.hidden_channels
            && kernels(self) == kernels(other)
            && (self.dilation, self.dilation_of_input()) == (other.dilation, other.dilation_of_input())
            && self.bias == other.bias
            && functions(self) == functions(other)
    }

    /// Rows and columns from tap to tap of the kernels over inputs.
    pub fn dilation_of_input(&self) -> [usize; 2] {
        self.input_dilation.unwrap_or(self.dilation)
    }

    /// The functions of the cells as the kernels name them.
    pub(crate) fn activations(&self) -> Result<Activations> {
        activations::of_cell(self.gate_activation, self.candidate_activation)
    }

    /// The number of weights and biases of all layers:
    /// `sum of 3 hidden ((in + hidden) kh kw + 1)`, where kernels over input and state are of one size, without the 1 where there is no bias, and `hidden` more
    /// of each layer whose reset gate acts after a convolution with bias, for a configuration that [`validate`](Self::validate) accepts.
    pub fn parameter_count(&self) -> usize {
        let of_layer = |layer: usize| {
            let taps = |[height, width]: [usize; 2]| height.saturating_mul(width);
            let hidden = self.hidden_channels[layer];
            let of_input = self.input_of_layer(layer).saturating_mul(taps(self.input_kernel_of_layer(layer)));
            let weights =
                of_input.saturating_add(hidden.saturating_mul(taps(self.kernel_size.of_layer(layer))));
            let of_state = self.bias && self.reset == ResetGate::After;
            let columns = weights.saturating_add(usize::from(self.bias));
            let rows = hidden.saturating_mul(3).saturating_mul(columns);
            rows.saturating_add(if of_state { hidden } else { 0 })
        };
        (0..self.layers()).map(of_layer).fold(0, usize::saturating_add)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        let layers = self.layers();
        if self.in_channels > MAX_CHANNELS {
            return invalid("in_channels", format!("{} is more than {MAX_CHANNELS}", self.in_channels));
        }
        validate_hidden_channels(&self.hidden_channels)?;
        self.kernel_size.validate("kernel_size", layers)?;
        if let Some(sizes) = &self.input_kernel_size {
            sizes.validate("input_kernel_size", layers)?;
        }
        for layer in 0..layers {
            let kernel = self.kernel_size.of_layer(layer);
            let of = format!(" of layer {layer}");
            validate_dilation("dilation", self.dilation, kernel, &of)?;
            let (dilation, kernel) = (self.dilation_of_input(), self.input_kernel_of_layer(layer));
            validate_dilation("input_dilation", dilation, kernel, &of)?;
        }
        self.activations()?;
        let parameters = self.parameter_count();
        if parameters > MAX_PARAMETERS {
            return invalid(
                "hidden_channels",
                format!("the network would have {parameters} parameters, more than {MAX_PARAMETERS}"),
            );
        }
        Ok(())
    }
}

/// Checks the list of hidden channels of a stack.
pub(super) fn validate_hidden_channels(channels: &[usize]) -> Result<()> {
    let field = "hidden_channels";
    if channels.is_empty() || channels.len() > MAX_LAYERS {
        return invalid(field, format!("{} layers; a network has 1 to {MAX_LAYERS}", channels.len()));
    }
    for (layer, &hidden) in channels.iter().enumerate() {
        if hidden == 0 || hidden > MAX_CHANNELS {
            return invalid(
                field,
                format!("layer {layer} has {hidden} channels; 1 to {MAX_CHANNELS} are possible"),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut ConvGruConfig)) -> String {
        let mut config = ConvGruConfig::new(2, &[4, 4]);
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn parameters_are_counted() {
        use crate::{ConvGru, Parameters};
        let kinds = [(true, ResetGate::Before), (true, ResetGate::After), (false, ResetGate::After)];
        let sizes = [None, Some([1, 5].into())];
        for (bias, reset) in kinds {
            for input_kernel_size in sizes.clone() {
                let config =
                    ConvGruConfig { bias, reset, input_kernel_size, ..ConvGruConfig::new(2, &[4, 5]) };
                let network = ConvGru::<f32>::new(config.clone(), 0).unwrap();
                assert_eq!(network.parameters().count(), config.parameter_count());
            }
        }
    }

    #[test]
    fn errors_name_the_field_and_the_value() {
        assert!(message(|c| c.hidden_channels.clear()).starts_with("hidden_channels: 0 layers"));
        assert!(message(|c| c.hidden_channels[1] = 0).contains("layer 1 has 0 channels"));
        assert!(
            message(|c| c.kernel_size = KernelSizes::All(4))
                .starts_with("kernel_size: kernel 4x4 of layer 0")
        );
        let two = |c: &mut ConvGruConfig| c.input_kernel_size = Some(2.into());
        assert!(message(two).starts_with("input_kernel_size: kernel 2x2"));
        assert!(message(|c| c.dilation = [1, 0]).starts_with("dilation: 1x0 pixels from tap to tap"));
        assert!(message(|c| c.dilation = [128, 1]).contains("layer 0 would reach over 257x3 pixels"));
        let far = |c: &mut ConvGruConfig| c.input_dilation = Some([1, usize::MAX]);
        assert!(message(far).starts_with("input_dilation: 1x18446744073709551615"));
        let wide = |c: &mut ConvGruConfig| {
            (c.dilation, c.input_kernel_size) = ([2, 2], Some([3, 201].into()));
        };
        assert!(message(wide).starts_with("input_dilation: a kernel of layer 1 would reach over 401x401"));
        assert!(message(|c| c.gate_activation = Activation::Tanh).starts_with("gate_activation: tanh is no"));
        let set = |function| message(|c| c.candidate_activation = function);
        assert!(set(Activation::Sigmoid).starts_with("candidate_activation: sigmoid is no function of"));
        for slope in [-0.5, f64::NAN, f64::INFINITY, 1e300] {
            let expected = format!("candidate_activation: the slope {slope} of leaky-relu");
            assert!(set(Activation::LeakyRelu(slope)).starts_with(&expected));
        }
        assert!(message(|c| c.kernel_size = [3, 3, 3].into()).contains("3 sizes for 2 layers"));
        assert!(message(|c| c.in_channels = 1 << 20).starts_with("in_channels: 1048576"));
        assert!(message(|c| c.hidden_channels = vec![60_000, 60_000]).contains("parameters"));
    }
}
