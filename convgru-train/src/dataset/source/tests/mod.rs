//! Frames in files of every format, whole and damaged.

use std::path::PathBuf;

use convgru_model::Tensor;
use proptest::prelude::*;
use tempfile::TempDir;

use super::image::with_channels;
use super::*;
use crate::dataset::fixtures::budget;
use crate::media::{encode_png, write_frames};

fn read(path: impl AsRef<Path>) -> Result<Tensor<f32>> {
    crate::dataset::read_frames(path, &FramesConfig::default(), &budget())
}

/// A file of the given bytes in a folder that vanishes with the test.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Frames whose values are levels of 8 bits, different everywhere.
fn levels(shape: &[usize]) -> Tensor<f32> {
    Tensor::from_fn(shape, |i| ((i * 37 + i / 7) % 256) as f32 / 255.0)
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

/// A version 1.0 `.npy` file with the given description and data.
fn npy_bytes(description: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{description}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn npy_of(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> (TempDir, PathBuf) {
    let fortran = if fortran { "True" } else { "False" };
    let description = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    file("frames.npy", &npy_bytes(&description, data))
}

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

/// `[sequences, steps, channels, height, width]` of a file.
fn opened(path: &Path, axes: &str) -> ([usize; 5], Box<dyn FrameSource>) {
    let config = FramesConfig { axes: axes.parse().unwrap(), ..FramesConfig::default() };
    let source = open(path, &config, &budget()).unwrap();
    let FrameInfo { sequences, steps, channels, height, width, .. } = source.info().unwrap();
    ([sequences, steps, channels.unwrap(), height, width], source)
}

/// Places `[sequence, step]` and values of frames.
fn visited(
    source: &dyn FrameSource,
    sequences: Range<usize>,
    steps: Range<usize>,
) -> Vec<([usize; 2], Vec<f32>)> {
    let mut visited = Vec::new();
    source
        .visit(sequences, steps, &mut |frame| {
            visited.push(([frame.sequence, frame.step], frame.values.to_vec()));
            Ok(())
        })
        .unwrap();
    visited
}

#[test]
fn the_number_of_axes_of_an_array_has_one_meaning() {
    let data: Vec<u8> = (0..=255).collect();
    for (shape, expected) in [
        ("(4, 8, 8)", [1, 4, 1, 8, 8]),
        ("(4, 4, 2, 8)", [4, 4, 1, 2, 8]),
        ("(2, 8, 2, 8)", [2, 8, 1, 2, 8]),
        ("(2, 2, 2, 4, 8)", [2, 2, 2, 4, 8]),
        ("(2, 4, 2, 16, 1)", [2, 4, 1, 2, 16]),
    ] {
        let (_folder, path) = npy_of("|u1", false, shape, &data);
        let (found, source) = opened(&path, "auto");
        assert_eq!(found, expected, "{shape}");
        assert_eq!(source.info().unwrap().number_type, NumberType::Unsigned(1));
        let read = visited(source.as_ref(), 0..found[0], 0..found[1]);
        let values = read.iter().flat_map(|(_, values)| values);
        assert!(values.zip(&data).all(|(&value, &byte)| value == f32::from(byte) / 255.0));
    }
    let (_folder, path) = npy_of("|u1", false, "(20, 3, 64, 64)", &vec![0; 20 * 3 * 64 * 64]);
    assert_eq!(opened(&path, "auto").0, [3, 20, 1, 64, 64]);
    assert_eq!(opened(&path, "nthw").0, [20, 3, 1, 64, 64]);
    // One sequence is read where one is needed.
    let (_folder, path) = npy_of("|u1", false, "(4, 1, 8, 8)", &data);
    let error = message(read(&path));
    assert!(error.contains("[4, 1, 8, 8]") && error.contains("\"tchw\" (a sequence of 4 frames"), "{error}");
    let named = FramesConfig { axes: "nthw".parse().unwrap(), ..FramesConfig::default() };
    let error = message(crate::dataset::read_frames(&path, &named, &budget()));
    assert!(error.contains("holds 4 sequences of 1 frame ") && error.contains("tchw"), "{error}");
    let named = FramesConfig { axes: "tchw".parse().unwrap(), ..FramesConfig::default() };
    assert_eq!(crate::dataset::read_frames(&path, &named, &budget()).unwrap().shape(), [4, 1, 8, 8]);
}

#[test]
fn channels_before_other_axes_come_to_their_frames() {
    // The number at [n, c, t, h, w] is its place.
    let (_folder, path) = npy_of("|u1", false, "(2, 2, 3, 2, 2)", &(0..48).collect::<Vec<u8>>());
    for (axes, found) in [("ncthw", [2, 3, 2, 2, 2]), ("tcnhw", [3, 2, 2, 2, 2])] {
        let (shape, source) = opened(&path, axes);
        assert_eq!(shape, found);
        let mut read = visited(source.as_ref(), 0..found[0], 0..found[1]);
        read.sort_by_key(|(place, _)| *place);
        assert_eq!(read.len(), 6);
        for ([sequence, step], values) in read {
            let [first, third] = if axes == "ncthw" { [sequence, step] } else { [step, sequence] };
            let place = |channel, pixel| ((first * 2 + channel) * 3 + third) * 4 + pixel;
            let expected = (0..2).flat_map(|channel| (0..4).map(move |pixel| place(channel, pixel)));
            assert!(
                values.iter().copied().eq(expected.map(|place| place as f32 / 255.0)),
                "{axes}: {values:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn any_order_of_axes_gives_the_same_frames(
        order in Just("ntchw".chars().collect::<Vec<_>>()).prop_shuffle(), lengths in prop::array::uniform5(1usize..5), left in 3usize..6,
        fortran: bool, from in prop::array::uniform2(0usize..4), count in prop::array::uniform2(1usize..5),
    ) {
        let mut order = order;
        // Without sequences, without channels, or with both.
        order.retain(|letter| "thw".contains(*letter) || left == 5 || left == 4 && *letter == 'n');
        let length = |letter: char| match order.contains(&letter) {
            true => lengths["ntchw".find(letter).unwrap()],
            false => 1,
        };
        let [n, t, c, h, w] = ['n', 't', 'c', 'h', 'w'].map(length);
        let shape: Vec<usize> = order.iter().map(|&letter| length(letter)).collect();
        // The number at [n, t, c, h, w] is its place there.
        let number = |at: [usize; 5]| (((at[0] * t + at[1]) * c + at[2]) * h + at[3]) * w + at[4];
        let stored: Vec<char> = if fortran { order.iter().rev().copied().collect() } else { order.clone() };
        let data: Vec<u8> = (0..shape.iter().product::<usize>())
            .flat_map(|place| {
                let mut rest = place;
                let mut at = [0; 5];
                for &letter in stored.iter().rev() {
                    at["ntchw".find(letter).unwrap()] = rest % length(letter);
                    rest /= length(letter);
                }
                (number(at) as u16).to_le_bytes()
            })
            .collect();
        let text: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let (_folder, path) = npy_of("<u2", fortran, &format!("({},)", text.join(", ")), &data);
        let (found, source) = opened(&path, &order.iter().collect::<String>());
        prop_assert_eq!(found, [n, t, c, h, w]);
        let [first, begin] = [from[0] % n, from[1] % t];
        let (sequences, steps) = (first..(first + count[0]).min(n), begin..(begin + count[1]).min(t));
        let mut read = visited(source.as_ref(), sequences.clone(), steps.clone());
        read.sort_by_key(|(place, _)| *place);
        let places: Vec<[usize; 2]> = sequences.flat_map(|n| steps.clone().map(move |t| [n, t])).collect();
        prop_assert!(read.iter().map(|(place, _)| *place).eq(places));
        for ([sequence, step], values) in &read {
            prop_assert_eq!(values.len(), c * h * w);
            for (at, &value) in values.iter().enumerate() {
                let expected = number([*sequence, *step, 0, 0, 0]) + at;
                prop_assert_eq!(value, (expected as f64 / 65535.0) as f32);
            }
        }
    }
}

#[test]
fn a_source_gives_what_it_says_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let frames = levels(&[4, 3, 5, 6]);
    for name in ["a.npy", "a.gif", "a"] {
        let path = folder.path().join(name);
        write_frames(&path, &frames).unwrap();
        let source = open(&path, &FramesConfig::default(), &budget()).unwrap();
        expect_what_it_says(source.as_ref(), 4);
    }
    let pgm = folder.path().join("201609281445.pgm");
    std::fs::write(&pgm, [b"P5 6 5 255\n", &[9u8; 30][..]].concat()).unwrap();
    let config = crate::dataset::RadarConfig { downsample: 2, ..Default::default() };
    let of = |path: &Path, format| {
        let source = radar::RadarFile { path, format, config: &config, budget: &budget() };
        expect_what_it_says(&source, 1);
        assert_eq!(source.times().unwrap().len(), 1);
        source.info().unwrap()
    };
    let info = of(&pgm, radar::Format::FmiPgm);
    assert_eq!((info.channels, info.height, info.width, info.may_miss), (Some(1), 3, 3, true));
    #[cfg(feature = "hdf5")]
    for (name, model) in [
        ("odim/composite00.h5", radar::composite::Model::Odim),
        ("knmi/reflectivity0.h5", radar::composite::Model::Knmi),
    ] {
        of(&gridded::tests::written(name), radar::Format::Hdf5(model));
    }
}

/// Frames of the shapes that are announced, in their order.
fn expect_what_it_says(source: &dyn FrameSource, steps: usize) {
    let info = source.info().unwrap();
    assert_eq!((info.sequences, info.steps), (1, steps));
    let mut next = 0;
    source
        .visit(0..1, 0..steps, &mut |frame| {
            assert_eq!((frame.sequence, frame.step), (0, next));
            let [channels, height, width] = frame.shape;
            assert_eq!([height, width], [info.height, info.width]);
            assert!(info.channels.is_none_or(|announced| announced == channels));
            assert_eq!(frame.values.len(), channels * height * width);
            next += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(next, steps);
    // The caller ends a reading by an error of its own.
    let ended = source
        .visit(0..1, 0..steps, &mut |_| Err(Error::Data { what: "a test".into(), reason: "ends".into() }));
    assert!(ended.unwrap_err().to_string().contains("ends"));
}

#[test]
fn numbers_are_values_up_to_rounding() {
    let bytes: Vec<u8> = (0..=255).collect();
    let (_folder, path) = npy_of("|u1", false, "(1, 16, 16)", &bytes);
    let expected = bytes.iter().map(|&byte| f32::from(byte) / 255.0);
    assert!(read(&path).unwrap().as_slice().iter().copied().eq(expected));
    let single = |number: f64| {
        let (_folder, path) =
            npy_of("<f8", false, "(1, 1, 2)", &[number, 0.0].map(f64::to_le_bytes).concat());
        read(&path).map(|frames| frames.as_slice()[0])
    };
    for (number, expected) in [(0.25, 0.25), (1.0 + 1e-7, 1.0), (-1e-7, 0.0)] {
        assert_eq!(single(number).unwrap(), expected);
    }
    for number in [1.1, -0.1, f64::INFINITY] {
        assert!(single(number).is_err(), "{number}");
    }
    assert!(single(f64::NAN).unwrap().is_nan());
}

#[test]
fn number_types_byte_orders_and_memory_orders_are_read() {
    let values = [0.0f64, 0.25, 0.5, 0.75, 1.0, 0.125];
    let expected = Tensor::from_vec(&[1, 1, 3, 2], values.map(|v| v as f32).to_vec()).unwrap();
    let encodings: [(&str, Vec<u8>); 4] = [
        ("<f4", values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()),
        (">f4", values.iter().flat_map(|&v| (v as f32).to_be_bytes()).collect()),
        ("<f8", values.iter().flat_map(|&v| v.to_le_bytes()).collect()),
        (">f8", values.iter().flat_map(|&v| v.to_be_bytes()).collect()),
    ];
    for (descr, data) in encodings {
        let (_folder, path) = npy_of(descr, false, "(1, 3, 2)", &data);
        assert_eq!(read(&path).unwrap(), expected, "{descr}");
    }
    // The first dimension of (3, 1, 2) runs fastest: element [t, 0, x] is at t + 3 x.
    let (_folder, path) = npy_of("|u1", true, "(3, 1, 2)", &[0, 51, 102, 153, 204, 255]);
    assert_eq!(read(&path).unwrap().as_slice(), [0.0, 0.6, 0.2, 0.8, 0.4, 1.0]);
}

#[test]
fn arrays_that_cannot_be_frames_say_why() {
    let float = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for (descr, shape, data, needle) in [
        ("|u1", "(4,)", vec![0; 4], "[T, H, W]"),
        ("|u1", "()", vec![0; 1], "[T, H, W]"),
        ("|u1", "(0, 4, 4)", vec![], "hold nothing"),
        ("|u1", "(2, 4, 4)", vec![0; 31], "truncated"),
        ("|u1", "(2, 4, 4)", vec![0; 33], "followed by other data"),
        ("<c8", "(1, 1, 2)", vec![0; 16], "uint8"),
        ("|O", "(1, 1, 2)", vec![0; 8], "'|O'"),
        ("|u1", "(4, 4, 3)", vec![0; 48], "which may be \"thw\""),
        ("<f4", "(1, 1, 2)", float(&[0.5, 255.0]), "data.frames.missing = [255.0]"),
        ("<f4", "(1, 1, 2)", float(&[0.5, f32::NEG_INFINITY]), "the number -inf"),
        ("|u1", "(100000, 100, 100)", vec![0; 9], "truncated"),
        ("|u1", "(100000, 1000, 100)", vec![0; 9], "truncated"),
        ("|u1", "(18446744073709551615, 18446744073709551615, 2)", vec![0; 9], "more values than any file"),
        ("|u1", "[1, 2, 2]", vec![0; 4], "damaged header"),
    ] {
        let (_folder, path) = npy_of(descr, false, shape, &data);
        let error = message(read(&path));
        assert!(error.contains(needle) && error.contains("frames.npy"), "{descr} {shape}: {error}");
    }
}

/// A file of small frames: its path, the path that is read, and its bytes.
fn small_file(folder: &Path, name: &str) -> (PathBuf, PathBuf, Vec<u8>) {
    let path = folder.join(name);
    let is_png = name.ends_with("png");
    if is_png {
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, encode_png(5, 3, 1, &[9; 15]).unwrap()).unwrap();
    } else {
        write_frames(&path, &levels(&[2, 1, 3, 5])).unwrap();
    }
    let target = if is_png { path.parent().unwrap() } else { &path }.to_path_buf();
    let whole = std::fs::read(&path).unwrap();
    (path, target, whole)
}

#[test]
fn prefixes_of_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npy", "a.gif", "one/frame.png"] {
        let (path, target, whole) = small_file(folder.path(), name);
        assert!(read(&target).is_ok());
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let error = message(read(&target));
            assert!(error.contains('a') && error.len() > 20, "{name} cut at {end}: {error}");
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npy", "a.gif", "one/frame.png"] {
        let (path, target, whole) = small_file(folder.path(), name);
        // The palette of 256 grey levels of a GIF fills bytes 13 to 781.
        let changed = (0..whole.len()).filter(|&at| !name.ends_with("gif") || !(20..780).contains(&at));
        for at in changed {
            for change in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                std::fs::write(&path, &bytes).unwrap();
                if let Ok(frames) = read(&target) {
                    assert!(frames.as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
                }
            }
        }
    }
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
fn paths_that_hold_no_frames_say_what_is_supported() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["clip.mp4", "plain", "one.png", "a.gif", "a.npy"] {
        std::fs::write(at(name), b"something else entirely").unwrap();
    }
    for (name, needle) in [
        ("missing.npy", "cannot read"),
        ("missing", "cannot read"),
        ("clip.mp4", ".gif file, an animated .png or a folder of PNG"),
        ("plain", "without an extension"),
        ("one.png", "give the folder"),
        ("a.gif", "damaged GIF"),
        ("a.npy", "no .npy file"),
    ] {
        let error = message(read(at(name)));
        assert!(error.contains(needle) && error.contains(name), "{name}: {error}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(message(read(empty.path())).contains("without a .png"));
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

#[test]
fn files_of_a_frame_each_are_a_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let frame = |name: &str, shape: &str, first: u8| {
        let description = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
        let pixels: Vec<u8> = (first..first + 10).collect();
        std::fs::write(folder.path().join(name), npy_bytes(&description, &pixels)).unwrap();
    };
    for (at, name) in ["t1.npy", "t2.npy", "t10.npy"].into_iter().enumerate() {
        frame(name, if at == 1 { "(2, 5)" } else { "(1, 2, 5)" }, 10 * at as u8);
    }
    std::fs::write(folder.path().join("._t1.npy"), "a note of a system").unwrap();
    let config = FramesConfig::default();
    assert_eq!(sequences_in(folder.path(), &config, &budget()).unwrap(), Some(1));
    let read = read(folder.path()).unwrap();
    assert_eq!(read.shape(), [3, 1, 2, 5]);
    assert!(read.as_slice().iter().copied().eq((0..30).map(|number| number as f32 / 255.0)));
    // One that is larger, or holds several frames, is named.
    frame("t11.npy", "(1, 5, 2)", 0);
    let source = open(folder.path(), &config, &budget()).unwrap();
    let refused = |steps| message(source.visit(0..1, steps, &mut |_| Ok(())));
    assert!(refused(0..4).contains("t11.npy") && refused(0..4).contains("5 x 2 uint8"), "{}", refused(0..4));
    frame("t11.npy", "(5, 1, 2)", 0);
    assert!(refused(3..4).contains("1 sequences of 5 frames"), "{}", refused(3..4));
    source.visit(0..1, 0..3, &mut |_| Ok(())).unwrap();
}
