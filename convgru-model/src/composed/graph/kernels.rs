//! The parameters of a network, and their kernels packed.

use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

use convgru_kernels::Scalar;
use convgru_kernels::conv::PackedWeights;

use super::op::{Op, Operands};
use crate::error::Result;
use crate::tensor::Tensor;

/// The tensors of a network, by their places.
#[derive(Debug, Clone)]
pub(crate) enum Tensors<'p, T> {
    Borrowed(&'p [(String, Tensor<T>)]),
    /// Shared by everything that computes the network.
    Shared(Arc<[(String, Tensor<T>)]>),
}

impl<T> Deref for Tensors<'_, T> {
    type Target = [(String, Tensor<T>)];

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Borrowed(tensors) => tensors,
            Self::Shared(tensors) => tensors,
        }
    }
}

impl<'p, T> From<&'p [(String, Tensor<T>)]> for Tensors<'p, T> {
    fn from(tensors: &'p [(String, Tensor<T>)]) -> Self {
        Self::Borrowed(tensors)
    }
}

/// Parameters, whose kernels are packed once and used for many steps.
#[derive(Debug)]
pub(super) struct Kernels<'p, T> {
    pub(super) parameters: Tensors<'p, T>,
    /// By the place of the parameter and its rows.
    packed: HashMap<(usize, Range<usize>), PackedWeights<'p, T>>,
}

impl<'p, T: Scalar> Kernels<'p, T> {
    pub(super) fn new(parameters: impl Into<Tensors<'p, T>>) -> Self {
        Self { parameters: parameters.into(), packed: HashMap::new() }
    }

    /// Packs the kernel of a convolution, if that is the parameter at a place. Kernels of shared tensors are packed for forward
    /// passes only.
    pub(super) fn pack(&mut self, op: &Op, kernel: Option<usize>) -> Result<()> {
        if let (Op::Convolve(convolution), Some(index)) = (op, kernel) {
            let key = (index, convolution.rows.clone());
            if self.packed.contains_key(&key) {
                return Ok(());
            }
            let packed = match &self.parameters {
                Tensors::Borrowed(tensors) => convolution.pack(&tensors[index].1)?,
                Tensors::Shared(tensors) => {
                    let packed = convolution.pack(&tensors[index].1)?;
                    packed.map(PackedWeights::into_forward_only).transpose()?
                }
            };
            if let Some(packed) = packed {
                self.packed.insert(key, packed);
            }
        }
        Ok(())
    }

    /// Calls `work` with the operands of an operation; `kernel` is the place of its kernel, if that is a parameter.
    pub(super) fn with_operands<R>(
        &self,
        op: &Op,
        values: &[&Tensor<T>],
        kernel: Option<usize>,
        work: impl FnOnce(Operands<'_, '_, T>) -> Result<R>,
    ) -> Result<R> {
        match (op, kernel) {
            (Op::Convolve(convolution), Some(index)) => {
                let packed = self.packed.get(&(index, convolution.rows.clone()));
                work(Operands { values, packed })
            }
            (Op::Convolve(convolution), None) => {
                let packed = convolution.pack(values[1])?;
                work(Operands { values, packed: packed.as_ref() })
            }
            _ => work(Operands { values, packed: None }),
        }
    }
}
