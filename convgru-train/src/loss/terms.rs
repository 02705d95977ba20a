//! Weighted sums of losses, as configurations write them.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Table;

use super::{Loss, one};

/// A loss and its share in a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossTerm {
    /// The loss with its constants.
    #[serde(flatten, deserialize_with = "loss_of_fields")]
    pub loss: Loss,
    /// Its factor, above 0; 1 where none is given.
    #[serde(default = "one")]
    pub weight: f64,
}

/// A loss of a table; a field that it does not have is an error.
fn loss_of_fields<'de, D: Deserializer<'de>>(fields: D) -> Result<Loss, D::Error> {
    let fields = Table::deserialize(fields)?;
    let constants = |loss: &Loss| Table::try_from(loss).map_err(de::Error::custom);
    if !fields.contains_key("kind") {
        let given = fields.keys().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
        let reason = format!("a loss has a `kind`, such as {{ kind = \"mse\" }}; this one has {given}");
        return Err(de::Error::custom(reason));
    }
    let loss: Loss = fields.clone().try_into().map_err(|error: toml::de::Error| {
        let name = fields.get("kind").and_then(toml::Value::as_str).unwrap_or("kind");
        match Loss::named(name) {
            Some(_) => de::Error::custom(format!("{name}: {}", error.message())),
            None => de::Error::custom(error.message()),
        }
    })?;
    let known = constants(&loss)?;
    match fields.keys().find(|field| !known.contains_key(*field)) {
        None => Ok(loss),
        Some(field) => Err(de::Error::custom(no_constant(&loss, field))),
    }
}

/// What to say about a constant that a loss does not have.
fn no_constant(loss: &Loss, field: &str) -> String {
    let has = |loss: &Loss| Table::try_from(loss).is_ok_and(|constants| constants.contains_key(field));
    let others: Vec<_> = Loss::all().into_iter().filter(has).map(|loss| loss.name()).collect();
    match others.as_slice() {
        [] => format!("the loss {} has no `{field}`", loss.name()),
        others => format!("the loss {} has no `{field}`; it belongs to {}", loss.name(), others.join(", ")),
    }
}

/// A weighted sum of losses.
///
/// In TOML and JSON: the name of one loss, one loss with its constants, or a list of them with weights.
///
/// ```
/// use convgru_train::config::RunConfig;
/// use convgru_train::loss::Loss;
///
/// let one = RunConfig::from_toml("training.loss = \"l1\"").unwrap();
/// assert_eq!(one.training.loss.to_string(), "l1");
/// let huber = RunConfig::from_toml("training.loss = { kind = \"huber\", delta = 0.5 }").unwrap();
/// assert_eq!(huber.training.loss, Loss::Huber { delta: 0.5 }.into());
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
        self.0.iter().any(|term| term.loss.on_logits())
    }
}

impl From<Loss> for LossTerms {
    /// That loss alone.
    fn from(loss: Loss) -> Self {
        Self(vec![LossTerm { loss, weight: 1.0 }])
    }
}

impl fmt::Display for LossTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" + ")?;
            }
            if term.weight != 1.0 {
                write!(f, "{} ", term.weight)?;
            }
            f.write_str(term.loss.name())?;
        }
        Ok(())
    }
}

impl Serialize for LossTerms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [LossTerm { loss, weight: 1.0 }] if Loss::named(loss.name()).as_ref() == Some(loss) => {
                loss.name().serialize(serializer)
            }
            [LossTerm { loss, weight: 1.0 }] => loss.serialize(serializer),
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

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a loss, or a list such as [{ kind = \"mse\", weight = 1.0 }]")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<LossTerms, E> {
        match Loss::named(name) {
            Some(loss) => Ok(loss.into()),
            None => Err(E::unknown_variant(name, &Loss::NAMES)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<LossTerms, A::Error> {
        Ok(LossTerms(vec![LossTerm::deserialize(MapAccessDeserializer::new(fields))?]))
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
    use crate::loss::RainWeights;
    use crate::metric::{Spread, SsimWindow};

    #[test]
    fn names_are_those_of_the_configuration() {
        for (loss, name) in Loss::all().into_iter().zip(Loss::NAMES) {
            assert_eq!(loss.name(), name);
            assert_eq!(serde_json::to_value(&loss).unwrap()["kind"], name);
            assert_eq!(serde_json::from_value::<LossTerms>(name.into()).unwrap(), loss.into());
        }
    }

    #[test]
    fn names_constants_and_lists_round_trip() {
        for text in [
            r#""huber""#,
            r#"{"kind":"huber","delta":0.5}"#,
            r#"[{"kind":"mse","weight":0.5}]"#,
            r#"[{"kind":"ssim","window":"uniform","weight":1.0},{"kind":"crps","spread":"fair","weight":2.0}]"#,
            "[]",
        ] {
            let terms: LossTerms = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&terms).unwrap(), text);
        }
        let terms: LossTerms = serde_json::from_str(r#"[{"kind":"l1"}]"#).unwrap();
        assert_eq!(terms, Loss::L1.into());
        let loss = Loss::BalancedMae { rain: RainWeights { thresholds: vec![1.0], weights: vec![1.0, 2.0] } };
        let text = r#"{"kind":"balanced-mae","rain":{"thresholds":[1.0],"weights":[1.0,2.0]}}"#;
        assert_eq!(serde_json::from_str::<LossTerms>(text).unwrap(), loss.into());
        let terms = LossTerms(vec![
            LossTerm { loss: Loss::Ssim { window: SsimWindow::Uniform }, weight: 0.5 },
            LossTerm { loss: Loss::Crps { spread: Spread::Fair }, weight: 1.0 },
        ]);
        assert_eq!(terms.to_string(), "0.5 ssim + crps");
    }

    #[test]
    fn what_a_loss_does_not_have_is_refused_with_whose_it_is() {
        for (text, words) in [
            (r#""hinge""#, &["hinge", "mse"][..]),
            ("3", &["a list such as"]),
            (r#"[{"kynd":"l1"}]"#, &["kind"]),
            (r#"{"kind":"mse","delta":0.5}"#, &["the loss mse has no `delta`", "huber"]),
            (r#"[{"kind":"huber","beta":0.5}]"#, &["huber", "beta"]),
            (r#"{"kind":"huber","delta":"x"}"#, &["huber", "\"x\"", "f64"]),
            (r#"{"kind":"hinge"}"#, &["hinge", "huber"]),
            (r#"{"kind":"balanced-mse","rain":{"weight":[]}}"#, &["weight", "thresholds"]),
        ] {
            let error = serde_json::from_str::<LossTerms>(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }
}
