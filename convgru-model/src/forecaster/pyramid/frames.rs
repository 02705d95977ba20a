//! Between frames of any size and the patches of the finest scale.

use convgru_kernels::{Extent, FeatureMaps, Scalar};

use crate::config::{PyramidConfig, Residual};
use crate::error::{Error, Result};
use crate::layer::Activation;
use crate::memory;
use crate::tensor::{Tensor, expect_rank};

/// The smallest number of a frame that is added as its logit; the largest is as far from one.
pub(crate) const NEAREST_TO_ZERO: f64 = 0.01;

/// The size of frames, and of everything that comes of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frames {
    /// One step, `[N, C, H, W]`.
    pub(super) extent: Extent,
    /// Rows and columns of a patch.
    patch: usize,
    /// Rows and columns at each scale.
    sizes: Vec<[usize; 2]>,
}

impl Frames {
    /// Of frames `[N, C, H, W]`; `what` names them where they do not fit, of shape `shape`.
    pub(super) fn new(config: &PyramidConfig, what: &str, step: [usize; 4], shape: &[usize]) -> Result<Self> {
        let [batch, channels, height, width] = step;
        if channels != config.image_channels || shape.contains(&0) {
            let leading = if shape.len() == 5 { "T >= 1, N >= 1" } else { "N >= 1" };
            return Err(Error::ShapeMismatch {
                what: what.into(),
                expected: format!("[{leading}, {}, H >= 1, W >= 1]", config.image_channels),
                got: shape.to_vec(),
            });
        }
        memory::expect_bytes(what, memory::bytes_of::<f32>(&step))?;
        let factor = config.factor();
        let [Some(rows), Some(columns)] = [height, width].map(|size| size.checked_next_multiple_of(factor))
        else {
            return Err(Error::ShapeMismatch {
                what: what.into(),
                expected: format!("a height and a width that a multiple of {factor} can follow"),
                got: shape.to_vec(),
            });
        };
        let mut size = [rows, columns];
        let sizes = config.scales.iter().map(|scale| {
            size = size.map(|size| size / scale.down);
            size
        });
        let sizes = sizes.collect();
        let extent = Extent { batch, channels, height, width };
        Ok(Self { extent, patch: config.scales[0].down, sizes })
    }

    /// Of a sequence `[T, N, C, H, W]`.
    pub(super) fn of_sequence(config: &PyramidConfig, shape: &[usize]) -> Result<Self> {
        expect_rank("input frames", shape, &["T", "N", "C", "H", "W"])?;
        Self::new(config, "input frames", [shape[1], shape[2], shape[3], shape[4]], shape)
    }

    /// The frames that `members` members predict: the channels of one after those of the other.
    pub(super) fn of_members(&self, members: usize) -> Self {
        let extent = self.extent.with_channels(self.extent.channels * members);
        Self { extent, ..self.clone() }
    }

    /// `steps` steps of maps of a scale.
    pub(super) fn of_scale(&self, scale: usize, channels: usize, steps: usize) -> Extent {
        let [height, width] = self.sizes[scale];
        Extent { batch: self.extent.batch * steps, channels, height, width }
    }

    /// The shape of `steps` frames, `[steps, N, C, H, W]`.
    pub(super) fn shape(&self, steps: usize) -> [usize; 5] {
        let [n, c, h, w] = self.extent.dims();
        [steps, n, c, h, w]
    }

    fn patches(&self, steps: usize) -> Extent {
        self.of_scale(0, self.extent.channels * self.patch * self.patch, steps)
    }

    /// The patches of frames as channels, zeros beyond the frames.
    pub(super) fn to_patches<T: Scalar>(&self, frames: &[T], halo: [usize; 2]) -> Result<FeatureMaps<T>> {
        let steps = frames.len() / self.extent.len();
        let mut maps = FeatureMaps::with_halo(self.patches(steps), halo)?;
        let mut images = vec![T::ZERO; maps.extent().len()];
        self.for_each_row(frames.len(), |frame, deep, stride| {
            let row = frames[frame..frame + self.extent.width].iter().enumerate();
            row.for_each(|(x, &value)| images[deep + x % self.patch * stride + x / self.patch] = value);
        });
        maps.as_mut().read_nchw(&images)?;
        Ok(maps)
    }

