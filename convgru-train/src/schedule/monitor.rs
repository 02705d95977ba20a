//! Results of validations that decide something.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Mode;
use crate::metric::{EVENT_SCORES, EventScore};

/// A result of validations: it decides which model is the best, when the learning rate falls and when a run ends.
///
/// In TOML its name: `"loss"`, `"mse"`, `"mae"`, `"psnr"`, `"ssim"`, of ensembles `"crps"` and `"fair_crps"`, and of events a score and
/// the threshold in the unit of the data, such as `"csi@2"` or `"fss@0.5"`.
///
/// ```
/// use convgru_train::schedule::{Mode, Monitor};
///
/// let monitor: Monitor = "csi@2.0".parse()?;
/// assert_eq!((monitor.to_string(), monitor.mode(), monitor.threshold()), ("csi@2".into(), Mode::Max, Some(2.0)));
/// assert_eq!("far@5".parse::<Monitor>()?.mode(), Mode::Min);
/// assert!("csi".parse::<Monitor>().unwrap_err().contains("csi@T"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Monitor {
    /// The loss of the model's own predictions.
    Loss,
    /// The squared error, summed over a frame.
    #[default]
    Mse,
    /// The absolute error, summed over a frame.
    Mae,
    /// The peak signal-to-noise ratio.
    Psnr,
    /// The structural similarity.
    Ssim,
    /// The continuous ranked probability score of the members of an ensemble.
    Crps,
    /// The same score of what the members are drawn from.
    FairCrps,
    /// A score of events: the mean over the lead times that have one.
    Event(EventMonitor),
}

/// A score of events from a threshold on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventMonitor {
    /// Its place in [`EVENT_SCORES`].
    score: usize,
    threshold: f64,
}

/// Results whose names are words, with them.
const WORDS: [(&str, Monitor); 7] = [
    ("loss", Monitor::Loss),
    ("mse", Monitor::Mse),
    ("mae", Monitor::Mae),
    ("psnr", Monitor::Psnr),
    ("ssim", Monitor::Ssim),
    ("crps", Monitor::Crps),
    ("fair_crps", Monitor::FairCrps),
];

impl Monitor {
    /// Whether it is better lower or higher.
    pub fn mode(self) -> Mode {
        match self {
            Self::Loss | Self::Mse | Self::Mae | Self::Crps | Self::FairCrps => Mode::Min,
            Self::Psnr | Self::Ssim => Mode::Max,
            Self::Event(event) if event.score().higher_is_better => Mode::Max,
            Self::Event(_) => Mode::Min,
        }
    }

    /// From which value on it counts events, in the unit of the data.
    pub fn threshold(self) -> Option<f64> {
        match self {
            Self::Event(event) => Some(event.threshold),
            _ => None,
        }
    }

    /// Whether it is a score of the members of an ensemble.
    pub fn is_of_members(self) -> bool {
        matches!(self, Self::Crps | Self::FairCrps)
    }

    /// A value with the sign that makes lower better.
    pub fn lower_is_better(self, value: f64) -> f64 {
        if self.mode() == Mode::Min { value } else { -value }
    }

    /// The names that exist: words, words for ensembles if there are `members`, and names of events.
    /// The threshold of the example is one that the data can reach.
    pub(crate) fn names(members: usize, example: f64) -> String {
        let words = WORDS.iter().filter(|(_, monitor)| members > 1 || !monitor.is_of_members());
        let words = words.map(|(name, _)| (*name).to_owned());
        let events = EVENT_SCORES.iter().map(|score| format!("{}@T", score.name));
        format!(
            "{}, and of events of T or more in the unit of the data {}, such as csi@{example}",
            words.collect::<Vec<_>>().join(", "),
            events.collect::<Vec<_>>().join(", ")
        )
    }
}

impl EventMonitor {
    /// The score.
    pub fn score(self) -> &'static EventScore {
        &EVENT_SCORES[self.score]
    }

    /// Its place in [`EVENT_SCORES`].
    pub(crate) fn place(self) -> usize {
        self.score
    }

    /// The threshold in the unit of the data.
    pub fn threshold(self) -> f64 {
        self.threshold
    }
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => write!(f, "{}@{}", event.score().name, event.threshold),
            word => {
                let named = WORDS.iter().find(|(_, monitor)| monitor == word);
                f.write_str(named.map_or("", |(name, _)| name))
            }
        }
    }
}

impl FromStr for Monitor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, monitor)) = WORDS.iter().find(|(name, _)| *name == text) {
            return Ok(*monitor);
        }
        let event = text.split_once('@').and_then(|(name, threshold)| {
            let score = EVENT_SCORES.iter().position(|score| score.name == name)?;
            let threshold = threshold.parse().ok().filter(|threshold: &f64| threshold.is_finite())?;
            Some(Self::Event(EventMonitor { score, threshold }))
        });
        event.ok_or_else(|| {
            format!(
                "validations have no result `{text}`; there are {} (crps and fair_crps of ensembles)",
                Self::names(2, 2.0)
            )
        })
    }
}

impl Serialize for Monitor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Monitor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A result of its own, or `"monitor"` for the result that `training.monitor` names.
pub(crate) mod own {
    use super::*;

    const OF_THE_RUN: &str = "monitor";

    /// Writes the name.
    pub(crate) fn serialize<S: Serializer>(own: &Option<Monitor>, serializer: S) -> Result<S::Ok, S::Error> {
        match own {
            Some(monitor) => monitor.serialize(serializer),
            None => serializer.serialize_str(OF_THE_RUN),
        }
    }

    /// Reads the name.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Monitor>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == OF_THE_RUN {
            return Ok(None);
        }
        text.parse().map(Some).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_with_its_direction() {
        let lower = ["loss", "mse", "mae", "crps", "fair_crps", "far@0.5"];
        let higher = ["psnr", "ssim", "csi@2", "pod@-1", "hss@30", "fss@0.001"];
        for (names, mode) in [(lower, Mode::Min), (higher, Mode::Max)] {
            for name in names {
                let monitor: Monitor = name.parse().unwrap();
                assert_eq!((monitor.to_string().as_str(), monitor.mode()), (name, mode));
                let written = serde_json::to_string(&monitor).unwrap();
                assert_eq!(serde_json::from_str::<Monitor>(&written).unwrap(), monitor);
            }
        }
        assert_eq!("csi@2.0".parse::<Monitor>().unwrap(), "csi@2".parse().unwrap());
    }

    #[test]
    fn unknown_names_are_refused_with_those_there_are() {
        for name in ["", "csi", "csi@", "csi@x", "csi@nan", "csi@inf", "cis@2", "MSE", "spread"] {
            let error = name.parse::<Monitor>().unwrap_err();
            for words in [&format!("`{name}`")[..], "loss, mse, mae, psnr, ssim, crps", "csi@T, pod@T, far@T"]
            {
                assert!(error.contains(words), "{error} lacks {words}");
            }
        }
        assert!(!Monitor::names(1, 2.0).contains("crps"));
    }
}
