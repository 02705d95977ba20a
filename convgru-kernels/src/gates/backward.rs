//! From the gradient of the next state to the gradients before the activations.

use super::GATES;
use super::pieces::{PieceWriter, for_each_piece, read};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef, expect_extent};
use crate::isa::Isa;
use crate::scalar::Scalar;

/// Arguments of [`candidate_backward`].
#[derive(Debug)]
pub struct CandidateBackward<'a, T> {
    /// The gates of the step, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsRef<'a, T>,
    /// The state the step started from, `[N, hidden, H, W]`; `None` is zero.
    pub hidden: Option<FeatureMapsRef<'a, T>>,
    /// On entry the gradient of the state after the step, `dh'`; on return the part
    /// that reaches the state before it through the blend, `dh'.(1 - z)`. `[N, hidden, H, W]`.
    pub d_hidden: FeatureMapsMut<'a, T>,
    /// Gradients before the activations, `[N, 3 hidden, H, W]`; update and candidate
    /// blocks are written, and the reset block is set to zero where the state is zero.
    pub d_gates: FeatureMapsMut<'a, T>,
}

/// Pass 1: through the blend, the candidate and the update gate.
///
/// `a_n = dh'.z.(1 - n^2)`, `a_z = dh'.(n - h).z.(1 - z)`, `dh = dh'.(1 - z)`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn candidate_backward<T: Scalar>(arguments: CandidateBackward<'_, T>) -> Result<()> {
    let CandidateBackward { gates, hidden, mut d_hidden, mut d_gates } = arguments;
    let extent = d_hidden.extent();
    let gate_extent = extent.with_channels(GATES * extent.channels);
    expect_extent("gates", gate_extent, gates.extent())?;
    expect_extent("gradient of the gates", gate_extent, d_gates.extent())?;
    if let Some(hidden) = &hidden {
        expect_extent("hidden state", extent, hidden.extent())?;
    }
    let (isa, block) = (Isa::detect(), extent.image_len());
    let d_hidden = PieceWriter::new(&mut d_hidden);
    let d_gates = PieceWriter::new(&mut d_gates);
    for_each_piece(extent, |piece| {
        let (z, n) = (read(&gates, &piece, 0), read(&gates, &piece, 2 * block));
        // SAFETY: pieces do not overlap, and the blocks of a gate buffer lie apart.
        let (dh, a_z, a_r, a_n) = unsafe {
            (
                d_hidden.piece(&piece, 0),
                d_gates.piece(&piece, 0),
                d_gates.piece(&piece, block),
                d_gates.piece(&piece, 2 * block),
            )
        };
        let one = T::ONE;
        match &hidden {
            Some(hidden) => {
                let h = read(hidden, &piece, 0);
                isa.run(|| {
                    for (((((&z, &n), &h), dh), a_z), a_n) in z.iter().zip(n).zip(h).zip(dh).zip(a_z).zip(a_n)
                    {
                        *a_n = *dh * z * (one - n * n);
                        *a_z = *dh * (n - h) * z * (one - z);
                        *dh *= one - z;
                    }
                });
            }
            None => isa.run(|| {
                a_r.fill(T::ZERO);
                for ((((&z, &n), dh), a_z), a_n) in z.iter().zip(n).zip(dh).zip(a_z).zip(a_n) {
                    *a_n = *dh * z * (one - n * n);
                    *a_z = *dh * n * z * (one - z);
                    *dh *= one - z;
                }
            }),
        }
    });
    Ok(())
}

/// Arguments of [`reset_backward`].
#[derive(Debug)]
pub struct ResetBackward<'a, T> {
    /// The gates of the step, `[N, 3 hidden, H, W]`.
    pub gates: FeatureMapsRef<'a, T>,
    /// The state the step started from, `[N, hidden, H, W]`.
    pub hidden: FeatureMapsRef<'a, T>,
    /// The gradient of `r.h`, `[N, hidden, H, W]`.
    pub d_reset_hidden: FeatureMapsRef<'a, T>,
    /// The gradient of the state before the step, to which `d(rh).r` is added.
    pub d_hidden: FeatureMapsMut<'a, T>,
    /// Gradients before the activations, of which the reset block is written.
    pub d_gates: FeatureMapsMut<'a, T>,
}

/// Pass 2: through the reset gate.
///
/// `a_r = d(rh).h.r.(1 - r)`, `dh += d(rh).r`.
///
/// # Errors
/// [`Error::Extent`](crate::Error::Extent) if the extents do not fit.
pub fn reset_backward<T: Scalar>(arguments: ResetBackward<'_, T>) -> Result<()> {
    let ResetBackward { gates, hidden, d_reset_hidden, mut d_hidden, mut d_gates } = arguments;
    let extent = hidden.extent();
    let gate_extent = extent.with_channels(GATES * extent.channels);
    expect_extent("gates", gate_extent, gates.extent())?;
    expect_extent("gradient of the gates", gate_extent, d_gates.extent())?;
    expect_extent("gradient of reset gate times hidden state", extent, d_reset_hidden.extent())?;
    expect_extent("gradient of the hidden state", extent, d_hidden.extent())?;
    let (isa, block) = (Isa::detect(), extent.image_len());
    let d_hidden = PieceWriter::new(&mut d_hidden);
    let d_gates = PieceWriter::new(&mut d_gates);
    for_each_piece(extent, |piece| {
        let (r, h) = (read(&gates, &piece, block), read(&hidden, &piece, 0));
        let d_product = read(&d_reset_hidden, &piece, 0);
        // SAFETY: pieces do not overlap, and the blocks of a gate buffer lie apart.
        let (dh, a_r) = unsafe { (d_hidden.piece(&piece, 0), d_gates.piece(&piece, block)) };
        let one = T::ONE;
        isa.run(|| {
            for ((((&r, &h), &d_product), dh), a_r) in r.iter().zip(h).zip(d_product).zip(dh).zip(a_r) {
                *a_r = d_product * h * r * (one - r);
                *dh += d_product * r;
            }
        });
    });
    Ok(())
}
