//! Frames that come one at a time.

use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

use super::ChainStage;
use super::stage::{Packed, Running};
use crate::error::{Result, expect_count};
use crate::fused::recurrence::LayerWorkspace;
use crate::memory;
use crate::tensor::{Tensor, expect_shape};

/// A [`ConvGruChain`](super::ConvGruChain) prepared for frames of one size.
///
/// Weights are packed and all memory is taken and touched when the stream is made, by two frames of zeros on trial: a step allocates
/// nothing.
#[derive(Debug)]
pub struct ChainStream<'a, T> {
    stages: Vec<Running<'a, T>>,
    input: FeatureMaps<T>,
    output: Tensor<T>,
    /// Whether the cells hold the states before the next step; otherwise these are zero.
    started: bool,
    /// Whether given frames and states must be finite.
    checks_finite: bool,
    scratch: Scratchpad<T>,
}

impl<'a, T: Scalar> ChainStream<'a, T> {
    pub(super) fn new(stages: &'a [ChainStage<T>], frame: Extent) -> Result<Self> {
        let packed = stages.iter().map(Packed::new).collect::<Result<Vec<_>>>()?;
        let halo_of = |index: usize| packed.get(index).map_or([0, 0], Packed::halo);
        let halos: Vec<[usize; 2]> = (0..=packed.len()).map(halo_of).collect();
        let (mut extents, mut bytes) = (vec![frame], 0u128);
        for stage in &packed {
            let (extent, kept) = stage.output(extents[extents.len() - 1])?;
            bytes = bytes.saturating_add(kept);
            extents.push(extent);
        }
        memory::expect_bytes("the memory of a step of a network", bytes)?;
        let running = packed.into_iter().zip(&extents[1..]).zip(&halos[1..]);
        let mut stream = Self {
            stages: running
                .map(|((stage, &extent), &halo)| stage.running(extent, halo))
                .collect::<Result<_>>()?,
            input: FeatureMaps::with_halo(frame, halos[0])?,
            output: Tensor::try_zeros(&extents[extents.len() - 1].dims())?,
            started: false,
            checks_finite: false,
            scratch: Scratchpad::new(),
        };
        for _ in 0..2 {
            stream.run()?;
        }
        stream.reset();
        Ok(stream)
    }

    /// With `check` frames and states that hold a NaN or an infinite number are refused, by
    /// [`Error::NotFinite`](crate::Error::NotFinite). Without it, which is so at first, a single such pixel spreads over all states and
    /// stays there until a [`reset`](Self::reset).
    pub fn set_check_finite(&mut self, check: bool) {
        self.checks_finite = check;
    }

    /// Reads one frame and returns the output of the last stage.
    ///
    /// # Shapes
    /// `frame`: `[N, in_channels, H, W]` as the stream was prepared for; result: `[N, channels of the last stage, H, W]`, where each
    /// stride of a convolution makes height and width smaller
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for a frame of another shape,
    /// [`Error::NotFinite`](crate::Error::NotFinite) where that is [asked for](Self::set_check_finite); the states stay as they were.
    pub fn step(&mut self, frame: &Tensor<T>) -> Result<&Tensor<T>> {
        expect_shape("frame", frame.shape(), &self.input.extent().dims())?;
        if self.checks_finite {
            frame.expect_finite("frame")?;
        }
        self.input.as_mut().read_nchw(frame.as_slice())?;
        self.run()?;
        Ok(&self.output)
    }

    /// A step of all stages, whose input has been written.
    fn run(&mut self) -> Result<()> {
        if self.started {
            self.layers_mut().try_for_each(|layer| layer.carry(0))?;
        }
        for index in 0..self.stages.len() {
            let (below, from) = self.stages.split_at_mut(index);
            let input = below.last().map_or(&self.input, Running::output);
            from[0].step(input, &mut self.scratch)?;
        }
        self.started = true;
        let top = self.stages.last().map_or(&self.input, Running::output);
        Ok(top.as_ref().write_nchw(self.output.as_mut_slice())?)
    }

    /// The output of the last stage in the last step; zeros before the first.
    pub fn output(&self) -> &Tensor<T> {
        &self.output
    }

    /// The states of all cells after the last step, `[N, hidden, H, W]` each; zeros before the first.
    ///
    /// # Errors
    /// None that a caller can cause; the signature is the same as in [`Stream`](crate::Stream).
    pub fn states(&self) -> Result<Vec<Tensor<T>>> {
        let state = |layer: &LayerWorkspace<T>| match self.started {
            true => layer.state_tensor(0),
            false => Tensor::try_zeros(&layer.state_extent().dims()),
        };
        self.stages.iter().filter_map(Running::layer).map(state).collect()
    }

    /// Sets the states, `[N, hidden, H, W]` of each cell. [`output`](Self::output) stays the output of the last step.
    ///
    /// # Errors
    /// [`Error::Count`](crate::Error::Count) or [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if they do not fit,
    /// [`Error::NotFinite`](crate::Error::NotFinite) where that is [asked for](Self::set_check_finite); nothing has changed then.
    pub fn set_states(&mut self, states: &[Tensor<T>]) -> Result<()> {
        let layers: Vec<&LayerWorkspace<T>> = self.stages.iter().filter_map(Running::layer).collect();
        expect_count("states", layers.len(), states.len())?;
        for (index, (layer, state)) in layers.iter().zip(states).enumerate() {
            let what = format!("state of cell {index}");
            expect_shape(&what, state.shape(), &layer.state_extent().dims())?;
            if self.checks_finite {
                state.expect_finite(&what)?;
            }
        }
        for (layer, state) in self.layers_mut().zip(states) {
            layer.states.as_mut().read_nchw(state.as_slice())?;
        }
        self.started = true;
        Ok(())
    }

    /// Forgets everything: the next frame is the first.
    pub fn reset(&mut self) {
        self.layers_mut().for_each(LayerWorkspace::clear_initial);
        self.output.fill(T::ZERO);
        self.started = false;
    }

    fn layers_mut(&mut self) -> impl Iterator<Item = &mut LayerWorkspace<T>> {
        self.stages.iter_mut().filter_map(Running::layer_mut)
    }
}
