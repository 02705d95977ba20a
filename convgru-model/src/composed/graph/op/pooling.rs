//! Fewer pixels, or more.

use convgru_kernels::Scalar;

use super::{Sink, images_of};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) fn mean<T: Scalar>(x: &Tensor<T>) -> Result<Tensor<T>> {
    let [images, channels, height, width] = images_of("images", x)?;
    let pixels = (height * width).max(1);
    let count = T::from_f64(pixels as f64);
    let means = x.as_slice().chunks_exact(pixels).map(|plane| plane.iter().copied().sum::<T>() / count);
    Tensor::from_vec(&[images, channels, 1, 1], means.collect())
}

pub(super) fn mean_backward<T: Scalar>(d: &Tensor<T>, sink: &mut impl Sink<T>) -> Result<()> {
    if sink.wants(0) {
        let to = sink.gradient(0);
        let pixels = (to.len() / d.len().max(1)).max(1);
        let count = T::from_f64(pixels as f64);
        for (plane, &d) in to.as_mut_slice().chunks_exact_mut(pixels).zip(d.as_slice()) {
            plane.iter_mut().for_each(|to| *to += d / count);
        }
    }
    Ok(())
}

/// Half as many rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// The largest of 2 x 2 pixels; a last odd row or column is left out.
    Max2,
    /// The mean of 3 x 3 pixels around every second one, zeros beyond the edge counted.
    Average3,
}

impl Pooling {
    /// The size of a pooled image.
    pub(crate) fn pooled(self, size: [usize; 2]) -> [usize; 2] {
        size.map(|size| match self {
            Self::Max2 => size / 2,
            Self::Average3 => size.div_ceil(2),
        })
    }

    /// The pixels that a pooled pixel is made of.
    pub(crate) fn sources(self, [height, width]: [usize; 2], [i, j]: [usize; 2]) -> Vec<usize> {
        let lines = |at: usize, len: usize| match self {
            Self::Max2 => 2 * at..2 * at + 2,
            Self::Average3 => (2 * at).saturating_sub(1)..(2 * at + 2).min(len),
        };
        lines(i, height).flat_map(|i| lines(j, width).map(move |j| i * width + j)).collect()
    }

    /// Calls `meet` with a plane, a pooled pixel of it and the pixels it is made of.
    fn for_each(self, x: &[usize], mut meet: impl FnMut(usize, usize, &[usize])) {
        let size = [x[2], x[3]];
        let [rows, columns] = self.pooled(size);
        for pooled in 0..rows * columns {
            let sources = self.sources(size, [pooled / columns, pooled % columns]);
            (0..x[0] * x[1]).for_each(|plane| meet(plane, pooled, &sources));
        }
    }

    pub(super) fn forward<T: Scalar>(self, x: &Tensor<T>) -> Result<Tensor<T>> {
        let [images, channels, height, width] = images_of("images to pool", x)?;
        let [rows, columns] = self.pooled([height, width]);
        let mut y = Tensor::zeros(&[images, channels, rows, columns]);
        let to = y.as_mut_slice();
        self.for_each(x.shape(), |plane, pooled, sources| {
            let values = &x.as_slice()[plane * height * width..][..height * width];
            to[plane * rows * columns + pooled] = match self {
                Self::Max2 => values[largest(values, sources)],
                Self::Average3 => sources.iter().map(|&at| values[at]).sum::<T>() / T::from_f64(9.0),
            };
        });
        Ok(y)
    }

