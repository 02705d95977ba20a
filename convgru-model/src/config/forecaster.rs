//! The configuration of a network that continues frames, of any kind.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::network::parameter_count;
use super::{
    ComponentConfig, ConvGruConfig, EncoderForecasterConfig, MlcastConfig, NetworkConfig, OutputActivation,
    PyramidConfig, RecurrentForecasterConfig,
};
use crate::error::Result;

/// What a [`Forecaster`](crate::Forecaster) is: the field `kind` says which of the configurations the others are those of, and
/// is `encoder-forecaster` where it is left out.
///
/// ```
/// use convgru_model::ForecasterConfig;
///
/// let text = r#"{"kind": "pyramid", "scales": [{"channels": 16, "down": 4}, {"channels": 32}]}"#;
/// let config: ForecasterConfig = serde_json::from_str(text)?;
/// assert_eq!((config.kind(), config.frame_multiple()), ("pyramid", 1));
/// let config: ForecasterConfig = serde_json::from_str(r#"{"patch": 8}"#)?;
/// assert_eq!((config.kind(), config.frame_multiple()), ("encoder-forecaster", 8));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ForecasterConfig {
    /// Two stacks at one scale.
    EncoderForecaster(EncoderForecasterConfig),
    /// Cells at several scales.
    Pyramid(PyramidConfig),
    /// mlcast's network: cells at scales of halves, without other convolutions.
    Mlcast(MlcastConfig),
    /// Stages of any composed cells that read their own predictions.
    Recurrent(RecurrentForecasterConfig),
}

impl Default for ForecasterConfig {
    fn default() -> Self {
        Self::EncoderForecaster(EncoderForecasterConfig::default())
    }
}

impl From<EncoderForecasterConfig> for ForecasterConfig {
    fn from(config: EncoderForecasterConfig) -> Self {
        Self::EncoderForecaster(config)
    }
}

impl From<PyramidConfig> for ForecasterConfig {
    fn from(config: PyramidConfig) -> Self {
        Self::Pyramid(config)
    }
}

impl From<MlcastConfig> for ForecasterConfig {
    fn from(config: MlcastConfig) -> Self {
        Self::Mlcast(config)
    }
}

impl From<RecurrentForecasterConfig> for ForecasterConfig {
    fn from(config: RecurrentForecasterConfig) -> Self {
        Self::Recurrent(config)
    }
}

impl<'de> Deserialize<'de> for ForecasterConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(deserializer)?;
        let kind = fields.remove("kind").unwrap_or_else(|| Self::default().kind().into());
        let config = match kind.as_str().and_then(Self::of_kind) {
            Some(Self::EncoderForecaster(_)) => {
                serde_json::from_value(fields.into()).map(Self::EncoderForecaster)
            }
            Some(Self::Pyramid(_)) => serde_json::from_value(fields.into()).map(Self::Pyramid),
            Some(Self::Mlcast(_)) => serde_json::from_value(fields.into()).map(Self::Mlcast),
            Some(Self::Recurrent(_)) => serde_json::from_value(fields.into()).map(Self::Recurrent),
            None => {
                let kinds = Self::KINDS.join(", ");
                return Err(D::Error::custom(format!(
                    "there is no kind {kind} of networks; the kinds are {kinds}"
                )));
            }
        };
        config.map_err(D::Error::custom)
    }
}

impl ForecasterConfig {
    /// The names of all kinds.
    pub const KINDS: [&'static str; 4] = ["encoder-forecaster", "pyramid", "mlcast", "recurrent"];

    /// The default configuration of a kind.
    pub fn of_kind(kind: &str) -> Option<Self> {
        let [pyramid, mlcast] = [PyramidConfig::default().into(), MlcastConfig::default().into()];
        [Self::default(), pyramid, mlcast, RecurrentForecasterConfig::default().into()]
            .into_iter()
            .find(|config| config.kind() == kind)
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EncoderForecaster(_) => Self::KINDS[0],
            Self::Pyramid(_) => Self::KINDS[1],
            Self::Mlcast(_) => Self::KINDS[2],
            Self::Recurrent(_) => Self::KINDS[3],
        }
    }

    /// What is the same for every kind.
    pub(crate) fn network(&self) -> &dyn NetworkConfig {
        match self {
            Self::EncoderForecaster(config) => config,
            Self::Pyramid(config) => config,
            Self::Mlcast(config) => config,
            Self::Recurrent(config) => config,
        }
    }

    /// Channels of a frame.
    pub fn image_channels(&self) -> usize {
        self.network().image_channels()
    }

    /// Channels of an input frame: the channels of the image, and the [mask](Self::has_mask_channel) if there is one.
    pub fn read_channels(&self) -> usize {
        self.network().read_channels()
    }

