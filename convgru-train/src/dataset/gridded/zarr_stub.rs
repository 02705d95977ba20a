//! What stands for the reader of Zarr in a program that was built without it: stores are refused when they are opened.

use std::convert::Infallible;
use std::path::Path;

use super::stores::WITHOUT;
use super::{Attributes, Dimension, NumberType, VariableInfo};
use crate::{Error, ReadBudget, Result};

/// A store of Zarr; there is none.
pub(super) struct Zarr(Infallible);

/// An array of a store; there is none.
pub(super) struct ZarrArray(Infallible);

impl Zarr {
    /// Refuses a store.
    ///
    /// # Errors
    /// [`Error::Format`] with how to build a program that reads it.
    pub(super) fn open(path: &Path, _budget: &ReadBudget) -> Result<Self> {
        Err(Error::Format { path: path.into(), reason: WITHOUT.into() })
    }

    pub(super) fn has(&self, _path: &str) -> Result<bool> {
        match self.0 {}
    }

    pub(super) fn attributes(&self, _group: &str) -> Result<Option<Attributes>> {
        match self.0 {}
    }

    pub(super) fn groups(&self, _group: &str) -> Result<Vec<String>> {
        match self.0 {}
    }

    pub(super) fn variables(&self) -> Result<Vec<VariableInfo>> {
        match self.0 {}
    }

    pub(super) fn texts(&self, _path: &str, _length: usize, _longest: usize) -> Option<Vec<String>> {
        match self.0 {}
    }

    pub(super) fn variable(&self, _path: &str) -> Result<(ZarrArray, Attributes, Vec<Option<Dimension>>)> {
        match self.0 {}
    }
}

impl ZarrArray {
    pub(super) fn kind(&self) -> NumberType {
        match self.0 {}
    }

    pub(super) fn shape(&self) -> &[u64] {
        match self.0 {}
    }

    pub(super) fn working(&self) -> u64 {
        match self.0 {}
    }

    pub(super) fn slice(&self, _ranges: &[(usize, usize)]) -> Result<Vec<f64>> {
        match self.0 {}
    }
}
