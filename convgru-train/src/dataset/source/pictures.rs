//! Folders of pictures, PNG or JPEG, one frame each.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::file_times::FileTimes;
use super::image::{Greyness, Image, check_sequence, value_bytes, visit_image};
use super::{Failed, FrameInfo, FrameSource, Given, Times, Visit, fail, is_hidden, jpeg, natural_order, png};
use crate::error::{Error, Result};
use crate::printable::printable;
use crate::read_budget::{Kept, ReadBudget, bytes_of};

/// Bytes of a name in a list of files, besides its characters.
const NAME_BYTES: usize = 64;

/// What pictures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Png,
    Jpeg,
}

impl Kind {
    /// What the name of a file announces.
    fn named(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            _ => None,
        }
    }
}

/// Whether a file is a picture, by its name. Hidden files are none.
pub(super) fn is_picture(path: &Path) -> bool {
    !is_hidden(path) && Kind::named(path).is_some()
}

/// The pictures in a folder, in natural order.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read, [`Error::Memory`] if the names take too much.
pub(super) fn pictures(folder: &Path, names: &mut Kept) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if is_picture(&path) {
            names.more(folder, (path.as_os_str().len() + NAME_BYTES) as u64)?;
            paths.push(path);
        }
    }
    paths.sort_by(|a, b| natural_order::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(paths)
}

/// A folder of pictures: one sequence, its `*.png`, or its `*.jpg` and `*.jpeg`, in natural order; other files are left alone.
pub(super) struct PictureFolder {
    folder: PathBuf,
    budget: ReadBudget,
    given: Given,
    paths: Vec<PathBuf>,
    info: FrameInfo,
    greyness: Greyness,
    _names: Kept,
}

impl PictureFolder {
    /// Lists the pictures of a folder and reads the header of the first.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be read, [`Error::Format`] if there are none, PNG and JPEG are mixed, or they are larger or more than
    /// are read.
    pub(super) fn open(folder: &Path, budget: &ReadBudget, given: Given) -> Result<Self> {
        let mut names = budget.keep(folder, 0)?;
        let paths = pictures(folder, &mut names)?;
        Self::of_paths(folder, (paths, names), budget, given)
    }

