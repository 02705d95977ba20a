//! Configurations from TOML text: files laid over another configuration.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::suggest::{field, join, paths};
use super::text_error::{TextError, first_misfit, one_line};
use super::{RunConfig, saved, tagged};
use crate::dataset::{FoundData, InputFramesConfig, RainScale, SourceKind};
use crate::{Error, Result, input};

/// The longest TOML that is read, in bytes. A whole configuration has some 4 kB.
const LONGEST: usize = 1 << 17;

/// The most dots in a line: tables lie as deep in each other as a key has parts.
const MAX_PARTS: usize = 1 << 10;

impl RunConfig {
    /// Reads a TOML file. Fields that it does not name keep their value from
    /// `self`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] with line and
    /// column if it is no TOML, names an unknown field or gives a field a value
    /// of the wrong type.
    pub fn overlaid_by_file(&self, path: &Path) -> Result<Self> {
        let text = saved::in_todays_form(&text(path)?);
        self.overlaid_by(&text).map_err(|reason| Error::Format { path: path.into(), reason })
    }

    /// The kind of data source that a TOML file chooses, if it chooses one.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is no text.
    pub fn source_chosen_by_file(path: &Path) -> Result<Option<SourceKind>> {
        // A file that is no TOML is refused where it is laid over a configuration.
        let Ok(table) = text(path)?.parse::<Table>() else { return Ok(None) };
        Ok(tagged::source_in(&table))
    }

    /// Whether a TOML file has a section of a name, such as `model`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is no text.
    pub fn has_section_in_file(path: &Path, section: &str) -> Result<bool> {
        // A file that is no TOML is refused where it is laid over a configuration.
        Ok(text(path)?.parse::<Table>().is_ok_and(|table| table.contains_key(section)))
    }

    /// As [`overlaid_by_file`](Self::overlaid_by_file), from text; the error
    /// begins with the line and column.
    pub(super) fn overlaid_by(&self, text: &str) -> std::result::Result<Self, String> {
        self.overlay(text).map_err(|error| error.in_text(text))
    }

    /// This configuration with one field changed: [`with_all`](Self::with_all) of one assignment.
    ///
    /// # Errors
    /// As [`with_all`](Self::with_all).
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
        self.with_all(&[assignment])
    }

    /// This configuration with some fields changed at once.
    ///
    /// Each assignment `key=value` is a line of TOML; a text needs no quotes where the value is no TOML, such as `adamw`, or
    /// the field is a text. Of two assignments of one key the later counts.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field, if there is no such field (the nearest
    /// one is named) or the value is of the wrong type.
    ///
    /// ```
    /// use convgru_train::config::RunConfig;
    ///
    /// let settings = ["optimizer.momentum=0.9", "optimizer.kind=sgd", "training.lead_weights=[1, 2.5]"];
    /// let config = RunConfig::default().with_all(&settings)?;
    /// assert_eq!(config.optimizer.kind.momentum(), 0.9);
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn with_all<S: AsRef<str>>(&self, assignments: &[S]) -> Result<Self> {
        let table = Self::table_of(self);
        let mut lines: Vec<(&str, String)> = Vec::new();
        for assignment in assignments {
            let assignment = assignment.as_ref();
            let Some((key, value)) = assignment.split_once('=') else {
                return Err(Error::Config {
                    field: assignment.to_owned(),
                    reason: "no value given; write key=value, such as training.steps=100".to_owned(),
                });
            };
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() {
                return Err(Error::Config {
                    field: assignment.to_owned(),
                    reason: "a field is missing before `=`; write key=value, such as training.steps=100"
                        .to_owned(),
                });
            }
            let is_text = field(&table, key).is_some_and(Value::is_str);
            let value = match value.parse::<Value>() {
                // A number may be a name, but a list is no text.
                Ok(number) if is_text && !(number.is_str() || number.is_array() || number.is_table()) => {
                    Value::from(value).to_string()
                }
                Ok(_) => value.to_owned(),
                Err(error) if !is_text && value.starts_with(['[', '{']) => {
                    let reason = format!("{value} is no TOML: {}", one_line(error.message()));
                    return Err(Error::Config { field: key.to_owned(), reason });
                }
                Err(_) => Value::from(value).to_string(),
            };
            let line = format!("{key} = {value}\n");
            // A comment, a section or a second line is no key.
            let is_one_key = !key.contains(['#', '[', '\n', '\r']);
            if !is_one_key || format!("{key} = 0").parse::<Table>().is_err() {
                let reason = tagged::unknown(key, &[], &table);
                return Err(Error::Config { field: key.to_owned(), reason });
            }
            lines.retain(|(earlier, _)| *earlier != key);
            lines.push((key, line));
        }
        let text: String = lines.iter().map(|(_, line)| line.as_str()).collect();
        self.overlay(&text).map_err(|error| {
            let mut end = 0;
            let of_line = lines.iter().find(|(_, line)| {
                end += line.len();
                error.at.is_some_and(|at| at < end)
            });
            let keys = || lines.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
            Error::Config {
                field: of_line.map_or_else(keys, |(key, _)| (*key).to_owned()),
                reason: error.reason,
            }
        })
    }

    /// Lays a text over this configuration.
    fn overlay(&self, text: &str) -> std::result::Result<Self, TextError> {
        expect_short(text.len()).map_err(TextError::of_all)?;
        if let Some(at) = deep_key(text) {
            let reason =
                format!("a key of more than {MAX_PARTS} parts; no field of a configuration has as many");
            return Err(TextError { at: Some(at), reason });
        }
        let document = DeTable::parse(text)?;
        let overlay: Table = toml::from_str(text)?;
        let mut base = tagged::of_kinds_in(&overlay, Self::table_of(self));
        add_section(&mut base, &overlay, ["data", "found"], &FoundData::default());
        add_section(&mut base, &overlay, ["data.frames", "rain"], &RainScale::default());
        add_section(&mut base, &overlay, ["data.frames", "input"], &InputFramesConfig::default());
        replace_loss(&mut base, &overlay);
        check_names(document.get_ref(), &base, "", &base)
            .map_err(|error| tagged::unknown_kind(&overlay).map_or(error, TextError::of_all))?;
        let mut merged = base.clone();
        merge(&mut merged, overlay.clone());
        Self::from_table(&merged).map_err(|error| {
            // The error itself names a place in another text.
            first_misfit(document.get_ref(), &overlay, &base)
                .unwrap_or_else(|| TextError::of_all(one_line(error.message())))
        })
    }

    /// All fields as a TOML table.
    ///
    /// Tables come from text and become text: a second way to read and write every section
    /// would be a tenth of what compiling this crate takes.
    pub(super) fn table_of(config: &Self) -> Table {
        config.to_toml().parse().expect("what was written as TOML is TOML")
    }

    /// The configuration in a table.
    pub(super) fn from_table(table: &Table) -> std::result::Result<Self, toml::de::Error> {
        let mut config: Self = toml::from_str(&table.to_string())?;
        // Data with a mask are for a network that reads one.
        if config.data.mask_channel {
            config.model = config.model.with_mask_channel(true);
        }
        Ok(config)
    }
}

