//! Animations that an encoder wrote, composed as viewers do.

use std::path::PathBuf;

use png::{BitDepth, ColorType, Encoder};
use tempfile::TempDir;

use super::*;
use crate::dataset::fixtures::budget;
use crate::dataset::source::open;
use crate::dataset::{FramesConfig, read_frames};

/// A frame of an animation: its place, its size, how it is drawn and disposed of, and its pixels of red, green, blue and opacity.
struct Drawn {
    place: [u32; 2],
    size: [u32; 2],
    blend: BlendOp,
    dispose: DisposeOp,
    pixels: &'static [[u8; 4]],
}

const RED: [u8; 4] = [255, 0, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const WHITE: [u8; 4] = [255; 4];
const CLEAR: [u8; 4] = [0; 4];
const HALF: [u8; 4] = [255, 255, 255, 128];

fn drawn(
    blend: BlendOp,
    dispose: DisposeOp,
    place: [u32; 2],
    size: [u32; 2],
    pixels: &'static [[u8; 4]],
) -> Drawn {
    Drawn { place, size, blend, dispose, pixels }
}

/// An animation of 2 x 1 pixels; with an image before the frames that is none of them.
fn animation(frames: &[Drawn], has_default_image: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_animated(frames.len() as u32, 0).unwrap();
    encoder.set_sep_def_img(has_default_image).unwrap();
    let mut writer = encoder.write_header().unwrap();
    if has_default_image {
        writer.write_image_data([WHITE, WHITE].as_flattened()).unwrap();
    }
    for frame in frames {
        writer.set_frame_dimension(frame.size[0], frame.size[1]).unwrap();
        writer.set_frame_position(frame.place[0], frame.place[1]).unwrap();
        writer.set_blend_op(frame.blend).unwrap();
        writer.set_dispose_op(frame.dispose).unwrap();
        writer.write_image_data(frame.pixels.as_flattened()).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn frames() -> Vec<Drawn> {
    use BlendOp::{Over, Source};
    use DisposeOp::{Background, None, Previous};
    vec![
        drawn(Source, None, [0, 0], [2, 1], &[RED, WHITE]),
        // Half of white over red, and back to red.
        drawn(Over, Previous, [0, 0], [1, 1], &[HALF]),
        // Transparent over white leaves it, and then it is cleared.
        drawn(Over, Background, [1, 0], [1, 1], &[CLEAR]),
        drawn(Over, None, [0, 0], [1, 1], &[BLUE]),
        // Transparent in place of blue.
        drawn(Source, None, [0, 0], [1, 1], &[CLEAR]),
    ]
}

#[test]
fn frames_are_composed_as_viewers_do() {
    let half = 128.0 / 255.0;
    let [red, white, blue, black] = [[1.0, 0.0, 0.0], [1.0; 3], [0.0, 0.0, 1.0], [0.0; 3]];
    let expected = [[red, white], [[1.0, half, half], white], [red, white], [blue, black], [black, black]];
    for has_default_image in [false, true] {
        let (folder, path) = file(&animation(&frames(), has_default_image));
        for path in [path.as_path(), folder.path()] {
            let read = read_frames(path, &FramesConfig::default(), &budget()).unwrap();
            assert_eq!(read.shape(), [5, 3, 1, 2]);
            for (step, [left, right]) in expected.into_iter().enumerate() {
                let wanted: Vec<f32> = (0..3).flat_map(|channel| [left[channel], right[channel]]).collect();
                let near = read.slice(step).iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-4);
                assert!(near, "frame {step}: {:?}, not {wanted:?}", read.slice(step));
            }
        }
    }
}

/// Files that Pillow wrote (`tests/data/apng/make.py`), with frames that are parts of the picture.
#[test]
fn frames_are_those_that_pillow_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/apng");
    for (name, channels) in [("grey", 1), ("over", 3), ("source", 3), ("default_image", 3)] {
        let read =
            read_frames(folder.join(format!("{name}.png")), &FramesConfig::default(), &budget()).unwrap();
        assert_eq!(read.shape(), [4, channels, 9, 12], "{name}");
        let shown = std::fs::File::open(folder.join(format!("{name}.npy"))).unwrap();
        let shown: Vec<u8> = npyz::NpyFile::new(shown).unwrap().into_vec().unwrap();
        for (at, value) in read.as_slice().iter().enumerate() {
            let (frame, channel, pixel) = (at / (channels * 108), at / 108 % channels, at % 108);
            let expected = f32::from(shown[(frame * 108 + pixel) * 3 + channel]);
            // Pillow rounds opacities to eight bits.
            assert!(
                (value * 255.0 - expected).abs() <= 1.6,
                "{name} {frame} {channel} {pixel}: {value}, {expected}"
            );
        }
    }
}

#[test]
fn some_frames_are_those_of_all() {
    let (_folder, path) = file(&animation(&frames(), true));
    let source = open(&path, &FramesConfig::default(), &budget()).unwrap();
    assert_eq!((source.info().unwrap().steps, source.info().unwrap().sequences), (5, 1));
    let visited = |steps: Range<usize>| {
        let mut visited = Vec::new();
        source
            .visit(0..1, steps, &mut |frame| {
                visited.push((frame.step, frame.values.to_vec()));
                Ok(())
            })
            .unwrap();
        visited
    };
    assert_eq!(visited(0..5)[2..4], visited(2..4));
}

#[test]
fn grey_animations_have_one_channel() {
    let grey = [[[9, 9, 9, 255], WHITE], [WHITE, CLEAR]];
    let all = |pixels: &'static [[u8; 4]]| drawn(BlendOp::Source, DisposeOp::None, [0, 0], [2, 1], pixels);
    let (_folder, path) = file(&animation(&[all(&[[9, 9, 9, 255], WHITE]), all(&[WHITE, CLEAR])], false));
    let read = read_frames(&path, &FramesConfig::default(), &budget()).unwrap();
    assert_eq!(read.shape(), [2, 1, 1, 2]);
    let expected = grey.as_flattened().iter().map(|pixel| f32::from(pixel[0]) / 255.0);
    assert!(read.as_slice().iter().copied().eq(expected));
}

#[test]
fn damaged_animations_are_errors() {
    let bytes = animation(&frames(), true);
    let mut whole = 0;
    for cut in 0..bytes.len() {
        let (_folder, path) = file(&bytes[..cut]);
        let read = read_frames(&path, &FramesConfig::default(), &budget());
        // The end of the file alone is no part of a frame.
        whole += usize::from(read.is_ok());
        assert!(read.is_err() || cut > bytes.len() - 13, "cut at {cut}");
    }
    assert!(whole <= 12);
    for at in 33..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        let (_folder, path) = file(&changed);
        let read = read_frames(&path, &FramesConfig::default(), &budget());
        assert!(read.is_err() || at > bytes.len() - 13, "changed at {at}");
    }
}

#[test]
fn animations_among_images_are_refused() {
    let (folder, _path) = file(&animation(&frames(), false));
    let image = crate::media::encode_png(2, 1, 1, &[0, 255]).unwrap();
    std::fs::write(folder.path().join("b.png"), &image).unwrap();
    let read = |path: &Path| read_frames(path, &FramesConfig::default(), &budget());
    assert!(read(folder.path()).unwrap_err().to_string().contains("animated PNG of 5 frames"));
    std::fs::rename(folder.path().join("a.png"), folder.path().join("c.png")).unwrap();
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("c.png") && error.contains("animated PNG of 5 frames among still images"),
        "{error}"
    );
}
