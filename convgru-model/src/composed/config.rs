//! What a recurrent network is: stages, and how they are wired.

use serde::{Deserialize, Serialize};

use super::cell_config::CellConfig;
use super::parameter_spec::{InitialValue, ParameterSpec, parameter_specs};
use crate::config::{
    Initializer, MAX_CHANNELS, MAX_LAYERS, MAX_PARAMETERS, Precision, invalid, validate_kernel,
    validate_slope,
};
use crate::error::Result;
use crate::layer::Activation;

/// A convolution between cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConvStageConfig {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Height and width of the kernel, odd.
    pub kernel_size: [usize; 2],
    /// Distance of neighbouring outputs in pixels of the input.
    pub stride: [usize; 2],
    /// Whether there is a bias.
    pub bias: bool,
    /// What follows.
    pub activation: Activation,
    /// How exactly it is computed.
    pub precision: Precision,
}

impl Default for ConvStageConfig {
    fn default() -> Self {
        Self {
            in_channels: 1,
            out_channels: 1,
            kernel_size: [3, 3],
            stride: [1, 1],
            bias: true,
            activation: Activation::Identity,
            precision: Precision::Fast,
        }
    }
}

/// One stage of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "a network has few stages, most of them cells")]
pub enum Stage {
    /// A recurrent layer.
    Cell(CellConfig),
    /// A convolution of each frame.
    Convolution(ConvStageConfig),
    /// Two convolutions and the way around them, `a(w2 * a(w1 * x) + x)` (He et al. 2016): channels in and out
    /// are the same.
    Residual(ConvStageConfig),
}

/// What layers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wiring {
    /// Each stage what the one below gives.
    #[default]
    Chain,
    /// As a chain, but what a cell gives is its state added to what it read, from the second on; the state itself is
    /// not changed by that (the stacks of HKO-7).
    Residual,
    /// Each cell an input of its own, and in update and reset gate the state of the layer below in the
    /// same step, pooled to half the size where asked for (the stacked GRU-RCN of Ballas et al. 2015).
    #[serde(rename_all = "kebab-case")]
    GruRcn {
        /// Whether each layer has half the size of the one below.
        pool: bool,
    },
    /// Cells at sizes halved from one to the next, from the coarsest to the finest in each step, each reading the state
    /// of the finer one pooled and of the coarser one interpolated; the finest reads the input too (RAFT-Stereo).
    Levels,
}

/// A network of recurrent layers.
///
/// ```
/// use convgru_model::composed::{CellConfig, CellKind, RecurrentConfig};
///
/// let lstm = |inputs, hidden| CellConfig { kind: CellKind::Lstm, ..CellConfig::new(inputs, hidden) };
/// let config = RecurrentConfig::chain([lstm(8, 32), lstm(32, 16)]);
/// config.validate()?;
/// assert_eq!(config.cells().count(), 2);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// The stages, from the input up.
    pub stages: Vec<Stage>,
    /// What they read.
    #[serde(default)]
    pub wiring: Wiring,
}

impl RecurrentConfig {
    /// Cells one on top of the other.
    pub fn chain(cells: impl IntoIterator<Item = CellConfig>) -> Self {
        Self { stages: cells.into_iter().map(Stage::Cell).collect(), wiring: Wiring::Chain }
    }

    /// The recurrent layers.
    pub fn cells(&self) -> impl Iterator<Item = &CellConfig> {
        self.stages.iter().filter_map(|stage| match stage {
            Stage::Cell(cell) => Some(cell),
            _ => None,
        })
    }

    /// How many inputs the network reads.
    pub fn inputs(&self) -> usize {
        if matches!(self.wiring, Wiring::GruRcn { .. }) { self.stages.len() } else { 1 }
    }

    /// Channels of an input.
    pub fn in_channels(&self, input: usize) -> usize {
        match self.stages.get(input) {
            Some(Stage::Cell(cell)) if self.wiring == Wiring::Levels => {
                let coarser = self.cells().nth(1).map_or(0, |cell| cell.hidden_channels);
                cell.in_channels.saturating_sub(coarser)
            }
            Some(stage) => stage.channels()[0],
            None => 0,
        }
    }

    /// Channels of the output of the topmost stage.
    pub fn top_channels(&self) -> usize {
        match self.wiring {
            Wiring::Levels => self.cells().next().map_or(0, |cell| cell.hidden_channels),
            _ => self.stages.last().map_or(0, |stage| stage.channels()[1]),
        }
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        let size = |spec: &ParameterSpec| spec.shape.iter().copied().fold(1, usize::saturating_mul);
        self.parameter_specs().iter().flatten().map(size).fold(0, usize::saturating_add)
    }

    /// Whether the result of the network is the state of its topmost cell.
    pub(crate) fn gives_state(&self) -> bool {
        let only = self.cells().count() == 1;
        let ends_with_cell = matches!(self.stages.last(), Some(Stage::Cell(_)));
        match self.wiring {
            Wiring::Chain | Wiring::GruRcn { .. } => ends_with_cell,
            Wiring::Residual => only && ends_with_cell,
            Wiring::Levels => only,
        }
    }

    /// Parameters of each stage.
    pub(crate) fn parameter_specs(&self) -> Vec<Vec<ParameterSpec>> {
        self.stages.iter().map(Stage::parameter_specs).collect()
    }