/// Gives a configuration a section that most have not, where an overlay has it, with the defaults of its fields.
fn add_section(
    base: &mut Table,
    overlay: &Table,
    [parent, name]: [&str; 2],
    defaults: &impl serde::Serialize,
) {
    let is_named = field(overlay, &join(parent, name)).is_some_and(Value::is_table);
    let parent = parent.split('.').try_fold(base, |table, name| table.get_mut(name)?.as_table_mut());
    if let (true, Some(parent)) = (is_named, parent) {
        let section = Table::try_from(defaults).expect("every field of it is a TOML value");
        parent.entry(name).or_insert(Value::Table(section));
    }
}

/// A loss that an overlay names takes the place of the loss before, and its constants have their defaults; constants alone
/// change the loss that is there. So does the spread of an ensemble.
fn replace_loss(base: &mut Table, overlay: &Table) {
    for (section, name) in [("training", "loss"), ("training.loss", "spread")] {
        let Some(given) = field(overlay, &join(section, name)) else { continue };
        let has_constants_alone = given.as_table().is_some_and(|given| !given.contains_key("kind"));
        let holder =
            section.split('.').try_fold(&mut *base, |table, name| table.get_mut(name)?.as_table_mut());
        if let (false, Some(holder)) = (has_constants_alone, holder) {
            holder.insert(name.into(), given.clone());
        }
    }
}

/// Where a key of too many parts begins. Dots in texts and numbers count as well: a line of so many is none of a
/// configuration.
fn deep_key(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.bytes().filter(|&byte| byte == b'.').count() > MAX_PARTS {
            return Some(start);
        }
        start += line.len();
    }
    None
}

/// The text of a TOML file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is no text or longer than a configuration may be.
pub(crate) fn text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    expect_short(bytes.len()).map_err(|reason| Error::Format { path: path.into(), reason })?;
    input::utf8(path, bytes)
}

fn expect_short(bytes: usize) -> std::result::Result<(), String> {
    match bytes <= LONGEST {
        true => Ok(()),
        false => Err(format!("is longer than the {LONGEST} bytes that a configuration may have")),
    }
}

/// Fails with the position of the first key that is not in `known`, a section of `config`.
fn check_names(
    table: &DeTable<'_>,
    known: &Table,
    section: &str,
    config: &Table,
) -> std::result::Result<(), TextError> {
    for (key, value) in table {
        let path = join(section, key.get_ref());
        let refuse = |reason| Err(TextError { at: Some(key.span().start), reason });
        match (known.get(key.get_ref().as_ref()), value.get_ref()) {
            (Some(Value::Table(inner)), DeValue::Table(table)) => check_names(table, inner, &path, config)?,
            (Some(Value::Table(inner)), _) => {
                let fields: Vec<_> = paths(inner).iter().map(|name| join(&path, name)).collect();
                return refuse(format!("`{path}` is a section; its fields are {}", fields.join(", ")));
            }
            (Some(_), _) => {}
            (None, DeValue::Table(inner)) => {
                let below: Vec<_> = inner.keys().map(|key| join(&path, key.get_ref())).collect();
                return refuse(tagged::unknown(&path, &below, config));
            }
            (None, _) => return refuse(tagged::unknown(&path, &[], config)),
        }
    }
    Ok(())
}

/// Lays `overlay` over `table`: sections are merged, everything else replaced.
pub(super) fn merge(table: &mut Table, overlay: Table) {
    for (key, value) in overlay {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}
