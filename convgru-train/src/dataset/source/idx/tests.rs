//! Files of images, whole and damaged.

use super::*;
use crate::dataset::fixtures::budget;
use std::io::Write;

/// An idx file of images that count up.
pub(in crate::dataset) fn counting(images: u32, rows: u32, columns: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> = [MAGIC, images, rows, columns].iter().flat_map(|n| n.to_be_bytes()).collect();
    bytes.extend((0..images * rows * columns).map(|i| i as u8));
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<IdxImages> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    IdxImages::read(file.path(), &budget())
}

fn reason(bytes: &[u8]) -> String {
    match read(bytes).unwrap_err() {
        Error::Format { reason, .. } => reason,
        error => panic!("{error}"),
    }
}

#[test]
fn plain_and_compressed_files_hold_the_same_images() {
    let bytes = counting(3, 2, 4);
    let images = read(&bytes).unwrap();
    let info = images.info().unwrap();
    assert_eq!((info.steps, info.height, info.width), (3, 2, 4));
    let mut visited = Vec::new();
    let visit = &mut |frame: Frame<'_>| {
        visited.push((frame.step, frame.values.iter().map(|value| value * 255.0).collect::<Vec<f32>>()));
        Ok(())
    };
    images.visit(0..1, 1..3, visit).unwrap();
    let counted = |from: u8| (from..from + 8).map(f32::from).collect();
    assert_eq!(visited, [(1, counted(8)), (2, counted(16))]);
    assert_eq!(read(&gzip(&bytes)).unwrap().pixels, images.pixels);
}

#[test]
fn every_truncation_is_noticed() {
    let plain = counting(2, 3, 3);
    for length in 0..plain.len() {
        assert!(read(&plain[..length]).is_err(), "plain, {length} bytes");
    }
    let packed = gzip(&plain);
    for length in 0..packed.len() {
        assert!(read(&packed[..length]).is_err(), "gzip, {length} bytes");
    }
    assert_eq!(
        reason(&plain[..30]),
        "is truncated: 2 images of 3 x 3 are 18 bytes after the header, but there are 14"
    );
    assert!(reason(&[]).starts_with("has 0 bytes"));
}

#[test]
fn trailing_bytes_are_refused() {
    let mut bytes = counting(2, 3, 3);
    bytes.push(0);
    assert!(reason(&bytes).starts_with("has more than the 18 bytes"));
    assert!(reason(&gzip(&bytes)).starts_with("has more than the 18 bytes"));
    let mut packed = gzip(&counting(2, 3, 3));
    packed.push(7);
    assert!(reason(&packed).starts_with("the gzip stream is damaged"));
}

#[test]
fn a_flipped_bit_in_the_compressed_file_is_noticed() {
    let packed = gzip(&counting(2, 30, 30));
    let intact = read(&packed).unwrap();
    // The first ten bytes hold a time stamp and an operating system, which mean nothing.
    for at in 10..packed.len() {
        let mut bytes = packed.clone();
        bytes[at] ^= 1;
        let changed =
            read(&bytes).is_ok_and(|images| images.pixels != intact.pixels || images.rows != intact.rows);
        assert!(!changed, "byte {at}");
    }
}

#[test]
fn foreign_headers_are_refused() {
    let mut labels = counting(2, 3, 3);
    labels[3] = 1;
    assert!(reason(&labels).contains("label file"));
    assert!(reason(b"PNG or anything else").contains("begins with 0x504e4720"));
    assert!(reason(&counting(0, 3, 3)).contains("announces 0 images"));
    assert!(reason(&counting(1, 0, 3)).contains("0 x 3"));
    let mut huge = counting(1, 1, 1);
    huge[4..16].copy_from_slice(&[0xff; 12]);
    assert!(reason(&huge).contains("announces 4294967295 images"));
    huge[8..16].copy_from_slice(&[0, 0, 4, 0, 0, 0, 4, 0]);
    assert!(reason(&huge).contains("more than the 1073741824 pixels"));
}

#[test]
fn a_missing_file_is_named() {
    let error = IdxImages::read(Path::new("nowhere/images"), &budget()).unwrap_err().to_string();
    assert!(error.starts_with("cannot open nowhere/images"), "{error}");
}
