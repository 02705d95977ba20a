//! Frames that come one at a time.

use convgru_kernels::{Extent, FeatureMapsRef, Scalar, Scratchpad};

use crate::error::{Error, Result, expect_count};
use crate::fused::stack::{PreparedStack, StackWorkspace};
use crate::memory;
use crate::tensor::{Tensor, expect_shape};

/// A [`ConvGru`](super::ConvGru) prepared for frames of one size.
///
/// Weights are packed and all memory is taken and touched when the stream is made, by two frames
/// of zeros on trial: a step allocates nothing.
///
/// ```
/// use convgru_model::{ConvGru, ConvGruConfig, Tensor};
///
/// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
/// let mut stream = network.prepare()?.stream(1, 6, 5)?;
/// for _ in 0..3 {
///     let top = stream.step(&Tensor::zeros(&[1, 2, 6, 5]))?;
///     assert_eq!(top.shape(), [1, 4, 6, 5]);
/// }
/// stream.reset();
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<'a, T> {
    stack: PreparedStack<'a, T>,
    workspace: StackWorkspace<T>,
    output: Tensor<T>,
    /// Whether the states before the next step are those in the workspace; zero otherwise.
    started: bool,
    /// Whether the state of each sample was set back after the last step.
    set_back: Vec<bool>,
    /// Whether what is given must be finite.
    checks_finite: bool,
    scratch: Scratchpad<T>,
}

impl<'a, T: Scalar> Stream<'a, T> {
    pub(crate) fn new(stack: PreparedStack<'a, T>, extent: Extent) -> Result<Self> {
        memory::expect_room::<bool>("samples of a stream", extent.batch)?;
        let workspace = stack.workspace_without_gates(extent, 1)?;
        let output = Tensor::try_zeros(&workspace.top().state_extent().dims())?;
        let (set_back, scratch) = (vec![false; extent.batch], Scratchpad::new());
        Ok(Self { stack, workspace, output, started: false, set_back, checks_finite: false, scratch })
    }

    /// Takes all memory that steps need, by two frames on trial.
    pub(crate) fn warm_up(&mut self) -> Result<()> {
        for _ in 0..2 {
            let frame = Tensor::try_zeros(&self.workspace.inputs.extent().dims())?;
            self.step(&frame)?;
        }
        self.reset();
        Ok(())
    }

