//! Cells at several scales.

mod backward;
mod residual;

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsMut, FeatureMapsRef, Scalar, Scratchpad};

#[cfg(any(feature = "gradcheck", feature = "onnx"))]
pub(crate) use residual::NEAREST_TO_ZERO;

use self::residual::Addition;
use super::convolution::PackedConvolution;
use super::packed::{BackwardPass, PackedNetwork, PassMemory, Read, Stack};
use super::patches::Patches;
use super::sizes::{Sizes, sequence};
use super::weights::Weights;
use crate::config::{NetworkConfig, PyramidConfig};
use crate::error::Result;
use crate::fused::cell::CellInput;
use crate::fused::stack::{PreparedStack, StackWorkspace};
use crate::motion::OpticalFlow;
use crate::tensor::Tensor;

/// A pyramid with its weights packed: see [`PyramidConfig`] for the equations.
#[derive(Debug)]
pub(super) struct Pyramid<'a, T> {
    config: PyramidConfig,
    encoder: Vec<EncoderScale<'a, T>>,
    decoder: Vec<DecoderScale<'a, T>>,
    /// The first convolution of the output, where there are two.
    hidden: Option<PackedConvolution<'a, T>>,
    output: PackedConvolution<'a, T>,
}

/// The encoder at one scale.
#[derive(Debug)]
struct EncoderScale<'a, T> {
    down: PackedConvolution<'a, T>,
    cells: PreparedStack<'a, T>,
}

/// The decoder at one scale.
#[derive(Debug)]
struct DecoderScale<'a, T> {
    /// To the scale below; none at the finest.
    up: Option<PackedConvolution<'a, T>>,
    cells: PreparedStack<'a, T>,
}

impl<'a, T: Scalar> Pyramid<'a, T> {
    pub(super) fn new(config: &PyramidConfig, weights: &mut Weights<'a, T>) -> Result<Self> {
        let (scales, precision) = (0..config.scales.len(), config.precision);
        let encoder = scales.clone().map(|scale| {
            let name = format!("encoder.{scale}");
            Ok(EncoderScale {
                down: weights.convolution(&format!("{name}.down"), config.down(scale), 1, precision)?,
                cells: weights.stack(&name, &config.encoder(scale), CellInput::Read)?,
            })
        });
        let encoder = encoder.collect::<Result<_>>()?;
        let decoder = scales.map(|scale| {
            let name = format!("forecaster.{scale}");
            let up = (scale > 0).then(|| {
                let patch = config.scales[scale].down.pow(2);
                weights.convolution(&format!("{name}.up"), config.up(scale), patch, precision)
            });
            let up = up.transpose()?;
            Ok(DecoderScale { up, cells: weights.stack(&name, &config.forecaster(scale), CellInput::Read)? })
        });
        let decoder = decoder.collect::<Result<_>>()?;
        let hidden = config.head_hidden();
        let hidden = hidden.map(|hidden| weights.convolution("head.hidden", hidden, 1, precision));
        Ok(Self {
            config: config.clone(),
            encoder,
            decoder,
            hidden: hidden.transpose()?,
            output: weights.convolution("head.output", config.head_output(), 1, precision)?,
        })
    }

    fn slope(&self) -> T {
        T::from_f64(self.config.slope)
    }

    /// How frames of the input, or the frames of all members, lie in patches.
    fn patches_of(&self, sizes: &Sizes, frame: Extent) -> Patches {
        let size = self.config.scales[0].down;
        Patches { frame, deep: sizes.of_scale(0, frame.channels * size * size), size }
    }

    /// What is added to the output.
    fn addition(&self, sizes: &Sizes) -> Option<Addition> {
        Addition::of(&self.config, sizes.frame.height * sizes.frame.width)
    }

    /// What the first convolution makes of patches of frames, with room for the halo of `inputs`.
    fn features(&self, patches: &FeatureMaps<T>, scratch: &mut Scratchpad<T>) -> Result<FeatureMaps<T>> {
        self.encoder[0].down.convolve(patches.as_ref(), [0, 0], Some(self.slope()), scratch)
    }

    /// The patches of states of the scale below `scale`.
    fn patches_below(&self, scale: usize, states: &FeatureMaps<T>) -> Result<FeatureMaps<T>> {
        let down = self.config.scales[scale].down;
        let below = states.extent();
        let (height, width) = (below.height / down, below.width / down);
        let extent = Extent { channels: below.channels * down * down, height, width, ..below };
        let mut patches = FeatureMaps::with_halo(extent, self.encoder[scale].down.halo())?;
        patches.as_mut().space_to_depth(states.as_ref(), down)?;
        Ok(patches)
    }

    /// What the cells of the decoder read at the scale below `scale`: from the states above and, where it is given,
    /// what the encoder read of the last frame.
    fn ascend(
        &self,
        scale: usize,
        states: FeatureMapsRef<'_, T>,
        skip: Option<FeatureMapsRef<'_, T>>,
        mut inputs: FeatureMapsMut<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let Some(up) = &self.decoder[scale].up else { return Ok(()) };
        let deep = up.convolve(states, [0, 0], None, scratch)?;
        inputs.depth_to_space(deep.as_ref(), self.config.scales[scale].down)?;
        if let Some(skip) = skip {
            let batch = skip.extent().batch;
            for step in 0..inputs.extent().batch / batch {
                inputs.reborrow().into_images(step * batch..(step + 1) * batch).add(skip)?;
            }
        }
        inputs.leaky_relu(self.slope());
        Ok(())
    }

