//! Attributes: named texts and numbers of a group or dataset.

use std::path::{Path, PathBuf};

use hdf5_reader::Attribute;
use netcdf_reader::{NcAttrValue, NcAttribute};

use serde_json::Value;

use super::NumberType;
use super::number::{self, kind};
use crate::dataset::{self, AttributeValue};
use crate::{Error, Result};

/// No list of numbers may be longer.
const MOST_NUMBERS: u64 = 1 << 16;

/// Attributes of dimension scales (HDF5 High Level, "Dimension Scales").
const OF_LIBRARIES: [&str; 5] = ["CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS"];

/// The attributes of a group or dataset.
#[derive(Clone)]
pub(in crate::dataset) struct Attributes {
    file: PathBuf,
    /// The group or dataset, for messages.
    place: String,
    attributes: Vec<Stored>,
}

/// An attribute as its library read it.
#[derive(Clone)]
pub(super) enum Stored {
    Hdf5(Attribute),
    Netcdf3(NcAttribute),
    /// Of Zarr.
    Json(String, Value),
    /// Numbers that stand for an attribute of Zarr.
    #[cfg_attr(not(feature = "zarr"), expect(dead_code, reason = "the reader of Zarr makes it"))]
    Numbers(String, Vec<f64>),
}

impl From<(String, Value)> for Stored {
    fn from((name, value): (String, Value)) -> Self {
        Self::Json(name, value)
    }
}

impl From<Attribute> for Stored {
    fn from(attribute: Attribute) -> Self {
        Self::Hdf5(attribute)
    }
}

impl From<NcAttribute> for Stored {
    fn from(attribute: NcAttribute) -> Self {
        Self::Netcdf3(attribute)
    }
}

impl Stored {
    fn name(&self) -> &str {
        match self {
            Self::Hdf5(attribute) => &attribute.name,
            Self::Netcdf3(attribute) => &attribute.name,
            Self::Json(name, _) | Self::Numbers(name, _) => name,
        }
    }

    /// Its texts, or why it has none.
    fn texts(&self) -> std::result::Result<Vec<String>, String> {
        match self {
            Self::Hdf5(attribute) => attribute
                .read_strings()
                .or_else(|_| attribute.read_string().map(|text| vec![text]))
                .map_err(|error| error.to_string()),
            Self::Netcdf3(NcAttribute { value: NcAttrValue::Chars(text), .. }) => Ok(vec![text.clone()]),
            Self::Json(_, Value::String(text)) => Ok(vec![text.clone()]),
            Self::Json(_, Value::Array(several)) => {
                let texts = several.iter().map(|own| own.as_str().map(str::to_owned)).collect::<Option<_>>();
                texts.ok_or_else(|| "it holds something else than texts".into())
            }
            Self::Json(..) => Err("it is no text in JSON".into()),
            Self::Netcdf3(_) | Self::Numbers(..) => Err("it holds numbers".into()),
        }
    }

    /// How its numbers are stored, if it has any.
    fn number_type(&self) -> Option<NumberType> {
        match self {
            Self::Hdf5(attribute) => kind(&attribute.datatype),
            Self::Netcdf3(attribute) => match attribute.value {
                NcAttrValue::Floats(_) => Some(NumberType::Float(4)),
                NcAttrValue::Doubles(_) => Some(NumberType::Float(8)),
                NcAttrValue::Chars(_) => None,
                _ => Some(NumberType::Signed(8)),
            },
            // JSON tells whole numbers from others, and nothing else.
            Self::Json(..) => {
                let numbers = self.json_numbers().ok()?;
                let are_whole = numbers.iter().all(|number| number.is_i64() || number.is_u64());
                Some(if are_whole { NumberType::Signed(8) } else { NumberType::Float(8) })
            }
            Self::Numbers(..) => Some(NumberType::Float(8)),
        }
    }

    /// What it says, if it is a text or numbers.
    fn value(&self) -> Option<AttributeValue> {
        if let Ok(texts) = self.texts() {
            let is_end = |c: char| c == '\0';
            return Some(AttributeValue::Text(texts.join("\n").trim_end_matches(is_end).to_owned()));
        }
        let numbers = self.numbers().ok()?;
        let whole = |number: &f64| (*number == f64::from(*number as i32)).then_some(*number as i32);
        Some(match self.number_type()? {
            NumberType::Float(4) => {
                AttributeValue::Singles(numbers.iter().map(|&number| number as f32).collect())
            }
            NumberType::Float(_) => AttributeValue::Doubles(numbers),
            _ => match numbers.iter().map(whole).collect() {
                Some(whole) => AttributeValue::Integers(whole),
                None => AttributeValue::Doubles(numbers),
            },
        })
    }