    /// Whether the last channel of frames that are read tells which pixels were measured, 1 for measured and 0 for missing. It is not predicted;
    /// the network's own predictions count as measured.
    pub fn has_mask_channel(&self) -> bool {
        self.input_channels() == 0 && self.read_channels() > self.image_channels()
    }

    /// Channels of the input frames of a network that gives an image for each input frame, at the same time; 0 for a network that continues the
    /// images it reads. See [`RecurrentForecasterConfig::input_channels`](field@RecurrentForecasterConfig::input_channels).
    pub fn input_channels(&self) -> usize {
        self.network().input_channels()
    }

    /// The same network with a channel that tells which pixels were measured, or without one. A network of mlcast has none.
    pub fn with_mask_channel(self, mask_channel: bool) -> Self {
        match self {
            Self::EncoderForecaster(config) => EncoderForecasterConfig { mask_channel, ..config }.into(),
            Self::Pyramid(config) => PyramidConfig { mask_channel, ..config }.into(),
            Self::Mlcast(_) => self,
            Self::Recurrent(config) => config.with_mask_channel(mask_channel).into(),
        }
    }

    /// Predictions that are made at once.
    pub fn members(&self) -> usize {
        self.network().members()
    }

    /// What turns the output into pixels.
    pub fn output_activation(&self) -> OutputActivation {
        self.network().output_activation()
    }

    /// Height and width of frames must be multiples of this.
    pub fn frame_multiple(&self) -> usize {
        self.network().frame_multiple()
    }

    /// Whether the forecaster reads its own predictions, and teacher forcing has something to replace.
    pub fn reads_predictions(&self) -> bool {
        self.network().reads_predictions()
    }

    /// Height and width of the state of the topmost or coarsest cells are those of a frame divided by this, rounded up.
    pub fn factor(&self) -> usize {
        self.network().downs().into_iter().fold(1, usize::saturating_mul)
    }

    /// Channels of the hidden states of each layer, in the order a frame meets them.
    pub fn hidden_channels(&self) -> Vec<usize> {
        self.network().hidden_channels()
    }

    /// The stacks of [`ConvGru`](crate::ConvGru) cells in the order of the parameters, each with the beginning of its tensors' names, such as
    /// `encoder` or `encoder.0`.
    ///
    /// ```
    /// use convgru_model::ForecasterConfig;
    ///
    /// let stacks = ForecasterConfig::default().stacks();
    /// assert_eq!((stacks[0].0.as_str(), stacks[1].0.as_str()), ("encoder", "forecaster"));
    /// ```
    pub fn stacks(&self) -> Vec<(String, ConvGruConfig)> {
        let stack = |(name, component)| match component {
            ComponentConfig::Cells(config) => Some((name, config)),
            ComponentConfig::Convolution(..) | ComponentConfig::Stages(_) => None,
        };
        self.network().components().into_iter().filter_map(stack).collect()
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        parameter_count(&self.network().components())
    }

    /// Numbers that a training step keeps for its way back or needs on it, about, for a pixel of a frame that is read and
    /// for one that is predicted.
    pub fn numbers_per_pixel(&self) -> [f64; 2] {
        self.network().numbers_per_pixel()
    }

    /// The approximate share of the memory of a training step that no [`MemoryBudget`](crate::MemoryBudget) makes smaller, 0 to 1.
    pub fn kept_beyond_budget(&self) -> f64 {
        self.network().kept_beyond_budget()
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        self.network().validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_each_kind_comes_back() {
        for kind in ForecasterConfig::KINDS {
            let config = ForecasterConfig::of_kind(kind).unwrap();
            config.validate().unwrap();
            assert_eq!(config.kind(), kind);
            let text = serde_json::to_string(&config).unwrap();
            assert!(text.starts_with(&format!(r#"{{"kind":"{kind}""#)), "{text}");
            assert_eq!(serde_json::from_str::<ForecasterConfig>(&text).unwrap(), config);
        }
        assert_eq!(ForecasterConfig::of_kind("pyramids"), None);
    }

    #[test]
    fn fields_of_another_kind_and_unknown_kinds_are_refused() {
        let error = |text: &str| serde_json::from_str::<ForecasterConfig>(text).unwrap_err().to_string();
        assert!(error(r#"{"kind": "pyramid", "patch": 4}"#).contains("unknown field `patch`"));
        assert!(error(r#"{"scales": []}"#).contains("unknown field `scales`"));
        let unknown = error(r#"{"kind": "unet"}"#);
        assert!(
            unknown.contains("unet") && unknown.contains("encoder-forecaster, pyramid, mlcast, recurrent"),
            "{unknown}"
        );
        assert!(error(r#"{"kind": 3}"#).contains("no kind 3"));
    }
}
