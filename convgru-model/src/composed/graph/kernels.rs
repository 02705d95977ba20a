//! The parameters of a network, and their kernels packed.

use std::collections::HashMap;
use std::ops::Range;

use convgru_kernels::Scalar;
use convgru_kernels::conv::PackedWeights;

use super::op::{Op, Operands};
use crate::error::Result;
use crate::tensor::Tensor;

/// Parameters, whose kernels are packed once and used for many steps.
#[derive(Debug)]
pub(super) struct Kernels<'p, T> {
    pub(super) parameters: &'p [(String, Tensor<T>)],
    /// By the place of the parameter and its rows.
    packed: HashMap<(usize, Range<usize>), PackedWeights<'p, T>>,
}

impl<'p, T: Scalar> Kernels<'p, T> {
    pub(super) fn new(parameters: &'p [(String, Tensor<T>)]) -> Self {
        Self { parameters, packed: HashMap::new() }
    }

    /// Packs what an operation convolves with, if that is the parameter at a place.
    pub(super) fn pack(&mut self, op: &Op, kernel: Option<usize>) -> Result<()> {
        if let (Op::Convolve(convolution), Some(index)) = (op, kernel) {
            let key = (index, convolution.rows.clone());
            if !self.packed.contains_key(&key)
                && let Some(packed) = convolution.pack(&self.parameters[index].1)?
            {
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