    /// Checks every field, and that stages fit together.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        let stages = self.stages.len();
        if stages == 0 || stages > MAX_LAYERS || self.cells().next().is_none() {
            let reason = format!(
                "{stages} stages, {} of them cells; a network has 1 to {MAX_LAYERS}, one of them a cell",
                self.cells().count()
            );
            return invalid("stages", reason);
        }
        for stage in &self.stages {
            stage.validate()?;
        }
        let count = self.parameter_count();
        if count > MAX_PARAMETERS {
            let reason = format!("the network would have {count} parameters, more than {MAX_PARAMETERS}");
            return invalid("stages", reason);
        }
        self.validate_wiring()
    }

    fn validate_wiring(&self) -> Result<()> {
        let cells: Vec<&CellConfig> = self.cells().collect();
        let only_cells = cells.len() == self.stages.len();
        let lower = |cell: usize| match (self.wiring, cell) {
            (Wiring::GruRcn { .. }, 1..) => cells[cell - 1].hidden_channels,
            _ => 0,
        };
        for (index, cell) in cells.iter().enumerate() {
            if cell.lower_channels != lower(index) {
                let reason = format!("{} of cell {index}, which reads {}", cell.lower_channels, lower(index));
                return invalid("lower_channels", reason);
            }
        }
        match self.wiring {
            Wiring::Chain | Wiring::Residual => {
                for (index, pair) in self.stages.windows(2).enumerate() {
                    let ([_, given], [read, _]) = (pair[0].channels(), pair[1].channels());
                    if given != read {
                        let reason =
                            format!("stage {} reads {read} channels, stage {index} gives {given}", index + 1);
                        return invalid("in_channels", reason);
                    }
                }
                let unequal = |cell: &&&CellConfig| {
                    cell.in_channels != cell.hidden_channels || cell.input_stride != [1, 1]
                };
                match cells.iter().skip(1).find(unequal) {
                    Some(cell) if self.wiring == Wiring::Residual => {
                        let reason = format!(
                            "{} channels to {} are not added up",
                            cell.in_channels, cell.hidden_channels
                        );
                        invalid("wiring", reason)
                    }
                    _ => Ok(()),
                }
            }
            Wiring::GruRcn { .. } if only_cells => Ok(()),
            Wiring::Levels if only_cells => {
                let keeps = |cell: &&&CellConfig| cell.state_size([1 << 10, 1 << 11]) == [1 << 10, 1 << 11];
                if let Some(cell) = cells.iter().find(|cell| !keeps(cell)) {
                    let reason = format!("{:?}: a level has the size of what it reads", cell.input_stride);
                    return invalid("input_stride", reason);
                }
                for (index, cell) in cells.iter().enumerate().skip(1) {
                    let coarser = cells.get(index + 1).map_or(0, |cell| cell.hidden_channels);
                    let expected = cells[index - 1].hidden_channels + coarser;
                    if cell.in_channels != expected {
                        let reason =
                            format!("level {index} reads {expected} channels, not {}", cell.in_channels);
                        return invalid("in_channels", reason);
                    }
                }
                Ok(())
            }
            _ => invalid("wiring", "here every stage is a cell"),
        }
    }
}

impl Stage {
    /// Copies the fields of another stage that change no forecast of the same weights: the initializer, the precision and
    /// the dropout.
    pub fn compute_like(&mut self, other: &Self) {
        match (self, other) {
            (Self::Cell(cell), Self::Cell(other)) => {
                (cell.initializer, cell.precision) = (other.initializer, other.precision);
                (cell.update_bias, cell.dropout) = (other.update_bias, other.dropout);
            }
            (Self::Convolution(config), Self::Convolution(other))
            | (Self::Residual(config), Self::Residual(other)) => config.precision = other.precision,
            _ => {}
        }
    }

    /// Channels in and out.
    pub(super) fn channels(&self) -> [usize; 2] {
        match self {
            Self::Cell(cell) => [cell.in_channels, cell.hidden_channels],
            Self::Convolution(config) | Self::Residual(config) => [config.in_channels, config.out_channels],
        }
    }

    fn validate(&self) -> Result<()> {
        let config = match self {
            Self::Cell(cell) => return cell.validate(),
            Self::Convolution(config) | Self::Residual(config) => config,
        };
        let numbers = [config.in_channels, config.out_channels, config.stride[0], config.stride[1]];
        if numbers.iter().any(|number| !(1..=MAX_CHANNELS).contains(number)) {
            return invalid(
                "in_channels",
                format!("{numbers:?}: channels in and out and strides are at least 1"),
            );
        }
        validate_kernel("kernel_size", config.kernel_size, "")?;
        validate_slope("activation", config.activation)?;
        let residual = matches!(self, Self::Residual(_));
        if residual && (config.in_channels != config.out_channels || config.stride != [1, 1]) {
            let reason = format!(
                "{} to {} channels, stride {:?}, go no way around",
                config.in_channels, config.out_channels, config.stride
            );
            return invalid("out_channels", reason);
        }
        Ok(())
    }

    pub(crate) fn parameter_specs(&self) -> Vec<ParameterSpec> {
        let of = |config: &ConvStageConfig, prefix: &str| {
            let [kh, kw] = config.kernel_size;
            let weight = ParameterSpec {
                name: format!("{prefix}weight"),
                shape: vec![config.out_channels, config.in_channels, kh, kw],
                start: InitialValue::Kernel { blocks: 1 },
            };
            let start = InitialValue::Number { first: 0, value: 0.0, rest: 0.0 };
            let bias =
                ParameterSpec { name: format!("{prefix}bias"), shape: vec![config.out_channels], start };
            std::iter::once(weight).chain(config.bias.then_some(bias))
        };
        match self {
            Self::Cell(cell) => parameter_specs(cell),
            Self::Convolution(config) => of(config, "").collect(),
            Self::Residual(config) => of(config, "first.").chain(of(config, "second.")).collect(),
        }
    }

    /// How kernels of the stage are drawn.
    pub(crate) fn drawing(&self) -> CellConfig {
        match self {
            Self::Cell(cell) => cell.clone(),
            _ => CellConfig { initializer: Initializer::Xavier, ..CellConfig::default() },
        }
    }
}
