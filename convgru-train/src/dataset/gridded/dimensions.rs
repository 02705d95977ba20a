//! The axes of a variable as the file names them: dimensions of netCDF, dimension scales and labels of HDF5.

use std::collections::HashSet;
use std::path::Path;

use hdf5_reader::reference::read_object_references;
use hdf5_reader::{Dataset, Hdf5File};
use netcdf_reader::{NcType, NcVariable};

use super::Attributes;
use super::netcdf3::Netcdf3;

/// Scales of an axis that are looked at.
const MOST_SCALES: usize = 8;
/// Groups in which a scale is looked for.
const MOST_GROUPS: usize = 1000;
/// What netCDF-4 calls the scale of a dimension without a coordinate variable: its numbers mean nothing.
const WITHOUT_VARIABLE: &str = "This is a netCDF dimension but not a netCDF variable";

/// An axis with a name.
pub(in crate::dataset) struct Dimension {
    pub(in crate::dataset) name: String,
    /// What else it is called.
    pub(in crate::dataset) other_names: Vec<String>,
    /// The path of the variable with the coordinates along it, if there is one.
    pub(in crate::dataset) variable: Option<String>,
    /// What the file says about the coordinates along it, if it has any.
    pub(in crate::dataset) coordinates: Option<Attributes>,
}

/// The dimensions of a variable of classic netCDF; each has a name.
pub(super) fn of_classic(file: &Path, name: &str, classic: &Netcdf3) -> Vec<Option<Dimension>> {
    let Ok(variable) = classic.variable(name) else { return Vec::new() };
    let dimension = |name: &String| {
        // Of texts a second axis lies along each.
        let is_text = |own: &NcVariable| own.dtype == NcType::Char && own.dimensions.len() == 2;
        let is_along = |own: &NcVariable| own.dimensions.first().is_some_and(|first| first.name == own.name);
        let is_coordinate = |own: &&NcVariable| own.dimensions.len() == 1 || is_text(own) && is_along(own);
        let coordinates = classic.variable(name).ok().filter(is_coordinate);
        let attributes = coordinates.map(|own| Attributes::new(file, name, own.attributes.iter().cloned()));
        let variable = attributes.is_some().then(|| name.clone());
        Some(Dimension { name: name.clone(), other_names: Vec::new(), variable, coordinates: attributes })
    };
    variable.dimensions.iter().map(|own| dimension(&own.name)).collect()
}

/// The dimensions of a dataset of HDF5, `None` for those without a name. What cannot be read names nothing.
pub(super) fn of_hdf5(
    file: &Path,
    path: &str,
    (whole, dataset): (&Hdf5File, &Dataset),
) -> Vec<Option<Dimension>> {
    let labels = dataset.attribute("DIMENSION_LABELS").and_then(|own| own.read_strings()).unwrap_or_default();
    let of_axis = |axis| {
        let label = labels.get(axis).filter(|label: &&String| !label.is_empty()).cloned();
        let mut scales = scales(file, path, (whole, dataset), axis);
        // Of several scales one that says what it is.
        let says = |own: &Dimension| {
            let has = |name| own.coordinates.as_ref().is_some_and(|attributes| attributes.has(name));
            ["axis", "standard_name", "units"].into_iter().any(has)
        };
        let told = scales.iter().position(says).unwrap_or(0);
        if told < scales.len() {
            let mut scale = scales.swap_remove(told);
            scale.other_names.extend(label);
            return Some(scale);
        }
        Some(Dimension { name: label?, other_names: Vec::new(), variable: None, coordinates: None })
    };
    (0..dataset.ndim()).map(of_axis).collect()
}

/// The dimension scales of an axis.
fn scales(file: &Path, path: &str, (whole, dataset): (&Hdf5File, &Dataset), axis: usize) -> Vec<Dimension> {
    let scale = |path: String| {
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        let scale = whole.dataset(&path).ok();
        if scale.as_ref().is_some_and(is_without_variable) {
            return Dimension { name, other_names: Vec::new(), variable: None, coordinates: None };
        }
        let coordinates = scale.map(|own| Attributes::new(file, &name, own.attributes()));
        let other_names =
            coordinates.as_ref().and_then(|own| own.text("NAME").ok().flatten()).into_iter().collect();
        let variable = coordinates.is_some().then_some(path);
        Dimension { name, other_names, variable, coordinates }
    };
    let addresses = references(whole, dataset, axis).unwrap_or_default();
    addresses
        .into_iter()
        .take(MOST_SCALES)
        .filter_map(|address| path_of(whole, address, path))
        .map(scale)
        .collect()
}

/// Whether a dataset stands for a dimension of netCDF-4 without a coordinate variable.
pub(super) fn is_without_variable(dataset: &Dataset) -> bool {
    let name = dataset.attribute("NAME").and_then(|own| own.read_string());
    dataset.ndim() == 1 && name.is_ok_and(|name| name.starts_with(WITHOUT_VARIABLE))
}

/// The addresses of the dimension scales of an axis.
fn references(whole: &Hdf5File, dataset: &Dataset, axis: usize) -> Option<Vec<u64>> {
    let offset = whole.root_group().ok()?.offset_size();
    // Of each axis the number of references, and where they lie: an address and an index.
    let entry = 4 + usize::from(offset) + 4;
    let list = dataset.attribute("DIMENSION_LIST").ok()?.raw_data;
    let places = dataset
        .resolve_vlen_reference_bytes(list.get(axis * entry..(axis + 1) * entry)?, usize::from(offset))
        .ok()?;
    read_object_references(&places, offset).ok()
}

/// The path of the object at an address: in the group of the dataset at a path, in those around it, or anywhere in the file.
fn path_of(whole: &Hdf5File, address: u64, path: &str) -> Option<String> {
    let mut group = path;
    while let Some(outer) =
        group.rsplit_once('/').map(|(outer, _)| outer).or((!group.is_empty()).then_some(""))
    {
        group = outer;
        let found = whole.group(group).ok().and_then(|own| own.child_name_by_address(address).ok().flatten());
        if let Some(name) = found {
            return Some(format!("{group}/{name}").trim_start_matches('/').to_owned());
        }
    }
    let mut groups = vec![(String::new(), whole.root_group().ok()?)];
    let mut seen = HashSet::from([groups[0].1.address()]);
    while let Some((prefix, group)) = groups.pop() {
        if let Ok(Some(name)) = group.child_name_by_address(address) {
            return Some(format!("{prefix}{name}"));
        }
        for inner in group.groups().unwrap_or_default() {
            // A group may be linked into itself.
            if seen.len() < MOST_GROUPS && seen.insert(inner.address()) {
                groups.push((
                    format!("{prefix}{}/", inner.name().rsplit('/').next().unwrap_or_default()),
                    inner,
                ));
            }
        }
    }
    None
}
