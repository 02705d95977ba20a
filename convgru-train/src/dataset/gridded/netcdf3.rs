//! Classic netCDF, in all of its three forms: CDF-1, CDF-2 and CDF-5.
//!
//! The library reads the header, from few bytes. It would map the file into memory, and a file that becomes shorter while it is
//! mapped ends the program; so numbers are read here, where they lie by the header.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hdf5_reader::{FileStorage, Storage};
use netcdf_reader::classic::header::{self, ClassicHeader};
use netcdf_reader::{NcFormat, NcType, NcVariable};

use super::extents::Extents;
use super::{NumberType, VariableInfo, header_limit};
use crate::dataset::ByteOrder;
use crate::{Error, Result, input};

/// Bytes in which the header is looked for, one after the other.
const HEADERS: [u64; 3] = [1 << 16, 1 << 20, 1 << 23];

/// A file of classic netCDF.
pub(super) struct Netcdf3 {
    path: PathBuf,
    /// Its bytes.
    length: u64,
    file: FileStorage,
    header: ClassicHeader,
    /// Bytes from a record to the next.
    record: u64,
}

impl Netcdf3 {
    /// Opens a file of a form.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged.
    pub(super) fn open(path: &Path, format: NcFormat) -> Result<Self> {
        let refuse = |reason| Error::Format { path: path.into(), reason };
        let mut file = input::open(path).map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let mut header = read_header(path, &mut file, length, format)?;
        let record = record_bytes(&header.variables)
            .ok_or_else(|| refuse("announces records that no file can hold; fetch it again".into()))?;
        expect_records(&mut header, length, record).map_err(refuse)?;
        let attributes = header.variables.iter().flat_map(|variable| &variable.attributes);
        let is_elsewhere =
            |name: &str| name.starts_with("_pnetcdf_subfiling") || name.starts_with("subfiling");
        if header
            .global_attributes
            .iter()
            .chain(attributes)
            .any(|own| is_elsewhere(&own.name.to_ascii_lowercase()))
        {
            return Err(refuse(
                "keeps its numbers in other files (subfiling of PnetCDF); rewrite it with `nccopy`".into(),
            ));
        }
        let file = FileStorage::from_file(file).map_err(|error| damaged(path, "", &error))?;
        Ok(Self { path: path.into(), length, file, header, record })
    }

    /// The attributes of the file itself.
    pub(super) fn attributes(&self) -> &[netcdf_reader::NcAttribute] {
        &self.header.global_attributes
    }

    /// All variables, in the order of the file.
    pub(super) fn variables(&self) -> impl Iterator<Item = VariableInfo> {
        self.header.variables.iter().filter_map(|variable| {
            let shape = variable.shape().into_iter().map(|axis| usize::try_from(axis).ok());
            Some(VariableInfo {
                path: variable.name.clone(),
                shape: shape.collect::<Option<_>>()?,
                kind: kind(&variable.dtype),
                unreadable: None,
            })
        })
    }

    /// A variable by its name.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none.
    pub(super) fn variable(&self, name: &str) -> Result<&NcVariable> {
        let mut variables = self.header.variables.iter();
        variables.find(|variable| variable.name == name).ok_or_else(|| Error::Format {
            path: self.path.clone(),
            reason: format!("holds no variable {name}"),
        })
    }

