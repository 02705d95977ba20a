//! Digits from a folder with MNIST's own files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;

use super::Split;
use super::moving_digits::DigitSource;
use super::random::below;
use super::resample::Resampler;
use super::source::idx::IdxImages;
use super::source::{FrameInfo, FrameSource};
use crate::printable::printable;
use crate::read_budget::bytes_of;
use crate::storage::{Disk, is_file};
use crate::{Error, ReadBudget, Result, input};

/// Of the training images, one in twelve is held back for validation: the last
/// 5,000 of MNIST's 60,000.
const HELD_BACK: usize = 12;

/// The images of one split of MNIST, drawn uniformly.
#[derive(Debug)]
pub(super) struct MnistDigits {
    /// A byte for each pixel, image by image.
    pixels: Vec<u8>,
    /// Rows and columns of an image.
    side: usize,
    /// To the wanted size, unless the images have it.
    resampler: Option<Resampler>,
}

impl MnistDigits {
    /// Reads the images of a split from a folder, for digits of `size` pixels.
    ///
    /// # Errors
    /// [`Error::Data`] if the folder has no such file, [`Error::Io`] and
    /// [`Error::Format`] if the file cannot be used.
    pub(super) fn open(folder: &Path, split: Split, size: usize, budget: &ReadBudget) -> Result<Self> {
        let path = find(folder, split)?;
        let source = IdxImages::read(&path, budget)?;
        let FrameInfo { steps: count, height: side, width, .. } = source.info()?;
        if side != width {
            return Err(Error::Format {
                path,
                reason: format!("has images of {side} x {width} pixels, but square ones are needed"),
            });
        }
        let refuse = || Error::Format {
            path: path.clone(),
            reason: "has 1 image, but at least 2 are needed: for training and for validation".into(),
        };
        let range = part(count, split).ok_or_else(refuse)?;
        budget.keep(&path, bytes_of(side * side, &[range.len()]))?.stay();
        let mut pixels = Vec::new();
        input::reserve(&mut pixels, range.len() * side * side).map_err(Error::io("read", &path))?;
        source.visit(0..1, range, &mut |frame| {
            pixels.extend(frame.values.iter().map(|value| (value * 255.0).round() as u8));
            Ok(())
        })?;
        let resampler = (side != size).then(|| Resampler::new(side, size));
        Ok(Self { pixels, side, resampler })
    }

    /// The number of images.
    pub(super) fn len(&self) -> usize {
        self.pixels.len() / (self.side * self.side)
    }

    /// An image, row by row.
    fn image(&self, index: usize) -> &[u8] {
        let size = self.side * self.side;
        &self.pixels[index * size..(index + 1) * size]
    }
}

impl DigitSource for MnistDigits {
    fn draw(&self, random: &mut ChaCha8Rng, image: &mut [u8]) {
        let chosen = self.image(below(random, self.len()));
        match &self.resampler {
            Some(resampler) => resampler.apply(chosen, image),
            None => image.copy_from_slice(chosen),
        }
    }
}

/// Which images of its file a split uses, or `None` if there are too few.
fn part(count: usize, split: Split) -> Option<Range<usize>> {
    let kept = count - (count / HELD_BACK).max(1);
    match split {
        Split::Test => Some(0..count),
        Split::Train => (kept > 0).then_some(0..kept),
        Split::Validation => (kept > 0).then_some(kept..count),
    }
}

/// The names a split's image file may have, in the order they are tried.
fn names(split: Split) -> [&'static str; 4] {
    match split {
        Split::Train | Split::Validation => [
            "train-images-idx3-ubyte",
            "train-images-idx3-ubyte.gz",
            "train-images.idx3-ubyte",
            "train-images.idx3-ubyte.gz",
        ],
        Split::Test => [
            "t10k-images-idx3-ubyte",
            "t10k-images-idx3-ubyte.gz",
            "t10k-images.idx3-ubyte",
            "t10k-images.idx3-ubyte.gz",
        ],
    }
}

/// Whether a file has the name of MNIST's images.
pub(super) fn is_images(path: &Path) -> bool {
    let known = |split| names(split).iter().any(|name| path.file_name().is_some_and(|file| file == *name));
    known(Split::Train) || known(Split::Test)
}

