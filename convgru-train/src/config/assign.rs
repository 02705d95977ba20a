//! `--set key=value`: one field changed by its dotted path.

use toml::{Table, Value};

use super::RunConfig;
use super::read::{one_line, unknown};
use super::suggest::{join, paths};
use crate::{Error, Result};

impl RunConfig {
    /// This configuration with one field changed.
    ///
    /// The value is written as in TOML; text needs no quotes.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field, if there is no such field (the nearest
    /// one is named) or the value is of the wrong type.
    ///
    /// ```
    /// use convgru_train::config::RunConfig;
    ///
    /// let config = RunConfig::default().with("training.steps=25")?;
    /// assert_eq!(config.training.steps, 25);
    /// let error = config.with("training.stepz=25").unwrap_err();
    /// assert!(error.to_string().contains("training.steps"));
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn with(&self, assignment: &str) -> Result<Self> {
        let Some((path, text)) = assignment.split_once('=') else {
            return Err(Error::Config {
                field: assignment.to_owned(),
                reason: "no value given; write key=value, such as training.steps=100".to_owned(),
            });
        };
        let (path, text) = (path.trim(), text.trim());
        let refuse = |reason: String| Error::Config { field: path.to_owned(), reason };
        if let Some(of_kind) =
            (path == "model.kind").then(|| self.of_model_kind(text.trim_matches('"'))).flatten()
        {
            return Ok(of_kind);
        }
        let base = self.of_assigned_source(path, text).map_err(refuse)?;
        if path == "data.source" && base != *self {
            return Ok(base);
        }
        let mut table = Self::table_of(&base);
        let field = find(&mut table, path).ok_or_else(|| refuse(unknown(path)))?;
        if let Value::Table(section) = field {
            let fields: Vec<_> = paths(section).iter().map(|name| join(path, name)).collect();
            return Err(refuse(format!("this is a section; its fields are {}", fields.join(", "))));
        }
        *field = match list(path, text) {
            Some(list) => list,
            None if NAME_OR_LIST.contains(&path) => {
                parse(text, &Value::String(String::new())).map_err(refuse)?
            }
            None => parse(text, field).map_err(refuse)?,
        };
        Self::from_table(&table)
            .map_err(|error| refuse(format!("`{text}` does not fit: {}", one_line(error.message()))))
    }
}

/// Fields that are a name or a list.
const NAME_OR_LIST: [&str; 2] = ["training.loss", "training.lead_weights"];

/// The list that `text` spells, where the field may be one.
fn list(path: &str, text: &str) -> Option<Value> {
    let value = text.parse().ok().filter(Value::is_array)?;
    NAME_OR_LIST.contains(&path).then_some(value)
}

fn find<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    match path.split_once('.') {
        None => table.get_mut(path),
        Some((section, rest)) => find(table.get_mut(section)?.as_table_mut()?, rest),
    }
}

/// The value `text` spells, of the type of the value that is there.
fn parse(text: &str, present: &Value) -> std::result::Result<Value, String> {
    let quoted = text.starts_with(['"', '\'']);
    if present.is_str() && !quoted {
        return Ok(Value::String(text.to_owned()));
    }
    let value: Value =
        text.parse().map_err(|_| format!("`{text}` is no {}; it is {present} now", kind(present)))?;
    match (present, value) {
        (Value::Float(_), Value::Integer(integer)) => Ok(Value::Float(integer as f64)),
        // Arrays and single numbers may stand for each other, as for kernel sizes.
        (Value::Array(_) | Value::Integer(_), value @ (Value::Array(_) | Value::Integer(_))) => Ok(value),
        (present, value) if present.same_type(&value) => Ok(value),
        (present, value) => {
            Err(format!("`{text}` is {} where {} is needed", article(&value), article(present)))
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "whole number",
        Value::Float(_) => "number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "date",
        Value::Array(_) => "list, such as [32, 64]",
        Value::Table(_) => "section",
    }
}

fn article(value: &Value) -> String {
    match value {
        Value::String(_) | Value::Boolean(_) => kind(value).to_owned(),
        _ => format!("a {}", kind(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_can_be_set_to_its_own_value() {
        let config = RunConfig::default();
        let table = RunConfig::table_of(&config);
        let mut fields = 0;
        for path in paths(&table) {
            let value = find(&mut table.clone(), &path).unwrap().clone();
            if !value.is_table() {
                let same = config.with(&format!("{path}={value}")).unwrap_or_else(|e| panic!("{e}"));
                assert_eq!(same, config, "{path}");
                fields += 1;
            }
        }
        assert!(fields > 20, "only {fields} fields were reached");
    }

    #[test]
    fn values_change_with_and_without_quotes() {
        let config = RunConfig::default();
        for (assignment, path, expected) in [
            ("name=rain", "name", Value::from("rain")),
            ("name=\"rain today\"", "name", Value::from("rain today")),
            ("optimizer.learning_rate=1", "optimizer.learning_rate", Value::from(1.0)),
            ("optimizer.learning_rate = 2e-3", "optimizer.learning_rate", Value::from(2e-3)),
            ("training.loss=l1", "training.loss", Value::from("l1")),
            ("training.loss=[{ kind = \"l1\" }]", "training.loss", Value::from("l1")),
            ("training.lead_weights=[0.5, 1.0]", "training.lead_weights", Value::from(vec![0.5, 1.0])),
            ("model.hidden_channels=[3, 4]", "model.hidden_channels", Value::from(vec![3, 4])),
            ("model.kernel_size=[3, 5]", "model.kernel_size", Value::from(vec![3, 5])),
        ] {
            let changed = config.with(assignment).unwrap();
            let mut table = RunConfig::table_of(&changed);
            assert_eq!(find(&mut table, path), Some(&mut expected.clone()), "{assignment}");
        }
    }

    #[test]
    fn wrong_assignments_say_what_is_wrong() {
        for (assignment, words) in [
            ("training.steps", &["key=value"][..]),
            ("=3", &["no field"]),
            ("training.stepz=3", &["`training.steps`"]),
            ("lerning_rate=3", &["`optimizer.learning_rate`"]),
            ("training=3", &["section", "training.steps"]),
            ("training.steps.more=3", &["no field"]),
            ("training.steps=abc", &["abc", "whole number"]),
            ("training.steps=1.5", &["1.5", "whole number"]),
            ("training.steps=-1", &["-1"]),
            ("training.steps=", &["whole number"]),
            ("training.loss=hinge", &["hinge", "mse"]),
            ("training.loss=[{ kynd = \"l1\" }]", &["kynd", "kind"]),
            ("training.lead_weights=falling", &["falling", "linear"]),
            ("training.steps=\"3\"", &["text", "whole number"]),
            ("model.hidden_channels=[1, true]", &["true"]),
            ("model.hidden_channels={a = 1}", &["section", "list"]),
            ("model.bias=1", &["true or false"]),
        ] {
            let error = RunConfig::default().with(assignment).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{assignment:?} gave {error:?} without {word:?}");
            }
            assert!(!error.contains('\n'), "{error:?}");
        }
    }
}
