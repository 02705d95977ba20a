//! Images as frames: decoded pixels, grey or colour, and how large they may be.
//!
//! Headers are compared with the limits before any memory is reserved, so that a few hundred bytes cannot claim gigabytes.

use std::path::Path;
use std::sync::OnceLock;

use convgru_model::Tensor;

use super::{Frame, Visit};
use crate::read_budget::bytes_of;
use crate::{Error, Result};

/// The largest image accepted from a GIF, PNG or JPEG: 4096 x 4096 pixels.
pub(super) const MAX_IMAGE_PIXELS: u64 = 1 << 24;

/// The most values all frames of a GIF or folder may have, three for each
/// pixel: 268 million, or about one gibibyte as `f32`.
pub(super) const MAX_SEQUENCE_VALUES: u64 = 1 << 28;

/// Refuses images without pixels or with more than [`MAX_IMAGE_PIXELS`].
pub(super) fn check_image(path: &Path, width: u64, height: u64) -> Result<()> {
    let pixels = width.saturating_mul(height);
    let reason = if pixels == 0 {
        format!("an image of {width} x {height} pixels has nothing to show")
    } else if pixels > MAX_IMAGE_PIXELS {
        format!("an image of {width} x {height} pixels is above the limit of {MAX_IMAGE_PIXELS} pixels")
    } else {
        return Ok(());
    };
    Err(Error::Format { path: path.into(), reason })
}

/// Refuses sequences of more than [`MAX_SEQUENCE_VALUES`].
pub(super) fn check_sequence(path: &Path, frames: usize, width: u64, height: u64) -> Result<()> {
    let values = (frames as u64).saturating_mul(3).saturating_mul(width).saturating_mul(height);
    if values <= MAX_SEQUENCE_VALUES {
        return Ok(());
    }
    let reason = format!(
        "{frames} frames of {width} x {height} pixels have {values} values, above the limit of {MAX_SEQUENCE_VALUES}; \
         use fewer or smaller frames"
    );
    Err(Error::Format { path: path.into(), reason })
}

/// A decoded image. Sixteen bits hold every depth of PNG; eight-bit values are
/// multiplied by 257, so that `value / 65535` equals `byte / 255` exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Red, green, blue of each pixel, row by row.
    pub(super) rgb: Vec<u16>,
}

impl Image {
    /// Whether every pixel is grey.
    pub(super) fn is_grey(&self) -> bool {
        self.rgb.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
    }

    /// One if every pixel is grey, otherwise three.
    pub(super) fn channels(&self) -> usize {
        if self.is_grey() { 1 } else { 3 }
    }
}

/// Whether all pictures of a sequence are grey, once that is known.
#[derive(Default)]
pub(super) struct Greyness(OnceLock<bool>);

impl Greyness {
    /// The colour of pictures whose header or palette tells that all are grey; not known yet of other pictures.
    pub(super) fn told(are_grey: bool) -> Self {
        let known = OnceLock::new();
        if are_grey {
            known.get_or_init(|| true);
        }
        Self(known)
    }

    /// Channels of all frames: one if all pictures are grey. `look` finds it out where it is not known.
    ///
    /// # Errors
    /// The errors of `look`.
    pub(super) fn channels(&self, look: impl FnOnce() -> Result<bool>) -> Result<usize> {
        let are_grey = match self.0.get() {
            Some(known) => *known,
            None => {
                let found = look()?;
                *self.0.get_or_init(|| found)
            }
        };
        Ok(if are_grey { 1 } else { 3 })
    }

    /// As [`channels`](Self::channels) of an animation: `decode` gives its frames until one has colours.
    ///
    /// # Errors
    /// The errors of `decode`.
    pub(super) fn channels_of(&self, decode: impl FnOnce(VisitImage<'_>) -> Result<()>) -> Result<usize> {
        self.channels(|| {
            let mut is_grey = true;
            decode(&mut |_, image| {
                is_grey = image.is_grey();
                Ok(is_grey)
            })?;
            Ok(is_grey)
        })
    }
}

/// Gets a frame of an animation with its step, and answers whether it wants the next.
pub(super) type VisitImage<'a> = &'a mut dyn FnMut(usize, Image) -> Result<bool>;

/// Bytes of the values of a frame of a width and height.
pub(super) fn value_bytes(size: [usize; 2]) -> u64 {
    bytes_of(3 * size_of::<f32>(), &size)
}

/// Calls `visit` with an image as a frame of one channel (of a grey one) or of three.
///
/// # Errors
/// The errors of `visit`.
pub(super) fn visit_image(image: &Image, channels: usize, step: usize, visit: Visit<'_>) -> Result<()> {
    let Image { width, height, rgb } = image;
    let mut values = Vec::with_capacity(channels * width * height);
    for channel in 0..channels {
        values.extend(rgb.chunks_exact(3).map(|pixel| f32::from(pixel[channel]) / 65535.0));
    }
    visit(Frame { sequence: 0, step, shape: [channels, *height, *width], values: &values })
}

/// Frames with another number of channels: grey is repeated, RGB becomes its
/// luma `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601).
///
/// # Shapes
/// frames: `[.., C, H, W]`; returns: `[.., channels, H, W]`
///
/// # Errors
/// [`Error::Data`] if there are fewer than three dimensions or C has to change
/// otherwise than from 1 to any number or from 3 to 1.
pub(in crate::dataset) fn with_channels(frames: Tensor<f32>, channels: usize) -> Result<Tensor<f32>> {
    let refuse = |reason: String| Err(Error::Data { what: "channels of the frames".into(), reason });
    let &[ref outer @ .., found, height, width] = frames.shape() else {
        return refuse(format!("frames are [.., C, H, W], got {:?}", frames.shape()));
    };
    if found == channels {
        return Ok(frames);
    }
    let area = height * width;
    let shape: Vec<usize> = outer.iter().copied().chain([channels, height, width]).collect();
    let data: Vec<f32> = match (found, channels) {
        _ if frames.is_empty() => Vec::new(),
        (1, _) => frames.as_slice().chunks_exact(area).flat_map(|plane| plane.repeat(channels)).collect(),
        (3, 1) => frames.as_slice().chunks_exact(3 * area).flat_map(|rgb| luma(rgb, area)).collect(),
        _ => return refuse(format!("{found} channels cannot become {channels}")),
    };
    Ok(Tensor::from_vec(&shape, data)?)
}

fn luma(rgb: &[f32], area: usize) -> impl Iterator<Item = f32> {
    (0..area).map(move |i| 0.299 * rgb[i] + 0.587 * rgb[area + i] + 0.114 * rgb[2 * area + i])
}
