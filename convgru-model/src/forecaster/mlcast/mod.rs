//! mlcast's network: cells at scales of halves, without convolutions between them.

mod backward;

use std::borrow::Cow;

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsMut, Scalar};

use super::packed::{BackwardPass, PackedNetwork, PassMemory, Read, Stack};
use super::patches::Patches;
use super::sizes::Sizes;
use super::weights::Weights;
use crate::config::{MLCAST_DOWN, MlcastConfig, NetworkConfig};
use crate::error::Result;
use crate::fused::cell::CellInput;
use crate::fused::stack::{PreparedStack, StackWorkspace};
use crate::tensor::Tensor;

/// A network of mlcast with its weights packed: see [`MlcastConfig`] for the equations.
///
/// The members of an ensemble are images of the decoder's batch, `[members N, C, H, W]`. Block `i` of the encoder has the scale
/// `i`, block `i` of the decoder the scale `i + 1`.
#[derive(Debug)]
pub(super) struct Mlcast<'a, T> {
    config: MlcastConfig,
    /// The finest scale first.
    encoder: Vec<PreparedStack<'a, T>>,
    /// The finest scale first.
    decoder: Vec<PreparedStack<'a, T>>,
}

impl<'a, T: Scalar> Mlcast<'a, T> {
    pub(super) fn new(config: &MlcastConfig, weights: &mut Weights<'a, T>) -> Result<Self> {
        // The coarsest block has most of the weights: where tensors are dropped as they are packed, it comes first.
        let decoder = (0..config.blocks).rev().map(|block| {
            let reads_nothing = block + 1 == config.blocks && !config.reads_noise();
            let input = if reads_nothing { CellInput::Zero } else { CellInput::Read };
            weights.stack(&format!("forecaster.{block}"), &config.decoder(block), input)
        });
        let mut decoder: Vec<_> = decoder.collect::<Result<_>>()?;
        decoder.reverse();
        let encoder = (0..config.blocks)
            .map(|block| weights.stack(&format!("encoder.{block}"), &config.encoder(block), CellInput::Read));
        Ok(Self { config: config.clone(), encoder: encoder.collect::<Result<_>>()?, decoder })
    }

    /// A block of the encoder whose packed weights go with it.
    fn own_encoder(&self, block: usize) -> PreparedStack<'a, T> {
        self.encoder[block].clone()
    }

    /// A block of the decoder whose packed weights go with it.
    fn own_decoder(&self, block: usize) -> PreparedStack<'a, T> {
        self.decoder[block].clone()
    }

    /// Whether a block of the decoder reads noise.
    fn is_noisy(&self, block: usize) -> bool {
        block + 1 == self.config.blocks && self.config.reads_noise()
    }

    /// What a block of the encoder reads: frames, or the patches of the states of the block below.
    fn encoder_inputs(
        &self,
        sizes: &Sizes,
        frames: &[T],
        stacks: &[StackWorkspace<T>],
        block: usize,
    ) -> Result<FeatureMaps<T>> {
        let Some(below) = block.checked_sub(1) else {
            return self.of_input(sizes).to_patches(&self.within(frames), stacks[0].inputs.halo());
        };
        let mut inputs = stacks[block].new_inputs()?;
        inputs.as_mut().space_to_depth(stacks[below].top().states.as_ref(), MLCAST_DOWN)?;
        Ok(inputs)
    }

    /// How frames of the input lie at the finest scale: with zeros below and to the right.
    fn of_input(&self, sizes: &Sizes) -> Patches {
        Patches { frame: sizes.frame, deep: sizes.of_scale(0, sizes.frame.channels), size: 1 }
    }

    /// How frames of all members lie in the states of the decoder's finest cell.
    fn of_output(&self, sizes: &Sizes) -> Patches {
        let frame = self.with_members(sizes.image);
        let deep = sizes.of_scale(1, frame.channels * MLCAST_DOWN * MLCAST_DOWN);
        Patches { frame, deep: self.with_members(deep), size: MLCAST_DOWN }
    }

    /// Numbers of frames as the network has them within.
    fn within<'f>(&self, frames: &'f [T]) -> Cow<'f, [T]> {
        match self.config.signed {
            true => Cow::Owned(frames.iter().map(|&number| number + number - T::ONE).collect()),
            false => Cow::Borrowed(frames),
        }
    }

    fn with_members(&self, step: Extent) -> Extent {
        step.with_batch(self.config.members * step.batch)
    }

    /// One step of the states of a block of the decoder.
    fn states_of_decoder(&self, sizes: &Sizes, block: usize) -> Extent {
        self.with_members(sizes.of_scale(block + 1, self.config.decoder(block).in_channels))
    }

    /// Writes the noise of some steps.
    fn read_noise(&self, read: &Read<'_, T>, inputs: FeatureMapsMut<'_, T>) -> Result<()> {
        let coarsest = self.states_of_decoder(read.sizes, self.config.blocks - 1);
        let step = coarsest.with_batch(read.sizes.frame.batch);
        let steps = read.first_step..read.first_step + read.steps.len();
        read.noise.write(steps, self.config.members, step, inputs)
    }
}

