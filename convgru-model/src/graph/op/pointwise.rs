//! One number after the other.

use convgru_kernels::Scalar;

use super::{Sink, images_of};
use crate::error::Result;
use crate::layer::Activation;
use crate::tensor::{Tensor, expect_shape};

fn zip<T: Scalar>(a: &Tensor<T>, b: &Tensor<T>, f: impl Fn(T, T) -> T) -> Result<Tensor<T>> {
    expect_shape("second operand", b.shape(), a.shape())?;
    let values = a.as_slice().iter().zip(b.as_slice()).map(|(&a, &b)| f(a, b));
    Tensor::from_vec(a.shape(), values.collect())
}

/// Adds the products of two tensors to a gradient.
fn add_products<T: Scalar>(to: &mut Tensor<T>, a: &Tensor<T>, b: &Tensor<T>) {
    for ((to, &a), &b) in to.as_mut_slice().iter_mut().zip(a.as_slice()).zip(b.as_slice()) {
        *to += a * b;
    }
}

pub(super) fn add<T: Scalar>(a: &Tensor<T>, b: &Tensor<T>) -> Result<Tensor<T>> {
    zip(a, b, |a, b| a + b)
}

pub(super) fn add_backward<T: Scalar>(d: &Tensor<T>, sink: &mut impl Sink<T>) -> Result<()> {
    for operand in 0..2 {
        if sink.wants(operand) {
            sink.gradient(operand).add_assign(d)?;
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
        add_products(sink.gradient(0), b, d);
    }
    if sink.wants(1) {
        add_products(sink.gradient(1), a, d);
    }
    Ok(())
}

pub(super) fn blend<T: Scalar>([z, n, h]: [&Tensor<T>; 3]) -> Result<Tensor<T>> {
    expect_shape("candidate", n.shape(), z.shape())?;
    expect_shape("state", h.shape(), z.shape())?;
    let triples = z.as_slice().iter().zip(n.as_slice()).zip(h.as_slice());
    Tensor::from_vec(z.shape(), triples.map(|((&z, &n), &h)| h + z * (n - h)).collect())
}

pub(super) fn blend_backward<T: Scalar>(
    [z, n, h]: [&Tensor<T>; 3],
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    let (z, n, h, d) = (z.as_slice(), n.as_slice(), h.as_slice(), d.as_slice());
    let mut each = |operand: usize, of: &dyn Fn(usize) -> T| {
        if sink.wants(operand) {
            for (i, to) in sink.gradient(operand).as_mut_slice().iter_mut().enumerate() {
                *to += of(i);
            }
        }
    };
    each(0, &|i| d[i] * (n[i] - h[i]));
    each(1, &|i| d[i] * z[i]);
    each(2, &|i| d[i] * (T::ONE - z[i]));
    Ok(())
}

pub(super) fn activate_backward<T: Scalar>(
    activation: Activation,
    result: &Tensor<T>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        sink.gradient(0).add_assign(&activation.backward(result, d)?)?;
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
