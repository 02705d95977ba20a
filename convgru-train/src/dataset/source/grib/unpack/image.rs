//! Integers that are the pixels of a PNG (template 5.41).

use png::{Decoder, Limits};

use super::bits::Bits;
use crate::input;

/// Memory of the decoder besides the image.
const OTHER_BYTES: usize = 1 << 20;

/// So many integers, of so many bits each. A pixel has these bits, or as many whole bytes as hold them, as ecCodes writes it.
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
    if width.checked_mul(height) != Some(count)
        || ![bits, bits.next_multiple_of(8)].contains(&(of_pixel as u32))
    {
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
            let integer = row.take(of_pixel as u32)?;
            if u64::from(integer) >> bits != 0 {
                return Err(format!("has the integer {integer} in its PNG, which has more than {bits} bits"));
            }
            integers.push(integer);
        }
    }
    Ok(integers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey image with pixels of two bytes.
    fn png(width: u32, pixels: &[u16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, pixels.len() as u32 / width);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Sixteen);
        let stored: Vec<u8> = pixels.iter().flat_map(|pixel| pixel.to_be_bytes()).collect();
        encoder.write_header().unwrap().write_image_data(&stored).unwrap();
        bytes
    }

    #[test]
    fn pixels_have_the_bits_of_an_integer_or_whole_bytes() {
        let pixels = [0, 1, 4095, 2048, 7, 300];
        let expected = pixels.map(u32::from);
        for bits in [12, 16] {
            assert_eq!(integers(&png(3, &pixels), bits, 6).unwrap(), expected);
        }
        for (bits, count, words) in [
            (11, 6, "the integer 4095 in its PNG, which has more than 11 bits"),
            (8, 6, "2 x 3 pixels of 16 bits, but 6 numbers of 8 bits"),
            (17, 6, "6 numbers of 17 bits"),
            (12, 5, "5 numbers of 12 bits"),
        ] {
            let error = integers(&png(3, &pixels), bits, count).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
