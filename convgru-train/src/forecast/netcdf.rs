//! Forecasts as netCDF-4: the numbers in chunks of a frame, shuffled and deflated.

use netcdf_writer::{DimensionId, NcFileBuilder, NcWriteFormat, NcWriteOptions, VariableId};

use netcdf_writer::NcAttrValue;

use super::{CfDataset, CfValues, CfVariable};
use crate::dataset::{Attribute, AttributeValue};
use crate::{Error, Result};

/// What marks missing numbers: the value that netCDF fills `float` with.
const FILL: f32 = 9.969_21e36;
/// Of deflate: twice as fast as the highest, and hardly larger.
const LEVEL: u8 = 4;
/// The longest side of a chunk.
const LONGEST_SIDE: usize = 1024;
/// Variables of fewer numbers are not compressed.
const FEW: usize = 1024;

/// The bytes of a file.
///
/// # Errors
/// [`Error::Data`] if the format cannot hold it.
pub(super) fn encoded(dataset: &CfDataset<'_>) -> Result<Vec<u8>> {
    let refuse = |error: netcdf_writer::Error| Error::Data {
        what: "netCDF file".into(),
        reason: format!("the format cannot hold the forecast ({error}); write a .npy file"),
    };
    build(dataset)
        .and_then(|file| file.to_vec(NcWriteOptions { format: NcWriteFormat::Nc4 }))
        .map(|(_, bytes)| bytes)
        .map_err(refuse)
}

fn build(dataset: &CfDataset<'_>) -> netcdf_writer::Result<NcFileBuilder> {
    let mut file = NcFileBuilder::new();
    for attribute in said(&dataset.attributes) {
        file.add_attribute(&attribute.name, value(attribute))?;
    }
    let mut ids: Vec<(&str, DimensionId)> = Vec::new();
    for own in &dataset.dimensions {
        ids.push((&own.name, file.add_dimension(&own.name, own.length as u64)?));
    }
    for variable in &dataset.variables {
        let of = |name: &String| ids.iter().find(|(own, _)| own == name).map(|(_, id)| *id);
        let dimensions: Vec<DimensionId> = variable.dimensions.iter().filter_map(of).collect();
        let id = add(&mut file, variable, &dimensions)?;
        let shape = dataset.shape(variable);
        let is_large = shape.iter().product::<usize>() > FEW;
        if is_large && !matches!(variable.values, CfValues::Integers(_)) {
            file.set_variable_chunking(id, chunk(&shape))?;
            file.set_variable_deflate(id, Some(LEVEL), true)?;
        }
        for attribute in said(&variable.attributes) {
            file.add_variable_attribute(id, &attribute.name, value(attribute))?;
        }
    }
    Ok(file)
}

/// Adds a variable with its numbers.
fn add(
    file: &mut NcFileBuilder,
    variable: &CfVariable<'_>,
    dimensions: &[DimensionId],
) -> netcdf_writer::Result<VariableId> {
    let name = &variable.name;
    match &variable.values {
        CfValues::Measured(values) => {
            let id = file.add_variable::<f32>(name, dimensions)?;
            file.set_variable_fill_value(id, FILL)?;
            let filled: Vec<f32> =
                values.iter().map(|&value| if value.is_nan() { FILL } else { value }).collect();
            file.write_variable(id, &filled)?;
            Ok(id)
        }
        CfValues::Doubles(values) => {
            let id = file.add_variable::<f64>(name, dimensions)?;
            file.write_variable(id, values)?;
            Ok(id)
        }
        CfValues::Integers(values) => {
            let id = file.add_variable::<i32>(name, dimensions)?;
            file.write_variable(id, values)?;
            Ok(id)
        }
    }
}

/// A frame, or a part of one that is large.
fn chunk(shape: &[usize]) -> Vec<u64> {
    let outer = shape.len().saturating_sub(2);
    let side =
        |(axis, &length): (usize, &usize)| if axis < outer { 1 } else { length.min(LONGEST_SIDE) as u64 };
    shape.iter().enumerate().map(side).collect()
}

/// Attributes that say something: the format has no empty texts.
fn said(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| match &attribute.value {
        AttributeValue::Text(text) => !text.is_empty(),
        AttributeValue::Doubles(numbers) => !numbers.is_empty(),
        AttributeValue::Singles(numbers) => !numbers.is_empty(),
        AttributeValue::Integers(numbers) => !numbers.is_empty(),
    })
}

fn value(attribute: &Attribute) -> NcAttrValue {
    match &attribute.value {
        AttributeValue::Text(text) => NcAttrValue::Chars(text.clone()),
        AttributeValue::Doubles(numbers) => NcAttrValue::Doubles(numbers.clone()),
        AttributeValue::Singles(numbers) => NcAttrValue::Floats(numbers.clone()),
        AttributeValue::Integers(numbers) => NcAttrValue::Ints(numbers.clone()),
    }
}
