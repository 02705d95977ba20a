//! How much each lead time counts.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::counted::counted;
use crate::{Error, Result};

/// The weight of each lead time in a loss, which is the weighted mean over them: only their
/// ratios matter.
///
/// In TOML and JSON: `"uniform"`, `"linear"`, or a list of one number for each predicted frame.
///
/// ```
/// use convgru_train::loss::LeadWeights;
///
/// assert_eq!(LeadWeights::Linear.weights(3)?, [1.0, 2.0, 3.0]);
/// assert!(LeadWeights::List(vec![1.0, 0.5]).weights(3).is_err());
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LeadWeights {
    /// All lead times count the same.
    #[default]
    Uniform,
    /// The frame `t` steps ahead counts `t` times the first.
    Linear,
    /// One number for each predicted frame, not negative, not all zero.
    List(Vec<f64>),
}

impl LeadWeights {
    /// The weights of `steps` predicted frames.
    ///
    /// # Errors
    /// [`Error::Config`] if a list has another length, a number out of its range, or zeros alone.
    pub fn weights(&self, steps: usize) -> Result<Vec<f64>> {
        let list = match self {
            Self::Uniform => return Ok(vec![1.0; steps]),
            Self::Linear => return Ok((1..=steps).map(|step| step as f64).collect()),
            Self::List(list) => list,
        };
        let refuse = |reason| Err(Error::Config { field: "training.lead_weights".to_owned(), reason });
        if list.len() != steps {
            return refuse(format!(
                "has {}, but the forecast has {}",
                counted(list.len(), "weight"),
                counted(steps, "frame")
            ));
        }
        if let Some(weight) = list.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
            return refuse(format!("{weight} is not zero or a positive number"));
        }
        if list.iter().all(|weight| *weight == 0.0) {
            return refuse("all weights are 0; nothing would be learned".to_owned());
        }
        Ok(list.clone())
    }
}

impl Serialize for LeadWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Uniform => serializer.serialize_str("uniform"),
            Self::Linear => serializer.serialize_str("linear"),
            Self::List(list) => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LeadWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrList)
    }
}

struct NameOrList;

impl<'de> Visitor<'de> for NameOrList {
    type Value = LeadWeights;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"uniform\", \"linear\" or a list of one number for each predicted frame")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<LeadWeights, E> {
        match name {
            "uniform" => Ok(LeadWeights::Uniform),
            "linear" => Ok(LeadWeights::Linear),
            _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<LeadWeights, A::Error> {
        let mut weights = Vec::new();
        while let Some(weight) = list.next_element()? {
            weights.push(weight);
        }
        Ok(LeadWeights::List(weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lists_round_trip() {
        for text in [r#""uniform""#, r#""linear""#, "[1.0,0.5]"] {
            let weights: LeadWeights = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&weights).unwrap(), text);
        }
        let error = serde_json::from_str::<LeadWeights>("\"falling\"").unwrap_err().to_string();
        assert!(error.contains("falling") && error.contains("linear"), "{error}");
    }

    #[test]
    fn lists_that_cannot_work_are_refused() {
        for (list, words) in [
            (vec![1.0], "has 1 weight, but the forecast has 2 frames"),
            (vec![1.0, -0.5], "-0.5"),
            (vec![f64::NAN, 1.0], "NaN"),
            (vec![0.0, 0.0], "all weights are 0"),
        ] {
            let error = LeadWeights::List(list).weights(2).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("training.lead_weights"), "{error}");
        }
    }
}
