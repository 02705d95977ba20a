//! What files hold, by their names.

use std::path::Path;

use super::{apng, grib, is_store, pictures};
use crate::dataset::gridded;

/// Formats that are told by the name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Npy,
    Npz,
    /// HDF5, netCDF and Zarr; which of them is seen from the first bytes, or from what lies in a folder.
    Gridded,
    /// GRIB, edition 2, perhaps compressed by gzip.
    Grib,
    Gif,
    /// An animation; a still image is a frame of its folder.
    Png,
}

impl Format {
    pub(super) fn named(path: &Path) -> Option<Self> {
        let of = [("npy", Self::Npy), ("npz", Self::Npz), ("gif", Self::Gif), ("png", Self::Png)];
        match of.into_iter().find(|(extension, _)| has_extension(path, extension)) {
            Some((_, format)) => Some(format),
            None if grib::is_named(path) => Some(Self::Grib),
            None => gridded::is_named(path).then_some(Self::Gridded),
        }
    }

    /// The format of a file by its name, or of a folder that is a store.
    pub(super) fn of(path: &Path) -> Option<Self> {
        if is_store(path) { Some(Self::Gridded) } else { Self::named(path) }
    }
}

/// Whether a file or a store of Zarr holds frames, by its name. Hidden files never do: systems keep notes of their own in these, such as `._a.npy`.
pub(in crate::dataset) fn is_frames(path: &Path) -> bool {
    !is_hidden(path) && (Format::named(path).is_some() || is_store(path)) || pictures::is_picture(path)
}

/// Whether a file is a picture that may be a frame of its folder, by its name.
pub(in crate::dataset) fn is_picture(path: &Path) -> bool {
    pictures::is_picture(path) && !apng::is_animated(path)
}

/// Whether the name of a file or folder begins with a dot.
pub(in crate::dataset) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether the name of a file ends so, in capitals or not.
pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension))
}
