//! What no command writes to: what it reads, the files of a run, and what is no file.

use std::path::{Path, PathBuf};

use crate::atomic_file::folder_of;
use crate::printable::printable;
use crate::trainer::RunFolder;
use crate::{Error, Result};

/// Refuses a path of an output that is one of the inputs: an input itself under any name (also by a link), a folder in which an input lies, and
/// whatever exists in an input that is a folder. A new file may lie in a folder that is read, but in no store of Zarr.
///
/// An input that does not exist is left to the one who reads it.
///
/// # Errors
/// [`Error::Format`] for such a path, [`Error::Io`] if a folder cannot be read.
///
/// # Example
/// ```
/// use convgru_train::expect_not_read;
///
/// let folder = tempfile::tempdir()?;
/// let input = folder.path().join("rain.gif");
/// std::fs::write(&input, "frames")?;
/// expect_not_read(&folder.path().join("look.gif"), &[&input])?;
/// assert!(expect_not_read(&input, &[&input]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expect_not_read(out: &Path, inputs: &[&Path]) -> Result<()> {
    inputs.iter().try_for_each(|input| expect_apart(out, input))
}

fn expect_apart(out: &Path, input: &Path) -> Result<()> {
    expect_outside(out, input)?;
    let (Ok(input_place), Ok(out_place)) = (input.canonicalize(), out.canonicalize()) else {
        // Nothing is there to replace, or no input, as reading it says.
        return Ok(());
    };
    if out_place == input_place || is_same_file(&out_place, &input_place)? {
        return Err(refused(out, &format!("is read as the input {}", printable(input))));
    }
    if input_place.starts_with(&out_place) {
        return Err(refused(out, &format!("is a folder in which the input {} lies", printable(input))));
    }
    if out_place.starts_with(&input_place) {
        return Err(refused(out, &format!("lies in the input {}", printable(input))));
    }
    if input_place.is_dir() && out_place.is_file() {
        expect_not_in(out, &out_place, input)?;
    }
    Ok(())
}

/// Refuses a path in a store of Zarr that is read, also of a new file: what lies there is part of the store.
fn expect_outside(out: &Path, input: &Path) -> Result<()> {
    if !input.is_dir() || !crate::dataset::is_store(input) {
        return Ok(());
    }
    let Ok(store) = input.canonicalize() else { return Ok(()) };
    let there = folder_of(out).ancestors().find_map(|folder| folder.canonicalize().ok());
    match there.is_some_and(|folder| folder.starts_with(&store)) {
        true => {
            let reason =
                format!("lies in the store {}, which is read; give a path outside it", printable(input));
            Err(Error::Format { path: out.into(), reason })
        }
        false => Ok(()),
    }
}

/// Refuses a path of an output that leads to a device, a pipe or a socket, or that is a file which a run wrote and reads again.
///
/// # Errors
/// [`Error::Format`] for such a path.
pub fn expect_replaceable(out: &Path) -> Result<()> {
    if std::fs::metadata(out).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let reason = "is a device, a pipe or a socket, and no file; give the path of a file".into();
        return Err(Error::Format { path: out.into(), reason });
    }
    match RunFolder::of_file(out) {
        Some(run) => Err(refused(out, &format!("is a file of the run {}", printable(run.path())))),
        None => Ok(()),
    }
}

/// The refusal to write to a path.
pub(crate) fn refused(out: &Path, why: &str) -> Error {
    Error::Format { path: out.into(), reason: format!("{why}, and would be replaced; give another path") }
}

/// Refuses a file that is one of those below a folder under another name.
fn expect_not_in(out: &Path, out_place: &Path, folder: &Path) -> Result<()> {
    crate::dataset::each_file(folder, &mut |file: PathBuf| match is_same_file(out_place, &file)? {
        true => Err(refused(out, &format!("is {} of the input", printable(&file)))),
        false => Ok(()),
    })
}

/// Refuses a path in a folder that is not there.
pub(crate) fn expect_folder_of(out: &Path) -> Result<()> {
    let folder = folder_of(out);
    if folder.is_dir() {
        return Ok(());
    }
    let (is, advice) =
        if folder.exists() { ("is no folder", "") } else { ("does not exist", "make this folder, or ") };
    let reason = format!("cannot be written, because {} {is}; {advice}give another path", printable(folder));
    Err(Error::Format { path: out.into(), reason })
}

/// Whether two paths are of one file, whatever their names.
#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    // A link that leads nowhere is no file.
    let [Ok(one), Ok(other)] = [one, other].map(std::fs::metadata) else { return Ok(false) };
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Whether two paths are of one file, whatever their names.
#[cfg(not(unix))]
fn is_same_file(one: &Path, other: &Path) -> Result<bool> {
    let [Ok(one), Ok(other)] = [one, other].map(Path::canonicalize) else { return Ok(false) };
    Ok(one == other)
}
