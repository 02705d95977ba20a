//! NumPy arrays in `.npy` files.

use std::io::{BufReader, Read};
use std::path::Path;

use convgru_model::Tensor;

use super::Decoded;
use super::limits::MAX_ARRAY_ELEMENTS;
use crate::budget::{MemoryBudget, bytes_of};
use crate::error::{Error, Result};
use crate::input;
use crate::npy_header::NpyHeader;

/// A second dimension up to this size counts as channels, above as sequences.
const MAX_CHANNELS: usize = 4;

/// Bytes of a file that are decoded at once, a multiple of every element's.
const AT_ONCE: usize = 1 << 16;

/// Reads sequences of frames; see [`read_frames`](super::read_frames) for the
/// meaning of the dimensions.
///
/// # Shapes
/// returns: `[T, N, C, H, W]`
pub(super) fn read(path: &Path, budget: &MemoryBudget) -> Result<Decoded> {
    let refuse = |reason: String| Error::Format { path: path.into(), reason };
    let file = input::open(path).map_err(Error::io("read", path))?;
    let file_bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let mut reader = BufReader::new(file);
    let header = NpyHeader::read(&mut reader).map_err(|unread| unread.in_file(path, |reason| reason))?;
    let sequences = sequence_shape(&header.shape).map_err(refuse)?;
    let elements = header.elements();
    if elements as u64 > MAX_ARRAY_ELEMENTS {
        return Err(refuse(format!(
            "has {elements} elements, which is above the limit of {MAX_ARRAY_ELEMENTS}"
        )));
    }
    header.expect_file_length(file_bytes).map_err(refuse)?;
    let copies = if header.fortran_order { 2 } else { 1 };
    let working = budget.work(path, bytes_of(size_of::<f32>(), &[elements, copies]))?;
    let brightness = |number: f64| {
        header.element.brightness(number).ok_or_else(|| {
            refuse(format!(
                "the value {} is outside 0..=1; scale the frames (divide by 255 if they were bytes)",
                number as f32
            ))
        })
    };
    let mut data: Vec<f32> = Vec::new();
    input::reserve(&mut data, elements).map_err(Error::io("read", path))?;
    let mut bytes = vec![0; AT_ONCE.min(elements * header.element.bytes())];
    while data.len() < elements {
        let wanted = ((elements - data.len()) * header.element.bytes()).min(bytes.len());
        reader
            .read_exact(&mut bytes[..wanted])
            .map_err(|error| input::failed(path, &error, || input::is_damaged(&error)))?;
        for number in header.element.numbers(&bytes[..wanted]) {
            data.push(brightness(number)?);
        }
    }
    let data = if header.fortran_order { row_major(&header.shape, &data) } else { data };
    Ok(Decoded { frames: Tensor::from_vec(&sequences, data)?, working })
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
    let mut shape = frames.shape().to_vec();
    if shape.len() == 4 && shape[1] > MAX_CHANNELS {
        shape.insert(1, 1);
    }
    let mut bytes = NpyHeader::encode_single(&shape);
    bytes.extend(frames.as_slice().iter().flat_map(|value| value.clamp(0.0, 1.0).to_le_bytes()));
    Ok(bytes)
}
