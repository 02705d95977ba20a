//! Where tests find recorded data.
//!
//! Some folders lie beside the project where they are there at all: recorded values of other implementations
//! (`CONVGRU_PARITY`), of mlcast's network (`CONVGRU_MLCAST`), and data sets (`CONVGRU_DATA`). Tests of every crate include this file by its path: there is one
//! way to find the data and one way to say that they are absent.

pub(crate) mod skipped;

use std::path::{Path, PathBuf};

use skipped::say_skipped;

/// The folders: the variable that names each, and where it is unless the variable is set.
const FOLDERS: [(&str, &str); 3] = [
    ("CONVGRU_PARITY", "../shared/parity"),
    ("CONVGRU_DATA", "../shared/data"),
    ("CONVGRU_MLCAST", "../shared/mlcast"),
];

/// The folder `below` of the folder that `variable` names, by a path from the root of the workspace or an absolute one.
///
/// `None` where it is absent: a line `SKIPPED` with the name of the test then stands in the output, also where the test
/// passes.
///
/// # Panics
/// Where the folder is absent and `CONVGRU_REQUIRE_DATA` is 1, and for a variable that names no folder.
pub(crate) fn folder(variable: &str, below: &str) -> Option<PathBuf> {
    let default = FOLDERS.iter().find(|(name, _)| *name == variable);
    let (_, default) = default.unwrap_or_else(|| panic!("{variable} names no folder of recorded data"));
    let named = std::env::var_os(variable).unwrap_or_else(|| default.into());
    // Every crate lies directly below the root of the workspace.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(named).join(below);
    let required = std::env::var_os("CONVGRU_REQUIRE_DATA").is_some_and(|value| value == "1");
    found(&folder, variable, required)
}

/// The folder, if it is there; says so where it is not.
///
/// # Panics
/// Where an absent folder is required.
pub(crate) fn found(folder: &Path, variable: &str, required: bool) -> Option<PathBuf> {
    if folder.is_dir() {
        return Some(folder.into());
    }
    let message = format!("no folder {}; set {variable} to the folder above it", folder.display());
    assert!(!required, "{message} (CONVGRU_REQUIRE_DATA=1 forbids skipping)");
    say_skipped(&message);
    None
}
