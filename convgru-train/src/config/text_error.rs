//! What is wrong with the text of a configuration, and where.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::RunConfig;
use super::read::merge;
use super::suggest::join;

/// What is wrong with a text, and at which byte, if it is at one place.
pub(super) struct TextError {
    pub(super) at: Option<usize>,
    pub(super) reason: String,
}

impl TextError {
    pub(super) fn of_all(reason: String) -> Self {
        Self { at: None, reason }
    }

    /// The reason after line and column.
    pub(super) fn in_text(self, text: &str) -> String {
        self.at.map_or_else(String::new, |at| position(text, at)) + &self.reason
    }
}

impl From<toml::de::Error> for TextError {
    fn from(error: toml::de::Error) -> Self {
        Self { at: error.span().map(|span| span.start), reason: one_line(error.message()) }
    }
}

/// The first field of an overlay that does not fit by itself, with what is wrong with it.
pub(super) fn first_misfit(document: &DeTable<'_>, overlay: &Table, base: &Table) -> Option<TextError> {
    let mut fields = Vec::new();
    collect_fields(document, overlay, base, "", &mut fields);
    fields.sort_by_key(|field| field.at);
    fields.into_iter().find_map(|Setting { at, path, value, present }| {
        let alone = path.rsplit('.').fold(value.clone(), |value, name| {
            Value::Table(std::iter::once((name.to_owned(), value)).collect())
        });
        let mut merged = base.clone();
        merge(&mut merged, alone.as_table()?.clone());
        let error = RunConfig::from_table(&merged).err()?;
        let reason =
            mismatch(&path, &value, &present).unwrap_or_else(|| in_plain_words(&one_line(error.message())));
        Some(TextError { at: Some(at), reason })
    })
}

/// A field that an overlay sets, with its value before.
struct Setting {
    at: usize,
    path: String,
    value: Value,
    present: Value,
}

fn collect_fields(
    document: &DeTable<'_>,
    overlay: &Table,
    base: &Table,
    section: &str,
    fields: &mut Vec<Setting>,
) {
    for (key, place) in document {
        let name = key.get_ref().as_ref();
        let (Some(value), Some(present)) = (overlay.get(name), base.get(name)) else { continue };
        let path = join(section, name);
        match (place.get_ref(), value, present) {
            (DeValue::Table(document), Value::Table(overlay), Value::Table(base)) => {
                collect_fields(document, overlay, base, &path, fields);
            }
            _ => {
                let at = place.span().start;
                fields.push(Setting { at, path, value: value.clone(), present: present.clone() });
            }
        }
    }
}

/// What to say about a value of another type than the field has, where it has one.
fn mismatch(path: &str, value: &Value, present: &Value) -> Option<String> {
    // Text and lists may stand for each other, as for losses, and single numbers for lists, as for kernel sizes.
    let may_be_a_list =
        present.is_array() || ["training.loss", "training.lead_weights", "training.clamp"].contains(&path);
    if value.same_type(present) || may_be_a_list && !value.is_table() || path == "training.loss" {
        return None;
    }
    if let Value::Table(table) = value {
        let field = table.keys().next().map_or_else(|| path.to_owned(), |name| join(path, name));
        return Some(format!(
            "there is no field `{field}`: `{path}` is {}, and no section",
            article(present)
        ));
    }
    let advice = match (value, present) {
        (_, Value::String(_)) => format!("; write \"{value}\""),
        (Value::String(text), Value::Integer(_)) if text.parse::<i64>().is_ok() => {
            format!("; write {text} without quotes")
        }
        (Value::String(text), Value::Integer(_) | Value::Float(_)) => {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map_or_else(String::new, |number| {
                format!("; write {number:?} without quotes, as TOML has it")
            })
        }
        _ => String::new(),
    };
    Some(format!("{value} is {} where {} is needed{advice}", article(value), article(present)))
}

/// A message of serde as a user of a configuration says it; others as they are.
fn in_plain_words(message: &str) -> String {
    let whole_numbers = ["usize", "u64", "u32", "u16", "u8"];
    if let Some((number, kind)) =
        message.strip_prefix("invalid value: integer `").and_then(|rest| rest.split_once("`, expected "))
        && whole_numbers.contains(&kind)
    {
        return match number.starts_with('-') {
            true => format!("{number} is below 0, and a whole number from 0 on is needed"),
            false => format!("{number} is too large"),
        };
    }
    if let Some((name, known)) =
        message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected "))
    {
        let known = known.trim_start_matches("one of ").replace('`', "");
        return format!("there is no `{name}`; there are {}", known.replace(" or ", ", "));
    }
    if let Some((found, needed)) = message
        .strip_prefix("invalid length ")
        .and_then(|rest| rest.split_once(", expected an array of length "))
    {
        return format!("a list of {found} where {needed} values are needed");
    }
    format!("this value does not fit: {message}")
}

fn article(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list, such as [32, 64]",
        Value::Table(_) => "a section",
    }
}

/// `line 3, column 7: ` of a byte offset.
fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("line {line}, column {column}: ")
}

/// The message with its line breaks replaced, so that an error stays one line.
pub(super) fn one_line(message: &str) -> String {
    message.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
