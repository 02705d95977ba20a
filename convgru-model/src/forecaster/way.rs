//! The way back through a stack whose states have gradients.

use convgru_kernels::{FeatureMaps, Scalar, Scratchpad};

use crate::StateGradient;
use crate::error::Result;
use crate::fused::cell::CellParameters;
use crate::fused::stack::{PreparedStack, StackBackward, StackWorkspace};

/// What enters a stack on its way back, and what is wanted of it.
pub(super) struct Way<'a, T> {
    /// Of all states of the topmost layer.
    pub(super) d_top: Option<&'a FeatureMaps<T>>,
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
        let (top, batch) = (stack.layers.len() - 1, stack.top().batch);
        let enter = |mut entry: StateGradient<'_, T>| {
            let d_top = self.d_top.filter(|_| entry.layer == top);
            if let Some(d_top) = d_top {
                entry.gradient.add(d_top.images(entry.step * batch..(entry.step + 1) * batch))?;
            }
            Ok(())
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
