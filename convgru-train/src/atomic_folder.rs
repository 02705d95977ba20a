//! Writing a folder of files so that it appears complete or not at all.

use std::path::Path;

use crate::atomic_file::folder_of;
use crate::error::{Error, Result};
use crate::interrupt::{self, Writing};

/// Fills a folder. It is prepared under another name by `fill`, and takes its place when it is complete; a folder that was there before is
/// removed then.
///
/// # Errors
/// Those of `fill`, and [`Error::Io`] if the folder cannot be made or replaced.
pub(crate) fn write_folder(folder: &Path, fill: &mut dyn FnMut(&Path, &Writing) -> Result<()>) -> Result<()> {
    let writing = interrupt::writing();
    let staging = temporary_beside(folder)?;
    fill(staging.path(), &writing)?;
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
    builder.tempdir_in(folder_of(folder)).map_err(Error::io("create", folder))
}
