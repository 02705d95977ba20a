//! Files of GRIB, edition 2: one message or several, plain or compressed by gzip.

mod field;
mod grid;
mod message;
#[cfg(test)]
mod tests;
mod unpack;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use self::field::Field;
use self::message::{Message, Place, Unread, each_message};
use super::array::{Array, VisitBlock};
use super::named_axes::NamedAxes;
use super::number_type::NumberType;
use super::times::{Origin, Times};
use super::{Content, has_extension};
use crate::dataset::georeference::Attribute;
use crate::dataset::gridded::Dimension;
use crate::dataset::gzip::Unpacked;
use crate::dataset::{Description, FramesConfig};
use crate::printable::escaped;
use crate::read_budget::{Kept, ReadBudget, bytes_of};
use crate::{Error, Result, input};

/// What names of such files end with, before the end of names of compressed files.
const EXTENSIONS: [&str; 4] = ["grib2", "grb2", "grib", "grb"];
/// Bytes that are kept for a message.
const MESSAGE_BYTES: u64 = 512;
/// Bytes of a number while it is unpacked: as an integer that may be missing, and as `f64`.
const NUMBER_BYTES: usize = 40;
/// Fields that are named in a refusal.
const MOST_SHOWN: usize = 20;

/// Whether a file is GRIB by its name.
pub(in crate::dataset) fn is_named(path: &Path) -> bool {
    let inner = path.file_stem().map(Path::new).filter(|_| has_extension(path, "gz"));
    EXTENSIONS.iter().any(|extension| has_extension(inner.unwrap_or(path), extension))
}

/// The messages of one field in a file, which are the frames of a sequence.
pub(super) struct GribFile {
    path: PathBuf,
    messages: Vec<Message>,
    is_compressed: bool,
    _messages: Kept,
}

impl GribFile {
    /// The messages of the field that is named, or of the only one.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is damaged, holds no message, several fields of which none is named,
    /// or several grids.
    pub(super) fn open(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Self> {
        let (fields, is_compressed, kept) = fields(path, budget)?;
        let refuse =
            |reason: String| Error::Format { path: path.into(), reason: escaped(&reason).into_owned() };
        let messages = chosen(fields, &config.variable).map_err(refuse)?;
        let grid = &messages[0].grid;
        if let Some(at) = messages.iter().position(|own| own.grid.section != grid.section) {
            let other = &messages[at].grid;
            return Err(refuse(format!(
                "has messages of {} on several grids, of {} x {} (template 3.{}) and, message {at} (from 0), of {} x {} (template 3.{}); give files \
                 of one grid",
                messages[0].field,
                grid.rows,
                grid.columns,
                grid.template,
                other.rows,
                other.columns,
                other.template
            )));
        }
        Ok(Self { path: path.into(), messages, is_compressed, _messages: kept })
    }

    fn first(&self) -> &Message {
        &self.messages[0]
    }

    /// The numbers of a message, row by row.
    fn numbers(&self, message: &Message) -> Result<Vec<f64>> {
        let bytes = self.bytes(&[message.mask, Some(message.data)])?;
        let [mask, data] = &bytes[..] else { return Ok(Vec::new()) };
        let grid = &message.grid;
        let mask = message.mask.is_some().then_some(&mask[..]);
        let numbers = unpack::numbers(&message.packing, mask, data, grid.rows * grid.columns);
        let mut numbers = numbers.map_err(|reason| {
            let reason = format!(
                "has the message of {} at byte {}, which {reason}",
                message.field, message.data.start
            );
            Error::Format { path: self.path.clone(), reason }
        })?;
        if grid.turns {
            numbers.chunks_exact_mut(grid.columns.max(1)).skip(1).step_by(2).for_each(<[f64]>::reverse);
        }
        Ok(numbers)
    }

    /// The bytes at some places, which lie one after the other; none where there is no place.
    fn bytes(&self, places: &[Option<Place>]) -> Result<Vec<Vec<u8>>> {
        let failed = |error: std::io::Error| input::failed(&self.path, &error, || input::is_damaged(&error));
        let mut made = Vec::new();
        for place in places {
            let Some(Place { start, length }) = *place else {
                made.push(Vec::new());
                continue;
            };
            let mut bytes = Vec::new();
            input::reserve(&mut bytes, length as usize).map_err(Error::io("read", &self.path))?;
            if self.is_compressed {
                let mut file = Unpacked::open(&self.path)?;
                std::io::copy(&mut file.by_ref().take(start), &mut std::io::sink()).map_err(failed)?;
                file.take(length).read_to_end(&mut bytes).map_err(failed)?;
            } else {
                let mut file = input::open(&self.path).map_err(Error::io("open", &self.path))?;
                std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start)).map_err(failed)?;
                file.take(length).read_to_end(&mut bytes).map_err(failed)?;
            }
            if bytes.len() as u64 != length {
                return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
            }
            made.push(bytes);
        }
        Ok(made)
    }
}

