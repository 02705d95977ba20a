//! Integers that are the pixels of a PNG (template 5.41).

use png::{Decoder, Limits};

use super::bits::Bits;
use crate::input;

/// Memory of the decoder besides the image.
const OTHER_BYTES: usize = 1 << 20;

/// So many integers, of so many bits each.
///
/// # Errors
/// Why there are none, as the end of a sentence about the message.
pub(super) fn integers(data: &[u8], bits: u32, count: usize) -> Result<Vec<u32>, String> {
    let damaged = |error: png::DecodingError| format!("has a damaged PNG ({error})");
    let limits = Limits { bytes: count.saturating_mul(4).saturating_add(OTHER_BYTES) };
    let mut decoder = Decoder::new_with_limits(std::io::Cursor::new(data), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height, of_pixel) = (header.width as usize, header.height as usize, header.bits_per_pixel());
    if width.checked_mul(height) != Some(count) || of_pixel != bits as usize {
        return Err(format!(
            "has a PNG of {height} x {width} pixels of {of_pixel} bits, but {count} numbers of {bits} bits are announced"
        ));
    }
    let mut reader = decoder.read_info().map_err(damaged)?;
    let size = reader.output_buffer_size().ok_or("has a PNG of unknown size")?;
    let mut image = input::zeros(size).map_err(|error| error.to_string())?;
    let line = reader.next_frame(&mut image).map_err(damaged)?.line_size;
    let mut integers = Vec::with_capacity(count);
    // Rows begin at the beginning of a byte.
    for row in image.chunks_exact(line.max(1)).take(height) {
        let mut row = Bits::new(row);
        for _ in 0..width {
            integers.push(row.take(bits)?);
        }
    }
    Ok(integers)
}
