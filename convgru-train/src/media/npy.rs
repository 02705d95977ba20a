//! NumPy arrays in `.npy` files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use convgru_model::Tensor;
use npyz::{Deserialize, NpyFile, NpyHeader, Order, WriterBuilder};

use super::limits::MAX_ARRAY_ELEMENTS;
use crate::error::{Error, Result};

/// The longest header that is read. NumPy writes 128 bytes for a plain array.
const MAX_HEADER_BYTES: usize = 4096;

/// A second dimension up to this size counts as channels, above as sequences.
const MAX_CHANNELS: usize = 4;

/// How far rounding may carry a value out of 0..=1; it is clamped then.
const TOLERANCE: f32 = 1e-6;

/// Reads sequences of frames; see [`read_frames`](super::read_frames) for the
/// meaning of the dimensions.
///
/// # Shapes
/// returns: `[T, N, C, H, W]`
pub(super) fn read(path: &Path) -> Result<Tensor<f32>> {
    let refuse = |reason: String| Error::Format { path: path.into(), reason };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let file_bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let mut reader = BufReader::new(file);
    let header_bytes = read_header(&mut reader).map_err(refuse)?;
    let header = NpyHeader::from_reader(&header_bytes[..]).map_err(|error| {
        let error = error.to_string();
        refuse(format!("damaged .npy header: {}", error.lines().next().unwrap_or_default()))
    })?;

    let shape: Vec<usize> = header.shape().iter().map(|&length| length as usize).collect();
    let sequences = sequence_shape(&shape).map_err(refuse)?;
    let item = header.dtype().num_bytes().unwrap_or(0) as u64;
    let (needed, found) = (header.len().saturating_mul(item), file_bytes - header_bytes.len() as u64);
    if needed != found {
        return Err(refuse(format!(
            "shape {shape:?} needs {needed} bytes of data, but the file has {found}"
        )));
    }
    let order = header.order();
    let data = read_values(NpyFile::with_header(header, reader)).map_err(refuse)?;
    let data = if order == Order::Fortran { row_major(&shape, &data) } else { data };
    Ok(Tensor::from_vec(&sequences, data)?)
}

/// What an array of frames of the given shape is as `[T, N, C, H, W]`.
fn sequence_shape(shape: &[usize]) -> std::result::Result<[usize; 5], String> {
    if shape.contains(&0) {
        return Err(format!("an array of shape {shape:?} has no frames"));
    }
    match *shape {
        [steps, height, width] => Ok([steps, 1, 1, height, width]),
        [steps, channels, height, width] if channels <= MAX_CHANNELS => {
            Ok([steps, 1, channels, height, width])
        }
        [steps, sequences, height, width] => Ok([steps, sequences, 1, height, width]),
        [steps, sequences, channels, height, width] => Ok([steps, sequences, channels, height, width]),
        _ => Err(format!(
            "an array of shape {shape:?}; frames are [T, H, W], [T, C, H, W], [T, N, H, W] or [T, N, C, H, W]"
        )),
    }
}

/// Reads the header up to the data and checks that its description is that of a
/// plain array within the limits, before a parser sees it.
fn read_header(reader: &mut impl Read) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = vec![0; 8];
    let short = |_| "damaged .npy file: it ends within the header".to_owned();
    reader.read_exact(&mut bytes).map_err(short)?;
    if &bytes[..6] != b"\x93NUMPY" {
        return Err("not a .npy file: it does not begin with \\x93NUMPY".into());
    }
    let length_bytes = if bytes[6] == 1 { 2 } else { 4 };
    let mut length = [0; 4];
    reader.read_exact(&mut length[..length_bytes]).map_err(short)?;
    bytes.extend_from_slice(&length[..length_bytes]);
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err(format!("a .npy header of {length} bytes is above the limit of {MAX_HEADER_BYTES}"));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(short)?;
    check_description(&text)?;
    bytes.append(&mut text);
    Ok(bytes)
}