    /// Its numbers, or what it holds instead.
    fn numbers(&self) -> std::result::Result<Vec<f64>, String> {
        match self {
            Self::Hdf5(attribute) => numbers_of_hdf5(attribute),
            Self::Netcdf3(attribute) => numbers_of_classic(&attribute.value),
            Self::Json(..) => {
                Ok(self.json_numbers()?.into_iter().map(|own| own.as_f64().unwrap_or(f64::NAN)).collect())
            }
            Self::Numbers(_, numbers) => Ok(numbers.clone()),
        }
    }

    /// The numbers of JSON, or what it holds instead.
    fn json_numbers(&self) -> std::result::Result<Vec<&serde_json::Number>, String> {
        let other = || "holds no numbers in JSON".to_owned();
        match self {
            Self::Json(_, Value::Array(several)) => {
                several.iter().map(Value::as_number).collect::<Option<_>>().ok_or_else(other)
            }
            Self::Json(_, one) => Ok(vec![one.as_number().ok_or_else(other)?]),
            _ => Err(other()),
        }
    }
}

fn numbers_of_hdf5(attribute: &Attribute) -> std::result::Result<Vec<f64>, String> {
    let count = attribute.num_elements().unwrap_or(u64::MAX);
    let Some(kind) = kind(&attribute.datatype).filter(|_| count <= MOST_NUMBERS) else {
        return Err(format!("holds {count} elements that are no numbers"));
    };
    let bytes = kind.bytes();
    let raw = attribute.raw_data.chunks_exact(bytes).take(count as usize);
    let numbers: Vec<f64> = raw.filter_map(|raw| number::decoded(raw, &attribute.datatype)).collect();
    if numbers.len() as u64 == count {
        return Ok(numbers);
    }
    Err(format!("announces {count} numbers, but holds {}", numbers.len()))
}

fn numbers_of_classic(value: &NcAttrValue) -> std::result::Result<Vec<f64>, String> {
    fn of<T: Copy>(numbers: &[T], number: impl Fn(T) -> f64) -> std::result::Result<Vec<f64>, String> {
        match numbers.len() as u64 {
            0..=MOST_NUMBERS => Ok(numbers.iter().map(|&one| number(one)).collect()),
            count => Err(format!("holds {count} numbers, more than {MOST_NUMBERS}")),
        }
    }
    match value {
        NcAttrValue::Bytes(numbers) => of(numbers, f64::from),
        NcAttrValue::UBytes(numbers) => of(numbers, f64::from),
        NcAttrValue::Shorts(numbers) => of(numbers, f64::from),
        NcAttrValue::UShorts(numbers) => of(numbers, f64::from),
        NcAttrValue::Ints(numbers) => of(numbers, f64::from),
        NcAttrValue::UInts(numbers) => of(numbers, f64::from),
        NcAttrValue::Int64s(numbers) => of(numbers, |number| number as f64),
        NcAttrValue::UInt64s(numbers) => of(numbers, |number| number as f64),
        NcAttrValue::Floats(numbers) => of(numbers, f64::from),
        NcAttrValue::Doubles(numbers) => of(numbers, f64::from),
        _ => Err("holds no numbers".into()),
    }
}

impl Attributes {
    /// What a library read.
    pub(super) fn new<A: Into<Stored>>(
        file: &Path,
        place: &str,
        attributes: impl IntoIterator<Item = A>,
    ) -> Self {
        let attributes = attributes.into_iter().map(Into::into).collect();
        Self { file: file.into(), place: place.into(), attributes }
    }

    /// These, and numbers under a name, if there are any.
    #[cfg(feature = "zarr")]
    pub(super) fn with_numbers(mut self, name: &str, numbers: Vec<f64>) -> Self {
        if !numbers.is_empty() {
            self.attributes.push(Stored::Numbers(name.to_owned(), numbers));
        }
        self
    }

