//! Codecs by their names, in version 2 and version 3 of Zarr. Those that are not read are refused by name.

use serde_json::{Map, Value};

use super::numbers::{Filter, NumberStep};
use super::unpack::ByteStep;
use super::{Codecs, Layout, Shard};
use crate::dataset::gridded::NumberType;
use crate::dataset::gridded::zarr::json;
use crate::dataset::gridded::zarr::metadata::{element_of_dtype, named, shown};
use crate::dataset::source::ByteOrder;

/// The codecs of version 2: filters in their order, then a compressor.
///
/// # Errors
/// The codec that is not read, as the end of a sentence about the array.
pub(in super::super) fn of_version_2(
    (filters, compressor): (Option<&Value>, Option<&Value>),
    (is_column_major, order): (bool, ByteOrder),
    (kind, chunk): (NumberType, &[u64]),
) -> Result<Layout, String> {
    let mut codecs = Codecs::plain(kind, chunk.len());
    codecs.order = order;
    if is_column_major {
        codecs.axes.reverse();
    }
    let filters = filters.and_then(Value::as_array).into_iter().flatten();
    for codec in filters.chain(compressor.filter(|own| !own.is_null())) {
        let (Some(own), Some(name)) = (codec.as_object(), codec.get("id").and_then(Value::as_str)) else {
            return Err(format!("has the codec {}, which names no id", shown(Some(codec))));
        };
        add(&mut codecs, name, own)?;
    }
    Ok(Layout::Chunk(codecs))
}

/// The codecs of version 3.
///
/// # Errors
/// As [`of_version_2`].
pub(in super::super) fn of_version_3(
    list: &[Value],
    kind: NumberType,
    chunk: &[u64],
) -> Result<Layout, String> {
    let (name, settings) = list.first().and_then(|own| named(Some(own))).ok_or("has no codecs")?;
    if name != "sharding_indexed" {
        return Ok(Layout::Chunk(chain(list, kind, chunk.len())?));
    }
    if list.len() > 1 {
        return Err("has codecs behind sharding_indexed, which are not read".into());
    }
    shard(settings.ok_or("has sharding_indexed without a configuration")?, kind, chunk).map(Layout::Shard)
}

fn shard(own: &Map<String, Value>, kind: NumberType, whole: &[u64]) -> Result<Shard, String> {
    let chunk = json::lengths(own.get("chunk_shape")).unwrap_or_default();
    let divides = |(whole, own): (&u64, &u64)| *own > 0 && whole % own == 0;
    if chunk.len() != whole.len() || !whole.iter().zip(&chunk).all(divides) {
        return Err(format!("has shards of {whole:?} in chunks of {chunk:?}, which do not divide them"));
    }
    let list = own.get("codecs").and_then(Value::as_array).ok_or("has shards without codecs")?;
    let codecs = chain(list, kind, chunk.len())?;
    let of_index = own.get("index_codecs").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = of_index.filter_map(|own| Some(named(Some(own))?.0)).collect();
    let is_big = own.get("index_codecs").is_some_and(|list| list.to_string().contains("\"big\""));
    let has_checksum = match (&names[..], is_big) {
        (["bytes", "crc32c"], false) => true,
        (["bytes"], false) => false,
        _ => {
            return Err(format!(
                "has the index_codecs {}, but bytes and crc32c are read",
                shown(own.get("index_codecs"))
            ));
        }
    };
    let index_first = match own.get("index_location").and_then(Value::as_str) {
        None | Some("end") => false,
        Some("start") => true,
        Some(other) => return Err(format!("has the index_location {other}, but start and end are read")),
    };
    Ok(Shard { chunk, codecs, index_first, has_checksum })
}

