//! Activations of whole slices.
//!
//! Unsafe: Threads take ranges of a slice that do not overlap.

use super::functions::{Function, HardSigmoid, Sigmoid, Tanh};
use crate::isa::Isa;
use crate::parallel::{Disjoint, for_each_range};
use crate::real::Real;
use crate::simd::{Kernel, Simd};

/// Elementary operations of an activation, about.
const OPERATIONS: usize = 4;

pub(crate) fn sigmoid<T: Real>(values: &mut [T]) {
    apply(values, Sigmoid);
}

pub(crate) fn tanh<T: Real>(values: &mut [T]) {
    apply(values, Tanh);
}

pub(crate) fn hard_sigmoid<T: Real>(values: &mut [T]) {
    apply(values, HardSigmoid);
}

fn apply<T: Real>(values: &mut [T], function: impl Function<T>) {
    let isa = Isa::current();
    let len = values.len();
    let parts = Disjoint::new(values);
    for_each_range(len, OPERATIONS, |range| {
        // SAFETY: ranges do not overlap.
        T::dispatch(isa, Apply { values: unsafe { parts.part(range) }, function });
    });
}

/// Applies a function to every element of a slice.
pub(super) struct Apply<'a, T, F> {
    pub(super) values: &'a mut [T],
    pub(super) function: F,
}

impl<T: Real, F: Function<T>> Kernel<T> for Apply<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let mut chunks = self.values.chunks_exact_mut(S::LANES);
        for chunk in &mut chunks {
            let values = self.function.of(s, s.read(chunk));
            s.write(chunk, values);
        }
        let rest = chunks.into_remainder();
        if !rest.is_empty() {
            // Longer than the longest vector.
            let mut padded = [T::ZERO; 16];
            padded[..rest.len()].copy_from_slice(rest);
            let values = self.function.of(s, s.read(&padded));
            s.write(&mut padded, values);
            rest.copy_from_slice(&padded[..rest.len()]);
        }
    }
}
