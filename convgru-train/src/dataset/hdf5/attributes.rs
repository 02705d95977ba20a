//! Attributes: named texts and numbers of a group or dataset.

use std::path::{Path, PathBuf};

use hdf5_reader::Attribute;

use super::number::{self, kind};
use crate::{Error, Result};

/// No list of numbers may be longer.
const MOST_NUMBERS: u64 = 1 << 16;

/// The attributes of a group or dataset.
pub(in crate::dataset) struct Attributes {
    file: PathBuf,
    /// The group or dataset, for messages.
    place: String,
    attributes: Vec<Attribute>,
}

impl Attributes {
    /// What the library read.
    pub(super) fn new(file: &Path, place: &str, attributes: Vec<Attribute>) -> Self {
        Self { file: file.into(), place: place.into(), attributes }
    }

    fn named(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
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
        let texts = attribute.read_strings().or_else(|_| attribute.read_string().map(|text| vec![text]));
        match texts {
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
        let count = attribute.num_elements().unwrap_or(u64::MAX);
        let Some(kind) = kind(&attribute.datatype).filter(|_| count <= MOST_NUMBERS) else {
            return Err(self.refuse(name, format!("holds {count} elements that are no numbers")));
        };
        let bytes = usize::from(number::bytes(kind));
        let raw = attribute.raw_data.chunks_exact(bytes).take(count as usize);
        let numbers: Vec<f64> = raw.filter_map(|raw| number::decoded(raw, &attribute.datatype)).collect();
        if numbers.len() as u64 == count {
            return Ok(numbers);
        }
        Err(self.refuse(name, format!("announces {count} numbers, but holds {}", numbers.len())))
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
