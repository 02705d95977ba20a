//! Which source the files at a path are for.

use std::path::Path;

use super::{DataConfig, SourceKind, folder, mnist, source};
use crate::printable::printable;
use crate::{Error, Result};

/// The source that the files in a folder, or a file, are for.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Data`] if no file is of a known kind.
pub fn detect(path: &Path) -> Result<SourceKind> {
    std::fs::metadata(path).map_err(Error::io("find", path))?;
    let budget = DataConfig::default().budget();
    let (mut count, [mut radar, mut mnist, mut frames]) = (0, [false; 3]);
    folder::each_file(path, &mut |file| {
        count += 1;
        radar = radar || file.is_file() && source::radar::is_radar(&file, &budget)?;
        mnist = mnist || mnist::is_images(&file);
        frames = frames || source::is_frames(&file);
        Ok(())
    })?;
    match [radar, mnist, frames] {
        [true, _, _] => Ok(SourceKind::Radar),
        [_, true, _] => Ok(SourceKind::Mnist),
        [_, _, true] => Ok(SourceKind::Frames),
        [false, false, false] => Err(Error::Data {
            what: printable(path),
            reason: format!(
                "{}; data are MNIST's images (train-images-idx3-ubyte.gz, ...), radar images (*.pgm.gz of FMI, rainfall_*.npz of MeteoNet, *.h5 \
                 of ODIM and KNMI) or frames (*.npy, *.npz, *.h5, *.nc, *.zarr, *.grib2, *.gif, *.png, *.jpg)",
                match count {
                    _ if path.is_file() => "is no file of data by its name".to_owned(),
                    0 => "is a folder without files".to_owned(),
                    1 => "holds one file, which has no data".to_owned(),
                    count => format!("holds {count} files, and none of them has data"),
                }
            ),
        }),
    }
}

/// Whether a path is a file of frames by its name, or a folder with such files, where radar images in files of arrays count as frames if they
/// are taken for such; otherwise one of them makes all of them radar images.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub(crate) fn holds_frames(path: &Path, takes_radar: bool) -> Result<bool> {
    std::fs::metadata(path).map_err(Error::io("find", path))?;
    let budget = DataConfig::default().budget();
    let (mut frames, mut radar) = (false, false);
    folder::each_file(path, &mut |file| {
        if source::is_frames(&file) {
            frames = true;
            radar = radar || !takes_radar && file.is_file() && source::radar::is_radar(&file, &budget)?;
        }
        Ok(())
    })?;
    Ok(frames && !radar)
}
