//! Arrays of NumPy in files of their own, `.npy`.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::array::{Array, VisitBlock};
use super::number_type::NumberType;
use crate::npy_header::NpyHeader;
use crate::read_budget::bytes_of;
use crate::{Error, Result, input};

/// A `.npy` file whose header was read.
pub(super) struct Npy {
    path: PathBuf,
    header: NpyHeader,
}

impl Npy {
    /// Opens a file and checks its header and its length.
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
        Ok(Self { path: path.into(), header })
    }
}

impl Array for Npy {
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
        true
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
        let io = |error: std::io::Error| input::failed(&self.path, &error, || input::is_damaged(&error));
        let mut file = BufReader::new(input::open(&self.path).map_err(Error::io("open", &self.path))?);
        let element = self.header.element;
        let size: usize = self.stored_shape()[leading..].iter().product();
        let mut bytes = input::zeros(size * element.bytes()).map_err(Error::io("read", &self.path))?;
        let mut next = 0;
        file.seek_relative(self.header.bytes as i64).map_err(io)?;
        for index in wanted {
            file.seek_relative(((index - next) * bytes.len()) as i64).map_err(io)?;
            file.read_exact(&mut bytes).map_err(io)?;
            next = index + 1;
            visit(&mut element.numbers(&bytes))?;
        }
        Ok(())
    }
}
