//! The constants of the optimisers.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// An [`Optimizer`](super::Optimizer) and its constants.
///
/// In TOML the fields of the kind stand beside the others. The defaults are the defaults of `torch.optim`,
/// but that the learning rate is 1e-3 and the weight decay 0 for every kind.
///
/// ```
/// use convgru_train::config::RunConfig;
/// use convgru_train::optimizer::{OptimizerConfig, OptimizerKind, SgdConfig};
///
/// let sgd = SgdConfig { momentum: 0.9, ..SgdConfig::default() };
/// let optimizer = OptimizerConfig { learning_rate: 0.05, ..OptimizerKind::Sgd(sgd).into() };
/// optimizer.validate()?;
/// let text = "[optimizer]\nkind = \"sgd\"\nlearning_rate = 0.05\nmomentum = 0.9";
/// assert_eq!(RunConfig::from_toml(text).unwrap().optimizer, optimizer);
/// let error = RunConfig::from_toml("[optimizer]\nkind = \"adam\"\nmomentum = 0.9").unwrap_err();
/// assert!(error.contains("`optimizer.momentum`") && error.contains("sgd, rmsprop"));
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerConfig {
    /// The kind, with the constants that it alone has.
    #[serde(flatten)]
    pub kind: OptimizerKind,
    /// The (highest) learning rate; above 0. A
    /// [`Schedule`](crate::schedule::Schedule) made with it gives the rate of each step.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: f64,
    /// Not negative. AdamW shrinks the parameters by this times the learning rate;
    /// the others add this times the parameters to the gradients (L2 penalty).
    #[serde(default)]
    pub weight_decay: f64,
}

fn default_learning_rate() -> f64 {
    1e-3
}

/// A kind of optimiser. In TOML: `kind = "adam"`, `"adamw"`, `"sgd"` or `"rmsprop"`.
///
/// In all of them `g` is the gradient of the parameter `p`, `lr` the learning rate of
/// the step, `wd` the weight decay and `t = 1, 2, ...` the number of the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Kingma and Ba, "Adam: a method for stochastic optimization", 2015; with
    /// `amsgrad`, Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 2018.
    ///
    /// ```text
    /// g += wd p
    /// m  = m + (1 - beta1) (g - m)                    first moment
    /// v  = beta2 v + (1 - beta2) g^2                  second moment
    /// s  = v, or with amsgrad the largest v so far
    /// p -= lr / (1 - beta1^t)  m / (sqrt(s) / sqrt(1 - beta2^t) + epsilon)
    /// ```
    Adam(AdamConfig),
    /// Loshchilov and Hutter, "Decoupled weight decay regularization", 2019:
    /// `p -= lr wd p`, then [`Adam`](Self::Adam) without `wd p` in the gradient.
    AdamW(AdamConfig),
    /// Stochastic gradient descent, with momentum as in Sutskever, Martens, Dahl and
    /// Hinton, "On the importance of initialization and momentum in deep learning", 2013.
    ///
    /// ```text
    /// g += wd p
    /// b  = g at the first step, then momentum b + (1 - dampening) g
    /// d  = g without momentum, b with it, g + momentum b with nesterov
    /// p -= lr d
    /// ```
    Sgd(SgdConfig),
    /// Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012; centered as in Graves,
    /// "Generating sequences with recurrent neural networks", 2013.
    ///
    /// ```text
    /// g += wd p
    /// v  = alpha v + (1 - alpha) g^2
    /// a  = a + (1 - alpha) (g - a)                    only if centered
    /// d  = g / (sqrt(v) + epsilon), centered g / (sqrt(v - a^2) + epsilon)
    /// b  = momentum b + d                             only with momentum; then d = b
    /// p -= lr d
    /// ```
    RmsProp(RmsPropConfig),
}

/// The constants of Adam and AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// Decay of the mean of the gradients; from 0 to below 1.
    pub beta1: f64,
    /// Decay of the mean of the squared gradients; from 0 to below 1.
    pub beta2: f64,
    /// Added to the root of the mean square, which may be zero; positive in `f32`.
    pub epsilon: f64,
    /// Whether the largest second moment so far takes the place of the present.
    pub amsgrad: bool,
}

/// The constants of SGD.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// Share of the last direction that is kept; from 0 to below 1.
    pub momentum: f64,
    /// Share of the gradient that does not enter the direction; from 0 to below 1,
    /// 0 without momentum.
    pub dampening: f64,
    /// Whether the direction is looked up one step ahead; needs a momentum and no
    /// dampening.
    pub nesterov: bool,
}

