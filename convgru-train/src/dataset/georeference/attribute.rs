//! Attributes: what a file says about a variable, by name.

/// The attribute of a variable of netCDF, HDF5 or Zarr whose numbers are shares of a full scale that their type does not tell: the numbers of
/// the values 0 and 1. Forecasts of a network that learned from whole numbers without a unit have it.
pub(crate) const FULL_SCALE_RANGE: &str = "full_scale_range";

/// A named text or list of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: AttributeValue,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// A text.
    Text(String),
    /// Numbers of 64 bits.
    Doubles(Vec<f64>),
    /// Numbers of 32 bits.
    Singles(Vec<f32>),
    /// Whole numbers.
    Integers(Vec<i32>),
}

impl Attribute {
    /// A text.
    pub fn text(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.into(), value: AttributeValue::Text(text.into()) }
    }

    /// Numbers.
    pub fn numbers(name: &str, numbers: &[f64]) -> Self {
        Self { name: name.into(), value: AttributeValue::Doubles(numbers.to_vec()) }
    }
}

/// The text of the attribute of a name, if it is one.
pub(crate) fn text_of<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|own| own.name == name).and_then(|own| match &own.value {
        AttributeValue::Text(text) => Some(text.as_str()),
        _ => None,
    })
}
