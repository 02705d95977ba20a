//! What the metadata of an array say, in version 2 (`.zarray`) and version 3 (`zarr.json`) of Zarr.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::codecs::{self, Layout};
use super::json;
use crate::dataset::gridded::NumberType;
use crate::dataset::source::ByteOrder;

/// No array may have more axes.
const MOST_AXES: usize = 16;

/// An array, as its metadata describe it.
#[derive(Clone, Debug)]
pub(super) struct ArrayMetadata {
    pub(super) shape: Vec<u64>,
    /// How numbers are stored; what there is instead where it is none that is read.
    pub(super) kind: Result<NumberType, String>,
    /// The number of `fill_value`; `None` where it is none.
    pub(super) fill: Option<f64>,
    /// The number of elements that were never written: in version 2 it is 0 without a `fill_value` (`null`), as `zarr` of Python reads it.
    pub(super) unwritten: f64,
    /// The shape of what lies behind a key.
    pub(super) chunk: Vec<u64>,
    pub(super) keys: ChunkKeys,
    /// How chunks are read; why they are not.
    pub(super) layout: Result<Layout, String>,
    /// What the axes are called, in version 3.
    pub(super) dimension_names: Vec<Option<String>>,
    /// The unit that the type of the numbers has: of times.
    pub(super) unit: Option<String>,
    pub(super) version: u64,
}

/// How the keys of chunks are made of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChunkKeys {
    prefix: &'static str,
    separator: char,
    /// The key of the only chunk of an array without axes.
    single: &'static str,
    /// Whether the last axis, which has one chunk, is in no key.
    leaves_out_last: bool,
}

impl ChunkKeys {
    fn of_version_2(separator: char) -> Self {
        Self { prefix: "", separator, single: "0", leaves_out_last: false }
    }

    fn of_version_3(separator: char) -> Self {
        Self { prefix: "c", separator, single: "c", leaves_out_last: false }
    }

    /// The same keys, where the last axis has one chunk and is in no key.
    pub(super) fn without_last_axis(&self) -> Self {
        Self { leaves_out_last: true, ..self.clone() }
    }

    /// The key of the chunk at a place, from the array on.
    pub(super) fn key(&self, place: &[u64]) -> String {
        let place = &place[..place.len() - usize::from(self.leaves_out_last && !place.is_empty())];
        if place.is_empty() {
            return self.single.to_owned();
        }
        let mut key = String::from(self.prefix);
        for at in place {
            if !key.is_empty() {
                key.push(self.separator);
            }
            key.push_str(&at.to_string());
        }
        key
    }
}

impl ArrayMetadata {
    /// An array of version 2.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the array.
    pub(super) fn of_version_2(own: &Map<String, Value>) -> Result<Self, String> {
        expect_version(own, 2)?;
        let shape = json::lengths(own.get("shape")).ok_or_else(|| lacks("shape", own))?;
        let chunk = json::lengths(own.get("chunks")).ok_or_else(|| lacks("chunks", own))?;
        expect_axes(&shape, &chunk)?;
        let dtype = own.get("dtype").and_then(Value::as_str);
        let element = match dtype {
            Some(dtype) => element_of_dtype(dtype),
            None => Err(format!("values of type {}", shown(own.get("dtype")))),
        };
        let is_column_major = own.get("order").and_then(Value::as_str) == Some("F");
        let (kind, order, unit) = match element {
            Ok((kind, order, unit)) => (Ok(kind), order, unit),
            Err(other) => (Err(other), ByteOrder::Little, None),
        };
        let layout = match &kind {
            Ok(kind) => codecs::of_version_2(
                (own.get("filters"), own.get("compressor")),
                (is_column_major, order),
                (*kind, &chunk),
            ),
            Err(other) => Err(format!("holds {other}")),
        };
        let separator = match own.get("dimension_separator").and_then(Value::as_str) {
            Some("/") => '/',
            None | Some(".") => '.',
            Some(other) => {
                return Err(format!("has the dimension_separator \"{other}\", but . or / is read"));
            }
        };
        let fill = own.get("fill_value").filter(|fill| !fill.is_null());
        let number = fill.and_then(json::number);
        Ok(Self {
            fill: number,
            unwritten: if fill.is_none() { 0.0 } else { number.unwrap_or(f64::NAN) },
            kind,
            layout,
            keys: ChunkKeys::of_version_2(separator),
            dimension_names: Vec::new(),
            shape,
            chunk,
            unit,
            version: 2,
        })
    }

