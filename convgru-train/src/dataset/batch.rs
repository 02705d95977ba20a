//! Some sequences of a data set as tensors.

use std::borrow::Cow;

use convgru_model::{ForecasterConfig, Tensor};
use rayon::prelude::*;

use super::{Quantity, SequenceDataset};
use crate::counted::counted;
use crate::{Error, Result};

/// Sequences, and which of their pixels were measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[T, N, C, H, W]`, values 0 to 1, 0 where a pixel is missing.
    pub frames: Tensor<f32>,
    /// The same shape, 1 where a pixel was measured and 0 where it is missing. Absent
    /// where data sets have no missing pixels.
    pub valid: Option<Tensor<f32>>,
    /// The frames that the network reads in place of these, `[T, N, C_in, H, W]`, as they are in their files. Absent where it reads these.
    pub input: Option<Tensor<f32>>,
}

impl Batch {
    /// Frames without others to read.
    ///
    /// # Shapes
    /// both `[T, N, C, H, W]`
    pub fn new(frames: Tensor<f32>, valid: Option<Tensor<f32>>) -> Self {
        Self { frames, valid, input: None }
    }

    /// The frames to read and the frames to predict: the first `steps` frames and the rest, or where there are others to read these and all
    /// frames.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no more than `steps` frames, and none to read besides.
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::dataset::Batch;
    ///
    /// let batch = Batch::new(Tensor::from_fn(&[3, 1, 1, 1, 1], |i| i as f32), None);
    /// let (input, truth) = batch.split(2)?;
    /// assert_eq!((input.frames.as_slice(), truth.frames.as_slice()), (&[0.0, 1.0][..], &[2.0][..]));
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn split(&self, steps: usize) -> Result<(Self, Self)> {
        if let Some(input) = &self.input {
            return Ok((Self::new(input.clone(), None), Self::new(self.frames.clone(), self.valid.clone())));
        }
        let all = self.frames.shape()[0];
        if steps >= all {
            return Err(Error::Data {
                what: "a batch".into(),
                reason: format!(
                    "has {}, and none is left after the {steps} frames to read",
                    counted(all, "frame")
                ),
            });
        }
        let (head, tail) = split(&self.frames, steps)?;
        let (head_valid, tail_valid) = match &self.valid {
            Some(valid) => {
                let (head, tail) = split(valid, steps)?;
                (Some(head), Some(tail))
            }
            None => (None, None),
        };
        Ok((Self::new(head, head_valid), Self::new(tail, tail_valid)))
    }

    /// A frame of each sequence.
    ///
    /// # Shapes
    /// result: one step, `[1, N, C, H, W]`
    pub(crate) fn frame(&self, step: usize) -> Result<Self> {
        let one = |tensor: &Tensor<f32>| {
            let mut shape = tensor.shape().to_vec();
            shape[0] = 1;
            Tensor::from_vec(&shape, tensor.slice(step).to_vec())
        };
        Ok(Self::new(one(&self.frames)?, self.valid.as_ref().map(one).transpose()?))
    }

