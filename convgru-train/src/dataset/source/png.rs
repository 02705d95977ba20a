//! PNG images: headers, and pixels of every colour type and depth.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, DecodeOptions, Decoder, Limits, OutputInfo, Reader, Transformations};

use super::image::{Image, check_image};
use crate::dataset::caught::caught;
use crate::error::{Error, Result};
use crate::input;

/// Bytes of a pixel of an image that is being decoded: up to four channels of sixteen bits, as bytes and as numbers, and three of them.
pub(super) const DECODED_BYTES: usize = 8 + 8 + 6;
/// Bytes of an image that are not pixels: palettes, rows, the decoder itself.
pub(super) const OTHER_BYTES: usize = 1 << 20;

/// A PNG whose header was read.
pub(super) type Opened = Reader<BufReader<File>>;

pub(super) fn damaged(path: &Path, error: png::DecodingError) -> Error {
    let reason = format!("damaged PNG: {error}");
    input::failed(path, &std::io::Error::from(error), || reason)
}

/// Opens a PNG and reads its header: its width, height and animation, if it has any.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is damaged, or larger than is read.
pub(super) fn opened(path: &Path) -> Result<Opened> {
    opened_as(path, false)
}

/// As [`opened`]; where all must be whole, also chunks that still images do without.
///
/// # Errors
/// The errors of [`opened`].
pub(super) fn opened_as(path: &Path, is_all_needed: bool) -> Result<Opened> {
    let file = input::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let mut options = DecodeOptions::default();
    options.set_skip_ancillary_crc_failures(!is_all_needed);
    let mut decoder = Decoder::new_with_options(BufReader::new(file), options);
    decoder.set_limits(Limits { bytes: OTHER_BYTES });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let header = caught(path, || decoder.read_header_info().map_err(|error| damaged(path, error)))?;
    check_image(path, header.width.into(), header.height.into())?;
    let size = [header.width as usize, header.height as usize];
    expect_held(path, header, length)?;
    // Eight bytes is the largest pixel: four channels of sixteen bits.
    decoder.set_limits(Limits { bytes: 8 * size[0] * size[1] + OTHER_BYTES });
    let reader = caught(path, || decoder.read_info().map_err(|error| damaged(path, error)))?;
    let palette = reader.info().palette.as_ref().map_or(0, |palette| palette.len());
    if palette % 3 != 0 {
        let reason = format!("damaged PNG: its palette has {palette} bytes, which is no multiple of 3");
        return Err(Error::Format { path: path.into(), reason });
    }
    Ok(reader)
}

/// Width and height of an image.
pub(super) fn size(image: &Opened) -> [usize; 2] {
    [image.info().width as usize, image.info().height as usize]
}

/// The frames of an animation; 1 of a still image.
pub(super) fn frames(image: &Opened) -> usize {
    image.info().animation_control.map_or(1, |animation| animation.num_frames.max(1) as usize)
}

/// Whether all pixels are grey whatever they are, by the header.
pub(super) fn is_grey(image: &Opened) -> bool {
    matches!(image.info().color_type, ColorType::Grayscale | ColorType::GrayscaleAlpha)
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

/// Decodes a still image. Palettes are expanded, opacity is laid over black.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`] if it is damaged.
pub(super) fn image(path: &Path, mut reader: Opened) -> Result<Image> {
    let mut buffer = buffer(path, &reader)?;
    let info = caught(path, || reader.next_frame(&mut buffer).map_err(|error| damaged(path, error)))?;
    reader.finish().map_err(|error| damaged(path, error))?;
    let rgba = rgba(&info, &buffer[..info.buffer_size()]);
    let over_black = |pixel: &[u16; 4]| [0, 1, 2].map(|channel| over_black(pixel[channel], pixel[3]));
    let rgb = rgba.iter().flat_map(over_black).collect();
    Ok(Image { width: info.width as usize, height: info.height as usize, rgb })
}

/// Room for the pixels of an image.
///
/// # Errors
/// [`Error::Format`] if its size cannot be computed, [`Error::Io`] if there is no room.
pub(super) fn buffer(path: &Path, reader: &Opened) -> Result<Vec<u8>> {
    let size = reader.output_buffer_size().ok_or_else(|| Error::Format {
        path: path.into(),
        reason: "damaged PNG: the size of the image cannot be computed".into(),
    })?;
    input::zeros(size).map_err(Error::io("read", path))
}

/// Red, green, blue and opacity of pixels, in sixteen bits.
pub(super) fn rgba(info: &OutputInfo, bytes: &[u8]) -> Vec<[u16; 4]> {
    let sample = |bytes: &[u8]| match info.bit_depth {
        BitDepth::Sixteen => u16::from_be_bytes([bytes[0], bytes[1]]),
        _ => u16::from(bytes[0]) * 257,
    };
    let width = if info.bit_depth == BitDepth::Sixteen { 2 } else { 1 };
    let pixel = |bytes: &[u8]| {
        let at = |channel: usize| sample(&bytes[channel * width..]);
        match info.color_type {
            ColorType::Grayscale => [at(0), at(0), at(0), u16::MAX],
            ColorType::GrayscaleAlpha => [at(0), at(0), at(0), at(1)],
            ColorType::Rgb | ColorType::Indexed => [at(0), at(1), at(2), u16::MAX],
            ColorType::Rgba => [at(0), at(1), at(2), at(3)],
        }
    };
    let channels = match info.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb | ColorType::Indexed => 3,
        ColorType::Rgba => 4,
    };
    bytes.chunks_exact(channels * width).map(pixel).collect()
}

/// A colour of the given opacity over black, rounded.
pub(super) fn over_black(value: u16, opacity: u16) -> u16 {
    ((u64::from(value) * u64::from(opacity) + 32767) / 65535) as u16
}
