//! Between tensors one after the other, as checks have them, and parameters with names.

use convgru_kernels::reference::Number;

use crate::parameters::Parameters;
use crate::reference::{Array, NamedArrays};
use crate::tensor::Tensor;

/// Sets parameters, or gradients, to tensors in their order.
pub(super) fn set(parameters: &mut dyn Parameters<f64>, tensors: &[Tensor<f64>]) {
    let mut given = tensors.iter();
    parameters.for_each_mut(&mut |_, parameter| {
        if let Some(tensor) = given.next() {
            parameter.clone_from(tensor);
        }
    });
}

/// Numbers with the names of tensors.
pub(super) fn named<N: Number>(tensors: &[(String, Tensor<f64>)], values: &[Array<N>]) -> NamedArrays<N> {
    let names = tensors.iter().map(|(name, _)| name.clone());
    NamedArrays::new(names.zip(values.iter().cloned()).collect())
}