/// Accepts descriptions such as `{'descr': '<f4', 'fortran_order': False,
/// 'shape': (3, 4), }` only: no nesting, no lists (arrays of records), and
/// dimensions whose product is within [`MAX_ARRAY_ELEMENTS`].
fn check_description(text: &[u8]) -> std::result::Result<(), String> {
    let mut quote = None;
    let mut quoted = 0;
    let mut open = 0i32;
    let mut number: Option<u64> = None;
    let mut elements = 1u64;
    for &c in text.iter().chain(b"\n") {
        if let Some(end) = quote {
            quoted += 1;
            if c == end {
                quote = None;
            } else if quoted > 16 || c == b'\\' || !c.is_ascii_graphic() {
                return Err("damaged .npy header: a name in it is not one NumPy writes".into());
            }
            continue;
        }
        if c.is_ascii_digit() {
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(u64::from(c - b'0')));
            continue;
        }
        elements = elements.saturating_mul(number.take().unwrap_or(1).max(1));
        match c {
            b'\'' | b'"' => (quote, quoted) = (Some(c), 0),
            b'{' | b'(' => open += 1,
            b'}' | b')' => open -= 1,
            b'[' => {
                return Err(
                    "an array of records; frames are a plain array of uint8, float32 or float64".into()
                );
            }
            b',' | b':' | b' ' | b'\n' | b'T' | b'r' | b'u' | b'e' | b'F' | b'a' | b'l' | b's' => {}
            _ => return Err(format!("damaged .npy header: unexpected `{}`", c.escape_ascii())),
        }
        if !(0..=2).contains(&open) {
            return Err("damaged .npy header: its brackets do not match".into());
        }
    }
    if elements > MAX_ARRAY_ELEMENTS {
        return Err(format!("an array of {elements} elements is above the limit of {MAX_ARRAY_ELEMENTS}"));
    }
    Ok(())
}

fn read_values(file: NpyFile<impl Read>) -> std::result::Result<Vec<f32>, String> {
    let file = match file.try_data::<u8>() {
        Ok(values) => return collect(values, |value| Ok(f32::from(value) / 255.0)),
        Err(file) => file,
    };
    let file = match file.try_data::<f32>() {
        Ok(values) => return collect(values, within_range),
        Err(file) => file,
    };
    match file.try_data::<f64>() {
        Ok(values) => collect(values, |value| within_range(value as f32)),
        Err(file) => {
            let found = file.header().dtype().descr();
            Err(format!("an array of {found}; frames are uint8 (0..=255), float32 or float64 (0..=1)"))
        }
    }
}

fn collect<V: Deserialize, R: Read>(
    values: npyz::NpyReader<V, R>,
    convert: impl Fn(V) -> std::result::Result<f32, String>,
) -> std::result::Result<Vec<f32>, String> {
    values.map(|value| convert(value.map_err(|error| format!("damaged .npy data: {error}"))?)).collect()
}

fn within_range(value: f32) -> std::result::Result<f32, String> {
    if (-TOLERANCE..=1.0 + TOLERANCE).contains(&value) {
        return Ok(value.clamp(0.0, 1.0));
    }
    Err(format!("the value {value} is outside 0..=1; scale the frames (divide by 255 if they were bytes)"))
}

/// Row-major order of values stored with the first dimension fastest.
fn row_major(shape: &[usize], values: &[f32]) -> Vec<f32> {
    let mut index = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let position = shape.iter().zip(&index).rev().fold(0, |sum, (&length, &i)| sum * length + i);
        ordered.push(values[position]);
        for (i, &length) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < length {
                break;
            }
            *i = 0;
        }
    }
    ordered
}

/// The bytes of a `float32` array, clamped to 0..=1. The shape is kept, except
/// that frames of many channels become `[T, 1, C, H, W]`, so that they are not
/// taken for sequences when they are read.
pub(super) fn encode(frames: &Tensor<f32>) -> Result<Vec<u8>> {
    let refuse = |reason: String| Error::Data { what: "frames for a .npy file".into(), reason };
    if !matches!(frames.rank(), 4 | 5) || frames.is_empty() {
        return Err(refuse(format!("frames are [T, C, H, W] or [T, N, C, H, W], got {:?}", frames.shape())));
    }
    if let Some(position) = frames.as_slice().iter().position(|value| value.is_nan()) {
        return Err(refuse(format!("value {position} is not a number")));
    }
    let mut shape: Vec<u64> = frames.shape().iter().map(|&length| length as u64).collect();
    if shape.len() == 4 && frames.shape()[1] > MAX_CHANNELS {
        shape.insert(1, 1);
    }
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| refuse(error.to_string());
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut bytes)
        .begin_nd()
        .map_err(failed)?;
    writer.extend(frames.as_slice().iter().map(|value| value.clamp(0.0, 1.0))).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}
