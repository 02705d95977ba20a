//! Frames as files for people: NumPy arrays, animated GIFs and folders of PNG images.
//!
//! A sequence of frames is a tensor `[T, C, H, W]` of values in 0..=1. The kind of file follows from the path:
//!
//! | path | written |
//! |---|---|
//! | `name.npy` | `float32`: `[T, H, W]` of one channel, otherwise `[1, T, C, H, W]` |
//! | `name.gif` | 256 grey levels, or a palette per frame for RGB; loops |
//! | a folder | `frame_000.png`, `frame_001.png`, ... with 8 bits |
//!
//! What is written appears under its name complete or not at all. [`read_frames`](crate::dataset::read_frames) reads it back.

mod gif;
mod image;
mod npy;
mod png_folder;

use std::path::Path;

use convgru_model::Tensor;

pub use self::gif::encode_gif;
pub(crate) use self::image::{byte, encode_png};

use crate::atomic_file::write_atomically;
use crate::dataset::Axes;
use crate::error::{Error, Result};

/// The time each frame of a GIF is shown when nothing else is asked for, in
/// hundredths of a second: eight frames per second.
pub const DEFAULT_DELAY: u16 = 12;

/// The kinds of path that frames are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Npy,
    Gif,
    Folder,
}

/// Writes frames to `name.npy`, `name.gif` (at [`DEFAULT_DELAY`]) or a folder
/// of PNG images. GIF and PNG clamp values to 0..=1; a `.npy` file has them as they are.
///
/// A `.npy` file takes any number of channels. GIF and PNG take one (grey) or three (RGB). A folder
/// that exists is replaced if it holds nothing but earlier `frame_*.png`.
///
/// # Shapes
/// frames: `[T, C, H, W]`
///
/// # Errors
/// [`Error::Io`] if the file cannot be created, [`Error::Format`] if the path
/// is of an unknown kind or the folder holds other files, [`Error::Data`] if
/// the shape does not suit or a value is not a number.
pub fn write_frames(path: impl AsRef<Path>, frames: &Tensor<f32>) -> Result<()> {
    let path = path.as_ref();
    match writable_kind(path)? {
        Kind::Npy => write_atomically(path, &npy::encode(frames, &Axes::default())?),
        Kind::Gif => write_atomically(path, &encode_gif(frames, DEFAULT_DELAY)?),
        Kind::Folder => png_folder::write(path, frames),
    }
}

/// Writes numbers to a `.npy` file as they are, NaN among them. The numbers of one member lie in an order of axes, so that an array with these axes and its
/// continuation lie alike; `auto` is `[T, H, W]` of one channel, otherwise `[1, T, C, H, W]`. An axis `n` has the length 1; where there is no axis
/// `t`, it comes first. Several members are `[K, T, C, H, W]`.
///
/// # Shapes
/// numbers: `[K, T, C, H, W]` of `K` members
///
/// # Errors
/// [`Error::Io`] if the file cannot be written, [`Error::Data`] for no numbers or other axes.
///
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::ReadBudget;
/// use convgru_train::dataset::{FramesConfig, read_frames};
/// use convgru_train::media::write_array;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("a.npy");
/// let frames = Tensor::from_fn(&[1, 3, 1, 4, 5], |i| i as f32 / 60.0);
/// let axes = "hwt".parse()?;
/// write_array(&path, &frames, &axes)?;
/// let config = FramesConfig { axes, ..FramesConfig::default() };
/// assert_eq!(read_frames(&path, &config, &ReadBudget::new(8, "a limit"))?.as_slice(), frames.as_slice());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_array(path: impl AsRef<Path>, numbers: &Tensor<f32>, axes: &Axes) -> Result<()> {
    write_atomically(path.as_ref(), &npy::encode_members(numbers, axes)?)
}

fn writable_kind(path: &Path) -> Result<Kind> {
    if path.is_dir() { Ok(Kind::Folder) } else { kind_of_name(path) }
}

/// The kind a name announces; one without an extension is a folder.
fn kind_of_name(path: &Path) -> Result<Kind> {
    let Some(extension) = path.extension() else {
        return Ok(Kind::Folder);
    };
    if extension.eq_ignore_ascii_case("npy") {
        Ok(Kind::Npy)
    } else if extension.eq_ignore_ascii_case("gif") {
        Ok(Kind::Gif)
    } else {
        Err(unknown_kind(path))
    }
}

fn unknown_kind(path: &Path) -> Error {
    let found = path.extension().unwrap_or_default().to_string_lossy();
    Error::Format {
        path: path.into(),
        reason: format!(
            "has the unknown extension .{found} (frames are written to a .npy file, a .gif file or a folder of PNG images)"
        ),
    }
}

#[cfg(test)]
mod tests;
