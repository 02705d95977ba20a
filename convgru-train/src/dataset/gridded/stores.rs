//! Which paths lead to stores of Zarr.

use std::path::Path;

/// Why a store is not read by a program that was built without the reader.
#[cfg(not(feature = "zarr"))]
pub(super) const WITHOUT: &str = "is a Zarr store, which this program was built without; build it with the feature `zarr`: \
                                  `cargo build --release -p convgru-train --features zarr`";

/// The files that tell the kind of a folder.
const METADATA: [&str; 4] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray"];

/// Whether a path leads to a store of Zarr: a folder of arrays, by its metadata or its name, or a `.zarr.zip` archive of one.
pub(crate) fn is_store(path: &Path) -> bool {
    if path.is_dir() {
        let is_named = path.extension().is_some_and(|own| own.eq_ignore_ascii_case("zarr"));
        return is_named || METADATA.iter().any(|name| path.join(name).is_file());
    }
    is_archive(path)
}

/// Whether a file has the name of an archive of a store.
pub(super) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.len() > 9 && name[name.len() - 9..].eq_ignore_ascii_case(b".zarr.zip")
}
