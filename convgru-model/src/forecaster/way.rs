//! The way back through a stack whose states have gradients.

use convgru_kernels::{FeatureMaps, FeatureMapsMut, Scalar, Scratchpad};

use super::patches::Patches;
use crate::StateGradient;
use crate::error::Result;
use crate::fused::cell::CellParameters;
use crate::fused::stack::{PreparedStack, StackBackward, StackWorkspace};

/// The gradient of the states of a layer.
pub(super) enum StatesGradient<'a, T> {
    /// Of all steps.
    Maps(&'a FeatureMaps<T>),
    /// Frames whose patches are the gradient, of all steps, and how they lie in the states: patches of all steps at a time would take
    /// several times the memory.
    Frames(&'a [T], Patches),
}

impl<T: Scalar> StatesGradient<'_, T> {
    /// Adds the gradient of the state after a step.
    fn add_to(&self, mut gradient: FeatureMapsMut<'_, T>, step: usize) -> Result<()> {
        let batch = gradient.extent().batch;
        match self {
            Self::Maps(maps) => Ok(gradient.add(maps.images(step * batch..(step + 1) * batch))?),
            Self::Frames(frames, patches) => {
                let len = patches.frame.len();
                let maps = patches.to_patches(&frames[step * len..(step + 1) * len], [0, 0])?;
                Ok(gradient.add(maps.as_ref())?)
            }
        }
    }
}

/// What enters a stack on its way back, and what is wanted of it.
pub(super) struct Way<'a, T> {
    /// Of all states of the topmost layer.
    pub(super) d_top: Option<StatesGradient<'a, T>>,
    /// Of the last state of each layer.
    pub(super) last: &'a [FeatureMaps<T>],
    pub(super) want_input: bool,
}

impl<T: Scalar> Way<'_, T> {
    /// Goes back over all steps.
    pub(super) fn back(
        &self,
        cells: &PreparedStack<'_, T>,
        stack: &mut StackWorkspace<T>,
        gradients: &mut [CellParameters<T>],
        scratch: &mut Scratchpad<T>,
    ) -> Result<StackBackward<T>> {
        let mut back = StackBackward::new(cells, stack)?;
        for (layer, last) in back.layers.iter_mut().zip(self.last) {
            layer.d_hidden.as_mut().copy_from(last.as_ref())?;
        }
        let top = stack.layers.len() - 1;
        let enter = |entry: StateGradient<'_, T>| match &self.d_top {
            Some(d_top) if entry.layer == top => d_top.add_to(entry.gradient, entry.step),
            _ => Ok(()),
        };
        back.sequence(cells, stack, enter, gradients, self.want_input, scratch)?;
        Ok(back)
    }
}

/// The sum of the batches of maps, `[T N, C, H, W] -> [N, C, H, W]`.
pub(super) fn sum_over_batches<T: Scalar>(maps: &FeatureMaps<T>, batch: usize) -> Result<FeatureMaps<T>> {
    let mut sum = FeatureMaps::zeros(maps.extent().with_batch(batch))?;
    for index in 0..maps.extent().batch / batch {
        sum.as_mut().add(maps.images(index * batch..(index + 1) * batch))?;
    }
    Ok(sum)
}