    pub(super) fn backward<T: Scalar>(
        self,
        x: &Tensor<T>,
        d: &Tensor<T>,
        sink: &mut impl Sink<T>,
    ) -> Result<()> {
        if sink.wants(0) {
            let [_, _, height, width] = images_of("images to pool", x)?;
            let pooled_pixels: usize = d.shape()[2..].iter().product();
            let to = sink.gradient(0).as_mut_slice();
            self.for_each(x.shape(), |plane, pooled, sources| {
                let d = d.as_slice()[plane * pooled_pixels + pooled];
                let plane = plane * height * width..(plane + 1) * height * width;
                let to = &mut to[plane.clone()];
                match self {
                    Self::Max2 => to[largest(&x.as_slice()[plane], sources)] += d,
                    Self::Average3 => sources.iter().for_each(|&at| to[at] += d / T::from_f64(9.0)),
                }
            });
        }
        Ok(())
    }
}

/// The first of the largest values, or the first that is no number: it is to be seen.
fn largest<T: PartialOrd>(values: &[T], places: &[usize]) -> usize {
    let is_nan = |at: usize| values[at].partial_cmp(&values[at]).is_none();
    let larger = |best: usize, at: usize| values[at] > values[best] || (is_nan(at) && !is_nan(best));
    places.iter().copied().reduce(|best, at| if larger(best, at) { at } else { best }).unwrap_or(0)
}

/// Linear interpolation in both directions between pixels; the corners of both sizes lie on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resize {
    /// Height and width of the result.
    pub(crate) size: [usize; 2],
}

impl Resize {
    /// To the size of other images.
    pub(super) fn to<T: Scalar>(like: &Tensor<T>) -> Self {
        let size = |axis: usize| like.shape().get(axis).copied().unwrap_or(0);
        Self { size: [size(2), size(3)] }
    }

    /// The two pixels of a line of `from` that pixel `at` of a line of `to` lies between, and how much of each.
    pub(crate) fn between(at: usize, to: usize, from: usize) -> [(usize, f64); 2] {
        let position = if to > 1 { at as f64 * (from - 1) as f64 / (to - 1) as f64 } else { 0.0 };
        let low = (position.floor() as usize).min(from - 1);
        let fraction = position - low as f64;
        [(low, 1.0 - fraction), ((low + 1).min(from - 1), fraction)]
    }

    /// Calls `meet` with each pixel of a resized plane, a pixel it is mixed of, and how much of it.
    fn for_each(&self, [height, width]: [usize; 2], mut meet: impl FnMut(usize, usize, f64)) {
        for i in 0..self.size[0] {
            for j in 0..self.size[1] {
                for (row, of_row) in Self::between(i, self.size[0], height) {
                    for (column, of_column) in Self::between(j, self.size[1], width) {
                        meet(i * self.size[1] + j, row * width + column, of_row * of_column);
                    }
                }
            }
        }
    }

    pub(super) fn forward<T: Scalar>(&self, x: &Tensor<T>) -> Result<Tensor<T>> {
        let [images, channels, height, width] = images_of("images to resize", x)?;
        if [height, width].contains(&0) || self.size.contains(&0) {
            let reason = format!("an image of {height} x {width} has no size {:?}", self.size);
            return Err(Error::InvalidConfig { field: "size".into(), reason });
        }
        let mut y = Tensor::zeros(&[images, channels, self.size[0], self.size[1]]);
        let planes = y.as_mut_slice().chunks_exact_mut(self.size[0] * self.size[1]);
        for (to, from) in planes.zip(x.as_slice().chunks_exact(height * width)) {
            self.for_each([height, width], |at, source, part| to[at] += T::from_f64(part) * from[source]);
        }
        Ok(y)
    }

    pub(super) fn backward<T: Scalar>(&self, d: &Tensor<T>, sink: &mut impl Sink<T>) -> Result<()> {
        if sink.wants(0) {
            let to = sink.gradient(0);
            let [_, _, height, width] = images_of("images to resize", to)?;
            let planes = to.as_mut_slice().chunks_exact_mut(height * width);
            for (to, d) in planes.zip(d.as_slice().chunks_exact(self.size[0] * self.size[1])) {
                self.for_each([height, width], |at, source, part| to[source] += T::from_f64(part) * d[at]);
            }
        }
        Ok(())
    }
}