/// The constants of RMSprop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RmsPropConfig {
    /// Decay of the mean of the squared gradients; from 0 to below 1.
    pub alpha: f64,
    /// Added to the root of the mean square, which may be zero; positive in `f32`.
    pub epsilon: f64,
    /// Share of the last direction that is kept; from 0 to below 1.
    pub momentum: f64,
    /// Whether the variance of the gradients takes the place of their square.
    pub centered: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad: false }
    }
}

impl Default for RmsPropConfig {
    fn default() -> Self {
        Self { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false }
    }
}

impl Default for OptimizerKind {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        OptimizerKind::default().into()
    }
}

impl From<OptimizerKind> for OptimizerConfig {
    /// With the default learning rate and without weight decay.
    fn from(kind: OptimizerKind) -> Self {
        Self { kind, learning_rate: default_learning_rate(), weight_decay: 0.0 }
    }
}

impl OptimizerKind {
    /// The names of all kinds.
    pub const NAMES: [&str; 4] = ["adam", "adamw", "sgd", "rmsprop"];

    /// All kinds with the defaults of their constants, in the order of [`NAMES`](Self::NAMES).
    pub fn all() -> [Self; 4] {
        [
            Self::Adam(AdamConfig::default()),
            Self::AdamW(AdamConfig::default()),
            Self::Sgd(SgdConfig::default()),
            Self::RmsProp(RmsPropConfig::default()),
        ]
    }

    /// The name in configurations.
    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::Adam(_) => 0,
            Self::AdamW(_) => 1,
            Self::Sgd(_) => 2,
            Self::RmsProp(_) => 3,
        };
        Self::NAMES[index]
    }

    /// The momentum that schedules cycle: beta1 of Adam and AdamW, the momentum of SGD and RMSprop.
    pub fn momentum(&self) -> f64 {
        match self {
            Self::Adam(adam) | Self::AdamW(adam) => adam.beta1,
            Self::Sgd(sgd) => sgd.momentum,
            Self::RmsProp(rmsprop) => rmsprop.momentum,
        }
    }

    /// Changes the [`momentum`](Self::momentum).
    ///
    /// # Errors
    /// [`Error::Config`] if it is not from 0 to below 1.
    pub(super) fn set_momentum(&mut self, value: f64) -> Result<()> {
        let (field, momentum) = match self {
            Self::Adam(adam) | Self::AdamW(adam) => ("beta1", &mut adam.beta1),
            Self::Sgd(sgd) => ("momentum", &mut sgd.momentum),
            Self::RmsProp(rmsprop) => ("momentum", &mut rmsprop.momentum),
        };
        share(field, value)?;
        *momentum = value;
        Ok(())
    }
}

impl OptimizerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let rate = self.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(invalid("learning_rate", format!("{rate} is not a positive number")));
        }
        let decay = self.weight_decay;
        if !(decay >= 0.0 && decay.is_finite()) {
            return Err(invalid("weight_decay", format!("{decay} is not zero or a positive number")));
        }
        match &self.kind {
            OptimizerKind::Adam(adam) | OptimizerKind::AdamW(adam) => {
                share("beta1", adam.beta1)?;
                share("beta2", adam.beta2)?;
                check_epsilon(adam.epsilon)
            }
            OptimizerKind::Sgd(sgd) => sgd.validate(),
            OptimizerKind::RmsProp(rmsprop) => {
                share("momentum", rmsprop.momentum)?;
                share("alpha", rmsprop.alpha)?;
                check_epsilon(rmsprop.epsilon)
            }
        }
    }
}

impl SgdConfig {
    fn validate(&self) -> Result<()> {
        let (momentum, dampening) = (self.momentum, self.dampening);
        share("momentum", momentum)?;
        share("dampening", dampening)?;
        if momentum == 0.0 && dampening != 0.0 {
            return Err(invalid("dampening", format!("{dampening} dampens a momentum, which is 0")));
        }
        if self.nesterov && (momentum == 0.0 || dampening != 0.0) {
            return Err(invalid(
                "nesterov",
                format!("needs a momentum above 0 (it is {momentum}) and no dampening (it is {dampening})"),
            ));
        }
        Ok(())
    }
}

fn check_epsilon(epsilon: f64) -> Result<()> {
    let least = f64::from(f32::MIN_POSITIVE);
    if epsilon >= least && epsilon.is_finite() {
        return Ok(());
    }
    Err(invalid("epsilon", format!("{epsilon} is not at least {least:e}")))
}

/// Fails unless a decay is from 0 to below 1.
fn share(field: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(invalid(field, format!("{value} is not from 0 to below 1")))
}

fn invalid(field: &str, reason: String) -> Error {
    Error::Config { field: format!("optimizer.{field}"), reason }
}
