//! Forecasts as stores of Zarr, version 3: a folder with an array for each variable, its numbers in chunks of a frame, compressed by gzip.

use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use super::replaced::expect_earlier;
use super::{CfDataset, CfValues, CfVariable};
use crate::atomic_folder::write_folder;
use crate::dataset::{Attribute, AttributeValue};
use crate::interrupt::Writing;
use crate::{Error, Result};

/// Of gzip: as netCDF has it.
const LEVEL: u32 = 4;
/// The longest side of a chunk.
const LONGEST_SIDE: usize = 1024;
/// The file of metadata in a group or an array.
const METADATA: &str = "zarr.json";

/// Writes a store. It appears complete or not at all; a store with an earlier forecast is replaced.
///
/// # Errors
/// [`Error::Format`] if something else is there, [`Error::Io`] if it cannot be written.
pub(super) fn write(store: &Path, dataset: &CfDataset<'_>) -> Result<()> {
    expect_earlier(store, || source_of(store))?;
    write_folder(store, &mut |staging, writing| {
        let mut consolidated = Map::new();
        for variable in &dataset.variables {
            let shape = dataset.shape(variable);
            let metadata = metadata(variable, &shape);
            let folder = staging.join(&variable.name);
            std::fs::create_dir(&folder).map_err(Error::io("write", &folder))?;
            put(&folder.join(METADATA), &text(&metadata))?;
            write_chunks(&folder, variable, &shape, writing)?;
            consolidated.insert(variable.name.clone(), metadata);
        }
        let root = json!({
            "zarr_format": 3,
            "node_type": "group",
            "attributes": attributes(&dataset.attributes),
            "consolidated_metadata": { "kind": "inline", "must_understand": false, "metadata": consolidated },
        });
        put(&staging.join(METADATA), &text(&root))
    })
}

fn text(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(Error::io("write", path))
}

/// The metadata of an array.
fn metadata(variable: &CfVariable<'_>, shape: &[usize]) -> Value {
    let (data_type, fill) = match variable.values {
        CfValues::Measured(_) => ("float32", json!("NaN")),
        CfValues::Doubles(_) => ("float64", json!(0.0)),
        CfValues::Integers(_) => ("int32", json!(0)),
    };
    let mut own = attributes(&variable.attributes);
    if matches!(variable.values, CfValues::Measured(_)) {
        // The bytes of a number in base64, as xarray has it.
        own.insert("_FillValue".into(), STANDARD.encode(f64::NAN.to_le_bytes()).into());
    }
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": data_type,
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": chunk(shape) } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "fill_value": fill,
        "codecs": [
            { "name": "bytes", "configuration": { "endian": "little" } },
            { "name": "gzip", "configuration": { "level": LEVEL } },
        ],
        "attributes": own,
        "dimension_names": variable.dimensions,
    })
}

/// A frame, or a part of one that is large; all of a coordinate.
fn chunk(shape: &[usize]) -> Vec<usize> {
    let outer = shape.len().saturating_sub(2);
    let side = |(axis, &length): (usize, &usize)| match () {
        () if axis < outer => 1,
        () if shape.len() == 1 => length.max(1),
        () => length.clamp(1, LONGEST_SIDE),
    };
    shape.iter().enumerate().map(side).collect()
}

/// Writes the chunks of an array. Those at the ends of its axes are filled up.
fn write_chunks(folder: &Path, variable: &CfVariable<'_>, shape: &[usize], writing: &Writing) -> Result<()> {
    let sides = chunk(shape);
    let counts: Vec<usize> = shape.iter().zip(&sides).map(|(length, side)| length.div_ceil(*side)).collect();
    for number in 0..counts.iter().product() {
        writing.expect_time().map_err(Error::io("write", folder))?;
        let place = place(number, &counts);
        let packed = match &variable.values {
            CfValues::Measured(values) => packed(values, (shape, &sides, &place), f32::NAN, f32::to_le_bytes),
            CfValues::Doubles(values) => packed(values, (shape, &sides, &place), 0.0, f64::to_le_bytes),
            CfValues::Integers(values) => packed(values, (shape, &sides, &place), 0, i32::to_le_bytes),
        };
        let mut path = folder.join("c");
        path.extend(place.iter().map(usize::to_string));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("write", parent))?;
        }
        put(&path, &packed.map_err(Error::io("write", &path))?)?;
    }
    Ok(())
}

/// The place with a number along axes of some lengths, the last one counted first.
fn place(mut number: usize, lengths: &[usize]) -> Vec<usize> {
    let mut place = vec![0; lengths.len()];
    for (at, length) in place.iter_mut().zip(lengths).rev() {
        *at = number % length;
        number /= length;
    }
    place
}

/// The compressed numbers of a chunk of some sides at a place.
fn packed<T: Copy, const N: usize>(
    values: &[T],
    (shape, sides, at): (&[usize], &[usize], &[usize]),
    fill: T,
    bytes: fn(T) -> [u8; N],
) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    for number in 0..sides.iter().product() {
        let within = place(number, sides);
        let global = at.iter().zip(sides).zip(&within).map(|((at, side), within)| at * side + within);
        let index =
            global.zip(shape).try_fold(0, |sum, (at, length)| (at < *length).then_some(sum * length + at));
        let value = index.map_or(fill, |index| values[index]);
        encoder.write_all(&bytes(value))?;
    }
    encoder.finish()
}

