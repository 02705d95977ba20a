//! How the spread of an ensemble is estimated.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The default of the constant of [`Spread::AlmostFair`]: the value of Lang et al.
const ALPHA: f64 = 0.95;

/// How the spread of an ensemble is estimated from the pairs of its `K` members.
///
/// The mean difference of two members is `sum over j < k of |X_j - X_k| / c`:
///
/// | spread | `c` |
/// |---|---|
/// | [`Ensemble`](Self::Ensemble) | `K^2` |
/// | [`Fair`](Self::Fair) | `K (K - 1)` |
/// | [`AlmostFair`](Self::AlmostFair) | `K (K - 1) / (1 - (1 - alpha) / K)`, which is `K^2 (K - 1) / (K - 1 + alpha)` |
///
/// In TOML and JSON: `"ensemble"`, `"fair"`, `"almost-fair"`, or `{ kind = "almost-fair", alpha = 0.9 }`.
///
/// ```
/// use convgru_train::metric::Spread;
///
/// let text = |spread: Spread| serde_json::to_string(&spread).unwrap();
/// assert_eq!(text(Spread::ALMOST_FAIR), "\"almost-fair\"");
/// assert_eq!(text(Spread::AlmostFair { alpha: 0.5 }), "{\"kind\":\"almost-fair\",\"alpha\":0.5}");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Spread {
    /// Over all pairs, each member with itself too: the score of the ensemble itself,
    /// `properscoring.crps_ensemble`.
    #[default]
    Ensemble,
    /// Over pairs of different members: the score that the distribution they were drawn
    /// from would have, whatever their number. Ferro, "Fair scores for ensemble
    /// forecasts", 2014.
    Fair,
    /// Between the two: Lang et al., "AIFS-CRPS: Ensemble forecasting using a model trained with a loss function based on the
    /// continuous ranked probability score", 2024 (arXiv 2412.15832), equation 4. The fair score does not change with one member of an
    /// ensemble when all other members equal the observation; this score does.
    AlmostFair {
        /// Above 0, where it would be [`Ensemble`](Self::Ensemble), to 1, which is [`Fair`](Self::Fair); by default 0.95.
        alpha: f64,
    },
}

impl Spread {
    /// [`AlmostFair`](Self::AlmostFair) with the constant of Lang et al.
    pub const ALMOST_FAIR: Self = Self::AlmostFair { alpha: ALPHA };

    /// The fewest members whose spread it estimates.
    pub(crate) fn fewest_members(self) -> usize {
        if self == Self::Ensemble { 1 } else { 2 }
    }

    /// The fault of the constant, if it has one.
    pub(crate) fn fault(self) -> Option<String> {
        match self {
            Self::AlmostFair { alpha } if !(alpha > 0.0 && alpha <= 1.0) => Some(format!(
                "alpha: {alpha} is not above 0 and at most 1; \"ensemble\" is the score of alpha 0, \"fair\" of alpha 1"
            )),
            _ => None,
        }
    }

    /// The divisor of the sum of differences over pairs.
    pub(crate) fn pairs(self, members: usize) -> f64 {
        let members = members as f64;
        match self {
            Self::Ensemble => members * members,
            Self::Fair => members * (members - 1.0),
            Self::AlmostFair { alpha } => members * members * (members - 1.0) / (members - 1.0 + alpha),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ensemble => "ensemble",
            Self::Fair => "fair",
            Self::AlmostFair { .. } => "almost-fair",
        }
    }

    /// The spread of a name with the constant that was given.
    fn named<E: de::Error>(name: &str, alpha: Option<f64>) -> Result<Self, E> {
        let found = [Self::Ensemble, Self::Fair, Self::ALMOST_FAIR].into_iter().find(|s| s.name() == name);
        match (found, alpha) {
            (None, _) => Err(E::unknown_variant(name, &["ensemble", "fair", "almost-fair"])),
            (Some(Self::AlmostFair { .. }), Some(alpha)) => Ok(Self::AlmostFair { alpha }),
            (Some(_), Some(_)) => {
                Err(E::custom(format!("the spread {name} has no `alpha`; it belongs to almost-fair")))
            }
            (Some(spread), None) => Ok(spread),
        }
    }
}

impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AlmostFair { alpha } if *alpha != ALPHA => {
                let mut table = serializer.serialize_map(Some(2))?;
                table.serialize_entry("kind", self.name())?;
                table.serialize_entry("alpha", alpha)?;
                table.end()
            }
            _ => serializer.serialize_str(self.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Spread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrTable)
    }
}

struct NameOrTable;

/// A spread as a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    kind: String,
    alpha: Option<f64>,
}

impl<'de> Visitor<'de> for NameOrTable {
    type Value = Spread;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"ensemble\", \"fair\", \"almost-fair\" or { kind = \"almost-fair\", alpha = 0.9 }")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Spread, E> {
        Spread::named(name, None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Spread, A::Error> {
        let Table { kind, alpha } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Spread::named(&kind, alpha)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn almost_fair_lies_between_the_two_others() {
        for members in 2..9 {
            let of = |alpha| Spread::AlmostFair { alpha }.pairs(members);
            assert!((of(0.0) - Spread::Ensemble.pairs(members)).abs() < 1e-12);
            assert!((of(1.0) - Spread::Fair.pairs(members)).abs() < 1e-12);
            // As equation 4 writes it, with epsilon = (1 - alpha) / K.
            let count = members as f64;
            let epsilon = (1.0 - 0.7) / count;
            assert!((of(0.7) - count * (count - 1.0) / (1.0 - epsilon)).abs() < 1e-12);
        }
    }

    #[test]
    fn spreads_are_read_and_written_by_name_and_constant() {
        for (text, spread) in [
            ("\"ensemble\"", Spread::Ensemble),
            ("\"fair\"", Spread::Fair),
            ("\"almost-fair\"", Spread::AlmostFair { alpha: 0.95 }),
            (r#"{"kind":"almost-fair","alpha":0.5}"#, Spread::AlmostFair { alpha: 0.5 }),
        ] {
            assert_eq!(serde_json::to_string(&spread).unwrap(), text);
            assert_eq!(serde_json::from_str::<Spread>(text).unwrap(), spread);
        }
        let read = |text| serde_json::from_str::<Spread>(text);
        assert_eq!(read(r#"{"kind":"almost-fair"}"#).unwrap(), Spread::ALMOST_FAIR);
        assert_eq!(read(r#"{"kind":"almost-fair","alpha":1}"#).unwrap(), Spread::AlmostFair { alpha: 1.0 });
        for (text, words) in [
            ("\"unfair\"", &["unfair", "almost-fair"][..]),
            (r#"{"kind":"fair","alpha":0.5}"#, &["the spread fair has no `alpha`", "almost-fair"]),
            (r#"{"kind":"almost-fair","beta":0.5}"#, &["beta", "alpha"]),
            (r#"{"alpha":0.5}"#, &["kind"]),
            ("0.95", &["almost-fair"]),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }
}
