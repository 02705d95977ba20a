//! How a published cell keeps its weights.

use std::collections::HashSet;

use crate::config::ResetGate;

/// A gate of a cell; the values are their places among ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `z`
    Update,
    /// `r`
    Reset,
    /// `n`
    Candidate,
}

/// What the input channels of a kernel belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// First the input, then the state.
    InputState,
    /// First the state, then the input.
    StateInput,
    /// The input alone.
    Input,
    /// The state alone.
    State,
}

/// Which of the old state and the candidate the update gate weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlendConvention {
    /// `h' = (1 - z).h + z.n`, as here.
    Candidate,
    /// `h' = z.h + (1 - z).n`
    State,
}

/// A convolution of a published cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GateTensor {
    /// Its name below the name of the cell.
    pub(crate) name: &'static str,
    /// The gates whose kernels it holds, along the output channels in this order.
    pub(crate) gates: &'static [Gate],
    /// What its input channels belong to.
    pub(crate) columns: Columns,
}

/// How a published cell keeps its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The repository or paper.
    pub system: &'static str,
    /// Its convolutions; each gate is in one, or in one of the input and one of the state.
    pub(crate) tensors: &'static [GateTensor],
    /// The name of a kernel: `*` stands for the name of the convolution, `#` for the number of the layer.
    pub(crate) weight: &'static str,
    /// The name of a bias, likewise.
    pub(crate) bias: &'static str,
    /// Whether kernels of one pixel are kept as matrices.
    pub(crate) matrices: bool,
    /// Where the reset gate acts.
    pub reset: ResetGate,
    /// What the update gate weighs.
    pub(crate) blend: BlendConvention,
}

impl Layout {
    /// The layout of a system, by the name it has in docs/conventions.md.
    ///
    /// ```
    /// use convgru_model::import::layout::Layout;
    ///
    /// assert_eq!(Layout::of("raft").map(|layout| layout.system), Some("raft"));
    /// assert!(Layout::of("a system nobody knows").is_none());
    /// ```
    pub fn of(system: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|layout| layout.system == system)
    }

    /// What the names of those cells begin with whose kernels are all among `names`, numbers in their order.
    ///
    /// ```
    /// use convgru_model::import::layout::Layout;
    ///
    /// let names = ["a.gru.convz.weight", "a.gru.convr.weight", "a.gru.convq.weight", "b.convz.weight"];
    /// assert_eq!(Layout::of("raft").map(|raft| raft.cells_in(names)), Some(vec!["a.gru.".to_owned()]));
    /// ```
    pub fn cells_in<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let names: HashSet<&str> = names.into_iter().collect();
        let mut prefixes = self.prefixes(names.iter().copied());
        prefixes.retain(|prefix| {
            let of_tensor = |tensor: &GateTensor| name_of(self.weight, prefix, tensor.name);
            self.tensors.iter().all(|tensor| names.contains(of_tensor(tensor).as_str()))
        });
        prefixes
    }

    /// The name of the kernel of a convolution.
    pub(in crate::import) fn weight_name(&self, prefix: &str, convolution: &str) -> String {
        name_of(self.weight, prefix, convolution)
    }

    /// The name of the bias of a convolution.
    pub(in crate::import) fn bias_name(&self, prefix: &str, convolution: &str) -> String {
        name_of(self.bias, prefix, convolution)
    }

    /// What the names of cells begin with that have a tensor of this layout, numbers in their order.
    pub(in crate::import) fn cell_prefixes<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        self.prefixes(names)
    }

    /// Whether names have the number of their layer within, and nothing before.
    pub(super) fn is_numbered(&self) -> bool {
        self.weight.contains('#')
    }

    /// What the names of cells begin with that have a tensor of this layout, numbers in their order.
    pub(super) fn prefixes<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        let prefix =
            |name: &str| self.tensors.iter().find_map(|tensor| prefix_of(self.weight, name, tensor.name));
        let mut prefixes: Vec<String> = names.filter_map(prefix).collect();
        // Names of the same length compare as their numbers do.
        prefixes.sort_by_key(|prefix| (prefix.len(), prefix.clone()));
        prefixes.dedup();
        prefixes
    }
}

/// A name by its pattern.
pub(super) fn name_of(pattern: &str, prefix: &str, convolution: &str) -> String {
    let name = pattern.replace('*', convolution);
    if pattern.contains('#') { name.replace('#', prefix) } else { format!("{prefix}{name}") }
}

/// The inverse of [`name_of`]: the prefix or the number of the layer, if the name has the pattern.
fn prefix_of(pattern: &str, name: &str, convolution: &str) -> Option<String> {
    let pattern = pattern.replace('*', convolution);
    match pattern.split_once('#') {
        Some((before, after)) => {
            let number = name.strip_prefix(before)?.strip_suffix(after)?;
            (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| number.into())
        }
        None => {
            let prefix = name.strip_suffix(&pattern)?;
            // MXNet separates parts of names by underscores, TensorFlow by slashes.
            let ends = prefix.ends_with('.')
                || prefix.ends_with('_') && pattern.contains("h_weight")
                || prefix.ends_with('/') && pattern.contains('/');
            (prefix.is_empty() || ends).then(|| prefix.into())
        }
    }
}
