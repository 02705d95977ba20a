//! Walking over the parameters of a model, for optimisers and weight files.

use std::sync::atomic::{AtomicU64, Ordering};

use convgru_kernels::Scalar;

use crate::error::{Error, Result};
use crate::tensor::{Tensor, expect_shape};

/// Gives the tensor of a name and shape: where the weights of a network come from that are not drawn.
pub(crate) type Take<'t, T> = dyn FnMut(&str, &[usize]) -> Result<Tensor<T>> + 't;

/// A named set of tensors in a fixed order.
///
/// The gradients of a network have the names, shapes and order of its parameters.
pub trait Parameters<T: Scalar> {
    /// Calls `visit` with the name and value of every tensor.
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>));

    /// Calls `visit` with the name and value of every tensor, to be changed.
    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>));

    /// The number of numbers in all tensors together.
    fn count(&self) -> usize {
        let mut count = 0;
        self.for_each(&mut |_, tensor| count += tensor.len());
        count
    }

    /// Sets every number of every tensor to zero.
    fn zero(&mut self) {
        self.for_each_mut(&mut |_, tensor| tensor.fill(T::ZERO));
    }

    /// A set of the same names and shapes, all zeros: where gradients gather.
    fn zeros_like(&self) -> Self
    where
        Self: Sized + Clone,
    {
        let mut zeros = self.clone();
        zeros.zero();
        zeros
    }

    /// Copies of all tensors with their names, in order.
    fn to_named(&self) -> Vec<(String, Tensor<T>)> {
        let mut named = Vec::new();
        self.for_each(&mut |name, tensor| named.push((name.to_owned(), tensor.clone())));
        named
    }
}

/// Fails unless `gradients` has the tensors of `parameters`, by name and shape and in their order: gradients are written
/// by place.
pub(crate) fn expect_gradients<T: Scalar, P: Parameters<T>>(parameters: &P, gradients: &P) -> Result<()> {
    let shapes = |tensors: &P| {
        let mut shapes = Vec::new();
        tensors.for_each(&mut |name, tensor| shapes.push((name.to_owned(), tensor.shape().to_vec())));
        shapes
    };
    let (expected, given) = (shapes(parameters), shapes(gradients));
    for (name, shape) in &expected {
        let got = given.iter().find(|(other, _)| other == name).map_or(&[][..], |(_, shape)| shape);
        expect_shape(&format!("gradient of {name}"), got, shape)?;
    }
    let names = |tensors: &[(String, Vec<usize>)]| tensors.iter().map(|(name, _)| name.clone()).collect();
    expect_names("gradients", names(&expected), names(&given))
}

/// Fails unless tensors have these names in this order.
pub(crate) fn expect_names(what: &str, expected: Vec<String>, given: Vec<String>) -> Result<()> {
    let (needed, got) = (expected.len(), given.len());
    if needed != got {
        return Err(Error::Count { what: format!("tensors of {what}"), expected: needed, got });
    }
    let differs = |(_, (expected, got)): &(usize, (String, String))| expected != got;
    match expected.into_iter().zip(given).enumerate().find(differs) {
        Some((place, (expected, got))) => {
            Err(Error::TensorOrder { what: what.to_owned(), place, expected, got })
        }
        None => Ok(()),
    }
}

/// Which network's weights these are, as they are: it changes when they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// One that nothing else has.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Fails unless what a forward pass kept has the stamp of the network.
    pub(crate) fn expect(self, workspace: Self) -> Result<()> {
        if self == workspace {
            return Ok(());
        }
        let reason = "another network made it, or the weights were given out to be changed since; run the forward \
                      pass again";
        Err(Error::Workspace { reason: reason.into() })
    }
}