    /// With `check` frames and states that hold a NaN or an infinite number are refused, by [`Error::NotFinite`]. Without it, which is
    /// so at first, a single such pixel spreads over all states and stays there until a [`reset`](Self::reset).
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, Tensor};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut stream = network.prepare()?.stream(1, 6, 5)?;
    /// stream.set_check_finite(true);
    /// let before = stream.step(&Tensor::zeros(&[1, 2, 6, 5]))?.clone();
    /// let mut frame = Tensor::zeros(&[1, 2, 6, 5]);
    /// frame.as_mut_slice()[7] = f32::NAN;
    /// assert!(stream.step(&frame).is_err());
    /// assert_eq!(stream.output(), &before);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn set_check_finite(&mut self, check: bool) {
        self.checks_finite = check;
    }

    /// One frame. Returns the state of the topmost layer, `[N, hidden, H, W]`.
    ///
    /// A pixel that is NaN makes all states NaN within a few steps, until a [`reset`](Self::reset):
    /// [`set_check_finite`](Self::set_check_finite) refuses such frames.
    ///
    /// # Shapes
    /// `frame`: `[N, in_channels, H, W]` as the stream was prepared for.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for a frame of another shape, [`Error::NotFinite`] where that is
    /// [asked for](Self::set_check_finite); the states stay as they were.
    pub fn step(&mut self, frame: &Tensor<T>) -> Result<&Tensor<T>> {
        expect_shape("frame", frame.shape(), &self.workspace.inputs.extent().dims())?;
        if self.checks_finite {
            frame.expect_finite("frame")?;
        }
        self.workspace.inputs.as_mut().read_nchw(frame.as_slice())?;
        if self.started {
            for layer in &mut self.workspace.layers {
                layer.carry(0)?;
            }
        }
        self.stack.step(&mut self.workspace, 0, &mut self.scratch)?;
        self.started = true;
        self.set_back.fill(false);
        self.workspace.top().state(0).write_nchw(self.output.as_mut_slice())?;
        Ok(&self.output)
    }

    /// The state of the topmost layer after the last step, `[N, hidden, H, W]`; zeros before the first.
    pub fn output(&self) -> &Tensor<T> {
        &self.output
    }

    /// The states of all layers after the last step, `[N, hidden, H, W]` each.
    ///
    /// # Errors
    /// None that can be caused from outside; the signature is the one of the kernels.
    pub fn states(&self) -> Result<Vec<Tensor<T>>> {
        (0..self.workspace.layers.len())
            .map(|index| {
                let mut tensor = Tensor::zeros(&self.workspace.layers[index].state_extent().dims());
                if let Some(state) = self.state(index) {
                    state.write_nchw(tensor.as_mut_slice())?;
                }
                Ok(tensor)
            })
            .collect()
    }

    /// Goes on from given states, `[N, hidden, H, W]` of each layer.
    ///
    /// # Errors
    /// [`Error::Count`](crate::Error::Count) or [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if they do not fit, [`Error::NotFinite`] where
    /// that is [asked for](Self::set_check_finite); nothing has changed then.
    pub fn set_states(&mut self, states: &[Tensor<T>]) -> Result<()> {
        let layers = &mut self.workspace.layers;
        expect_count("states", layers.len(), states.len())?;
        for (index, (layer, state)) in layers.iter().zip(states).enumerate() {
            expect_shape(&format!("state of layer {index}"), state.shape(), &layer.state_extent().dims())?;
            if self.checks_finite {
                state.expect_finite(&format!("state of layer {index}"))?;
            }
        }
        for (layer, state) in layers.iter_mut().zip(states) {
            layer.states.as_mut().read_nchw(state.as_slice())?;
        }
        if let Some(top) = states.last() {
            self.output.as_mut_slice().copy_from_slice(top.as_slice());
        }
        self.started = true;
        self.set_back.fill(false);
        Ok(())
    }

    /// Forgets everything: the next frame is the first.
    pub fn reset(&mut self) {
        for layer in &mut self.workspace.layers {
            layer.clear_initial();
        }
        self.output.fill(T::ZERO);
        self.started = false;
    }

    /// Forgets what it knows of some samples, counted from zero: the next frame is the first of each of them, and
    /// the others go on. Allocates nothing.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a sample that the batch does not have; nothing has changed then.
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, Tensor};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let mut stream = network.prepare()?.stream(3, 6, 5)?;
    /// let frames = Tensor::from_fn(&[3, 2, 6, 5], |i| (i % 7) as f32 / 7.0);
    /// let first = stream.step(&frames)?.clone();
    /// stream.step(&frames)?;
    /// stream.reset_samples(&[1])?;
    /// let third = stream.step(&frames)?;
    /// assert_eq!(third.slice(1), first.slice(1));
    /// assert_ne!(third.slice(2), first.slice(2));
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn reset_samples(&mut self, samples: &[usize]) -> Result<()> {
        let batch = self.set_back.len();
        if let Some(&sample) = samples.iter().find(|&&sample| sample >= batch) {
            let what = "sample to reset".to_owned();
            return Err(Error::OutOfRange { what, got: sample, most: batch.saturating_sub(1) });
        }
        if !self.started {
            return Ok(());
        }
        for &sample in samples {
            for layer in &mut self.workspace.layers {
                layer.states.images_mut(sample..sample + 1).set_zero();
            }
            self.output.slice_mut(sample).fill(T::ZERO);
            self.set_back[sample] = true;
        }
        // A batch without states convolves none.
        if self.set_back.iter().all(|&set_back| set_back) {
            self.reset();
        }
        Ok(())
    }

    fn state(&self, layer: usize) -> Option<FeatureMapsRef<'_, T>> {
        self.started.then(|| self.workspace.layers[layer].state(0))
    }
}