    /// A picture alone.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn of_picture(path: &Path, budget: &ReadBudget) -> Result<Self> {
        Self::of_paths(path, (vec![path.into()], budget.keep(path, 0)?), budget, Given::Values)
    }

    fn of_paths(
        folder: &Path,
        (paths, names): (Vec<PathBuf>, Kept),
        budget: &ReadBudget,
        given: Given,
    ) -> Result<Self> {
        let refuse = |reason| Error::Format { path: folder.into(), reason };
        let Some(first) = paths.first() else {
            return Err(refuse(
                "a folder without a .png, .jpg or .jpeg file; frames are read from name.png or name.jpg in natural order".into(),
            ));
        };
        let kind = Kind::named(first);
        if let Some(other) = paths.iter().find(|path| Kind::named(path) != kind) {
            return Err(refuse(format!(
                "holds PNG and JPEG, such as {} and {}; JPEG changes numbers and PNG does not, so that the frames of a sequence are of one \
                 of them: put the others into a folder of their own",
                printable(first.file_name().unwrap_or_default()),
                printable(other.file_name().unwrap_or_default())
            )));
        }
        let [width, height] = Opened::new(first)?.size();
        check_sequence(folder, paths.len(), width as u64, height as u64)?;
        let info = FrameInfo::of_images(paths.len(), height, width);
        Ok(Self {
            folder: folder.into(),
            budget: budget.clone(),
            given,
            paths,
            info,
            greyness: Greyness::default(),
            _names: names,
        })
    }

    /// A picture, of the size of the first.
    fn image(&self, path: &Path) -> Result<Image> {
        let opened = self.opened(path)?;
        opened.image(path)
    }

    /// A picture whose header was read, of the size of the first.
    fn opened(&self, path: &Path) -> Result<Opened> {
        let opened = Opened::new(path)?;
        let [width, height] = opened.size();
        if [width, height] == [self.info.width, self.info.height] {
            return Ok(opened);
        }
        let reason = format!(
            "an image of {width} x {height} pixels among images of {} x {} (the first is {}); all frames must have one size",
            self.info.width,
            self.info.height,
            printable(&self.paths[0])
        );
        Err(Error::Format { path: path.into(), reason })
    }

    /// Channels of all frames: one if all pictures are grey. Pictures are decoded until one has colours; whoever reads the damaged ones is
    /// told, this is not.
    fn channels(&self) -> Result<usize> {
        self.greyness.channels(|| {
            for path in &self.paths {
                let own = self
                    .opened(path)
                    .and_then(|opened| Ok(opened.is_grey() || opened.image(path)?.is_grey()));
                match own {
                    Ok(true) | Err(Error::Format { .. }) => {}
                    Ok(false) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            Ok(true)
        })
    }

    /// Visits the frame of a picture.
    fn frame(&self, step: usize, visit: Visit<'_>) -> Result<()> {
        let image = self.image(&self.paths[step])?;
        let channels = match self.given {
            Given::Values => self.channels()?,
            // Whoever looks at some pictures does not wait for all.
            Given::Numbers => image.channels(),
        };
        visit_image(&image, channels, step, visit)
    }
}

impl FrameSource for PictureFolder {
    fn info(&self) -> Result<FrameInfo> {
        Ok(self.info)
    }

    fn step_times(&self) -> Result<Option<Times>> {
        FileTimes::of_names(&self.paths)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn has_file_per_frame(&self) -> bool {
        true
    }

    fn visit(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        self.visit_readable(sequences, steps, visit, &mut fail)
    }

    fn visit_readable(
        &self,
        _: Range<usize>,
        steps: Range<usize>,
        visit: Visit<'_>,
        failed: Failed<'_>,
    ) -> Result<()> {
        let size = [self.info.width, self.info.height];
        let decoded = png::DECODED_BYTES.max(jpeg::DECODED_BYTES);
        let once = bytes_of(decoded, &size).saturating_add(png::OTHER_BYTES as u64);
        let _working = self.budget.work(&self.folder, once.saturating_add(value_bytes(size)))?;
        for step in steps {
            match self.frame(step, visit) {
                Err(error @ Error::Format { .. }) => failed(Some(step), error)?,
                other => other?,
            }
        }
        Ok(())
    }
}

/// A picture whose header was read.
enum Opened {
    Png(Box<png::Opened>),
    Jpeg(Box<jpeg::Opened>),
}

impl Opened {
    fn new(path: &Path) -> Result<Self> {
        match Kind::named(path) {
            Some(Kind::Jpeg) => Ok(Self::Jpeg(Box::new(jpeg::opened(path)?))),
            _ => {
                let opened = png::opened(path)?;
                expect_still(path, &opened)?;
                Ok(Self::Png(Box::new(opened)))
            }
        }
    }

    /// Width and height.
    fn size(&self) -> [usize; 2] {
        match self {
            Self::Png(opened) => png::size(opened),
            Self::Jpeg(opened) => opened.size(),
        }
    }

    /// Whether all pixels are grey whatever they are.
    fn is_grey(&self) -> bool {
        match self {
            Self::Png(opened) => png::is_grey(opened),
            Self::Jpeg(opened) => opened.is_grey,
        }
    }

    fn image(self, path: &Path) -> Result<Image> {
        match self {
            Self::Png(opened) => png::image(path, *opened),
            Self::Jpeg(opened) => jpeg::image(path, *opened),
        }
    }
}

/// Refuses an animation among still images, of which only the first frame would be read.
fn expect_still(path: &Path, opened: &png::Opened) -> Result<()> {
    match png::frames(opened) {
        1 => Ok(()),
        frames => {
            let reason = format!(
                "is an animated PNG of {frames} frames among still images, and a folder holds either images, of which each is a frame, or \
                 animations, of which each is a sequence; put it into a folder of its own"
            );
            Err(Error::Format { path: path.into(), reason })
        }
    }
}

#[cfg(test)]
mod tests;
