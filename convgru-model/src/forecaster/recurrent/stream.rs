//! Frames one at a time, and forecasts after any of them.

use std::sync::Arc;

use convgru_kernels::Scalar;

use super::super::sizes::{Sizes, expect_images, sequence};
use super::RecurrentNetwork;
use crate::composed::graph::{Eager, Held};
use crate::composed::{Continuation, SequenceShape, sizes_of_images};
use crate::error::Result;
use crate::tensor::Tensor;

type Value<T> = Arc<Held<T>>;

/// All states of each cell, and the result of the topmost stage.
type After<T> = (Vec<Vec<Value<T>>>, Value<T>);

/// The network after the frames so far.
#[derive(Debug)]
pub(in super::super) struct RecurrentStreamState<'a, T> {
    network: Arc<RecurrentNetwork<'a, T>>,
    eager: Eager<'a, T>,
    /// The network after the last frame; none before the first.
    after: Option<After<T>>,
}

impl<'a, T: Scalar> RecurrentStreamState<'a, T> {
    pub(in super::super) fn new(network: Arc<RecurrentNetwork<'a, T>>, sizes: &Sizes) -> Result<Self> {
        network.expect_memory(sizes, 1)?;
        Ok(Self { eager: Eager::new(network.tensors.clone()), network, after: None })
    }

    /// Whether a frame was read.
    pub(in super::super) fn has_started(&self) -> bool {
        self.after.is_some()
    }

    /// Forgets all frames.
    pub(in super::super) fn reset(&mut self) {
        self.after = None;
    }

    /// Reads a frame `[N, C, H, W]`.
    pub(in super::super) fn read(&mut self, sizes: &Sizes, frame: &[T]) -> Result<()> {
        let network = Arc::clone(&self.network);
        let mut continuation = network.continuation(&mut self.eager, sizes.frame.batch)?;
        continuation.states = self.after.as_ref().map(|(states, _)| states.clone());
        let patches = network.patches(&Tensor::from_vec(&sizes.frame.dims(), frame.to_vec())?)?;
        let top = self.step(&mut continuation, sizes, Some(Eager::hold(patches)))?;
        self.after = continuation.states.map(|states| (states, top));
        Ok(())
    }

    /// Continues the frames that were read, at least one.
    pub(in super::super) fn forecast_into(
        &mut self,
        sizes: &Sizes,
        steps: usize,
        output: &mut Tensor<T>,
    ) -> Result<()> {
        let Some((states, mut top)) = self.after.clone() else { return Ok(()) };
        let network = Arc::clone(&self.network);
        expect_images(&network.config, 1, steps)?;
        let mut continuation = network.continuation(&mut self.eager, sizes.frame.batch)?;
        continuation.states = Some(states);
        output.make_room(&sequence(sizes.predicted, steps))?;
        for step in 0..steps {
            if step > 0 {
                top = self.step(&mut continuation, sizes, None)?;
            }
            let [_, prediction] = continuation.predict(&mut self.eager, &top, 1)?;
            let frame = network.frames(self.eager.tensor(&prediction))?;
            output.slice_mut(step).copy_from_slice(frame.as_slice());
        }
        Ok(())
    }

    /// One step over a frame in patches, or over the prediction of the step before.
    fn step(
        &mut self,
        continuation: &mut Continuation<'_, Value<T>>,
        sizes: &Sizes,
        frame: Option<Value<T>>,
    ) -> Result<Value<T>> {
        let step = sizes.of_scale(0, 1);
        let body = &self.network.body;
        let images = sizes_of_images(&[&[step.height, step.width]], body);
        let dims = SequenceShape::of_images(1, step.batch);
        let noises = body.noises(&mut self.eager, &dims, &images, None);
        continuation.read(&mut self.eager, frame.is_none(), frame, noises)
    }
}
