//! Frames that come one at a time, and what comes after them at any moment.

use convgru_kernels::{Extent, FeatureMaps, Scalar, Scratchpad};

use super::forward::expect_frames;
use super::{EncoderForecaster, Prepared};
use crate::config::Feedback;
use crate::error::Result;
use crate::fused::stack::{StackWorkspace, steps_of_block};
use crate::layer::{PixelShuffle, PixelUnshuffle};
use crate::tensor::Tensor;

/// An encoder-forecaster prepared for frames of one size: the states of the encoder after the frames so far.
#[derive(Debug)]
pub(in crate::forecaster) struct EncoderForecasterStream<'a, T> {
    network: &'a EncoderForecaster<T>,
    prepared: Prepared<'a, T>,
    /// Of one step of frames whose patches became channels.
    extent: Extent,
    encoder: StackWorkspace<T>,
    /// For blocks of steps; made when first needed.
    forecaster: Option<StackWorkspace<T>>,
    /// Patches of the last frame.
    last_frame: Tensor<T>,
    /// Whether a frame was read.
    started: bool,
    scratch: Scratchpad<T>,
}

impl<T: Scalar> EncoderForecaster<T> {
    /// The network prepared for frames `[N, C, H, W]`.
    pub(in crate::forecaster) fn stream(
        &self,
        batch: usize,
        [height, width]: [usize; 2],
    ) -> Result<EncoderForecasterStream<'_, T>> {
        let frame = [1, batch, self.config().image_channels, height, width];
        let extent = self.patch_extent("frames of a stream, as a sequence,", &frame)?;
        let prepared = self.prepared()?;
        Ok(EncoderForecasterStream {
            encoder: prepared.encoder.workspace_without_gates(extent, 1)?,
            network: self,
            prepared,
            extent,
            forecaster: None,
            last_frame: Tensor::try_zeros(&extent.dims())?,
            started: false,
            scratch: Scratchpad::new(),
        })
    }
}

impl<T: Scalar> EncoderForecasterStream<'_, T> {
    fn patch(&self) -> usize {
        self.network.config().patch
    }

    /// The shape of a frame, `[N, C, H, W]`.
    pub(in crate::forecaster) fn frame_shape(&self) -> [usize; 4] {
        let Extent { batch, height, width, .. } = self.extent;
        [batch, self.network.config().image_channels, height * self.patch(), width * self.patch()]
    }

    /// Whether a frame was read.
    pub(in crate::forecaster) fn has_started(&self) -> bool {
        self.started
    }

    /// Reads one frame.
    pub(in crate::forecaster) fn read(&mut self, frame: &[T]) -> Result<()> {
        let frame = Tensor::from_vec(&self.frame_shape(), frame.to_vec())?;
        self.last_frame = PixelUnshuffle { factor: self.patch() }.forward(&frame)?;
        if self.started {
            for layer in &mut self.encoder.layers {
                layer.carry(0)?;
            }
        }
        self.encoder.inputs.as_mut().read_nchw(self.last_frame.as_slice())?;
        self.prepared.encoder.step(&mut self.encoder, 0, &mut self.scratch)?;
        self.started = true;
        Ok(())
    }

    /// The frames that come next, `[steps, N, K C, H, W]`, of a stream that has read one; its states stay as they are.
    pub(in crate::forecaster) fn forecast(&mut self, steps: usize) -> Result<Tensor<T>> {
        expect_frames(steps)?;
        let unconditioned = self.network.config().feedback == Feedback::Unconditioned;
        let config = self.network.config();
        let widest = config.hidden_channels.iter().max().copied().unwrap_or(1);
        let block = if unconditioned { steps_of_block(self.extent, widest, steps) } else { 1 };
        let predicted = self.extent.with_channels(config.output_patch_channels());
        let [n, c, h, w] = predicted.dims();
        let mut predictions = Tensor::try_zeros(&[steps, n, c, h, w])?;
        let mut forecaster = match self.forecaster.take().filter(|kept| kept.top().steps() == block) {
            Some(kept) => kept,
            None => {
                let step = self.extent.with_channels(config.forecaster().in_channels);
                self.prepared.forecaster.workspace_without_gates(step, block)?
            }
        };
        let Self { prepared, encoder, scratch, .. } = self;
        let activation = self.network.activation();
        let mut logits = FeatureMaps::zeros(predicted.with_batch(block * predicted.batch))?;
        for start in (0..steps).step_by(block) {
            let count = block.min(steps - start);
            for (layer, read) in forecaster.layers.iter_mut().zip(&encoder.layers) {
                if start == 0 {
                    layer.set_initial(read.state(0))?;
                } else {
                    layer.carry(block - 1)?;
                }
            }
            if !unconditioned {
                let frame =
                    if start == 0 { self.last_frame.as_slice() } else { predictions.slice(start - 1) };
                forecaster.inputs.as_mut().read_nchw(frame)?;
            }
            prepared.forecaster.forward(&mut forecaster, count, scratch)?;
            let images = forecaster.top().images(0..count);
            let states = forecaster.top().states.images(images.clone());
            prepared.convolve_head(states, logits.images_mut(images.clone()), scratch)?;
            let target =
                &mut predictions.as_mut_slice()[start * predicted.len()..][..count * predicted.len()];
            logits.images(images).write_nchw(target)?;
            activation.apply(target);
        }
        self.forecaster = Some(forecaster);
        PixelShuffle { factor: self.patch() }.forward(&predictions)
    }

    /// Forgets everything: the next frame is the first.
    pub(in crate::forecaster) fn reset(&mut self) {
        for layer in &mut self.encoder.layers {
            layer.clear_initial();
        }
        self.started = false;
    }
}
