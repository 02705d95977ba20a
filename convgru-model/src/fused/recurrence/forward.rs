//! A layer's forward pass, and what its backward pass needs of it.

use std::ops::Range;

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsRef, Scalar, Scratchpad};

use super::SampleLengths;
use crate::config::ResetGate;
use crate::error::Result;
use crate::fused::cell::{CellStep, GATES, PreparedCell};
use crate::memory;
use crate::tensor::Tensor;

/// Bytes of gates from which on the kernels keep their memory for the next ones.
const LARGE_GATES: u128 = 2 << 20;

/// What a layer writes on its way forward and reads on its way backward.
///
/// Four times the hidden states of the sequence: the three gates and the states
/// themselves. `r.h` is computed again, the inputs belong to whoever made them.
#[derive(Debug)]
pub(crate) struct LayerWorkspace<T> {
    /// Samples of one step, N.
    pub(crate) batch: usize,
    /// Of the steps of a block, `[steps N, 3 hidden, H, W]`; of all steps where none is
    /// computed again on the way back. Between the passes no images where they are.
    pub(crate) gates: FeatureMaps<T>,
    /// `u` of the same steps, `[steps N, hidden, H, W]`, where the reset gate acts after it.
    memory: Option<FeatureMaps<T>>,
    /// Steps whose gates are kept at a time.
    kept: usize,
    /// Whether the gates are kept for a backward pass.
    keep_gates: bool,
    /// `[T N, hidden, H, W]`, after each step.
    pub(crate) states: FeatureMaps<T>,
    /// Memory for the state before the first step, `[N, hidden, H, W]`.
    initial: FeatureMaps<T>,
    /// Whether `initial` holds that state; it is zero otherwise.
    has_initial: bool,
    /// Scratch for `r.h` of one step.
    reset_hidden: FeatureMaps<T>,
    /// Where samples end whose state stays as it is from there on.
    pub(crate) lengths: SampleLengths,
}

impl<T: Scalar> LayerWorkspace<T> {
    /// Memory for `steps` steps of images of the given extent (whose channels do not matter).
    ///
    /// `halo` is what the convolution that reads the states needs around them, besides the cell's own.
    /// Gates are kept for `kept` steps at a time.
    pub(crate) fn new(
        cell: &PreparedCell<'_, T>,
        step: Extent,
        steps: usize,
        kept: usize,
        halo: [usize; 2],
    ) -> Result<Self> {
        let state = step.with_channels(cell.shape().hidden_channels);
        let all = state.with_batch(state.batch * steps);
        let own = cell.halo();
        let halo = [0, 1].map(|axis| own[axis].max(halo[axis]));
        let (gates, memory) = gates_of(state, kept, cell.shape().reset == ResetGate::After)?;
        Ok(Self {
            batch: step.batch,
            gates,
            memory,
            kept,
            keep_gates: true,
            states: FeatureMaps::with_halo(all, halo)?,
            initial: FeatureMaps::with_halo(state, halo)?,
            has_initial: false,
            reset_hidden: FeatureMaps::with_halo(state, own)?,
            lengths: SampleLengths::default(),
        })
    }

    /// From now on gates are not kept, for want of a backward pass.
    pub(crate) fn discard_gates(&mut self) {
        self.keep_gates = false;
    }

    /// Makes room for the gates, where it has been given back.
    pub(crate) fn provide_gates(&mut self) -> Result<()> {
        if self.gates.extent().batch < self.kept * self.batch {
            (self.gates, self.memory) = gates_of(self.state_extent(), self.kept, self.memory.is_some())?;
        }
        Ok(())
    }

    /// Gives the memory of gates back that no backward pass reads, or that it computes again. Little memory stays, for it would
    /// have to be taken from the system again.
    pub(crate) fn release_gates(&mut self) -> Result<()> {
        if self.kept < self.steps() || (!self.keep_gates && self.has_large_gates()) {
            (self.gates, self.memory) = gates_of(self.state_extent(), 0, self.memory.is_some())?;
        }
        Ok(())
    }

