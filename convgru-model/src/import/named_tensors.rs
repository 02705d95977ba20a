//! Named tensors of a file, before anything is known about the model they belong to.

use crate::tensor::Tensor;

/// The tensors of a file of weights.
///
/// A name is the path through nested dictionaries and modules, joined by dots as in a `state_dict`:
/// `state_dict.module.update_block.gru.convz.weight`. The name of a file that is one tensor is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint<T = f64> {
    /// Names and tensors, in the order of the file.
    pub tensors: Vec<(String, Tensor<T>)>,
    /// What could not be read as floating point numbers: names and reasons.
    pub skipped: Vec<(String, String)>,
}

impl<T> Checkpoint<T> {
    /// Of no tensors.
    pub(super) fn empty() -> Self {
        Self { tensors: Vec::new(), skipped: Vec::new() }
    }

    /// What has names that begin with `prefix`, under the rest of these names.
    ///
    /// DetectedNetworks in `DataParallel` have `module.` before every name, training programs put a `state_dict` beside
    /// the state of their optimiser.
    ///
    /// ```
    /// use convgru_model::{Tensor, import::Checkpoint};
    ///
    /// let names = ["state_dict.module.convz.bias", "optimizer.state.0.exp_avg"];
    /// let tensors = names.map(|name| (name.to_owned(), Tensor::<f64>::zeros(&[1]))).into();
    /// let checkpoint = Checkpoint { tensors, skipped: Vec::new() }.under("state_dict.module.");
    /// assert_eq!(checkpoint.tensors[0].0, "convz.bias");
    /// assert_eq!(checkpoint.tensors.len(), 1);
    /// ```
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        fn rest<V>(prefix: &str, (name, value): (String, V)) -> Option<(String, V)> {
            name.strip_prefix(prefix).map(|rest| (rest.to_owned(), value))
        }
        Self {
            tensors: self.tensors.into_iter().filter_map(|item| rest(prefix, item)).collect(),
            skipped: self.skipped.into_iter().filter_map(|item| rest(prefix, item)).collect(),
        }
    }
}
