//! Files that are read: opening them, memory for what they hold, and what it means that reading failed.
//!
//! An error of the system, such as a lack of permissions, of file descriptors or of memory, says nothing about a file. It is
//! [`Error::Io`]. What is wrong with the content is [`Error::Format`].

use std::error::Error as StdError;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// The most bytes that deflate makes of one: 258 of a length and a distance, which take a bit each.
pub(crate) const MOST_OF_A_BYTE: u64 = 1032;

/// Opens an ordinary file. Opening a pipe could wait for ever, and reading a device might never end.
///
/// # Errors
/// The errors of the system; [`ErrorKind::InvalidInput`] for what is no file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    expect_file(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    // It may have been replaced in between.
    expect_file(&file.metadata()?)?;
    Ok(file)
}

/// Fails unless it is an ordinary file.
///
/// # Errors
/// [`ErrorKind::InvalidInput`].
pub(crate) fn expect_file(found: &Metadata) -> io::Result<()> {
    match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(ErrorKind::InvalidInput, unordinary(found))),
    }
}

/// What a path leads to that is no file, and what to do.
fn unordinary(found: &Metadata) -> String {
    let kind = match () {
        () if found.is_dir() => "a folder",
        () if found.is_symlink() => "a symbolic link",
        () => "a pipe, a socket or a device",
    };
    format!("it is {kind}, but an ordinary file is needed; save the content as a file and give that")
}

/// The bytes of an ordinary file, as many as it has when it is opened.
///
/// # Errors
/// The errors of the system; [`ErrorKind::OutOfMemory`] if there is no room for them.
pub(crate) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    reserve(&mut bytes, usize::try_from(length).unwrap_or(usize::MAX))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of an ordinary file; a pipe or a device is refused, because it might never end.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, or is no ordinary file.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("note.txt");
/// std::fs::write(&path, "rain")?;
/// assert_eq!(convgru_train::read_file(&path)?, b"rain");
/// let error = convgru_train::read_file(folder.path()).unwrap_err().to_string();
/// assert!(error.contains("it is a folder"), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_file(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    bytes(path.as_ref()).map_err(Error::io("read", path))
}

/// The text of an ordinary file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is no text.
pub(crate) fn text(path: &Path) -> Result<String> {
    utf8(path, read_file(path)?)
}

/// The bytes of a file as text.
///
/// # Errors
/// [`Error::Format`] if they are none.
pub(crate) fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| Error::Format {
        path: path.into(),
        reason: format!("is no text in UTF-8: byte {} is not", error.utf8_error().valid_up_to()),
    })
}

/// Makes room for exactly so many more elements.
///
/// # Errors
/// [`ErrorKind::OutOfMemory`] if the system refuses it.
pub(crate) fn reserve<T>(into: &mut Vec<T>, more: usize) -> io::Result<()> {
    into.try_reserve_exact(more).map_err(|_| no_memory(more.saturating_mul(size_of::<T>()) as u64))
}

/// So many zeros.
///
/// # Errors
/// As [`reserve`].
pub(crate) fn zeros<T: Clone + Default>(count: usize) -> io::Result<Vec<T>> {
    let mut zeros = Vec::new();
    reserve(&mut zeros, count)?;
    zeros.resize(count, T::default());
    Ok(zeros)
}

/// Fails unless the system has so much memory now. Libraries that reserve it themselves end the program where it has not.
///
/// # Errors
/// [`ErrorKind::OutOfMemory`]
pub(crate) fn expect_memory(bytes: u64) -> io::Result<()> {
    let most = usize::try_from(bytes).map_err(|_| no_memory(bytes))?;
    Vec::<u8>::new().try_reserve_exact(most).map_err(|_| no_memory(bytes))
}

fn no_memory(bytes: u64) -> io::Error {
    let reason = format!(
        "the system refuses {bytes} bytes of memory; end other programs, or raise the limit (ulimit -v)"
    );
    io::Error::new(ErrorKind::OutOfMemory, reason)
}

/// The error of a reading that failed: of the system, or of the content of the file with the reason given.
pub(crate) fn failed(
    path: &Path,
    error: &(dyn StdError + 'static),
    reason: impl FnOnce() -> String,
) -> Error {
    match of_system(error) {
        Some(source) => Error::io("read", path)(source),
        None => Error::Format { path: path.into(), reason: reason() },
    }
}

/// The error of the system in an error of a library, if it is one.
fn of_system(error: &(dyn StdError + 'static)) -> Option<io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>() {
            Some(error) if error.raw_os_error().is_some() => {
                return error.raw_os_error().map(io::Error::from_raw_os_error);
            }
            // What decoders report, and a file that ends early.
            Some(error)
                if !matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof
                        | ErrorKind::InvalidData
                        | ErrorKind::InvalidInput
                        | ErrorKind::Other
                ) =>
            {
                return Some(io::Error::new(error.kind(), error.to_string()));
            }
            Some(error) => cause = error.get_ref().map(|inner| inner as _),
            None => cause = error.source(),
        }
    }
    None
}

/// The end of a reason for content that is shorter than announced, or that a decoder refuses.
pub(crate) fn is_damaged(error: &io::Error) -> String {
    format!("is damaged or incomplete ({error}); fetch it again")
}

/// Whether a path leads to a folder. A link that leads nowhere does not.
///
/// # Errors
/// [`Error::Io`] if the system does not say.
pub(crate) fn is_folder(path: &Path) -> Result<bool> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("in a chunk")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn errors_of_the_system_are_told_from_those_of_the_content() {
        let path = Path::new("a.npz");
        let is_of_system = |error: &(dyn StdError + 'static)| match failed(path, error, || "is cut".into()) {
            Error::Io { .. } => true,
            Error::Format { reason, .. } => {
                assert_eq!(reason, "is cut");
                false
            }
            error => panic!("{error}"),
        };
        // EPERM, EIO, EAGAIN, ENOMEM, EACCES, EINVAL, ENFILE, EMFILE, ESTALE of Linux.
        for code in [1, 5, 11, 12, 13, 22, 23, 24, 116] {
            assert!(is_of_system(&io::Error::from_raw_os_error(code)), "{code}");
            assert!(is_of_system(&Wrapped(io::Error::from_raw_os_error(code))), "{code}");
            assert!(is_of_system(&io::Error::other(Wrapped(io::Error::from_raw_os_error(code)))), "{code}");
        }
        for kind in [ErrorKind::PermissionDenied, ErrorKind::OutOfMemory, ErrorKind::TimedOut] {
            assert!(is_of_system(&io::Error::from(kind)) && is_of_system(&Wrapped(kind.into())));
        }
        for kind in [ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::InvalidInput] {
            assert!(!is_of_system(&io::Error::from(kind)) && !is_of_system(&Wrapped(kind.into())));
        }
    }

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        let error = reserve(&mut Vec::<f64>::new(), usize::MAX / 16).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert!(expect_memory(u64::MAX / 2).unwrap_err().to_string().contains("9223372036854775807 bytes"));
        expect_memory(1 << 20).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_ordinary_file_is_refused_and_waits_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.npy");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let error = read_file(path).unwrap_err().to_string();
            assert!(error.contains("an ordinary file is needed"), "{error}");
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(matches!(is_folder(&link), Err(Error::Io { .. })));
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
        assert!(!is_folder(&folder.path().join("dangling")).unwrap());
        assert!(is_folder(folder.path()).unwrap());
    }
}