    fn named(&self, name: &str) -> Option<&Stored> {
        self.attributes.iter().find(|attribute| attribute.name() == name)
    }

    /// Whether there is an attribute of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    fn refuse(&self, name: &str, reason: impl std::fmt::Display) -> Error {
        let reason = format!("its attribute {name} of /{} {reason}", self.place);
        Error::Format { path: self.file.clone(), reason }
    }

    /// A text, without white space around it; of several the first.
    ///
    /// # Errors
    /// [`Error::Format`] if the attribute is there and is no text.
    pub(in crate::dataset) fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(attribute) = self.named(name) else { return Ok(None) };
        match attribute.texts() {
            Ok(texts) => match texts.first() {
                Some(text) => Ok(Some(text.trim_matches(|c: char| c.is_whitespace() || c == '\0').into())),
                None => Err(self.refuse(name, "is empty, but a text is needed")),
            },
            Err(error) => Err(self.refuse(name, format!("is no text ({error})"))),
        }
    }

    /// Numbers; none where there is no such attribute.
    ///
    /// # Errors
    /// [`Error::Format`] if the attribute is there and holds no numbers.
    pub(in crate::dataset) fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let Some(attribute) = self.named(name) else { return Ok(Vec::new()) };
        attribute.numbers().map_err(|reason| self.refuse(name, reason))
    }

    /// Numbers, or texts that are written as numbers; none where there is no such attribute.
    ///
    /// # Errors
    /// [`Error::Format`] if the attribute is there and is neither.
    pub(in crate::dataset) fn numbers_or_texts(&self, name: &str) -> Result<Vec<f64>> {
        let Some(attribute) = self.named(name) else { return Ok(Vec::new()) };
        let texts = match (attribute.numbers(), attribute.texts()) {
            (Ok(numbers), _) => return Ok(numbers),
            (Err(reason), Err(_)) => return Err(self.refuse(name, reason)),
            (Err(_), Ok(texts)) => texts,
        };
        let mut numbers = Vec::new();
        let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '\0');
        for word in texts.iter().flat_map(|text| text.split(is_between)).filter(|word| !word.is_empty()) {
            let bare = word.trim_end_matches(['f', 'F', 'b', 's', 'd']);
            match word.parse().or_else(|_| bare.parse()) {
                Ok(number) => numbers.push(number),
                Err(_) => {
                    return Err(self.refuse(name, format!("is the text \"{word}\", which is no number")));
                }
            }
        }
        Ok(numbers)
    }

    /// Those that are texts or numbers, without the ones that the libraries of HDF5 and netCDF keep for themselves.
    pub(in crate::dataset) fn readable(&self) -> Vec<dataset::Attribute> {
        let is_own = |own: &&Stored| !own.name().starts_with('_') && !OF_LIBRARIES.contains(&own.name());
        let attribute =
            |own: &Stored| Some(dataset::Attribute { name: own.name().to_owned(), value: own.value()? });
        self.attributes.iter().filter(is_own).filter_map(attribute).collect()
    }

    /// Whether the numbers of an attribute are floating-point numbers of more bytes than a type has, or than whole numbers.
    pub(in crate::dataset) fn is_wider(&self, name: &str, than: NumberType) -> bool {
        match (self.named(name).and_then(Stored::number_type), than) {
            (Some(NumberType::Float(own)), NumberType::Float(other)) => own > other,
            (Some(NumberType::Float(_)), _) => true,
            _ => false,
        }
    }

    /// The only number.
    ///
    /// # Errors
    /// As [`number`](Self::number), and if there are several.
    pub(in crate::dataset) fn only_number(&self, name: &str) -> Result<Option<f64>> {
        match self.numbers(name)?.len() {
            0 | 1 => self.number(name),
            count => Err(self.refuse(
                name,
                format!("holds {count} numbers, but one for all is needed; save the numbers unpacked"),
            )),
        }
    }

    /// A number; of several the first.
    ///
    /// # Errors
    /// As [`numbers`](Self::numbers), and if there are none although the attribute is there.
    pub(in crate::dataset) fn number(&self, name: &str) -> Result<Option<f64>> {
        match (self.numbers(name)?.first(), self.named(name)) {
            (Some(&number), _) => Ok(Some(number)),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(self.refuse(name, "is empty, but a number is needed")),
        }
    }
}
