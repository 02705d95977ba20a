//! What stands for the reader of HDF5 in a program that was built without it: files are refused when they are opened.

use std::convert::Infallible;
use std::path::Path;

use super::{NumberType, VariableInfo};
use crate::dataset::Attribute;
use crate::dataset::source::VisitBlock;
use crate::{Error, ReadBudget, Result};

/// A file of HDF5; there is none.
pub(in crate::dataset) struct GriddedFile(Infallible);

/// The attributes of a group or dataset; there are none.
pub(in crate::dataset) struct Attributes(Infallible);

/// An axis with a name; there is none.
pub(in crate::dataset) struct Dimension {
    pub(in crate::dataset) name: String,
    pub(in crate::dataset) other_names: Vec<String>,
    pub(in crate::dataset) variable: Option<String>,
    pub(in crate::dataset) coordinates: Option<Attributes>,
}

/// A dataset of numbers; there is none.
pub(in crate::dataset) struct Variable(Infallible);

impl GriddedFile {
    pub(in crate::dataset) fn variable_attributes(&self, _path: &str) -> Option<Attributes> {
        match self.0 {}
    }

    /// Refuses a file.
    ///
    /// # Errors
    /// [`Error::Format`] with how to build a program that reads it.
    pub(in crate::dataset) fn open(path: &Path, _budget: &ReadBudget) -> Result<Self> {
        if super::is_store(path) {
            return Err(Error::Format { path: path.into(), reason: super::stores::WITHOUT.into() });
        }
        let reason =
            "is HDF5 or netCDF, which this program was built without; build it with `--features hdf5`";
        Err(Error::Format { path: path.into(), reason: reason.into() })
    }

    pub(in crate::dataset) fn path(&self) -> &Path {
        match self.0 {}
    }

    pub(in crate::dataset) fn is_netcdf(&self) -> Result<bool> {
        match self.0 {}
    }

    pub(in crate::dataset) fn attributes(&self, _group: &str) -> Result<Option<Attributes>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn groups(&self, _group: &str) -> Result<Vec<String>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn has(&self, _path: &str) -> Result<bool> {
        match self.0 {}
    }

    pub(in crate::dataset) fn datasets(&self) -> Result<Vec<VariableInfo>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn readable_and_other_datasets(&self) -> Result<Vec<VariableInfo>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn texts(&self, _path: &str, _length: usize) -> Option<Vec<String>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn variable(&self, _path: &str) -> Result<Variable> {
        match self.0 {}
    }
}

impl Attributes {
    pub(in crate::dataset) fn readable(&self) -> Vec<Attribute> {
        match self.0 {}
    }

    pub(in crate::dataset) fn text(&self, _name: &str) -> Result<Option<String>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn numbers(&self, _name: &str) -> Result<Vec<f64>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn numbers_or_texts(&self, _name: &str) -> Result<Vec<f64>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn is_wider(&self, _name: &str, _than: NumberType) -> bool {
        match self.0 {}
    }

    pub(in crate::dataset) fn only_number(&self, _name: &str) -> Result<Option<f64>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn number(&self, _name: &str) -> Result<Option<f64>> {
        match self.0 {}
    }
}

impl Variable {
    pub(in crate::dataset) fn shape(&self) -> &[usize] {
        match self.0 {}
    }

    pub(in crate::dataset) fn dimensions(&self) -> &[Option<Dimension>] {
        match self.0 {}
    }

    pub(in crate::dataset) fn kind(&self) -> NumberType {
        match self.0 {}
    }

    pub(in crate::dataset) fn attributes(&self) -> Attributes {
        match self.0 {}
    }

    pub(in crate::dataset) fn numbers(&self) -> Result<Vec<f64>> {
        match self.0 {}
    }

    pub(in crate::dataset) fn working(&self, _leading: usize) -> u64 {
        match self.0 {}
    }

    pub(in crate::dataset) fn frames(
        &self,
        _leading: usize,
        _wanted: impl Iterator<Item = usize>,
        _visit: VisitBlock<'_>,
    ) -> Result<()> {
        match self.0 {}
    }

    pub(in crate::dataset) fn frames_within(
        &self,
        _leading: usize,
        _within: &[std::ops::Range<usize>],
        _wanted: impl Iterator<Item = usize>,
        _visit: VisitBlock<'_>,
    ) -> Result<()> {
        match self.0 {}
    }
}
