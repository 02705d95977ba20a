//! Sequences in one `.npy` file, such as the standard test file of Moving
//! MNIST, `mnist_test_seq.npy`.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

use super::{SequenceDataset, check_request};
use crate::{Error, Result};

/// Bytes of magic, version and header length at the beginning of version 1.
const PREAMBLE_BYTES: usize = 10;
/// No header may be longer; that of four dimensions has 118 bytes.
const LONGEST_HEADER: usize = 1024;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// A grey level of 0 to 255.
    Byte,
    /// 0 to 1, little endian.
    Float,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Float => 4,
        }
    }
}

/// The sequences of a `.npy` file with axes `[T, N, H, W]` or `[T, N, C, H, W]`
/// of type `uint8` (0 to 255) or `float32` (0 to 1), in C order.
///
/// Frames are read when they are asked for; the file may be larger than the
/// memory.
pub struct NpyFile {
    name: String,
    path: PathBuf,
    file: Mutex<File>,
    data_start: u64,
    element: Element,
    steps: usize,
    sequences: usize,
    frame_shape: [usize; 3],
}

impl NpyFile {
    /// Opens a file and checks its header and its length.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is no `.npy`
    /// file, has another type, order or number of axes, or another length than
    /// its header announces.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let io = |source| Error::io("read", &path)(source);
        let format = |reason| Error::Format { path: path.clone(), reason };
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let length = file.metadata().map_err(io)?.len();
        let start = read_start(&file).map_err(io)?;
        let (header, header_bytes) = parse_header(&start).map_err(format)?;
        let element = element(&header).map_err(format)?;
        let axes: Vec<usize> = header.shape().iter().map(|&axis| axis as usize).collect();
        let (steps, sequences, frame_shape) = match axes[..] {
            [t, n, h, w] => (t, n, [1, h, w]),
            [t, n, c, h, w] => (t, n, [c, h, w]),
            _ => {
                return Err(format(format!(
                    "has shape {axes:?}, but [T, N, H, W] or [T, N, C, H, W] is needed"
                )));
            }
        };
        if axes.contains(&0) {
            return Err(format(format!("has shape {axes:?}, which holds nothing")));
        }
        // parse_header has made sure that this does not overflow.
        let needed = header_bytes as u64 + axes.iter().product::<usize>() as u64 * element.bytes() as u64;
        if length != needed {
            return Err(format(format!(
                "has {length} bytes, but shape {axes:?} needs {needed}; the file is {}",
                if length < needed { "truncated" } else { "followed by other data" }
            )));
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let data_start = header_bytes as u64;
        let file = Mutex::new(file);
        Ok(Self { name, path, file, data_start, element, steps, sequences, frame_shape })
    }

    /// Checks that a sequence has `input` frames to read and `output` frames to
    /// predict.
    ///
    /// # Errors
    /// [`Error::Format`] with both numbers of frames.
    pub fn expect_steps(&self, input: usize, output: usize) -> Result<()> {
        if self.steps == input + output {
            return Ok(());
        }
        let hint = if self.sequences == input + output {
            "; its first two axes seem to be [N, T], exchange them"
        } else {
            ""
        };
        Err(Error::Format {
            path: self.path.clone(),
            reason: format!(
                "has {} frames per sequence, but the configuration asks for {input} to read and {output} to \
                 predict{hint}",
                self.steps
            ),
        })
    }