fn find(folder: &Path, split: Split) -> Result<PathBuf> {
    std::fs::read_dir(folder).map_err(Error::io("open the data folder", folder))?;
    for path in names(split).iter().map(|name| folder.join(name)) {
        if is_file(&Disk, &path)? {
            return Ok(path);
        }
    }
    Err(Error::Data {
        what: printable(folder),
        reason: format!(
            "has no MNIST {split} images; looked for {}. Put MNIST's files there under their own names, or \
             train without files by data.source = \"strokes\"",
            names(split).join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixtures::budget;
    use crate::dataset::random::{Purpose, SampleKey, generator};
    use crate::dataset::source::idx::tests::counting;

    #[test]
    fn training_validation_and_test_share_no_image() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("train-images.idx3-ubyte"), counting(24, 2, 2)).unwrap();
        std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), counting(5, 2, 2)).unwrap();
        let open = |split| MnistDigits::open(folder.path(), split, 2, &budget()).unwrap();
        let train = open(Split::Train);
        let validation = open(Split::Validation);
        assert_eq!((train.len(), validation.len(), open(Split::Test).len()), (22, 2, 5));
        assert_eq!(train.image(21), [84, 85, 86, 87]);
        assert_eq!(validation.image(0), [88, 89, 90, 91]);
        assert_eq!(part(60_000, Split::Train), Some(0..55_000));
        assert_eq!(part(60_000, Split::Validation), Some(55_000..60_000));
        assert_eq!(part(2, Split::Validation), Some(1..2));
        assert_eq!(part(1, Split::Train), None);
    }

    #[test]
    fn every_image_can_be_drawn_and_is_scaled() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t10k-images-idx3-ubyte"), counting(5, 2, 2)).unwrap();
        let digits = MnistDigits::open(folder.path(), Split::Test, 2, &budget()).unwrap();
        let sample = SampleKey { seed: 0, split: Split::Test, epoch: 0, index: 0 };
        let mut random = generator(Purpose::Digits, sample);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut image = [0; 4];
            digits.draw(&mut random, &mut image);
            seen.insert(image);
        }
        assert_eq!(seen.len(), 5);
        let larger = MnistDigits::open(folder.path(), Split::Test, 8, &budget()).unwrap();
        let mut image = [255; 64];
        larger.draw(&mut random, &mut image);
        assert!(image.iter().all(|&v| v < 20) && image.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_folder_without_the_files_lists_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let error = MnistDigits::open(folder.path(), Split::Test, 28, &budget()).unwrap_err().to_string();
        for name in names(Split::Test) {
            assert!(error.contains(name), "{error}");
        }
        let error = MnistDigits::open(&folder.path().join("none"), Split::Test, 28, &budget())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("cannot open the data folder"), "{error}");
    }

    #[test]
    fn images_must_be_square_and_two() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train-images-idx3-ubyte");
        std::fs::write(&path, counting(3, 2, 4)).unwrap();
        let error = MnistDigits::open(folder.path(), Split::Train, 28, &budget()).unwrap_err().to_string();
        assert!(error.contains("2 x 4"), "{error}");
        std::fs::write(&path, counting(1, 2, 2)).unwrap();
        let error = MnistDigits::open(folder.path(), Split::Train, 28, &budget()).unwrap_err().to_string();
        assert!(error.contains("at least 2"), "{error}");
    }

    #[test]
    fn the_real_files_have_the_published_counts() {
        let Some(folder) = crate::fixtures::data_folder("mnist") else {
            return;
        };
        for (split, count) in [(Split::Train, 55_000), (Split::Validation, 5_000), (Split::Test, 10_000)] {
            let digits = MnistDigits::open(&folder, split, 28, &budget()).unwrap();
            assert_eq!((digits.len(), digits.side), (count, 28));
            let sum: u64 = (0..count).flat_map(|i| digits.image(i)).map(|&v| u64::from(v)).sum();
            // The published mean grey level of MNIST is 0.1307 (training) and 0.1325 (test).
            let mean = sum as f64 / (count * 784 * 255) as f64;
            assert!((0.128..0.136).contains(&mean), "{mean}");
        }
    }
}
