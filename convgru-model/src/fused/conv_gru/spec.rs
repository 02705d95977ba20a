//! A stack without its weights: what it is and how it runs.

use convgru_kernels::{Extent, Scalar};

use super::ConvGruParameters;
use crate::config::ConvGruConfig;
use crate::error::{Error, Result, expect_count};
use crate::fused::cell::{CellInput, CellParameters, expect_layers};
use crate::fused::stack::{PreparedStack, StackWorkspace};
use crate::memory;
use crate::parameters::Stamp;
use crate::sequence::{MemoryBudget, ReturnLayers, Sequence, expect_steps};
use crate::tensor::{Tensor, expect_rank, expect_shape};

/// A stack whose weights lie elsewhere: in a [`ConvGru`](super::ConvGru), or beside the weights of another stack.
#[derive(Debug, Clone)]
pub(crate) struct StackSpec {
    pub(crate) config: ConvGruConfig,
    pub(crate) memory_budget: MemoryBudget,
    /// Of the weights.
    pub(crate) stamp: Stamp,
}

impl StackSpec {
    /// Of a configuration that is valid, with everything kept for backward passes.
    pub(crate) fn new(config: ConvGruConfig) -> Self {
        Self { config, memory_budget: MemoryBudget::default(), stamp: Stamp::new() }
    }

    /// Fails unless the weights, whose names begin with `prefix`, fit such a stack.
    pub(crate) fn expect_parameters<T: Scalar>(
        &self,
        prefix: &str,
        parameters: &ConvGruParameters<T>,
    ) -> Result<()> {
        expect_layers(prefix, &self.config, &parameters.layers)
    }

    /// The stack with its weights packed.
    pub(crate) fn prepared<'w, T: Scalar>(
        &self,
        layers: &'w [CellParameters<T>],
    ) -> Result<PreparedStack<'w, T>> {
        PreparedStack::new("", layers, &self.config, CellInput::Read)
    }

    /// The lowest layer whose states are returned.
    pub(crate) fn first_of(&self, return_layers: ReturnLayers) -> usize {
        match return_layers {
            ReturnLayers::All => 0,
            ReturnLayers::Top => self.config.layers() - 1,
            ReturnLayers::None => self.config.layers(),
        }
    }

    /// The extent of one step, and how many there are, of a sequence that fits the stack but for its initial states.
    pub(crate) fn extent<T: Scalar>(&self, sequence: Sequence<'_, T>) -> Result<(Extent, usize)> {
        let shape = sequence.frames()?.shape();
        let step = self.frame_extent(shape, &["T", "N", "C", "H", "W"])?;
        sequence.expect_lengths(shape[0], step.batch)?;
        if step.channels == 0 {
            expect_steps("steps without input", shape[0])?;
        }
        Ok((step, shape[0]))
    }

    /// Fails unless initial states, if there are any, fit sequences of such steps.
    pub(crate) fn expect_initial<T: Scalar>(&self, step: Extent, states: Option<&[Tensor<T>]>) -> Result<()> {
        let Some(states) = states else { return Ok(()) };
        expect_count("initial states", self.config.layers(), states.len())?;
        for (index, (&hidden, state)) in self.config.hidden_channels.iter().zip(states).enumerate() {
            let what = format!("initial state of layer {index}");
            expect_shape(&what, state.shape(), &step.with_channels(hidden).dims())?;
        }
        Ok(())
    }

    /// Sets initial states after [`expect_initial`](Self::expect_initial).
    pub(crate) fn set_initial<T: Scalar>(
        &self,
        workspace: &mut StackWorkspace<T>,
        states: Option<&[Tensor<T>]>,
    ) -> Result<()> {
        let states = states.unwrap_or_default();
        workspace.layers.iter_mut().zip(states).try_for_each(|(layer, state)| layer.read_initial(state))
    }

    /// The extent of one step of an input of shape `[(T,) N, C, H, W]`.
    pub(crate) fn frame_extent(&self, shape: &[usize], pattern: &[&str]) -> Result<Extent> {
        expect_rank("input", shape, pattern)?;
        let [.., batch, channels, height, width] = *shape else { unreachable!("the rank was checked") };
        let others_positive = !shape[..shape.len() - 3].contains(&0) && height > 0 && width > 0;
        if channels != self.config.in_channels || !others_positive {
            let mut expected: Vec<String> = pattern.iter().map(|name| format!("{name} >= 1")).collect();
            expected[pattern.len() - 3] = self.config.in_channels.to_string();
            return Err(Error::ShapeMismatch {
                what: "input".into(),
                expected: format!("[{}]", expected.join(", ")),
                got: shape.to_vec(),
            });
        }
        let extent = Extent { batch, channels, height, width };
        memory::expect_bytes(
            "input",
            memory::bytes_of::<f32>(&extent.with_channels(channels.max(1)).dims()),
        )?;
        Ok(extent)
    }
}
