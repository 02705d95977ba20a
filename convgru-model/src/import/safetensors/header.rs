//! The header of a safetensors file: names, types, shapes and places of tensors, and texts.
//!
//! The header is read by code of ours because the crate `safetensors` keeps every number of it in a tree of values, which
//! takes up to fifty times the bytes of the file. Here a header takes at most seven times its own length, and has
//! at most 8 MiB.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::seal;
use crate::error::{Error, Result};
use crate::import::float::Float;

/// The longest header, in bytes: 80,000 tensors have one of this length.
const MAX_HEADER: usize = 1 << 23;

/// The longest metadata, in bytes of names and texts together.
pub(crate) const MAX_METADATA: usize = 1 << 20;

/// The most entries of the metadata.
const MAX_ENTRIES: usize = 1 << 10;

/// The most dimensions of a tensor.
const MAX_RANK: usize = 32;

/// The key of the metadata among the names of tensors.
const METADATA: &str = "__metadata__";

/// A type of numbers.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::import) struct Dtype {
    pub(in crate::import) name: &'static str,
    bits: usize,
    /// The format, of numbers that weights are kept in.
    pub(in crate::import) float: Option<Float>,
}

const fn other(name: &'static str, bits: usize) -> Dtype {
    Dtype { name, bits, float: None }
}

const fn float(name: &'static str, float: Float) -> Dtype {
    Dtype { name, bits: 8 * float.size(), float: Some(float) }
}

static DTYPES: &[Dtype] = &[
    float("F32", Float::F32),
    float("F64", Float::F64),
    float("F16", Float::F16),
    float("BF16", Float::Bf16),
    other("BOOL", 8),
    other("F4", 4),
    other("F6_E2M3", 6),
    other("F6_E3M2", 6),
    other("U8", 8),
    other("I8", 8),
    other("F8_E5M2", 8),
    other("F8_E4M3", 8),
    other("F8_E8M0", 8),
    other("F8_E4M3FNUZ", 8),
    other("F8_E5M2FNUZ", 8),
    other("I16", 16),
    other("U16", 16),
    other("I32", 32),
    other("U32", 32),
    other("C64", 64),
    other("I64", 64),
    other("U64", 64),
];

/// A tensor of the file.
#[derive(Debug)]
pub(in crate::import) struct Entry<'a> {
    pub(in crate::import) name: Cow<'a, str>,
    pub(in crate::import) dtype: &'static Dtype,
    pub(in crate::import) shape: Vec<usize>,
    /// Where its bytes are, after the header.
    place: Range<usize>,
}

/// A safetensors file whose header is understood: tensors fill the bytes after it without a gap.
#[derive(Debug)]
pub(in crate::import) struct File<'a> {
    /// The tensors in the order in which they lie in the file.
    pub(in crate::import) entries: Vec<Entry<'a>>,
    /// Places in `entries` by name.
    by_name: Vec<u32>,
    /// The texts beside the tensors.
    pub(in crate::import) metadata: HashMap<String, String>,
    data: &'a [u8],
}

impl<'a> File<'a> {
    /// Reads the header and compares the hash, where the file has one.
    ///
    /// # Errors
    /// [`Error::WeightFile`] for bytes that are no such file, or not those that were hashed.
    pub(in crate::import) fn open(bytes: &'a [u8]) -> Result<Self> {
        let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(refuse(format!("{} bytes hold no header", bytes.len())));
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER as u64 {
            return Err(refuse(format!(
                "a header of {length} bytes, or no safetensors file; at most {MAX_HEADER} are read"
            )));
        }
        let Some((header, data)) = rest.split_at_checked(length as usize) else {
            return Err(refuse(format!("a header of {length} bytes in a file of {}", bytes.len())));
        };
        let Header { mut entries, mut metadata } =
            serde_json::from_slice(header).map_err(|error| refuse(format!("the header: {error}")))?;
        entries.sort_by_key(|entry| (entry.place.start, entry.place.end));
        expect_no_gaps(&entries, data.len())?;
        let mut by_name: Vec<u32> = (0..entries.len() as u32).collect();
        let name = |place: &u32| entries[*place as usize].name.as_ref();
        by_name.sort_unstable_by(|one, other| name(one).cmp(name(other)));
        if let Some(pair) = by_name.windows(2).find(|pair| name(&pair[0]) == name(&pair[1])) {
            return Err(refuse(format!("two tensors are named `{}`", name(&pair[0]))));
        }
        seal::expect(bytes, 8..8 + header.len(), &mut metadata)?;
        Ok(Self { entries, by_name, metadata, data })
    }