    fn convert(&self, bytes: &[u8], frame: &mut [f32]) -> std::result::Result<(), f32> {
        match self.element {
            Element::Byte => {
                for (value, &byte) in frame.iter_mut().zip(bytes) {
                    *value = f32::from(byte) / 255.0;
                }
            }
            Element::Float => {
                for (value, four) in frame.iter_mut().zip(bytes.chunks_exact(4)) {
                    *value = f32::from_le_bytes(four.try_into().expect("chunks of four bytes"));
                    if !(0.0..=1.0).contains(value) {
                        return Err(*value);
                    }
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for NpyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpyFile")
            .field("path", &self.path)
            .field("steps", &self.steps)
            .field("sequences", &self.sequences)
            .field("frame_shape", &self.frame_shape)
            .finish_non_exhaustive()
    }
}

impl SequenceDataset for NpyFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.sequences
    }

    fn frame_shape(&self) -> [usize; 3] {
        self.frame_shape
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn sequence(&self, _epoch: u64, index: usize, frames: &mut [f32]) -> Result<()> {
        check_request(self, index, frames.len())?;
        let size: usize = self.frame_shape.iter().product();
        let mut bytes = vec![0; size * self.element.bytes()];
        for (step, frame) in frames.chunks_exact_mut(size).enumerate() {
            let place = self.data_start + ((step * self.sequences + index) * bytes.len()) as u64;
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(place))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(Error::io("read", &self.path))?;
            drop(file);
            self.convert(&bytes, frame).map_err(|value| Error::Format {
                path: self.path.clone(),
                reason: format!(
                    "has the value {value} in frame {step} of sequence {index}, but 0 to 1 is needed"
                ),
            })?;
        }
        Ok(())
    }
}

/// The beginning of the file, with the header if there is one.
fn read_start(file: &File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    BufReader::new(file).take((PREAMBLE_BYTES + LONGEST_HEADER) as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// The header and its length with everything before the data.
///
/// npyz multiplies the axes without looking for an overflow and trusts the
/// length, so that both are checked here first.
fn parse_header(start: &[u8]) -> std::result::Result<(NpyHeader, usize), String> {
    if !start.starts_with(b"\x93NUMPY") || start.len() < PREAMBLE_BYTES {
        return Err("is no .npy file: it does not begin with \\x93NUMPY and a version".into());
    }
    if start[6] != 1 {
        return Err(format!(
            "is of .npy version {}.{}, but 1.0 is needed; save it again",
            start[6], start[7]
        ));
    }
    let text_bytes = usize::from(u16::from_le_bytes([start[8], start[9]]));
    let text = start.get(PREAMBLE_BYTES..PREAMBLE_BYTES + text_bytes).ok_or_else(|| {
        format!(
            "announces a header of {text_bytes} bytes, but it is cut off or longer than the {LONGEST_HEADER} \
             that are possible"
        )
    })?;
    let text = std::str::from_utf8(text).map_err(|_| "has a header that is not text".to_string())?;
    check_axes(text)?;
    let header = NpyHeader::from_reader(Cursor::new(&start[..PREAMBLE_BYTES + text_bytes]))
        .map_err(|error| format!("has a header that cannot be read: {error}"))?;
    Ok((header, PREAMBLE_BYTES + text_bytes))
}

/// Fails unless the header has one shape, made of decimal numbers whose product,
/// times four bytes, stays below 2^62.
fn check_axes(text: &str) -> std::result::Result<(), String> {
    let mut after = text.split("'shape'").skip(1);
    let (Some(rest), None, false) = (after.next(), after.next(), text.contains('\\')) else {
        return Err(format!("has a header without exactly one 'shape': {}", text.trim_end()));
    };
    let inside = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
    let axes = inside.filter(|axes| axes.bytes().all(|b| b.is_ascii_digit() || b == b',' || b == b' '));
    let axes = axes
        .ok_or_else(|| format!("has a header whose shape is not a list of numbers: {}", text.trim_end()))?;
    let mut product = 1u64;
    for axis in axes.split(',').map(str::trim).filter(|axis| !axis.is_empty()) {
        let size = axis.parse::<u64>().ok().map(|size| size.max(1));
        product = size
            .and_then(|size| product.checked_mul(size))
            .filter(|&product| product < 1 << 60)
            .ok_or_else(|| format!("has shape ({axes}), more values than any file can hold"))?;
    }
    Ok(())
}

fn element(header: &NpyHeader) -> std::result::Result<Element, String> {
    let dtype = header.dtype();
    let element = match &dtype {
        DType::Plain(kind) => match (kind.type_char(), kind.size_field(), kind.endianness()) {
            (TypeChar::Uint, 1, _) => Some(Element::Byte),
            (TypeChar::Float, 4, Endianness::Little) => Some(Element::Float),
            _ => None,
        },
        _ => None,
    };
    let element = element.ok_or_else(|| {
        format!(
            "holds values of type {}, but '|u1' (uint8, 0 to 255) or '<f4' (little-endian float32, 0 to 1) \
             is needed",
            dtype.descr()
        )
    })?;
    match header.order() {
        Order::C => Ok(element),
        Order::Fortran => Err("is in Fortran order, but C order is needed; save it again with \
                               numpy.ascontiguousarray"
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use std::io::Write;

    fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], order: Order, values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn opened(bytes: &[u8]) -> Result<NpyFile> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        NpyFile::open(file.path())
    }

    fn reason(bytes: &[u8]) -> String {
        match opened(bytes).unwrap_err() {
            Error::Format { reason, .. } => reason,
            error => panic!("{error}"),
        }
    }

    /// A file with a header of one's own and `data` zeros.
    fn with_header(text: &str, data: usize) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(vec![0; data]);
        bytes
    }

    #[test]
    fn bytes_come_back_as_grey_levels_sequence_by_sequence() {
        // Value = 100 t + 10 n + pixel.
        let values: Vec<u8> = (0..2u8)
            .flat_map(|t| (0..3u8).flat_map(move |n| (0..4u8).map(move |p| 100 * t + 10 * n + p)))
            .collect();
        let file = opened(&npy(&[2, 3, 2, 2], Order::C, &values)).unwrap();
        assert_eq!((file.steps(), file.len(), file.frame_shape()), (2, 3, [1, 2, 2]));
        let mut frames = [f32::NAN; 8];
        file.sequence(7, 1, &mut frames).unwrap();
        let expected = [10, 11, 12, 13, 110, 111, 112, 113].map(|v: u8| f32::from(v) / 255.0);
        assert_eq!(frames, expected);
        assert!(file.sequence(0, 3, &mut frames).unwrap_err().to_string().contains('3'));
        assert!(file.sequence(0, 0, &mut frames[..7]).unwrap_err().to_string().contains('7'));
    }

    #[test]
    fn floats_with_channels_come_back_as_they_are() {
        let values: Vec<f32> = (0..24).map(|i| i as f32 / 24.0).collect();
        let file = opened(&npy(&[2, 2, 3, 1, 2], Order::C, &values)).unwrap();
        assert_eq!((file.steps(), file.len(), file.frame_shape()), (2, 2, [3, 1, 2]));
        let mut frames = [f32::NAN; 12];
        file.sequence(0, 1, &mut frames).unwrap();
        assert_eq!(frames[..6], values[6..12]);
        assert_eq!(frames[6..], values[18..]);
    }

    #[test]
    fn floats_beyond_the_range_are_named() {
        for wrong in [1.5, -0.1, f32::NAN, f32::INFINITY] {
            let file = opened(&npy(&[2, 1, 1, 2], Order::C, &[0.0, 1.0, 0.5, wrong])).unwrap();
            let error = file.sequence(0, 0, &mut [0.0; 4]).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong} in frame 1 of sequence 0")), "{error}");
        }
    }

    #[test]
    fn other_types_orders_and_ranks_are_refused() {
        assert!(reason(&npy(&[1, 1, 1, 1], Order::C, &[1i64])).contains("'<i8'"));
        assert!(reason(&npy(&[1, 1, 1, 1], Order::C, &[1f64])).contains("'<f8'"));
        assert!(reason(&npy(&[1, 1, 2, 1], Order::Fortran, &[1u8, 2])).contains("Fortran"));
        assert!(reason(&npy(&[2, 1, 1], Order::C, &[1u8, 2])).contains("[2, 1, 1]"));
        assert!(reason(&npy::<u8>(&[2, 0, 1, 1], Order::C, &[])).contains("holds nothing"));
        let big_endian = "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1, 1, 1), }\n";
        assert!(reason(&with_header(big_endian, 4)).contains("'>f4'"));
    }

    #[test]
    fn every_truncation_and_trailing_bytes_are_noticed() {
        let bytes = npy(&[2, 1, 1, 2], Order::C, &[1u8, 2, 3, 4]);
        assert!(opened(&bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(opened(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(reason(&bytes[..bytes.len() - 1]).contains("truncated"));
        assert!(reason(&[&bytes[..], &[0]].concat()).contains("followed by other data"));
    }

    #[test]
    fn hostile_headers_are_errors() {
        let shape = |shape: &str| format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        for text in [
            shape("(4294967296, 4294967296, 4294967296, 1)"),
            shape("(18446744073709551615, 0, 2, 2)"),
            shape("(99999999999999999999999, 1, 1, 1)"),
            shape("(0xffffffffffffffff, 0xffffffffffffffff, 2, 2)"),
            shape("(-1, 1, 1, 1)"),
            shape("[1, 1, 1, 1]"),
            shape("((1), 1, 1, 1)"),
            shape("(1, 1, 1, 1"),
            format!("{}{}", shape("(1, 1, 1, 1)"), shape("(1, 1, 1, 1)")),
            "{'descr': '|u1', 'fortran_order': False, 'sh\\x61pe': (1, 1, 1, 1)}".into(),
            "(".repeat(1000),
            String::new(),
        ] {
            assert!(opened(&with_header(&text, 1)).is_err(), "{text}");
        }
        assert!(opened(&with_header(&shape("(1, 1, 1, 1)"), 1)).is_ok());
        let mut long = with_header(&shape("(1, 1, 1, 1)"), 1);
        long[8..10].copy_from_slice(&[0xff, 0xff]);
        assert!(reason(&long).contains("65535"));
        let mut version = with_header(&shape("(1, 1, 1, 1)"), 1);
        version[6] = 3;
        assert!(reason(&version).contains("version 3.0"));
        assert!(reason(b"GIF89a and so on").contains("no .npy file"));
    }

    #[test]
    fn the_number_of_frames_must_fit() {
        let file = opened(&npy(&[2, 5, 1, 1], Order::C, &[0u8; 10])).unwrap();
        file.expect_steps(1, 1).unwrap();
        let error = file.expect_steps(2, 1).unwrap_err().to_string();
        assert!(error.contains("2 frames") && !error.contains("exchange"), "{error}");
        let error = file.expect_steps(3, 2).unwrap_err().to_string();
        assert!(error.contains("exchange"), "{error}");
    }
}
