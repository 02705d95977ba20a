//! The systems: which names, which cells, how they are wired.

use convgru_kernels::Scalar;

use super::cells::{cells, names};
use super::containers::{carlthome, onnx};
use super::imported::{Hints, Imported};
use super::layouts::{DGMR, GROUP_CHANNELS, HKO7, HKO7_LAYOUT, JHHUANG96, RAFT_PASSES, SPECTRAL};
use super::mapping::{Core, Mapping};
use crate::composed::{
    CellConfig, CellKind, Context, ConvStageConfig, Normalization, RecurrentConfig, Stage, Wiring,
};
use crate::config::invalid;
use crate::error::Result;
use crate::import::layout::Layout;
use crate::layer::Activation;
use crate::tensor::Tensor;

/// The systems that [`read`] knows besides the systems of [`Layout`].
pub const SYSTEMS: &[&str] = &[
    "aserdega",
    "ballas_stacked",
    "carlthome",
    "dgmr",
    "droid",
    "firenet",
    "hko7",
    "hko7_trajgru",
    "iter_mvs",
    "jhhuang96",
    "onnx_gru_1x1",
    "raft_sep",
    "raftstereo",
];

/// Rearranges the tensors of a network of a system, by the name it has in docs/conventions.md.
///
/// # Errors
/// [`Error::InvalidConfig`](crate::Error::InvalidConfig) for a system that is not known or cells that make no network,
/// [`Error::MissingTensor`](crate::Error::MissingTensor), [`Error::UnexpectedTensor`](crate::Error::UnexpectedTensor) or
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for tensors that do not fit the system.
pub fn read<T: Scalar>(system: &str, tensors: &[(String, Tensor<T>)], hints: &Hints) -> Result<Imported<T>> {
    let mapping = Mapping::new(tensors);
    match system {
        "aserdega" => of_layout("metnet", mapping, hints),
        "iter_mvs" => {
            let dilation = hints.dilation.or(Some([2, 2]));
            let hints = Hints { dilation, input_dilation: dilation, ..hints.clone() };
            of_layout("raft", mapping, &hints)
        }
        "ballas_stacked" => ballas_stacked(mapping, hints),
        "carlthome" => carlthome(tensors, hints),
        "dgmr" => dgmr(mapping, hints),
        "droid" => droid(mapping, hints),
        "firenet" => firenet(mapping, hints),
        "hko7" => {
            let wiring = hints.wiring.or(Some(Wiring::Residual));
            let hints = Hints { wiring, ..hints.clone() };
            cells(&HKO7_LAYOUT, mapping, &hints, |_, _, core| {
                Ok(CellConfig { candidate_activation: HKO7, ..core.config })
            })
        }
        "hko7_trajgru" => cells(&HKO7_LAYOUT, mapping, hints, traj_gru),
        "jhhuang96" => jhhuang96(mapping, hints),
        "onnx_gru_1x1" => onnx(tensors, hints),
        "raft_sep" => raft_sep(mapping, hints),
        "raftstereo" => raft_stereo(mapping, hints),
        _ => of_layout(system, mapping, hints),
    }
}

/// Cells of a layout with whatever the hints say.
fn of_layout<T: Scalar>(system: &str, mapping: Mapping<'_, T>, hints: &Hints) -> Result<Imported<T>> {
    match Layout::of(system) {
        Some(layout) => cells(layout, mapping, hints, |_, _, core| Ok(core.config)),
        None => invalid("system", format!("`{system}` is not known; see docs/conventions.md")),
    }
}

fn dgmr<T: Scalar>(mapping: Mapping<'_, T>, hints: &Hints) -> Result<Imported<T>> {
    let parts = |pattern: &str| pattern.trim_start_matches('*').to_owned();
    let kept =
        SPECTRAL.iter().find(|[kernel, ..]| names(&mapping).any(|name| name.ends_with(&parts(kernel))));
    let layout = Layout { weight: kept.map_or(DGMR.weight, |[kernel, ..]| kernel), ..DGMR };
    cells(&layout, mapping, hints, |mapping, [prefix, ours], core| {
        let mut config = CellConfig { candidate_activation: Activation::Relu, ..core.config };
        if let Some([_, u, v]) = kept {
            config.spectral_norm = true;
            let gates = ["update_gate_conv", "read_gate_conv", "output_conv"];
            for (gate, name) in ["update", "reset", "candidate"].into_iter().zip(gates) {
                let published = |pattern: &str| format!("{prefix}{}", pattern.replace('*', name));
                // The kernel of the update gate changes its sign, its norm must not.
                let negated = gate == "update";
                mapping.copy(&published(u), &format!("{ours}spectral.{gate}.u"), 0, negated)?;
                mapping.copy(&published(v), &format!("{ours}spectral.{gate}.v"), 0, false)?;
            }
        }
        Ok(config)
    })
}