    /// The frames of patches: the part that is not beyond them.
    pub(super) fn to_frames<T: Scalar>(&self, maps: &FeatureMaps<T>, frames: &mut [T]) -> Result<()> {
        let mut images = vec![T::ZERO; maps.extent().len()];
        maps.as_ref().write_nchw(&mut images)?;
        self.for_each_row(frames.len(), |frame, deep, stride| {
            let row = frames[frame..frame + self.extent.width].iter_mut().enumerate();
            row.for_each(|(x, value)| *value = images[deep + x % self.patch * stride + x / self.patch]);
        });
        Ok(())
    }

    /// Visits the rows of frames of `len` numbers together: where one begins, where its first pixel lies in
    /// `[.., patch^2 C, H / patch, W / patch]`, and how far it is from there to the next pixel of a patch.
    fn for_each_row(&self, len: usize, mut visit: impl FnMut(usize, usize, usize)) {
        let Extent { channels, height, width, .. } = self.extent;
        let [rows, columns] = self.sizes[0];
        let plane = rows * columns;
        for row in 0..len / width {
            let (y, c, image) = (row % height, row / height % channels, row / height / channels);
            let tap = y % self.patch * self.patch;
            let deep_plane = image * channels * self.patch * self.patch + tap * channels + c;
            visit(row * width, deep_plane * plane + y / self.patch * columns, channels * plane);
        }
    }
}

/// The frames that are added to the output, and the way back through the last one that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addition {
    as_logits: bool,
    /// Members whose outputs it is added to.
    members: usize,
    image_channels: usize,
}

impl Addition {
    /// What a configuration adds.
    pub(super) fn of(config: &PyramidConfig, activation: Activation) -> Option<Self> {
        let added = config.residual != Residual::None;
        added.then_some(Self {
            as_logits: activation == Activation::Sigmoid,
            members: config.members,
            image_channels: config.image_channels,
        })
    }

    /// Adds a frame `[N, C, H, W]`, or one for each step, to each member of some steps of an output, `[T, N, K C, H, W]`.
    pub(super) fn add<T: Scalar>(self, frames: &[T], outputs: &mut Tensor<T>) {
        let added: Vec<T> =
            if self.as_logits { frames.iter().map(|&x| logit(x)).collect() } else { frames.to_vec() };
        let sample = self.sample(outputs);
        for (index, output) in outputs.as_mut_slice().chunks_exact_mut(sample).enumerate() {
            let added = &added[self.place(index, sample, frames.len())..][..sample];
            output.iter_mut().zip(added).for_each(|(y, &x)| *y += x);
        }
    }

    /// Adds the gradient of a frame that was added to all steps from those of the outputs.
    pub(super) fn backward<T: Scalar>(self, frame: &[T], d_outputs: &Tensor<T>, d_frame: &mut [T]) {
        let sample = self.sample(d_outputs);
        for (index, d_output) in d_outputs.as_slice().chunks_exact(sample).enumerate() {
            let at = self.place(index, sample, frame.len());
            for ((d, &dy), &x) in d_frame[at..].iter_mut().zip(d_output).zip(&frame[at..]) {
                *d += if self.as_logits { dy * slope_of_logit(x) } else { dy };
            }
        }
    }

    /// Numbers of a frame of one sample and member.
    fn sample<T: Scalar>(self, outputs: &Tensor<T>) -> usize {
        self.image_channels * outputs.shape()[3..].iter().product::<usize>()
    }

    /// Where the sample begins in frames of `len` numbers to which part `index` of the outputs belongs: members of a
    /// sample follow each other.
    fn place(self, index: usize, sample: usize, len: usize) -> usize {
        index / self.members * sample % len
    }
}

fn bounds<T: Scalar>() -> [T; 2] {
    [T::from_f64(NEAREST_TO_ZERO), T::from_f64(1.0 - NEAREST_TO_ZERO)]
}

fn logit<T: Scalar>(x: T) -> T {
    let [low, high] = bounds();
    let x = x.max(low).min(high);
    (x - T::ONE).ln_1p() - (-x).ln_1p()
}

fn slope_of_logit<T: Scalar>(x: T) -> T {
    let [low, high] = bounds();
    if x > low && x < high { T::ONE / (x * (T::ONE - x)) } else { T::ZERO }
}
