//! What a search varies.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::config::{RunConfig, kinds_with, tag_of};
use crate::dataset::{numbered, unit};
use crate::schedule::Monitor;
use crate::schedule::monitor::own;
use crate::{Error, Result};

/// Separates the random numbers of a search from the random numbers of its runs.
const SEARCH_SEED: u64 = 0x7365_6172_6368_2121;

/// The most trials of a search; more are a slip of the finger.
const MOST_TRIALS: usize = 10_000;

/// Where the values of a field are drawn from.
///
/// In TOML: `{ uniform = [low, high] }`, `{ log = [low, high] }`, `{ int = [low, high] }` with
/// both ends, or a list of values to choose from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Range {
    /// One of some values.
    Choice(Vec<Value>),
    /// Between two numbers, one of three ways.
    Between(Between),
}

/// Numbers between two ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// Every number is as likely.
    Uniform([f64; 2]),
    /// Every ratio is as likely; both ends above 0.
    Log([f64; 2]),
    /// Every whole number is as likely, the ends too.
    Int([i64; 2]),
}

/// The fields of a configuration by dotted path, each with what it is drawn from.
pub type Ranges = BTreeMap<String, Range>;

/// A search, as `tune.toml` describes it.
///
/// ```
/// use convgru_train::config::RunConfig;
/// use convgru_train::tune::SearchConfig;
///
/// let text = "trials = 8\n[ranges]\n\"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }";
/// let search = SearchConfig::from_toml(text).unwrap();
/// let drawn = search.draw(3)?;
/// assert_eq!(drawn, search.draw(3)?);
/// let config = search.apply(&RunConfig::default(), 3)?;
/// assert!((1e-4..=1e-2).contains(&config.optimizer.learning_rate));
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchConfig {
    /// Configurations to try, from 1 to 10000.
    pub trials: usize,
    /// Seed of what is drawn.
    pub seed: u64,
    /// The result of validations that decides: the best of each trial. In TOML its name, or `"monitor"`, the default, for the result of
    /// `training.monitor`; another one takes its place in every trial.
    #[serde(with = "own")]
    pub metric: Option<Monitor>,
    /// Whether a trial ends at a validation that finds its best behind the median of the best
    /// that the trials before had found by then: Golovin et al., "Google Vizier", 2017.
    pub median_stopping: bool,
    /// Finished trials before any is ended so.
    pub median_after: usize,
    /// What is varied.
    pub ranges: Ranges,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            trials: 20,
            seed: 0,
            metric: None,
            median_stopping: false,
            median_after: 5,
            ranges: Ranges::new(),
        }
    }
}

