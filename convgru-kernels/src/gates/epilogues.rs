//! What happens to the sums of the two convolutions of a step.
//!
//! Unsafe: An epilogue touches the pixels and blocks of its sums alone, through addresses that the maps have
//! checked.

use super::activations::{Activations, with_candidate, with_gate};
use super::pass::Pixels;
use crate::activation::functions::Function;
use crate::conv::epilogue::{Epilogue, Sums};
use crate::feature_maps::{Rows, RowsMut};
use crate::real::Real;
use crate::simd::Simd;

/// What both convolutions of a step meet.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepOperands<'a, T> {
    /// Blocks of the state.
    pub(super) blocks: usize,
    pub(super) activations: Activations,
    /// The gates, where they hold the part of the input with the bias; the sums hold it otherwise.
    pub(super) of_input: Option<RowsMut<'a, T>>,
    /// One number for each lane of each block of gates, where the sums lack it.
    pub(super) bias: Option<&'a [T]>,
    /// The gates, where they are kept.
    pub(super) kept: Option<RowsMut<'a, T>>,
    /// Where the update gate lies until the candidate is there.
    pub(super) update: RowsMut<'a, T>,
}

impl<T: Real> StepOperands<'_, T> {
    /// What is added to the sums of some pixels of a block of gates.
    #[inline(always)]
    fn addend(&self, pixels: Pixels) -> Addend<T> {
        match &self.of_input {
            Some(gates) => Addend::Pixels(pixels.write(gates)),
            None => match self.bias {
                Some(bias) => Addend::Lanes(bias[pixels.place.block * T::BLOCK..][..T::BLOCK].as_ptr()),
                None => Addend::Nothing,
            },
        }
    }

    /// Where some pixels of a block of gates are kept.
    #[inline(always)]
    fn keep(&self, pixels: Pixels) -> Option<*mut T> {
        self.kept.as_ref().map(|gates| pixels.write(gates))
    }

    /// Turns sums of a block of the update gate into `z`.
    ///
    /// # Safety
    /// The contract of [`Epilogue::finish`].
    #[inline(always)]
    unsafe fn finish_update<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>, gate: impl Function<T>) {
        let pixels = Pixels::of(&sums);
        let (addend, update) = (self.addend(pixels), pixels.write(&self.update));
        // SAFETY: `addend` and `write` found a block for each of the pixels in their maps; pixels and lanes are
        // those of the sums. By the contract of `finish` no other thread has these pixels. Gates that are read
        // and written are read through the addresses they are written through.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                for pixel in 0..sums.count() {
                    let sum = s.add(addend.load(s, pixel, lane), sums.load(s, pixel, lane));
                    s.store(update.add(pixel * T::BLOCK + lane), gate.of(s, sum));
                }
            }
        }
    }
}

/// What is added to sums before an activation.
#[derive(Clone, Copy)]
enum Addend<T> {
    /// A number of its own for each pixel and lane of a block.
    Pixels(*const T),
    /// The same for all pixels.
    Lanes(*const T),
    Nothing,
}

impl<T: Real> Addend<T> {
    /// # Safety
    /// The pixel must be among those the value was made for, the lanes within a block, and no other thread may
    /// write the pixel.
    #[inline(always)]
    unsafe fn load<S: Simd<T>>(self, s: S, pixel: usize, lane: usize) -> S::Vector {
        // SAFETY: by the contract the addresses are those of a block for each pixel, or of one.
        unsafe {
            match self {
                Self::Pixels(values) => s.load(values.add(pixel * T::BLOCK + lane)),
                Self::Lanes(bias) => s.load(bias.add(lane)),
                Self::Nothing => s.splat(T::ZERO),
            }
        }
    }
}

/// `z = sigmoid(.)`, `r = sigmoid(.)` and `r.h`, or by another function of the gates.
pub(super) struct UpdateAndResetEpilogue<'a, T> {
    pub(super) values: StepOperands<'a, T>,
    pub(super) hidden: Rows<'a, T>,
    pub(super) reset_hidden: RowsMut<'a, T>,
}

impl<T: Real> Epilogue<T> for UpdateAndResetEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>) {
        // SAFETY: the caller keeps the contract of `finish`.
        with_gate!(self.values.activations, gate => unsafe { self.finish_by(s, sums, gate) });
    }
}

