//! The forward pass of training, and the way back.

use convgru_kernels::{Scalar, Scratchpad};

use super::decoder::Decoder;
use super::encoder::EncoderState;
use super::limits::{StackPass, workspaces};
use super::network::Forecaster;
use super::packed::{BackwardPass, Packed, PackedNetwork, PassMemory, start_from};
use super::parameters::ForecasterParameters;
use super::pass::{Activations, ForecastPass, SavedForecast};
use super::prediction::{Prediction, PredictionGradient, TeacherForcing};
use super::recurrent::Training;
use super::sizes::{Sizes, expect_frames, expect_images, sequence as sequence_of};
use crate::config::BODY;
use crate::error::{Result, expect_count};
use crate::layer::Activation;
use crate::parameters::expect_gradients;
use crate::sequence::{InputGradients, Sequence, Workspace};
use crate::tensor::{Tensor, expect_shape};

impl<T: Scalar> Forecaster<T> {
    /// Continues frames, keeping what [`backward`](Self::backward) needs. True frames are for networks that
    /// read their own predictions; others leave them aside.
    ///
    /// For every stack the inputs are kept once and four times the hidden states of every step (beyond a
    /// [budget](Self::set_memory_budget) once and the gates of some steps), and the predictions once. Gates of the stacks that have the fewest
    /// operations, together an eighth of all, are never kept, and of an [`MlcastConfig`](crate::MlcastConfig) no inputs but noise: the backward
    /// pass computes them again. Of composed cells every intermediate result is kept; [`Sequence::dropout_seed`] is the seed of their dropout and zoneout, and other networks do not read it.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and for true frames that do not fit.
    ///
    /// ```
    /// use convgru_model::{Forecaster, Parameters, PredictionGradient, PyramidConfig, Sequence, Tensor, Workspace};
    ///
    /// let network = Forecaster::<f32>::new(PyramidConfig::default(), 0)?;
    /// let frames = Tensor::from_fn(&[4, 1, 1, 20, 30], |i| (i % 7) as f32 / 7.0);
    /// let mut workspace = Workspace::default();
    /// let sequence = Sequence { input_gradient: true, ..Sequence::from(&frames) };
    /// let prediction = network.forward_train(sequence, 3, None, &mut workspace)?;
    /// // The loss is half the sum of all squared pixels: its gradient is the pixels.
    /// let loss = PredictionGradient::Output(prediction.output);
    /// let mut gradients = network.parameters().zeros_like();
    /// let back = network.backward(&mut workspace, loss, &mut gradients)?;
    /// assert_eq!(back.inputs[0].shape(), frames.shape());
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn forward_train<'s>(
        &self,
        sequence: impl Into<Sequence<'s, T>>,
        steps: usize,
        teacher: Option<TeacherForcing<'_, T>>,
        workspace: &mut Workspace<T>,
    ) -> Result<Prediction<T>> {
        let sequence = sequence.into();
        let (sizes, frames) = Sizes::of_sequence(self.config().network(), sequence)?;
        expect_frames(steps)?;
        expect_images(self.config().network(), frames.shape()[0], steps)?;
        if self.config().input_channels() > 0 {
            let flags = teacher.map_or(0, |teacher| teacher.forced.len());
            expect_count("flags of teacher forcing of a network that reads no predictions", 0, flags)?;
        }
        teacher.map_or(Ok(()), |teacher| teacher.expect(frames.shape(), steps))?;
        let network = self.packed()?;
        workspace.write(self.stamp, |kept| {
            // The memory of an earlier pass is given back before more is taken.
            *kept = None;
            let (prediction, pass) = match &network {
                Packed::Fused(network) => {
                    let (prediction, pass) = self.run_forward(&**network, sizes, frames, steps, teacher)?;
                    let pass = ForecastPass { input_gradient: sequence.input_gradient, ..pass };
                    (prediction, SavedForecast::Fused(pass))
                }
                Packed::Composed(network) => {
                    let Sequence { dropout_seed, input_gradient, .. } = sequence;
                    let training =
                        Training { steps, teacher, limits: self.limits, dropout_seed, input_gradient };
                    let (prediction, pass) = network.forward_train(sizes, frames, training)?;
                    (prediction, SavedForecast::Composed(pass))
                }
            };
            *kept = Some(pass);
            Ok(prediction)
        })
    }

    fn run_forward(
        &self,
        network: &dyn PackedNetwork<T>,
        sizes: Sizes,
        input: &Tensor<T>,
        steps: usize,
        teacher: Option<TeacherForcing<'_, T>>,
    ) -> Result<(Prediction<T>, ForecastPass<T>)> {
        let scratch = &mut Scratchpad::new();
        let frames_read = input.shape()[0];
        let last = self.limits.frames_with_gradient(frames_read);
        let [encoder, decoder] = [network.encoder(&sizes), network.decoder(&sizes)];
        // A step whose gates are computed again is one of many that are; a decoder that reads its predictions has one at a time.
        let one_at_a_time = network.config().reads_predictions();
        let reading = encoder.iter().map(|stack| StackPass { stack, steps: last, keeps_gates: false });
        let predicting = decoder.iter().map(|stack| StackPass { stack, steps, keeps_gates: one_at_a_time });
        let passes: Vec<_> = reading.chain(predicting).collect();
        let mut kept = self.limits.steps_with_gates(&passes).into_iter();
        let again = encoder.iter().any(|stack| !stack.keeps_inputs);

        let mut encoder = workspaces(&passes[..encoder.len()], &mut kept)?;
        if frames_read > last {
            let mut before = EncoderState::new(network, &sizes)?;
            for t in 0..frames_read - last {
                before.read(network, &sizes, input.slice(t), scratch)?;
            }
            start_from(&before.stacks, &mut encoder)?;
        }
        let activations = &mut Activations::default();
        let frames = &input.as_slice()[(frames_read - last) * sizes.frame.len()..];
        network.encode(
            &sizes,
            frames,
            &mut PassMemory { stacks: &mut encoder, activations, scratch, once: true },
        )?;

        let mut decoder = workspaces(&passes[encoder.len()..], &mut kept)?;
        let last_frames = last_frames(input, network.frames_needed())?;
        let start = Decoder {
            network,
            sizes: &sizes,
            encoder: &encoder,
            last_frames: &last_frames,
            teacher,
            noise: &self.noise,
        };
        let mut output = Tensor::default();
        let mut logits = Tensor::try_zeros(&sequence_of(sizes.predicted, steps))?;
        let memory = &mut PassMemory { stacks: &mut decoder, activations, scratch, once: true };
        start.run(steps, memory, &mut output, Some(&mut logits))?;
        let pass = ForecastPass {
            sizes,
            frames_read,
            last_frame: input.slice(frames_read - 1).to_vec(),
            frames: if again { frames.to_vec() } else { Vec::new() },
            encoder,
            decoder,
            activations: std::mem::take(activations),
            output: output.clone(),
            forced: teacher.map_or_else(|| vec![false; steps], |teacher| teacher.forced.to_vec()),
            input_gradient: false,
        };
        Ok((Prediction { output, logits }, pass))
    }

    /// Adds the gradients of all parameters and returns the gradient of the input frames, where
    /// [`Sequence::input_gradient`] asked for it: zero of the frames before a [truncation](Self::set_truncation). Frames that
    /// [`Residual::Motion`](crate::Residual::Motion) carries on are constants: no gradient comes through them.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) or [`Error::Count`](crate::Error::Count) if the gradient does not
    /// fit the prediction, or `gradients` the network; [`Error::Workspace`](crate::Error::Workspace) for a workspace of another
    /// network or of weights that were changed since. Nothing has changed then.
    pub fn backward(
        &self,
        workspace: &mut Workspace<T>,
        loss: PredictionGradient<T>,
        gradients: &mut ForecasterParameters<T>,
    ) -> Result<InputGradients<T>> {
        let pass: &mut SavedForecast<T> = workspace.read(self.stamp)?;
        expect_gradients(self.parameters(), gradients)?;
        let (PredictionGradient::Output(given) | PredictionGradient::Logits(given)) = &loss;
        expect_shape("gradient of the predicted frames", given.shape(), pass.output().shape())?;
        let d_logits = match loss {
            PredictionGradient::Logits(d_logits) => d_logits,
            PredictionGradient::Output(mut d) => {
                let activation = Activation::from(self.config().output_activation());
                activation.scale_by_derivative(pass.output().as_slice(), d.as_mut_slice());
                d
            }
        };
        let (frames, network) = (pass.input_shape(), self.packed()?);
        let d_frames = match (pass, network) {
            (SavedForecast::Fused(pass), Packed::Fused(network)) => {
                let back = &mut BackwardPass { pass, gradients, scratch: &mut Scratchpad::new() };
                network.backward(back, d_logits)?
            }
            (SavedForecast::Composed(pass), Packed::Composed(network)) => {
                network.backward(pass, &d_logits, gradients.stages_mut(BODY))?
            }
            _ => unreachable!("the workspace is of this network"),
        };
        let whole = |d_last: Tensor<T>| {
            if d_last.shape() == frames {
                return Ok(d_last);
            }
            let mut d_frames = Tensor::try_zeros(&frames)?;
            let before = d_frames.len() - d_last.len();
            d_frames.as_mut_slice()[before..].copy_from_slice(d_last.as_slice());
            Ok(d_frames)
        };
        let inputs = d_frames.map(whole).into_iter().collect::<Result<_>>()?;
        Ok(InputGradients { inputs, ..Default::default() })
    }
}

/// The last `count` frames of a sequence, or all where there are fewer.
fn last_frames<T: Scalar>(input: &Tensor<T>, count: usize) -> Result<Tensor<T>> {
    let mut shape = input.shape().to_vec();
    let before = shape[0].saturating_sub(count);
    shape[0] -= before;
    let frame: usize = shape[1..].iter().product();
    Tensor::from_vec(&shape, input.as_slice()[before * frame..].to_vec())
}
