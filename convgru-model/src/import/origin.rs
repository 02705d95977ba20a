//! The layout of a network's weights in the program that it comes from.

use std::collections::HashSet;

use convgru_kernels::Scalar;
use serde::{Deserialize, Serialize};

use super::layout::detect::Direction;
use crate::tensor::Tensor;

/// The place of a network in the program that it comes from: the system, and names and shapes of the tensors.
///
/// [`export::original`](crate::export::original) writes a network back by it. Files keep it in their
/// [description](super::FileDescription).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The system, by the name it has in docs/conventions.md.
    pub system: String,
    /// The prefix of each cell's tensors, for stacks of cells: from the input up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<String>,
    /// The direction in which the network reads a sequence, where the file has cells of both directions: the other network is the
    /// stack of the other direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The tensors.
    pub tensors: Vec<OriginTensor>,
    /// Names of weights with weight norm, which the file keeps as a direction and a length. Here and in exported files they
    /// are products of both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weight_norm: Vec<String>,
    /// The second of each two biases that the system adds up, in the order of the system's tensors: our bias is the sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "decimals")]
    pub second_biases: Vec<f64>,
    /// Where the reset gate of an ONNX GRU acts: its attribute `linear_before_reset`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linear_before_reset: bool,
}

/// A tensor of the other program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OriginTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The name that the system itself has for it, where the file has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as: Option<String>,
}

impl OriginTensor {
    /// The name that the system has for it.
    pub(crate) fn system_name(&self) -> &str {
        self.known_as.as_deref().unwrap_or(&self.name)
    }
}

impl Origin {
    /// The origin of tensors under the names that the system has for them.
    pub(super) fn new<'t, T: Scalar>(
        system: &str,
        tensors: impl IntoIterator<Item = (&'t str, &'t Tensor<T>)>,
    ) -> Self {
        let tensor = |(name, tensor): (&str, &Tensor<T>)| OriginTensor {
            name: name.to_owned(),
            shape: tensor.shape().to_vec(),
            known_as: None,
        };
        Self {
            system: system.to_owned(),
            cells: Vec::new(),
            direction: None,
            tensors: tensors.into_iter().map(tensor).collect(),
            weight_norm: Vec::new(),
            second_biases: Vec::new(),
            linear_before_reset: false,
        }
    }

    /// The same with the names of a file: `own` maps a name of the system to a name of the file.
    pub(super) fn renamed(mut self, own: impl Fn(&str) -> String) -> Self {
        for tensor in &mut self.tensors {
            let known = std::mem::take(&mut tensor.name);
            tensor.name = own(&known);
            tensor.known_as = (tensor.name != known).then_some(known);
        }
        self
    }

    /// The same with the names of tensors in the file, which `restore` puts in the place of names without
    /// [wrappers](super::wrappers).
    pub(super) fn in_file(mut self, restore: &impl Fn(&mut String)) -> Self {
        for tensor in &mut self.tensors {
            let plain = tensor.name.clone();
            restore(&mut tensor.name);
            if tensor.name != plain && tensor.known_as.is_none() {
                tensor.known_as = Some(plain);
            }
        }
        self
    }

    /// The same with a note of the weights that were multiplied out.
    pub(super) fn with_weight_norm(mut self, folded: &HashSet<String>) -> Self {
        let names = self.tensors.iter().map(|tensor| &tensor.name);
        self.weight_norm = names.filter(|name| folded.contains(*name)).cloned().collect();
        self
    }
}

/// Numbers as texts, which hold every bit.
mod decimals {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(numbers: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(numbers.iter().map(f64::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let number =
            |text: &String| text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no number")));
        texts.iter().map(number).collect()
    }
}
