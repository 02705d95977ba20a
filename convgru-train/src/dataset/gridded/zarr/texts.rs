//! Arrays of texts: of a fixed length, as NumPy stores them, which are arrays of characters with one axis more, and of any length (`vlen-utf8`).

use serde_json::{Map, Value, json};

use super::metadata::{ArrayMetadata, named};

/// The metadata of the characters of an array of texts, which are numbers of 1 or 4 bytes; `None` of any other array, and of texts that are
/// stored with steps of their own (filters, transposed axes, shards).
pub(super) fn of_characters(own: &Map<String, Value>, version: u64) -> Option<ArrayMetadata> {
    let mut own = own.clone();
    let width = if version == 2 { to_version_2(&mut own)? } else { to_version_3(&mut own)? };
    longer(own.get_mut("shape")?, width)?;
    own.insert("fill_value".into(), if version == 2 { Value::Null } else { 0.into() });
    let metadata = if version == 2 {
        ArrayMetadata::of_version_2(&own)
    } else {
        own.remove("dimension_names");
        ArrayMetadata::of_version_3(&own)
    };
    let metadata = metadata.ok()?;
    let keys = metadata.keys.without_last_axis();
    Some(ArrayMetadata { keys, ..metadata })
}

/// The metadata of the bytes of an array of texts of any length (codec `vlen-utf8`); `None` of any other array.
pub(super) fn of_any_length(own: &Map<String, Value>, version: u64) -> Option<ArrayMetadata> {
    const CODEC: &str = "vlen-utf8";
    let mut own = own.clone();
    if version == 2 {
        let filters = own.remove("filters")?;
        let [filter] = &filters.as_array()?[..] else { return None };
        if own.get("dtype")?.as_str()? != "|O" || filter.get("id")?.as_str()? != CODEC {
            return None;
        }
        own.insert("dtype".into(), "|u1".into());
        own.insert("fill_value".into(), Value::Null);
        return ArrayMetadata::of_version_2(&own).ok();
    }
    let first = own.get_mut("codecs")?.as_array_mut()?.first_mut()?;
    if named(Some(&*first))?.0 != CODEC {
        return None;
    }
    *first = json!({ "name": "bytes" });
    own.insert("data_type".into(), "uint8".into());
    own.insert("fill_value".into(), 0.into());
    ArrayMetadata::of_version_3(&own).ok()
}

/// The texts of a chunk, each of at most `longest` bytes: their number, and each behind the number of its bytes.
pub(super) fn parsed(chunk: &[u8], longest: usize) -> Option<Vec<String>> {
    let (count, mut rest) = number(chunk)?;
    let mut texts = Vec::new();
    for _ in 0..count {
        let (length, after) = number(rest)?;
        let (text, after) = after.split_at_checked(length).filter(|_| length <= longest)?;
        texts.push(std::str::from_utf8(text).ok()?.trim_matches(['\0', ' ']).to_owned());
        rest = after;
    }
    Some(texts)
}

/// A number of four bytes, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

/// Makes the type the type of a character, and returns the number of characters of a text: `<U19` and `|S19` have 19.
fn to_version_2(own: &mut Map<String, Value>) -> Option<u64> {
    if own.get("filters").is_some_and(|filters| !filters.is_null()) {
        return None;
    }
    let dtype = own.get("dtype")?.as_str()?;
    let (order, kind) = (dtype.get(..1)?, dtype.get(1..2)?);
    let width = dtype.get(2..)?.parse().ok().filter(|&width| width > 0)?;
    let character = match kind {
        "U" => format!("{order}u4"),
        "S" => "|u1".to_owned(),
        _ => return None,
    };
    longer(own.get_mut("chunks")?, width)?;
    own.insert("dtype".into(), character.into());
    own.insert("order".into(), "C".into());
    Some(width)
}

/// As [`to_version_2`], of the types that `zarr` of Python names `fixed_length_utf32` and `null_terminated_bytes`.
fn to_version_3(own: &mut Map<String, Value>) -> Option<u64> {
    let (name, settings) = named(own.get("data_type"))?;
    let bytes = settings?.get("length_bytes")?.as_u64()?;
    let (character, size) = match name {
        "fixed_length_utf32" => ("uint32", 4),
        "null_terminated_bytes" => ("uint8", 1),
        _ => return None,
    };
    let is_plain = |codec: &Value| {
        named(Some(codec)).is_some_and(|(name, _)| !matches!(name, "transpose" | "sharding_indexed"))
    };
    let width = Some(bytes / size).filter(|&width| width > 0 && bytes.is_multiple_of(size))?;
    if !own.get("codecs")?.as_array()?.iter().all(is_plain) {
        return None;
    }
    longer(own.get_mut("chunk_grid")?.get_mut("configuration")?.get_mut("chunk_shape")?, width)?;
    own.insert("data_type".into(), json!(character));
    Some(width)
}

/// Adds an axis of a length to the shape of an array with one.
fn longer(shape: &mut Value, length: u64) -> Option<()> {
    let shape = shape.as_array_mut().filter(|shape| shape.len() == 1)?;
    shape.push(length.into());
    Some(())
}
