//! FireNet under other names: a convolution, then cells and residual blocks in turn, then a convolution of 1 x 1, whatever their modules
//! are called.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use convgru_kernels::Scalar;

use crate::import::search::expect_search;
use crate::tensor::Tensor;

/// What the gates of a cell are called.
const GATES: [&str; 3] = ["reset_gate", "update_gate", "out_gate"];

/// Tensors of the largest network that is looked for.
const MOST_TENSORS: usize = 1000;

/// The modules of a network.
#[derive(Default)]
struct Modules<'t> {
    /// Cells and residual blocks, which are called alike but for their numbers.
    cells: Vec<&'t str>,
    blocks: Vec<&'t str>,
    /// Other convolutions, with their shapes.
    convolutions: Vec<(&'t str, &'t [usize])>,
}

/// The names of the tensors behind a prefix, each with the name that FireNet has for it, if they are those of a network: two cells or
/// more, as many residual blocks, a convolution before and one of 1 x 1 after them, all of one number of channels, and nothing else beside
/// them. Biases may have any shape.
pub(super) fn found<'t, T: Scalar>(
    tensors: impl Iterator<Item = &'t (String, Tensor<T>)>,
    prefix: &str,
) -> Option<BTreeMap<String, String>> {
    let inside = |(name, _): &&(String, Tensor<T>)| name.starts_with(prefix);
    let tensors: Vec<&(String, Tensor<T>)> = tensors.filter(inside).take(MOST_TENSORS + 1).collect();
    if tensors.len() > MOST_TENSORS {
        return None;
    }
    let modules = modules(&tensors, prefix)?;
    let shape = |name: String| tensors.iter().find(|(own, _)| *own == name).map(|(_, tensor)| tensor.shape());
    let channels = shape(format!("{}{}.weight", modules.cells.first()?, GATES[0]))?.first().copied()?;
    let is_square = |shape: Option<&[usize]>| matches!(shape, Some(&[out, inside, _, _]) if [out, inside] == [channels; 2]);
    let is_cell = |cell: &&str| {
        GATES.iter().all(|gate| {
            matches!(shape(format!("{cell}{gate}.weight")), Some(&[out, inside, _, _]) if [out, inside] == [channels, 2 * channels])
        })
    };
    let is_block = |block: &&str| {
        ["conv1", "conv2"].iter().all(|part| is_square(shape(format!("{block}{part}.weight"))))
    };
    if modules.cells.len() < 2
        || modules.cells.len() != modules.blocks.len()
        || !modules.cells.iter().all(is_cell)
        || !modules.blocks.iter().all(is_block)
    {
        return None;
    }
    let [(one, one_shape), (other, other_shape)] = modules.convolutions[..] else { return None };
    let is_head = |shape: &[usize]| shape[0] == channels && shape[2..] != [1, 1];
    let is_last = |shape: &[usize]| shape[1] == channels && shape[2..] == [1, 1];
    let (head, last) = match () {
        () if is_head(one_shape) && is_last(other_shape) => (one, other),
        () if is_head(other_shape) && is_last(one_shape) => (other, one),
        () => return None,
    };
    let mut names = BTreeMap::new();
    let mut rename = |from: &str, to: &str| {
        for (name, _) in tensors.iter().filter(|(name, _)| name.starts_with(from)) {
            names.insert(name.clone(), format!("{prefix}{to}{}", &name[from.len()..]));
        }
    };
    rename(head, "head.conv.conv2d.");
    rename(last, "pred.conv2d.");
    for (at, (cell, block)) in modules.cells.iter().zip(&modules.blocks).enumerate() {
        match at {
            0 => rename(cell, "head.recurrent_block."),
            _ => rename(cell, &format!("resblocks.{}.recurrent_block.", at - 1)),
        }
        // All blocks but the last have a cell behind them.
        let inside = if at + 1 < modules.cells.len() { "conv." } else { "" };
        rename(block, &format!("resblocks.{at}.{inside}"));
    }
    Some(names)
}

