//! Frames in files: NumPy arrays, animated GIFs and folders of PNG images.
//!
//! A sequence of frames is a tensor `[T, C, H, W]` of values in 0..=1. The
//! kind of file follows from the path:
//!
//! | path | read | written |
//! |---|---|---|
//! | `name.npy` | `uint8` (divided by 255), `float32`, `float64` within 0..=1 | `float32` |
//! | `name.gif` | every frame as a viewer would show it | 256 grey levels, or a palette per frame for RGB; loops |
//! | a folder | its `*.png` in natural order (`frame_2` before `frame_10`), all of one size | `frame_000.png`, `frame_001.png`, ... with 8 bits |
//!
//! GIF and PNG give one channel when red, green and blue agree in every pixel
//! of every frame, and three channels otherwise; transparency is laid over
//! black. What is written appears under its name complete or not at all.

mod gif_file;
mod image;
mod limits;
mod npy;
mod png_folder;

use std::path::Path;

use convgru_model::Tensor;

pub use gif_file::encode_gif;
pub use image::with_channels;
pub(crate) use image::{byte, encode_png};
pub use limits::{MAX_ARRAY_ELEMENTS, MAX_IMAGE_PIXELS, MAX_SEQUENCE_VALUES};

use crate::atomic_file::write_atomically;
use crate::budget::{MemoryBudget, Working, bytes_of};
use crate::error::{Error, Result};

/// The time each frame of a GIF is shown when nothing else is asked for, in
/// hundredths of a second: eight frames per second.
pub const DEFAULT_DELAY: u16 = 12;

/// The kinds of path that hold frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Npy,
    Gif,
    Folder,
}

/// Reads one sequence of frames.
///
/// The dimensions of a `.npy` file mean, by their number:
/// `[T, H, W]` grey frames; `[T, C, H, W]` frames of up to four channels;
/// `[T, N, H, W]` (a second dimension above four, as in Moving MNIST's
/// `[20, 10000, 64, 64]`) N sequences of grey frames; `[T, N, C, H, W]` N
/// sequences. A file of several sequences is for [`read_sequences`].
///
/// # Shapes
/// returns: `[T, C, H, W]`, values in 0..=1
///
/// # Errors
/// [`Error::Io`] if the path cannot be read. [`Error::Format`] if it is of an
/// unknown kind, is damaged, is empty, holds frames of several sizes or more
/// than one sequence, has values outside 0..=1, or is larger than
/// [`MAX_IMAGE_PIXELS`], [`MAX_SEQUENCE_VALUES`] or [`MAX_ARRAY_ELEMENTS`]
/// allow. [`Error::Memory`] if the frames, or what it takes to decode them, are more than `budget` allows. Sizes are
/// compared before memory is asked for. What is returned stays counted in the budget.
///
/// # Example
/// ```
/// use convgru_model::Tensor;
/// use convgru_train::media;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("ramp.gif");
/// let frames = Tensor::from_fn(&[3, 1, 4, 5], |i| (i % 5) as f32 / 5.0);
/// media::write_frames(&path, &frames)?;
/// let budget = convgru_train::MemoryBudget::new(64, "--memory-mib");
/// assert_eq!(media::read_frames(&path, &budget)?, frames);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_frames(path: impl AsRef<Path>, budget: &MemoryBudget) -> Result<Tensor<f32>> {
    let path = path.as_ref();
    let Decoded { frames, working } = decode_frames(path, budget)?;
    budget.keep(path, bytes_of(size_of::<f32>(), frames.shape()))?.stay();
    drop(working);
    Ok(frames)
}

/// Frames that were decoded, with the working memory they are counted in.
pub(crate) struct Decoded {
    pub(crate) frames: Tensor<f32>,
    pub(crate) working: Working,
}

/// As [`read_frames`]; the frames are counted as working memory.
pub(crate) fn decode_frames(path: &Path, budget: &MemoryBudget) -> Result<Decoded> {
    match readable_kind(path)? {
        Kind::Gif => gif_file::read(path, budget),
        Kind::Folder => png_folder::read(path, budget),
        Kind::Npy => {
            let Decoded { frames, working } = npy::read(path, budget)?;
            let &[steps, count, channels, height, width] = frames.shape() else {
                unreachable!("npy::read returns [T, N, C, H, W]")
            };
            if count != 1 {
                let reason = format!(
                    "holds {count} sequences ([T, N, C, H, W] = {:?}) where one is needed; save the one you mean, for example array[:, 0]",
                    frames.shape()
                );
                return Err(Error::Format { path: path.into(), reason });
            }
            Ok(Decoded { frames: frames.reshape(&[steps, channels, height, width])?, working })
        }
    }
}

/// Reads one or several sequences of frames of the same size and length.
///
/// The kinds of path and the meaning of dimensions are those of
/// [`read_frames`]; a GIF, a folder and a `.npy` file without a dimension for
/// sequences give N = 1.
///
/// # Shapes
/// returns: `[T, N, C, H, W]`, values in 0..=1
///
/// # Errors
/// As [`read_frames`], except that several sequences are welcome.
pub fn read_sequences(path: impl AsRef<Path>, budget: &MemoryBudget) -> Result<Tensor<f32>> {
    let path = path.as_ref();
    let Decoded { frames, working } = match readable_kind(path)? {
        Kind::Npy => npy::read(path, budget)?,
        Kind::Gif => gif_file::read(path, budget)?,
        Kind::Folder => png_folder::read(path, budget)?,
    };
    budget.keep(path, bytes_of(size_of::<f32>(), frames.shape()))?.stay();
    drop(working);
    match *frames.shape() {
        [steps, channels, height, width] => Ok(frames.reshape(&[steps, 1, channels, height, width])?),
        _ => Ok(frames),
    }
}

/// Writes frames to `name.npy`, `name.gif` (at [`DEFAULT_DELAY`]) or a folder
/// of PNG images. Values are clamped to 0..=1.
///
/// A `.npy` file takes any number of channels, and several sequences
/// `[T, N, C, H, W]` too. GIF and PNG take one (grey) or three (RGB). A folder
/// that exists is replaced if it holds nothing but earlier `frame_*.png`.
///
/// # Shapes
/// frames: `[T, C, H, W]`; for `.npy` also `[T, N, C, H, W]`
///
/// # Errors
/// [`Error::Io`] if the file cannot be created, [`Error::Format`] if the path
/// is of an unknown kind or the folder holds other files, [`Error::Data`] if
/// the shape does not suit or a value is not a number.
pub fn write_frames(path: impl AsRef<Path>, frames: &Tensor<f32>) -> Result<()> {
    let path = path.as_ref();
    match writable_kind(path)? {
        Kind::Npy => write_atomically(path, &npy::encode(frames)?),
        Kind::Gif => write_atomically(path, &encode_gif(frames, DEFAULT_DELAY)?),
        Kind::Folder => png_folder::write(path, frames),
    }
}

fn readable_kind(path: &Path) -> Result<Kind> {
    let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if metadata.is_dir() {
        return Ok(Kind::Folder);
    }
    match kind_of_name(path)? {
        Kind::Folder => Err(unknown_kind(path)),
        kind => Ok(kind),
    }
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
    let single_image = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let found = match path.extension() {
        _ if single_image => "is a single PNG; give the folder of the frames instead".to_owned(),
        Some(extension) => format!("has the unknown extension .{}", extension.to_string_lossy()),
        None => "is a file without an extension".to_owned(),
    };
    Error::Format {
        path: path.into(),
        reason: format!("{found} (frames live in a .npy file, a .gif file or a folder of PNG images)"),
    }
}

#[cfg(test)]
mod tests;
