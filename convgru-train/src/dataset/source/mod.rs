//! Frames in files: one reader for each format, behind one meaning of axes and numbers.
//!
//! A [`FrameSource`] is a file, or a folder of images. Every command reads through it, and with the same configuration
//! (`[data.frames]`, stored with a run) it gives the same values everywhere.

mod apng;
mod array;
mod axes;
mod blocks;
mod content;
mod file_per_frame;
mod file_times;
mod format;
mod gif;
mod grib;
mod gridded;
pub(super) mod idx;
pub(super) mod image;
mod jpeg;
mod knmi_forecast;
mod named_axes;
pub(crate) mod natural_order;
mod npy;
mod npz;
mod number_type;
mod pictures;
mod png;
pub(super) mod radar;
#[cfg(test)]
mod tests;
mod times;

use std::ops::Range;
use std::path::{Path, PathBuf};

pub(crate) use super::gridded::is_store;
pub(super) use array::VisitBlock;
pub use axes::Axes;
pub(in crate::dataset) use axes::OPTION_FOR_AXES;
pub(crate) use content::{Content, Extent};
pub(super) use format::{is_frames, is_hidden, is_picture};
pub(super) use grib::{Held as HeldInGrib, held as held_in_grib, is_named as is_grib};
pub(crate) use number_type::{ByteOrder, NumberType};

pub(super) use npz::Npz;
pub(super) use times::{Origin, Times};

use self::array::{Array, ArraySource};
use self::file_per_frame::FilePerFrame;
use self::format::{Format, has_extension};
use self::npy::NpyArray;
use self::pictures::PictureFolder;
use super::gridded::GriddedFile;
use super::timestamp::Timestamp;
use super::{Description, FramesConfig};
use crate::read_budget::ReadBudget;
use crate::{Error, Result, input};

/// Sequences of frames in a file or a folder of images.
pub(super) trait FrameSource: Send + Sync {
    /// What is there, known from headers alone.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if headers cannot be read.
    fn info(&self) -> Result<FrameInfo>;

    /// When the frames of each sequence were seen; empty where the file does not say it.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if the times cannot be read.
    fn times(&self) -> Result<Vec<Timestamp>> {
        Ok(Vec::new())
    }

    /// When the steps of each sequence were seen, where the file has a coordinate of time.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if the coordinate cannot be read.
    fn step_times(&self) -> Result<Option<Times>> {
        Ok(None)
    }

    /// What the numbers are, where the file says it.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if it cannot be read.
    fn content(&self) -> Result<Option<Content>> {
        Ok(None)
    }

    /// What the file says about the frames besides their numbers, such as where their pixels lie.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if it cannot be read.
    fn description(&self) -> Result<Description> {
        Ok(Description::default())
    }

    /// What the axes of the array are, as the user sees them; `None` of pictures.
    fn axes(&self) -> Option<Axes> {
        None
    }

    /// Whether a sequence is read without reading those before it.
    fn is_seekable(&self) -> bool {
        false
    }

    /// Whether a frame is gathered from all over the file, so that frames that follow each other are read together.
    fn is_scattered(&self) -> bool {
        false
    }

    /// Whether each frame is a file of its own, so that one that is damaged is a gap between others.
    fn has_file_per_frame(&self) -> bool {
        false
    }

    /// Calls `visit` with some frames of some sequences, the frames of a sequence in the order of time. What reading takes is counted in the
    /// budget that the source was opened with, and given back at the end.
    ///
    /// # Errors
    /// [`Error::Memory`] if it takes more than the budget allows; [`Error::Format`] if the file is damaged, after the frames before the
    /// damage were visited, or with the place of a number out of the range; the errors of `visit`.
    fn visit(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()>;

    /// As [`visit`](Self::visit), where each frame is a file of its own: one that is damaged goes to `failed`, and the others are visited.
    ///
    /// # Errors
    /// The errors of [`visit`](Self::visit) but for damaged files; the errors of `failed`.
    fn visit_readable(
        &self,
        sequences: Range<usize>,
        steps: Range<usize>,
        visit: Visit<'_>,
        _failed: Failed<'_>,
    ) -> Result<()> {
        self.visit(sequences, steps, visit)
    }
}

/// Gets the error of a damaged file, with its step if it has one.
pub(super) type Failed<'a> = &'a mut dyn FnMut(Option<usize>, Error) -> Result<()>;

/// Takes damage for an error.
pub(super) fn fail(_: Option<usize>, error: Error) -> Result<()> {
    Err(error)
}

/// Gets a frame.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Frame<'_>) -> Result<()>;

/// A frame that was read.
pub(super) struct Frame<'a> {
    /// Its sequence, and its step there.
    pub(super) sequence: usize,
    pub(super) step: usize,
    /// `[C, H, W]`.
    pub(super) shape: [usize; 3],
    /// Values 0 to 1, or of a source that was opened so the numbers of an array; NaN where a pixel is missing.
    pub(super) values: &'a [f32],
}

/// What frames of arrays are given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Values 0 to 1 of the range.
    Values,
    /// The numbers themselves, whatever the range, those that are configured as missing among them.
    Numbers,
}

/// What a source holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FrameInfo {
    /// How many sequences, and how many frames each has.
    pub(super) sequences: usize,
    pub(super) steps: usize,
    /// Channels of a frame; `None` where decoding tells, as of images, which may be grey.
    pub(super) channels: Option<usize>,
    /// Rows and columns of a frame.
    pub(super) height: usize,
    pub(super) width: usize,
    /// How numbers are stored.
    pub(super) number_type: NumberType,
    /// The numbers of the values 0 and 1 where the configuration names none.
    pub(super) natural_range: [f64; 2],
    /// Whether pixels may be missing.
    pub(super) may_miss: bool,
}