fn jhhuang96<T: Scalar>(mapping: Mapping<'_, T>, hints: &Hints) -> Result<Imported<T>> {
    cells(&JHHUANG96, mapping, hints, |mapping, [prefix, ours], core| {
        for (convolution, norm) in [("conv1.1", "gates_norm"), ("conv2.1", "candidate_norm")] {
            for (name, to) in [("weight", "scale"), ("bias", "shift")] {
                mapping.copy(
                    &format!("{prefix}{convolution}.{name}"),
                    &format!("{ours}{norm}.{to}"),
                    0,
                    false,
                )?;
            }
        }
        let hidden = core.config.hidden_channels;
        let normalization =
            Normalization::Group { gates: 2 * hidden / GROUP_CHANNELS, candidate: hidden / GROUP_CHANNELS };
        Ok(CellConfig { normalization, ..core.config })
    })
}

fn droid<T: Scalar>(mapping: Mapping<'_, T>, hints: &Hints) -> Result<Imported<T>> {
    let raft = Layout::of("raft").unwrap_or(&Layout::SEED);
    cells(raft, mapping, hints, |mapping, [prefix, ours], core| {
        let hidden = core.config.hidden_channels;
        mapping.copy(&format!("{prefix}w.weight"), &format!("{ours}global_weights"), 0, false)?;
        mapping.copy(&format!("{prefix}w.bias"), &format!("{ours}global_bias"), 0, false)?;
        for (gate, name) in ["convz_glo", "convr_glo", "convq_glo"].into_iter().enumerate() {
            let row = gate * hidden;
            mapping.copy(&format!("{prefix}{name}.weight"), &format!("{ours}context_weights"), row, false)?;
            mapping.copy(&format!("{prefix}{name}.bias"), &format!("{ours}context_bias"), row, false)?;
        }
        Ok(CellConfig { context: Context::Global, ..core.config })
    })
}

fn raft_sep<T: Scalar>(mapping: Mapping<'_, T>, hints: &Hints) -> Result<Imported<T>> {
    let raft = Layout::of("raft").unwrap_or(&Layout::SEED);
    let [published, torchvision] =
        RAFT_PASSES.map(|passes| passes.map(|tensors| Layout { tensors, ..*raft }));
    let has_modules = names(&mapping).any(|name| name.contains("convgru2."));
    let [first, second] = if has_modules { torchvision } else { published };
    cells(&first, mapping, hints, |mapping, [prefix, ours], core| {
        let again = mapping.core(&second, prefix, &format!("{ours}second."))?.config;
        if [again.in_channels, again.hidden_channels]
            != [core.config.in_channels, core.config.hidden_channels]
        {
            let reason = format!(
                "the passes of `{prefix}` read {} and {} channels",
                core.config.in_channels, again.in_channels
            );
            return invalid("second_kernel_size", reason);
        }
        Ok(CellConfig { second_kernel_size: Some(again.kernel_size), ..core.config })
    })
}

fn raft_stereo<T: Scalar>(mapping: Mapping<'_, T>, hints: &Hints) -> Result<Imported<T>> {
    let raft = Layout::of("raft").unwrap_or(&Layout::SEED);
    let levels = raft.cell_prefixes(names(&mapping)).len() > 1;
    let wiring = hints.wiring.unwrap_or(if levels { Wiring::Levels } else { Wiring::Chain });
    let hints = Hints { wiring: Some(wiring), ..hints.clone() };
    cells(raft, mapping, &hints, |_, _, core| Ok(CellConfig { context: Context::Additive, ..core.config }))
}

fn traj_gru<T: Scalar>(
    mapping: &mut Mapping<'_, T>,
    [prefix, ours]: [&str; 2],
    core: Core,
) -> Result<CellConfig> {
    let of_input = [("i2f_conv1_weight", "flow_input_weights"), ("i2f_conv1_bias", "flow_bias")];
    let others = [
        ("h2f_conv1_weight", "flow_hidden_weights"),
        ("h2f_conv1_bias", "flow_bias"),
        ("f_out_weight", "flow_weights"),
        ("f_out_bias", "flow_shift"),
    ];
    // A cell without an input lacks every kernel over it, and the biases of these kernels.
    let reads = ["i2h_weight", "i2f_conv1_weight", "i2f_conv1_bias"]
        .into_iter()
        .any(|name| mapping.find(&format!("{prefix}{name}")).is_some());
    if reads {
        mapping.get(&format!("{prefix}i2h_weight"))?;
    }
    for (published, to) in of_input.into_iter().filter(|_| reads).chain(others) {
        mapping.copy(&format!("{prefix}{published}"), &format!("{ours}{to}"), 0, false)?;
    }
    let features = mapping.get(&format!("{prefix}h2f_conv1_weight"))?.shape().first().copied();
    Ok(CellConfig {
        kind: CellKind::TrajGru,
        candidate_activation: HKO7,
        flows: core.state_columns / core.config.hidden_channels,
        flow_channels: features.unwrap_or(0),
        kernel_size: core.config.input_kernel(),
        input_kernel_size: None,
        ..core.config
    })
}

