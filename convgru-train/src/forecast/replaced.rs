//! What a forecast may replace: an earlier forecast, but no data of others, and never the frames that it goes on from.

use std::path::Path;

use super::{Form, OURS};
use crate::Result;
use crate::dataset::text_of_file;
use crate::output_path::{expect_folder_of, expect_not_read, expect_replaceable, refused};

/// Refuses a path for a forecast from an input before anything is computed: the input itself under any name (also by a link), a store or a folder
/// in which the input lies, whatever exists in an input folder, any path in a store that is read, and a netCDF file that is no forecast of this
/// program. A new file may lie in the folder that is read. A file or a store in a folder that does not exist is refused, too, and so are devices and files of a run.
///
/// A `.npy` or `.gif` file does not say what made it. It is replaced unless it is of the input.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) for such a path and for a form that is unknown, [`Error::Io`](crate::Error::Io) if a folder cannot be read.
///
/// # Example
/// ```
/// use convgru_train::forecast::expect_writable;
///
/// let folder = tempfile::tempdir()?;
/// let input = folder.path().join("rain.npy");
/// std::fs::write(&input, "frames")?;
/// expect_writable(&folder.path().join("next.npy"), &input)?;
/// assert!(expect_writable(&input, &input).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn expect_writable(out: &Path, input: &Path) -> Result<()> {
    let form = Form::of(out)?;
    if form != Form::Folder {
        expect_folder_of(out)?;
    }
    expect_not_read(out, &[input])?;
    expect_replaceable(out)?;
    match form {
        Form::NetCdf => expect_forecast(out),
        Form::Zarr | Form::Npy | Form::Gif | Form::Folder => Ok(()),
    }
}

/// Refuses a netCDF file that exists and is no forecast of this program.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) for such a file.
pub(super) fn expect_forecast(file: &Path) -> Result<()> {
    expect_earlier(file, || text_of_file(file, "source"))
}

/// Refuses a path where something exists whose attribute `source` does not name this program.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) for such a path.
pub(super) fn expect_earlier(path: &Path, source: impl FnOnce() -> Option<String>) -> Result<()> {
    match path.symlink_metadata().is_err() || source().is_some_and(|source| source.starts_with(OURS)) {
        true => Ok(()),
        false => Err(refused(path, "holds something else than a forecast of an earlier run")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("in/day")).unwrap();
        for name in ["in/a.npy", "in/day/b.npy", "other.npy"] {
            std::fs::write(at(name), "x").unwrap();
        }
        let refuses = |out: &str, input: &str, words: &str| {
            let error = expect_writable(&at(out), &at(input)).unwrap_err().to_string();
            assert!(
                error.contains(words)
                    && (error.contains("give another path") || error.contains("give a path outside")),
                "{error}"
            );
        };
        refuses("in/a.npy", "in/a.npy", "is read as the input");
        refuses("in/day/../a.npy", "in/a.npy", "is read as the input");
        refuses("in/day/b.npy", "in", "lies in the input");
        refuses("in", "in", "is read as the input");
        refuses("in", "in/a.npy", "is a folder in which the input");
        for (out, input) in [("new.npy", "in"), ("in/new.npy", "in"), ("other.npy", "in/a.npy"), ("p", "in")]
        {
            expect_writable(&at(out), &at(input)).unwrap();
        }
        // A file in a store would be part of it.
        for folder in ["rain.zarr/RR", "zarr"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at("zarr/zarr.json"), "{}").unwrap();
        for (out, input) in [
            ("rain.zarr/new.npy", "rain.zarr"),
            ("rain.zarr/RR/new.npy", "rain.zarr"),
            ("in/../rain.zarr/new.npy", "rain.zarr"),
            ("zarr/new.npy", "zarr"),
        ] {
            refuses(out, input, "lies in the store");
        }
        expect_writable(&at("next.npy"), &at("rain.zarr")).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("in/a.npy"), at("soft.npy")).unwrap();
            std::fs::hard_link(at("in/day/b.npy"), at("hard.npy")).unwrap();
            std::os::unix::fs::symlink(at("other.npy"), at("in/linked.npy")).unwrap();
            refuses("soft.npy", "in/a.npy", "is read as the input");
            refuses("hard.npy", "in/day/b.npy", "is read as the input");
            refuses("hard.npy", "in", "b.npy of the input");
            refuses("other.npy", "in", "linked.npy of the input");
        }
    }

    #[cfg(feature = "hdf5")]
    #[test]
    fn a_netcdf_file_of_others_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("in.npy"), "x").unwrap();
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hdf5/named_axes.nc"), at("data.nc"))
            .unwrap();
        std::fs::write(at("no.nc"), "notes").unwrap();
        let mut forecast = crate::forecast::tests::of_two_members();
        forecast.provenance.source = "convgru 0.1.0, convolutional GRU quick".into();
        for own in ["data.nc", "no.nc"] {
            let before = std::fs::read(at(own)).unwrap();
            for error in [expect_writable(&at(own), &at("in.npy")), forecast.write(&at(own))] {
                let error = error.unwrap_err().to_string();
                assert!(
                    error.contains(own)
                        && (error.contains("give another path") || error.contains("give a path outside")),
                    "{error}"
                );
            }
            assert_eq!(std::fs::read(at(own)).unwrap(), before);
        }
        for _ in 0..2 {
            expect_writable(&at("next.nc"), &at("in.npy")).unwrap();
            forecast.write(&at("next.nc")).unwrap();
        }
    }
}