    /// Refuses a variable of numbers that does not lie in the file as a whole.
    ///
    /// # Errors
    /// [`Error::Format`] with how much the header announces, and how much there is.
    pub(super) fn expect_whole(&self, name: &str, kind: NumberType) -> Result<()> {
        let variable = self.variable(name)?;
        let refuse = |reason| Err(Error::Format { path: self.path.clone(), reason });
        if let Some(axis) = variable.dimensions.iter().skip(1).find(|axis| axis.is_unlimited) {
            return refuse(format!("{name} has the unlimited axis {}, which must be the first", axis.name));
        }
        let bytes = variable.shape().iter().try_fold(kind.bytes() as u64, |product, &axis| {
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

    /// The texts of a variable of characters with two axes, of which the second is the length of a text, at most `longest`; `None` where it is
    /// no such variable, or cannot be read.
    pub(super) fn texts(&self, name: &str, length: usize, longest: usize) -> Option<Vec<String>> {
        let variable = self.variable(name).ok().filter(|own| own.dtype == NcType::Char)?;
        let &[own, width] = &variable.shape()[..] else { return None };
        let characters = usize::try_from(width).ok().filter(|width| (1..=longest).contains(width))?;
        if own != length as u64 {
            return None;
        }
        let bytes: Vec<u8> =
            self.slice(name, [(0, own), (0, width)]).ok()?.into_iter().map(|byte| byte as u8).collect();
        Some(bytes.chunks_exact(characters).map(text).collect())
    }

    /// The numbers of a variable between a beginning and an end on each axis; of characters their bytes.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged.
    pub(super) fn slice(&self, name: &str, ranges: impl IntoIterator<Item = (u64, u64)>) -> Result<Vec<f64>> {
        let variable = self.variable(name)?;
        let refuse =
            |reason: &str| Error::Format { path: self.path.clone(), reason: format!("{name} {reason}") };
        let kind = match variable.dtype {
            NcType::Char => Some(NumberType::Unsigned(1)),
            _ => kind(&variable.dtype),
        };
        let kind = kind.ok_or_else(|| refuse("holds no numbers"))?;
        let ranges: Vec<(u64, u64)> = ranges.into_iter().collect();
        let runs = Extents::new(variable, self.record, kind.bytes() as u64, &ranges)
            .ok_or_else(|| refuse("lies beyond the end of any file; fetch the file again"))?;
        let mut read = Vec::new();
        input::reserve(&mut read, runs.numbers()).map_err(Error::io("read", &self.path))?;
        for place in runs {
            let bytes = self.file.read_range(place.start, (place.end - place.start) as usize);
            let bytes = bytes.map_err(|error| damaged(&self.path, name, &error))?;
            read.extend(kind.numbers(ByteOrder::Big, &bytes));
        }
        Ok(read)
    }
}

/// A text without what fills it up.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned()
}

/// Bytes from a record to the next: the bytes of the only variable with records, or of all variables, each at a multiple of four.
fn record_bytes(variables: &[NcVariable]) -> Option<u64> {
    let mut sizes = variables.iter().filter(|variable| variable.is_record_var).map(|own| own.record_size);
    match (sizes.next(), sizes.next()) {
        (Some(only), None) => Some(only),
        (first, second) => {
            let padded = |size: u64| size.checked_next_multiple_of(4);
            first
                .into_iter()
                .chain(second)
                .chain(sizes)
                .try_fold(0u64, |sum, size| sum.checked_add(padded(size)?))
        }
    }
}

/// What stands for the number of records where the file does not say it.
const AS_MANY_AS_THERE_ARE: u64 = u64::MAX;

/// Refuses more records than lie in a file of `length` bytes, and counts them where it does not say how many it has.
fn expect_records(header: &mut ClassicHeader, length: u64, record: u64) -> std::result::Result<(), String> {
    let begin = header.variables.iter().filter(|own| own.is_record_var).map(|own| own.data_offset).min();
    let Some(begin) = begin else { return Ok(()) };
    if header.numrecs == AS_MANY_AS_THERE_ARE {
        header.numrecs = length.saturating_sub(begin).checked_div(record).unwrap_or(0);
        let axes = header.variables.iter_mut().flat_map(|variable| &mut variable.dimensions);
        axes.filter(|axis| axis.is_unlimited).for_each(|axis| axis.size = header.numrecs);
        return Ok(());
    }
    let count = header.numrecs;
    match count.checked_mul(record).and_then(|bytes| bytes.checked_add(begin)) {
        Some(end) if end <= length => Ok(()),
        _ => Err(format!(
            "announces {count} records of {record} bytes from byte {begin} on, but the file has {length} bytes; fetch it again"
        )),
    }
}

/// Reads the header of a file alone.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged or larger than headers may be.
fn read_header(path: &Path, file: &mut File, length: u64, format: NcFormat) -> Result<ClassicHeader> {
    let refuse = |reason| Error::Format { path: path.into(), reason };
    let mut start = Vec::new();
    for most in HEADERS {
        let rest = most - start.len() as u64;
        file.by_ref().take(rest).read_to_end(&mut start).map_err(Error::io("read", path))?;
        header_limit::expect_few(&start, format).map_err(refuse)?;
        match header::parse_header(&start, format) {
            Ok(mut header) => {
                if format != NcFormat::Cdf5 && start[4..].starts_with(&[0xff; 4]) {
                    header.numrecs = AS_MANY_AS_THERE_ARE;
                }
                return Ok(header);
            }
            Err(error) if start.len() as u64 >= length => return Err(damaged(path, "", &error)),
            Err(_) => {}
        }
    }
    Err(refuse(format!("has a header that is damaged, or longer than {} bytes; fetch it again", start.len())))
}

/// How a type stores numbers; `None` if it is of characters.
pub(super) fn kind(kind: &NcType) -> Option<NumberType> {
    Some(match kind {
        NcType::Byte => NumberType::Signed(1),
        NcType::UByte => NumberType::Unsigned(1),
        NcType::Short => NumberType::Signed(2),
        NcType::UShort => NumberType::Unsigned(2),
        NcType::Int => NumberType::Signed(4),
        NcType::UInt => NumberType::Unsigned(4),
        NcType::Int64 => NumberType::Signed(8),
        NcType::UInt64 => NumberType::Unsigned(8),
        NcType::Float => NumberType::Float(4),
        NcType::Double => NumberType::Float(8),
        _ => return None,
    })
}

/// The error for what cannot be read at a variable of a file.
fn damaged(file: &Path, variable: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    let place = if variable.is_empty() { String::new() } else { format!(" at {variable}") };
    input::failed(file, error, || {
        format!(
            "cannot be read{place} ({error}); if `ncdump` can, rewrite it with `nccopy`, otherwise fetch it again"
        )
    })
}
