//! The layouts of systems in use.

use super::description::Columns::{Input, InputState, State, StateInput};
use super::description::Gate::{Candidate, Reset, Update};
use super::description::{BlendConvention, Columns, Gate, GateTensor, Layout};
use crate::config::ResetGate;

const fn joint(name: &'static str, gates: &'static [Gate], columns: Columns) -> GateTensor {
    GateTensor { name, gates, columns }
}

/// One convolution of the input and one of the state, each with all gates.
const fn two(input: &'static str, state: &'static str) -> [GateTensor; 2] {
    [joint(input, &[Reset, Update, Candidate], Input), joint(state, &[Reset, Update, Candidate], State)]
}

/// Three convolutions over input and state, as the seed and those who took its file.
const SEPARATE_GATES: &[GateTensor] = &[
    joint("update_gate", &[Update], InputState),
    joint("reset_gate", &[Reset], InputState),
    joint("out_gate", &[Candidate], InputState),
];

impl Layout {
    /// jacobkimmel/pytorch_convgru, the first that was published: `ConvGRUCell_00.update_gate.weight`
    /// and so on.
    pub const SEED: Self = Self {
        system: "jacobkimmel",
        tensors: SEPARATE_GATES,
        weight: "*.weight",
        bias: "*.bias",
        matrices: false,
        reset: ResetGate::Before,
        blend: BlendConvention::Candidate,
    };

    /// Of cells whose reset gate acts after the convolution of the state; all known ones let the
    /// update gate weigh the state.
    const AFTER: Self = Self { reset: ResetGate::After, blend: BlendConvention::State, ..Self::SEED };

    /// All that are known.
    pub const ALL: &'static [Self] = &[
        Self::SEED,
        // E2VID and FireNet: `...recurrent_block.update_gate.weight`.
        Self { system: "e2vid", ..Self::SEED },
        // happyjin/ConvGRU-pytorch: `cell_list.0.conv_gates.weight`; a comment there says the opposite order.
        Self {
            system: "happyjin",
            tensors: &[
                joint("conv_gates", &[Reset, Update], InputState),
                joint("conv_can", &[Candidate], InputState),
            ],
            ..Self::SEED
        },
        // bionick87/ConvGRUCell-pytorch.
        Self {
            system: "bionick87",
            tensors: &[
                joint("ConvGates", &[Reset, Update], InputState),
                joint("Conv_ct", &[Candidate], InputState),
            ],
            blend: BlendConvention::State,
            ..Self::SEED
        },
        // RobustVideoMatting: `decoder.decode4.gru.ih.0.weight`.
        Self {
            system: "rvm",
            tensors: &[joint("ih.0", &[Reset, Update], InputState), joint("hh.0", &[Candidate], InputState)],
            ..Self::SEED
        },
        // RAFT's small update block: `module.update_block.gru.convz.weight`.
        Self {
            system: "raft",
            tensors: &[
                joint("convz", &[Update], StateInput),
                joint("convr", &[Reset], StateInput),
                joint("convq", &[Candidate], StateInput),
            ],
            ..Self::SEED
        },
        // ConvGRU-Ensemble: `combined_gates`, `out_gate`.
        Self {
            system: "convgru_ensemble",
            tensors: &[
                joint("combined_gates", &[Update, Reset], InputState),
                joint("out_gate", &[Candidate], InputState),
            ],
            ..Self::SEED
        },
        // Ballas et al. 2015, GRU-RCN: the names of the paper, no bias.
        Self {
            system: "ballas",
            tensors: &[
                joint("W_z", &[Update], Input),
                joint("W_r", &[Reset], Input),
                joint("W", &[Candidate], Input),
                joint("U_z", &[Update], State),
                joint("U_r", &[Reset], State),
                joint("U", &[Candidate], State),
            ],
            weight: "*",
            ..Self::SEED
        },
        // MetNet's temporal encoder, after aserdega/convlstmgru with tanh: `temporal_enc.rnn.cell_list.0.conv_zr.weight`.
        Self {
            system: "metnet",
            tensors: &[
                joint("conv_zr", &[Update, Reset], InputState),
                joint("conv_h1", &[Candidate], Input),
                joint("conv_h2", &[Candidate], State),
            ],
            ..Self::AFTER
        },
        // georgeyiasemis/2D-Convolutional-Recurrent-Neural-Networks-with-PyTorch: `rnn_cell_list.0.x2h.weight`.
        Self { system: "georgeyiasemis", tensors: &two("x2h", "h2h"), ..Self::AFTER },
        // csd111/pytorch-convgru in two dimensions, without a stride: the input has as many channels as the state.
        Self {
            system: "csd111",
            tensors: &[
                joint("ih", &[Update, Reset, Candidate], Input),
                joint("hh", &[Update, Reset, Candidate], State),
            ],
            weight: "weight_*",
            bias: "bias_*",
            ..Self::AFTER
        },
        // MXNet's gluon.contrib.rnn.Conv2DGRUCell with tanh.
        Self {
            system: "mxnet_gluon",
            tensors: &two("i2h", "h2h"),
            weight: "*_weight",
            bias: "*_bias",
            ..Self::AFTER
        },
        // torch.nn.GRU, as a convolution of one pixel: `weight_ih_l0`.
        Self {
            system: "torch_nn_gru_1x1",
            tensors: &two("ih", "hh"),
            weight: "weight_*_l#",
            bias: "bias_*_l#",
            matrices: true,
            ..Self::AFTER
        },
    ];
}
