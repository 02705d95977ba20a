//! The sizes of frames, and of states at every scale.

use convgru_kernels::{Extent, Scalar};

use crate::config::NetworkConfig;
use crate::error::{Error, Result, expect_count};
use crate::memory;
use crate::sequence::{Sequence, expect_steps};
use crate::tensor::{Tensor, expect_rank};

/// The sizes of the frames of a call, and of everything that depends on them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sizes {
    /// One step of frames as they are read, `[N, C, H, W]`, or `[N, C + 1, H, W]` with a mask.
    pub(super) frame: Extent,
    /// One step of frames without a mask, `[N, C, H, W]`.
    pub(super) image: Extent,
    /// One step of predicted frames, `[N, K C, H, W]` of `K` members.
    pub(super) predicted: Extent,
    /// Rows and columns of the states at each scale, the finest first.
    scales: Vec<[usize; 2]>,
}

impl Sizes {
    /// Of frames `[N, C, H, W]` or a sequence `[T, N, C, H, W]`, which errors name `what`.
    pub(super) fn new<T: Scalar>(config: &dyn NetworkConfig, what: &str, shape: &[usize]) -> Result<Self> {
        let refuse =
            |expected: String| Err(Error::ShapeMismatch { what: what.into(), expected, got: shape.to_vec() });
        let (leading, multiple) =
            (if shape.len() == 4 { "N >= 1" } else { "T >= 1, N >= 1" }, config.frame_multiple());
        let image = match multiple {
            1 => "H >= 1, W >= 1".to_owned(),
            _ => format!("a multiple of {multiple}, a multiple of {multiple}"),
        };
        let expected = || format!("[{leading}, {}, {image}]", config.read_channels());
        let (&[batch, channels, height, width] | &[_, batch, channels, height, width]) = shape else {
            return refuse(expected());
        };
        let fits = channels == config.read_channels()
            && [height, width].iter().all(|size| size.is_multiple_of(multiple))
            && !shape.contains(&0);
        if !fits {
            return refuse(expected());
        }
        let frame = Extent { batch, channels, height, width };
        memory::expect_bytes(what, memory::bytes_of::<T>(&frame.dims()))?;
        let downs = config.downs();
        let factor = downs.iter().product();
        let [Some(rows), Some(columns)] = [height, width].map(|size| size.checked_next_multiple_of(factor))
        else {
            return refuse(format!("a height and a width that a multiple of {factor} can follow"));
        };
        let mut size = [rows, columns];
        let scales = downs.into_iter().map(|down| {
            size = size.map(|size| size / down);
            size
        });
        let image = frame.with_channels(config.image_channels());
        let predicted = frame.with_channels(image.channels * config.members());
        Ok(Self { frame, image, predicted, scales: scales.collect() })
    }

    /// Of a sequence, with its frames: a forecaster reads nothing else of it.
    pub(super) fn of_sequence<'a, T: Scalar>(
        config: &dyn NetworkConfig,
        sequence: Sequence<'a, T>,
    ) -> Result<(Self, &'a Tensor<T>)> {
        let frames = sequence.frames()?;
        expect_count("initial states of a forecaster", 0, sequence.states.map_or(0, <[_]>::len))?;
        expect_count("lengths of samples of a forecaster", 0, sequence.lengths.map_or(0, <[_]>::len))?;
        expect_rank("input frames", frames.shape(), &["T", "N", "C", "H", "W"])?;
        Ok((Self::new::<T>(config, "input frames", frames.shape())?, frames))
    }

    /// One step of maps of a scale.
    pub(super) fn of_scale(&self, scale: usize, channels: usize) -> Extent {
        let [height, width] = self.scales[scale];
        Extent { batch: self.frame.batch, channels, height, width }
    }
}

/// The shape of `steps` frames of an extent, `[steps, N, C, H, W]`.
pub(super) fn sequence(frame: Extent, steps: usize) -> [usize; 5] {
    let [n, c, h, w] = frame.dims();
    [steps, n, c, h, w]
}

/// Fails where a network gives an image for each frame that it reads, and more images are asked for than there are frames.
pub(super) fn expect_images(config: &dyn NetworkConfig, frames: usize, images: usize) -> Result<()> {
    if config.input_channels() == 0 || images <= frames {
        return Ok(());
    }
    let what = "images of a network that gives one for each frame that it reads".into();
    Err(Error::OutOfRange { what, got: images, most: frames })
}

/// Fails where no frame is asked for, or more than a forecast has.
pub(crate) fn expect_frames(steps: usize) -> Result<()> {
    if steps > 0 {
        return expect_steps("frames to predict", steps);
    }
    Err(Error::Count { what: "frames to predict (at least one)".into(), expected: 1, got: 0 })
}
