//! The backward pass of the stack.

use convgru_kernels::{Scalar, Scratchpad};

use super::{ConvGru, ConvGruParameters, StackPass, StackSpec};
use crate::error::Result;
use crate::fused::cell::{CellParameters, expect_layers};
use crate::fused::stack::StackBackward;
use crate::sequence::{InputGradients, LossGradient, OutputGradients, StateGradient, Workspace};
use crate::tensor::Tensor;

impl<T: Scalar> ConvGru<T> {
    /// Adds the gradients of all weights and returns the gradients of what the network was given.
    ///
    /// docs/math.md has the equations; weight gradients and the gradient of the input
    /// are one convolution over all steps. The weights must be the weights of [`forward_train`](Self::forward_train).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if a gradient does not fit the sequence, or `gradients`
    /// the network; [`Error::Workspace`](crate::Error::Workspace) for a workspace of another network or of weights that were changed since. Nothing
    /// has changed then. The first error of a [`LossGradient::States`], which leaves the gradients half added.
    ///
    /// ```
    /// use convgru_model::{ConvGru, ConvGruConfig, OutputGradients, Parameters, Sequence, Tensor, Workspace};
    ///
    /// let network = ConvGru::<f32>::new(ConvGruConfig::new(2, &[4]), 0)?;
    /// let frames = Tensor::from_fn(&[5, 2, 2, 6, 7], |i| (i % 7) as f32 / 7.0);
    /// let sequence = Sequence { lengths: Some(&[5, 3]), input_gradient: true, ..Sequence::from(&frames) };
    /// let mut workspace = Workspace::default();
    /// let states = network.forward_train(sequence, &mut workspace)?;
    /// let d_states = OutputGradients { last: vec![Some(&states.last[0])], ..Default::default() };
    /// let mut gradients = network.parameters().zeros_like();
    /// let back = network.backward(&mut workspace, &d_states, &mut gradients)?;
    /// // Frames past the end of a sample are not its own.
    /// assert!(back.inputs[0].index(3).slice(1).iter().all(|&d| d == 0.0));
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn backward<'l>(
        &self,
        workspace: &mut Workspace<T>,
        loss: impl Into<LossGradient<'l, T>>,
        gradients: &mut ConvGruParameters<T>,
    ) -> Result<InputGradients<T>> {
        let run = BackwardRun {
            layers: &self.parameters.layers,
            pass: workspace.read(self.spec.stamp)?,
            gradients: &mut gradients.layers,
        };
        self.spec.expect_gradients(run.gradients)?;
        self.spec.backward(run, loss.into())
    }
}

/// A way back through a stack: its weights, its forward pass, and where the gradients of weights are added.
pub(crate) struct BackwardRun<'a, T> {
    pub(crate) layers: &'a [CellParameters<T>],
    pub(crate) pass: &'a mut StackPass<T>,
    pub(crate) gradients: &'a mut [CellParameters<T>],
}

impl StackSpec {
    /// [`ConvGru::backward`] with the given weights, for gradients that fit them.
    pub(crate) fn backward<T: Scalar>(
        &self,
        run: BackwardRun<'_, T>,
        loss: LossGradient<'_, T>,
    ) -> Result<InputGradients<T>> {
        let d = match loss {
            LossGradient::States(enter) => return self.run_backward(run, enter),
            LossGradient::Tensors(d) => d,
        };
        let first = self.first_of(run.pass.return_layers);
        self.expect_output_gradients(run.pass, d)?;
        let last = run.pass.workspace.top().steps() - 1;
        let mut enter = |mut entry: StateGradient<'_, T>| {
            if let Some(d_last) = d.last(entry.layer).filter(|_| entry.step == last) {
                entry.add_images(d_last.as_slice())?;
            }
            match entry.layer.checked_sub(first).and_then(|output| d.output(output)) {
                Some(d_output) => entry.add_images(d_output.slice(entry.step)),
                None => Ok(()),
            }
        };
        self.run_backward(run, &mut enter)
    }

    fn run_backward<T: Scalar>(
        &self,
        run: BackwardRun<'_, T>,
        enter: &mut dyn FnMut(StateGradient<'_, T>) -> Result<()>,
    ) -> Result<InputGradients<T>> {
        let BackwardRun { layers, pass, gradients } = run;
        let workspace = &mut pass.workspace;
        let (stack, mut scratch) = (self.prepared(layers)?, Scratchpad::new());
        let mut back = StackBackward::new(&stack, workspace)?;
        let d_input =
            back.sequence(&stack, workspace, enter, gradients, pass.input_gradient, &mut scratch)?;
        let mut inputs = Vec::new();
        if let Some(maps) = d_input {
            let [images, c, h, w] = maps.extent().dims();
            let batch = workspace.top().batch;
            let mut tensor = Tensor::zeros(&[images / batch, batch, c, h, w]);
            maps.as_ref().write_nchw(tensor.as_mut_slice())?;
            inputs.push(tensor);
        }
        let given = workspace.top().state_before(0).is_some();
        let states = back.layers.iter().filter(|_| given).map(|layer| layer.d_initial());
        Ok(InputGradients { inputs, states: states.collect::<Result<_>>()?, contexts: Vec::new() })
    }

    /// Fails unless there are gradients of the weights of all layers.
    pub(crate) fn expect_gradients<T: Scalar>(&self, gradients: &[CellParameters<T>]) -> Result<()> {
        expect_layers("gradients.", &self.config, gradients)
    }

    fn expect_output_gradients<T: Scalar>(
        &self,
        pass: &StackPass<T>,
        d: &OutputGradients<'_, T>,
    ) -> Result<()> {
        let states = pass.workspace.layers.iter().map(|layer| layer.state_extent().dims().to_vec());
        let last: Vec<Vec<usize>> = states.collect();
        let steps = pass.workspace.top().steps();
        let outputs =
            last[self.first_of(pass.return_layers)..].iter().map(|state| [&[steps], &state[..]].concat());
        d.expect_shapes(&outputs.collect::<Vec<_>>(), &last)
    }
}
