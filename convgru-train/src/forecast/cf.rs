//! A file of named dimensions, variables and attributes, as netCDF, Zarr and the CF conventions have it, of no format.

use std::borrow::Cow;

use crate::dataset::Attribute;

/// All that a file says.
#[derive(Clone, Debug, PartialEq)]
pub struct CfDataset<'a> {
    /// The dimensions.
    pub dimensions: Vec<CfDimension>,
    /// The variables: first the one with the forecast, then coordinates and the grid mapping.
    pub variables: Vec<CfVariable<'a>>,
    /// What the file says of itself.
    pub attributes: Vec<Attribute>,
}

/// A dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CfDimension {
    /// Its name.
    pub name: String,
    /// Places along it.
    pub length: usize,
}

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub struct CfVariable<'a> {
    /// Its name.
    pub name: String,
    /// The names of its dimensions, the one that varies slowest first; none of a single number.
    pub dimensions: Vec<String>,
    /// What it is.
    pub attributes: Vec<Attribute>,
    /// Its numbers.
    pub values: CfValues<'a>,
}

/// Numbers of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum CfValues<'a> {
    /// Measured numbers, NaN where there is none: formats write it as they mark missing numbers.
    Measured(Cow<'a, [f32]>),
    /// Coordinates, all of them finite.
    Doubles(Cow<'a, [f64]>),
    /// Whole numbers.
    Integers(Vec<i32>),
}

impl CfDataset<'_> {
    /// The lengths of the dimensions of a variable.
    pub fn shape(&self, variable: &CfVariable<'_>) -> Vec<usize> {
        let length =
            |name: &String| self.dimensions.iter().find(|own| own.name == *name).map_or(1, |own| own.length);
        variable.dimensions.iter().map(length).collect()
    }
}
