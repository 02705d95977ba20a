//! The axes of a variable as the file names them: dimensions of netCDF, dimension scales and labels of HDF5.

use std::path::Path;

use hdf5_reader::reference::read_object_references;
use hdf5_reader::{Dataset, Hdf5File};

use super::Attributes;
use super::netcdf3::Netcdf3;

/// An axis with a name.
pub(in crate::dataset) struct Dimension {
    pub(in crate::dataset) name: String,
    /// The path of the variable with the coordinates along it, if there is one.
    pub(in crate::dataset) variable: Option<String>,
    /// What the file says about the coordinates along it, if it has any.
    pub(in crate::dataset) coordinates: Option<Attributes>,
}

/// The dimensions of a variable of classic netCDF; each has a name.
pub(super) fn of_classic(file: &Path, name: &str, classic: &Netcdf3) -> Vec<Option<Dimension>> {
    let Ok(variable) = classic.variable(name) else { return Vec::new() };
    let dimension = |name: &String| {
        let coordinates = classic.variable(name).ok().filter(|own| own.dimensions.len() == 1);
        let attributes = coordinates.map(|own| Attributes::new(file, name, own.attributes.iter().cloned()));
        let variable = attributes.is_some().then(|| name.clone());
        Some(Dimension { name: name.clone(), variable, coordinates: attributes })
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
    (0..dataset.ndim())
        .map(|axis| {
            let label = || {
                let name = labels.get(axis).filter(|label| !label.is_empty())?;
                Some(Dimension { name: name.clone(), variable: None, coordinates: None })
            };
            scale(file, path, (whole, dataset), axis).or_else(label)
        })
        .collect()
}

/// The first dimension scale of an axis.
fn scale(file: &Path, path: &str, (whole, dataset): (&Hdf5File, &Dataset), axis: usize) -> Option<Dimension> {
    let root = whole.root_group().ok()?;
    let offset = root.offset_size();
    // Of each axis the number of references, and where they lie: an address and an index.
    let entry = 4 + usize::from(offset) + 4;
    let list = dataset.attribute("DIMENSION_LIST").ok()?.raw_data;
    let places = dataset
        .resolve_vlen_reference_bytes(list.get(axis * entry..(axis + 1) * entry)?, usize::from(offset))
        .ok()?;
    let address = *read_object_references(&places, offset).ok()?.first()?;
    // Scales lie in the group of the dataset or in those around it.
    let mut group = path.rsplit_once('/').map_or("", |(group, _)| group);
    loop {
        let found = whole.group(group).ok().and_then(|own| own.child_name_by_address(address).ok().flatten());
        if let Some(name) = found {
            let path = format!("{group}/{name}").trim_start_matches('/').to_owned();
            let scale = whole.dataset(&path).ok();
            let coordinates = scale.map(|own| Attributes::new(file, &name, own.attributes()));
            let variable = coordinates.is_some().then_some(path);
            return Some(Dimension { name, variable, coordinates });
        }
        if group.is_empty() {
            return None;
        }
        group = group.rsplit_once('/').map_or("", |(outer, _)| outer);
    }
}