impl<T: Real> UpdateAndResetEpilogue<'_, T> {
    /// [`finish`](Epilogue::finish) by the function of the gates.
    ///
    /// # Safety
    /// The contract of [`finish`](Epilogue::finish).
    #[inline(always)]
    unsafe fn finish_by<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>, gate: impl Function<T>) {
        let (values, block) = (&self.values, sums.place().block);
        let pixels = Pixels::of(&sums);
        if block < values.blocks {
            // SAFETY: the caller keeps the contract of `finish`.
            return unsafe { values.finish_update(s, sums, gate) };
        }
        let (addend, kept) = (values.addend(pixels), values.keep(pixels));
        let pixels = pixels.of_block(block - values.blocks);
        let (hidden, product) = (pixels.read(&self.hidden), pixels.write(&self.reset_hidden));
        // SAFETY: `addend`, `keep`, `read` and `write` found a block for each of the pixels in their maps; pixels and
        // lanes are those of the sums. By the contract of `finish` no other thread has these pixels; what is
        // both read and written is so through addresses, number after number.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                for pixel in 0..sums.count() {
                    let at = pixel * T::BLOCK + lane;
                    let sum = s.add(addend.load(s, pixel, lane), sums.load(s, pixel, lane));
                    let r = gate.of(s, sum);
                    if let Some(gates) = kept {
                        s.store(gates.add(at), r);
                    }
                    s.store(product.add(at), s.mul(r, s.load(hidden.add(at))));
                }
            }
        }
    }
}

/// `z = sigmoid(.)` alone, of a step without a state.
pub(super) struct UpdateEpilogue<'a, T>(pub(super) StepOperands<'a, T>);

impl<T: Real> Epilogue<T> for UpdateEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>) {
        // SAFETY: the caller keeps the contract of `finish`.
        with_gate!(self.0.activations, gate => unsafe { self.0.finish_update(s, sums, gate) });
    }
}

/// `n = tanh(.)` and `h' = h + z.(n - h)`; without a state `h' = z.n`.
pub(super) struct CandidateEpilogue<'a, T> {
    pub(super) values: StepOperands<'a, T>,
    pub(super) hidden: Option<Rows<'a, T>>,
    pub(super) next: RowsMut<'a, T>,
}

impl<T: Real> Epilogue<T> for CandidateEpilogue<'_, T> {
    #[inline(always)]
    unsafe fn finish<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>) {
        // SAFETY: the caller keeps the contract of `finish`.
        with_candidate!(self.values.activations, candidate => unsafe { self.finish_by(s, sums, candidate) });
    }
}

impl<T: Real> CandidateEpilogue<'_, T> {
    /// [`finish`](Epilogue::finish) by the function of the candidate.
    ///
    /// # Safety
    /// The contract of [`finish`](Epilogue::finish).
    #[inline(always)]
    unsafe fn finish_by<S: Simd<T>>(&self, s: S, sums: Sums<'_, T>, candidate: impl Function<T>) {
        let values = &self.values;
        let pixels = Pixels::of(&sums);
        let of_candidate = pixels.of_block(2 * values.blocks + sums.place().block);
        let (addend, kept) = (values.addend(of_candidate), values.keep(of_candidate));
        let update = pixels.write(&values.update).cast_const();
        let hidden = self.hidden.as_ref().map(|hidden| pixels.read(hidden));
        let next = pixels.write(&self.next);
        // SAFETY: `addend`, `keep`, `read` and `write` found a block for each of the pixels in their maps; pixels and
        // lanes are those of the sums. By the contract of `finish` no other thread has these pixels. The update
        // gate is read before the next state, which may lie in the same place, is written, both through
        // addresses.
        unsafe {
            for lane in (0..T::BLOCK).step_by(S::LANES) {
                for pixel in 0..sums.count() {
                    let at = pixel * T::BLOCK + lane;
                    let sum = s.add(addend.load(s, pixel, lane), sums.load(s, pixel, lane));
                    let n = candidate.of(s, sum);
                    if let Some(gates) = kept {
                        s.store(gates.add(at), n);
                    }
                    let z = s.load(update.add(at));
                    let blend = match hidden {
                        Some(hidden) => {
                            let h = s.load(hidden.add(at));
                            s.mul_add(z, s.sub(n, h), h)
                        }
                        None => s.mul(z, n),
                    };
                    s.store(next.add(at), blend);
                }
            }
        }
    }
}
