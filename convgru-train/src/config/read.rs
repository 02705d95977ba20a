//! Configurations from TOML text: files laid over another configuration.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use convgru_model::ForecasterConfig;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::RunConfig;
use super::data_source::{is_of_earlier_version, of_another_source};
use super::suggest::{join, nearest, paths};
use crate::{Error, Result};

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
        let text = text(path)?;
        self.overlaid_by(&text).map_err(|reason| Error::Format { path: path.into(), reason })
    }

    /// As [`overlaid_by_file`](Self::overlaid_by_file), from text; the error
    /// begins with the line and column.
    pub(super) fn overlaid_by(&self, text: &str) -> std::result::Result<Self, String> {
        let located = |error: toml::de::Error| {
            let at = error.span().map_or(String::new(), |span| position(text, span.start));
            at + &one_line(error.message())
        };
        expect_short(text.len())?;
        if let Some(at) = deep_key(text) {
            let at = position(text, at);
            return Err(format!(
                "{at}a key of more than {MAX_PARTS} parts; no field of a configuration has as many"
            ));
        }
        let document = DeTable::parse(text).map_err(located)?;
        let mut overlay: Table = toml::from_str(text).map_err(located)?;
        if is_of_earlier_version(&mut overlay) {
            return self.overlaid_by(&overlay.to_string());
        }
        let kind = overlay.get("model").and_then(|model| model.get("kind")).and_then(Value::as_str);
        let base = match kind {
            Some(kind) => self.of_model_kind(kind).unwrap_or_else(|| self.clone()),
            None => self.clone(),
        };
        let base = base.of_data_source(&overlay)?;
        check_names(text, document.get_ref(), &Self::table_of(&base), "")?;
        toml::from_str::<Self>(text).map_err(located)?;
        let mut table = Self::table_of(&base);
        merge(&mut table, overlay);
        Self::from_table(&table).map_err(|error| one_line(error.message()))
    }

    /// This configuration with the model of a kind: its default where it is another than now.
    pub(super) fn of_model_kind(&self, kind: &str) -> Option<Self> {
        let model = ForecasterConfig::of_kind(kind)?;
        let stays = model.kind() == self.model.kind();
        Some(Self { model: if stays { self.model.clone() } else { model }, ..self.clone() })
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
        toml::from_str(&table.to_string())
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
    let refuse = |reason| Error::Format { path: path.into(), reason };
    expect_short(bytes.len()).map_err(refuse)?;
    String::from_utf8(bytes).map_err(|error| {
        refuse(format!("is no text in UTF-8: byte {} is not", error.utf8_error().valid_up_to()))
    })
}

fn expect_short(bytes: usize) -> std::result::Result<(), String> {
    match bytes <= LONGEST {
        true => Ok(()),
        false => Err(format!("is longer than the {LONGEST} bytes that a configuration may have")),
    }
}

/// Fails with the position of the first key that is not in `known`.
fn check_names(
    text: &str,
    table: &DeTable<'_>,
    known: &Table,
    section: &str,
) -> std::result::Result<(), String> {
    for (key, value) in table {
        let path = join(section, key.get_ref());
        match (known.get(key.get_ref().as_ref()), value.get_ref()) {
            (Some(Value::Table(inner)), DeValue::Table(table)) => check_names(text, table, inner, &path)?,
            (Some(_), _) => {}
            (None, _) => {
                let at = position(text, key.span().start);
                return Err(format!("{at}{}", unknown(&path)));
            }
        }
    }
    Ok(())
}

/// What to say about a field that does not exist.
pub(super) fn unknown(path: &str) -> String {
    if let Some(reason) = of_another_source(path) {
        return reason;
    }
    let of_kind = |kind| RunConfig::default().of_model_kind(kind);
    let configs = ForecasterConfig::KINDS.into_iter().filter_map(of_kind);
    let configs = configs.chain(RunConfig::of_each_source());
    let known: Vec<String> = configs.flat_map(|config| paths(&RunConfig::table_of(&config))).collect();
    match nearest(path, &known) {
        Some(near) => format!("there is no field `{path}`; the nearest is `{near}`"),
        None => format!("there is no field `{path}`"),
    }
}

/// Lays `overlay` over `table`: sections are merged, everything else replaced.
fn merge(table: &mut Table, overlay: Table) {
    for (key, value) in overlay {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(text: &str) -> std::result::Result<RunConfig, String> {
        RunConfig::default().overlaid_by(text)
    }

    #[test]
    fn a_file_changes_only_what_it_names() {
        let config = overlay("[training]\nsteps = 7").unwrap();
        let mut expected = RunConfig::default();
        expected.training.steps = 7;
        assert_eq!(config, expected);
    }

    #[test]
    fn the_kind_of_the_model_decides_its_fields() {
        let config =
            overlay("[model]\nkind = \"pyramid\"\nslope = 0.1\n[[model.scales]]\nchannels = 5").unwrap();
        let ForecasterConfig::Pyramid(pyramid) = &config.model else { panic!("{:?}", config.model) };
        assert_eq!((pyramid.slope, pyramid.scales.len(), pyramid.scales[0].channels), (0.1, 1, 5));
        assert_eq!(RunConfig::from_toml(&config.to_toml()).unwrap(), config);
        // What is laid over a model of the kind keeps its other fields.
        let wider = config.overlaid_by("[model]\nkind = \"pyramid\"\nhead_channels = 7").unwrap();
        let ForecasterConfig::Pyramid(wider) = wider.model else { panic!("{:?}", wider.model) };
        assert_eq!((wider.slope, wider.head_channels), (0.1, 7));
        let set = RunConfig::default().with("model.kind=pyramid").unwrap();
        assert_eq!(set.model, ForecasterConfig::of_kind("pyramid").unwrap());
        let set = set.with("model.scales=[{ channels = 8, down = 4 }]").unwrap();
        assert_eq!(set.model.factor(), 4);
        let old = overlay("[model]\npatch = 8").unwrap();
        assert_eq!((old.model.kind(), old.model.factor()), ("encoder-forecaster", 8));
        for (text, words) in [
            ("[model]\nkind = \"pyramid\"\npatch = 4", &["line 3", "`model.patch`"][..]),
            ("[model]\nkind = \"unet\"", &["unet", "encoder-forecaster and pyramid"]),
            ("[model]\nscales = []", &["line 2", "`model.scales`"]),
        ] {
            let error = overlay(text).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn errors_carry_the_position() {
        for (text, words) in [
            ("[training]\nsteps = ", &["line 2"][..]),
            (
                "name = \"a\"\n[training]\n  stepz = 4",
                &["line 3, column 3", "`training.stepz`", "`training.steps`"],
            ),
            ("[trainin]\nsteps = 4", &["line 1", "`trainin`", "`training`"]),
            ("[training]\nsteps = \"many\"", &["line 2, column 9", "many"]),
            ("training = 5", &["line 1"]),
            ("[training]\nsteps = 1\nsteps = 2", &["line 3", "duplicate"]),
            ("[training]\nsteps = -1", &["line 2", "-1"]),
        ] {
            let error = overlay(text).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{text:?} gave {error:?} without {word:?}");
            }
            assert!(!error.contains('\n'), "{error:?}");
        }
    }
}
