//! Temporary memory of the kernels: meaningless after a call, kept between calls.

use crate::scalar::Scalar;

/// Temporary memory that kernels write and nobody reads afterwards.
///
/// It grows to what the largest call needs and stays there, so that repeated
/// calls of the same shapes allocate nothing. One scratchpad serves any number
/// of convolutions one after the other.
#[derive(Debug, Default)]
pub struct Scratchpad<T> {
    lanes: Vec<Vec<T>>,
    partial_sums: Vec<T>,
}

impl<T: Scalar> Scratchpad<T> {
    /// An empty scratchpad.
    pub fn new() -> Self {
        Self { lanes: Vec::new(), partial_sums: Vec::new() }
    }

    /// One lane of at least `len` elements for each thread of the current pool.
    pub(crate) fn lanes(&mut self, len: usize) -> &mut [Vec<T>] {
        let threads = rayon::current_num_threads();
        if self.lanes.len() < threads {
            self.lanes.resize_with(threads, Vec::new);
        }
        let lanes = &mut self.lanes[..threads];
        for lane in lanes.iter_mut().filter(|lane| lane.len() < len) {
            lane.resize(len, T::ZERO);
        }
        lanes
    }

    /// As [`lanes`](Self::lanes), and `sums` zeroed elements beside them.
    pub(crate) fn lanes_and_sums(&mut self, len: usize, sums: usize) -> (&mut [Vec<T>], &mut [T]) {
        self.lanes(len);
        if self.partial_sums.len() < sums {
            self.partial_sums.resize(sums, T::ZERO);
        }
        let sums = &mut self.partial_sums[..sums];
        sums.fill(T::ZERO);
        let threads = rayon::current_num_threads();
        (&mut self.lanes[..threads], sums)
    }
}
