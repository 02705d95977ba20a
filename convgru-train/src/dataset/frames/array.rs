//! Sequences in `.npy` and `.npz` files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::config::{Axes, FramesConfig};
use crate::dataset::npz::Npz;
use crate::npy_header::NpyHeader;
use crate::{Error, Result};

/// No frame may have more numbers.
const LARGEST_FRAME: usize = 1 << 27;
/// The shape of the standard test file of Moving MNIST but for the number of sequences.
const MOVING_MNIST: [usize; 3] = [20, 64, 64];

/// An array of frames in a file.
pub(super) struct ArrayFile {
    path: PathBuf,
    /// In an archive, its name there.
    member: Option<String>,
    header: NpyHeader,
    time_first: bool,
    pub(super) sequences: usize,
    pub(super) steps: usize,
    /// `[C, H, W]`.
    pub(super) frame: [usize; 3],
}

impl ArrayFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] with shape and type if it does not
    /// hold frames.
    pub(super) fn open(path: &Path, config: &FramesConfig) -> Result<Self> {
        let refuse = |reason| Error::Format { path: path.into(), reason };
        let (header, member) = if super::has_extension(path, "npz") {
            let archive = Npz::open(path)?;
            let member = member(&archive, &config.member).map_err(refuse)?;
            (archive.header(&member)?, Some(member))
        } else {
            let file = File::open(path).map_err(Error::io("open", path))?;
            let length = file.metadata().map_err(Error::io("read", path))?.len();
            let header = NpyHeader::read(&mut BufReader::new(file)).map_err(refuse)?;
            header.expect_file_length(length).map_err(refuse)?;
            (header, None)
        };
        if header.fortran_order {
            let reason =
                "is in Fortran order, but C order is needed; save it again with numpy.ascontiguousarray";
            return Err(refuse(reason.into()));
        }
        let shape = &header.shape;
        let axes = match (config.axes, &shape[..]) {
            (Axes::Auto, [t, _, h, w]) if [*t, *h, *w] == MOVING_MNIST => Axes::Tnhw,
            (Axes::Auto, [_, _, _]) => Axes::Thw,
            (Axes::Auto, [_, _, _, _]) => Axes::Nthw,
            (Axes::Auto, _) => Axes::Ntchw,
            (axes, _) => axes,
        };
        let (sequences, steps, frame) = match (axes, &shape[..]) {
            (Axes::Thw, &[t, h, w]) => (1, t, [1, h, w]),
            (Axes::Tchw, &[t, c, h, w]) => (1, t, [c, h, w]),
            (Axes::Nthw, &[n, t, h, w]) | (Axes::Tnhw, &[t, n, h, w]) => (n, t, [1, h, w]),
            (Axes::Ntchw, &[n, t, c, h, w]) | (Axes::Tnchw, &[t, n, c, h, w]) => (n, t, [c, h, w]),
            _ => {
                return Err(refuse(format!(
                    "has shape {shape:?}, but data.frames.axes = {} asks for other axes; [T, H, W], [N, T, H, W] or [N, T, C, \
                     H, W] are read, and others where data.frames.axes says so",
                    format!("{:?}", config.axes).to_lowercase()
                )));
            }
        };
        if shape.contains(&0) || frame.iter().product::<usize>() > LARGEST_FRAME {
            return Err(refuse(format!(
                "has shape {shape:?}, whose frames hold nothing or more than {LARGEST_FRAME} numbers"
            )));
        }
        let time_first = matches!(axes, Axes::Tnhw | Axes::Tnchw);
        Ok(Self { path: path.into(), member, header, time_first, sequences, steps, frame })
    }

    /// The frames of some sequences, `[N, T, C, H, W]`, values 0 to 1, NaN where a pixel is missing.
    ///
    /// # Errors
    /// [`Error::Format`] with the place of a number out of the range, or if the file is damaged.
    pub(super) fn read(&self, sequences: Range<usize>, config: &FramesConfig) -> Result<Vec<f32>> {
        let size: usize = self.frame.iter().product();
        let (count, first) = (sequences.len(), sequences.start);
        // The frames of the file that are wanted, in its order, and their places.
        let places: Vec<(usize, usize)> = match self.time_first {
            true => (0..self.steps)
                .flat_map(|t| (0..count).map(move |n| (t, n)))
                .map(|(t, n)| (t * self.sequences + first + n, n * self.steps + t))
                .collect(),
            false => (0..count * self.steps).map(|at| (first * self.steps + at, at)).collect(),
        };
        let mut values = vec![0.0; count * self.steps * size];
        let mut visited = 0;
        let mut wrong = None;
        self.visit(places.iter().map(|&(from, _)| from), size, &mut |numbers| {
            let (from, to) = places[visited];
            visited += 1;
            for (value, number) in values[to * size..][..size].iter_mut().zip(numbers) {
                match self.value(number, config) {
                    Some(number) => *value = number,
                    None => wrong = wrong.or(Some((from, number))),
                }
            }
        })?;
        match wrong {
            None => Ok(values),
            Some((frame, number)) => {
                let (sequence, step) = match self.time_first {
                    true => (frame % self.sequences, frame / self.sequences),
                    false => (frame / self.steps, frame % self.steps),
                };
                let [low, high] = config.explicit_range().unwrap_or([0.0, 1.0]);
                Err(Error::Format {
                    path: self.path.clone(),
                    reason: format!(
                        "has the number {} in frame {step} of sequence {sequence} (from 0), but {low} to {high} is expected; \
                         set data.frames.range to the lowest and highest number",
                        number as f32
                    ),
                })
            }
        }
    }

    /// The value of a number; `None` if it is out of the range.
    fn value(&self, number: f64, config: &FramesConfig) -> Option<f32> {
        if number.is_nan() {
            return Some(f32::NAN);
        }
        match config.explicit_range() {
            None => self.header.element.brightness(number),
            Some([low, high]) => {
                let value = (number - low) / (high - low);
                (-1e-6..=1.0 + 1e-6).contains(&value).then(|| value.clamp(0.0, 1.0) as f32)
            }
        }
    }

    fn visit(
        &self,
        wanted: impl Iterator<Item = usize>,
        size: usize,
        visit: &mut dyn FnMut(Box<dyn Iterator<Item = f64> + '_>),
    ) -> Result<()> {
        if let Some(member) = &self.member {
            return Npz::open(&self.path)?.frames(member, size, wanted, visit);
        }
        let io = |source| Error::io("read", &self.path)(source);
        let mut file = BufReader::new(File::open(&self.path).map_err(Error::io("open", &self.path))?);
        let element = self.header.element;
        let mut bytes = vec![0; size * element.bytes()];
        let mut next = 0;
        file.seek_relative(self.header.bytes as i64).map_err(io)?;
        for index in wanted {
            file.seek_relative(((index - next) * bytes.len()) as i64).map_err(io)?;
            file.read_exact(&mut bytes).map_err(io)?;
            next = index + 1;
            visit(element.numbers(&bytes));
        }
        Ok(())
    }
}

/// The member of an archive that holds the frames.
fn member(archive: &Npz, named: &str) -> std::result::Result<String, String> {
    let arrays: Vec<&str> = archive.names().filter(|name| name.ends_with(".npy")).collect();
    let shown =
        || arrays.iter().take(20).map(|name| name.trim_end_matches(".npy")).collect::<Vec<_>>().join(", ");
    let found = match (named, &arrays[..]) {
        ("", [only]) => Some(*only),
        ("", _) => None,
        _ => arrays
            .iter()
            .copied()
            .find(|name| name.trim_end_matches(".npy") == named.trim_end_matches(".npy")),
    };
    found.map(str::to_owned).ok_or_else(|| {
        format!(
            "holds the arrays {}; set data.frames.member to the one with the frames (it is \"{named}\")",
            shown()
        )
    })
}
