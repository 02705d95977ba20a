//! Animated GIF files.

use convgru_model::Tensor;
use gif::{Encoder, Frame, Repeat};

use super::image::interleaved;
use crate::error::{Error, Result};

/// The bytes of a GIF that repeats for ever. One channel is written with 256
/// grey levels, three with a palette of up to 256 colours for each frame.
///
/// # Shapes
/// frames: `[T, C, H, W]` with C = 1 or 3, values in 0..=1 (others are clamped);
/// `delay`: time per frame in hundredths of a second
///
/// # Errors
/// [`Error::Data`] if the shape does not suit, a side is above 65535 pixels, or
/// a value is not a number.
pub fn encode_gif(frames: &Tensor<f32>, delay: u16) -> Result<Vec<u8>> {
    let pixels = interleaved("frames for a GIF", frames)?;
    let (width, height) = (side(frames.shape()[3])?, side(frames.shape()[2])?);
    let grey = frames.shape()[1] == 1;
    let greys: Vec<u8> = (0..=255).flat_map(|level| [level; 3]).collect();
    let failed = |error: gif::EncodingError| Error::Data { what: "GIF".into(), reason: error.to_string() };

    let mut bytes = Vec::new();
    let mut encoder =
        Encoder::new(&mut bytes, width, height, if grey { &greys } else { &[] }).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    for pixels in &pixels {
        let mut frame = if grey {
            Frame { width, height, buffer: pixels.into(), ..Frame::default() }
        } else {
            Frame::from_rgb(width, height, pixels)
        };
        frame.delay = delay;
        encoder.write_frame(&frame).map_err(failed)?;
    }
    drop(encoder);
    Ok(bytes)
}

/// The side of a GIF, which is at most 65535 pixels.
fn side(length: usize) -> Result<u16> {
    u16::try_from(length).map_err(|_| Error::Data {
        what: "GIF".into(),
        reason: format!("a side of {length} pixels is above the 65535 of the format"),
    })
}
