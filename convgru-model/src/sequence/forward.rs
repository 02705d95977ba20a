//! A layer's forward pass, and what its backward pass needs of it.

use std::ops::Range;

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsRef, Scalar, Scratchpad};

use crate::cell::{GATES, PreparedCell, Step};
use crate::error::Result;
use crate::tensor::Tensor;

/// What a layer writes on its way forward and reads on its way backward.
///
/// Four times the hidden states of the sequence: the three gates and the states
/// themselves. `r.h` is computed anew, the inputs belong to whoever made them.
#[derive(Debug)]
pub(crate) struct LayerWorkspace<T> {
    /// Samples of one step, N.
    pub(crate) batch: usize,
    /// Of the steps of a block, `[steps N, 3 hidden, H, W]`; of all steps where none is
    /// computed anew on the way back.
    pub(crate) gates: FeatureMaps<T>,
    /// `[T N, hidden, H, W]`, after each step.
    pub(crate) states: FeatureMaps<T>,
    /// Memory for the state before the first step, `[N, hidden, H, W]`.
    initial: FeatureMaps<T>,
    /// Whether `initial` holds that state; it is zero otherwise.
    has_initial: bool,
    /// Scratch for `r.h` of one step.
    reset_hidden: FeatureMaps<T>,
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
        let gates = state.with_batch(state.batch * kept).with_channels(GATES * state.channels);
        let own = cell.shape().halo();
        let halo = [0, 1].map(|axis| own[axis].max(halo[axis]));
        Ok(Self {
            batch: step.batch,
            gates: FeatureMaps::sectioned(gates, GATES, [0, 0])?,
            states: FeatureMaps::with_halo(all, halo)?,
            initial: FeatureMaps::with_halo(state, halo)?,
            has_initial: false,
            reset_hidden: FeatureMaps::with_halo(state, own)?,
        })
    }

    /// Whether the workspace was made for a cell of this shape.
    pub(crate) fn fits(&self, cell: &PreparedCell<'_, T>) -> bool {
        let own = cell.shape().halo();
        self.states.extent().channels == cell.shape().hidden_channels && self.reset_hidden.halo() == own
    }

    /// Steps the workspace has room for.
    pub(crate) fn steps(&self) -> usize {
        self.states.extent().batch.checked_div(self.batch).unwrap_or(0)
    }

    /// Steps whose gates are kept at a time.
    pub(crate) fn kept(&self) -> usize {
        self.gates.extent().batch.checked_div(self.batch).unwrap_or(0)
    }

    /// Where the gates of some images are kept: steps follow each other, and begin anew at every
    /// multiple of [`kept`](Self::kept).
    pub(crate) fn gate_images(&self, images: Range<usize>) -> Range<usize> {
        let start = images.start % self.gates.extent().batch.max(1);
        start..start + images.len()
    }

    /// The extent of the state of one step, `[N, hidden, H, W]`.
    pub(crate) fn state_extent(&self) -> Extent {
        self.states.extent().with_batch(self.batch)
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

    /// `W*x + b` of some steps, whose inputs are given.
    pub(crate) fn convolve_input(
        &mut self,
        cell: &PreparedCell<'_, T>,
        input: FeatureMapsRef<'_, T>,
        steps: Range<usize>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let images = self.gate_images(self.images(steps));
        cell.convolve_input(input, self.gates.images_mut(images), scratch)
    }

    /// A block of steps whose inputs are given; `input` is `[T N, in_channels, H, W]`.
    pub(crate) fn run(
        &mut self,
        cell: &PreparedCell<'_, T>,
        input: &FeatureMaps<T>,
        block: Range<usize>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let images = self.images(block.clone());
        self.convolve_input(cell, input.images(images), block.clone(), scratch)?;
        block.into_iter().try_for_each(|t| self.recur(cell, t, scratch))
    }

    /// The recurrence of step `t`, after [`convolve_input`](Self::convolve_input) for it.
    pub(crate) fn recur(
        &mut self,
        cell: &PreparedCell<'_, T>,
        t: usize,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let images = self.images(t..t + 1);
        let gates = self.gate_images(images.clone());
        let (before, after) = self.states.split_at(images.start);
        let hidden = match t {
            0 => self.has_initial.then(|| self.initial.as_ref()),
            _ => Some(before.images(images.start - self.batch..images.start)),
        };
        let step = Step {
            gates: self.gates.images_mut(gates),
            hidden,
            reset_hidden: self.reset_hidden.as_mut(),
            next: after.into_images(0..self.batch),
        };
        cell.recur(step, scratch)
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
