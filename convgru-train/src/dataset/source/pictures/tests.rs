//! JPEG files that libjpeg wrote (`tests/data/jpeg/make.py`), whole and damaged, and folders of pictures.

use convgru_model::Tensor;

use super::*;
use crate::dataset::fixtures::budget;
use crate::dataset::source::open;
use crate::dataset::{FramesConfig, read_frames};
use crate::media::encode_png;

fn written(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jpeg").join(name)
}

/// A folder with files of some bytes.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn read(path: &Path) -> Result<Tensor<f32>> {
    read_frames(path, &FramesConfig::default(), &budget())
}

/// What is read of one picture alone, `[C, H, W]` in levels of 0 to 255.
fn decoded(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f32>)> {
    let folder = folder(&[("a.jpg", bytes)]);
    let frames = read(folder.path())?;
    Ok((frames.shape()[1..].to_vec(), frames.as_slice().iter().map(|value| value * 255.0).collect()))
}

fn refusal(bytes: &[u8]) -> String {
    decoded(bytes).unwrap_err().to_string()
}

/// The levels that libjpeg reads, `[H, W, C]`.
fn expected(name: &str) -> Vec<u8> {
    npyz::NpyFile::new(std::fs::File::open(written(&format!("{name}.npy"))).unwrap())
        .unwrap()
        .into_vec()
        .unwrap()
}

#[test]
fn jpeg_is_read_as_libjpeg_reads_it() {
    for (name, channels, most) in [
        ("grey", 1, 1.0),
        ("grey_progressive", 1, 1.0),
        ("colour", 3, 2.0),
        ("colour_420", 3, 3.0),
        ("colour_progressive", 3, 2.0),
        ("colour_restarts", 3, 2.0),
    ] {
        let (shape, levels) = decoded(&std::fs::read(written(&format!("{name}.jpg"))).unwrap()).unwrap();
        assert_eq!(shape, [channels, 20, 28], "{name}");
        let expected = expected(name);
        for (at, level) in levels.iter().enumerate() {
            let (channel, pixel) = (at / 560, at % 560);
            let difference = (level - f32::from(expected[pixel * channels + channel])).abs();
            assert!(difference <= most + 1e-3, "{name} {at}: {difference}");
        }
    }
}

#[test]
fn pictures_are_turned_as_their_exif_data_say() {
    let plain = expected("grey");
    let at = |row: usize, column: usize| f32::from(plain[row * 28 + column]);
    for orientation in 1..=8 {
        let bytes = std::fs::read(written(&format!("turned{orientation}.jpg"))).unwrap();
        let (shape, levels) = decoded(&bytes).unwrap();
        let (height, width) = if orientation < 5 { (20, 28) } else { (28, 20) };
        assert_eq!(shape, [1, height, width]);
        // The corners and their neighbours, as Pillow's exif_transpose turns them.
        for (row, column) in
            [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (1, 3), (5, 2)]
        {
            let wanted = match orientation {
                1 => at(row, column),
                2 => at(row, 27 - column),
                3 => at(19 - row, 27 - column),
                4 => at(19 - row, column),
                5 => at(column, row),
                6 => at(19 - column, row),
                7 => at(19 - column, 27 - row),
                _ => at(column, 27 - row),
            };
            assert!((levels[row * width + column] - wanted).abs() <= 1.001, "{orientation} {row} {column}");
        }
    }
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    let bytes = |name: &str| std::fs::read(written(name)).unwrap();
    let error = refusal(&bytes("cmyk.jpg"));
    assert!(error.contains("CMYK") && error.contains("save it as RGB"), "{error}");
    let error = refusal(&bytes("twelve_bits.jpg"));
    assert!(error.contains("SamplePrecision(12)") && error.contains("8 bits"), "{error}");
    let mut turned = bytes("turned6.jpg");
    let at = turned.windows(4).position(|own| own == b"Exif").unwrap();
    turned[at + 6] = b'X';
    assert!(refusal(&turned).contains("orientation"), "{}", refusal(&turned));
    assert!(refusal(b"no picture").contains("damaged JPEG"), "{}", refusal(b"no picture"));
}

#[test]
fn a_jpeg_that_ends_early_is_an_error() {
    for name in ["grey", "grey_progressive", "colour_420", "colour_progressive", "colour_restarts", "turned5"]
    {
        let bytes = std::fs::read(written(&format!("{name}.jpg"))).unwrap();
        for cut in 0..bytes.len() {
            assert!(decoded(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
        // No damage is a panic.
        for at in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            let _ = decoded(&changed);
        }
    }
}

#[test]
fn folders_of_jpeg_are_in_natural_order_and_of_one_kind() {
    let bytes = |name: &str| std::fs::read(written(name)).unwrap();
    let (grey, colour) = (bytes("grey.jpg"), bytes("colour.jpg"));
    let names = folder(&[
        ("f10.JPG", &colour),
        ("f9.jpeg", &grey),
        ("f1.jpg", &grey),
        ("notes.txt", b"x"),
        (".f0.jpg", b"x"),
    ]);
    // One of them has colours, so that all have three channels.
    let frames = read(names.path()).unwrap();
    assert_eq!(frames.shape(), [3, 3, 20, 28]);
    assert_eq!(frames.slice(0), frames.slice(1));
    assert_eq!(frames.slice(0)[..560], frames.slice(0)[560..1120]);
    assert_ne!(frames.slice(2)[..560], frames.slice(2)[560..1120]);
    // A picture of another size, and a picture of another kind.
    std::fs::write(names.path().join("f11.jpg"), bytes("turned6.jpg")).unwrap();
    let error = read(names.path()).unwrap_err().to_string();
    assert!(error.contains("f11.jpg") && error.contains("20 x 28") && error.contains("28 x 20"), "{error}");
    std::fs::remove_file(names.path().join("f11.jpg")).unwrap();
    std::fs::write(names.path().join("f11.png"), encode_png(28, 20, 1, &[7; 560]).unwrap()).unwrap();
    let error = read(names.path()).unwrap_err().to_string();
    assert!(
        error.contains("PNG and JPEG") && error.contains("f1.jpg") && error.contains("f11.png"),
        "{error}"
    );
}

#[test]
fn pictures_are_decoded_one_at_a_time() {
    let picture = encode_png(64, 64, 3, &[9; 3 * 64 * 64]).unwrap();
    let names: Vec<String> = (0..40).map(|at| format!("f{at}.png")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), picture.as_slice())).collect();
    let folder = folder(&files);
    let source = open(folder.path(), &FramesConfig::default(), &budget()).unwrap();
    // Pictures that are not asked for need not be there, once it is known that all are grey.
    let mut shapes = Vec::new();
    source
        .visit(0..1, 0..1, &mut |frame| {
            shapes.push(frame.shape);
            Ok(())
        })
        .unwrap();
    assert_eq!(shapes, [[1, 64, 64]]);
    (20..40).for_each(|at| std::fs::remove_file(folder.path().join(format!("f{at}.png"))).unwrap());
    let mut seen = Vec::new();
    source
        .visit(0..1, 3..20, &mut |frame| {
            seen.push(frame.step);
            Ok(())
        })
        .unwrap();
    assert!(seen.into_iter().eq(3..20));
    assert!(source.visit(0..1, 20..21, &mut |_| Ok(())).is_err());
}