    /// The place of a name in `entries`.
    pub(in crate::import) fn find(&self, name: &str) -> Option<usize> {
        let of = |place: &u32| self.entries[*place as usize].name.as_ref();
        let at = self.by_name.binary_search_by(|place| of(place).cmp(name)).ok()?;
        Some(self.by_name[at] as usize)
    }

    /// The bytes of a tensor.
    pub(in crate::import) fn data(&self, entry: &Entry<'_>) -> &'a [u8] {
        &self.data[entry.place.clone()]
    }

    /// Some names, for an error.
    pub(in crate::import) fn shown_names(&self) -> String {
        let shown: Vec<&str> =
            self.by_name.iter().take(8).map(|&place| self.entries[place as usize].name.as_ref()).collect();
        shown.join(", ") + if self.entries.len() > shown.len() { ", ..." } else { "" }
    }
}

/// Fails unless tensors lie one after the other up to the end, each as long as its shape says.
fn expect_no_gaps(entries: &[Entry<'_>], length: usize) -> Result<()> {
    let mut end = 0;
    for Entry { name, dtype, shape, place } in entries {
        let bits = shape.iter().try_fold(dtype.bits, |bits, &size| bits.checked_mul(size));
        let bytes = place.end.checked_sub(place.start);
        if place.start != end || bytes.is_none() || bytes.and_then(|bytes| bytes.checked_mul(8)) != bits {
            return Err(refuse(format!(
                "tensor `{name}` of type {} and shape {shape:?} is said to be in bytes {} to {} after the header, and the \
                 tensor before it ends at {end}",
                dtype.name, place.start, place.end
            )));
        }
        end = place.end;
    }
    if end == length {
        return Ok(());
    }
    Err(refuse(format!(
        "tensors take {end} bytes after the header, and {length} are there; fetch the file again"
    )))
}

fn refuse(reason: String) -> Error {
    Error::WeightFile { reason }
}

/// The JSON of the header.
struct Header<'a> {
    entries: Vec<Entry<'a>>,
    metadata: HashMap<String, String>,
}

/// A text that lies in the header as it is, where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    dtype: Text<'a>,
    shape: Shape,
    data_offsets: (usize, usize),
}

impl<'de: 'a, 'a> Deserialize<'de> for Header<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names of tensors with their type, shape and place")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let (mut entries, mut metadata) = (Vec::new(), None);
        while let Some(Text(name)) = map.next_key()? {
            if name == METADATA {
                if metadata.replace(map.next_value::<Texts>()?.0).is_some() {
                    return Err(A::Error::custom("two entries are named `__metadata__`"));
                }
                continue;
            }
            let Info { dtype: Text(dtype), shape, data_offsets: (start, end) } = map.next_value()?;
            let Some(dtype) = DTYPES.iter().find(|known| known.name == dtype) else {
                return Err(A::Error::custom(format!("tensor `{name}` has the unknown type `{dtype}`")));
            };
            entries.push(Entry { name, dtype, shape: shape.0, place: start..end });
        }
        Ok(Header { entries, metadata: metadata.unwrap_or_default() })
    }
}

/// The sizes of a tensor.
struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_RANK} sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sizes: A) -> std::result::Result<Shape, A::Error> {
        let mut shape = Vec::new();
        while let Some(size) = sizes.next_element()? {
            if shape.len() == MAX_RANK {
                return Err(A::Error::invalid_length(MAX_RANK + 1, &self));
            }
            shape.push(size);
        }
        shape.shrink_to_fit();
        Ok(Shape(shape))
    }
}

/// Names and texts.
struct Texts(HashMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names and texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Texts, A::Error> {
        let (mut texts, mut bytes) = (HashMap::new(), 0);
        while let Some((Text(name), Text(text))) = map.next_entry()? {
            bytes += name.len() + text.len();
            if texts.len() == MAX_ENTRIES || bytes > MAX_METADATA {
                return Err(A::Error::custom(format!(
                    "metadata of more than {MAX_ENTRIES} entries or {MAX_METADATA} bytes"
                )));
            }
            if texts.insert(name.into_owned(), text.into_owned()).is_some() {
                return Err(A::Error::custom("two entries of the metadata have one name"));
            }
        }
        Ok(Texts(texts))
    }
}