impl<T: Scalar> PackedNetwork<T> for Mlcast<'_, T> {
    fn config(&self) -> &dyn NetworkConfig {
        &self.config
    }

    fn encoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        let blocks = self.encoder.iter().enumerate();
        blocks
            .map(|(block, cells)| Stack {
                cells,
                step: sizes.of_scale(block, self.config.encoder(block).in_channels),
                keeps_inputs: false,
            })
            .collect()
    }

    fn decoder(&self, sizes: &Sizes) -> Vec<Stack<'_, T>> {
        let blocks = self.decoder.iter().enumerate();
        blocks
            .map(|(block, cells)| {
                let read = cells.cells[0].shape().in_channels;
                let step = self.states_of_decoder(sizes, block).with_channels(read);
                Stack { cells, step, keeps_inputs: block + 1 == self.config.blocks }
            })
            .collect()
    }

    fn encode(&self, sizes: &Sizes, frames: &[T], memory: &mut PassMemory<'_, T>) -> Result<()> {
        let PassMemory { stacks, scratch, once, .. } = memory;
        let steps = frames.len() / sizes.frame.len();
        for (block, cells) in self.encoder.iter().enumerate() {
            let releases_inputs = !stacks[block].has_inputs();
            if block == 0 || releases_inputs {
                stacks[block].inputs = self.encoder_inputs(sizes, frames, stacks, block)?;
            } else {
                let (below, from) = stacks.split_at_mut(block);
                let states = below[block - 1].top().states.as_ref();
                from[0].inputs.as_mut().space_to_depth(states, MLCAST_DOWN)?;
            }
            let stack = &mut stacks[block];
            match *once {
                true => self.own_encoder(block).into_forward(stack, steps, scratch)?,
                false => cells.forward(stack, steps, scratch)?,
            }
            if releases_inputs {
                stack.release_inputs()?;
            }
        }
        Ok(())
    }

    fn start(&self, encoder: &[StackWorkspace<T>], decoder: &mut [StackWorkspace<T>]) -> Result<()> {
        for (before, stack) in encoder.iter().zip(decoder) {
            let last = before.top().state(before.top().steps() - 1);
            let (layer, batch) = (&mut stack.layers[0], last.extent().batch);
            let mut start = FeatureMaps::zeros(layer.state_extent())?;
            for member in 0..self.config.members {
                let images = member * batch..(member + 1) * batch;
                start.images_mut(images).space_to_depth(last, MLCAST_DOWN)?;
            }
            layer.set_initial(start.as_ref())?;
        }
        Ok(())
    }

    fn decode(&self, read: &Read<'_, T>, memory: &mut PassMemory<'_, T>, logits: &mut [T]) -> Result<()> {
        let PassMemory { stacks, scratch, once, .. } = memory;
        for (block, cells) in self.decoder.iter().enumerate().rev() {
            let (from, above) = stacks.split_at_mut(block + 1);
            let stack = &mut from[block];
            let releases_inputs = !stack.has_inputs();
            if releases_inputs {
                stack.inputs = stack.new_inputs()?;
            }
            let images = stack.top().images(read.steps.clone());
            let mut inputs = stack.inputs.images_mut(images.clone());
            match above.first() {
                Some(above) => inputs.depth_to_space(above.top().states.images(images), MLCAST_DOWN)?,
                None if self.is_noisy(block) => self.read_noise(read, inputs)?,
                None => {}
            }
            match *once {
                true => self.own_decoder(block).into_forward(stack, read.steps.end, scratch)?,
                false => cells.forward(stack, read.steps.end, scratch)?,
            }
            if releases_inputs {
                stack.release_inputs()?;
            }
        }
        let finest = stacks[0].top();
        let states = finest.states.images(finest.images(read.steps.clone()));
        let mut frames = vec![T::ZERO; logits.len()];
        self.of_output(read.sizes).to_frames(states, &mut frames)?;
        let (members, batch) = (self.config.members, read.sizes.image.batch);
        transpose(&frames, [members, batch], read.sizes.image.image_len(), logits);
        if self.config.signed {
            let half = T::from_f64(0.5);
            logits.iter_mut().for_each(|number| *number = half + half * *number);
        }
        Ok(())
    }

    fn backward(&self, back: &mut BackwardPass<'_, T>, d_logits: Tensor<T>) -> Result<Option<Tensor<T>>> {
        self.run_backward(back, d_logits)
    }
}

/// Exchanges two neighbouring dimensions: `[.., rows, columns, len]` to `[.., columns, rows, len]`.
fn transpose<T: Copy>(from: &[T], [rows, columns]: [usize; 2], len: usize, to: &mut [T]) {
    let matrix = rows * columns * len;
    for (from, to) in from.chunks_exact(matrix).zip(to.chunks_exact_mut(matrix)) {
        for (index, item) in from.chunks_exact(len).enumerate() {
            let (row, column) = (index / columns, index % columns);
            to[(column * rows + row) * len..][..len].copy_from_slice(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_samples_are_exchanged() {
        let from: Vec<usize> = (0..2 * 2 * 3 * 2).collect();
        let mut to = vec![0; from.len()];
        transpose(&from, [2, 3], 2, &mut to);
        assert_eq!(to[..12], [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
        let mut again = vec![0; from.len()];
        transpose(&to, [3, 2], 2, &mut again);
        assert_eq!(again, from);
    }
}
