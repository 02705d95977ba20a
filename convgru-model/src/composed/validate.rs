//! Which configurations of a layer can work.

use super::cell_config::{Bias, CellConfig, CellKind, Context, Normalization};
use crate::composed::graph::PaddingMode;
use crate::config::{MAX_CHANNELS, ResetGate, invalid, validate_dilation, validate_kernel, validate_slope};
use crate::error::Result;
use crate::layer::Activation;

/// The most pixels of the input from one pixel of the state to the next.
const MAX_STRIDE: usize = 255;

/// More rows or columns than any kernel reaches over an edge.
const MAX_PADDING: usize = 255 * 255;

/// Further from zero gates are open or closed in every number type.
const MAX_UPDATE_BIAS: f64 = 1e4;

/// The least that is added to a variance, far above the smallest number of `f32`: images of one value have none.
const MIN_EPSILON: f64 = 1e-30;

/// The most flows of a trajectory GRU.
const MAX_FLOWS: usize = 255;

impl CellConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) with the name of the field, its value and what would be right.
    pub fn validate(&self) -> Result<()> {
        let hidden = self.hidden_channels;
        if hidden == 0 || hidden > MAX_CHANNELS || self.in_channels > MAX_CHANNELS {
            let reason =
                format!("{hidden}, of {} inputs; 1 to {MAX_CHANNELS} are possible", self.in_channels);
            return invalid("hidden_channels", reason);
        }
        for (field, channels) in
            [("lower_channels", self.lower_channels), ("flow_channels", self.flow_channels)]
        {
            if channels > MAX_CHANNELS {
                return invalid(field, format!("{channels} is more than {MAX_CHANNELS}"));
            }
        }
        self.validate_kernels()?;
        for (field, groups, channels) in
            [("groups", self.groups, hidden), ("input_groups", self.input_groups, self.in_channels)]
        {
            if groups == 0 || !channels.is_multiple_of(groups) || !hidden.is_multiple_of(groups) {
                let reason = format!("{groups} groups of {channels} channels and of gates of {hidden}");
                return invalid(field, reason);
            }
        }
        if let Some([gates, candidate]) = self.normalization_groups()
            && (gates == 0
                || candidate == 0
                || !(2 * hidden).is_multiple_of(gates)
                || !hidden.is_multiple_of(candidate))
        {
            let reason = format!("{gates} and {candidate} groups of {} and {hidden} channels", 2 * hidden);
            return invalid("normalization", reason);
        }
        for (field, part) in [("zoneout", self.zoneout), ("dropout", self.dropout)] {
            if !(0.0..1.0).contains(&part) {
                return invalid(field, format!("{part} is not within 0 and 1"));
            }
        }
        if !(-MAX_UPDATE_BIAS..=MAX_UPDATE_BIAS).contains(&self.update_bias) {
            let reason =
                format!("{} is not within -{MAX_UPDATE_BIAS} and {MAX_UPDATE_BIAS}", self.update_bias);
            return invalid("update_bias", reason);
        }
        if !(MIN_EPSILON..=1.0).contains(&self.normalization_epsilon) {
            let reason = format!("{} is not within {MIN_EPSILON:e} and 1", self.normalization_epsilon);
            return invalid("normalization_epsilon", reason);
        }
        validate_slope("candidate_activation", self.candidate_activation)?;
        self.validate_choices()?;
        self.validate_traj_gru()
    }

    fn validate_kernels(&self) -> Result<()> {
        let second = self.second_kernel_size.unwrap_or([1, 1]);
        for (field, size) in [
            ("kernel_size", self.kernel_size),
            ("input_kernel_size", self.input_kernel()),
            ("second_kernel_size", second),
            ("kernel_depth", [self.kernel_depth, self.input_kernel_depth]),
        ] {
            validate_kernel(field, size, "")?;
        }
        for (field, dilation, kernel) in [
            ("dilation", self.dilation, self.kernel_size),
            ("input_dilation", self.input_dilation, self.input_kernel()),
        ] {
            validate_dilation(field, dilation, kernel, "")?;
            validate_dilation(field, dilation, second, " of the second pass")?;
        }
        if self.input_stride.iter().any(|step| !(1..=MAX_STRIDE).contains(step)) {
            let reason = format!("{:?} is not within 1 and {MAX_STRIDE}", self.input_stride);
            return invalid("input_stride", reason);
        }
        if let Some(padding) =
            self.input_padding.filter(|padding| padding.iter().any(|side| *side > MAX_PADDING))
        {
            return invalid("input_padding", format!("{padding:?} is more than {MAX_PADDING}"));
        }
        Ok(())
    }

    /// Choices that exclude each other.
    fn validate_choices(&self) -> Result<()> {
        let of_gru = self.kind == CellKind::Gru;
        let stride = self.input_stride != [1, 1];
        let volumes = self.kernel_depth.max(self.input_kernel_depth) > 1;
        let normalized = self.normalization != Normalization::None;
        let checks = [
            (
                "peephole",
                self.peephole && self.kind != CellKind::Lstm,
                "only an LSTM has a memory to look at",
            ),
            (
                "reset",
                self.kind == CellKind::Lstm && self.reset == ResetGate::After,
                "an LSTM has no reset gate; leave it at before",
            ),
            (
                "second_kernel_size",
                self.second_kernel_size.is_some() && !of_gru,
                "only a GRU is applied twice",
            ),
            (
                "second_kernel_size",
                self.second_kernel_size.is_some() && stride,
                "a second pass keeps the size",
            ),
            ("normalization", normalized && !of_gru, "only a GRU is normalised"),
            ("normalization", normalized && volumes, "volumes are not normalised"),
            (
                "spectral_norm",
                self.spectral_norm && !of_gru,
                "only kernels of a GRU are divided by their norm",
            ),
            (
                "spectral_norm",
                self.spectral_norm && self.groups * self.input_groups > 1,
                "kernels in groups have none",
            ),
            ("context", self.context != Context::None && !of_gru, "only a GRU sees a context"),
            ("context", self.context == Context::Global && volumes, "volumes have no global context"),
            ("lower_channels", self.lower_channels > 0 && !of_gru, "only a GRU reads the state below"),
            (
                "input_padding",
                self.input_padding.is_some() && self.second_kernel_size.is_some(),
                "a second pass keeps the size",
            ),
            (
                "gate_activation",
                !matches!(self.gate_activation, Activation::Sigmoid | Activation::HardSigmoid),
                "gates are sigmoid or hard-sigmoid",
            ),
        ];
        refuse_first(&checks)
    }

    /// What a trajectory GRU has no place for.
    fn validate_traj_gru(&self) -> Result<()> {
        if self.kind != CellKind::TrajGru {
            return Ok(());
        }
        if !(1..=MAX_FLOWS).contains(&self.flows) || self.flow_channels == 0 {
            let reason = format!(
                "{} flows of {} features; a trajectory GRU has 1 to {MAX_FLOWS}, of at least 1",
                self.flows, self.flow_channels
            );
            return invalid("flows", reason);
        }
        let volumes = self.kernel_depth.max(self.input_kernel_depth) > 1;
        let sizes = "flows have the size of the input, and zeros lie beyond it";
        refuse_first(&[
            ("kind", volumes, "volumes do not flow"),
            ("input_stride", self.input_stride != [1, 1], sizes),
            ("input_padding", self.input_padding.is_some(), sizes),
            ("padding_mode", self.padding_mode != [PaddingMode::Zeros; 2], sizes),
            ("groups", self.groups > 1, "flows see all channels of the state"),
            ("dilation", self.dilation != [1, 1], "flows take the place of kernels over the state"),
            ("bias", self.bias != Bias::Two, "a trajectory GRU has two biases"),
            (
                "kind",
                self.reset == ResetGate::Before,
                "the reset gate of a trajectory GRU acts after the convolution of the state",
            ),
        ])
    }
}

/// Fails with the first field that is wrong.
fn refuse_first(checks: &[(&str, bool, &str)]) -> Result<()> {
    match checks.iter().find(|(_, wrong, _)| *wrong) {
        Some((field, _, reason)) => invalid(*field, *reason),
        None => Ok(()),
    }
}
