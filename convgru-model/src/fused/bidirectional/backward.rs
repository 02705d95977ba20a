//! The backward pass of both directions.

use convgru_kernels::Scalar;

use super::{BidirectionalConvGru, BidirectionalConvGruParameters, BidirectionalWorkspace, Directions};
use crate::error::{Result, expect_count};
use crate::fused::conv_gru::{BackwardRun, ConvGruOutputGradients, InputGradient};
use crate::tensor::{Tensor, expect_shape};

/// The gradients of the loss with respect to the states of a sequence that was read in both directions.
#[derive(Debug, Clone)]
pub struct BidirectionalOutputGradients<'a, T> {
    /// Of the merged states at every step, shaped as [`BidirectionalOutput::outputs`](super::BidirectionalOutput::outputs), one for each layer; `None` is zero.
    pub outputs: Vec<Option<&'a Tensor<T>>>,
    /// Of the last states of both directions, one `[N, hidden, H, W]` for each layer; `None` is zero.
    pub last: Directions<Vec<Option<&'a Tensor<T>>>>,
}

/// What [`BidirectionalConvGru::backward`] returns.
#[derive(Debug, Clone)]
pub struct BidirectionalBackward<T> {
    /// Gradient of the input, `[T, N, in_channels, H, W]`, where asked for.
    pub d_input: Option<Tensor<T>>,
    /// Gradients of the initial states, `[N, hidden, H, W]`, in the order in which they were given:
    /// all layers of the forward direction, then all of the backward direction.
    pub d_initial: Option<Vec<Tensor<T>>>,
}

impl<T: Scalar> BidirectionalConvGru<T> {
    /// Adds the gradients of all weights and returns those of the input and the initial states. The weights must be
    /// those of [`forward_train`](Self::forward_train).
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if a gradient does not fit the sequence,
    /// [`Error::Workspace`](crate::Error::Workspace) for a workspace of another network or of weights that were changed since. Nothing
    /// has changed then.
    ///
    /// ```
    /// use convgru_model::{
    ///     BidirectionalConvGru, BidirectionalConvGruConfig, BidirectionalOutputGradients, ConvGruConfig, Directions,
    ///     InputGradient, Parameters, Sequence, Tensor,
    /// };
    ///
    /// let config = BidirectionalConvGruConfig::new(ConvGruConfig::new(3, &[8]));
    /// let network = BidirectionalConvGru::<f32>::new(config, 0)?;
    /// let frames = Tensor::from_fn(&[5, 2, 3, 6, 7], |i| (i % 7) as f32 / 7.0);
    /// let (states, mut workspace) = network.forward_train(Sequence::new(&frames))?;
    /// let mut gradients = network.parameters().zeros_like();
    /// let d_outputs = BidirectionalOutputGradients {
    ///     outputs: vec![Some(&states.outputs[0])],
    ///     last: Directions { forward: vec![None], backward: vec![None] },
    /// };
    /// let back = network.backward(&mut workspace, &d_outputs, InputGradient::Compute, &mut gradients)?;
    /// assert_eq!(back.d_input.map(|d_input| d_input.shape().to_vec()), Some(frames.shape().to_vec()));
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn backward(
        &self,
        workspace: &mut BidirectionalWorkspace<T>,
        d_outputs: &BidirectionalOutputGradients<'_, T>,
        input_gradient: InputGradient,
        gradients: &mut BidirectionalConvGruParameters<T>,
    ) -> Result<BidirectionalBackward<T>> {
        self.expect_outputs(workspace, d_outputs)?;
        let merge = self.config.merge;
        let outputs = d_outputs.outputs.iter();
        let (of_forward, of_backward): (Vec<_>, Vec<_>) = outputs
            .map(|d_output| match d_output.map(|d_output| workspace.reversal().split(merge, d_output)) {
                Some([forward, backward]) => (Some(forward), Some(backward)),
                None => (None, None),
            })
            .unzip();
        let Directions { forward, backward } = &mut workspace.directions;
        // Both are looked at before either adds to the gradients.
        self.blueprint.expect_layers(forward, &gradients.forward.layers)?;
        self.blueprint.expect_layers(backward, &gradients.backward.layers)?;
        let layers = &self.parameters.forward.layers;
        let forward = self.blueprint.backward(
            BackwardRun { layers, workspace: forward, input_gradient },
            &of_direction(&of_forward, &d_outputs.last.forward),
            &mut gradients.forward.layers,
        )?;
        let layers = &self.parameters.backward.layers;
        let backward = self.blueprint.backward(
            BackwardRun { layers, workspace: backward, input_gradient },
            &of_direction(&of_backward, &d_outputs.last.backward),
            &mut gradients.backward.layers,
        )?;
        let d_input = match (forward.d_input, backward.d_input) {
            (Some(mut d_input), Some(of_backward)) => {
                d_input.add_assign(&workspace.reversal().of(&of_backward))?;
                Some(d_input)
            }
            _ => None,
        };
        let d_initial =
            forward.d_initial.zip(backward.d_initial).map(|(forward, backward)| [forward, backward].concat());
        Ok(BidirectionalBackward { d_input, d_initial })
    }

    /// Fails unless the gradients of states are those of the sequence.
    fn expect_outputs(
        &self,
        workspace: &BidirectionalWorkspace<T>,
        d_outputs: &BidirectionalOutputGradients<'_, T>,
    ) -> Result<()> {
        let layers = self.config.stack.layers();
        let kept = &workspace.directions.forward;
        self.blueprint.stamp.expect(workspace.stamp)?;
        expect_count("gradients of outputs", layers, d_outputs.outputs.len())?;
        let Directions { forward, backward } = &d_outputs.last;
        expect_count("gradients of last states of the forward direction", layers, forward.len())?;
        expect_count("gradients of last states of the backward direction", layers, backward.len())?;
        for layer in 0..layers {
            let [n, c, h, w] = kept.state_shape(layer);
            if let Some(d_output) = d_outputs.outputs[layer] {
                let expected = [kept.steps(), n, self.config.out_channels(layer), h, w];
                let what = format!("gradient of the outputs of layer {layer}");
                expect_shape(&what, d_output.shape(), &expected)?;
            }
            for (direction, last) in [("forward", forward), ("backward", backward)] {
                if let Some(d_last) = last[layer] {
                    let what =
                        format!("gradient of the last state of layer {layer} of the {direction} direction");
                    expect_shape(&what, d_last.shape(), &[n, c, h, w])?;
                }
            }
        }
        Ok(())
    }
}

/// The gradients of the states of one direction.
fn of_direction<'a, T>(
    outputs: &'a [Option<Tensor<T>>],
    last: &[Option<&'a Tensor<T>>],
) -> ConvGruOutputGradients<'a, T> {
    ConvGruOutputGradients { outputs: outputs.iter().map(Option::as_ref).collect(), last: last.to_vec() }
}