    /// An array of version 3.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the array.
    pub(super) fn of_version_3(own: &Map<String, Value>) -> Result<Self, String> {
        const KNOWN: [&str; 12] = [
            "zarr_format",
            "node_type",
            "shape",
            "data_type",
            "chunk_grid",
            "chunk_key_encoding",
            "fill_value",
            "codecs",
            "attributes",
            "storage_transformers",
            "dimension_names",
            "consolidated_metadata",
        ];
        expect_version(own, 3)?;
        let is_needed = |value: &Value| value.get("must_understand") != Some(&Value::Bool(false));
        if let Some((name, _)) =
            own.iter().find(|(name, value)| !KNOWN.contains(&name.as_str()) && is_needed(value))
        {
            return Err(format!("has the extension {name}, which is not read"));
        }
        if own.get("storage_transformers").and_then(Value::as_array).is_some_and(|all| !all.is_empty()) {
            return Err(format!(
                "has the storage_transformers {}, which are not read",
                shown(own.get("storage_transformers"))
            ));
        }
        let shape = json::lengths(own.get("shape")).ok_or_else(|| lacks("shape", own))?;
        let (grid, settings) = named(own.get("chunk_grid")).ok_or_else(|| lacks("chunk_grid", own))?;
        if grid != "regular" {
            return Err(format!("has the chunk_grid {grid}, but regular is read"));
        }
        let chunk = json::lengths(settings.and_then(|own| own.get("chunk_shape")))
            .ok_or_else(|| lacks("chunk_shape", own))?;
        expect_axes(&shape, &chunk)?;
        let (kind, unit) = match element_of_type(own.get("data_type")) {
            Ok((kind, unit)) => (Ok(kind), unit),
            Err(other) => (Err(other), None),
        };
        let layout = match (&kind, own.get("codecs").and_then(Value::as_array)) {
            (Ok(kind), Some(list)) => codecs::of_version_3(list, *kind, &chunk),
            (Ok(_), None) => Err(lacks("codecs", own)),
            (Err(other), _) => Err(format!("holds {other}")),
        };
        let names = own.get("dimension_names").and_then(Value::as_array);
        let names = names.into_iter().flatten().map(|name| name.as_str().map(str::to_owned));
        let fill = kind.as_ref().ok().and_then(|kind| fill(own.get("fill_value")?, *kind));
        Ok(Self {
            fill,
            unwritten: fill.unwrap_or(f64::NAN),
            kind,
            layout,
            keys: keys(own.get("chunk_key_encoding"))?,
            dimension_names: names.collect(),
            shape,
            chunk,
            unit,
            version: 3,
        })
    }

    /// The numbers that stand for none, with the attributes of the array: the numbers of `_FillValue`, and the one of elements that were never
    /// written. A 0 that nobody chose is none of them: it is what writers take where they are told nothing, and it is what
    /// chunks without rain are, which writers leave out. xarray chooses it in version 2, and names the axes there.
    ///
    /// `None` where `_FillValue` is no number.
    pub(super) fn missing(&self, attributes: &Map<String, Value>) -> Option<Vec<f64>> {
        let explicit = attributes.get("_FillValue");
        let mut missing = match explicit {
            Some(Value::Array(several)) => several.iter().map(json::number).collect::<Option<Vec<f64>>>()?,
            Some(Value::String(text)) => vec![text.trim().parse().ok().or_else(|| of_base64(text))?],
            Some(one) => vec![json::number(one)?],
            None => Vec::new(),
        };
        let is_of_xarray = self.version == 2 && attributes.contains_key("_ARRAY_DIMENSIONS");
        missing.extend(self.fill.filter(|&fill| fill != 0.0 || is_of_xarray && explicit.is_none()));
        Some(missing)
    }
}

/// A number as xarray writes it into attributes of version 3: its bytes, the least significant one first, in base64.
fn of_base64(text: &str) -> Option<f64> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    match bytes.len() {
        8 => Some(f64::from_le_bytes(bytes.try_into().ok()?)),
        4 => Some(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        _ => None,
    }
}

/// The number of elements that were never written: a number, a text, or the bits of a number in hexadecimal.
fn fill(value: &Value, kind: NumberType) -> Option<f64> {
    let bits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    match bits {
        Some(bits) => {
            let bits = u64::from_str_radix(bits, 16).ok()?;
            kind.numbers(ByteOrder::Little, &bits.to_le_bytes()[..kind.bytes()]).next()
        }
        None => json::number(value),
    }
}

fn keys(encoding: Option<&Value>) -> Result<ChunkKeys, String> {
    let Some((name, settings)) = named(encoding) else { return Ok(ChunkKeys::of_version_3('/')) };
    let separator = settings.and_then(|own| own.get("separator")).and_then(Value::as_str);
    match (name, separator) {
        ("default", None | Some("/")) => Ok(ChunkKeys::of_version_3('/')),
        ("default", Some(".")) => Ok(ChunkKeys::of_version_3('.')),
        ("v2", None | Some(".")) => Ok(ChunkKeys::of_version_2('.')),
        ("v2", Some("/")) => Ok(ChunkKeys::of_version_2('/')),
        (name, separator) => Err(format!(
            "has the chunk_key_encoding {name} with the separator {separator:?}, which is not read"
        )),
    }
}

