//! The cells of a layout, as most systems have them.

use convgru_kernels::Scalar;

use super::imported::{Hints, Imported};
use super::mapping::{Core, Mapping};
use crate::composed::{CellConfig, RecurrentConfig};
use crate::error::Result;
use crate::import::layout::Layout;

/// The names of all tensors.
pub(super) fn names<'t, T: Scalar>(mapping: &Mapping<'t, T>) -> impl Iterator<Item = &'t str> {
    mapping.tensors.iter().map(|(name, _)| name.as_str())
}

/// All cells of a layout, each finished by `finish`, which is given the beginnings of published names and of ours.
pub(super) fn cells<T: Scalar>(
    layout: &Layout,
    mut mapping: Mapping<'_, T>,
    hints: &Hints,
    mut finish: impl FnMut(&mut Mapping<'_, T>, [&str; 2], Core) -> Result<CellConfig>,
) -> Result<Imported<T>> {
    let prefixes = layout.cell_prefixes(names(&mapping));
    if prefixes.is_empty() {
        mapping.get(&layout.weight_name("", layout.tensors[0].name))?;
    }
    let mut configs = Vec::new();
    for (index, prefix) in prefixes.iter().enumerate() {
        let ours = format!("stages.{index}.");
        let core = mapping.core(layout, prefix, &ours)?;
        let mut config = finish(&mut mapping, [prefix, &ours], core)?;
        match hints.activations[..] {
            [activation] => config.candidate_activation = activation,
            ref each => {
                config.candidate_activation = each.get(index).copied().unwrap_or(config.candidate_activation);
            }
        }
        config.dilation = hints.dilation.unwrap_or(config.dilation);
        config.input_dilation = hints.input_dilation.unwrap_or(config.input_dilation);
        config.input_stride = hints.input_stride.unwrap_or(config.input_stride);
        config.input_padding = hints.input_padding.filter(|given| *given != config.padding_of_input());
        configs.push(config);
    }
    let wiring = hints.wiring.unwrap_or_default();
    mapping.finish(RecurrentConfig { wiring, ..RecurrentConfig::chain(configs) })
}
