//! A library that panics while it reads a damaged file.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::{Error, Result};

/// Calls a library that reads from a file; a panic becomes an error that names the file. Fuzzers found files at which libraries for
/// PNG and, in builds with overflow checks, HDF5 panic.
///
/// # Errors
/// The errors of `read`; [`Error::Format`] after a panic.
pub(in crate::dataset) fn caught<T>(file: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the library keeps of the file is not used after an error.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let reason = format!("is damaged: the library that reads it failed ({})", message(panic.as_ref()));
        Err(Error::Format { path: file.to_path_buf(), reason })
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    formatted.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_file() {
        let file = Path::new("a/b.h5");
        assert_eq!(caught(file, || Ok(3)).unwrap(), 3);
        for said in [caught::<()>(file, || panic!("too large")), caught(file, || panic!("too {}", "large"))] {
            let error = said.unwrap_err().to_string();
            assert!(error.contains("b.h5") && error.contains("failed (too large)"), "{error}");
        }
    }
}
