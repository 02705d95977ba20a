//! Volumes: planes one after the other, `[N depth, C, H, W]`.

use convgru_kernels::Scalar;

use super::{Sink, images_of};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Calls `meet` with each plane, its channel of the unfolded images, and the plane it shows.
fn for_each(planes: usize, depth: usize, kernel: usize, mut meet: impl FnMut(usize, usize, usize)) {
    for plane in 0..planes {
        for tap in 0..kernel {
            let source = (plane % depth + tap).checked_sub(kernel / 2).filter(|&at| at < depth);
            if let Some(at) = source {
                meet(plane, tap, plane - plane % depth + at);
            }
        }
    }
}

/// Channel `c kernel + k` of a plane is channel `c` of the plane `k - kernel / 2` further on, zeros beyond the
/// volume: what a kernel `[O, C, kernel, kh, kw]` meets as one over `C kernel` channels.
pub(super) fn unfold<T: Scalar>(x: &Tensor<T>, depth: usize, kernel: usize) -> Result<Tensor<T>> {
    let [planes, channels, height, width] = images_of("planes of volumes", x)?;
    if depth == 0 || !planes.is_multiple_of(depth) {
        let reason = format!("{planes} planes are no volumes of {depth}");
        return Err(Error::InvalidConfig { field: "depth".into(), reason });
    }
    let mut unfolded = Tensor::zeros(&[planes, channels * kernel, height, width]);
    let pixels = height * width;
    for_each(planes, depth, kernel, |plane, tap, source| {
        let from = x.slice(source);
        let to = unfolded.slice_mut(plane);
        for channel in 0..channels {
            to[(channel * kernel + tap) * pixels..][..pixels]
                .copy_from_slice(&from[channel * pixels..][..pixels]);
        }
    });
    Ok(unfolded)
}

pub(super) fn unfold_backward<T: Scalar>(
    depth: usize,
    kernel: usize,
    d: &Tensor<T>,
    sink: &mut impl Sink<T>,
) -> Result<()> {
    if sink.wants(0) {
        let [planes, channels, height, width] = images_of("planes of volumes", d)?;
        let (pixels, channels) = (height * width, channels / kernel);
        let to = sink.gradient(0);
        for_each(planes, depth, kernel, |plane, tap, source| {
            let from = d.slice(plane);
            let to = to.slice_mut(source);
            for channel in 0..channels {
                let d = &from[(channel * kernel + tap) * pixels..][..pixels];
                to[channel * pixels..][..pixels].iter_mut().zip(d).for_each(|(to, &d)| *to += d);
            }
        });
    }
    Ok(())
}