    /// The frames as a network reads them: the frames of a network [with a mask channel](ForecasterConfig::has_mask_channel) have a last channel that is
    /// 1 where all channels of a pixel were measured and 0 where one is missing.
    ///
    /// # Shapes
    /// result: `[T, N, C, H, W]`, or `[T, N, C + 1, H, W]` with a mask
    ///
    /// ```
    /// use convgru_model::{ForecasterConfig, Tensor};
    /// use convgru_train::dataset::Batch;
    ///
    /// let one = |values: [f32; 2]| Tensor::from_vec(&[1, 1, 1, 1, 2], values.to_vec());
    /// let batch = Batch::new(one([0.5, 0.0])?, Some(one([1.0, 0.0])?));
    /// let network = ForecasterConfig::default().with_mask_channel(true);
    /// assert_eq!(batch.as_read_by(&network).as_slice(), [0.5, 0.0, 1.0, 0.0]);
    /// assert_eq!(batch.as_read_by(&ForecasterConfig::default()).as_slice(), [0.5, 0.0]);
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn as_read_by(&self, network: &ForecasterConfig) -> Cow<'_, Tensor<f32>> {
        let &[steps, batch, channels, height, width] = self.frames.shape() else {
            return Cow::Borrowed(&self.frames);
        };
        if !network.has_mask_channel() {
            return Cow::Borrowed(&self.frames);
        }
        let pixels = height * width;
        let image = (channels * pixels).max(1);
        let mut read = Vec::with_capacity(steps * batch * (channels + 1) * pixels);
        for (at, frame) in self.frames.as_slice().chunks_exact(image).enumerate() {
            read.extend_from_slice(frame);
            match &self.valid {
                None => read.resize(read.len() + pixels, 1.0),
                Some(valid) => {
                    let valid = &valid.as_slice()[at * image..][..image];
                    let is_measured =
                        |pixel| (0..channels).all(|channel| valid[channel * pixels + pixel] > 0.0);
                    read.extend((0..pixels).map(|pixel| if is_measured(pixel) { 1.0 } else { 0.0 }));
                }
            }
        }
        let read = Tensor::from_vec(&[steps, batch, channels + 1, height, width], read);
        Cow::Owned(read.expect("there is a number for each pixel"))
    }

    /// The frames in units, NaN where a pixel is missing.
    ///
    /// # Shapes
    /// result: the shape of the frames
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::dataset::{Batch, Quantity};
    ///
    /// let one = |values: [f32; 2]| Tensor::from_vec(&[1, 1, 1, 1, 2], values.to_vec());
    /// let batch = Batch::new(one([0.5, 0.0])?, Some(one([1.0, 0.0])?));
    /// let units = batch.in_units(&Quantity::intensity());
    /// assert_eq!(units.as_slice()[0], 0.5);
    /// assert!(units.as_slice()[1].is_nan());
    /// # Ok::<(), convgru_train::Error>(())
    /// ```
    pub fn in_units(&self, quantity: &Quantity) -> Tensor<f32> {
        self.with_missing(quantity.in_units(&self.frames), f32::NAN)
    }

    /// Values of the same shape with 0 where a pixel is missing.
    pub fn measured(&self, values: Tensor<f32>) -> Tensor<f32> {
        self.with_missing(values, 0.0)
    }

    fn with_missing(&self, mut values: Tensor<f32>, missing: f32) -> Tensor<f32> {
        if let Some(valid) = &self.valid {
            for (value, &valid) in values.as_mut_slice().iter_mut().zip(valid.as_slice()) {
                *value = if valid > 0.0 { *value } else { missing };
            }
        }
        values
    }
}

/// A tensor `[T, ...]` cut along its first axis, `steps < T`.
fn split(tensor: &Tensor<f32>, steps: usize) -> Result<(Tensor<f32>, Tensor<f32>)> {
    let shape = tensor.shape();
    let (head, tail) = tensor.as_slice().split_at(steps * shape[1..].iter().product::<usize>());
    let part = |data: &[f32], steps: usize| {
        let mut part = shape.to_vec();
        part[0] = steps;
        Tensor::from_vec(&part, data.to_vec())
    };
    Ok((part(head, steps)?, part(tail, shape[0] - steps)?))
}

/// Where a data set writes one sequence.
pub struct SequenceMut<'a> {
    /// `[T, C, H, W]`: values 0 to 1, 0 where a pixel is missing.
    pub frames: &'a mut [f32],
    /// `[T, C, H, W]`: 1 where a pixel was measured, 0 where it is missing. Present
    /// exactly for data sets that [may miss pixels](SequenceDataset::has_missing).
    pub valid: Option<&'a mut [f32]>,
}

impl SequenceMut<'_> {
    /// Writes values, NaN where a pixel is missing.
    pub(super) fn put(&mut self, values: &[f32]) {
        for (frame, &value) in self.frames.iter_mut().zip(values) {
            *frame = if value.is_nan() { 0.0 } else { value };
        }
        for (valid, value) in self.valid.iter_mut().flat_map(|valid| valid.iter_mut()).zip(values) {
            *valid = if value.is_nan() { 0.0 } else { 1.0 };
        }
    }
}

