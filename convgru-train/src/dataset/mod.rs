//! Data sets of image sequences, and batches of them.

mod config;
mod idx;
mod mnist;
mod moving_digits;
mod npy_file;
mod order;
mod random;
mod resample;
mod strokes;
mod trajectory;

use std::path::Path;

use convgru_model::Tensor;
use rayon::prelude::*;

pub use config::{DataConfig, Source};
pub use moving_digits::MovingDigits;
pub use npy_file::NpyFile;
pub use order::order;

use crate::{Error, Result};

/// What sequences are used for. The splits share no digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Sequences the optimiser learns from.
    Train,
    /// Sequences that show during training how well it goes.
    Validation,
    /// Sequences for the final figures.
    Test,
}

impl Split {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The number that stands for the split in the keys of random streams.
    fn number(self) -> u64 {
        match self {
            Self::Train => 0,
            Self::Validation => 1,
            Self::Test => 2,
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Sequences of frames that can be asked for in any order.
#[expect(clippy::len_without_is_empty, reason = "no data set is empty")]
pub trait SequenceDataset: Send + Sync {
    /// What this is, for reports.
    fn name(&self) -> &str;

    /// Sequences per epoch, at least 1.
    fn len(&self) -> usize;

    /// The shape of a frame, `[C, H, W]`.
    fn frame_shape(&self) -> [usize; 3];

    /// Frames per sequence: those to read and those to predict.
    fn steps(&self) -> usize;

    /// Writes one sequence, values 0 to 1. The same epoch and index give the
    /// same bits at any time and from any thread.
    ///
    /// # Shapes
    /// `frames`: `[T, C, H, W]`
    ///
    /// # Errors
    /// [`Error::Data`] if `index` is not below [`len`](Self::len) or `frames` has
    /// another length; [`Error::Io`] and [`Error::Format`] where a file is read.
    fn sequence(&self, epoch: u64, index: usize, frames: &mut [f32]) -> Result<()>;
}

/// Some sequences of an epoch as one tensor. They are made in parallel; the
/// number of threads changes no bit.
///
/// # Shapes
/// returns `[T, N, C, H, W]`, N the number of indices
///
/// # Errors
/// [`Error::Data`] if there are no indices or one is not below the length of the
/// data set, and the errors of [`SequenceDataset::sequence`].
///
/// ```
/// use convgru_train::dataset::{DataConfig, Split, batch, open, order};
///
/// let config = DataConfig { train_sequences: 100, ..DataConfig::default() };
/// let dataset = open(&config, None, Split::Train, 0)?;
/// let epoch = order(0, 0, dataset.len());
/// let frames = batch(&*dataset, 0, &epoch[..8])?;
/// assert_eq!(frames.shape(), [20, 8, 1, 64, 64]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn batch(dataset: &dyn SequenceDataset, epoch: u64, indices: &[usize]) -> Result<Tensor<f32>> {
    if indices.is_empty() {
        return Err(Error::Data {
            what: format!("batch of {}", dataset.name()),
            reason: "has no sequences; at least 1 is needed".into(),
        });
    }
    let [channels, height, width] = dataset.frame_shape();
    let (steps, frame) = (dataset.steps(), channels * height * width);
    let mut tensor = Tensor::zeros(&[steps, indices.len(), channels, height, width]);
    // The places of each sequence's frames in the tensor, one per step.
    let mut places: Vec<Vec<&mut [f32]>> = indices.iter().map(|_| Vec::with_capacity(steps)).collect();
    for (at, place) in tensor.as_mut_slice().chunks_exact_mut(frame).enumerate() {
        places[at % indices.len()].push(place);
    }
    places.par_iter_mut().zip(indices).try_for_each_init(
        || vec![0.0; steps * frame],
        |sequence, (places, &index)| {
            dataset.sequence(epoch, index, sequence)?;
            for (place, made) in places.iter_mut().zip(sequence.chunks_exact(frame)) {
                place.copy_from_slice(made);
            }
            Ok::<(), Error>(())
        },
    )?;
    Ok(tensor)
}

/// Opens the data set of a split.
///
/// Without a path the digits are drawn from strokes; with the path of a folder
/// they are those of MNIST's files in it, and `config.source` must say so. The
/// path of a `.npy` file stands for its sequences, whatever the source, and is
/// a test set.
///
/// # Errors
/// [`Error::Config`] if the configuration is invalid or its source does not go
/// with the path; [`Error::Data`], [`Error::Io`] or [`Error::Format`] if the
/// files are missing or cannot be used.
pub fn open(
    config: &DataConfig,
    path: Option<&Path>,
    split: Split,
    seed: u64,
) -> Result<Box<dyn SequenceDataset>> {
    config.validate()?;
    match path.filter(|path| path.is_file() || is_npy(path)) {
        Some(file) => open_file(config, file, split),
        None => Ok(Box::new(moving_digits::open(config, path, split, seed)?)),
    }
}

fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

fn open_file(config: &DataConfig, path: &Path, split: Split) -> Result<Box<dyn SequenceDataset>> {
    if !is_npy(path) {
        return Err(Error::Format {
            path: path.to_path_buf(),
            reason: "is no .npy file; give one, or the folder that holds MNIST's files".into(),
        });
    }
    if split != Split::Test {
        return Err(Error::Data {
            what: path.display().to_string(),
            reason: format!(
                "is a test set and cannot serve as the {split} split; give the folder with MNIST's files"
            ),
        });
    }
    let file = NpyFile::open(path)?;
    file.expect_steps(config.input_frames, config.output_frames)?;
    Ok(Box::new(file))
}

/// Fails unless the index exists and the buffer has the size of a sequence.
fn check_request(dataset: &dyn SequenceDataset, index: usize, values: usize) -> Result<()> {
    let error = |reason| Err(Error::Data { what: dataset.name().to_string(), reason });
    if index >= dataset.len() {
        return error(format!("sequence {index} was asked for, but there are {} (from 0)", dataset.len()));
    }
    let [channels, height, width] = dataset.frame_shape();
    let needed = dataset.steps() * channels * height * width;
    if values != needed {
        return error(format!(
            "the buffer holds {values} values, but a sequence of shape [{}, {channels}, {height}, \
             {width}] has {needed}",
            dataset.steps()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