/// The name and the configuration of an extension point of version 3, which may be a name alone.
pub(super) fn named(value: Option<&Value>) -> Option<(&str, Option<&Map<String, Value>>)> {
    match value? {
        Value::String(name) => Some((name, None)),
        Value::Object(own) => {
            Some((own.get("name")?.as_str()?, own.get("configuration").and_then(Value::as_object)))
        }
        _ => None,
    }
}

fn expect_version(own: &Map<String, Value>, version: u64) -> Result<(), String> {
    match own.get("zarr_format") {
        Some(found) if found.as_u64() == Some(version) => Ok(()),
        found => Err(format!("has the zarr_format {}, but {version} is needed here", shown(found))),
    }
}

fn expect_axes(shape: &[u64], chunk: &[u64]) -> Result<(), String> {
    if shape.len() > MOST_AXES {
        return Err(format!("has {} axes, but at most {MOST_AXES} are read", shape.len()));
    }
    match shape.len() == chunk.len() && !chunk.contains(&0) {
        true => Ok(()),
        false => Err(format!(
            "has the shape {shape:?} in chunks of {chunk:?}, but a length of 1 or more is needed for each axis"
        )),
    }
}

/// The type of a dtype of NumPy such as `<f4`, and the unit of one of times; otherwise what it is.
pub(super) fn element_of_dtype(dtype: &str) -> Result<(NumberType, ByteOrder, Option<String>), String> {
    let other = || format!("values of type {dtype}");
    let order = match dtype.as_bytes().first() {
        Some(b'>') => ByteOrder::Big,
        Some(b'<' | b'|') => ByteOrder::Little,
        _ => return Err(other()),
    };
    let kind = match &dtype[1..] {
        "b1" => NumberType::Bool,
        "i1" | "i2" | "i4" | "i8" => NumberType::Signed(dtype.as_bytes()[2] - b'0'),
        "u1" | "u2" | "u4" | "u8" => NumberType::Unsigned(dtype.as_bytes()[2] - b'0'),
        "f2" | "f4" | "f8" => NumberType::Float(dtype.as_bytes()[2] - b'0'),
        times if times.starts_with("M8[") => {
            let unit = times.trim_start_matches("M8[").trim_end_matches(']');
            return Ok((NumberType::Signed(8), order, Some(unit_of_time(unit, 1).ok_or_else(other)?)));
        }
        _ => return Err(other()),
    };
    Ok((kind, order, None))
}

/// The type of a data type of version 3, and the unit of one of times; otherwise what it is.
fn element_of_type(value: Option<&Value>) -> Result<(NumberType, Option<String>), String> {
    let other = || format!("values of type {}", shown(value));
    let (name, settings) = named(value).ok_or_else(other)?;
    let kind = match name {
        "bool" => NumberType::Bool,
        "int8" => NumberType::Signed(1),
        "int16" => NumberType::Signed(2),
        "int32" => NumberType::Signed(4),
        "int64" => NumberType::Signed(8),
        "uint8" => NumberType::Unsigned(1),
        "uint16" => NumberType::Unsigned(2),
        "uint32" => NumberType::Unsigned(4),
        "uint64" => NumberType::Unsigned(8),
        "float16" => NumberType::Float(2),
        "float32" => NumberType::Float(4),
        "float64" => NumberType::Float(8),
        "numpy.datetime64" => {
            let unit = settings.and_then(|own| own.get("unit")?.as_str()).ok_or_else(other)?;
            let scale = settings.and_then(|own| own.get("scale_factor")?.as_u64()).unwrap_or(1);
            return Ok((NumberType::Signed(8), Some(unit_of_time(unit, scale).ok_or_else(other)?)));
        }
        _ => return Err(other()),
    };
    Ok((kind, None))
}

/// The unit of times of NumPy, as the CF conventions write it.
fn unit_of_time(unit: &str, scale: u64) -> Option<String> {
    let name = match (unit, scale) {
        ("ns", 1) => "nanoseconds",
        ("us", 1) => "microseconds",
        ("ms", 1) => "milliseconds",
        ("s", 1) => "seconds",
        ("m", 1) => "minutes",
        ("h", 1) => "hours",
        ("D", 1) => "days",
        _ => return None,
    };
    Some(format!("{name} since 1970-01-01"))
}

fn lacks(name: &str, own: &Map<String, Value>) -> String {
    format!("needs the entry {name}, but has {}", shown(own.get(name)))
}

/// A value in a message, as long as one can read it.
pub(super) fn shown(value: Option<&Value>) -> String {
    const LONGEST: usize = 200;
    value.map_or("none".into(), |value| value.to_string().chars().take(LONGEST).collect())
}