/// Codecs from numbers to numbers, one from numbers to bytes, and those from bytes to bytes.
fn chain(list: &[Value], kind: NumberType, axes: usize) -> Result<Codecs, String> {
    let mut codecs = Codecs::plain(kind, axes);
    let mut are_bytes = false;
    let none = Map::new();
    for codec in list {
        let (name, settings) = named(Some(codec))
            .ok_or_else(|| format!("has the codec {}, which has no name", shown(Some(codec))))?;
        let settings = settings.unwrap_or(&none);
        match (name, are_bytes) {
            ("transpose", false) => transpose(&mut codecs, settings)?,
            ("bytes", false) => {
                codecs.order = match settings.get("endian").and_then(Value::as_str) {
                    Some("big") => ByteOrder::Big,
                    None | Some("little") => ByteOrder::Little,
                    Some(other) => {
                        return Err(format!("has bytes in the order {other}, but little and big are read"));
                    }
                };
                are_bytes = true;
            }
            _ => {
                let is_of_numbers = add(&mut codecs, name.trim_start_matches("numcodecs."), settings)?;
                if is_of_numbers == are_bytes {
                    return Err(format!("has the codec {name} at a place where it cannot be"));
                }
            }
        }
    }
    match are_bytes {
        true => Ok(codecs),
        false => Err(format!("has the codecs {}, but bytes is not among them", shown(Some(&list.into())))),
    }
}

fn transpose(codecs: &mut Codecs, settings: &Map<String, Value>) -> Result<(), String> {
    let axes = codecs.axes.len();
    let order: Vec<usize> = match settings.get("order") {
        Some(Value::String(name)) if name == "C" => (0..axes).collect(),
        Some(Value::String(name)) if name == "F" => (0..axes).rev().collect(),
        list => json::lengths(list).unwrap_or_default().into_iter().map(|axis| axis as usize).collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..axes) {
        return Err(format!("has transpose in the order {}, but {axes} axes", shown(settings.get("order"))));
    }
    codecs.axes = order.into_iter().map(|axis| codecs.axes[axis]).collect();
    Ok(())
}

/// Adds a codec, and says whether it is one of numbers.
fn add(codecs: &mut Codecs, name: &str, own: &Map<String, Value>) -> Result<bool, String> {
    let step = match name {
        "gzip" => ByteStep::Gzip,
        "zlib" => ByteStep::Zlib,
        "zstd" => ByteStep::Zstd,
        "lz4" => ByteStep::Lz4,
        "blosc" => ByteStep::Blosc,
        "crc32c" => ByteStep::Crc32c,
        "shuffle" => {
            let size = own.get("elementsize").map_or(Some(4), Value::as_u64);
            let size = size.filter(|size| (1..=256).contains(size));
            ByteStep::Shuffle(
                size.ok_or_else(|| format!("has shuffle of {} bytes", shown(own.get("elementsize"))))?
                    as usize,
            )
        }
        // What these take away is gone.
        "bitround" => return Ok(true),
        "quantize" if own.get("astype").is_none_or(|stored| own.get("dtype") == Some(stored)) => {
            return Ok(true);
        }
        "delta" | "fixedscaleoffset" => return filter(codecs, name, own).map(|()| true),
        _ => {
            return Err(format!(
                "is packed by the codec {name}, which is not read; blosc, bitround, bytes, crc32c, delta, fixedscaleoffset, gzip, lz4, quantize, \
                 sharding_indexed, shuffle, transpose, zlib and zstd are; write the array again with one of them"
            ));
        }
    };
    codecs.bytes.push(step);
    Ok(false)
}

fn filter(codecs: &mut Codecs, name: &str, own: &Map<String, Value>) -> Result<(), String> {
    if !codecs.bytes.is_empty() {
        return Err(format!("has the filter {name} behind one of bytes, which is not read"));
    }
    let element = |entry: &str| own.get(entry).and_then(Value::as_str).map(element_of_dtype).transpose();
    let is_none = |error| format!("has the filter {name} of {error}, which are not read");
    let meant = codecs.stored();
    if let Some((told, _, _)) = element("dtype").map_err(is_none)?
        && told != meant
    {
        return Err(format!("has the filter {name} of {told}, but {meant} are stored before it"));
    }
    let stored = element("astype").map_err(is_none)?;
    let (stored, order) = stored.map_or((meant, codecs.order), |(stored, order, _)| (stored, order));
    let number = |entry: &str| own.get(entry).and_then(json::number).filter(|number| number.is_finite());
    let filter = match name {
        "delta" => Filter::Delta,
        _ => match (number("scale"), number("offset")) {
            (Some(scale), Some(offset)) if scale != 0.0 => Filter::FixedScaleOffset { scale, offset },
            _ => {
                return Err(format!(
                    "has the filter {name} with {}",
                    shown(Some(&Value::Object(own.clone())))
                ));
            }
        },
    };
    codecs.order = order;
    codecs.numbers.push(NumberStep { filter, meant, stored });
    Ok(())
}
