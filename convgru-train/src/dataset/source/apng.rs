//! Animated PNG files.

use std::io::{BufReader, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

use png::{BlendOp, DisposeOp, FrameControl};

use super::image::{Greyness, Image, VisitImage, check_sequence, value_bytes, visit_image};
use super::png::{self as still, damaged, over_black};
use super::{FrameInfo, FrameSource, Given, Visit};
use crate::dataset::caught::caught;
use crate::error::{Error, Result};
use crate::input;
use crate::read_budget::{ReadBudget, bytes_of};

/// Bytes of a pixel of what frames are drawn with: the canvas, as it was before, and the picture of it.
const CANVAS_BYTES: usize = 8 + 8 + 6;

/// Chunks before the first pixels that are looked at.
const MOST_CHUNKS: usize = 4096;

/// Whether a file is a PNG of several frames, by its chunk `acTL`, whether that is whole or not. A file that cannot be read is none.
pub(super) fn is_animated(path: &Path) -> bool {
    let is_png = path.extension().is_some_and(|own| own.eq_ignore_ascii_case("png"));
    is_png
        && input::open(path)
            .is_ok_and(|file| announced(&mut BufReader::new(file)).is_some_and(|frames| frames > 1))
}

/// The number of frames that a PNG announces; `None` if it announces none.
fn announced(file: &mut (impl Read + Seek)) -> Option<u32> {
    let mut signature = [0; 8];
    file.read_exact(&mut signature).ok()?;
    for _ in 0..MOST_CHUNKS {
        let (mut length, mut name, mut frames) = ([0; 4], [0; 4], [0; 4]);
        file.read_exact(&mut length).ok()?;
        file.read_exact(&mut name).ok()?;
        match &name {
            b"acTL" => {
                file.read_exact(&mut frames).ok()?;
                return Some(u32::from_be_bytes(frames));
            }
            b"IDAT" | b"IEND" => return None,
            // The content, and four bytes of its checksum.
            _ => file.seek_relative(i64::from(u32::from_be_bytes(length)) + 4).ok()?,
        }
    }
    None
}

/// An animation: one sequence of frames as a viewer shows them.
pub(super) struct Apng {
    path: PathBuf,
    budget: ReadBudget,
    given: Given,
    info: FrameInfo,
    greyness: Greyness,
}

impl Apng {
    /// Opens a file; no frame is decoded. `None` if it is a still image.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged, or has larger or more frames than are read.
    pub(super) fn open(path: &Path, budget: &ReadBudget, given: Given) -> Result<Option<Self>> {
        if !is_animated(path) {
            return Ok(None);
        }
        let opened = still::opened_as(path, true)?;
        let ([width, height], steps) = (still::size(&opened), still::frames(&opened));
        check_sequence(path, steps, width as u64, height as u64)?;
        let greyness = Greyness::told(still::is_grey(&opened));
        let info = FrameInfo::of_images(steps, height, width);
        Ok(Some(Self { path: path.into(), budget: budget.clone(), given, info, greyness }))
    }

    /// Calls `visit` with the first `count` frames until it answers that it has seen enough.
    fn frames(&self, count: usize, visit: VisitImage<'_>) -> Result<()> {
        let path = &self.path;
        let mut reader = still::opened_as(path, true)?;
        if still::frames(&reader) != self.info.steps {
            let reason = "has another number of frames than before; it was changed while it was read".into();
            return Err(Error::Format { path: path.into(), reason });
        }
        let mut buffer = still::buffer(path, &reader)?;
        let mut canvas = Canvas::new(path, [self.info.width, self.info.height])?;
        // An image before the frames is for programs that show no animation.
        if reader.info().frame_control().is_none() {
            caught(path, || reader.next_frame(&mut buffer).map_err(|error| damaged(path, error)))?;
        }
        for step in 0..count {
            let output =
                caught(path, || reader.next_frame(&mut buffer).map_err(|error| damaged(path, error)))?;
            let control = reader.info().frame_control().copied().filter(|own| canvas.holds(own));
            let control = control.filter(|own| [own.width, own.height] == [output.width, output.height]);
            let control = control.ok_or_else(|| Error::Format {
                path: path.clone(),
                reason: format!("damaged PNG: frame {step} has no place on the canvas; fetch it again"),
            })?;
            let pixels = still::rgba(&output, &buffer[..output.buffer_size()]);
            if !visit(step, canvas.show(&control, &pixels, step == 0))? {
                return Ok(());
            }
        }
        if count == self.info.steps {
            reader.finish().map_err(|error| damaged(path, error))?;
        }
        Ok(())
    }
}

impl FrameSource for Apng {
    fn info(&self) -> Result<FrameInfo> {
        Ok(self.info)
    }

    fn visit(&self, _: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        let size = [self.info.width, self.info.height];
        let once =
            bytes_of(still::DECODED_BYTES + CANVAS_BYTES, &size).saturating_add(still::OTHER_BYTES as u64);
        let _working = self.budget.work(&self.path, once.saturating_add(value_bytes(size)))?;
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

/// What a viewer has on its screen while frames come in.
struct Canvas {
    width: usize,
    height: usize,
    /// Red, green, blue and opacity of each pixel; where nothing is drawn it is transparent.
    rgba: Vec<[u16; 4]>,
}

impl Canvas {
    fn new(path: &Path, [width, height]: [usize; 2]) -> Result<Self> {
        let rgba = input::zeros(width * height).map_err(Error::io("read", path))?;
        Ok(Self { width, height, rgba })
    }

    /// Whether the rectangle of a frame lies on it.
    fn holds(&self, control: &FrameControl) -> bool {
        let end = |offset: u32, length: u32| u64::from(offset) + u64::from(length);
        end(control.x_offset, control.width) <= self.width as u64
            && end(control.y_offset, control.height) <= self.height as u64
    }

    /// Draws a frame, takes the picture over black, and disposes of the frame as the PNG specification (third edition, "fcTL") asks.
    fn show(&mut self, control: &FrameControl, pixels: &[[u16; 4]], is_first: bool) -> Image {
        // There is nothing before the first frame to come back to.
        let dispose = match control.dispose_op {
            DisposeOp::Previous if is_first => DisposeOp::Background,
            dispose => dispose,
        };
        let before = (dispose == DisposeOp::Previous).then(|| self.rgba.clone());
        self.draw(control, |place, at| match control.blend_op {
            BlendOp::Source => pixels[at],
            BlendOp::Over => over(pixels[at], place),
        });
        let colours = |pixel: &[u16; 4]| [0, 1, 2].map(|channel| over_black(pixel[channel], pixel[3]));
        let rgb = self.rgba.iter().flat_map(colours).collect();
        match (before, dispose) {
            (Some(before), _) => self.rgba = before,
            (None, DisposeOp::Background) => self.draw(control, |_, _| [0; 4]),
            (None, _) => {}
        }
        Image { width: self.width, height: self.height, rgb }
    }

    /// Sets the pixels of a frame's rectangle to what `colour` makes of them, counted over the frame.
    fn draw(&mut self, control: &FrameControl, colour: impl Fn([u16; 4], usize) -> [u16; 4]) {
        let [left, top, width, height] =
            [control.x_offset, control.y_offset, control.width, control.height].map(|number| number as usize);
        for row in 0..height {
            let begin = (top + row) * self.width + left;
            for (column, place) in self.rgba[begin..begin + width].iter_mut().enumerate() {
                *place = colour(*place, row * width + column);
            }
        }
    }
}

/// A pixel over another, as the PNG specification ("Alpha channel processing") has it.
fn over(front: [u16; 4], back: [u16; 4]) -> [u16; 4] {
    const OPAQUE: u64 = u16::MAX as u64;
    let [front_opacity, back_opacity] = [front[3], back[3]].map(u64::from);
    if front_opacity == OPAQUE || back_opacity == 0 {
        return front;
    }
    // Shares of both in 65535ths of 65535ths.
    let (of_front, of_back) = (front_opacity * OPAQUE, (OPAQUE - front_opacity) * back_opacity);
    let opacity = of_front + of_back;
    if opacity == 0 {
        return back;
    }
    let mixed = |channel: usize| {
        let sum = u64::from(front[channel]) * of_front + u64::from(back[channel]) * of_back;
        ((sum + opacity / 2) / opacity) as u16
    };
    [mixed(0), mixed(1), mixed(2), ((opacity + OPAQUE / 2) / OPAQUE) as u16]
}

#[cfg(test)]
mod tests;
