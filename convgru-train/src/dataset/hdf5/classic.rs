//! Classic netCDF, in all of its three forms: CDF-1, CDF-2 and CDF-5.
//!
//! The library bounds what it takes for a header by the length of the file, which may be large. So the header is read alone
//! before, from few bytes, and nothing is taken for a variable that the file cannot hold.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use netcdf_reader::classic::{ClassicFile, header};
use netcdf_reader::{NcFormat, NcSliceInfo, NcSliceInfoElem, NcType, NcVariable};

use super::{Kind, Listed, axes, number};
use crate::{Error, Result};

/// Bytes in which the header is looked for, one after the other.
const HEADERS: [u64; 3] = [1 << 16, 1 << 20, 1 << 23];

/// A file of classic netCDF.
pub(super) struct Classic {
    path: PathBuf,
    /// Its bytes.
    length: u64,
    file: ClassicFile,
}

impl Classic {
    /// Opens a file of a form.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged.
    pub(super) fn open(path: &Path, format: NcFormat) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        expect_header(path, &mut file, length, format)?;
        let file = ClassicFile::open(path, format).map_err(|error| damaged(path, "", error))?;
        Ok(Self { path: path.into(), length, file })
    }

    /// The attributes of the file itself.
    pub(super) fn attributes(&self) -> &[netcdf_reader::NcAttribute] {
        &self.file.root_group().attributes
    }

    /// All variables, in the order of the file.
    pub(super) fn variables(&self) -> impl Iterator<Item = Listed> {
        self.file.root_group().variables.iter().filter_map(|variable| {
            let shape = variable.shape().into_iter().map(|axis| usize::try_from(axis).ok());
            Some(Listed {
                path: variable.name.clone(),
                shape: shape.collect::<Option<_>>()?,
                kind: kind(&variable.dtype),
            })
        })
    }

    /// A variable by its name.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none.
    pub(super) fn variable(&self, name: &str) -> Result<&NcVariable> {
        let mut variables = self.file.root_group().variables.iter();
        variables.find(|variable| variable.name == name).ok_or_else(|| Error::Format {
            path: self.path.clone(),
            reason: format!("holds no variable {name}"),
        })
    }

    /// Refuses a variable of numbers that does not lie in the file as a whole.
    ///
    /// # Errors
    /// [`Error::Format`] with how much the header announces, and how much there is.
    pub(super) fn expect_whole(&self, name: &str, kind: Kind) -> Result<()> {
        let variable = self.variable(name)?;
        let refuse = |reason| Err(Error::Format { path: self.path.clone(), reason });
        if let Some(axis) = variable.dimensions.iter().skip(1).find(|axis| axis.is_unlimited) {
            return refuse(format!("{name} has the unlimited axis {}, which must be the first", axis.name));
        }
        let bytes = variable.shape().iter().try_fold(u64::from(number::bytes(kind)), |product, &axis| {
            product.checked_mul(axis).filter(|&bytes| bytes <= self.length)
        });
        if bytes.is_none() {
            return refuse(format!(
                "{name} announces {kind} of shape {:?}, but the file has {} bytes; fetch it again",
                variable.shape(),
                self.length
            ));
        }
        if bytes == Some(0) {
            return Ok(());
        }
        let last = variable.shape().iter().map(|&axis| (axis - 1, axis)).collect::<Vec<_>>();
        self.slice(name, last).map(|_| ())
    }

    /// The numbers of a variable between a beginning and an end on each axis.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged.
    pub(super) fn slice(&self, name: &str, ranges: impl IntoIterator<Item = (u64, u64)>) -> Result<Vec<f64>> {
        let range = |(start, end)| NcSliceInfoElem::Slice { start, end, step: 1 };
        let selection = NcSliceInfo { selections: ranges.into_iter().map(range).collect() };
        let read = self.file.read_variable_slice_as_f64(name, &selection);
        Ok(read.map_err(|error| damaged(&self.path, name, error))?.into_raw_vec_and_offset().0)
    }
}

/// Reads the header of a file alone.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged or larger than headers may be.
fn expect_header(path: &Path, file: &mut File, length: u64, format: NcFormat) -> Result<()> {
    let refuse = |reason| Err(Error::Format { path: path.into(), reason });
    let mut start = Vec::new();
    for most in HEADERS {
        let rest = most - start.len() as u64;
        file.by_ref().take(rest).read_to_end(&mut start).map_err(Error::io("read", path))?;
        axes::expect_few(&start, format).or_else(refuse)?;
        match header::parse_header(&start, format) {
            Ok(_) => return Ok(()),
            Err(error) if start.len() as u64 >= length => return Err(damaged(path, "", error)),
            Err(_) => {}
        }
    }
    refuse(format!("has a header that is damaged, or longer than {} bytes; fetch it again", start.len()))
}

/// How a type stores numbers; `None` if it is of characters.
pub(super) fn kind(kind: &NcType) -> Option<Kind> {
    Some(match kind {
        NcType::Byte => Kind::Signed(1),
        NcType::UByte => Kind::Unsigned(1),
        NcType::Short => Kind::Signed(2),
        NcType::UShort => Kind::Unsigned(2),
        NcType::Int => Kind::Signed(4),
        NcType::UInt => Kind::Unsigned(4),
        NcType::Int64 => Kind::Signed(8),
        NcType::UInt64 => Kind::Unsigned(8),
        NcType::Float => Kind::Float(4),
        NcType::Double => Kind::Float(8),
        _ => return None,
    })
}

/// The error for what cannot be read at a variable of a file.
fn damaged(file: &Path, variable: &str, error: netcdf_reader::Error) -> Error {
    let place = if variable.is_empty() { String::new() } else { format!(" at {variable}") };
    Error::Format {
        path: file.into(),
        reason: format!(
            "cannot be read{place} ({error}); if `ncdump` can, write it anew with `nccopy`, otherwise fetch it again"
        ),
    }
}
