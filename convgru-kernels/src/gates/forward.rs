//! From values before the activation to gates and the next hidden state.

use super::GATES;
use super::pieces::{PieceWriter, for_each_piece, read};
use crate::activation::{sigmoid, tanh};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef, expect_extent};
use crate::isa::Isa;
use crate::scalar::Scalar;

/// Pass 1: `z = sigmoid(z)`, `r = sigmoid(r)`, and `r.h` for the convolution of the candidate.
///
/// # Shapes
/// `gates`: `[N, 3 hidden, H, W]`, of which update and reset blocks are replaced;
/// `hidden`, `reset_hidden`: `[N, hidden, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn update_and_reset<T: Scalar>(
    mut gates: FeatureMapsMut<'_, T>,
    hidden: FeatureMapsRef<'_, T>,
    mut reset_hidden: FeatureMapsMut<'_, T>,
) -> Result<()> {
    let extent = hidden.extent();
    expect_extent("gates", extent.with_channels(GATES * extent.channels), gates.extent())?;
    expect_extent("reset gate times hidden state", extent, reset_hidden.extent())?;
    let (isa, block) = (Isa::detect(), extent.image_len());
    let gates = PieceWriter::new(&mut gates);
    let products = PieceWriter::new(&mut reset_hidden);
    for_each_piece(extent, |piece| {
        let h = read(&hidden, &piece, 0);
        // SAFETY: pieces do not overlap, and the blocks of a gate buffer lie apart.
        let (z, r, rh) =
            unsafe { (gates.piece(&piece, 0), gates.piece(&piece, block), products.piece(&piece, 0)) };
        isa.run(|| {
            for (((z, r), rh), &h) in z.iter_mut().zip(r).zip(rh).zip(h) {
                *z = sigmoid(*z);
                *r = sigmoid(*r);
                *rh = *r * h;
            }
        });
    });
    Ok(())
}

/// Pass 1 where the hidden state is zero: `z = sigmoid(z)`. The reset gate has nothing
/// to reset; its block keeps the value before the activation.
///
/// # Shapes
/// `gates`: `[N, 3 hidden, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the channels are not three blocks.
pub fn update_only<T: Scalar>(mut gates: FeatureMapsMut<'_, T>) -> Result<()> {
    let all = gates.extent();
    let extent = all.with_channels(all.channels / GATES);
    expect_extent("gates", extent.with_channels(GATES * extent.channels), all)?;
    let isa = Isa::detect();
    let gates = PieceWriter::new(&mut gates);
    for_each_piece(extent, |piece| {
        // SAFETY: pieces do not overlap.
        let z = unsafe { gates.piece(&piece, 0) };
        isa.run(|| z.iter_mut().for_each(|z| *z = sigmoid(*z)));
    });
    Ok(())
}

/// Pass 2: `n = tanh(n)` and `h' = h + z.(n - h)`, or `h' = z.n` from a zero state.
///
/// # Shapes
/// `gates`: `[N, 3 hidden, H, W]`, of which the candidate block is replaced;
/// `hidden`, `next`: `[N, hidden, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn blend<T: Scalar>(
    mut gates: FeatureMapsMut<'_, T>,
    hidden: Option<FeatureMapsRef<'_, T>>,
    mut next: FeatureMapsMut<'_, T>,
) -> Result<()> {
    let extent = next.extent();
    expect_extent("gates", extent.with_channels(GATES * extent.channels), gates.extent())?;
    if let Some(hidden) = &hidden {
        expect_extent("hidden state", extent, hidden.extent())?;
    }
    let (isa, block) = (Isa::detect(), extent.image_len());
    let gates = PieceWriter::new(&mut gates);
    let next = PieceWriter::new(&mut next);
    for_each_piece(extent, |piece| {
        // SAFETY: pieces do not overlap, and the blocks of a gate buffer lie apart.
        let (z, n, next) =
            unsafe { (gates.piece(&piece, 0), gates.piece(&piece, 2 * block), next.piece(&piece, 0)) };
        let z = &*z;
        match &hidden {
            Some(hidden) => {
                let h = read(hidden, &piece, 0);
                isa.run(|| {
                    for (((&z, n), next), &h) in z.iter().zip(n).zip(next).zip(h) {
                        *n = tanh(*n);
                        *next = h + z * (*n - h);
                    }
                });
            }
            None => isa.run(|| {
                for ((&z, n), next) in z.iter().zip(n).zip(next) {
                    *n = tanh(*n);
                    *next = z * *n;
                }
            }),
        }
    });
    Ok(())
}

/// The product `r.h` anew from finished gates, for the weight gradient of the candidate:
/// cheaper to compute twice than to keep for every step.
///
/// # Shapes
/// `gates`: `[N, 3 hidden, H, W]`; `hidden`, `reset_hidden`: `[N, hidden, H, W]`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn reset_hidden<T: Scalar>(
    gates: FeatureMapsRef<'_, T>,
    hidden: FeatureMapsRef<'_, T>,
    mut reset_hidden: FeatureMapsMut<'_, T>,
) -> Result<()> {
    let extent = hidden.extent();
    expect_extent("gates", extent.with_channels(GATES * extent.channels), gates.extent())?;
    expect_extent("reset gate times hidden state", extent, reset_hidden.extent())?;
    let (isa, block) = (Isa::detect(), extent.image_len());
    let products = PieceWriter::new(&mut reset_hidden);
    for_each_piece(extent, |piece| {
        let (r, h) = (read(&gates, &piece, block), read(&hidden, &piece, 0));
        // SAFETY: pieces do not overlap.
        let rh = unsafe { products.piece(&piece, 0) };
        isa.run(|| {
            for ((rh, &r), &h) in rh.iter_mut().zip(r).zip(h) {
                *rh = r * h;
            }
        });
    });
    Ok(())
}
