//! The forward pass in use.

use convgru_kernels::Scalar;

use super::cell_config::{CellConfig, Context};
use super::dropout::Seed;
use super::network::Recurrent;
#[cfg(feature = "onnx")]
use super::run::Noise;
use super::run::{Run, RunInput, Runner};
use super::sequence_shape::{SequenceShape, sizes_of_images, spaces};
use crate::composed::graph::{Eager, Operations};
use crate::error::Result;
use crate::sequence::{Output, ReturnLayers, Sequence};
use crate::tensor::Tensor;

impl<T: Scalar> Recurrent<T> {
    /// A whole sequence.
    ///
    /// # Shapes
    /// Those of [`Sequence`] and [`Output`].
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch), [`Error::Count`](crate::Error::Count) or
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) if anything given does not fit,
    /// [`Error::TooLarge`](crate::Error::TooLarge) where its states need more memory than the machine has.
    pub fn forward<'a>(&self, sequence: impl Into<Sequence<'a, T>>) -> Result<Output<T>> {
        self.forward_part(sequence.into(), 0)
    }

    /// A whole sequence, or a part of one with so many steps before it.
    pub(super) fn forward_part(&self, sequence: Sequence<'_, T>, before: usize) -> Result<Output<T>> {
        self.forward_on(&mut Eager::new(self.parameters.named()), sequence, before)
    }

    /// [`forward_part`](Self::forward_part) with the kernels that are packed already.
    pub(super) fn forward_on<'p>(
        &'p self,
        eager: &mut Eager<'p, T>,
        sequence: Sequence<'_, T>,
        before: usize,
    ) -> Result<Output<T>> {
        let dims = SequenceShape::of(sequence, &self.config)?;
        let put = |_: &mut Eager<'_, T>, tensor, _| Eager::hold(tensor);
        let given = self.give(eager, put, sequence, &dims, before)?;
        let run = self.runner(eager, dims.depth)?.run(eager, &given)?;
        self.collect(|value| eager.tensor(value), &run, &dims, sequence.return_layers)
    }

    /// One step: all states after it.
    ///
    /// # Shapes
    /// `input`: `[N, C, H, W]`; `states` and result: the states of all cells, `[N, hidden, H, W]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and for a network that reads several inputs or contexts.
    pub fn step(&self, input: &Tensor<T>, states: Option<&[Tensor<T>]>) -> Result<Vec<Tensor<T>>> {
        let sequence = input.clone().reshape(&[&[1], input.shape()].concat())?;
        Ok(self
            .forward(Sequence { states, return_layers: ReturnLayers::None, ..Sequence::from(&sequence) })?
            .last)
    }

    /// The network with its weights at hand, for volumes of some planes (images: 1).
    pub(crate) fn runner<O: Operations>(&self, ops: &mut O, depth: usize) -> Result<Runner<'_, O::Value>> {
        self.check()?;
        Runner::new(ops, &self.config, &self.specs, depth)
    }

    /// Makes values of what was given, by `put`, which is told whether a gradient may be asked for; `before` are the
    /// steps before a part of a sequence.
    pub(super) fn give<O: Operations>(
        &self,
        ops: &mut O,
        put: impl Fn(&mut O, Tensor<T>, bool) -> O::Value,
        sequence: Sequence<'_, T>,
        dims: &SequenceShape,
        before: usize,
    ) -> Result<RunInput<O::Value>> {
        let mut all = |tensors: &[Tensor<T>], varies: bool| -> Result<Vec<O::Value>> {
            tensors.iter().map(|tensor| Ok(put(ops, dims.images_of(tensor)?, varies))).collect()
        };
        let values = RunImages {
            inputs: all(sequence.inputs, sequence.input_gradient)?,
            states: sequence.states.map(|states| all(states, true)).transpose()?,
            contexts: all(sequence.contexts, true)?,
        };
        Ok(self.arrange(ops, sequence, dims, values, before))
    }

    /// Brings what was given to the cells it is for, and adds the noise of training or what stands for it in use.
    pub(super) fn arrange<O: Operations>(
        &self,
        ops: &mut O,
        sequence: Sequence<'_, T>,
        dims: &SequenceShape,
        values: RunImages<O::Value>,
        before: usize,
    ) -> RunInput<O::Value> {
        let states = values.states.map(|states| {
            let mut states = states.into_iter();
            self.config.cells().map(|cell| states.by_ref().take(cell.states()).collect()).collect()
        });
        let mut contexts = values.contexts.into_iter();
        let context = |cell: &CellConfig| match cell.context {
            Context::Additive => contexts.next(),
            _ => None,
        };
        let sizes = sizes_of_images(&spaces(sequence), &self.config);
        let seed = sequence.dropout_seed.map(|seed| Seed { seed, before });
        RunInput {
            steps: dims.steps,
            batch: dims.batch,
            depth: dims.depth,
            inputs: values.inputs,
            states,
            contexts: self.config.cells().map(context).collect(),
            lengths: sequence.lengths.map(<[usize]>::to_vec),
            noises: self.config.noises(ops, dims, &sizes, seed),
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

    /// The results of a run, whose values have tensors.
    pub(super) fn collect<'v, V>(
        &self,
        tensor: impl Fn(&'v V) -> &'v Tensor<T>,
        run: &'v Run<V>,
        dims: &SequenceShape,
        return_layers: ReturnLayers,
    ) -> Result<Output<T>> {
        let sequence = [dims.steps, dims.batch];
        let mut outputs = Vec::new();
        for steps in run.outputs.iter().filter(|_| return_layers == ReturnLayers::All) {
            let mut shape = tensor(&steps[0]).shape().to_vec();
            let mut values = Vec::with_capacity(steps.len() * tensor(&steps[0]).len());
            steps.iter().for_each(|step| values.extend_from_slice(tensor(step).as_slice()));
            shape[0] *= dims.steps;
            outputs.push(dims.public_tensor(Tensor::from_vec(&shape, values)?, &sequence)?);
        }
        if return_layers == ReturnLayers::Top
            || (return_layers == ReturnLayers::All && !self.config.gives_state())
        {
            outputs.push(dims.tensor_of(tensor(&run.top), &sequence)?);
        }
        let last = run.last.iter().flatten().map(|state| dims.tensor_of(tensor(state), &[dims.batch]));
        Ok(Output { outputs, last: last.collect::<Result<_>>()? })
    }
}

/// What was given, as images, in the order of a [`Sequence`].
pub(super) struct RunImages<V> {
    pub(super) inputs: Vec<V>,
    pub(super) states: Option<Vec<V>>,
    pub(super) contexts: Vec<V>,
}
