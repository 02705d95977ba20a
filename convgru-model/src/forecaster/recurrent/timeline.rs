//! The frame that each step of a forecast reads.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::super::prediction::TeacherForcing;
use super::RecurrentNetwork;
use crate::error::Result;
use crate::tensor::Tensor;

/// The steps of a forecast: those over frames of the input, and those over predictions or true frames in their places.
#[derive(Debug)]
pub(super) struct Timeline<T> {
    /// The frame of each step in patches, `[N, C p^2, H/p, W/p]`; none where a step reads the prediction of the step before.
    frames: Vec<Option<Tensor<T>>>,
    /// Steps that read frames of the input.
    pub(super) inputs: usize,
    /// The first step that predicts.
    pub(super) first_prediction: usize,
    /// Frames of the sequence before the first step.
    pub(super) before: usize,
    /// The seed of dropout and zoneout.
    pub(super) dropout_seed: Option<u64>,
}

impl<T: Scalar> Timeline<T> {
    /// The steps over some of the frames of an input `[T, N, C, H, W]`, and for `predicted` predictions: after these, or of a network that gives an
    /// image for each frame for the last of these.
    pub(super) fn new(
        network: &RecurrentNetwork<'_, T>,
        (input, read): (&Tensor<T>, Range<usize>),
        (predicted, teacher): (usize, Option<TeacherForcing<'_, T>>),
        dropout_seed: Option<u64>,
    ) -> Result<Self> {
        let patches = |frames: &Tensor<T>, t: usize| network.patches(&frames.index(t)).map(Some);
        let (inputs, before) = (read.len(), read.start);
        let after = if network.config.input_channels > 0 { 1 } else { predicted };
        let mut frames = Vec::with_capacity(inputs + after - 1);
        for t in read {
            frames.push(patches(input, t)?);
        }
        for t in 1..after {
            frames.push(match teacher.filter(|teacher| teacher.forced[t]) {
                Some(teacher) => patches(teacher.frames, t - 1)?,
                None => None,
            });
        }
        let first_prediction = frames.len() - predicted;
        Ok(Self { frames, inputs, first_prediction, before, dropout_seed })
    }

    pub(super) fn steps(&self) -> usize {
        self.frames.len()
    }

    /// Samples.
    pub(super) fn batch(&self) -> usize {
        self.first_frame().shape()[0]
    }

    /// Rows and columns of a frame in patches.
    pub(super) fn size(&self) -> [usize; 2] {
        let shape = self.first_frame().shape();
        [shape[2], shape[3]]
    }

    fn first_frame(&self) -> &Tensor<T> {
        self.frames[0].as_ref().unwrap_or_else(|| unreachable!("the first step reads a frame of the input"))
    }

    /// Whether a step reads the prediction of the step before.
    pub(super) fn reads_prediction(&self, step: usize) -> bool {
        self.frames[step].is_none()
    }

    /// Steps in groups of which each can be computed at once: none but the first of a group reads a prediction.
    pub(super) fn groups(&self, steps: Range<usize>) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        for step in steps {
            match groups.last_mut().filter(|_| !self.reads_prediction(step)) {
                Some(group) => group.end = step + 1,
                None => groups.push(step..step + 1),
            }
        }
        groups
    }

    /// The frames that are given to some steps, images one after the other, and the steps.
    pub(super) fn given(&self, steps: Range<usize>) -> Result<Option<(Range<usize>, Tensor<T>)>> {
        let first = steps.start + usize::from(self.reads_prediction(steps.start));
        let given: Vec<&Tensor<T>> = self.frames[first..steps.end].iter().flatten().collect();
        let Some(one) = given.first() else { return Ok(None) };
        let mut shape = one.shape().to_vec();
        shape[0] *= given.len();
        let values = given.iter().flat_map(|frame| frame.as_slice()).copied().collect();
        Ok(Some((first..steps.end, Tensor::from_vec(&shape, values)?)))
    }

    /// How many of the last of some steps predict.
    pub(super) fn predictions(&self, steps: &Range<usize>) -> usize {
        steps.end.saturating_sub(steps.start.max(self.first_prediction))
    }

    /// Bytes of the frames.
    pub(super) fn bytes(&self) -> usize {
        self.frames.iter().flatten().map(|frame| frame.len() * size_of::<T>()).sum()
    }
}
