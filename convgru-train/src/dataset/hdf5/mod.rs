//! Files of HDF5, and of netCDF-4, which are such: what lies in them, and numbers of their datasets.
//!
//! Files come from anywhere. What a reading may take is bounded, and links to other files are not followed.

#[cfg(feature = "hdf5")]
mod attributes;
#[cfg(feature = "hdf5")]
mod file;
#[cfg(feature = "hdf5")]
mod number;
mod packing;
#[cfg(feature = "hdf5")]
mod variable;

#[cfg(not(feature = "hdf5"))]
mod absent;

use std::io::Read;
use std::path::Path;

#[cfg(not(feature = "hdf5"))]
pub(super) use absent::{Attributes, Hdf5, Variable};
#[cfg(feature = "hdf5")]
pub(super) use attributes::Attributes;
#[cfg(feature = "hdf5")]
pub(super) use file::Hdf5;
pub(super) use packing::Packing;
#[cfg(feature = "hdf5")]
pub(super) use variable::Variable;

use crate::{Error, Result};

/// What names of such files end with.
const EXTENSIONS: [&str; 6] = ["h5", "hdf5", "hdf", "he5", "nc", "nc4"];
/// The first bytes of a file of HDF5, unless a user's block of 512 bytes or a power of two more lies before them.
const MAGIC: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Whether a file is HDF5 or netCDF by its name.
pub(super) fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|own| EXTENSIONS.iter().any(|extension| own.eq_ignore_ascii_case(extension)))
}

/// How the numbers of a dataset are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "nothing is read"))]
pub(super) enum Kind {
    /// Whole numbers of 0 or more, with their bytes.
    Unsigned(u8),
    /// Whole numbers, with their bytes.
    Signed(u8),
    /// Floating-point numbers, with their bytes.
    Float(u8),
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsigned(bytes) => write!(f, "uint{}", u32::from(*bytes) * 8),
            Self::Signed(bytes) => write!(f, "int{}", u32::from(*bytes) * 8),
            Self::Float(bytes) => write!(f, "float{}", u32::from(*bytes) * 8),
        }
    }
}

/// A dataset in a file, for messages and for choosing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path in the file, without a `/` at the beginning.
    pub(super) path: String,
    pub(super) shape: Vec<usize>,
    /// `None` where it holds no numbers.
    pub(super) kind: Option<Kind>,
}

impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{} {:?} {kind}", self.path, self.shape),
            None => write!(f, "{} {:?} without numbers", self.path, self.shape),
        }
    }
}

/// Datasets in a message, as many as one can read.
pub(super) fn shown(datasets: &[Listed]) -> String {
    const SHOWN: usize = 20;
    if datasets.is_empty() {
        return "no datasets".into();
    }
    let more =
        if datasets.len() > SHOWN { format!(" and {} more", datasets.len() - SHOWN) } else { String::new() };
    datasets.iter().take(SHOWN).map(Listed::to_string).collect::<Vec<_>>().join(", ") + &more
}

/// Refuses what is no HDF5, by its first bytes, with what it is where that is known.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is something else.
#[cfg_attr(not(feature = "hdf5"), expect(dead_code, reason = "nothing is opened"))]
fn expect_hdf5(path: &Path) -> Result<()> {
    let mut file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start).map_err(Error::io("read", path))?;
    let reason = match &start[..] {
        magic if magic == MAGIC => return Ok(()),
        [b'C', b'D', b'F', 1 | 2 | 5, ..] => {
            "is netCDF of the classic format, but netCDF-4 is read; convert it with `nccopy -k nc4 OLD.nc NEW.nc`"
        }
        [0x0e, 0x03, 0x13, 0x01, ..] => "is HDF4, but HDF5 is read; convert it with `h4toh5convert`",
        // Behind a user's block.
        _ => {
            let length = file.metadata().map_err(Error::io("read", path))?.len();
            if behind_a_block(&mut file, length).map_err(Error::io("read", path))? {
                return Ok(());
            }
            "is no HDF5: it does not begin with \\x89HDF"
        }
    };
    Err(Error::Format { path: path.into(), reason: reason.into() })
}

/// Whether the first bytes of HDF5 lie at 512, 1024, 2048, ...
fn behind_a_block(file: &mut std::fs::File, length: u64) -> std::io::Result<bool> {
    use std::io::{Seek, SeekFrom};
    let mut at = 512u64;
    while at + 8 <= length && at < 1 << 40 {
        let mut start = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut start)?;
        if start == MAGIC {
            return Ok(true);
        }
        at *= 2;
    }
    Ok(false)
}

#[cfg(feature = "hdf5")]
#[cfg(test)]
pub(super) mod tests;