    /// Whether the kernels keep the memory of the gates for the next ones. Channels lie in blocks of 64 bytes.
    fn has_large_gates(&self) -> bool {
        let state = self.state_extent();
        let channels = state.channels.next_multiple_of(64 / size_of::<T>());
        let kept = state.with_channels(channels).with_batch(state.batch * self.kept);
        memory::bytes_of::<T>(&kept.dims()).saturating_mul(GATES as u128) >= LARGE_GATES
    }

    /// Gives all memory back but the states: no step follows.
    pub(crate) fn keep_states(&mut self) -> Result<()> {
        let none = self.state_extent().with_batch(0);
        (self.gates, self.memory) = gates_of(none, 0, self.memory.is_some())?;
        self.initial = FeatureMaps::with_halo(none, self.initial.halo())?;
        self.reset_hidden = FeatureMaps::with_halo(none, self.reset_hidden.halo())?;
        self.has_initial = false;
        Ok(())
    }

    /// Whether the workspace was made for a cell of this shape.
    pub(crate) fn fits(&self, cell: &PreparedCell<'_, T>) -> bool {
        let own = cell.halo();
        let after = cell.shape().reset == ResetGate::After;
        self.states.extent().channels == cell.shape().hidden_channels
            && self.reset_hidden.halo() == own
            && self.memory.is_some() == after
    }

    /// Numbers of gates and states.
    pub(crate) fn numbers(&self) -> usize {
        let memory = self.memory.as_ref().map_or(0, |memory| memory.extent().len());
        self.gates.extent().len() + self.states.extent().len() + memory
    }

    /// Steps the workspace has room for.
    pub(crate) fn steps(&self) -> usize {
        self.states.extent().batch.checked_div(self.batch).unwrap_or(0)
    }

    /// Steps whose gates are kept at a time.
    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// Where the gates of some images are kept: steps follow each other, and begin again at every
    /// multiple of [`kept`](Self::kept).
    pub(crate) fn gate_images(&self, images: Range<usize>) -> Range<usize> {
        let start = images.start % (self.kept * self.batch).max(1);
        start..start + images.len()
    }

    /// The extent of the state of one step, `[N, hidden, H, W]`.
    pub(crate) fn state_extent(&self) -> Extent {
        self.states.extent().with_batch(self.batch)
    }

