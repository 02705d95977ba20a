//! Small files that announce much, made by code.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// The header of a `.npy` file.
pub(crate) fn npy_header(descr: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// A `.npz` archive of one deflated member: a header and `zeros` bytes.
pub(crate) fn npz(member: &str, header: &[u8], zeros: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(header).unwrap();
    write_zeros(&mut encoder, zeros);
    let data = encoder.finish().unwrap();
    let size = (header.len() + zeros) as u32;
    let mut crc = flate2::Crc::new();
    crc.update(header);
    let block = vec![0; 1 << 16];
    let mut left = zeros;
    while left > 0 {
        crc.update(&block[..left.min(block.len())]);
        left -= left.min(block.len());
    }
    let common = |bytes: &mut Vec<u8>| {
        bytes.extend(20u16.to_le_bytes());
        bytes.extend([0, 0, 8, 0, 0, 0, 0, 0]);
        bytes.extend(crc.sum().to_le_bytes());
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend((member.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
    };
    let mut bytes = b"PK\x03\x04".to_vec();
    common(&mut bytes);
    bytes.extend(member.as_bytes());
    bytes.extend(&data);
    let directory = bytes.len();
    bytes.extend(b"PK\x01\x02\x14\x00");
    common(&mut bytes);
    bytes.extend([0; 14]);
    bytes.extend(member.as_bytes());
    let length = bytes.len() - directory;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend((length as u32).to_le_bytes());
    bytes.extend((directory as u32).to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn write_zeros(into: &mut impl Write, count: usize) {
    let block = vec![0; 1 << 16];
    let mut left = count;
    while left > 0 {
        into.write_all(&block[..left.min(block.len())]).unwrap();
        left -= left.min(block.len());
    }
}

/// A start and some zeros, compressed by gzip.
pub(crate) fn gzip(start: &[u8], zeros: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(start).unwrap();
    write_zeros(&mut encoder, zeros);
    encoder.finish().unwrap()
}

/// A grey image of zeros with what comes before its pixels.
pub(crate) fn pgm_gz(width: usize, height: usize) -> Vec<u8> {
    gzip(format!("P5 {width} {height} 255\n").as_bytes(), width * height)
}

/// The images of an idx file, of zeros.
pub(crate) fn idx_gz(images: u32, side: u32, pixels: usize) -> Vec<u8> {
    let header: Vec<u8> =
        [0x803, images, side, side].iter().flat_map(|number: &u32| number.to_be_bytes()).collect();
    gzip(&header, pixels)
}

/// A GIF of large empty frames, each of which draws one pixel.
pub(crate) fn gif(width: u16, height: u16, frames: usize) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    for _ in 0..frames {
        bytes.extend([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]);
    }
    bytes.push(0x3b);
    bytes
}

/// A PNG of zeros.
pub(crate) fn png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    write_zeros(&mut stream, (side as usize).pow(2));
    stream.finish().unwrap();
    writer.finish().unwrap();
    bytes
}

/// A PNG of 4 x 4 pixels whose palette has so many bytes.
pub(crate) fn png_with_palette(palette: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 4);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![7; palette]);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0; 16]).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Classic netCDF with axes of these lengths, the first unlimited with so many records, and a variable of floats over them.
pub(crate) fn netcdf(records: u32, axes: &[u32], variables: usize) -> Vec<u8> {
    let name = |bytes: &mut Vec<u8>, name: &str| {
        bytes.extend((name.len() as u32).to_be_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(vec![0; name.len().next_multiple_of(4) - name.len()]);
    };
    let mut bytes = b"CDF\x01".to_vec();
    bytes.extend(records.to_be_bytes());
    bytes.extend(0xau32.to_be_bytes());
    bytes.extend((axes.len() as u32).to_be_bytes());
    for (at, length) in axes.iter().enumerate() {
        name(&mut bytes, &format!("axis{at}"));
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend([0; 8]);
    bytes.extend(0xbu32.to_be_bytes());
    bytes.extend((variables as u32).to_be_bytes());
    for at in 0..variables {
        name(&mut bytes, &format!("v{at}"));
        bytes.extend((axes.len() as u32).to_be_bytes());
        (0..axes.len() as u32).for_each(|axis| bytes.extend(axis.to_be_bytes()));
        bytes.extend([0; 8]);
        bytes.extend(5u32.to_be_bytes());
        bytes.extend(u32::MAX.to_be_bytes());
        bytes.extend(64u32.to_be_bytes());
    }
    bytes
}

/// The bytes of all files in a folder, or of a file.
pub(crate) fn size(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().unwrap().len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
}
