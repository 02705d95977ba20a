//! One number after the other.

use convgru_kernels::Scalar;
use rayon::prelude::*;

use super::{Sink, images_of};
use crate::error::Result;
use crate::layer::Activation;
use crate::tensor::{Tensor, expect_shape};

/// Numbers that a thread takes at a time.
pub(super) const CHUNK: usize = 1 << 14;

/// Calls `work` with parts of two slices of the same length, on threads where there are many.
pub(super) fn in_chunks<T: Scalar>(to: &mut [T], from: &[T], work: impl Fn(&mut [T], &[T]) + Sync) {
    match to.len() <= 2 * CHUNK {
        true => work(to, from),
        false => in_parallel(to, &|start, to| work(to, &from[start..start + to.len()])),
    }
}

/// Calls `work` with parts of three slices of the same length, on threads where there are many.
fn in_triples<T: Scalar>(to: &mut [T], a: &[T], b: &[T], work: impl Fn(&mut [T], &[T], &[T]) + Sync) {
    match to.len() <= 2 * CHUNK {
        true => work(to, a, b),
        false => in_parallel(to, &|start, to| {
            let range = start..start + to.len();
            work(to, &a[range.clone()], &b[range]);
        }),
    }
}

/// Calls `work` with parts of a slice and where they start; compiled once for a type, not for
/// each operation.
fn in_parallel<T: Scalar>(to: &mut [T], work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    to.par_chunks_mut(CHUNK).enumerate().for_each(|(index, to)| work(index * CHUNK, to));
}

/// Adds numbers.
pub(super) fn add_to<T: Scalar>(to: &mut [T], from: &[T]) {
    in_chunks(to, from, |to, from| to.iter_mut().zip(from).for_each(|(to, &x)| *to += x));
}

/// Writes `f` of each pair of numbers.
pub(super) fn write<T: Scalar>(to: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) {
    in_triples(to, a, b, |to, a, b| {
        to.iter_mut().zip(a).zip(b).for_each(|((to, &a), &b)| *to = f(a, b));
    });
}

fn zip<T: Scalar>(a: &Tensor<T>, b: &Tensor<T>, f: impl Fn(T, T) -> T + Sync) -> Result<Tensor<T>> {
    expect_shape("second operand", b.shape(), a.shape())?;
    let mut values = Tensor::zeros(a.shape());
    write(values.as_mut_slice(), a.as_slice(), b.as_slice(), f);
    Ok(values)
}

/// Adds `f` of each pair of numbers to a gradient.
fn add_each<T: Scalar>(to: &mut Tensor<T>, a: &Tensor<T>, b: &Tensor<T>, f: impl Fn(T, T) -> T + Sync) {
    in_triples(to.as_mut_slice(), a.as_slice(), b.as_slice(), |to, a, b| {
        to.iter_mut().zip(a).zip(b).for_each(|((to, &a), &b)| *to += f(a, b));
    });
}

pub(super) fn add<T: Scalar>(a: &Tensor<T>, b: &Tensor<T>) -> Result<Tensor<T>> {
    zip(a, b, |a, b| a + b)
}

pub(super) fn add_backward<T: Scalar>(d: &Tensor<T>, sink: &mut impl Sink<T>) -> Result<()> {
    for operand in 0..2 {
        if sink.wants(operand) {
            add_to(sink.gradient(operand).as_mut_slice(), d.as_slice());
        }
    }
    Ok(())
}

pub(super) fn multiply<T: Scalar>(a: &Tensor<T>, b: &Tensor<T>) -> Result<Tensor<T>> {
    zip(a, b, |a, b| a * b)
}

pub(super) fn multiply_backward<T: Scalar>(
    a: &Tensor<T>,
    b: &Tensor<T>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        add_each(sink.gradient(0), b, d, |b, d| b * d);
    }
    if sink.wants(1) {
        add_each(sink.gradient(1), a, d, |a, d| a * d);
    }
    Ok(())
}

pub(super) fn blend<T: Scalar>([z, n, h]: [&Tensor<T>; 3]) -> Result<Tensor<T>> {
    expect_shape("candidate", n.shape(), z.shape())?;
    expect_shape("state", h.shape(), z.shape())?;
    let mut new = h.clone();
    in_triples(new.as_mut_slice(), z.as_slice(), n.as_slice(), |new, z, n| {
        new.iter_mut().zip(z).zip(n).for_each(|((h, &z), &n)| *h += z * (n - *h));
    });
    Ok(new)
}

pub(super) fn blend_backward<T: Scalar>(
    [z, n, h]: [&Tensor<T>; 3],
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        let change = zip(n, h, |n, h| n - h)?;
        add_each(sink.gradient(0), d, &change, |d, change| d * change);
    }
    if sink.wants(1) {
        add_each(sink.gradient(1), d, z, |d, z| d * z);
    }
    if sink.wants(2) {
        add_each(sink.gradient(2), d, z, |d, z| d * (T::ONE - z));
    }
    Ok(())
}

pub(super) fn activate_backward<T: Scalar>(
    activation: Activation,
    result: &Tensor<T>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        sink.give(0, activation.backward(result, d)?)?;
    }
    Ok(())
}

pub(super) fn add_to_pixels<T: Scalar>(x: &Tensor<T>, c: &Tensor<T>) -> Result<Tensor<T>> {
    let [images, channels, height, width] = images_of("images", x)?;
    expect_shape("numbers for each channel", c.shape(), &[images, channels, 1, 1])?;
    let mut sum = x.clone();
    for (plane, &c) in sum.as_mut_slice().chunks_exact_mut((height * width).max(1)).zip(c.as_slice()) {
        plane.iter_mut().for_each(|value| *value += c);
    }
    Ok(sum)
}

pub(super) fn add_to_pixels_backward<T: Scalar>(d: &Tensor<T>, sink: &mut impl Sink<T>) -> Result<()> {
    if sink.wants(0) {
        sink.gradient(0).add_assign(d)?;
    }
    if sink.wants(1) {
        let pixels: usize = d.shape()[2..].iter().product();
        let planes = d.as_slice().chunks_exact(pixels.max(1));
        for (to, plane) in sink.gradient(1).as_mut_slice().iter_mut().zip(planes) {
            *to += plane.iter().copied().sum();
        }
    }
    Ok(())
}

pub(super) fn scale_channels<T: Scalar>(x: &Tensor<T>, scale: &Tensor<T>) -> Result<Tensor<T>> {
    let [_, channels, height, width] = images_of("images", x)?;
    expect_shape("numbers for each channel", scale.shape(), &[channels])?;
    let mut product = x.clone();
    let planes = product.as_mut_slice().chunks_exact_mut((height * width).max(1));
    for (plane, &scale) in planes.zip(scale.as_slice().iter().cycle()) {
        plane.iter_mut().for_each(|value| *value *= scale);
    }
    Ok(product)
}

pub(super) fn scale_channels_backward<T: Scalar>(
    x: &Tensor<T>,
    scale: &Tensor<T>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        let d_x = scale_channels(d, scale)?;
        sink.gradient(0).add_assign(&d_x)?;
    }
    if sink.wants(1) {
        let pixels: usize = x.shape()[2..].iter().product();
        let planes = x.as_slice().chunks_exact(pixels.max(1)).zip(d.as_slice().chunks_exact(pixels.max(1)));
        let channels = x.shape()[1];
        let d_scale = sink.gradient(1).as_mut_slice();
        for (plane, (x, d)) in planes.enumerate() {
            d_scale[plane % channels] += x.iter().zip(d).map(|(&x, &d)| x * d).sum();
        }
    }
    Ok(())
}
