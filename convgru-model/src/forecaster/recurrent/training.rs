//! The forward pass of training and the backward pass, in parts if memory is limited.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::super::limits::Limits;
use super::super::prediction::{Prediction, TeacherForcing};
use super::super::sizes::{Sizes, sequence};
use super::RecurrentNetwork;
use super::part::{Entry, Predicted, RecordedPart, forward};
use super::timeline::Timeline;
use crate::composed::RecurrentParameters;
use crate::error::Result;
use crate::sequence::MemoryBudget;
use crate::tensor::Tensor;

/// The options of a training step.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Training<'a, T> {
    /// Predictions.
    pub(in super::super) steps: usize,
    pub(in super::super) teacher: Option<TeacherForcing<'a, T>>,
    pub(in super::super) limits: Limits,
    pub(in super::super) dropout_seed: Option<u64>,
    /// Whether the backward pass gives the gradient of the input.
    pub(in super::super) input_gradient: bool,
}

/// A forward pass of training, for its backward pass.
#[derive(Debug)]
pub(in super::super) struct RecurrentPass<T> {
    pub(in super::super) sizes: Sizes,
    /// Frames that were read.
    pub(in super::super) frames_read: usize,
    /// After the output activation, `[T_out, N, C, H, W]`.
    pub(in super::super) output: Tensor<T>,
    input_gradient: bool,
    timeline: Timeline<T>,
    /// Steps of a part; the last may have fewer.
    size: usize,
    /// The start of each part.
    entries: Vec<Entry<T>>,
    /// The only part, with every intermediate result; the backward pass computes several parts again.
    recorded: Option<RecordedPart<T>>,
}

impl<T: Scalar> RecurrentPass<T> {
    pub(in super::super) fn bytes(&self) -> usize {
        let entries: usize = self.entries.iter().map(Entry::bytes).sum();
        let recorded = self.recorded.as_ref().map_or(0, RecordedPart::bytes);
        self.timeline.bytes() + entries + recorded + self.output.len() * size_of::<T>()
    }

    /// The steps of a part.
    fn steps(&self, part: usize) -> Range<usize> {
        part * self.size..self.timeline.steps().min((part + 1) * self.size)
    }
}

