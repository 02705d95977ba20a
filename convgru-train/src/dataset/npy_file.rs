//! Sequences in one `.npy` file, such as the standard test file of Moving
//! MNIST, `mnist_test_seq.npy`.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{SequenceDataset, SequenceMut, check_request};
use crate::npy_header::{Element, NpyHeader};
use crate::shown::shown_name;
use crate::{Error, Result, input};

/// The sequences of a `.npy` file with axes `[T, N, H, W]` or `[T, N, C, H, W]`
/// of type `uint8` (0 to 255), `float32` or `float64` (0 to 1), in C order.
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
        let file = input::open(&path).map_err(Error::io("open", &path))?;
        let length = file.metadata().map_err(io)?.len();
        let header = NpyHeader::read(&mut BufReader::new(&file))
            .map_err(|unread| unread.in_file(&path, |reason| reason))?;
        let axes = &header.shape;
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
        if header.fortran_order {
            let reason =
                "is in Fortran order, but C order is needed; save it again with numpy.ascontiguousarray";
            return Err(format(reason.into()));
        }
        header.expect_file_length(length).map_err(format)?;
        let name = shown_name(path.file_name().unwrap_or(path.as_os_str()));
        let (data_start, element) = (header.bytes, header.element);
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

    fn sequence(&self, _epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        check_request(self, index, into)?;
        let size: usize = self.frame_shape.iter().product();
        let mut bytes = input::zeros(size * self.element.bytes()).map_err(Error::io("read", &self.path))?;
        for (step, frame) in into.frames.chunks_exact_mut(size).enumerate() {
            let place = self.data_start + ((step * self.sequences + index) * bytes.len()) as u64;
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(place))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(|error| input::failed(&self.path, &error, || input::is_damaged(&error)))?;
            drop(file);
            for (value, number) in frame.iter_mut().zip(self.element.numbers(&bytes)) {
                *value = self.element.brightness(number).ok_or_else(|| Error::Format {
                    path: self.path.clone(),
                    reason: format!(
                        "has the value {} in frame {step} of sequence {index}, but 0 to 1 is needed",
                        number as f32
                    ),
                })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::{Order, WriterBuilder};
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

    fn read(file: &NpyFile, index: usize, frames: &mut [f32]) -> Result<()> {
        file.sequence(7, index, &mut SequenceMut { frames, valid: None })
    }

    fn reason(bytes: &[u8]) -> String {
        match opened(bytes).unwrap_err() {
            Error::Format { reason, .. } => reason,
            error => panic!("{error}"),
        }
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
        read(&file, 1, &mut frames).unwrap();
        let expected = [10, 11, 12, 13, 110, 111, 112, 113].map(|v: u8| f32::from(v) / 255.0);
        assert_eq!(frames, expected);
        assert!(read(&file, 3, &mut frames).unwrap_err().to_string().contains('3'));
        assert!(read(&file, 0, &mut frames[..7]).unwrap_err().to_string().contains('7'));
    }

    #[test]
    fn floats_with_channels_come_back_as_they_are() {
        let values: Vec<f32> = (0..24).map(|i| i as f32 / 24.0).collect();
        let file = opened(&npy(&[2, 2, 3, 1, 2], Order::C, &values)).unwrap();
        assert_eq!((file.steps(), file.len(), file.frame_shape()), (2, 2, [3, 1, 2]));
        let mut frames = [f32::NAN; 12];
        read(&file, 1, &mut frames).unwrap();
        assert_eq!(frames[..6], values[6..12]);
        assert_eq!(frames[6..], values[18..]);
        let doubles: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        let file = opened(&npy(&[2, 2, 3, 1, 2], Order::C, &doubles)).unwrap();
        read(&file, 0, &mut frames).unwrap();
        assert_eq!(frames[..6], values[..6]);
    }

    #[test]
    fn floats_beyond_the_range_are_named() {
        for wrong in [1.5, -0.1, f32::NAN, f32::INFINITY] {
            let file = opened(&npy(&[2, 1, 1, 2], Order::C, &[0.0, 1.0, 0.5, wrong])).unwrap();
            let error = read(&file, 0, &mut [0.0; 4]).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong} in frame 1 of sequence 0")), "{error}");
        }
    }

    #[test]
    fn other_types_orders_and_ranks_are_refused() {
        assert!(reason(&npy(&[1, 1, 1, 1], Order::C, &[1i64])).contains("'<i8'"));
        assert!(reason(&npy(&[1, 1, 2, 1], Order::Fortran, &[1u8, 2])).contains("Fortran"));
        assert!(reason(&npy(&[2, 1, 1], Order::C, &[1u8, 2])).contains("[2, 1, 1]"));
        assert!(reason(&npy::<u8>(&[2, 0, 1, 1], Order::C, &[])).contains("holds nothing"));
        assert!(reason(b"GIF89a and so on").contains("no .npy file"));
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
    fn the_number_of_frames_must_fit() {
        let file = opened(&npy(&[2, 5, 1, 1], Order::C, &[0u8; 10])).unwrap();
        file.expect_steps(1, 1).unwrap();
        let error = file.expect_steps(2, 1).unwrap_err().to_string();
        assert!(error.contains("2 frames") && !error.contains("exchange"), "{error}");
        let error = file.expect_steps(3, 2).unwrap_err().to_string();
        assert!(error.contains("exchange"), "{error}");
    }
}
