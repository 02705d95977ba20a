//! Frames that come one at a time, for every other cell.

use std::sync::Arc;

use convgru_kernels::Scalar;

use super::network::Recurrent;
use super::run::{Noise, RunInput, Runner};
use super::sequence_shape::SequenceShape;
use crate::composed::graph::{Eager, Held};
use crate::error::{Error, Result, expect_count};
use crate::sequence::Sequence;
use crate::tensor::{Tensor, expect_shape};

type Shared<T> = Arc<Held<T>>;

/// All states of each cell.
type States<T> = Vec<Vec<Shared<T>>>;

/// A [`Recurrent`] prepared for frames of one size.
///
/// Kernels are packed and contexts given once; kernels with a spectral norm are folded once and packed in each
/// step. The states stay inside. Zoneout is as in
/// use: as much of a state is renewed as on average. A step takes the time and gives the bits of a step of
/// [`Recurrent::forward`]. Unlike a [`Stream`](crate::Stream) it takes memory for intermediate results
/// and gives it back.
///
/// ```
/// use convgru_model::composed::{CellConfig, CellKind, Recurrent, RecurrentConfig};
/// use convgru_model::Tensor;
///
/// let lstm = CellConfig { kind: CellKind::Lstm, ..CellConfig::new(2, 4) };
/// let network = Recurrent::<f32>::new(RecurrentConfig::chain([lstm]), 0)?;
/// let mut stream = network.prepare()?.stream(&[&[1, 2, 6, 5]], &[])?;
/// for _ in 0..3 {
///     let top = stream.step(&[&Tensor::zeros(&[1, 2, 6, 5])])?;
///     assert_eq!(top.shape(), [1, 4, 6, 5]);
/// }
/// assert_eq!(stream.states()?.len(), 2); // hidden state and memory
/// stream.reset();
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug)]
pub struct RecurrentStream<'a, T> {
    eager: Eager<'a, T>,
    runner: Runner<'a, Shared<T>>,
    dims: SequenceShape,
    /// The shape of each input.
    shapes: Vec<Vec<usize>>,
    /// What every step is given besides inputs and states.
    given: RunInput<Shared<T>>,
    /// All states of each cell; zeros of samples that have none.
    states: States<T>,
    /// Whether a sample has a state: without one it costs no convolution.
    started: Vec<bool>,
    output: Tensor<T>,
    /// Whether what is given must be finite.
    checks_finite: bool,
}

impl<'a, T: Scalar> RecurrentStream<'a, T> {
    pub(super) fn new(
        network: &'a Recurrent<T>,
        mut eager: Eager<'a, T>,
        shapes: &[&[usize]],
        contexts: &[Tensor<T>],
    ) -> Result<Self> {
        let frames = shapes.iter().map(|shape| frame_of_zeros(shape)).collect::<Result<Vec<_>>>()?;
        expect_count("inputs", network.config.inputs(), frames.len())?;
        let sequence = Sequence { contexts, ..Sequence::from(&frames[..]) };
        let dims = SequenceShape::of(sequence, &network.config)?;
        let runner = network.runner(&mut eager, dims.depth)?;
        let put = |_: &mut Eager<'_, T>, tensor, _| Eager::hold(tensor);
        let mut given = network.give(&mut eager, put, sequence, &dims, 0)?;
        let first = runner.run(&mut eager, &given)?;
        given.states = Some(first.last);
        let second = runner.run(&mut eager, &given)?;
        given.states = None;
        let mut stream = Self {
            output: dims.tensor_of(eager.tensor(&second.top), &[dims.batch])?,
            started: vec![true; dims.batch],
            shapes: shapes.iter().map(|shape| shape.to_vec()).collect(),
            states: second.last,
            eager,
            runner,
            dims,
            given,
            checks_finite: false,
        };
        stream.reset();
        Ok(stream)
    }

    /// With `check` frames, states and contexts that hold a NaN or an infinite number are refused, by
    /// [`Error::NotFinite`]. Without it, which is so at first, a single such pixel spreads over all states and stays there until
    /// a [`reset`](Self::reset).
    pub fn set_check_finite(&mut self, check: bool) {
        self.checks_finite = check;
    }