impl<T: Scalar> RecurrentNetwork<'_, T> {
    /// Continues frames `[T, N, C, H, W]`, and keeps the values that the backward pass needs.
    pub(in super::super) fn forward_train(
        &self,
        sizes: Sizes,
        input: &Tensor<T>,
        training: Training<'_, T>,
    ) -> Result<(Prediction<T>, RecurrentPass<T>)> {
        let Training { steps, teacher, limits, dropout_seed, input_gradient } = training;
        let frames_read = input.shape()[0];
        // A frame whose image is asked for is not cut off.
        let least = if self.config.input_channels > 0 { steps } else { 1 };
        let before = frames_read - limits.frames_with_gradient(frames_read).max(least);
        let kept = match limits.memory {
            MemoryBudget::Unlimited => (frames_read - before).saturating_add(steps),
            MemoryBudget::Bytes(_) => 1,
        };
        self.expect_memory(&sizes, kept)?;
        let mut entry = Entry::start();
        if before > 0 {
            entry = self.read_before(input, before, dropout_seed)?;
        }
        let read = (input, before..frames_read);
        let timeline = Timeline::new(self, read, (steps, teacher), dropout_seed)?;
        let size = self.steps_of_part(&timeline, &entry, limits.memory)?;
        let mut pass = RecurrentPass {
            sizes,
            frames_read,
            output: Tensor::default(),
            input_gradient,
            size,
            entries: vec![entry],
            recorded: None,
            timeline,
        };
        let predicted = self.run_parts(&mut pass)?;
        let [logits, output] = self.join_predictions(&pass.sizes, steps, &predicted)?;
        pass.output = output.clone();
        Ok((Prediction { output, logits }, pass))
    }

    /// The states after the first `before` frames, through which no gradient flows.
    fn read_before(&self, input: &Tensor<T>, before: usize, dropout_seed: Option<u64>) -> Result<Entry<T>> {
        let mut entry = Entry::start();
        for t in 0..before {
            let timeline = Timeline::new(self, (input, t..t + 1), (1, None), dropout_seed)?;
            entry = forward(self, &timeline, 0..1, &entry)?.1;
        }
        Ok(Entry { states: entry.states, ..Entry::start() })
    }

    /// Steps whose intermediate results are kept at a time.
    fn steps_of_part(&self, timeline: &Timeline<T>, entry: &Entry<T>, budget: MemoryBudget) -> Result<usize> {
        let MemoryBudget::Bytes(bytes) = budget else { return Ok(timeline.steps()) };
        if timeline.steps() == 1 {
            return Ok(1);
        }
        // The bytes of a step that reads states are the bytes of each other step.
        let (_, entry) = forward(self, timeline, 0..1, entry)?;
        let second = RecordedPart::forward(self, timeline, 1..2, (&entry, true))?;
        Ok((bytes / second.bytes().max(1)).clamp(1, timeline.steps()))
    }

    /// Runs all parts: records a single part, or keeps the start of each of several parts.
    fn run_parts(&self, pass: &mut RecurrentPass<T>) -> Result<Predicted<T>> {
        let timeline = &pass.timeline;
        if pass.size >= timeline.steps() {
            let start = (&pass.entries[0], pass.input_gradient);
            let recorded = RecordedPart::forward(self, timeline, 0..timeline.steps(), start)?;
            let predicted = recorded.predicted();
            pass.recorded = Some(recorded);
            return Ok(predicted);
        }
        let (mut predicted, parts) = (Vec::new(), timeline.steps().div_ceil(pass.size));
        for part in 0..parts {
            let (of_part, next) = forward(self, timeline, pass.steps(part), &pass.entries[part])?;
            predicted.extend(of_part);
            if part + 1 < parts {
                pass.entries.push(next);
            }
        }
        Ok(predicted)
    }

    /// Predictions of all steps as frames, before and after the activation.
    fn join_predictions(
        &self,
        sizes: &Sizes,
        steps: usize,
        predicted: &Predicted<T>,
    ) -> Result<[Tensor<T>; 2]> {
        let step = sizes.of_scale(0, self.config.patch_channels());
        let join = |which: usize| {
            let mut patches = Tensor::try_zeros(&sequence(step, steps))?;
            let values = predicted.iter().flat_map(|(_, tensors)| tensors[which].as_slice());
            patches.as_mut_slice().iter_mut().zip(values).for_each(|(to, &value)| *to = value);
            self.frames(&patches)
        };
        Ok([join(0)?, join(1)?])
    }

    /// Adds the gradients of all weights, given the gradients of the predictions before the activation, `[T_out, N, C, H, W]`. Returns the gradient
    /// of the frames that gradients flow through, if the pass asks for it.
    pub(in super::super) fn backward(
        &self,
        pass: &mut RecurrentPass<T>,
        d_logits: &Tensor<T>,
        gradients: &mut RecurrentParameters<T>,
    ) -> Result<Option<Tensor<T>>> {
        let (inputs, first) = (pass.timeline.inputs, pass.timeline.first_prediction);
        let d_logits = self.patches(d_logits)?;
        let step = pass.sizes.of_scale(0, self.config.read_patch_channels());
        let mut d_frames = match pass.input_gradient {
            true => Some(Tensor::try_zeros(&sequence(step, inputs))?),
            false => None,
        };
        let mut later = None;
        for part in (0..pass.entries.len()).rev() {
            let start = (&pass.entries[part], pass.input_gradient);
            let mut again = match pass.recorded {
                Some(_) => None,
                None => Some(RecordedPart::forward(self, &pass.timeline, pass.steps(part), start)?),
            };
            let Some(recorded) = again.as_mut().or(pass.recorded.as_mut()) else { continue };
            let to = (&mut *gradients, d_frames.as_mut());
            later = Some(recorded.backward(self, (first, &d_logits), later, to)?);
        }
        d_frames.map(|patches| self.frames(&patches)).transpose()
    }
}
