//! How the cells of these systems name their kernels.

use crate::config::ResetGate;
use crate::import::layout::{BlendConvention, Columns, Gate, GateTensor, Layout};
use crate::layer::Activation;

/// HKO-7's slope of the leaky ReLU.
pub(super) const HKO7: Activation = Activation::LeakyRelu(0.2);

/// Channels of a group in jhhuang96's normalisation.
pub(super) const GROUP_CHANNELS: usize = 32;

const fn joint(name: &'static str, gates: &'static [Gate], columns: Columns) -> GateTensor {
    GateTensor { name, gates, columns }
}

/// How RAFT's cells in pairs name the kernels of both passes: in the published code, and in torchvision.
pub(super) const RAFT_PASSES: [[&[GateTensor]; 2]; 2] = [
    [&raft_pass(["convz1", "convr1", "convq1"]), &raft_pass(["convz2", "convr2", "convq2"])],
    [
        &raft_pass(["convgru1.convz", "convgru1.convr", "convgru1.convq"]),
        &raft_pass(["convgru2.convz", "convgru2.convr", "convgru2.convq"]),
    ],
];

/// The kernels of update gate, reset gate and candidate.
const fn raft_pass([update, reset, candidate]: [&'static str; 3]) -> [GateTensor; 3] {
    [
        joint(update, &[Gate::Update], Columns::StateInput),
        joint(reset, &[Gate::Reset], Columns::StateInput),
        joint(candidate, &[Gate::Candidate], Columns::StateInput),
    ]
}

/// DGMR (skillful_nowcasting).
pub(super) const DGMR: Layout = Layout {
    system: "dgmr",
    tensors: &[
        joint("update_gate_conv", &[Gate::Update], Columns::InputState),
        joint("read_gate_conv", &[Gate::Reset], Columns::InputState),
        joint("output_conv", &[Gate::Candidate], Columns::InputState),
    ],
    blend: BlendConvention::State,
    ..Layout::SEED
};

/// carlthome/tensorflow-convlstm-cell.
pub(super) const CARLTHOME: Layout = Layout {
    system: "carlthome",
    tensors: &[
        joint("gates", &[Gate::Reset, Gate::Update], Columns::InputState),
        joint("candidate", &[Gate::Candidate], Columns::InputState),
    ],
    weight: "*/kernel",
    bias: "*/bias",
    blend: BlendConvention::State,
    ..Layout::SEED
};

/// jhhuang96/ConvLSTM-PyTorch.
pub(super) const JHHUANG96: Layout = Layout {
    system: "jhhuang96",
    tensors: &[
        joint("conv1.0", &[Gate::Update, Gate::Reset], Columns::InputState),
        joint("conv2.0", &[Gate::Candidate], Columns::InputState),
    ],
    ..Layout::SEED
};

/// HKO-7, and the kernels of its trajectory GRU.
pub(super) const HKO7_LAYOUT: Layout = Layout {
    system: "hko7",
    tensors: &[
        joint("i2h", &[Gate::Reset, Gate::Update, Gate::Candidate], Columns::Input),
        joint("h2h", &[Gate::Reset, Gate::Update, Gate::Candidate], Columns::State),
    ],
    weight: "*_weight",
    bias: "*_bias",
    reset: ResetGate::After,
    blend: BlendConvention::State,
    ..Layout::SEED
};

/// The operator GRU, its two biases apart.
pub(super) const ONNX: Layout = Layout {
    system: "onnx_gru_1x1",
    tensors: &[
        joint("W", &[Gate::Update, Gate::Reset, Gate::Candidate], Columns::Input),
        joint("R", &[Gate::Update, Gate::Reset, Gate::Candidate], Columns::State),
    ],
    weight: "*",
    bias: "B*",
    matrices: true,
    blend: BlendConvention::State,
    ..Layout::SEED
};

/// The names of cells' weights where a spectral norm is kept beside them: kernel, left and right vector.
pub(super) const SPECTRAL: [[&str; 3]; 2] = [
    [
        "*.parametrizations.weight.original",
        "*.parametrizations.weight.0._u",
        "*.parametrizations.weight.0._v",
    ],
    ["*.weight_orig", "*.weight_u", "*.weight_v"],
];
