//! The constants of the optimisers.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The rule of an [`Optimizer`](super::Optimizer). In TOML: `"adam"`, `"adamw"`,
/// `"sgd"`, `"rmsprop"`.
///
/// In all of them `g` is the gradient of the parameter `p`, `lr` the learning rate of
/// the step, `wd` the weight decay and `t = 1, 2, ...` the number of the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    #[default]
    Adam,
    /// Loshchilov and Hutter, "Decoupled weight decay regularization", 2019:
    /// `p -= lr wd p`, then [`Adam`](Self::Adam) without `wd p` in the gradient.
    AdamW,
    /// Stochastic gradient descent, with momentum as in Sutskever, Martens, Dahl and
    /// Hinton, "On the importance of initialization and momentum in deep learning", 2013.
    ///
    /// ```text
    /// g += wd p
    /// b  = g at the first step, then momentum b + (1 - dampening) g
    /// d  = g without momentum, b with it, g + momentum b with nesterov
    /// p -= lr d
    /// ```
    Sgd,
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
    RmsProp,
}

impl OptimizerKind {
    /// All kinds, for tests and tables.
    pub const ALL: [Self; 4] = [Self::Adam, Self::AdamW, Self::Sgd, Self::RmsProp];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::Sgd => "sgd",
            Self::RmsProp => "rmsprop",
        }
    }

    /// Whether the rule is Adam's, which has two decays where others have a momentum.
    pub fn has_betas(self) -> bool {
        matches!(self, Self::Adam | Self::AdamW)
    }
}

/// The kind of an [`Optimizer`](super::Optimizer) and its constants.
///
/// A field that the kind does not have must keep its default: a momentum for Adam is a
/// mistake that would otherwise go unnoticed. The defaults are those of `torch.optim`,
/// but that the learning rate is 1e-3 and the weight decay 0 for every kind.
///
/// ```
/// use convgru_train::optimizer::{OptimizerConfig, OptimizerKind};
///
/// let sgd = OptimizerConfig { kind: OptimizerKind::Sgd, momentum: 0.9, ..OptimizerConfig::default() };
/// sgd.validate()?;
/// let error = OptimizerConfig { kind: OptimizerKind::Adam, ..sgd }.validate().unwrap_err();
/// assert!(error.to_string().contains("`optimizer.momentum`: 0.9"));
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The rule.
    pub kind: OptimizerKind,
    /// The (highest) learning rate; above 0. A
    /// [`Schedule`](crate::schedule::Schedule) made with it gives the rate of each step.
    pub learning_rate: f64,
    /// Adam: decay of the mean of the gradients; from 0 to below 1.
    pub beta1: f64,
    /// Adam: decay of the mean of the squared gradients; from 0 to below 1.
    pub beta2: f64,
    /// Adam and RMSprop: added to the root of the mean square, which may be zero;
    /// positive in `f32`.
    pub epsilon: f64,
    /// Not negative. AdamW shrinks the parameters by this times the learning rate;
    /// the others add this times the parameters to the gradients (L2 penalty).
    pub weight_decay: f64,
    /// Adam: whether the largest second moment so far takes the place of the present.
    pub amsgrad: bool,
    /// SGD and RMSprop: share of the last direction that is kept; from 0 to below 1.
    pub momentum: f64,
    /// SGD: share of the gradient that does not enter the direction; from 0 to below 1,
    /// 0 without momentum.
    pub dampening: f64,
    /// SGD: whether the direction is looked up one step ahead; needs a momentum and no
    /// dampening.
    pub nesterov: bool,
    /// RMSprop: decay of the mean of the squared gradients; from 0 to below 1.
    pub alpha: f64,
    /// RMSprop: whether the variance of the gradients takes the place of their square.
    pub centered: bool,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            amsgrad: false,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            alpha: 0.99,
            centered: false,
        }
    }
}

impl OptimizerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field that is out of its range or
    /// that the kind does not have.
    pub fn validate(&self) -> Result<()> {
        self.check_kind()?;
        let rate = self.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(invalid("learning_rate", format!("{rate} is not a positive number")));
        }
        for (field, value) in [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("momentum", self.momentum),
            ("dampening", self.dampening),
            ("alpha", self.alpha),
        ] {
            share(field, value)?;
        }
        let (epsilon, least) = (self.epsilon, f64::from(f32::MIN_POSITIVE));
        if !(epsilon >= least && epsilon.is_finite()) {
            return Err(invalid("epsilon", format!("{epsilon} is not at least {least:e}")));
        }
        let decay = self.weight_decay;
        if !(decay >= 0.0 && decay.is_finite()) {
            return Err(invalid("weight_decay", format!("{decay} is not zero or a positive number")));
        }
        let (momentum, dampening) = (self.momentum, self.dampening);
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

    /// Fails if a field is set that the kind does not have.
    fn check_kind(&self) -> Result<()> {
        use OptimizerKind::{Adam, AdamW, RmsProp, Sgd};
        let default = Self::default();
        let fields = [
            ("beta1", self.beta1, default.beta1, &[Adam, AdamW][..]),
            ("beta2", self.beta2, default.beta2, &[Adam, AdamW]),
            ("epsilon", self.epsilon, default.epsilon, &[Adam, AdamW, RmsProp]),
            ("amsgrad", flag(self.amsgrad), 0.0, &[Adam, AdamW]),
            ("momentum", self.momentum, default.momentum, &[Sgd, RmsProp]),
            ("dampening", self.dampening, default.dampening, &[Sgd]),
            ("nesterov", flag(self.nesterov), 0.0, &[Sgd]),
            ("alpha", self.alpha, default.alpha, &[RmsProp]),
            ("centered", flag(self.centered), 0.0, &[RmsProp]),
        ];
        for (field, value, default, kinds) in fields {
            if value != default && !kinds.contains(&self.kind) {
                let of: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
                let (of, kind) = (of.join(", "), self.kind.name());
                let reason = format!("{value} is set, but {kind} has no {field}; it belongs to {of}");
                return Err(invalid(field, reason));
            }
        }
        Ok(())
    }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Fails unless a decay is from 0 to below 1.
pub(super) fn share(field: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(invalid(field, format!("{value} is not from 0 to below 1")))
}

fn invalid(field: &str, reason: String) -> Error {
    Error::Config { field: format!("optimizer.{field}"), reason }
}