/// The messages of each field in a file, whether it is compressed, and what is counted for them.
fn fields(path: &Path, budget: &ReadBudget) -> Result<(BTreeMap<Field, Vec<Message>>, bool, Kept)> {
    let file = Unpacked::open(path)?;
    let is_compressed = file.compressed;
    let mut kept = budget.keep(path, 0)?;
    let mut counted: Result<()> = Ok(());
    let mut fields: BTreeMap<Field, Vec<Message>> = BTreeMap::new();
    let read = each_message(std::io::BufReader::new(file), &mut |message| {
        let bytes = MESSAGE_BYTES + (message.packing.len() + message.grid.section.len()) as u64;
        counted = kept.more(path, bytes);
        if counted.is_err() {
            return Err(String::new().into());
        }
        fields.entry(message.field.clone()).or_default().push(message);
        Ok(())
    });
    counted?;
    read.map_err(|unread| unread_of(path, is_compressed, unread))?;
    Ok((fields, is_compressed, kept))
}

/// A field in a file.
pub(in crate::dataset) struct Held {
    pub(in crate::dataset) name: String,
    pub(in crate::dataset) shape: Vec<usize>,
    pub(in crate::dataset) unit: &'static str,
    pub(in crate::dataset) standard_name: &'static str,
}

/// What a file holds: of each field how it is named, its shape, its unit and its standard name.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`] if the file cannot be read.
pub(in crate::dataset) fn held(path: &Path, budget: &ReadBudget) -> Result<Vec<Held>> {
    let (fields, _, _kept) = fields(path, budget)?;
    let held = |(field, messages): (Field, Vec<Message>)| Held {
        name: format!("{}@{}", field.name(), field.level()),
        shape: vec![messages.len(), messages[0].grid.rows, messages[0].grid.columns],
        unit: field.unit(),
        standard_name: field.standard_name().unwrap_or_default(),
    };
    Ok(fields.into_iter().map(held).collect())
}

/// The messages of the field that is named, or of the only one.
fn chosen(fields: BTreeMap<Field, Vec<Message>>, named: &str) -> std::result::Result<Vec<Message>, String> {
    if fields.is_empty() {
        return Err("holds no message of GRIB".into());
    }
    let fits = |field: &&Field| named.is_empty() || field.is_meant(named);
    let fitting: Vec<Field> = fields.keys().filter(fits).cloned().collect();
    let mut fields = fields;
    if let [only] = &fitting[..] {
        return Ok(fields.remove(only).unwrap_or_default());
    }
    let shown = if fitting.is_empty() { fields.keys().cloned().collect() } else { fitting.clone() };
    let list: Vec<String> = shown.iter().take(MOST_SHOWN).map(Field::to_string).collect();
    let more = if shown.len() > MOST_SHOWN {
        format!(" and {} more", shown.len() - MOST_SHOWN)
    } else {
        String::new()
    };
    Err(match fitting.len() {
        0 => format!(
            "holds the fields {}{more}; set data.frames.variable to the name, the standard_name or the numbers of one (it is \"{named}\")",
            list.join(", ")
        ),
        count => format!(
            "holds {count} fields that may be meant, {}{more}; set data.frames.variable to one of them, with its level behind @",
            list.join(", ")
        ),
    })
}

