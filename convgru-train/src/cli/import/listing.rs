//! What `convgru import` prints: networks, and the tensors that are left.

use std::collections::BTreeMap;

use convgru_model::composed::{Bias, RecurrentConfig};
use convgru_model::import::{Detected, Direction, Incomplete, NamedNetwork, Origin};
use convgru_model::{ForecasterConfig, NetworkDescription, RaftUpdateConfig, Scalar};

use super::super::output;

/// Names of a group that are shown before it is cut short.
pub(super) const SHOWN: usize = 4;

/// The networks with their cells, and the remaining tensors by reason.
pub(super) fn listing<T: Scalar>(found: &Detected<T>) -> String {
    let mut lines: Vec<String> = found.networks.iter().flat_map(lines_of).collect();
    if found.networks.iter().any(|named| named.network.description().recurrent().is_some()) {
        lines.push(
            "a network with other functions, dilation, stride or padding than these is read by `import::network::read` of the library, with `Hints`"
                .to_owned(),
        );
    }
    lines.extend(reasons(&found.incomplete).into_iter().map(|reason| format!("not whole: {reason}")));
    lines.extend(groups(&found.left).into_iter().map(|group| format!("left out: {group}")));
    lines.join("\n")
}

/// A network, and its cells.
fn lines_of<T: Scalar>(NamedNetwork { name, network, origin }: &NamedNetwork<T>) -> Vec<String> {
    let name = if name.is_empty() { "(no prefix)" } else { name };
    let system = origin.as_ref().map_or("an unknown system", |origin| &origin.system);
    let description = network.description();
    if let NetworkDescription::Forecaster(config) = &description {
        return vec![format!("{name}  {}", line_of_forecaster(config, system))];
    }
    if let NetworkDescription::RaftUpdate(config) = &description {
        return vec![format!("{name}  {}", line_of_update_block(config, system))];
    }
    let Some(config) = description.recurrent() else { return Vec::new() };
    let direction = match origin.as_ref().and_then(|origin| origin.direction) {
        Some(Direction::Forward) => ", from the first frame on",
        Some(Direction::Backward) => ", from the last frame back",
        None => "",
    };
    let folded = match origin.as_ref().map_or(0, |origin| origin.weight_norm.len()) {
        0 => String::new(),
        count => format!(", the weight norm of {} multiplied out", output::counted(count, "weight")),
    };
    let of = output::counted(config.cells().count(), "cell");
    let mut lines = vec![format!("{name}  {of} of {system}, a {}{direction}{folded}", description.kind())];
    for (index, cell) in config.cells().enumerate() {
        let [height, width] = cell.kernel_size;
        let second = cell.second_kernel_size.map(|[h, w]| format!(" then {h} x {w}")).unwrap_or_default();
        let over_input = match cell.input_kernel() {
            [h, w] if [h, w] != cell.kernel_size => format!(" ({h} x {w} over the input)"),
            _ => String::new(),
        };
        let dilated = match cell.dilation {
            [1, 1] => String::new(),
            [rows, columns] => format!(", dilated {rows} x {columns}"),
        };
        let bias = if cell.bias == Bias::None { "no bias" } else { "bias" };
        lines.push(format!(
            "  {}  {} -> {} channels, kernel {height} x {width}{second}{over_input}{dilated}, {bias}, reset {} the convolution",
            name_of_cell(origin.as_ref(), index),
            cell.in_channels,
            cell.hidden_channels,
            cell.reset
        ));
    }
    lines.extend(not_told(&config, system));
    lines
}

/// Facts of cells that names and shapes of weights do not tell, with the values that import takes; each set of facts once.
fn not_told(config: &RecurrentConfig, system: &str) -> Option<String> {
    let mut taken: Vec<String> = Vec::new();
    for cell in config.cells() {
        let of = |[rows, columns]: [usize; 2]| format!("{rows} x {columns}");
        let padding = cell.input_padding.map_or("same".to_owned(), of);
        let facts = format!(
            "candidate {}, gates {}, dilation {} ({} over the input), stride {}, padding of the input {padding}",
            cell.candidate_activation,
            cell.gate_activation,
            of(cell.dilation),
            of(cell.input_dilation),
            of(cell.input_stride)
        );
        if !taken.contains(&facts) {
            taken.push(facts);
        }
    }
    (!taken.is_empty())
        .then(|| format!("  not told by the file, taken as {system} has them: {}", taken.join("; ")))
}

/// The prefix of a cell's tensors, or its number if the prefix is not known.
fn name_of_cell(origin: Option<&Origin>, index: usize) -> String {
    let prefix = origin.and_then(|origin| origin.cells.get(index));
    prefix.cloned().unwrap_or_else(|| format!("cell {index}"))
}

/// A network that continues frames.
fn line_of_forecaster(config: &ForecasterConfig, system: &str) -> String {
    let kind = match config {
        ForecasterConfig::Mlcast(config) => {
            let [height, width] = config.kernel_size;
            format!("{} of {system}, kernel {height} x {width}", output::counted(config.blocks, "block"))
        }
        config => config.kind().to_owned(),
    };
    let channels = output::counted(config.image_channels(), "channel");
    format!("{kind}, frames of {channels}, {} parameters", config.parameter_count())
}

/// An update block of RAFT.
fn line_of_update_block(config: &RaftUpdateConfig, system: &str) -> String {
    let kernels: Vec<String> =
        config.cell_kernels.iter().map(|[height, width]| format!("{height} x {width}")).collect();
    let mask = match &config.mask {
        Some([_, last]) => format!("a mask of {}", output::counted(last.channels, "channel")),
        None => "no mask".to_owned(),
    };
    format!(
        "an update block of {system}, a RaftUpdateBlock: state of {}, context of {}, {}, cell of kernel {}, {mask}",
        output::counted(config.hidden_channels, "channel"),
        output::counted(config.context_channels, "channel"),
        output::counted(config.correlation_channels, "correlation"),
        kernels.join(" then ")
    )
}

/// What is not whole: cells and why.
pub(super) fn reasons(incomplete: &[Incomplete]) -> Vec<String> {
    let name = |cell: &String| if cell.is_empty() { "(no prefix)".to_owned() } else { cell.clone() };
    let line = |incomplete: &Incomplete| {
        format!("{}: {}", incomplete.cells.iter().map(name).collect::<Vec<_>>().join(", "), incomplete.reason)
    };
    incomplete.iter().map(line).collect()
}

/// Tensors that are left, by their reason, with some of their names.
pub(super) fn groups(left: &[(String, String)]) -> Vec<String> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reason) in left {
        groups.entry(reason).or_default().push(name);
    }
    let group = |(reason, names): (&str, Vec<&str>)| {
        let more = if names.len() > SHOWN { ", ..." } else { "" };
        let tensors = output::counted(names.len(), "tensor");
        format!("{tensors} ({}{more}): {reason}", names[..names.len().min(SHOWN)].join(", "))
    };
    groups.into_iter().map(group).collect()
}
