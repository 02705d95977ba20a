//! Folders of PNG images, one frame each.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};

use super::image::{Image, check_image, check_sequence, visit_images};
use super::{FrameInfo, FrameSource, Visit, is_hidden, natural_order};
use crate::error::{Error, Result};
use crate::input;
use crate::printable::printable;
use crate::read_budget::{Kept, ReadBudget, bytes_of};

/// Bytes of a pixel of each frame: three colours of 16 bits, and then as `f32`.
const PIXEL_BYTES: usize = 3 * (size_of::<u16>() + size_of::<f32>());
/// Bytes of a pixel of an image that is being decoded: up to four channels of sixteen bits, twice, and three of them.
const DECODED_BYTES: usize = 8 + 8 + 6;
/// Bytes of an image that are not pixels: palettes, rows, the decoder itself.
const OTHER_BYTES: usize = 1 << 20;
/// Bytes of a name in a list of files, besides its characters.
const NAME_BYTES: usize = 64;

/// A folder of images: one sequence, its `*.png` in natural order; other files are left alone.
pub(super) struct PngFolder {
    folder: PathBuf,
    budget: ReadBudget,
    paths: Vec<PathBuf>,
    info: FrameInfo,
    _names: Kept,
}

impl PngFolder {
    /// Lists the images of a folder and reads the header of the first.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be read, [`Error::Format`] if there are none, or larger or more ones than are read.
    pub(super) fn open(folder: &Path, budget: &ReadBudget) -> Result<Self> {
        let (paths, names) = image_paths(folder, budget)?;
        Self::of_paths(folder, paths, names, budget)
    }

    /// A picture alone.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn of_picture(path: &Path, budget: &ReadBudget) -> Result<Self> {
        Self::of_paths(path, vec![path.into()], budget.keep(path, 0)?, budget)
    }

    fn of_paths(folder: &Path, paths: Vec<PathBuf>, names: Kept, budget: &ReadBudget) -> Result<Self> {
        let (first, [width, height]) = opened(&paths[0])?;
        let first = first.read_info().map_err(|error| damaged(&paths[0], error))?;
        expect_still(&paths[0], first.info())?;
        check_sequence(folder, paths.len(), width as u64, height as u64)?;
        let info = FrameInfo::of_images(paths.len(), height, width);
        Ok(Self { folder: folder.into(), budget: budget.clone(), paths, info, _names: names })
    }
}

impl FrameSource for PngFolder {
    fn info(&self) -> Result<FrameInfo> {
        Ok(self.info)
    }

    fn visit(&self, _: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        let size = [self.info.width, self.info.height];
        let once = bytes_of(DECODED_BYTES, &size).saturating_add(OTHER_BYTES as u64);
        let working = bytes_of(PIXEL_BYTES, &[self.paths.len(), size[0], size[1]]).saturating_add(once);
        let _working = self.budget.work(&self.folder, working)?;
        let mut images: Vec<Image> = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            let (decoder, [width, height]) = opened(path)?;
            if [width, height] != size {
                let reason = format!(
                    "an image of {width} x {height} pixels among images of {} x {} (the first is {}); all frames must have one size",
                    size[0],
                    size[1],
                    printable(&self.paths[0])
                );
                return Err(Error::Format { path: path.clone(), reason });
            }
            images.push(image(path, decoder)?);
        }
        visit_images(&images, steps, visit)
    }
}

/// The images of a folder in natural order, at least one.
fn image_paths(folder: &Path, budget: &ReadBudget) -> Result<(Vec<PathBuf>, Kept)> {
    let mut names = budget.keep(folder, 0)?;
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if !is_hidden(&path)
            && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
        {
            names.more(folder, (path.as_os_str().len() + NAME_BYTES) as u64)?;
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let reason = "a folder without a .png file; frames are read from name.png in natural order".into();
        return Err(Error::Format { path: folder.into(), reason });
    }
    paths.sort_by(|a, b| natural_order::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok((paths, names))
}

fn damaged(path: &Path, error: png::DecodingError) -> Error {
    let reason = format!("damaged PNG: {error}");
    input::failed(path, &std::io::Error::from(error), || reason)
}

/// A PNG whose header was read, with its width and height.
fn opened(path: &Path) -> Result<(Decoder<BufReader<File>>, [usize; 2])> {
    let file = input::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), Limits { bytes: OTHER_BYTES });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(|error| damaged(path, error))?;
    check_image(path, header.width.into(), header.height.into())?;
    let size = [header.width as usize, header.height as usize];
    expect_held(path, header, length)?;
    // Eight bytes is the largest pixel: four channels of sixteen bits.
    decoder.set_limits(Limits { bytes: 8 * size[0] * size[1] + OTHER_BYTES });
    Ok((decoder, size))
}

/// Refuses an image that a file of `length` bytes cannot unpack to.
fn expect_held(path: &Path, header: &png::Info<'_>, length: u64) -> Result<()> {
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    let needed = (width * header.bits_per_pixel() as u64).div_ceil(8) * height;
    let most = length.saturating_mul(input::MOST_OF_A_BYTE);
    if needed <= most {
        return Ok(());
    }
    let reason = format!(
        "damaged PNG: announces {width} x {height} pixels, which take {needed} bytes, but the {length} bytes of the file \
         unpack to at most {most}; fetch it again"
    );
    Err(Error::Format { path: path.into(), reason })
}

/// Refuses an animation, of which only the first frame would be read.
fn expect_still(path: &Path, header: &png::Info<'_>) -> Result<()> {
    match header.animation_control.map_or(1, |animation| animation.num_frames) {
        0 | 1 => Ok(()),
        frames => {
            let reason = format!(
                "is an animated PNG of {frames} frames, and frames are read from one PNG each; save each frame as a PNG in a folder of its \
                 own, or all as a GIF"
            );
            Err(Error::Format { path: path.into(), reason })
        }
    }
}

/// Decodes a PNG of any colour type and depth. Palettes are expanded, opacity
/// is laid over black.
fn image(path: &Path, decoder: Decoder<BufReader<File>>) -> Result<Image> {
    let damaged = |error: png::DecodingError| damaged(path, error);
    let mut reader = decoder.read_info().map_err(damaged)?;
    expect_still(path, reader.info())?;
    let size = reader.output_buffer_size().ok_or_else(|| Error::Format {
        path: path.into(),
        reason: "damaged PNG: the size of the image cannot be computed".into(),
    })?;
    let mut buffer = input::zeros(size).map_err(Error::io("read", path))?;
    let info = reader.next_frame(&mut buffer).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    buffer.truncate(info.buffer_size());

    let values: Vec<u16> = match info.bit_depth {
        BitDepth::Sixteen => {
            buffer.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
        }
        _ => buffer.iter().map(|&value| u16::from(value) * 257).collect(),
    };
    let rgb = match info.color_type {
        ColorType::Grayscale => values.iter().flat_map(|&grey| [grey; 3]).collect(),
        ColorType::GrayscaleAlpha => {
            values.chunks_exact(2).flat_map(|pixel| [over_black(pixel[0], pixel[1]); 3]).collect()
        }
        ColorType::Rgba => values
            .chunks_exact(4)
            .flat_map(|pixel| [0, 1, 2].map(|channel| over_black(pixel[channel], pixel[3])))
            .collect(),
        ColorType::Rgb | ColorType::Indexed => values,
    };
    Ok(Image { width: info.width as usize, height: info.height as usize, rgb })
}

/// A colour of the given opacity over black, rounded.
fn over_black(value: u16, opacity: u16) -> u16 {
    ((u64::from(value) * u64::from(opacity) + 32767) / 65535) as u16
}
