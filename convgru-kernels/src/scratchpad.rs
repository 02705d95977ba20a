//! Temporary memory of the kernels: meaningless after a call, kept between calls.

use crate::aligned::Aligned;
use crate::conv::multiply::Segment;
use crate::error::Result;
use crate::isa::Isa;
use crate::real::Real;

/// Temporary memory that kernels write and nobody reads afterwards.
///
/// It grows to what the largest call needs and stays there, so that repeated
/// calls of the same shapes allocate nothing. One scratchpad serves any number
/// of convolutions one after the other.
#[derive(Debug)]
pub struct Scratchpad<T> {
    isa: Isa,
    lanes: Vec<Aligned<T>>,
    shared: Aligned<T>,
    segments: Vec<Segment>,
}

/// Parts of a scratchpad that a call uses at the same time.
pub(crate) struct Parts<'a, T> {
    /// Memory for each thread of the current pool.
    pub(crate) lanes: &'a mut [Aligned<T>],
    /// Memory for all of them, of unspecified value.
    pub(crate) shared: &'a mut [T],
    pub(crate) segments: &'a mut Vec<Segment>,
}

impl<T: Real> Default for Scratchpad<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Scratchpad<T> {
    /// An empty scratchpad for kernels on the current instruction set.
    pub fn new() -> Self {
        Self::with_isa(Isa::current())
    }

    /// An empty scratchpad for kernels on a given instruction set.
    pub fn with_isa(isa: Isa) -> Self {
        Self { isa, lanes: Vec::new(), shared: Aligned::default(), segments: Vec::new() }
    }

    /// The instruction set of kernels whose weights are not packed for one.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// A lane of at least `lane` elements for each thread of the current pool, and `shared`
    /// elements beside them.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) if the system does not give the memory.
    pub(crate) fn parts(&mut self, lane: usize, shared: usize) -> Result<Parts<'_, T>> {
        let threads = rayon::current_num_threads();
        if self.lanes.len() < threads {
            self.lanes.resize_with(threads, Aligned::default);
        }
        let lanes = &mut self.lanes[..threads];
        for lane_of_thread in &mut *lanes {
            lane_of_thread.grow("temporary memory of a thread", lane)?;
        }
        self.shared.grow("temporary memory", shared)?;
        Ok(Parts { lanes, shared: &mut self.shared[..shared], segments: &mut self.segments })
    }
}
