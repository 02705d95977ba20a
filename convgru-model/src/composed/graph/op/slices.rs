//! Parts of tensors, and tensors of parts.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::pointwise::add_to;
use super::{Sink, images_of};
use crate::error::{Error, Result, expect_count};
use crate::tensor::{Tensor, expect_shape};

/// Numbers of a sub-tensor of the first dimension.
fn size_of<T: Scalar>(tensor: &Tensor<T>) -> usize {
    tensor.shape()[1..].iter().product()
}

pub(super) fn expect_range(what: &str, range: &Range<usize>, there: usize) -> Result<()> {
    if range.end <= there {
        return Ok(());
    }
    Err(Error::Count { what: what.into(), expected: range.end, got: there })
}

pub(super) fn images<T: Scalar>(x: &Tensor<T>, range: &Range<usize>) -> Result<Tensor<T>> {
    expect_range("images", range, x.shape().first().copied().unwrap_or(0))?;
    let size = size_of(x);
    let mut shape = x.shape().to_vec();
    shape[0] = range.len();
    Tensor::from_vec(&shape, x.as_slice()[range.start * size..range.end * size].to_vec())
}

pub(super) fn images_backward<T: Scalar>(
    range: &Range<usize>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        let start = range.start * size_of(d);
        add_to(&mut sink.gradient(0).as_mut_slice()[start..start + d.len()], d.as_slice());
    }
    Ok(())
}

pub(super) fn join_images<T: Scalar>(parts: &[&Tensor<T>]) -> Result<Tensor<T>> {
    let mut shape = parts[0].shape().to_vec();
    let mut values = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    shape[0] = 0;
    for part in parts {
        shape[0] += part.shape()[0];
        expect_shape("images to join", &part.shape()[1..], &shape[1..])?;
        values.extend_from_slice(part.as_slice());
    }
    Tensor::from_vec(&shape, values)
}

pub(super) fn join_images_backward<T: Scalar>(
    parts: &[&Tensor<T>],
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    let mut rest = d.as_slice();
    for (operand, part) in parts.iter().enumerate() {
        let (d, after) = rest.split_at(part.len());
        if sink.wants(operand) {
            add_to(sink.gradient(operand).as_mut_slice(), d);
        }
        rest = after;
    }
    Ok(())
}

pub(super) fn channels<T: Scalar>(x: &Tensor<T>, range: &Range<usize>) -> Result<Tensor<T>> {
    let [images, channels, height, width] = images_of("images", x)?;
    expect_range("channels", range, channels)?;
    let pixels = height * width;
    let of_image = |image: usize| (image * channels + range.start) * pixels;
    let len = range.len() * pixels;
    let mut values = Vec::with_capacity(images * len);
    (0..images).for_each(|image| values.extend_from_slice(&x.as_slice()[of_image(image)..][..len]));
    Tensor::from_vec(&[images, range.len(), height, width], values)
}

pub(super) fn channels_backward<T: Scalar>(
    range: &Range<usize>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        let to = sink.gradient(0);
        let [images, channels, height, width] = images_of("images", to)?;
        let (pixels, len) = (height * width, range.len() * height * width);
        for image in 0..images {
            let start = (image * channels + range.start) * pixels;
            add_to(&mut to.as_mut_slice()[start..start + len], &d.as_slice()[image * len..][..len]);
        }
    }
    Ok(())
}

pub(super) fn join_channels<T: Scalar>(parts: &[&Tensor<T>]) -> Result<Tensor<T>> {
    let [images, _, height, width] = images_of("images to join", parts[0])?;
    let mut channels = 0;
    for part in parts {
        let shape = images_of("images to join", part)?;
        expect_shape("images to join", &shape, &[images, shape[1], height, width])?;
        channels += shape[1];
    }
    let mut values = Vec::with_capacity(images * channels * height * width);
    for image in 0..images {
        parts.iter().for_each(|part| values.extend_from_slice(part.slice(image)));
    }
    Tensor::from_vec(&[images, channels, height, width], values)
}

pub(super) fn join_channels_backward<T: Scalar>(
    parts: &[&Tensor<T>],
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    let of_image = size_of(d);
    let mut start = 0;
    for (operand, part) in parts.iter().enumerate() {
        let len = size_of(part);
        if sink.wants(operand) {
            let to = sink.gradient(operand);
            for image in 0..part.shape()[0] {
                let d = &d.as_slice()[image * of_image + start..][..len];
                add_to(to.slice_mut(image), d);
            }
        }
        start += len;
    }
    Ok(())
}

pub(super) fn choose<T: Scalar>(a: &Tensor<T>, b: &Tensor<T>, first: &[bool]) -> Result<Tensor<T>> {
    expect_shape("images to choose from", b.shape(), a.shape())?;
    expect_count("images to choose", a.shape()[0], first.len())?;
    let mut chosen = a.clone();
    for (image, _) in first.iter().enumerate().filter(|(_, first)| !**first) {
        chosen.slice_mut(image).copy_from_slice(b.slice(image));
    }
    Ok(chosen)
}

pub(super) fn choose_backward<T: Scalar>(
    first: &[bool],
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    for (operand, wanted) in [(0, true), (1, false)] {
        if sink.wants(operand) {
            let to = sink.gradient(operand);
            for (image, _) in first.iter().enumerate().filter(|(_, first)| **first == wanted) {
                add_to(to.slice_mut(image), d.slice(image));
            }
        }
    }
    Ok(())
}
