//! A network that reads its own results as the next frames.

use super::graph::Operations;
use super::run::{Noise, RunInput, Runner};
use crate::error::Result;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// A network that reads frames one after the other and turns its results into frames.
#[derive(Debug)]
pub(crate) struct Continuation<'c, V> {
    pub(crate) runner: Runner<'c, V>,
    /// Samples.
    pub(crate) batch: usize,
    /// The function that turns a result into a frame.
    pub(crate) activation: Activation,
    /// Channels of the mask, which a frame has in addition to the channels of a result; the mask of a predicted frame is 1.
    pub(crate) mask_channels: usize,
    /// All states of each cell after the last step; none before the first.
    pub(crate) states: Option<Vec<Vec<V>>>,
    /// The frame that the last step predicted, `[N, C, H, W]`, if the caller asked for it.
    pub(crate) prediction: Option<V>,
}

impl<V: Clone> Continuation<'_, V> {
    /// Reads the prediction of the step before, if `reads_prediction` is true, and then frames `[M N, C, H, W]`. Returns the output of the topmost
    /// stage, the images of all these steps.
    pub(crate) fn read<O: Operations<Value = V>>(
        &mut self,
        ops: &mut O,
        reads_prediction: bool,
        frames: Option<V>,
        noises: Vec<Noise<V>>,
    ) -> Result<V> {
        let mut read = Vec::with_capacity(2);
        if let Some(prediction) = self.prediction.as_ref().filter(|_| reads_prediction) {
            read.push(as_read(ops, prediction, self.mask_channels)?);
        }
        read.extend(frames);
        let input = ops.join_images(&read)?;
        let given = RunInput {
            steps: ops.shape(&input)[0] / self.batch,
            batch: self.batch,
            depth: 1,
            inputs: vec![input],
            states: self.states.clone(),
            contexts: vec![None; self.runner.cells()],
            lengths: None,
            noises,
        };
        let run = self.runner.run(ops, &given)?;
        self.states = Some(run.last);
        self.prediction = None;
        Ok(run.top)
    }

    /// The frames that the last `steps` steps predict, from the output `top` of the topmost stage: before and after the activation.
    pub(crate) fn predict<O: Operations<Value = V>>(
        &mut self,
        ops: &mut O,
        top: &V,
        steps: usize,
    ) -> Result<[V; 2]> {
        let images = ops.shape(top)[0];
        let logits = ops.images(top, images - steps * self.batch..images)?;
        let frames = match self.activation {
            Activation::Identity => logits.clone(),
            activation => ops.activate(activation, &logits)?,
        };
        self.prediction = Some(ops.images(&frames, (steps - 1) * self.batch..steps * self.batch)?);
        Ok([logits, frames])
    }
}

/// A predicted frame as it is read: all of its pixels count as measured.
fn as_read<O: Operations>(ops: &mut O, prediction: &O::Value, mask_channels: usize) -> Result<O::Value> {
    if mask_channels == 0 {
        return Ok(prediction.clone());
    }
    let mut shape = ops.shape(prediction);
    shape[1] = mask_channels;
    let mask = ops.constant(&Tensor::from_fn(&shape, |_| 1.0));
    ops.join_channels(&[prediction.clone(), mask])
}
