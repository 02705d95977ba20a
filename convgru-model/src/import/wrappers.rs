//! Modules that training wraps around others, whose names stand within the names of tensors.

use std::collections::HashMap;

use crate::tensor::Tensor;

/// The modules of `torch.compile`, of FSDP, of recomputed activations, and of Lightning Fabric.
const WRAPPERS: [&str; 4] =
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

/// The module of `DataParallel` and `DistributedDataParallel`.
const PARALLEL: &str = "module";

/// How names of FSDP's flattened parameters end.
const FLAT: &str = "flat_param";

/// Why a flattened parameter is left out.
pub(super) const FLATTENED: &str =
    "it is a flattened parameter of FSDP; save the model with StateDictType.FULL_STATE_DICT";

/// Tensors under names without wrappers.
pub(super) struct Unwrapped<T> {
    pub(super) tensors: Vec<(String, Tensor<T>)>,
    /// The name in the file of each tensor that has another here.
    given: HashMap<String, String>,
}

/// Takes the wrappers out of all names. Tensors whose names would then be the same keep theirs.
pub(super) fn unwrapped<T>(tensors: Vec<(String, Tensor<T>)>) -> Unwrapped<T> {
    let names = names(&tensors);
    let mut given = HashMap::new();
    let rename = |((name, tensor), plain): ((String, Tensor<T>), String)| {
        if plain != name {
            given.insert(plain.clone(), name);
        }
        (plain, tensor)
    };
    let tensors = tensors.into_iter().zip(names).map(rename).collect();
    Unwrapped { tensors, given }
}

/// The names of tensors without wrappers, but for those that would then be the same.
pub(crate) fn names<T>(tensors: &[(String, Tensor<T>)]) -> Vec<String> {
    let mut count: HashMap<String, usize> = HashMap::new();
    for (name, _) in tensors {
        *count.entry(plain(name)).or_default() += 1;
    }
    let shortened = |(name, _): &(String, Tensor<T>)| {
        let plain = plain(name);
        if count[&plain] > 1 { name.clone() } else { plain }
    };
    tensors.iter().map(shortened).collect()
}

impl<T> Unwrapped<T> {
    /// The names of the file in the place of names without wrappers.
    pub(super) fn restorer(&self) -> impl Fn(&mut String) + use<T> {
        let given = self.given.clone();
        move |name| {
            if let Some(own) = given.get(name) {
                name.clone_from(own);
            }
        }
    }
}

/// Whether a name belongs to a flattened parameter.
pub(super) fn is_flat(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.trim_start_matches('_') == FLAT)
}

/// A name without wrappers. `module` before everything is a beginning like any other and stays.
fn plain(name: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in name.split('.') {
        let is_parallel =
            part == PARALLEL && kept.last().is_some_and(|before| !before.ends_with("state_dict"));
        if !is_parallel && !WRAPPERS.contains(&part) {
            kept.push(part);
        }
    }
    kept.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_leave_names_wherever_they_stand() {
        for (name, without) in [
            ("_orig_mod.module.cell.convz.weight", "module.cell.convz.weight"),
            ("state_dict.module.cell.convz.weight", "state_dict.module.cell.convz.weight"),
            (
                "module.net.module.cell.convz._checkpoint_wrapped_module.weight",
                "module.net.cell.convz.weight",
            ),
            ("_fsdp_wrapped_module.net.0._fsdp_wrapped_module.convz.weight", "net.0.convz.weight"),
            ("net.modules.convz.weight", "net.modules.convz.weight"),
        ] {
            assert_eq!(plain(name), without);
        }
    }

    #[test]
    fn tensors_keep_their_names_where_two_would_be_the_same() {
        let one = |name: &str| (name.to_owned(), Tensor::<f32>::zeros(&[1]));
        let found = unwrapped(vec![one("a.w"), one("a._orig_mod.w"), one("b.module.w")]);
        let names: Vec<&str> = found.tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.w", "a._orig_mod.w", "b.w"]);
        let mut name = "b.w".to_owned();
        found.restorer()(&mut name);
        assert_eq!(name, "b.module.w");
        assert!(is_flat("net._flat_param") && is_flat("flat_param") && !is_flat("net.flat_params"));
    }
}
