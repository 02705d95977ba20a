//! Images moved along a flow (Jaderberg et al. 2015, as TrajGRU uses it).

use convgru_kernels::Scalar;

use super::{Sink, images_of};
use crate::error::Result;
use crate::tensor::{Tensor, expect_shape};

/// Where a pixel looks: up to four pixels, the part of each, and how the part changes with the position
/// along rows and columns.
struct Look {
    at: [Option<usize>; 4],
    parts: [f64; 4],
    by_row: [f64; 4],
    by_column: [f64; 4],
}

impl Look {
    /// Between the pixels around a position; zeros lie beyond the image. A position that is no number has parts that are none.
    fn new([height, width]: [usize; 2], row: f64, column: f64) -> Self {
        let (top, left) = (row.floor(), column.floor());
        let (below, right) = (row - top, column - left);
        let place = |row: f64, column: f64| {
            if row.is_nan() || column.is_nan() {
                return Some(0);
            }
            let inside = (0.0..height as f64).contains(&row) && (0.0..width as f64).contains(&column);
            inside.then(|| row as usize * width + column as usize)
        };
        Self {
            at: [
                place(top, left),
                place(top, left + 1.0),
                place(top + 1.0, left),
                place(top + 1.0, left + 1.0),
            ],
            parts: [
                (1.0 - below) * (1.0 - right),
                (1.0 - below) * right,
                below * (1.0 - right),
                below * right,
            ],
            by_row: [right - 1.0, -right, 1.0 - right, right],
            by_column: [below - 1.0, 1.0 - below, -below, below],
        }
    }

    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.at.iter().enumerate().filter_map(|(corner, at)| at.map(|at| (corner, at)))
    }
}

/// Calls `meet` with each image, pixel, and where it looks.
fn for_each<T: Scalar>(flow: &Tensor<T>, mut meet: impl FnMut(usize, usize, Look)) {
    let size @ [height, width] = [flow.shape()[2], flow.shape()[3]];
    for image in 0..flow.shape()[0] {
        let (d_column, d_row) = flow.slice(image).split_at(height * width);
        for pixel in 0..height * width {
            let row = (pixel / width) as f64 - d_row[pixel].to_f64();
            let column = (pixel % width) as f64 - d_column[pixel].to_f64();
            meet(image, pixel, Look::new(size, row, column));
        }
    }
}

pub(super) fn forward<T: Scalar>(h: &Tensor<T>, flow: &Tensor<T>) -> Result<Tensor<T>> {
    let [images, channels, height, width] = images_of("images to warp", h)?;
    expect_shape("flow", flow.shape(), &[images, 2, height, width])?;
    let mut warped = Tensor::zeros(h.shape());
    let pixels = height * width;
    for_each(flow, |image, pixel, look| {
        let (from, to) = (h.slice(image), warped.slice_mut(image));
        for (corner, at) in look.places() {
            let part = T::from_f64(look.parts[corner]);
            (0..channels).for_each(|c| to[c * pixels + pixel] += part * from[c * pixels + at]);
        }
    });
    Ok(warped)
}

pub(super) fn backward<T: Scalar>(
    h: &Tensor<T>,
    flow: &Tensor<T>,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    let [_, channels, height, width] = images_of("images to warp", h)?;
    let pixels = height * width;
    if sink.wants(0) {
        let to = sink.gradient(0);
        for_each(flow, |image, pixel, look| {
            let (d, to) = (d.slice(image), to.slice_mut(image));
            for (corner, at) in look.places() {
                let part = T::from_f64(look.parts[corner]);
                (0..channels).for_each(|c| to[c * pixels + at] += part * d[c * pixels + pixel]);
            }
        });
    }
    if sink.wants(1) {
        let to = sink.gradient(1);
        for_each(flow, |image, pixel, look| {
            let (d, from, to) = (d.slice(image), h.slice(image), to.slice_mut(image));
            for (corner, at) in look.places() {
                let product: T = (0..channels).map(|c| d[c * pixels + pixel] * from[c * pixels + at]).sum();
                // The position falls as the flow grows.
                to[pixel] -= product * T::from_f64(look.by_column[corner]);
                to[pixels + pixel] -= product * T::from_f64(look.by_row[corner]);
            }
        });
    }
    Ok(())
}