/// Attributes in JSON; numbers that it does not have are left out.
fn attributes(attributes: &[Attribute]) -> Map<String, Value> {
    let numbers = |numbers: Vec<Value>| match <[Value; 1]>::try_from(numbers) {
        Ok([one]) => one,
        Err(several) => Value::Array(several),
    };
    let value = |attribute: &Attribute| match &attribute.value {
        AttributeValue::Text(text) => text.clone().into(),
        AttributeValue::Doubles(all) => numbers(all.iter().map(|&own| own.into()).collect()),
        AttributeValue::Singles(all) => numbers(all.iter().map(|&own| own.into()).collect()),
        AttributeValue::Integers(all) => numbers(all.iter().map(|&own| own.into()).collect()),
    };
    let said = attributes.iter().map(|own| (own.name.clone(), value(own)));
    said.filter(|(_, value)| !value.is_null() && *value != json!([]) && *value != json!("")).collect()
}

/// The attribute `source` of a store.
fn source_of(store: &Path) -> Option<String> {
    let bytes = std::fs::read(store.join(METADATA)).ok()?;
    let root: Value = serde_json::from_slice(&bytes).ok()?;
    root.get("attributes")?.get("source")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::{CfDimension, Forecast};

    /// A data set of a forecast and a coordinate.
    fn dataset(source: &str) -> CfDataset<'static> {
        let dimension = |name: &str, length| CfDimension { name: name.into(), length };
        let rain = (0..3 * 5 * 4).map(|at| if at == 7 { f32::NAN } else { at as f32 }).collect();
        let variable = |name: &str, dimensions: &[&str], values, attributes: &[(&str, &str)]| CfVariable {
            name: name.into(),
            dimensions: dimensions.iter().map(|&own| own.to_owned()).collect(),
            attributes: attributes.iter().map(|(name, text)| Attribute::text(name, *text)).collect(),
            values,
        };
        CfDataset {
            dimensions: vec![dimension("time", 3), dimension("y", 5), dimension("x", 4)],
            variables: vec![
                variable(
                    "rain",
                    &["time", "y", "x"],
                    CfValues::Measured(rain),
                    &[("units", "mm/h"), ("empty", "")],
                ),
                variable(
                    "time",
                    &["time"],
                    CfValues::Doubles(vec![0.0, 300.0, 600.0].into()),
                    &[("units", "seconds since 1970-01-01"), ("standard_name", "time")],
                ),
                variable(
                    "crs",
                    &[],
                    CfValues::Integers(vec![0]),
                    &[("grid_mapping_name", "latitude_longitude")],
                ),
            ],
            attributes: vec![Attribute::text("source", source)],
        }
    }

    #[cfg(feature = "zarr")]
    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("f.zarr");
        write(&store, &dataset("convgru 0.1.0, convolutional GRU a")).unwrap();
        let config = crate::dataset::FramesConfig { range: [0.0, 59.0], ..Default::default() };
        let budget = crate::ReadBudget::new(64, "a test");
        let read = crate::dataset::read_frames(&store, &config, &budget).unwrap();
        assert_eq!(read.shape(), [3, 1, 5, 4]);
        for (at, value) in read.as_slice().iter().enumerate() {
            if at == 7 { assert!(value.is_nan()) } else { assert_eq!((value * 59.0).round(), at as f32) }
        }
    }

    #[test]
    fn a_forecast_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("f.zarr");
        write(&store, &dataset("convgru 0.1.0, convolutional GRU a")).unwrap();
        write(&store, &dataset("another program")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let before = std::fs::read(store.join(METADATA)).unwrap();
        let error = write(&store, &dataset("convgru 0.1.0")).unwrap_err().to_string();
        assert!(error.contains("f.zarr") && error.contains("another path"), "{error}");
        assert_eq!(std::fs::read(store.join(METADATA)).unwrap(), before);
    }

    #[test]
    fn large_frames_lie_in_several_chunks() {
        assert_eq!(chunk(&[3, 2000, 10]), [1, 1024, 10]);
        assert_eq!(chunk(&[2000]), [2000]);
        assert_eq!(chunk(&[]), [0; 0]);
        let values: Vec<i32> = (0..5 * 4).collect();
        let bytes = packed(&values, (&[5, 4], &[3, 3], &[1, 1]), -1, i32::to_le_bytes).unwrap();
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut unpacked).unwrap();
        let numbers: Vec<i32> = unpacked.as_chunks().0.iter().map(|&own| i32::from_le_bytes(own)).collect();
        assert_eq!(numbers, [15, -1, -1, 19, -1, -1, -1, -1, -1]);
    }

    #[test]
    fn every_forecast_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let forecast: Forecast = crate::forecast::tests::of_two_members();
        let store = folder.path().join("f.zarr");
        forecast.write(&store).unwrap();
        forecast.write(&store).unwrap_err();
        let root: Value = serde_json::from_slice(&std::fs::read(store.join(METADATA)).unwrap()).unwrap();
        let variables = root["consolidated_metadata"]["metadata"].as_object().unwrap();
        for (name, metadata) in variables {
            let own = std::fs::read(store.join(name).join(METADATA)).unwrap();
            assert_eq!(*metadata, serde_json::from_slice::<Value>(&own).unwrap());
        }
        assert_eq!(variables["rainfall_rate"]["dimension_names"], json!(["realization", "time", "y", "x"]));
        assert_eq!(variables["rainfall_rate"]["attributes"]["units"], "mm/h");
    }
}
