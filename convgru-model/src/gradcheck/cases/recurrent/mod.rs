//! Networks of composed cells, in all their variants.

mod network;

use network::{Network, Setup};
use proptest::prelude::*;

use crate::composed::{
    Bias, CellConfig, CellKind, Context, ConvStageConfig, Normalization, PaddingMode, RecurrentConfig, Stage,
    Wiring,
};
use crate::config::ResetGate;
use crate::gradcheck::{Case, draw, probed};
use crate::layer::Activation;

/// Channels in and of the state, and a kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    inputs: usize,
    hidden: usize,
    kernel: [usize; 2],
}

impl Sizes {
    /// A GRU of these sizes.
    fn gru(self) -> CellConfig {
        CellConfig { kernel_size: self.kernel, ..CellConfig::new(self.inputs, self.hidden) }
    }

    /// One whose reset gate acts after the convolution of the state.
    fn after(self) -> CellConfig {
        CellConfig { reset: ResetGate::After, ..self.gru() }
    }

    /// A layer that reads the state of another.
    fn above(self, cell: CellConfig) -> CellConfig {
        CellConfig { in_channels: self.hidden, ..cell }
    }
}

fn chain<const N: usize>(cells: [CellConfig; N]) -> RecurrentConfig {
    RecurrentConfig::chain(cells)
}

