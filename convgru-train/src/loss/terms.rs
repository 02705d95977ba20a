//! What a run minimises, as its configuration names it: one loss, or a weighted sum.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Loss;

/// A loss in a configuration: those of elements, and those that look at whole frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// [`Loss::Mse`].
    Mse,
    /// [`Loss::L1`].
    L1,
    /// [`Loss::Huber`].
    Huber,
    /// [`Loss::SmoothL1`].
    #[serde(rename = "smooth-l1")]
    SmoothL1,
    /// [`Loss::BceWithLogits`].
    BceWithLogits,
    /// Squared error times the [`RainWeights`](super::RainWeights) of the true value.
    BalancedMse,
    /// Absolute error times the [`RainWeights`](super::RainWeights) of the true value.
    BalancedMae,
    /// Differences between the steepness of predicted and true frames; the equation is in
    /// [`loss`](super).
    GradientDifference,
    /// One minus the structural similarity of [`metric::ssim`](crate::metric::ssim()).
    Ssim,
    /// The score of an [`EnsembleScore`](super::EnsembleScore): of the members of an ensemble, all other losses are
    /// of their mean. Of one forecast it is the absolute error.
    Crps,
}

impl LossKind {
    /// All kinds, for tests and tables.
    pub const ALL: [Self; 10] = [
        Self::Mse,
        Self::L1,
        Self::Huber,
        Self::SmoothL1,
        Self::BceWithLogits,
        Self::BalancedMse,
        Self::BalancedMae,
        Self::GradientDifference,
        Self::Ssim,
        Self::Crps,
    ];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => Loss::Mse.name(),
            Self::L1 => Loss::L1.name(),
            Self::Huber => Loss::Huber.name(),
            Self::SmoothL1 => Loss::SmoothL1.name(),
            Self::BceWithLogits => Loss::BceWithLogits.name(),
            Self::BalancedMse => "balanced-mse",
            Self::BalancedMae => "balanced-mae",
            Self::GradientDifference => "gradient-difference",
            Self::Ssim => "ssim",
            Self::Crps => "crps",
        }
    }

    /// Whether the prediction is meant before the output activation (logits)
    /// rather than after it.
    pub fn on_logits(self) -> bool {
        self == Self::BceWithLogits
    }
}

impl From<Loss> for LossKind {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Mse => Self::Mse,
            Loss::L1 => Self::L1,
            Loss::Huber => Self::Huber,
            Loss::SmoothL1 => Self::SmoothL1,
            Loss::BceWithLogits => Self::BceWithLogits,
        }
    }
}

/// A loss and its share in a sum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossTerm {
    /// The loss.
    pub kind: LossKind,
    /// Its factor, above 0; 1 where none is given.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// A weighted sum of losses.
///
/// In TOML and JSON: the name of one loss, or a list of terms.
///
/// ```
/// use convgru_train::config::RunConfig;
///
/// let one = RunConfig::from_toml("training.loss = \"l1\"").unwrap();
/// assert_eq!(one.training.loss.to_string(), "l1");
/// let text = "training.loss = [{ kind = \"mse\" }, { kind = \"ssim\", weight = 0.1 }]";
/// let sum = RunConfig::from_toml(text).unwrap();
/// assert_eq!(sum.training.loss.to_string(), "mse + 0.1 ssim");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LossTerms(
    /// The terms, at least one.
    pub Vec<LossTerm>,
);

impl LossTerms {
    /// Whether any of the losses is of logits.
    pub fn on_logits(&self) -> bool {
        self.0.iter().any(|term| term.kind.on_logits())
    }
}

impl<K: Into<LossKind>> From<K> for LossTerms {
    /// That loss alone.
    fn from(kind: K) -> Self {
        Self(vec![LossTerm { kind: kind.into(), weight: 1.0 }])
    }
}

impl std::fmt::Display for LossTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, term) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" + ")?;
            }
            if term.weight != 1.0 {
                write!(f, "{} ", term.weight)?;
            }
            f.write_str(term.kind.name())?;
        }
        Ok(())
    }
}

impl Serialize for LossTerms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [LossTerm { kind, weight: 1.0 }] => kind.serialize(serializer),
            terms => terms.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LossTerms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrTerms)
    }
}

struct NameOrTerms;

impl<'de> Visitor<'de> for NameOrTerms {
    type Value = LossTerms;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a loss, or a list such as [{ kind = \"mse\", weight = 1.0 }]")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<LossTerms, E> {
        LossKind::deserialize(de::value::StrDeserializer::new(name)).map(LossTerms::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<LossTerms, A::Error> {
        let mut terms = Vec::new();
        while let Some(term) = list.next_element()? {
            terms.push(term);
        }
        Ok(LossTerms(terms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_configuration() {
        for kind in LossKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(serde_json::from_value::<LossKind>(kind.name().into()).unwrap(), kind);
        }
        for loss in Loss::ALL {
            assert_eq!(LossKind::from(loss).name(), loss.name());
            assert_eq!(LossKind::from(loss).on_logits(), loss.on_logits());
        }
    }

    #[test]
    fn one_name_and_lists_round_trip() {
        for text in [r#""huber""#, r#"[{"kind":"mse","weight":0.5}]"#, "[]"] {
            let terms: LossTerms = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&terms).unwrap(), text);
        }
        let terms: LossTerms = serde_json::from_str(r#"[{"kind":"l1"}]"#).unwrap();
        assert_eq!(terms, Loss::L1.into());
        for (text, word) in [(r#""hinge""#, "hinge"), ("3", "a list such as"), (r#"[{"kynd":"l1"}]"#, "kynd")]
        {
            let error = serde_json::from_str::<LossTerms>(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