impl SearchConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is no search.
    pub fn read(path: &Path) -> Result<Self> {
        let text = crate::config::text(path)?;
        let search = Self::from_toml(&text);
        let search = search.map_err(|reason| Error::Format { path: path.into(), reason })?;
        search.validate().map_err(|error| Error::Format { path: path.into(), reason: error.to_string() })?;
        Ok(search)
    }

    /// The search in a text.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn from_toml(text: &str) -> std::result::Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let lines = error.to_string();
            lines.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
        })
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Config`] with the name of the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |field: String, reason: String| Err(Error::Config { field, reason });
        if !(1..=MOST_TRIALS).contains(&self.trials) {
            return refuse("trials".into(), format!("{} is not from 1 to {MOST_TRIALS}", self.trials));
        }
        if self.ranges.is_empty() {
            let reason =
                "nothing is varied; add a field such as \"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }";
            return refuse("ranges".into(), reason.into());
        }
        if self.ranges.contains_key("training.monitor") {
            let reason = "trials are compared by one result of validations; name it in `metric`";
            return refuse("ranges.training.monitor".into(), reason.into());
        }
        for (field, range) in &self.ranges {
            if let Some(reason) = range.fault() {
                return refuse(format!("ranges.{field}"), reason);
            }
        }
        Ok(())
    }

    /// What trial `number`, from 1, draws: each field with its value as TOML. Where a kind is drawn, such as `optimizer.kind`, fields that only
    /// others of the drawn kinds have are left out.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn draw(&self, number: usize) -> Result<BTreeMap<String, String>> {
        self.validate()?;
        let mut random = numbered(self.seed, SEARCH_SEED, number as u64);
        let mut drawn: BTreeMap<_, _> =
            self.ranges.iter().map(|(field, range)| (field.clone(), range.at(unit(&mut random)))).collect();
        let left_out: Vec<_> =
            drawn.keys().filter(|field| self.is_of_another_kind(field, &drawn)).cloned().collect();
        left_out.iter().for_each(|field| drop(drawn.remove(field)));
        Ok(drawn.into_iter().map(|(field, value)| (field, value.to_string())).collect())
    }

    /// Whether a field belongs to a kind that could have been drawn, and not to the one that was.
    fn is_of_another_kind(&self, field: &str, drawn: &BTreeMap<String, Value>) -> bool {
        let Some(tag) = tag_of(field) else { return false };
        let (Some(Range::Choice(kinds)), Some(kind)) = (self.ranges.get(&tag), drawn.get(&tag)) else {
            return false;
        };
        let owners = kinds_with(field);
        let has_field = |kind: &Value| kind.as_str().is_some_and(|kind| owners.contains(&kind));
        kinds.iter().any(has_field) && !has_field(kind)
    }

    /// The configuration of trial `number`, from 1.
    ///
    /// # Errors
    /// [`Error::Config`] if a field does not exist or does not take what was drawn.
    pub fn apply(&self, base: &RunConfig, number: usize) -> Result<RunConfig> {
        let drawn = self.draw(number)?;
        let settings: Vec<_> = drawn.iter().map(|(field, value)| format!("{field}={value}")).collect();
        let mut config = base.with_all(&settings)?;
        config.name = format!("trial-{number:04}");
        Ok(config)
    }
}

impl Range {
    /// What is wrong with it.
    fn fault(&self) -> Option<String> {
        let rises = |low: f64, high: f64| low < high && low.is_finite() && high.is_finite();
        match *self {
            Self::Choice(ref values) if values.is_empty() => Some("there is no value to choose".to_owned()),
            Self::Between(Between::Uniform([low, high])) if !rises(low, high) => {
                Some(format!("the lower bound {low} must be below the upper bound {high}, and both finite"))
            }
            Self::Between(Between::Log([low, high])) if !(rises(low, high) && low > 0.0) => Some(format!(
                "the lower bound {low} must be above 0 and below the upper bound {high}, and both finite"
            )),
            Self::Between(Between::Int([low, high])) if low >= high => {
                Some(format!("the lower bound {low} must be below the upper bound {high}"))
            }
            _ => None,
        }
    }

    /// The value at a share of the way, from 0 to below 1.
    fn at(&self, share: f64) -> Value {
        match *self {
            Self::Choice(ref values) => {
                let index = ((share * values.len() as f64) as usize).min(values.len() - 1);
                values[index].clone()
            }
            Self::Between(Between::Uniform([low, high])) => Value::Float(low + (high - low) * share),
            Self::Between(Between::Log([low, high])) => {
                Value::Float((low.ln() + (high.ln() - low.ln()) * share).exp().clamp(low, high))
            }
            Self::Between(Between::Int([low, high])) => {
                let count = high as f64 - low as f64 + 1.0;
                Value::Integer((low as f64 + (count * share).floor()).min(high as f64) as i64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "seed = 4\n[ranges]\n\"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }\n\
                        \"training.batch_size\" = { int = [2, 4] }\n\"training.loss\" = [\"mse\", \"l1\"]\n\
                        \"model.hidden_channels\" = [[4], [8, 8]]\n\"optimizer.weight_decay\" = { uniform = [0.0, 0.5] }";

    #[test]
    fn draws_depend_on_the_number_alone_and_fill_their_ranges() {
        let search = SearchConfig::from_toml(TEXT).unwrap();
        let configs: Vec<_> =
            (0..200).map(|number| search.apply(&RunConfig::default(), number).unwrap()).collect();
        assert_eq!(search.apply(&RunConfig::default(), 7).unwrap(), configs[7]);
        let small = configs.iter().filter(|config| config.optimizer.learning_rate < 1e-3).count();
        assert!((70..130).contains(&small), "{small} of 200 in the lower half of the logarithm");
        let count = |size: usize| configs.iter().filter(|config| config.training.batch_size == size).count();
        assert!([2, 3, 4].iter().all(|&size| count(size) > 40) && count(2) + count(3) + count(4) == 200);
        let wide = configs.iter().filter(|config| config.model.hidden_channels() == [8, 8]).count();
        assert!((70..130).contains(&wide), "{wide} of 200");
        assert!(configs.iter().all(|config| (0.0..0.5).contains(&config.optimizer.weight_decay)));
        assert_eq!(configs[7].name, "trial-0007");
    }

    #[test]
    fn fields_of_a_kind_are_drawn_where_that_kind_is() {
        let text = |field: &str| {
            format!(
                "[ranges]\n\"optimizer.kind\" = [\"adam\", \"sgd\", \"adamw\"]\n\"optimizer.{field}\" = [0.75]\n\
                 \"optimizer.weight_decay\" = [0.5]\n\"schedule.kind\" = [\"step\", \"constant\"]\n\"schedule.gamma\" = [0.25]"
            )
        };
        let search = SearchConfig::from_toml(&text("momentum")).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..40 {
            let (drawn, config) =
                (search.draw(number).unwrap(), search.apply(&RunConfig::default(), number).unwrap());
            let is_sgd = config.optimizer.kind.name() == "sgd";
            assert_eq!(drawn.contains_key("optimizer.momentum"), is_sgd, "{drawn:?}");
            assert_eq!(config.optimizer.kind.momentum() == 0.75, is_sgd);
            assert_eq!(config.optimizer.weight_decay, 0.5);
            let has_steps = drawn["schedule.kind"] == "\"step\"";
            assert_eq!(drawn.contains_key("schedule.gamma"), has_steps, "{drawn:?}");
            seen.insert((config.optimizer.kind.name(), has_steps));
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
        // A field that none of the kinds has.
        let search = SearchConfig::from_toml(&text("alpha")).unwrap();
        let error = search.apply(&RunConfig::default(), 0).unwrap_err().to_string();
        assert!(error.contains("`optimizer.alpha`") && error.contains("belongs to rmsprop"), "{error}");
    }

    #[test]
    fn the_example_of_the_documentation_is_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/training.md");
        let text = std::fs::read_to_string(path).unwrap();
        let example = text.split("```text\n").find(|part| part.starts_with("trials")).unwrap();
        let search = SearchConfig::from_toml(example.split("```").next().unwrap()).unwrap();
        assert_eq!((search.trials, search.median_stopping, search.ranges.len()), (20, true, 4));
        for number in 0..20 {
            search.apply(&RunConfig::default(), number).unwrap().validate().unwrap();
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_by_name() {
        for (text, words) in [
            ("", "nothing is varied"),
            ("trials = 0\n[ranges]\na = [1]", "trials"),
            ("[ranges]\na = []", "ranges.a"),
            ("[ranges]\n\"training.monitor\" = [\"mse\", \"ssim\"]", "name it in `metric`"),
            (
                "[ranges]\na = { log = [0.0, 1.0] }",
                "the lower bound 0 must be above 0 and below the upper bound 1",
            ),
            ("[ranges]\na = { int = [3, 3] }", "the lower bound 3 must be below the upper bound 3"),
            ("[ranges]\na = { uniform = [2.0, 1.0] }", "the lower bound 2 must be below the upper bound 1"),
        ] {
            let error = SearchConfig::from_toml(text).unwrap().validate().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(SearchConfig::from_toml("[ranges]\na = { lgo = [1.0, 2.0] }").is_err());
        let missing = SearchConfig::from_toml("[ranges]\n\"optimizer.lerning_rate\" = [1.0]").unwrap();
        let error = missing.apply(&RunConfig::default(), 0).unwrap_err().to_string();
        assert!(error.contains("optimizer.learning_rate"), "{error}");
    }
}