fn ballas_stacked<T: Scalar>(mapping: Mapping<'_, T>, hints: &Hints) -> Result<Imported<T>> {
    let ballas = Layout::of("ballas").unwrap_or(&Layout::SEED);
    let wiring = hints.wiring.or(Some(Wiring::GruRcn { pool: false }));
    let hints = Hints { wiring, ..hints.clone() };
    let mut below = 0;
    cells(ballas, mapping, &hints, |mapping, [prefix, ours], core| {
        let hidden = core.config.hidden_channels;
        let lower_channels = below;
        if below > 0 {
            for (gate, name) in ["W_zl", "W_rl"].into_iter().enumerate() {
                let to = format!("{ours}lower_weights");
                mapping.copy(&format!("{prefix}{name}"), &to, gate * hidden, false)?;
            }
        }
        below = hidden;
        Ok(CellConfig { lower_channels, ..core.config })
    })
}

fn firenet<T: Scalar>(mut mapping: Mapping<'_, T>, _hints: &Hints) -> Result<Imported<T>> {
    let e2vid = Layout::of("e2vid").unwrap_or(&Layout::SEED);
    let mut stages = Vec::new();
    // `net.head...`: whatever stands before the head stands before everything.
    let head = names(&mapping).find_map(|name| name.strip_suffix("head.conv.conv2d.weight"));
    let before = head.unwrap_or_default().to_owned();
    let convolution = |mapping: &mut Mapping<'_, T>, names: &[&str], stage: usize, activation| {
        let weight = mapping.get(&format!("{before}{}.weight", names[0]))?;
        let &[out_channels, in_channels, kh, kw] = weight.shape() else {
            return invalid("kernel_size", format!("`{}` has shape {:?}", names[0], weight.shape()));
        };
        let parts: &[&str] = if names.len() > 1 { &["first.", "second."] } else { &[""] };
        let bias = names.iter().any(|name| mapping.find(&format!("{before}{name}.bias")).is_some());
        for (name, part) in names.iter().zip(parts) {
            for parameter in ["weight", "bias"].into_iter().filter(|parameter| bias || *parameter == "weight")
            {
                let ours = format!("stages.{stage}.{part}{parameter}");
                mapping.copy(&format!("{before}{name}.{parameter}"), &ours, 0, false)?;
            }
        }
        let kernel_size = [kh, kw];
        Ok(ConvStageConfig { in_channels, out_channels, kernel_size, bias, activation, ..Default::default() })
    };
    let relu = Activation::Relu;
    stages.push(Stage::Convolution(convolution(&mut mapping, &["head.conv.conv2d"], 0, relu)?));
    let head = mapping.core(e2vid, &format!("{before}head.recurrent_block."), "stages.1.")?;
    stages.push(Stage::Cell(head.config));
    for block in 0.. {
        let inside = format!("resblocks.{block}.");
        let recurrent = format!("{inside}conv.");
        let within = |part: &str| mapping.find(&format!("{before}{part}conv1.weight")).is_some();
        let part = match (within(&recurrent), within(&inside)) {
            (true, _) => &recurrent,
            (false, true) => &inside,
            (false, false) => {
                // Other tensors of the block need its first convolution.
                let block = format!("{before}{inside}");
                match names(&mapping).any(|name| name.starts_with(&block)) {
                    true => &recurrent,
                    false => break,
                }
            }
        };
        let pair = [format!("{part}conv1"), format!("{part}conv2")];
        let stage = stages.len();
        let config = convolution(&mut mapping, &[&pair[0], &pair[1]], stage, relu)?;
        stages.push(Stage::Residual(config));
        if *part == recurrent {
            let prefix = format!("{before}{inside}recurrent_block.");
            let core = mapping.core(e2vid, &prefix, &format!("stages.{}.", stages.len()))?;
            stages.push(Stage::Cell(core.config));
        }
    }
    let stage = stages.len();
    stages.push(Stage::Convolution(convolution(
        &mut mapping,
        &["pred.conv2d"],
        stage,
        Activation::Identity,
    )?));
    mapping.finish(RecurrentConfig { stages, wiring: Wiring::Chain })
}