/// Some sequences of an epoch as tensors. They are made in parallel; the
/// number of threads changes no bit.
///
/// # Shapes
/// returns `[T, N, C, H, W]`, N the number of indices
///
/// # Errors
/// [`Error::Data`] if there are no indices or one is not below the length of the
/// data set, and for [input frames](SequenceDataset::inputs) with a number that is NaN or infinite; the errors of [`SequenceDataset::sequence`].
///
/// ```
/// use convgru_train::dataset::{DataConfig, Split, batch, open, order};
///
/// let config = DataConfig { train_sequences: 100, ..DataConfig::default() };
/// let dataset = open(&config, None, Split::Train, 0)?;
/// let epoch = order(0, 0, dataset.len());
/// let batch = batch(&*dataset, 0, &epoch[..8])?;
/// assert_eq!(batch.frames.shape(), [20, 8, 1, 64, 64]);
/// assert!(batch.valid.is_none());
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn batch(dataset: &dyn SequenceDataset, epoch: u64, indices: &[usize]) -> Result<Batch> {
    if indices.is_empty() {
        return Err(Error::Data {
            what: format!("batch of {}", dataset.name()),
            reason: "has no sequences; at least 1 is needed".into(),
        });
    }
    let [channels, height, width] = dataset.frame_shape();
    let (steps, frame) = (dataset.steps(), channels * height * width);
    let shape = [steps, indices.len(), channels, height, width];
    let mut frames = Tensor::zeros(&shape);
    let mut valid = dataset.has_missing().then(|| Tensor::zeros(&shape));
    let mut places = Places::of(frames.as_mut_slice(), frame, indices.len());
    let mut masks = match &mut valid {
        Some(valid) => Places::of(valid.as_mut_slice(), frame, indices.len()).into_iter().map(Some).collect(),
        None => indices.iter().map(|_| None).collect::<Vec<_>>(),
    };
    let with_masks = places.par_iter_mut().zip(&mut masks).zip(indices);
    with_masks.try_for_each_init(
        || (vec![0.0; steps * frame], vec![0.0; if dataset.has_missing() { steps * frame } else { 0 }]),
        |(frames, valid), ((places, mask), &index)| {
            let valid = mask.is_some().then_some(&mut valid[..]);
            let mut into = SequenceMut { frames, valid };
            dataset.sequence(epoch, index, &mut into)?;
            places.fill(into.frames);
            if let (Some(mask), Some(valid)) = (mask, &into.valid) {
                mask.fill(valid);
            }
            Ok::<(), Error>(())
        },
    )?;
    let input = dataset.inputs().map(|inputs| input_of(inputs, epoch, indices)).transpose()?;
    Ok(Batch { frames, valid, input })
}

/// The input frames of some sequences.
fn input_of(inputs: &dyn SequenceDataset, epoch: u64, indices: &[usize]) -> Result<Tensor<f32>> {
    let Batch { frames, valid, .. } = batch(inputs, epoch, indices)?;
    let is_number = |at: usize| {
        let is_valid = valid.as_ref().is_none_or(|valid| valid.as_slice()[at] > 0.0);
        is_valid && frames.as_slice()[at].is_finite()
    };
    let Some(at) = (0..frames.len()).find(|&at| !is_number(at)) else { return Ok(frames) };
    let image: usize = frames.shape()[2..].iter().product();
    let (step, sample) = (at / image / indices.len(), at / image % indices.len());
    Err(Error::Data {
        what: inputs.name().to_owned(),
        reason: format!(
            "has a number that is NaN or infinite in frame {step} (from 0) of {}; the network reads input frames as they are: leave them out or fill \
             them in",
            inputs.label(indices[sample])
        ),
    })
}

/// The places of one sequence's frames in a tensor, one per step.
struct Places<'a>(Vec<&'a mut [f32]>);

impl<'a> Places<'a> {
    fn of(tensor: &'a mut [f32], frame: usize, sequences: usize) -> Vec<Self> {
        let mut places: Vec<Self> = (0..sequences).map(|_| Self(Vec::new())).collect();
        for (at, place) in tensor.chunks_exact_mut(frame).enumerate() {
            places[at % sequences].0.push(place);
        }
        places
    }

    fn fill(&mut self, sequence: &[f32]) {
        let frame = self.0.first().map_or(1, |place| place.len());
        for (place, made) in self.0.iter_mut().zip(sequence.chunks_exact(frame)) {
            place.copy_from_slice(made);
        }
    }
}