/// What stands before the modules of networks that there may be, by the cells in names: the longest first, so that a network is found
/// before the one whose names begin alike. None where there are more than are looked for.
pub(super) fn prefixes<'t>(names: impl Iterator<Item = &'t str> + Clone) -> Vec<String> {
    let cells = names.clone().filter_map(|name| name.strip_suffix(".reset_gate.weight"));
    let prefixes: BTreeSet<&str> = cells.map(|cell| cell.rfind('.').map_or("", |at| &cell[..=at])).collect();
    if expect_search(prefixes.len(), names.count()).is_err() {
        return Vec::new();
    }
    let mut prefixes: Vec<String> = prefixes.into_iter().map(str::to_owned).collect();
    prefixes.sort_by_key(|prefix| Reverse(prefix.len()));
    prefixes
}

/// The modules behind a prefix, which all tensors have; `None` if something else is among them.
fn modules<'t, T: Scalar>(tensors: &[&'t (String, Tensor<T>)], prefix: &str) -> Option<Modules<'t>> {
    let mut modules = Modules::default();
    for (name, tensor) in tensors {
        let (module, parameter) = name.rsplit_once('.')?;
        let last = module.rsplit('.').next().unwrap_or(module);
        // The module of a gate, or of a convolution of a block, and the dot behind it.
        let outer = || name.get(..module.len() - last.len());
        let depth = |outer: &str| outer[prefix.len()..].matches('.').count();
        let is_gate = GATES.contains(&last);
        match (last, parameter, tensor.shape().len()) {
            (_, "weight", 4) | (_, "bias", _) if is_gate && depth(outer()?) == 1 => {
                push(&mut modules.cells, outer()?)
            }
            ("conv1" | "conv2", "weight", 4) | ("conv1" | "conv2", "bias", _) if depth(outer()?) == 1 => {
                push(&mut modules.blocks, outer()?);
            }
            (_, "weight", 4) if !is_gate => {
                modules.convolutions.push((name.get(..=module.len())?, tensor.shape()))
            }
            (_, "bias", _) if !is_gate => {}
            _ => return None,
        }
    }
    numbered(&mut modules.cells)?;
    numbered(&mut modules.blocks)?;
    Some(modules)
}

fn push<'t>(names: &mut Vec<&'t str>, name: &'t str) {
    if !names.contains(&name) {
        names.push(name);
    }
}