pub(super) fn cases() -> Vec<Case> {
    let plain = Setup::default();
    let unbounded = Setup { away_from_kinks: true, ..plain };
    let mut cases = Vec::new();
    let mut add = |name: &str, setup: Setup, config: fn(Sizes) -> RecurrentConfig| {
        cases.push(case(name, setup, config));
    };
    add("composed gru", plain, |s| chain([s.gru()]));
    add("composed gru, reset after", plain, |s| chain([s.after()]));
    add("composed gru from no state", Setup { given: false, ..plain }, |s| {
        chain([s.gru(), s.above(s.gru())])
    });
    add("composed gru from no state, reset after", Setup { given: false, ..plain }, |s| {
        chain([s.after(), s.above(s.after())])
    });
    add("gru of lengths", Setup { lengths: true, ..plain }, |s| chain([s.gru(), s.above(s.after())]));
    add("gru of lengths from no state", Setup { lengths: true, given: false, ..plain }, |s| {
        chain([s.gru(), s.above(s.after())])
    });
    let recomputed = Setup { recomputed: true, dropout: true, ..plain };
    add("gru, recomputed", Setup { lengths: true, ..recomputed }, |s| {
        chain([CellConfig { zoneout: 0.2, dropout: 0.2, ..s.gru() }, s.above(s.after())])
    });
    add("lstm from no state, recomputed", Setup { given: false, ..recomputed }, |s| {
        chain([CellConfig { kind: CellKind::Lstm, peephole: true, zoneout: 0.2, ..s.gru() }])
    });
    add("gru, relu", unbounded, |s| {
        chain([CellConfig { candidate_activation: Activation::Relu, ..s.gru() }])
    });
    add("gru, leaky relu, reset after", unbounded, |s| {
        chain([CellConfig { candidate_activation: Activation::LeakyRelu(0.2), ..s.after() }])
    });
    add("gru, hard sigmoid", unbounded, |s| {
        chain([CellConfig { gate_activation: Activation::HardSigmoid, ..s.gru() }])
    });
    add("gru, one bias", plain, |s| chain([CellConfig { bias: Bias::One, ..s.after() }]));
    add("gru, no bias", plain, |s| chain([CellConfig { bias: Bias::None, ..s.after() }]));
    add("gru, kernels of two sizes", plain, |s| {
        chain([CellConfig { input_kernel_size: Some([3, 1]), ..s.gru() }])
    });
    add("gru, dilated", plain, |s| {
        chain([CellConfig { dilation: [2, 1], input_dilation: [1, 2], ..s.gru() }])
    });
    add("gru, strided input", Setup { wide: true, ..plain }, |s| {
        chain([CellConfig { input_stride: [2, 1], ..s.after() }, s.above(s.gru())])
    });
    add("gru, groups", plain, |s| {
        let cell = CellConfig { hidden_channels: 4, in_channels: 2, groups: 2, input_groups: 2, ..s.gru() };
        chain([CellConfig { dilation: [1, 2], ..cell }])
    });
    add("gru, depthwise", plain, |s| {
        chain([CellConfig { groups: s.hidden, input_stride: [1, 2], ..s.gru() }])
    });
    add("gru, edges replicated and wrapped around", plain, |s| {
        let cell = CellConfig { padding_mode: [PaddingMode::Replicate, PaddingMode::Circular], ..s.gru() };
        chain([CellConfig { kernel_size: [3, 3], ..cell }])
    });
    add("gru, edges mirrored", Setup { wide: true, ..plain }, |s| {
        let cell = CellConfig { padding_mode: [PaddingMode::Reflect, PaddingMode::Zeros], ..s.after() };
        chain([CellConfig { kernel_size: [5, 3], ..cell }])
    });
    add("gru, group norm", Setup { wide: true, ..plain }, |s| {
        let normalization = Normalization::Group { gates: 4, candidate: 2 };
        chain([CellConfig { hidden_channels: 4, normalization, ..s.gru() }])
    });
    add("gru, layer norm, reset after", Setup { wide: true, ..plain }, |s| {
        chain([CellConfig { normalization: Normalization::Layer, ..s.after() }])
    });
    add("gru, spectral norm", unbounded, |s| chain([CellConfig { spectral_norm: true, ..s.gru() }]));
    add("gru, additive context", plain, |s| chain([CellConfig { context: Context::Additive, ..s.gru() }]));
    add("gru, global context", plain, |s| chain([CellConfig { context: Context::Global, ..s.gru() }]));
    add("gru, global context from no state", Setup { given: false, ..plain }, |s| {
        chain([CellConfig { context: Context::Global, ..s.gru() }])
    });
    add("gru in pairs", plain, |s| {
        chain([CellConfig { kernel_size: [1, 5], second_kernel_size: Some([5, 1]), ..s.gru() }])
    });
    add("gru in pairs from no state", Setup { given: false, ..plain }, |s| {
        chain([CellConfig { second_kernel_size: Some([3, 1]), ..s.after() }])
    });
    add("gru, zoneout", Setup { dropout: true, ..plain }, |s| {
        chain([CellConfig { zoneout: 0.3, ..s.gru() }])
    });
    add("gru, dropout", Setup { dropout: true, ..plain }, |s| {
        chain([CellConfig { dropout: 0.3, ..s.after() }])
    });
    add("gru, zoneout in use", plain, |s| chain([CellConfig { zoneout: 0.3, ..s.gru() }]));
    add("gru on lines", Setup { dimensions: 1, ..plain }, |s| {
        chain([CellConfig { kernel_size: [1, 5], ..s.gru() }])
    });
    add("gru on volumes", Setup { dimensions: 3, ..plain }, |s| {
        chain([CellConfig { kernel_depth: 3, input_kernel_depth: 1, ..s.after() }])
    });
    add("gru on volumes, groups and lengths", Setup { dimensions: 3, lengths: true, ..plain }, |s| {
        let cell = CellConfig { hidden_channels: 2, in_channels: 4, groups: 2, input_groups: 2, ..s.gru() };
        chain([CellConfig { kernel_depth: 3, input_kernel_depth: 3, ..cell }])
    });
    add("lstm", plain, |s| {
        let lstm = CellConfig { kind: CellKind::Lstm, ..s.gru() };
        chain([lstm.clone(), s.above(lstm)])
    });
    add("lstm with peepholes", plain, |s| {
        chain([CellConfig { kind: CellKind::Lstm, peephole: true, ..s.gru() }])
    });
    add("lstm with peepholes from no state", Setup { given: false, lengths: true, ..plain }, |s| {
        chain([CellConfig { kind: CellKind::Lstm, peephole: true, ..s.gru() }])
    });
    add("lstm, zoneout and dropout", Setup { dropout: true, ..plain }, |s| {
        chain([CellConfig { kind: CellKind::Lstm, zoneout: 0.2, dropout: 0.2, ..s.gru() }])
    });
    add("trajectory gru", unbounded, |s| {
        let cell = CellConfig { kind: CellKind::TrajGru, flows: 2, flow_channels: 2, ..s.after() };
        chain([CellConfig { hidden_channels: 2, ..cell }])
    });
    add("trajectory gru from no state", Setup { given: false, ..unbounded }, |s| {
        let activation = Activation::LeakyRelu(0.2);
        let cell = CellConfig { kind: CellKind::TrajGru, flows: 1, flow_channels: 2, ..s.after() };
        chain([CellConfig { candidate_activation: activation, hidden_channels: 1, ..cell }])
    });
    add("trajectory gru without input", unbounded, |s| {
        let cell = CellConfig { kind: CellKind::TrajGru, flows: 2, flow_channels: 2, ..s.after() };
        chain([CellConfig { in_channels: 0, hidden_channels: 2, ..cell }])
    });
    add(
        "trajectory gru without input from no state, lengths",
        Setup { given: false, lengths: true, ..unbounded },
        |s| {
            let cell = CellConfig { kind: CellKind::TrajGru, flows: 1, flow_channels: 2, ..s.after() };
            let below = CellConfig { in_channels: 0, hidden_channels: 1, ..cell.clone() };
            chain([below, CellConfig { in_channels: 1, hidden_channels: 1, ..cell }])
        },
    );
    add("gru without input, lstm above", plain, |s| {
        let lstm = CellConfig { kind: CellKind::Lstm, ..s.above(s.gru()) };
        chain([CellConfig { in_channels: 0, ..s.after() }, lstm])
    });
    add("stack with residual links", plain, |s| RecurrentConfig {
        wiring: Wiring::Residual,
        ..chain([s.gru(), s.above(s.after()), s.above(s.gru())])
    });
    add("stacked gru-rcn", plain, |s| RecurrentConfig {
        wiring: Wiring::GruRcn { pool: false },
        ..chain([s.gru(), CellConfig { lower_channels: s.hidden, hidden_channels: 2, ..s.gru() }])
    });
    add("stacked gru-rcn, edges wrapped around", plain, |s| {
        let cell = CellConfig {
            padding_mode: [PaddingMode::Replicate, PaddingMode::Circular],
            kernel_size: [3, 3],
            ..s.gru()
        };
        let above = CellConfig { lower_channels: s.hidden, hidden_channels: 2, ..cell.clone() };
        RecurrentConfig { wiring: Wiring::GruRcn { pool: false }, ..chain([cell, above]) }
    });
    add("stacked gru-rcn, pooled", Setup { wide: true, ..unbounded }, |s| RecurrentConfig {
        wiring: Wiring::GruRcn { pool: true },
        ..chain([s.gru(), CellConfig { lower_channels: s.hidden, hidden_channels: 1, ..s.gru() }])
    });
    add("levels", Setup { wide: true, ..plain }, |s| RecurrentConfig {
        wiring: Wiring::Levels,
        ..chain([
            CellConfig { in_channels: s.inputs + 2, ..s.gru() },
            CellConfig {
                in_channels: s.hidden + 1,
                hidden_channels: 2,
                context: Context::Additive,
                ..s.gru()
            },
            CellConfig { in_channels: 2, hidden_channels: 1, ..s.gru() },
        ])
    });
    add("levels from no states", Setup { wide: true, given: false, ..plain }, |s| RecurrentConfig {
        wiring: Wiring::Levels,
        ..chain([
            CellConfig { in_channels: s.inputs + 2, ..s.gru() },
            CellConfig { in_channels: s.hidden, hidden_channels: 2, ..s.gru() },
        ])
    });
    add("cells between convolutions", Setup { wide: true, ..plain }, |s| {
        let convolution = |inputs: usize, outputs: usize| ConvStageConfig {
            in_channels: inputs,
            out_channels: outputs,
            activation: Activation::Tanh,
            ..Default::default()
        };
        RecurrentConfig {
            stages: vec![
                Stage::Convolution(ConvStageConfig { stride: [2, 1], ..convolution(s.inputs, 2) }),
                Stage::Cell(CellConfig { in_channels: 2, ..s.gru() }),
                Stage::Residual(convolution(s.hidden, s.hidden)),
                Stage::Cell(s.above(s.after())),
                Stage::Convolution(ConvStageConfig { bias: false, ..convolution(s.hidden, 1) }),
            ],
            wiring: Wiring::Chain,
        }
    });
    cases
}

fn case(name: &str, setup: Setup, config: fn(Sizes) -> RecurrentConfig) -> Case {
    let channels = draw::unequal_channels();
    let kernel = prop::sample::select(vec![[1usize, 3usize], [3, 1], [3, 3]]);
    let size = (2usize..=3, 2usize..=4).prop_filter("H != W", |(h, w)| h != w);
    let drawn = (channels, kernel, size, 1usize..=2, 1usize..=3, draw::seed());
    Case::new(name, drawn, move |([inputs, hidden], kernel, (height, width), batch, steps, seed)| {
        let config = config(Sizes { inputs, hidden, kernel });
        // Few numbers where all have to stay away from kinks.
        let [batch, steps] = if setup.away_from_kinks { [1, steps.min(2)] } else { [batch, steps] };
        let space = match setup.dimensions {
            1 => vec![width + 2],
            2 if setup.wide => vec![2 * height, 2 * width],
            2 => vec![height, width],
            _ => vec![2, height, width],
        };
        probed(Network::run(setup, config, [steps, batch], &space, seed)?, seed ^ 1)
    })
}
