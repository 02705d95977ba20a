//! What a file is by its first bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use netcdf_reader::NcFormat;

use crate::{Error, Result, input};

/// The first bytes of a file of HDF5, unless a user's block of 512 bytes or a power of two more lies before them.
const MAGIC: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// The form of a file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// HDF5, and netCDF-4.
    Hdf5,
    /// Classic netCDF: CDF-1, CDF-2 or CDF-5.
    Netcdf3(NcFormat),
}

impl Signature {
    /// The form of a file. Other files are refused with what they are, where that is known.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is something else.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let mut file = input::open(path).map_err(Error::io("open", path))?;
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start).map_err(Error::io("read", path))?;
        let reason = match &start[..] {
            magic if magic == MAGIC => return Ok(Self::Hdf5),
            [b'C', b'D', b'F', 1, ..] => return Ok(Self::Netcdf3(NcFormat::Classic)),
            [b'C', b'D', b'F', 2, ..] => return Ok(Self::Netcdf3(NcFormat::Offset64)),
            [b'C', b'D', b'F', 5, ..] => return Ok(Self::Netcdf3(NcFormat::Cdf5)),
            [0x0e, 0x03, 0x13, 0x01, ..] => "is HDF4, but HDF5 is read; convert it with `h4toh5convert`",
            _ => {
                let length = file.metadata().map_err(Error::io("read", path))?.len();
                if behind_a_block(&mut file, length).map_err(Error::io("read", path))? {
                    return Ok(Self::Hdf5);
                }
                "is neither HDF5 nor netCDF: it begins neither with \\x89HDF nor with CDF"
            }
        };
        Err(Error::Format { path: path.into(), reason: reason.into() })
    }
}

/// Whether the first bytes of HDF5 lie at 512, 1024, 2048, ...
fn behind_a_block(file: &mut File, length: u64) -> std::io::Result<bool> {
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
