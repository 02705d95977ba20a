//! The backward pass of both directions.

use convgru_kernels::Scalar;

use super::forward::BothPasses;
use super::time::Reversal;
use super::{BidirectionalConvGru, ConvGruParameters, Directions};
use crate::error::{Error, Result};
use crate::fused::conv_gru::{BackwardRun, StackPass};
use crate::sequence::{
    InputGradients, LossGradient, OutputGradients, StateGradient, Workspace, gradient_of_state,
};
use crate::tensor::Tensor;

impl<T: Scalar> BidirectionalConvGru<T> {
    /// Adds the gradients of all weights and returns the gradients of what the network was given. The weights must be
    /// those of [`forward_train`](Self::forward_train).
    ///
    /// A [`LossGradient::States`] meets merged states; their gradients are kept until both directions go back over them.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if a gradient does not fit the sequence, or `gradients`
    /// the network; [`Error::Workspace`](crate::Error::Workspace) for a workspace of another network or of weights that were changed since; the first error of a
    /// [`LossGradient::States`]. Nothing has changed then.
    ///
    /// ```
    /// use convgru_model::{
    ///     BidirectionalConvGru, BidirectionalConvGruConfig, ConvGruConfig, OutputGradients, Parameters, Sequence, Tensor,
    ///     Workspace,
    /// };
    ///
    /// let config = BidirectionalConvGruConfig::new(ConvGruConfig::new(3, &[8]));
    /// let network = BidirectionalConvGru::<f32>::new(config, 0)?;
    /// let frames = Tensor::from_fn(&[5, 2, 3, 6, 7], |i| (i % 7) as f32 / 7.0);
    /// let mut workspace = Workspace::default();
    /// let sequence = Sequence { input_gradient: true, ..Sequence::from(&frames) };
    /// let states = network.forward_train(sequence, &mut workspace)?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let d_states = OutputGradients { outputs: vec![Some(&states.outputs[0])], ..Default::default() };
    /// let back = network.backward(&mut workspace, &d_states, &mut gradients)?;
    /// assert_eq!(back.inputs[0].shape(), frames.shape());
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn backward<'l>(
        &self,
        workspace: &mut Workspace<T>,
        loss: impl Into<LossGradient<'l, T>>,
        gradients: &mut Directions<ConvGruParameters<T>>,
    ) -> Result<InputGradients<T>> {
        let BothPasses { directions, lengths } = workspace.read(self.spec.stamp)?;
        // All is looked at before either direction adds to the gradients.
        self.spec.expect_gradients(&gradients.forward.layers)?;
        self.spec.expect_gradients(&gradients.backward.layers)?;
        let steps = directions.forward.workspace.top().steps();
        let reversal = Reversal { steps, lengths: lengths.as_deref() };
        let [of_forward, of_backward] = match loss.into() {
            LossGradient::Tensors(d) => self.split(directions, reversal, d)?,
            LossGradient::States(enter) => self.split_states(directions, reversal, enter)?,
        };
        let run = BackwardRun {
            layers: &self.parameters.forward.layers,
            pass: &mut directions.forward,
            gradients: &mut gradients.forward.layers,
        };
        let mut back = self.spec.backward(run, LossGradient::States(&mut |entry| of_forward.enter(entry)))?;
        let run = BackwardRun {
            layers: &self.parameters.backward.layers,
            pass: &mut directions.backward,
            gradients: &mut gradients.backward.layers,
        };
        let second = self.spec.backward(run, LossGradient::States(&mut |entry| of_backward.enter(entry)))?;
        for (d_input, d_reversed) in back.inputs.iter_mut().zip(&second.inputs) {
            d_input.add_assign(&reversal.of(d_reversed))?;
        }
        back.states.extend(second.states);
        Ok(back)
    }

    /// The gradients of the states of each direction, from the gradients of merged states.
    fn split<'d>(
        &self,
        directions: &Directions<StackPass<T>>,
        reversal: Reversal<'_>,
        d: &OutputGradients<'d, T>,
    ) -> Result<[StateGradients<'d, T>; 2]> {
        let pass = &directions.forward;
        let (layers, first) = (self.config.stack.layers(), self.spec.first_of(pass.return_layers));
        let states = pass.workspace.layers.iter().map(|layer| layer.state_extent().dims().to_vec());
        let states: Vec<Vec<usize>> = states.collect();
        let merged = (first..layers).map(|layer| {
            let &[n, _, h, w] = &states[layer][..] else { unreachable!("states have four dimensions") };
            vec![reversal.steps, n, self.config.out_channels(layer), h, w]
        });
        d.expect_shapes(&merged.collect::<Vec<_>>(), &[&states[..], &states[..]].concat())?;
        let mut split = [0, layers].map(|start| StateGradients {
            outputs: (0..first).map(|_| None).collect(),
            last: (start..start + layers).map(|state| d.last(state)).collect(),
            steps: reversal.steps,
        });
        for output in 0..layers - first {
            let parts = d.output(output).map(|d| reversal.split(self.config.merge, d));
            let [forward, backward] = parts.map_or([None, None], |parts| parts.map(Some));
            split[0].outputs.push(forward);
            split[1].outputs.push(backward);
        }
        Ok(split)
    }

    /// As [`split`](Self::split), of gradients that `enter` adds at merged states.
    fn split_states(
        &self,
        directions: &Directions<StackPass<T>>,
        reversal: Reversal<'_>,
        enter: &mut dyn FnMut(StateGradient<'_, T>) -> Result<()>,
    ) -> Result<[StateGradients<'static, T>; 2]> {
        let none = || StateGradients { outputs: Vec::new(), last: Vec::new(), steps: reversal.steps };
        let mut split = [none(), none()];
        for layer in (0..self.config.stack.layers()).rev() {
            let [forward, backward] = [&directions.forward, &directions.backward].map(|pass| {
                let layer = &pass.workspace.layers[layer];
                let [n, c, h, w] = layer.state_extent().dims();
                let mut states = Tensor::try_zeros(&[reversal.steps, n, c, h, w])?;
                layer.states.as_ref().write_nchw(states.as_mut_slice())?;
                Ok::<_, Error>(states)
            });
            let merged = reversal.merged(self.config.merge, forward?, &backward?);
            let mut gradient = Tensor::zeros(merged.shape());
            for t in (0..reversal.steps).rev() {
                let numbers = gradient_of_state(enter, [layer, t], &merged.shape()[1..], merged.slice(t))?;
                gradient.slice_mut(t).copy_from_slice(&numbers);
            }
            let [forward, backward] = reversal.split(self.config.merge, &gradient);
            split[0].outputs.insert(0, Some(forward));
            split[1].outputs.insert(0, Some(backward));
        }
        Ok(split)
    }
}

/// The gradients of the states of one direction, by layer; none is zero.
struct StateGradients<'a, T> {
    /// Of the states after every step.
    outputs: Vec<Option<Tensor<T>>>,
    last: Vec<Option<&'a Tensor<T>>>,
    steps: usize,
}

impl<T: Scalar> StateGradients<'_, T> {
    /// Adds the gradient of one state.
    fn enter(&self, mut entry: StateGradient<'_, T>) -> Result<()> {
        if let Some(d_last) = self.last.get(entry.layer).copied().flatten()
            && entry.step + 1 == self.steps
        {
            entry.add_images(d_last.as_slice())?;
        }
        match self.outputs.get(entry.layer) {
            Some(Some(d_output)) => entry.add_images(d_output.slice(entry.step)),
            _ => Ok(()),
        }
    }
}
