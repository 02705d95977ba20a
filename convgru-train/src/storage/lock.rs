//! The lock of a folder: one process at a time writes in it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Storage;
use crate::{Error, Result};

/// The longest text that is read of a lock file, in bytes.
const LONGEST: u64 = 1024;

/// A lock that is held until it is dropped or the process ends, however it ends.
///
/// The system keeps the lock. The text in the file only tells people who holds it: it is removed when the lock is
/// given back, so that a text in a file that nobody holds tells of a process that was killed.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// Who held the lock and did not give it back.
    pub(crate) stale: Option<String>,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`Error::Locked`] with the holder if another process has it; nothing is changed then. [`Error::Io`] if the
    /// file cannot be opened, locked or written.
    pub(crate) fn take(storage: &dyn Storage, path: &Path) -> Result<Self> {
        let Some(mut file) = storage.lock(path).map_err(Error::io("lock", path))? else {
            let text = storage.read(path).unwrap_or_default();
            let holder = readable(&text).unwrap_or_else(|| "another process".to_owned());
            return Err(Error::Locked { path: path.to_path_buf(), holder });
        };
        let stale = exchange(&mut file, &holder()).map_err(Error::io("write", path))?;
        Ok(Self { file, stale })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A text that stays tells the next process of one that was killed, so a call that fails is made once more.
        // Without the lock the text means nothing else, and closing the file gives the lock back.
        let _ = self.file.set_len(0).or_else(|_| self.file.set_len(0));
    }
}

/// Replaces the text of the file; what was in it, if anything.
fn exchange(file: &mut File, text: &str) -> io::Result<Option<String>> {
    let mut old = Vec::new();
    Read::take(&mut *file, LONGEST).read_to_end(&mut old)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    Ok(readable(&old))
}

/// The first line of a text without anything that a terminal would act on.
fn readable(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(LONGEST as usize)];
    let text = String::from_utf8_lossy(bytes);
    let line: String = text.lines().next()?.chars().filter(|c| !c.is_control()).collect();
    Some(line).filter(|line| !line.trim().is_empty())
}

/// This process: host, number and the time now in UTC.
fn holder() -> String {
    let host = gethostname::gethostname();
    format!("process {} on {}, since {}\n", std::process::id(), host.to_string_lossy(), now())
}

fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let at = i64::try_from(seconds).ok().and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
    at.map_or_else(String::new, |at| {
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Disk;

    #[test]
    fn a_lock_names_its_holder_and_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        let lock = Lock::take(&Disk, &path).unwrap();
        assert_eq!(lock.stale, None);
        let written = std::fs::read(&path).unwrap();
        let error = Lock::take(&Disk, &path).unwrap_err().to_string();
        let [process, host] =
            [std::process::id().to_string(), gethostname::gethostname().to_string_lossy().into()];
        for words in [format!("process {process} "), host, "since 20".to_owned()] {
            assert!(error.contains(&words), "{error} lacks {words}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), written, "the one that was refused changed the file");
        drop(lock);
        assert_eq!(Lock::take(&Disk, &path).unwrap().stale, None);
    }

    #[test]
    fn a_text_that_nobody_holds_is_of_a_process_that_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        std::fs::write(&path, "process 7 on \x1b[31mdesk, since then\nmore").unwrap();
        assert_eq!(
            Lock::take(&Disk, &path).unwrap().stale.as_deref(),
            Some("process 7 on [31mdesk, since then")
        );
        std::fs::write(&path, [0xff; 5000]).unwrap();
        let lock = Lock::take(&Disk, &path).unwrap();
        assert!(lock.stale.as_ref().is_some_and(|text| text.chars().count() <= 1024));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, victim] = ["run.lock", "victim"].map(|name| folder.path().join(name));
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        let error = Lock::take(&Disk, &path).unwrap_err().to_string();
        assert!(error.contains("no ordinary file"), "{error}");
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }
}