    /// `u` of some images, where the reset gate acts after it.
    pub(crate) fn memory(&self, images: Range<usize>) -> Option<FeatureMapsRef<'_, T>> {
        self.memory.as_ref().map(|memory| memory.images(self.gate_images(images)))
    }

    /// The images of some steps.
    pub(crate) fn images(&self, steps: Range<usize>) -> Range<usize> {
        steps.start * self.batch..steps.end * self.batch
    }

    /// Sets the state before the first step.
    pub(crate) fn set_initial(&mut self, state: FeatureMapsRef<'_, T>) -> Result<()> {
        self.initial.as_mut().copy_from(state)?;
        self.has_initial = true;
        Ok(())
    }

    /// Sets the state before the first step from a tensor `[N, hidden, H, W]`.
    pub(crate) fn read_initial(&mut self, state: &Tensor<T>) -> Result<()> {
        self.initial.as_mut().read_nchw(state.as_slice())?;
        self.has_initial = true;
        Ok(())
    }

    /// Makes the state before the first step zero.
    pub(crate) fn clear_initial(&mut self) {
        self.has_initial = false;
    }

    /// The state after a step.
    pub(crate) fn state(&self, t: usize) -> FeatureMapsRef<'_, T> {
        self.states.images(self.images(t..t + 1))
    }

    /// The state before a step.
    pub(crate) fn state_before(&self, t: usize) -> Option<FeatureMapsRef<'_, T>> {
        if t == 0 { self.has_initial.then(|| self.initial.as_ref()) } else { Some(self.state(t - 1)) }
    }

    /// Some steps whose inputs are given; `input` is `[T N, in_channels, H, W]`.
    pub(crate) fn run(
        &mut self,
        cell: &PreparedCell<'_, T>,
        input: &FeatureMaps<T>,
        steps: Range<usize>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let input = self.convolve_input(cell, input, steps.clone(), scratch)?;
        self.recur(cell, input, steps, scratch)
    }

    /// The first half of [`run`](Self::run): `W*x + b` of all steps in one convolution.
    ///
    /// Returns the input where each step convolves its own: where the cell adds it up with the
    /// convolution of the state, and in a single first step, which needs no reset gate.
    pub(crate) fn convolve_input<'i>(
        &mut self,
        cell: &PreparedCell<'_, T>,
        input: &'i FeatureMaps<T>,
        steps: Range<usize>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<Option<&'i FeatureMaps<T>>> {
        let first_alone = steps == (0..1) && !self.has_initial && cell.joins_first_input();
        if first_alone || cell.joins_input(self.state_extent()) {
            return Ok(Some(input));
        }
        let images = self.images(steps);
        let gates = self.gates.images_mut(self.gate_images(images.clone()));
        cell.convolve_input(input.images(images), gates, scratch)?;
        Ok(None)
    }

    /// The second half of [`run`](Self::run), with what [`convolve_input`](Self::convolve_input) returned.
    pub(crate) fn recur(
        &mut self,
        cell: &PreparedCell<'_, T>,
        input: Option<&FeatureMaps<T>>,
        mut steps: Range<usize>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        steps.try_for_each(|t| {
            let input = input.map(|maps| maps.images(self.images(t..t + 1)));
            self.step(cell, t, input, scratch)
        })
    }

    /// CellStep `t`, with its input where the gates do not hold its part.
    fn step(
        &mut self,
        cell: &PreparedCell<'_, T>,
        t: usize,
        input: Option<FeatureMapsRef<'_, T>>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let images = self.images(t..t + 1);
        let gates = self.gate_images(images.clone());
        let (before, after) = self.states.split_at(images.start);
        let hidden = match t {
            0 => self.has_initial.then(|| self.initial.as_ref()),
            _ => Some(before.images(images.start - self.batch..images.start)),
        };
        let step = CellStep {
            input,
            memory: self.memory.as_mut().map(|memory| memory.images_mut(gates.clone())),
            gates: self.gates.images_mut(gates),
            keep_gates: self.keep_gates,
            hidden,
            reset_hidden: self.reset_hidden.as_mut(),
            next: after.into_images(0..self.batch),
        };
        cell.step(step, scratch)?;
        self.freeze(t)
    }

    /// Gives samples that ended before step `t` the state before it.
    fn freeze(&mut self, t: usize) -> Result<()> {
        let start = t * self.batch;
        for samples in self.lengths.ended(t) {
            let (before, after) = self.states.split_at(start);
            let mut state = after.into_images(samples.clone());
            if t > 0 {
                let from = start - self.batch;
                state.copy_from(before.images(from + samples.start..from + samples.end))?;
            } else if self.has_initial {
                state.copy_from(self.initial.images(samples))?;
            } else {
                state.set_zero();
            }
        }
        Ok(())
    }

    /// Makes the state after step `t` the one before the first, to go on with the next block of steps.
    pub(crate) fn carry(&mut self, t: usize) -> Result<()> {
        if self.steps() == 1 {
            std::mem::swap(&mut self.initial, &mut self.states);
        } else {
            let images = self.images(t..t + 1);
            self.initial.as_mut().copy_from(self.states.images(images))?;
        }
        self.has_initial = true;
        Ok(())
    }

    /// The state after a step as a tensor `[N, hidden, H, W]`.
    pub(crate) fn state_tensor(&self, t: usize) -> Result<Tensor<T>> {
        let mut tensor = Tensor::zeros(&self.state_extent().dims());
        self.state(t).write_nchw(tensor.as_mut_slice())?;
        Ok(tensor)
    }
}

/// Memory for the gates of `kept` steps, and for `u` where the reset gate acts after it; `state` is the state of one step.
fn gates_of<T: Scalar>(
    state: Extent,
    kept: usize,
    after: bool,
) -> Result<(FeatureMaps<T>, Option<FeatureMaps<T>>)> {
    let of_block = state.with_batch(state.batch * kept);
    let gates = FeatureMaps::sectioned(of_block.with_channels(GATES * state.channels), GATES, [0, 0])?;
    let memory = after.then(|| FeatureMaps::zeros(of_block)).transpose()?;
    Ok((gates, memory))
}
