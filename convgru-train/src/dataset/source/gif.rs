//! Animated GIF files.

use std::fs::File;
use std::io::BufReader;
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};

use gif::{ColorOutput, DecodeOptions, DisposalMethod, Frame, MemoryLimit};

use super::image::{
    Greyness, Image, MAX_IMAGE_PIXELS, VisitImage, check_image, check_sequence, value_bytes, visit_image,
};
use super::{FrameInfo, FrameSource, Given, Visit};
use crate::counted::counted;
use crate::dataset::caught::caught;
use crate::error::{Error, Result};
use crate::input;
use crate::read_budget::{ReadBudget, bytes_of};

/// The bytes a decoded frame may take: red, green, blue and opacity.
const FRAME_BYTES: NonZeroU64 = NonZeroU64::new(4 * MAX_IMAGE_PIXELS).expect("the limit is above zero");
/// Bytes of a pixel of what frames are drawn with: the canvas, as it was before, the frame itself, and the picture of it.
const CANVAS_BYTES: usize = 3 + 3 + 4 + 4 + 6;

/// An animation: one sequence of frames as a viewer shows them.
pub(super) struct Gif {
    path: PathBuf,
    budget: ReadBudget,
    given: Given,
    info: FrameInfo,
    greyness: Greyness,
}

impl Gif {
    /// Opens a file and counts its frames; none is decoded.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged, has no frames, or larger ones than are read.
    pub(super) fn open(path: &Path, budget: &ReadBudget, given: Given) -> Result<Self> {
        let ([steps, width, height], has_grey_palettes) = size(path)?;
        let greyness = Greyness::told(has_grey_palettes);
        let info = FrameInfo::of_images(steps, height, width);
        Ok(Self { path: path.into(), budget: budget.clone(), given, info, greyness })
    }

    /// Calls `visit` with the first `count` frames until it answers that it has seen enough.
    fn frames(&self, count: usize, visit: VisitImage<'_>) -> Result<()> {
        let path = &self.path;
        let damaged = |error: gif::DecodingError| damaged(path, &error);
        let mut options = options();
        options.set_color_output(ColorOutput::RGBA);
        let mut decoder = caught(path, || options.read_info(opened(path)?).map_err(damaged))?;
        let mut canvas = Canvas::new(self.info.width, self.info.height);
        for step in 0..count {
            let Some(frame) = caught(path, || decoder.read_next_frame().map_err(damaged))? else {
                let reason = format!(
                    "had {}, and now has {step}; it was changed while it was read",
                    counted(self.info.steps, "frame")
                );
                return Err(Error::Format { path: path.into(), reason });
            };
            if !visit(step, canvas.show(frame))? {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl FrameSource for Gif {
    fn info(&self) -> Result<FrameInfo> {
        Ok(self.info)
    }

    fn visit(&self, _: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        let size = [self.info.width, self.info.height];
        let canvas = bytes_of(CANVAS_BYTES, &size);
        let _working = self.budget.work(&self.path, canvas.saturating_add(value_bytes(size)))?;
        let channels = match self.given {
            Given::Values => Some(self.greyness.channels_of(|visit| self.frames(self.info.steps, visit))?),
            Given::Numbers => None,
        };
        self.frames(steps.end, &mut |step, image| {
            if steps.contains(&step) {
                visit_image(&image, channels.unwrap_or(image.channels()), step, visit)?;
            }
            Ok(true)
        })
    }
}

/// How many frames there are, their width and height, and whether all palettes are grey; no frame is decoded.
fn size(path: &Path) -> Result<([usize; 3], bool)> {
    let damaged = |error: gif::DecodingError| damaged(path, &error);
    let mut options = options();
    options.skip_frame_decoding(true);
    let mut decoder = caught(path, || options.read_info(opened(path)?).map_err(damaged))?;
    let (width, height) = (decoder.width(), decoder.height());
    check_image(path, width.into(), height.into())?;
    let is_grey = |palette: &[u8]| {
        palette.chunks_exact(3).all(|colour| colour[0] == colour[1] && colour[1] == colour[2])
    };
    let mut are_grey = decoder.global_palette().is_none_or(is_grey);
    let mut count = 0;
    while let Some(frame) = caught(path, || decoder.next_frame_info().map_err(damaged))? {
        are_grey &= frame.palette.as_deref().is_none_or(is_grey);
        count += 1;
        check_sequence(path, count, width.into(), height.into())?;
    }
    if count == 0 {
        return Err(Error::Format { path: path.into(), reason: "a GIF without frames".into() });
    }
    Ok(([count, width.into(), height.into()], are_grey))
}

fn options() -> DecodeOptions {
    let mut options = DecodeOptions::new();
    options.check_frame_consistency(true);
    options.set_memory_limit(MemoryLimit::Bytes(FRAME_BYTES));
    options
}

fn opened(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::new(input::open(path).map_err(Error::io("read", path))?))
}

fn damaged(path: &Path, error: &gif::DecodingError) -> Error {
    input::failed(path, error, || format!("damaged GIF: {error}"))
}

/// What a viewer has on its screen while frames come in.
struct Canvas {
    width: usize,
    height: usize,
    /// Red, green, blue of each pixel. Where nothing is drawn it is black.
    rgb: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![0; width * height * 3] }
    }

    /// Draws a frame, takes the picture, and disposes of the frame as the
    /// graphic control extension of the GIF89a specification asks.
    fn show(&mut self, frame: &Frame<'_>) -> Image {
        let before = (frame.dispose == DisposalMethod::Previous).then(|| self.rgb.clone());
        self.draw(frame, |pixel| (pixel[3] != 0).then_some([pixel[0], pixel[1], pixel[2]]));
        let rgb = self.rgb.iter().map(|&value| u16::from(value) * 257).collect();
        match before {
            Some(before) => self.rgb = before,
            None if frame.dispose == DisposalMethod::Background => self.draw(frame, |_| Some([0; 3])),
            None => {}
        }
        Image { width: self.width, height: self.height, rgb }
    }

    /// Sets the pixels of the frame's rectangle to what `colour` makes of
    /// them; `None` leaves a pixel alone.
    fn draw(&mut self, frame: &Frame<'_>, colour: impl Fn(&[u8]) -> Option<[u8; 3]>) {
        let (left, top) = (usize::from(frame.left), usize::from(frame.top));
        let width = usize::from(frame.width).max(1);
        for (y, row) in frame.buffer.chunks_exact(width * 4).enumerate() {
            for (x, pixel) in row.chunks_exact(4).enumerate() {
                if let Some(colour) = colour(pixel) {
                    let at = ((top + y) * self.width + left + x) * 3;
                    self.rgb[at..at + 3].copy_from_slice(&colour);
                }
            }
        }
    }
}
