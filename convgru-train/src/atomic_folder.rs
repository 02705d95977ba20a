//! Writing a folder of files so that it appears complete or not at all.

use std::path::Path;

use crate::atomic_file::folder_of;
use crate::error::{Error, Result};
use crate::interrupt::{self, Writing};
use crate::storage::without_path;

/// Fills a folder. It is prepared under another name by `fill`, and takes its place when it is complete; a folder that was there before is
/// removed then.
///
/// # Errors
/// The errors of `fill`, and [`Error::Io`] if the folder cannot be made or replaced.
pub(crate) fn write_folder(folder: &Path, fill: &mut dyn FnMut(&Path, &Writing) -> Result<()>) -> Result<()> {
    let writing = interrupt::writing();
    let staging = temporary_beside(folder)?;
    fill(staging.path(), &writing).map_err(|error| in_place(error, staging.path(), folder))?;
    if !folder.exists() {
        return std::fs::rename(staging.keep(), folder).map_err(Error::io("create", folder));
    }
    // A folder cannot be renamed over one with files in it, so the old files
    // move aside first; they are removed with the temporary folder.
    let aside = temporary_beside(folder)?;
    let old = aside.path().join("old");
    std::fs::rename(folder, &old).map_err(Error::io("replace", folder))?;
    std::fs::rename(staging.path(), folder).map_err(|error| {
        // The error to report is this one; should the way back fail too, the old
        // files stay in the temporary folder.
        if std::fs::rename(&old, folder).is_err() {
            let _ = aside.keep();
        }
        Error::io("replace", folder)(error)
    })
}

/// The error with the path that a file will have, where it is about one that is prepared.
fn in_place(error: Error, staging: &Path, folder: &Path) -> Error {
    match error {
        Error::Io { action, path, source } => {
            let path = path.strip_prefix(staging).map(|own| folder.join(own)).unwrap_or(path);
            Error::Io { action, path, source }
        }
        other => other,
    }
}

/// A temporary folder in the folder that `folder` lies in, with the permissions that
/// ordinary ones get.
fn temporary_beside(folder: &Path) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".convgru-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o777));
    }
    builder.tempdir_in(folder_of(folder)).map_err(without_path).map_err(Error::io("create", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_path_that_the_file_would_have() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("next.zarr");
        let fill = |staging: &Path, _: &Writing| {
            let path = staging.join("rain/c/0");
            std::fs::write(&path, "numbers").map_err(Error::io("write", &path))
        };
        let error = write_folder(&folder, &mut { fill }).unwrap_err();
        assert!(matches!(&error, Error::Io { path, .. } if *path == folder.join("rain/c/0")), "{error}");
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
        let error = write_folder(&out.path().join("missing/next"), &mut { fill }).unwrap_err().to_string();
        assert!(error.contains("missing/next: ") && !error.contains(".convgru-"), "{error}");
    }
}