/// The error of a file that is not read.
fn unread_of(path: &Path, is_compressed: bool, unread: Unread) -> Error {
    match unread {
        Unread::Content(reason) => Error::Format { path: path.into(), reason: escaped(&reason).into_owned() },
        Unread::Io(error) => input::failed(path, &error, || {
            let stream = if is_compressed { "the gzip stream or a message in it" } else { "a message" };
            format!("{stream} is damaged or incomplete ({error}); fetch the file again")
        }),
    }
}

impl Array for GribFile {
    fn stored_shape(&self) -> Vec<usize> {
        let grid = &self.first().grid;
        vec![self.messages.len(), grid.rows, grid.columns]
    }

    fn named_axes(&self) -> NamedAxes {
        let named = |name: &str| {
            Some(Dimension { name: name.into(), other_names: Vec::new(), variable: None, coordinates: None })
        };
        NamedAxes::of(&["time", "y", "x"].map(named), &self.stored_shape())
    }

    fn times(&self, axis: Option<usize>) -> Result<Option<Times>> {
        let seconds = self.messages.iter().map(|message| message.seconds).collect();
        Ok((axis == Some(0)).then_some(Times { seconds, origin: Origin::Year1970 }))
    }

    fn content(&self) -> Result<Option<Content>> {
        let Message { field, grid, .. } = self.first();
        let georeference = grid.georeference();
        let axes = [(grid.from_north, "y"), (grid.from_east, "x")].into_iter();
        let downwards =
            axes.filter(|(is_downwards, _)| *is_downwards).map(|(_, name)| name.to_owned()).collect();
        Ok(Some(
            Content {
                name: field.name(),
                standard_name: field.standard_name().unwrap_or_default().to_owned(),
                is_scaled: false,
                unit: field.unit().to_owned(),
                is_radar: false,
                cell_methods: String::new(),
                downwards,
                extents: Vec::new(),
            }
            .with_extents([&georeference.rows, &georeference.columns]),
        ))
    }

    fn description(&self, _axes: [usize; 2]) -> Result<Description> {
        let Message { field, grid, .. } = self.first();
        let mut attributes = Vec::new();
        attributes.extend(field.standard_name().map(|name| Attribute::text("standard_name", name)));
        attributes.push(Attribute::text("long_name", field.to_string()));
        if !field.unit().is_empty() {
            attributes.push(Attribute::text("units", field.unit()));
        }
        // A name with dots belongs to no variable.
        let name = if field.standard_name().is_some() { field.name() } else { String::new() };
        Ok(Description { name, attributes, georeference: grid.georeference(), file: Vec::new() })
    }

    fn number_type(&self) -> NumberType {
        NumberType::Float(4)
    }

    fn is_seekable(&self) -> bool {
        !self.is_compressed
    }

    fn working(&self, _leading: usize) -> u64 {
        let grid = &self.first().grid;
        let packed =
            self.messages.iter().map(|own| own.data.length + own.mask.map_or(0, |mask| mask.length)).max();
        bytes_of(NUMBER_BYTES, &[grid.rows, grid.columns]).saturating_add(packed.unwrap_or(0))
    }

    fn visit(
        &self,
        leading: usize,
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        let shape = self.stored_shape();
        let size: usize = shape[leading..].iter().product();
        let of_message = (shape[1] * shape[2] / size.max(1)).max(1);
        let mut read: Option<(usize, Vec<f64>)> = None;
        for block in wanted {
            let at = block / of_message;
            let numbers = match &mut read {
                Some((own, numbers)) if *own == at => numbers,
                read => &mut read.insert((at, self.numbers(&self.messages[at])?)).1,
            };
            let begin = block % of_message * size;
            visit(&mut numbers[begin..begin + size].iter().copied())?;
        }
        Ok(())
    }
}