/// Puts names in the order of the numbers at their ends; `None` if they are not called alike, or their numbers do not follow each other.
fn numbered(names: &mut [&str]) -> Option<()> {
    let parts = |name: &str| {
        let name = name.trim_end_matches('.');
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        Some((stem.len(), name[stem.len()..].parse::<u32>().ok()?))
    };
    let (stem, _) = parts(names.first()?)?;
    let text = names.first()?[..stem].to_owned();
    let mut numbers: Vec<u32> = Vec::new();
    for name in names.iter() {
        let (own, number) = parts(name)?;
        if name[..own] != text {
            return None;
        }
        numbers.push(number);
    }
    names.sort_by_key(|name| parts(name).map(|(_, number)| number));
    numbers.sort_unstable();
    numbers.windows(2).all(|two| two[1] == two[0] + 1).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::network::{Hints, read};

    fn numbers(name: &str, shape: &[usize], first: usize) -> (String, Tensor<f32>) {
        (name.to_owned(), Tensor::from_fn(shape, |at| ((first + 5 * at) % 19) as f32 / 19.0 - 0.5))
    }

    /// A network of three channels, with `count` cells.
    fn network(count: usize) -> Vec<(String, Tensor<f32>)> {
        let mut tensors = vec![numbers("net.in.weight", &[3, 2, 3, 3], 1), numbers("net.in.bias", &[3], 2)];
        for at in 1..=count {
            for gate in GATES {
                tensors.push(numbers(&format!("net.cell{at}.{gate}.weight"), &[3, 6, 3, 3], 10 * at));
                tensors.push(numbers(&format!("net.cell{at}.{gate}.bias"), &[3], 10 * at + 1));
            }
            for part in ["conv1", "conv2"] {
                tensors.push(numbers(&format!("net.block{at}.{part}.weight"), &[3, 3, 3, 3], 10 * at + 2));
                tensors.push(numbers(&format!("net.block{at}.{part}.bias"), &[3], 10 * at + 3));
            }
        }
        tensors.push(numbers("net.out.weight", &[1, 3, 1, 1], 3));
        tensors.push(numbers("net.out.bias", &[1], 4));
        tensors
    }

    #[test]
    fn modules_of_any_name_and_order_are_a_fire_net() {
        for count in [2, 3] {
            let mut tensors = network(count);
            tensors.push(numbers("optimizer.step", &[1], 0));
            assert_eq!(prefixes(tensors.iter().map(|(name, _)| name.as_str())), ["net."]);
            let names = found(tensors.iter(), "net.").unwrap();
            assert_eq!(names.len(), tensors.len() - 1);
            tensors.sort_by(|a, b| b.0.cmp(&a.0));
            assert_eq!(found(tensors.iter(), "net.").unwrap(), names);
            let named: Vec<_> = tensors
                .iter()
                .filter_map(|(name, tensor)| Some((names.get(name)?.clone(), tensor.clone())))
                .collect();
            let read = read("firenet", &named, &Hints::default()).unwrap();
            assert_eq!((read.config.stages.len(), read.config.cells().count()), (2 + 2 * count, count));
        }
    }

    #[test]
    fn the_networks_of_a_file_are_found_one_by_one_whatever_stands_before_them() {
        let under = |prefix: &str| -> Vec<_> {
            let name = |name: String| name.replacen("net.", prefix, 1);
            network(2).into_iter().map(|(own, tensor)| (name(own), tensor)).collect()
        };
        for (one, other) in [("model.", "ema."), ("", "ema."), ("", "ema.model."), ("a.", "a.b.")] {
            let count = under(one).len();
            let found = crate::import::detect([under(one), under(other)].concat());
            let names: Vec<&str> = found.networks.iter().map(|network| network.name.as_str()).collect();
            assert_eq!((names, found.left.len(), found.incomplete.len()), (vec![one, other], 0, 0));
            for network in found.networks {
                let origin = network.origin.unwrap();
                assert_eq!((origin.system.as_str(), origin.tensors.len()), ("firenet", count));
                assert!(origin.tensors.iter().all(|tensor| tensor.name.starts_with(&network.name)));
            }
        }
    }

    #[test]
    fn tensors_of_another_shape_are_refused_by_their_names_in_the_file() {
        for (place, shape, needed) in [
            ("net.in.bias", &[2][..], "[3]"),
            ("net.block1.conv1.bias", &[4], "[3]"),
            ("net.block2.conv2.bias", &[3, 1], "[3]"),
            ("net.block2.conv2.weight", &[3, 3, 3, 1], "[3, 3, 3, 3]"),
            ("net.cell2.out_gate.bias", &[1], "[3]"),
        ] {
            let mut tensors = network(2);
            tensors.iter_mut().find(|(name, _)| name == place).unwrap().1 = Tensor::zeros(shape);
            let found = crate::import::detect(tensors);
            let reason = &found.incomplete[0].reason;
            let words = format!("{place}: shape {shape:?} where {needed} is needed");
            assert!(found.incomplete[0].cells == ["net."] && reason.contains(&words), "{place}: {reason}");
        }
        let lacking = network(2).into_iter().filter(|(name, _)| name != "net.block2.conv2.bias").collect();
        let reason = &crate::import::detect::<f32>(lacking).incomplete[0].reason;
        assert!(reason.contains("no tensor `net.block2.conv2.bias`; they hold: net."), "{reason}");
    }

    #[test]
    fn what_has_more_or_less_is_none() {
        type Change = fn(&mut Vec<(String, Tensor<f32>)>);
        let changes: [Change; 7] = [
            |tensors| tensors.retain(|(name, _)| !name.starts_with("net.block2")),
            |tensors| tensors.retain(|(name, _)| !name.starts_with("net.out")),
            |tensors| tensors.retain(|(name, _)| !name.starts_with("net.cell1.out_gate")),
            |tensors| tensors.push(numbers("net.norm.weight", &[3], 0)),
            |tensors| tensors.push(numbers("net.skip.weight", &[3, 3, 3, 3], 0)),
            |tensors| tensors[0] = numbers("net.in.weight", &[4, 2, 3, 3], 0),
            |tensors| {
                for (name, _) in tensors.iter_mut() {
                    *name = name.replace("cell2", "cell3");
                }
            },
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut tensors = network(2);
            change(&mut tensors);
            assert!(found(tensors.iter(), "net.").is_none(), "change {at}");
        }
    }
}