    /// Fails for numbers that are not finite, where they are looked at.
    fn expect_finite<'t>(&self, what: &str, tensors: impl Iterator<Item = &'t Tensor<T>>) -> Result<()>
    where
        T: 't,
    {
        let mut tensors = tensors.filter(|_| self.checks_finite).enumerate();
        tensors.try_for_each(|(index, tensor)| tensor.expect_finite(&format!("{what} {index}")))
    }

    /// One frame of each input. Returns what the topmost stage gives, `[N, C, H, W]`.
    ///
    /// A pixel that is NaN makes all states NaN within a few steps, until a [`reset`](Self::reset):
    /// [`set_check_finite`](Self::set_check_finite) refuses such frames.
    ///
    /// # Shapes
    /// `inputs`: as the stream was prepared for.
    ///
    /// # Errors
    /// [`Error::Count`] or [`Error::ShapeMismatch`] for other frames, [`Error::NotFinite`] where that is
    /// [asked for](Self::set_check_finite); the states stay as they were.
    pub fn step(&mut self, inputs: &[&Tensor<T>]) -> Result<&Tensor<T>> {
        expect_count("inputs", self.shapes.len(), inputs.len())?;
        for (index, (input, shape)) in inputs.iter().zip(&self.shapes).enumerate() {
            expect_shape(&format!("input {index}"), input.shape(), shape)?;
        }
        self.expect_finite("input", inputs.iter().copied())?;
        let images = inputs.iter().map(|input| Ok(Eager::hold(self.dims.images_of(input)?)));
        self.given.inputs = images.collect::<Result<_>>()?;
        // What each group of samples is given; without states those that have none.
        let groups = [true, false].map(|has| self.samples(|started| started == has));
        let (last, top) = match groups {
            [all, none] if none.is_empty() => self.run_samples(&all, true)?,
            [none, all] if none.is_empty() => self.run_samples(&all, false)?,
            [with, without] => {
                let (states, top) = self.run_samples(&with, true)?;
                let (others, other_top) = self.run_samples(&without, false)?;
                let merge =
                    |one: &Shared<T>, other: &Shared<T>| self.merge([(one, &with), (other, &without)]);
                let states = states.iter().zip(&others);
                let merged = states.map(|(cell, other)| {
                    cell.iter().zip(other).map(|(one, other)| merge(one, other)).collect()
                });
                (merged.collect::<Result<_>>()?, merge(&top, &other_top)?)
            }
        };
        self.output = self.dims.tensor_of(self.eager.tensor(&top), &[self.dims.batch])?;
        self.states = last;
        self.started.fill(true);
        Ok(&self.output)
    }

    /// What the topmost stage gave in the last step, `[N, C, H, W]`; zeros before the first.
    pub fn output(&self) -> &Tensor<T> {
        &self.output
    }

    /// All states of all cells after the last step, in the order of [`Sequence::states`]; zeros before the first.
    ///
    /// # Errors
    /// None that can be caused from outside; the signature is that of [`Stream`](crate::Stream).
    pub fn states(&self) -> Result<Vec<Tensor<T>>> {
        let states = self.states.iter().flatten();
        states.map(|state| self.dims.tensor_of(self.eager.tensor(state), &[self.dims.batch])).collect()
    }

    /// Goes on from given states, all of all cells in the order of [`Sequence::states`].
    ///
    /// # Errors
    /// [`Error::Count`] or [`Error::ShapeMismatch`] if they do not fit; nothing has changed then.
    pub fn set_states(&mut self, states: &[Tensor<T>]) -> Result<()> {
        let there = self.states.iter().flatten();
        let set = self.put_in_place_of("state", there, states)?;
        let mut set = set.into_iter();
        for cell in &mut self.states {
            cell.iter_mut().zip(set.by_ref()).for_each(|(state, new)| *state = new);
        }
        self.started.fill(true);
        Ok(())
    }

    /// Takes other contexts from the next step on, in the order of [`Sequence::contexts`]. States stay as they are.
    ///
    /// # Errors
    /// [`Error::Count`] or [`Error::ShapeMismatch`] if they do not fit; nothing has changed then.
    pub fn set_contexts(&mut self, contexts: &[Tensor<T>]) -> Result<()> {
        let there = self.given.contexts.iter().flatten();
        let set = self.put_in_place_of("context", there, contexts)?;
        self.given.contexts.iter_mut().flatten().zip(set).for_each(|(context, new)| *context = new);
        Ok(())
    }

    /// Forgets everything but the contexts: the next frame is the first.
    pub fn reset(&mut self) {
        let all = self.samples(|_| true);
        self.forget(&all);
    }

    /// Forgets what it knows of some samples, counted from zero: the next frame is the first of each of them, and
    /// the others go on. Contexts stay. The next step runs both kinds of samples one after the other.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a sample that the batch does not have; nothing has changed then.
    ///
    /// ```
    /// use convgru_model::composed::{CellConfig, Recurrent, RecurrentConfig};
    /// use convgru_model::Tensor;
    ///
    /// let cell = CellConfig { dilation: [2, 2], ..CellConfig::new(2, 4) };
    /// let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 0)?;
    /// let mut stream = network.prepare()?.stream(&[&[3, 2, 6, 5]], &[])?;
    /// let frames = Tensor::from_fn(&[3, 2, 6, 5], |i| (i % 7) as f32 / 7.0);
    /// let first = stream.step(&[&frames])?.clone();
    /// stream.step(&[&frames])?;
    /// stream.reset_samples(&[1])?;
    /// let third = stream.step(&[&frames])?;
    /// assert_eq!(third.slice(1), first.slice(1));
    /// assert_ne!(third.slice(2), first.slice(2));
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn reset_samples(&mut self, samples: &[usize]) -> Result<()> {
        let batch = self.started.len();
        if let Some(&sample) = samples.iter().find(|&&sample| sample >= batch) {
            let what = "sample to reset".to_owned();
            return Err(Error::OutOfRange { what, got: sample, most: batch.saturating_sub(1) });
        }
        self.forget(samples);
        Ok(())
    }

    fn forget(&mut self, samples: &[usize]) {
        let images = self.images(samples);
        for state in self.states.iter_mut().flatten() {
            if let Held::Tensor(tensor) = Arc::make_mut(state) {
                images.iter().for_each(|&image| tensor.slice_mut(image).fill(T::ZERO));
            }
        }
        for &sample in samples {
            self.output.slice_mut(sample).fill(T::ZERO);
            self.started[sample] = false;
        }
    }

    /// The samples that have a state, or have none, as `wanted` says.
    fn samples(&self, wanted: impl Fn(bool) -> bool) -> Vec<usize> {
        let started = self.started.iter().enumerate();
        started.filter(|(_, started)| wanted(**started)).map(|(sample, _)| sample).collect()
    }

    /// The images of some samples.
    fn images(&self, samples: &[usize]) -> Vec<usize> {
        let depth = self.dims.depth;
        samples.iter().flat_map(|sample| sample * depth..(sample + 1) * depth).collect()
    }

    /// A step of some samples: their states, and what the topmost stage gives.
    fn run_samples(&mut self, samples: &[usize], states: bool) -> Result<(States<T>, Shared<T>)> {
        let images = self.images(samples);
        let all = samples.len() == self.dims.batch;
        let some = |value: &Shared<T>| match all {
            true => Ok(value.clone()),
            false => self.select(value, &images),
        };
        let each = |values: &[Shared<T>]| values.iter().map(some).collect::<Result<Vec<_>>>();
        let one = |value: &Option<Shared<T>>| value.as_ref().map(some).transpose();
        let noise = |noise: &Noise<Shared<T>>| {
            Ok(Noise { input: one(&noise.input)?, state: one(&noise.state)?, renewed: each(&noise.renewed)? })
        };
        let given = RunInput {
            steps: 1,
            batch: samples.len(),
            depth: self.dims.depth,
            inputs: each(&self.given.inputs)?,
            states: states.then(|| self.states.iter().map(|cell| each(cell)).collect()).transpose()?,
            contexts: self.given.contexts.iter().map(one).collect::<Result<_>>()?,
            lengths: None,
            noises: self.given.noises.iter().map(noise).collect::<Result<_>>()?,
        };
        let run = self.runner.run(&mut self.eager, &given)?;
        Ok((run.last, run.top))
    }

    /// Some of the images of a value.
    fn select(&self, value: &Shared<T>, images: &[usize]) -> Result<Shared<T>> {
        let tensor = self.eager.tensor(value);
        let shape = [&[images.len()], &tensor.shape()[1..]].concat();
        let values = images.iter().flat_map(|&image| tensor.slice(image)).copied().collect();
        Ok(Eager::hold(Tensor::from_vec(&shape, values)?))
    }

    /// The images of all samples, from the images of each group of samples.
    fn merge(&self, groups: [(&Shared<T>, &[usize]); 2]) -> Result<Shared<T>> {
        let mut shape = self.eager.tensor(groups[0].0).shape().to_vec();
        shape[0] = self.dims.batch * self.dims.depth;
        let mut merged = Tensor::zeros(&shape);
        for (value, samples) in groups {
            let tensor = self.eager.tensor(value);
            for (from, to) in self.images(samples).into_iter().enumerate() {
                merged.slice_mut(to).copy_from_slice(tensor.slice(from));
            }
        }
        Ok(Eager::hold(merged))
    }

    /// Tensors as values, which must have the shapes of those that are there.
    fn put_in_place_of<'v>(
        &self,
        what: &str,
        there: impl Iterator<Item = &'v Shared<T>>,
        tensors: &[Tensor<T>],
    ) -> Result<Vec<Shared<T>>>
    where
        T: 'v,
    {
        let there: Vec<&Shared<T>> = there.collect();
        expect_count(&format!("{what}s"), there.len(), tensors.len())?;
        let mut values = Vec::with_capacity(tensors.len());
        self.expect_finite(what, tensors.iter())?;
        for (index, (value, tensor)) in there.into_iter().zip(tensors).enumerate() {
            let expected = self.dims.shape_of(self.eager.tensor(value).shape(), &[self.dims.batch]);
            expect_shape(&format!("{what} {index}"), tensor.shape(), &expected)?;
            values.push(Eager::hold(self.dims.images_of(tensor)?));
        }
        Ok(values)
    }
}

/// A sequence of one frame of zeros.
fn frame_of_zeros<T: Scalar>(shape: &[usize]) -> Result<Tensor<T>> {
    let bytes = shape.iter().try_fold(size_of::<T>(), |bytes, &size| bytes.checked_mul(size));
    if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
        let reason = format!("frames of {shape:?} have more numbers than memory has addresses");
        return Err(Error::InvalidConfig { field: "shapes".into(), reason });
    }
    Tensor::try_zeros(&[&[1], shape].concat())
}
