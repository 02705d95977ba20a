//! Temporary memory of the kernels: meaningless after a call, kept between calls.
//!
//! An algorithm states how much it needs ([`Requirement`]); who calls it asks the scratchpad for as much and hands the
//! slices over ([`Scratch`]).

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

/// The temporary memory that a call of an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Requirement {
    /// Numbers for each thread.
    pub(crate) lane: usize,
    /// Numbers for all threads.
    pub(crate) shared: usize,
    /// Segments of products.
    pub(crate) segments: usize,
}

/// The temporary memory of a call, of unspecified values.
pub(crate) struct Scratch<'a, T> {
    /// For each thread of the current pool at least as many numbers as were asked for.
    pub(crate) lanes: &'a mut [Aligned<T>],
    /// As many numbers as were asked for.
    pub(crate) shared: &'a mut [T],
    /// As many segments as were asked for.
    pub(crate) segments: &'a mut [Segment],
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

    /// The memory that a call needs.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) if the system does not give the memory.
    pub(crate) fn provide(&mut self, needed: Requirement) -> Result<Scratch<'_, T>> {
        let threads = rayon::current_num_threads();
        if self.lanes.len() < threads {
            self.lanes.resize_with(threads, Aligned::default);
        }
        let lanes = &mut self.lanes[..threads];
        for lane in &mut *lanes {
            lane.grow("temporary memory of a thread", needed.lane)?;
        }
        self.shared.grow("temporary memory", needed.shared)?;
        if self.segments.len() < needed.segments {
            self.segments.resize(needed.segments, Segment { offset: 0, len: 0 });
        }
        let segments = &mut self.segments[..needed.segments];
        Ok(Scratch { lanes, shared: &mut self.shared[..needed.shared], segments })
    }
}
