//! The configuration of RAFT's update block.

use serde::{Deserialize, Serialize};

use crate::composed::{CellConfig, RecurrentConfig};
use crate::config::{ConvGruConfig, KernelSizes, invalid};
use crate::error::Result;
use crate::layer::Conv2dConfig;
use crate::network::NetworkDescription;

/// Channels of a flow: columns and rows.
pub(super) const FLOW_CHANNELS: usize = 2;

/// The largest number of channels, and of rows and columns of a kernel.
const MOST: usize = 65_536;

/// Names of the parts of a block, which the names of their parameters begin with.
pub(crate) mod part {
    pub(crate) const CORRELATIONS: &str = "motion_encoder.correlations.";
    pub(crate) const FLOW: &str = "motion_encoder.flow.";
    pub(crate) const JOINT: &str = "motion_encoder.joint";
    pub(crate) const FLOW_HEAD: &str = "flow_head.";
    pub(crate) const MASK: &str = "mask.";
    pub(crate) const CELL: &str = "cell.";
}

/// A convolution of a [`RaftUpdateBlock`](crate::RaftUpdateBlock): it keeps the size of images and has a bias. Its inputs follow from the layers before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaftConvolution {
    /// Channels of the result.
    pub channels: usize,
    /// Height and width of the kernel, both odd.
    pub kernel_size: [usize; 2],
}

/// What a [`RaftUpdateBlock`](crate::RaftUpdateBlock) is, apart from its weights.
///
/// The block of RAFT-small:
///
/// ```
/// use convgru_model::{RaftConvolution, RaftUpdateConfig};
///
/// let convolution = |channels, size| RaftConvolution { channels, kernel_size: [size, size] };
/// let config = RaftUpdateConfig {
///     correlation_channels: 4 * 7 * 7,
///     context_channels: 64,
///     hidden_channels: 96,
///     correlations: vec![convolution(96, 1)],
///     flow: [convolution(64, 7), convolution(32, 3)],
///     joint: convolution(80, 3),
///     cell_kernels: vec![[3, 3]],
///     flow_head: [convolution(128, 3), convolution(2, 3)],
///     mask: None,
/// };
/// config.validate()?;
/// assert_eq!(config.cell_inputs(), 64 + 80 + 2);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaftUpdateConfig {
    /// Channels of the correlations that are looked up: levels times places around each pixel.
    pub correlation_channels: usize,
    /// Channels of the context features.
    pub context_channels: usize,
    /// Channels of the state.
    pub hidden_channels: usize,
    /// The convolutions over correlations, one after the other: one or two.
    pub correlations: Vec<RaftConvolution>,
    /// The convolutions over the flow, one after the other.
    pub flow: [RaftConvolution; 2],
    /// The convolution over the features of correlations and flow.
    pub joint: RaftConvolution,
    /// Height and width of the kernels of the recurrent cell: one ConvGRU, or two passes one after the other.
    pub cell_kernels: Vec<[usize; 2]>,
    /// The convolutions from the state to the change of the flow, whose channels are 2.
    pub flow_head: [RaftConvolution; 2],
    /// The convolutions from the state to the mask, where the block gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<[RaftConvolution; 2]>,
}

impl RaftUpdateConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        let channels = [
            ("correlation_channels", self.correlation_channels),
            ("context_channels", self.context_channels),
            ("hidden_channels", self.hidden_channels),
        ];
        for (field, value) in channels {
            if !(1..=MOST).contains(&value) {
                return invalid(field, format!("{value} is not within 1 to {MOST}"));
            }
        }
        for (field, count) in
            [("correlations", self.correlations.len()), ("cell_kernels", self.cell_kernels.len())]
        {
            if !(1..=2).contains(&count) {
                return invalid(field, format!("{count} given, where 1 or 2 are possible"));
            }
        }
        let mask = self.mask.as_ref().map_or(&[][..], |mask| mask);
        let convolutions = [&self.correlations[..], &self.flow, &[self.joint], &self.flow_head, mask];
        let kernels = convolutions.iter().flat_map(|of_part| of_part.iter());
        for &RaftConvolution { channels, kernel_size } in kernels.clone() {
            if !(1..=MOST).contains(&channels) {
                return invalid("channels", format!("{channels} is not within 1 to {MOST}"));
            }
            expect_odd(kernel_size)?;
        }
        self.cell_kernels.iter().try_for_each(|&size| expect_odd(size))?;
        if self.flow_head[1].channels != FLOW_CHANNELS {
            let reason = format!(
                "the last gives {} channels, and a flow has {FLOW_CHANNELS}",
                self.flow_head[1].channels
            );
            return invalid("flow_head", reason);
        }
        self.convolutions().iter().try_for_each(|(_, config)| config.validate())?;
        match self.cell() {
            NetworkDescription::ConvGru(config) => config.validate(),
            NetworkDescription::Recurrent(config) => config.validate(),
            _ => Ok(()),
        }
    }

    /// Channels that the recurrent cell reads: the context, the features of movement, and the flow.
    pub fn cell_inputs(&self) -> usize {
        [self.context_channels, self.joint.channels, FLOW_CHANNELS].into_iter().fold(0, usize::saturating_add)
    }

    /// The recurrent cell: a [`ConvGru`](crate::ConvGru) for one kernel, a [`Recurrent`](crate::composed::Recurrent) for two.
    pub fn cell(&self) -> NetworkDescription {
        let (inputs, hidden) = (self.cell_inputs(), self.hidden_channels);
        match self.cell_kernels[..] {
            [kernel_size, second] => {
                let cell = CellConfig {
                    kernel_size,
                    second_kernel_size: Some(second),
                    ..CellConfig::new(inputs, hidden)
                };
                NetworkDescription::Recurrent(RecurrentConfig::chain([cell]))
            }
            _ => NetworkDescription::ConvGru(ConvGruConfig {
                kernel_size: KernelSizes::PerLayer(self.cell_kernels.clone()),
                ..ConvGruConfig::new(inputs, &[hidden])
            }),
        }
    }

    /// The convolutions with their names, in the order of the parameters.
    pub(crate) fn convolutions(&self) -> Vec<(String, Conv2dConfig)> {
        let mut all = Vec::new();
        let mut add = |part: &str, inputs: usize, convolutions: &[RaftConvolution]| {
            convolutions.iter().enumerate().fold(inputs, |inputs, (index, convolution)| {
                let name = if part.ends_with('.') { format!("{part}{index}") } else { part.to_owned() };
                all.push((name, Conv2dConfig::new(inputs, convolution.channels, convolution.kernel_size)));
                convolution.channels
            })
        };
        let of_correlations = add(part::CORRELATIONS, self.correlation_channels, &self.correlations);
        let of_flow = add(part::FLOW, FLOW_CHANNELS, &self.flow);
        add(part::JOINT, of_correlations.saturating_add(of_flow), &[self.joint]);
        add(part::FLOW_HEAD, self.hidden_channels, &self.flow_head);
        if let Some(mask) = &self.mask {
            add(part::MASK, self.hidden_channels, mask);
        }
        all
    }
}

/// Fails unless a kernel has a middle.
fn expect_odd([height, width]: [usize; 2]) -> Result<()> {
    if height.is_multiple_of(2) || width.is_multiple_of(2) {
        return invalid("kernel_size", format!("{height} x {width}: both must be odd"));
    }
    Ok(())
}
