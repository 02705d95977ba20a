//! What netCDF and HDF5 tell about a variable: names, coordinates and a grid mapping (CF conventions, chapters 3 and 5).

use std::path::Path;

use super::{Attribute, Coordinate, Description, Georeference, GridMapping};
use crate::Result;
use crate::dataset::gridded::{Attributes, GriddedFile, Packing, Variable};
use crate::read_budget::{ReadBudget, bytes_of};

/// Names of coordinates that are looked at.
const MOST_COORDINATES: usize = 64;
/// What is kept of a variable.
const OF_VARIABLE: [&str; 3] = ["standard_name", "long_name", "units"];
/// What is kept of a file.
const OF_FILE: [&str; 5] = ["institution", "references", "comment", "license", "history"];
/// How coordinates are stored, and other variables that they name: coordinates are written as they are, and alone.
const OF_STORAGE: [&str; 12] = [
    "scale_factor",
    "add_offset",
    "missing_value",
    "valid_min",
    "valid_max",
    "valid_range",
    "actual_range",
    "bounds",
    "coordinates",
    "grid_mapping",
    "ancillary_variables",
    "cell_measures",
];

/// The text of an attribute of a netCDF or HDF5 file; `None` where it has none or cannot be read.
pub(crate) fn text_of_file(file: &Path, name: &str) -> Option<String> {
    const HEADER_MIB: usize = 64;
    let budget = ReadBudget::new(HEADER_MIB, "the header of a file");
    GriddedFile::open(file, &budget).ok()?.attributes("").ok()??.text(name).ok()?
}

/// A variable with frames in a file.
pub(in crate::dataset) struct Place<'a> {
    pub(in crate::dataset) file: &'a GriddedFile,
    pub(in crate::dataset) budget: &'a ReadBudget,
    /// Where it lies in the file.
    pub(in crate::dataset) path: &'a str,
    pub(in crate::dataset) variable: &'a Variable,
}

/// What a file says about a variable whose axes of rows and columns are these. What cannot be read is left out.
///
/// # Errors
/// [`Error::Memory`](crate::Error::Memory) if coordinates take more than is allowed.
pub(in crate::dataset) fn described(place: &Place<'_>, axes: [usize; 2]) -> Result<Description> {
    let own = place.variable.attributes();
    let kept = |attributes: &Attributes, names: &[&str]| -> Vec<Attribute> {
        let all = attributes.readable().into_iter();
        all.filter(|attribute| names.contains(&attribute.name.as_str())).collect()
    };
    let file = place.file.attributes("").ok().flatten().map_or(Vec::new(), |file| kept(&file, &OF_FILE));
    let mapping = own.text("grid_mapping").ok().flatten().and_then(|names| place.mapping(&names));
    let [rows, columns] = [place.along(axes[0])?, place.along(axes[1])?];
    let pixels = match own.text("coordinates").ok().flatten() {
        Some(names) => place.of_pixels(&names, axes)?,
        None => Vec::new(),
    };
    Ok(Description {
        name: place.path.rsplit('/').next().unwrap_or_default().into(),
        attributes: kept(&own, &OF_VARIABLE),
        georeference: Georeference { mapping, rows, columns, pixels },
        file,
    })
}

impl Place<'_> {
    /// The path of another variable that this one names.
    fn beside(&self, name: &str) -> String {
        self.path.rsplit_once('/').map_or(name.into(), |(group, _)| format!("{group}/{name}"))
    }

    /// The grid mapping of a name, or of the first of `crs: x y ...`.
    fn mapping(&self, names: &str) -> Option<GridMapping> {
        let name = names.split_whitespace().next()?.trim_end_matches(':');
        let attributes = self.file.variable_attributes(&self.beside(name))?;
        Some(GridMapping { name: name.into(), attributes: attributes.readable() })
    }

    /// The coordinate along an axis.
    fn along(&self, axis: usize) -> Result<Option<Coordinate>> {
        let Some(dimension) = self.variable.dimensions().get(axis).and_then(Option::as_ref) else {
            return Ok(None);
        };
        let (Some(path), Some(attributes)) = (&dimension.variable, &dimension.coordinates) else {
            return Ok(None);
        };
        let Ok(found) = self.file.variable(path) else { return Ok(None) };
        match found.shape() == [self.variable.shape()[axis]] {
            true => self.coordinate(&dimension.name, &found, attributes),
            false => Ok(None),
        }
    }

    /// The coordinates that have a number for each pixel.
    fn of_pixels(&self, names: &str, axes: [usize; 2]) -> Result<Vec<Coordinate>> {
        let shape = axes.map(|axis| self.variable.shape()[axis]);
        let mut pixels = Vec::new();
        for name in names.split_whitespace().take(MOST_COORDINATES) {
            let Ok(found) = self.file.variable(&self.beside(name)) else { continue };
            if found.shape() == shape && axes[0] < axes[1] {
                pixels.extend(self.coordinate(name, &found, &found.attributes())?);
            }
        }
        Ok(pixels)
    }

    fn coordinate(
        &self,
        name: &str,
        found: &Variable,
        attributes: &Attributes,
    ) -> Result<Option<Coordinate>> {
        let path: &Path = self.file.path();
        let _working = self.budget.work(path, found.working(0))?;
        self.budget.keep(path, bytes_of(size_of::<f64>(), found.shape()))?.stay();
        let is_netcdf = self.file.is_netcdf().unwrap_or(false);
        let Ok(packing) = Packing::of(attributes, found.kind(), is_netcdf) else { return Ok(None) };
        let Ok(stored) = found.numbers() else { return Ok(None) };
        let values: Vec<f64> = stored.into_iter().map(|number| packing.unpacked(number)).collect();
        // A coordinate has a number everywhere.
        if values.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let mut attributes = attributes.readable();
        attributes.retain(|own| !OF_STORAGE.contains(&own.name.as_str()));
        Ok(Some(Coordinate { name: name.into(), attributes, values }))
    }
}
