//! Files of HDF5, of netCDF-4, which are such, and of classic netCDF, and stores of Zarr: what lies in them, and numbers of their datasets.
//!
//! Files come from anywhere. What a reading may take is bounded, and links to other files are not followed.

#[cfg(feature = "hdf5")]
mod attributes;
#[cfg(feature = "hdf5")]
mod chunk_numbering;
#[cfg(feature = "hdf5")]
mod dimensions;
#[cfg(feature = "hdf5")]
mod extents;
#[cfg(feature = "hdf5")]
mod file;
#[cfg(feature = "hdf5")]
mod header_limit;
#[cfg(feature = "hdf5")]
mod inflate;
#[cfg(feature = "hdf5")]
mod lzf;
#[cfg(feature = "hdf5")]
mod names;
#[cfg(feature = "hdf5")]
mod netcdf3;
#[cfg(feature = "hdf5")]
mod number;
mod packing;
#[cfg(feature = "hdf5")]
mod signature;
#[cfg(feature = "hdf5")]
mod stored_type;
mod stores;
#[cfg(feature = "hdf5")]
mod variable;
#[cfg(feature = "zarr")]
mod zarr;
#[cfg(all(feature = "hdf5", not(feature = "zarr")))]
#[path = "zarr_stub.rs"]
mod zarr;

#[cfg(not(feature = "hdf5"))]
mod stub;

use std::path::Path;

use super::NumberType;
use crate::printable::escaped;

#[cfg(feature = "hdf5")]
pub(super) use attributes::Attributes;
#[cfg(feature = "hdf5")]
pub(super) use dimensions::Dimension;
#[cfg(feature = "hdf5")]
pub(super) use file::GriddedFile;
pub(super) use packing::Packing;
pub(crate) use stores::is_store;
#[cfg(not(feature = "hdf5"))]
pub(super) use stub::{Attributes, Dimension, GriddedFile, Variable};
#[cfg(feature = "hdf5")]
pub(super) use variable::Variable;

/// What names of such files end with.
const EXTENSIONS: [&str; 6] = ["h5", "hdf5", "hdf", "he5", "nc", "nc4"];

/// Whether a file is HDF5, netCDF or an archive of Zarr by its name.
pub(super) fn is_named(path: &Path) -> bool {
    let is_archive = stores::is_archive(path);
    is_archive
        || path
            .extension()
            .is_some_and(|own| EXTENSIONS.iter().any(|extension| own.eq_ignore_ascii_case(extension)))
}

/// A dataset in a file, for messages and for choosing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VariableInfo {
    /// Its path in the file, without a `/` at the beginning.
    pub(super) path: String,
    pub(super) shape: Vec<usize>,
    /// `None` where it holds no numbers.
    pub(super) kind: Option<NumberType>,
    /// Why it is not read, where it is not.
    pub(super) unreadable: Option<String>,
}

impl std::fmt::Display for VariableInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.unreadable, self.kind) {
            (Some(reason), _) => {
                write!(f, "{}, which cannot be read ({})", short(&self.path), escaped(reason))
            }
            (None, Some(kind)) => write!(f, "{} {:?} {kind}", short(&self.path), self.shape),
            (None, None) => write!(f, "{} {:?} without numbers", short(&self.path), self.shape),
        }
    }
}

/// A path in a file as it is printed, as long as one can read it.
fn short(path: &str) -> String {
    const LONGEST: usize = 200;
    escaped(&path.chars().take(LONGEST).collect::<String>()).into_owned()
}

/// Datasets in a message, as many as one can read.
pub(super) fn shown(datasets: &[VariableInfo]) -> String {
    const SHOWN: usize = 20;
    if datasets.is_empty() {
        return "no datasets".into();
    }
    let more =
        if datasets.len() > SHOWN { format!(" and {} more", datasets.len() - SHOWN) } else { String::new() };
    datasets.iter().take(SHOWN).map(VariableInfo::to_string).collect::<Vec<_>>().join(", ") + &more
}

#[cfg(feature = "hdf5")]
#[cfg(test)]
pub(super) mod tests;