    /// What lies between the two convolutions of the output, and the patches of the output.
    fn head(
        &self,
        states: FeatureMapsRef<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<(Option<FeatureMaps<T>>, FeatureMaps<T>)> {
        let hidden = match &self.hidden {
            Some(convolution) => {
                Some(convolution.convolve(states, self.output.halo(), Some(self.slope()), scratch)?)
            }
            None => None,
        };
        let read = hidden.as_ref().map_or(states, FeatureMaps::as_ref);
        let patches = self.output.convolve(read, [0, 0], None, scratch)?;
        Ok((hidden, patches))
    }
}

impl<T: Scalar> PackedNetwork<T> for Pyramid<'_, T> {
    fn config(&self) -> &dyn NetworkConfig {
        &self.config
    }

    fn encoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        let scales = self.encoder.iter().zip(&self.config.scales).enumerate();
        scales
            .map(|(scale, (part, of_scale))| Stack {
                cells: &part.cells,
                step: sizes.of_scale(scale, of_scale.features()),
                keeps_inputs: true,
            })
            .collect()
    }

    fn decoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        let scales = self.decoder.iter().enumerate();
        scales
            .map(|(scale, part)| Stack {
                cells: &part.cells,
                step: sizes.of_scale(scale, self.config.forecaster(scale).in_channels),
                keeps_inputs: true,
            })
            .collect()
    }

    fn frames_needed(&self) -> usize {
        if residual::moves(&self.config) { OpticalFlow::default().frames } else { 1 }
    }

    fn extrapolate(&self, sizes: &Sizes, last_frames: &Tensor<T>, steps: usize) -> Result<Option<Tensor<T>>> {
        if !residual::moves(&self.config) {
            return Ok(None);
        }
        let images = sizes.without_mask(last_frames.as_slice()).into_owned();
        let images = Tensor::from_vec(&sequence(sizes.image, last_frames.shape()[0]), images)?;
        residual::carried_on(&self.config, &images, steps).map(Some)
    }

    fn encode(&self, sizes: &Sizes, frames: &[T], memory: &mut PassMemory<'_, T>) -> Result<()> {
        let PassMemory { stacks, activations, scratch, .. } = memory;
        let of_frames = self.patches_of(sizes, sizes.frame);
        let patches = of_frames.to_patches(frames, self.encoder[0].down.halo())?;
        let steps = frames.len() / sizes.frame.len();
        for (scale, EncoderScale { down, cells }) in self.encoder.iter().enumerate() {
            let (below, from) = stacks.split_at_mut(scale);
            let stack = &mut from[0];
            let below = match below.last() {
                Some(below) => Some(self.patches_below(scale, &below.top().states)?),
                None => None,
            };
            let read = below.as_ref().unwrap_or(&patches).as_ref();
            down.forward(read, stack.inputs.as_mut(), Some(self.slope()), scratch)?;
            cells.forward(stack, steps, scratch)?;
        }
        activations.patches = Some(patches);
        Ok(())
    }

    fn decode(&self, read: &Read<'_, T>, memory: &mut PassMemory<'_, T>, logits: &mut [T]) -> Result<()> {
        let PassMemory { stacks, activations, scratch, .. } = memory;
        activations.extrapolated = match read.extrapolated.filter(|_| self.config.reads_carried()) {
            Some(frames) => {
                let of_frames = self.patches_of(read.sizes, read.sizes.frame);
                let frames = read.sizes.measured(frames);
                let patches = of_frames.to_patches(&frames, self.encoder[0].down.halo())?;
                let features = self.features(&patches, scratch)?;
                Some([patches, features])
            }
            None => None,
        };
        for (scale, DecoderScale { cells, .. }) in self.decoder.iter().enumerate().rev() {
            let (from, above) = stacks.split_at_mut(scale + 1);
            let stack = &mut from[scale];
            let images = stack.top().images(read.steps.clone());
            if let Some(above) = above.first() {
                let states = above.top().states.images(images.clone());
                let skip = self.config.skip.then(|| match &activations.extrapolated {
                    Some([_, features]) if scale == 0 => features.as_ref(),
                    _ => last_input(&read.encoder[scale]),
                });
                self.ascend(scale + 1, states, skip, stack.inputs.images_mut(images), scratch)?;
            }
            cells.forward(stack, read.steps.end, scratch)?;
        }
        let finest = stacks[0].top();
        let states = finest.states.images(finest.images(read.steps.clone()));
        let (hidden, patches) = self.head(states, scratch)?;
        self.patches_of(read.sizes, read.sizes.predicted).to_frames(patches.as_ref(), logits)?;
        if let Some(addition) = self.addition(read.sizes) {
            match read.extrapolated {
                Some(frames) => addition.add(frames, logits),
                None => addition.add(&read.sizes.without_mask(read.last_frame), logits),
            }
        }
        activations.hidden = hidden;
        Ok(())
    }

    fn backward(&self, back: &mut BackwardPass<'_, T>, d_logits: Tensor<T>) -> Result<Option<Tensor<T>>> {
        self.run_backward(back, &d_logits)
    }
}

/// What the cells of a stack read at their last step.
fn last_input<T: Scalar>(stack: &StackWorkspace<T>) -> FeatureMapsRef<'_, T> {
    let layer = stack.top();
    stack.inputs.images(layer.images(layer.steps() - 1..layer.steps()))
}