impl FrameInfo {
    /// Images, of which one sequence is made. Every depth is read as 16 bits.
    fn of_images(steps: usize, height: usize, width: usize) -> Self {
        let number_type = NumberType::Unsigned(2);
        Self {
            sequences: 1,
            steps,
            channels: None,
            height,
            width,
            number_type,
            natural_range: number_type.natural_range(),
            may_miss: false,
        }
    }
}

/// Opens a picture as a sequence of one frame.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is none.
pub(super) fn open_picture(path: &Path, budget: &ReadBudget) -> Result<Box<dyn FrameSource>> {
    Ok(Box::new(PictureFolder::of_picture(path, budget)?))
}

/// Opens what a file or a folder of images holds, as a configuration says how it is read.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it holds no frames.
pub(super) fn open(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Box<dyn FrameSource>> {
    open_as(path, config, budget, Given::Values)
}

/// As [`open`], with frames of what is asked for.
///
/// # Errors
/// The errors of [`open`].
pub(super) fn open_as(
    path: &Path,
    config: &FramesConfig,
    budget: &ReadBudget,
    given: Given,
) -> Result<Box<dyn FrameSource>> {
    let array = |array| {
        Ok(Box::new(ArraySource::new(path, array, config, budget)?.giving(given)) as Box<dyn FrameSource>)
    };
    if std::fs::metadata(path).map_err(Error::io("read", path))?.is_dir() && !is_store(path) {
        return match held(path, config, budget)? {
            Held::Arrays => Ok(Box::new(FilePerFrame::open(path, config, budget, given)?)),
            Held::Animation(path) => open_as(&path, config, budget, given),
            Held::Pictures => Ok(Box::new(PictureFolder::open(path, budget, given)?)),
            Held::Other => {
                FilePerFrame::expect_none(path, config, budget)?;
                Ok(Box::new(PictureFolder::open(path, budget, given)?))
            }
        };
    }
    match Format::of(path) {
        Some(Format::Npy) => array(Box::new(NpyArray::open(path)?)),
        Some(Format::Npz) => array(Box::new(NpyArray::open_member(path, &config.member)?)),
        Some(Format::Gridded) => {
            let file = GriddedFile::open(path, budget)?;
            match knmi_forecast::Forecast::of(&file, config)? {
                Some(forecast) => array(Box::new(forecast)),
                None => array(Box::new(gridded::Dataset::of(file, config, budget)?)),
            }
        }
        Some(Format::Grib) => array(Box::new(grib::GribFile::open(path, config, budget)?)),
        Some(Format::Gif) => Ok(Box::new(gif::Gif::open(path, budget, given)?)),
        Some(Format::Png) => match apng::Apng::open(path, budget, given)? {
            Some(animation) => Ok(Box::new(animation)),
            None => Err(unknown(path)),
        },
        None => Err(unknown(path)),
    }
}

/// The shape of the array in a `.npy` file, and how its numbers are stored; `None` of any other file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`] if it cannot be read.
pub(super) fn shape_of_npy(path: &Path) -> Result<Option<(Vec<usize>, NumberType)>> {
    if Format::named(path) != Some(Format::Npy) {
        return Ok(None);
    }
    let array = NpyArray::open(path)?;
    let mut shape = array.stored_shape();
    if array.is_column_major() {
        shape.reverse();
    }
    Ok(Some((shape, array.number_type())))
}

/// How many sequences a file or a folder of images holds; `None` if it is neither. Images are not looked at.
///
/// # Errors
/// The errors of [`open`].
pub(super) fn sequences_in(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Option<usize>> {
    if input::is_folder(path)? && !is_store(path) {
        return Ok(match held(path, config, budget)? {
            Held::Pictures | Held::Arrays => Some(1),
            Held::Animation(_) | Held::Other => None,
        });
    }
    match Format::of(path) {
        None if pictures::is_picture(path) => Err(unknown(path)),
        None => Ok(None),
        Some(Format::Gif) => Ok(Some(1)),
        Some(_) => Ok(Some(open(path, config, budget)?.info()?.sequences)),
    }
}

/// What a folder holds.
enum Held {
    /// Pictures, of which each is a frame.
    Pictures,
    /// One picture, which is an animation.
    Animation(PathBuf),
    /// Arrays of one frame each.
    Arrays,
    /// Sequences of their own, or nothing.
    Other,
}

fn held(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Held> {
    let pictures = pictures::pictures(path, &mut budget.keep(path, 0)?)?;
    Ok(match &pictures[..] {
        [] if FilePerFrame::is_held(path, config, budget)? => Held::Arrays,
        [] => Held::Other,
        [only] if apng::is_animated(only) => Held::Animation(only.clone()),
        [first, ..] if apng::is_animated(first) => Held::Other,
        _ => Held::Pictures,
    })
}

fn unknown(path: &Path) -> Error {
    let found = match path.extension() {
        _ if pictures::is_picture(path) => {
            "is a single picture; give the folder of the frames instead".to_owned()
        }
        Some(extension) => format!("has the unknown extension .{}", extension.to_string_lossy()),
        None => "is a file without an extension".to_owned(),
    };
    Error::Format {
        path: path.into(),
        reason: format!(
            "{found} (frames are read from a .npy, .npz, HDF5 (.h5), netCDF (.nc), Zarr (.zarr), GRIB (.grib2) or .gif file, an animated .png or a folder of PNG or JPEG images)"
        ),
    }
}
