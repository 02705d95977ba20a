//! PNG images of every kind, folders of them, and GIFs.

use super::*;
use crate::dataset::source::image::with_channels;

/// A PNG of any kind; `palette` is RGB triples.
fn png_bytes(
    size: (u32, u32),
    color: ::png::ColorType,
    depth: ::png::BitDepth,
    palette: &[u8],
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if !palette.is_empty() {
        encoder.set_palette(palette.to_vec());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn small_files_that_claim_a_large_image_are_refused() {
    let mut gif = b"GIF89a".to_vec();
    gif.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    gif.extend_from_slice(&[0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 2, 0x4c, 1, 0, 0x3b]);
    let (_folder, path) = file("huge.gif", &gif);
    assert!(message(read(&path)).contains("65535 x 65535 pixels is above the limit"));

    let png = png_bytes((1, 1), ::png::ColorType::Grayscale, ::png::BitDepth::Eight, &[], &[0]);
    let mut header = png[..33].to_vec();
    header[16..20].copy_from_slice(&100_000u32.to_be_bytes());
    header[20..24].copy_from_slice(&100_000u32.to_be_bytes());
    // The CRC-32 of the header's chunk type and changed data.
    let crc = crc32(&header[12..29]);
    header[29..33].copy_from_slice(&crc.to_be_bytes());
    header.extend_from_slice(&png[33..]);
    let (folder, _path) = file("huge.png", &header);
    assert!(message(read(folder.path())).contains("100000 x 100000 pixels is above the limit"));
}

/// The CRC of the PNG specification, annex D, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
            },
        )
    })
}

#[test]
fn png_of_every_kind_is_read() {
    use ::png::{BitDepth, ColorType};
    let deep: Vec<u8> = [0u16, 1, 30000, 65535].iter().flat_map(|v| v.to_be_bytes()).collect();
    let near = |found: &Tensor<f32>, expected: &[f32]| {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (a, b) in found.as_slice().iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{found:?} {expected:?}");
        }
    };
    let read = |bytes: &[u8]| {
        let (folder, _path) = file("a.png", bytes);
        read(folder.path()).unwrap()
    };
    let size = (2, 2);
    near(
        &read(&png_bytes(size, ColorType::Grayscale, BitDepth::Eight, &[], &[0, 51, 102, 255])),
        &[0.0, 0.2, 0.4, 1.0],
    );
    near(
        &read(&png_bytes(size, ColorType::Grayscale, BitDepth::Sixteen, &[], &deep)),
        &[0.0, 1.0 / 65535.0, 30000.0 / 65535.0, 1.0],
    );
    near(
        &read(&png_bytes(size, ColorType::Grayscale, BitDepth::One, &[], &[0x40, 0x80])),
        &[0.0, 1.0, 1.0, 0.0],
    );
    near(&read(&png_bytes((1, 1), ColorType::Rgb, BitDepth::Eight, &[], &[51, 102, 255])), &[0.2, 0.4, 1.0]);
    near(&read(&png_bytes((1, 1), ColorType::Rgb, BitDepth::Eight, &[], &[51, 51, 51])), &[0.2]);
    near(
        &read(&png_bytes((2, 1), ColorType::GrayscaleAlpha, BitDepth::Eight, &[], &[255, 51, 102, 255])),
        &[0.2, 0.4],
    );
    near(
        &read(&png_bytes((1, 1), ColorType::Rgba, BitDepth::Eight, &[], &[255, 0, 51, 51])),
        &[0.2, 0.0, 0.04],
    );
    let palette = [0, 0, 0, 255, 0, 51];
    near(
        &read(&png_bytes((2, 1), ColorType::Indexed, BitDepth::Eight, &palette, &[1, 0])),
        &[1.0, 0.0, 0.0, 0.0, 0.2, 0.0],
    );
}

#[test]
fn folders_are_read_in_natural_order_and_must_hold_one_size() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("f10.png", 255), ("f9.PNG", 102), ("f2.png", 51), ("notes.txt", 0), (".f0.png", 1)]
    {
        std::fs::write(folder.path().join(name), encode_png(1, 1, 1, &[value]).unwrap()).unwrap();
    }
    assert_eq!(read(folder.path()).unwrap().as_slice(), [0.2, 0.4, 1.0]);
    std::fs::write(folder.path().join("f11.png"), encode_png(2, 1, 1, &[0, 0]).unwrap()).unwrap();
    let error = message(read(folder.path()));
    assert!(error.contains("2 x 1") && error.contains("1 x 1") && error.contains("f11.png"), "{error}");
}

#[test]
fn gif_frames_are_composited_as_viewers_do() {
    use ::gif::{DisposalMethod, Encoder, Frame};
    // Palette: black, red, white. Canvas 2 x 1.
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 2, 1, &[0, 0, 0, 255, 0, 0, 255, 255, 255]).unwrap();
    let mut add = |left: u16, buffer: &'static [u8], transparent: Option<u8>, dispose: DisposalMethod| {
        let width = buffer.len() as u16;
        let frame =
            Frame { left, width, height: 1, buffer: buffer.into(), transparent, dispose, ..Frame::default() };
        encoder.write_frame(&frame).unwrap();
    };
    add(0, &[1, 2], None, DisposalMethod::Keep); // red white
    add(1, &[1], None, DisposalMethod::Previous); // red red, then back
    add(0, &[2, 0], Some(0), DisposalMethod::Background); // white and the kept white, then cleared
    add(1, &[1], None, DisposalMethod::Any); // black red
    drop(encoder);
    let (_folder, path) = file("a.gif", &bytes);
    let frames = read(&path).unwrap();
    assert_eq!(frames.shape(), [4, 3, 1, 2]);
    let (red, white, black) = ([1.0, 0.0, 0.0], [1.0; 3], [0.0; 3]);
    for (step, [left, right]) in
        [[red, white], [red, red], [white, white], [black, red]].into_iter().enumerate()
    {
        let expected: Vec<f32> = (0..3).flat_map(|c| [left[c], right[c]]).collect();
        assert_eq!(frames.slice(step), expected, "frame {step}");
    }
}

#[test]
fn channels_change_where_it_has_a_meaning() {
    let rgb = Tensor::from_vec(&[1, 3, 1, 1], vec![1.0, 0.0, 0.5]).unwrap();
    let grey = with_channels(rgb.clone(), 1).unwrap();
    assert!((grey.as_slice()[0] - 0.356).abs() < 1e-6);
    assert_eq!(with_channels(rgb.clone(), 3).unwrap(), rgb);
    assert!(message(with_channels(rgb.clone(), 2)).contains("3 channels cannot become 2"));
    assert_eq!(with_channels(levels(&[2, 5, 1, 2, 2]), 4).unwrap().shape(), [2, 5, 4, 2, 2]);
}
