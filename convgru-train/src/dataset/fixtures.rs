//! Real data for tests.

use std::path::{Path, PathBuf};

/// The folder with MNIST's files: `mnist` in the folder that the variable
/// `CONVGRU_DATA` names, which is `../shared/data` beside the workspace unless
/// set. Where it is absent, says so and returns `None`, or panics if
/// `CONVGRU_REQUIRE_DATA` is 1.
pub(super) fn mnist_folder() -> Option<PathBuf> {
    let data = std::env::var_os("CONVGRU_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let folder = data.join("mnist");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("CONVGRU_REQUIRE_DATA").is_some_and(|value| value == "1");
    assert!(!required, "CONVGRU_REQUIRE_DATA=1, but {} is no folder", folder.display());
    eprintln!("SKIPPED: {} is no folder; set CONVGRU_DATA", folder.display());
    None
}

/// Enough memory for every file of these tests.
pub(in crate::dataset) fn budget() -> crate::MemoryBudget {
    crate::MemoryBudget::new(512, "a test")
}
