//! Arrays of NumPy, behind the header of a `.npy` file: in files of their own and in archives.

use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::array::{Array, VisitBlock};
use super::blocks::lies_within;
use super::npz::Npz;
use super::number_type::NumberType;
use crate::npy_header::NpyHeader;
use crate::read_budget::bytes_of;
use crate::{Error, Result, input};

/// An array whose header was read.
pub(super) struct NpyArray {
    header: NpyHeader,
    place: Place,
}

/// Where the numbers are.
enum Place {
    /// In a `.npy` file.
    File(PathBuf),
    /// In a member of an archive.
    Member { archive: Npz, name: String },
}

impl NpyArray {
    /// Opens a `.npy` file and checks its header and its length.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is no such file, is of another type, or is longer or shorter than its
    /// header says.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = input::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let header = NpyHeader::read(&mut BufReader::new(file));
        let header = header.map_err(|unread| unread.in_file(path, |reason| reason))?;
        let refuse = |reason| Error::Format { path: path.into(), reason };
        header.expect_file_length(length).map_err(refuse)?;
        Ok(Self { header, place: Place::File(path.into()) })
    }

    /// Opens the array of an archive that is named, or its only one.
    ///
    /// # Errors
    /// The errors of [`Npz::open`]; [`Error::Format`] with the arrays there are, if it is not told which is meant.
    pub(super) fn open_member(path: &Path, named: &str) -> Result<Self> {
        let archive = Npz::open(path)?;
        let name = archive.chosen(named).map_err(|reason| Error::Format { path: path.into(), reason })?;
        let header = archive.header(&name)?;
        Ok(Self { header, place: Place::Member { archive, name } })
    }

    /// Reads a part of blocks of some size.
    fn visit_file(
        &self,
        path: &Path,
        (size, part): (usize, Range<usize>),
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        let io = |error: std::io::Error| input::failed(path, &error, || input::is_damaged(&error));
        let mut file = BufReader::new(input::open(path).map_err(Error::io("open", path))?);
        let element = self.header.element;
        let mut bytes = input::zeros(part.len() * element.bytes()).map_err(Error::io("read", path))?;
        let mut next = 0;
        file.seek_relative(self.header.bytes as i64).map_err(io)?;
        for index in wanted {
            let begin = index * size + part.start;
            file.seek_relative(((begin - next) * element.bytes()) as i64).map_err(io)?;
            file.read_exact(&mut bytes).map_err(io)?;
            next = begin + part.len();
            visit(&mut element.numbers(&bytes))?;
        }
        Ok(())
    }
}

impl Array for NpyArray {
    fn stored_shape(&self) -> Vec<usize> {
        self.header.stored_shape()
    }

    fn is_column_major(&self) -> bool {
        self.header.fortran_order
    }

    fn number_type(&self) -> NumberType {
        self.header.element.number_type()
    }

    fn is_seekable(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    fn working(&self, leading: usize) -> u64 {
        bytes_of(self.header.element.bytes(), &self.stored_shape()[leading..])
    }

    fn visit(
        &self,
        leading: usize,
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        let size = self.stored_shape()[leading..].iter().product();
        match &self.place {
            Place::File(path) => self.visit_file(path, (size, 0..size), wanted, visit),
            Place::Member { archive, name } => archive.frames(name, size, wanted, visit),
        }
    }

    fn visit_part(
        &self,
        leading: usize,
        within: &[Range<usize>],
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        let block = self.stored_shape().split_off(leading);
        let is_whole = |(part, &length): (&Range<usize>, &usize)| *part == (0..length);
        match (&self.place, within) {
            // A part of the first axis lies in one piece.
            (Place::File(path), [first, rest @ ..]) if rest.iter().zip(&block[1..]).all(is_whole) => {
                let inner: usize = block[1..].iter().product();
                let part = first.start * inner..first.end * inner;
                self.visit_file(path, (block[0] * inner, part), wanted, visit)
            }
            _ => {
                let kept = lies_within(&block, within);
                self.visit(leading, wanted, &mut |numbers| {
                    visit(&mut numbers.zip(&kept).filter(|(_, is_kept)| **is_kept).map(|(number, _)| number))
                })
            }
        }
    }
}
