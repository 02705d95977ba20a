//! Normalisation over groups of channels.

use convgru_kernels::Scalar;

use super::{Sink, images_of};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, expect_shape};

/// Numbers of a group, and the groups of an image.
fn group<T: Scalar>(groups: usize, x: &Tensor<T>, scale: &Tensor<T>) -> Result<[usize; 2]> {
    let [_, channels, height, width] = images_of("images to normalise", x)?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        let reason = format!("{channels} channels do not make {groups} groups of equal size");
        return Err(Error::InvalidConfig { field: "normalization".into(), reason });
    }
    expect_shape("scale of the normalisation", scale.shape(), &[channels])?;
    Ok([channels / groups, height * width])
}

/// The mean of some numbers and the reciprocal of their standard deviation.
fn moments<T: Scalar>(values: &[T], epsilon: f64) -> [T; 2] {
    let count = T::from_f64(values.len().max(1) as f64);
    let mean = values.iter().copied().sum::<T>() / count;
    let variance = values.iter().map(|&x| (x - mean) * (x - mean)).sum::<T>() / count;
    [mean, T::ONE / (variance + T::from_f64(epsilon)).sqrt()]
}

pub(super) fn forward<T: Scalar>(
    groups: usize,
    epsilon: f64,
    [x, scale, shift]: [&Tensor<T>; 3],
) -> Result<Tensor<T>> {
    let [channels, pixels] = group(groups, x, scale)?;
    expect_shape("shift of the normalisation", shift.shape(), scale.shape())?;
    let mut y = x.clone();
    for (index, values) in y.as_mut_slice().chunks_exact_mut((channels * pixels).max(1)).enumerate() {
        let [mean, rate] = moments(values, epsilon);
        let first = index % groups * channels;
        for (channel, plane) in values.chunks_exact_mut(pixels).enumerate() {
            let (scale, shift) = (scale.as_slice()[first + channel], shift.as_slice()[first + channel]);
            plane.iter_mut().for_each(|x| *x = (*x - mean) * rate * scale + shift);
        }
    }
    Ok(y)
}

/// With `x^ = (x - mean) rate` and `g = dy scale` over a group:
/// `dx = rate (g - mean(g) - x^ mean(g x^))`, `dscale = sum dy x^`, `dshift = sum dy`.
pub(super) fn backward<T: Scalar>(
    groups: usize,
    epsilon: f64,
    [x, scale]: [&Tensor<T>; 2],
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    let [channels, pixels] = group(groups, x, scale)?;
    let len = (channels * pixels).max(1);
    let count = T::from_f64(len as f64);
    for (index, (x, d)) in x.as_slice().chunks_exact(len).zip(d.as_slice().chunks_exact(len)).enumerate() {
        let [mean, rate] = moments(x, epsilon);
        let first = index % groups * channels;
        let planes = || x.chunks_exact(pixels).zip(d.chunks_exact(pixels)).enumerate();
        let (mut sum, mut product) = (T::ZERO, T::ZERO);
        for (channel, (x, d)) in planes() {
            let d_shift: T = d.iter().copied().sum();
            let d_scale: T = x.iter().zip(d).map(|(&x, &d)| (x - mean) * rate * d).sum();
            if sink.wants(1) {
                sink.gradient(1).as_mut_slice()[first + channel] += d_scale;
            }
            if sink.wants(2) {
                sink.gradient(2).as_mut_slice()[first + channel] += d_shift;
            }
            let scale = scale.as_slice()[first + channel];
            sum += scale * d_shift;
            product += scale * d_scale;
        }
        if sink.wants(0) {
            let to = &mut sink.gradient(0).as_mut_slice()[index * len..][..len];
            for (channel, (x, d)) in planes() {
                let scale = scale.as_slice()[first + channel];
                let to = to[channel * pixels..][..pixels].iter_mut();
                for ((to, &x), &d) in to.zip(x).zip(d) {
                    *to += rate * (d * scale - sum / count - (x - mean) * rate * product / count);
                }
            }
        }
    }
    Ok(())
}
