//! The forward pass in use.

use convgru_kernels::Scalar;

use super::border::{Border, Frames};
use super::cell_config::{CellConfig, Context};
use super::network::Recurrent;
use super::noise::{Masks, Seed};
use super::run::{Given, Noise, Run, Runner};
use crate::composed::graph::{Eager, Operations};
use crate::error::Result;
use crate::tensor::Tensor;

/// The results of a sequence.
#[derive(Debug, Clone)]
pub struct RecurrentOutput<T> {
    /// The hidden state of each cell after every step, `[T, N, hidden, H, W]`.
    pub outputs: Vec<Tensor<T>>,
    /// All states of all cells after the last step, in the order in which [`Frames::states`] takes them.
    pub last: Vec<Tensor<T>>,
    /// What the topmost stage gives in every step, `[T, N, C, H, W]`.
    pub top: Tensor<T>,
}

impl<T: Scalar> Recurrent<T> {
    /// A whole sequence.
    ///
    /// # Shapes
    /// As [`Frames`] says; results as [`RecurrentOutput`] says.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch), [`Error::Count`](crate::Error::Count) or
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if anything given does not fit,
    /// [`Error::TooLarge`](crate::Error::TooLarge) where its states need more memory than the machine has.
    pub fn forward(&self, frames: &Frames<'_, T>) -> Result<RecurrentOutput<T>> {
        self.forward_with(frames, None)
    }

    /// A whole sequence or a part of it, with the noise of training where there is a seed.
    pub(super) fn forward_with(
        &self,
        frames: &Frames<'_, T>,
        noise: Option<Seed>,
    ) -> Result<RecurrentOutput<T>> {
        let border = Border::of(frames, &self.config)?;
        let mut eager = Eager::new(self.parameters.named());
        let given = self.give(&mut eager, |_, tensor| Eager::hold(tensor), frames, &border, noise)?;
        let run = self.runner(&mut eager, border.depth)?.run(&mut eager, &given)?;
        collect(|value| eager.tensor(value), &run, &border)
    }

    /// One step: all states after it.
    ///
    /// # Shapes
    /// `input`: `[N, C, H, W]`; `states` and result: those of all cells, `[N, hidden, H, W]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and for a network that reads several inputs or contexts.
    pub fn step(&self, input: &Tensor<T>, states: Option<&[Tensor<T>]>) -> Result<Vec<Tensor<T>>> {
        let sequence = input.clone().reshape(&[&[1], input.shape()].concat())?;
        Ok(self.forward(&Frames { states, ..Frames::new(&sequence) })?.last)
    }

    /// The network with its weights at hand, for volumes of some planes (images: 1).
    pub(crate) fn runner<O: Operations>(&self, ops: &mut O, depth: usize) -> Result<Runner<'_, O::Value>> {
        self.check()?;
        Runner::new(ops, &self.config, &self.slots, depth)
    }

    /// Makes values of what was given, by `put`; with a seed the noise of training.
    pub(super) fn give<O: Operations>(
        &self,
        ops: &mut O,
        put: impl Fn(&mut O, Tensor<T>) -> O::Value,
        frames: &Frames<'_, T>,
        border: &Border,
        noise: Option<Seed>,
    ) -> Result<Given<O::Value>> {
        let mut all = |tensors: &mut dyn Iterator<Item = &Tensor<T>>| -> Result<Vec<O::Value>> {
            tensors.map(|tensor| Ok(put(ops, border.images_of(tensor)?))).collect()
        };
        let values = Values {
            inputs: all(&mut frames.inputs.iter().copied())?,
            states: frames.states.map(|states| all(&mut states.iter())).transpose()?,
            contexts: all(&mut frames.contexts.iter())?,
        };
        Ok(self.arrange(ops, frames, border, values, noise))
    }

    /// Brings what was given to the cells it is for, and adds the noise of training or what stands for it in use.
    pub(super) fn arrange<O: Operations>(
        &self,
        ops: &mut O,
        frames: &Frames<'_, T>,
        border: &Border,
        values: Values<O::Value>,
        noise: Option<Seed>,
    ) -> Given<O::Value> {
        let states = values.states.map(|states| {
            let mut states = states.into_iter();
            self.config.cells().map(|cell| states.by_ref().take(cell.states()).collect()).collect()
        });
        let mut contexts = values.contexts.into_iter();
        let context = |cell: &CellConfig| match cell.context {
            Context::Additive => contexts.next(),
            _ => None,
        };
        Given {
            steps: border.steps,
            batch: border.batch,
            depth: border.depth,
            inputs: values.inputs,
            states,
            contexts: self.config.cells().map(context).collect(),
            lengths: frames.lengths.map(<[usize]>::to_vec),
            noises: self.noises(ops, border, frames, noise),
        }
    }

    /// What stands for the noise of training in one step of use, for images of any size.
    #[cfg(feature = "onnx")]
    pub(crate) fn expected_noises<O: Operations>(&self, ops: &mut O) -> Vec<Noise<O::Value>> {
        let noise = |cell: &CellConfig| {
            let part = Tensor::from_fn(&[1], |_| 1.0 - cell.zoneout);
            let renewed = (cell.zoneout > 0.0).then(|| ops.constant(&part));
            Noise { renewed: renewed.into_iter().collect(), ..Noise::default() }
        };
        self.config.cells().map(noise).collect()
    }

    fn noises<O: Operations>(
        &self,
        ops: &mut O,
        border: &Border,
        frames: &Frames<'_, T>,
        seed: Option<Seed>,
    ) -> Vec<Noise<O::Value>> {
        if self.config.cells().all(|cell| cell.zoneout == 0.0 && cell.dropout == 0.0) {
            return Vec::new();
        }
        let sizes = border.sizes_of_images(frames, &self.config);
        let cells = self.config.cells().zip(sizes).enumerate();
        cells
            .map(|(index, (cell, sizes))| {
                let masks = match seed {
                    Some(seed) => Masks::draw(cell, border, sizes, (seed, index)),
                    None => Masks::expected(cell, border, sizes[1]),
                };
                Noise {
                    input: masks.input.map(|mask| ops.constant(&mask)),
                    state: masks.state.map(|mask| ops.constant(&mask)),
                    renewed: masks.renewed.iter().map(|mask| ops.constant(mask)).collect(),
                }
            })
            .collect()
    }
}

/// What was given, as images, in the order of [`Frames`].
pub(super) struct Values<V> {
    pub(super) inputs: Vec<V>,
    pub(super) states: Option<Vec<V>>,
    pub(super) contexts: Vec<V>,
}

/// The results of a run, whose values have tensors.
pub(super) fn collect<'v, T: Scalar, V>(
    tensor: impl Fn(&'v V) -> &'v Tensor<T>,
    run: &'v Run<V>,
    border: &Border,
) -> Result<RecurrentOutput<T>> {
    let sequence = [border.steps, border.batch];
    let outputs = run.outputs.iter().map(|steps| {
        let mut shape = tensor(&steps[0]).shape().to_vec();
        let mut values = Vec::with_capacity(steps.len() * tensor(&steps[0]).len());
        steps.iter().for_each(|step| values.extend_from_slice(tensor(step).as_slice()));
        shape[0] *= border.steps;
        border.public_tensor(Tensor::from_vec(&shape, values)?, &sequence)
    });
    let last = run.last.iter().flatten().map(|state| border.tensor_of(tensor(state), &[border.batch]));
    Ok(RecurrentOutput {
        outputs: outputs.collect::<Result<_>>()?,
        last: last.collect::<Result<_>>()?,
        top: border.tensor_of(tensor(&run.top), &sequence)?,
    })
}
