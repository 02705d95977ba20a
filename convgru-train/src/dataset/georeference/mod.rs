//! Where the pixels of frames lie on the earth, as files tell it and as the CF conventions write it.
//!
//! netCDF and HDF5 tell it by coordinates and a grid mapping ([`netcdf`]), radar composites by a projection and corners
//! ([`radar`], [`fmi`]). [`projection`] has the projections.

mod attribute;
mod fmi;
mod netcdf;
mod projection;
mod radar;
#[cfg(test)]
mod tests;

pub use attribute::{Attribute, AttributeValue};
pub(crate) use attribute::{FULL_SCALE_RANGE, text_of};
pub(in crate::dataset) use fmi::of_comments;
pub(crate) use netcdf::text_of_file;
pub(in crate::dataset) use netcdf::{Place, described};
pub(in crate::dataset) use radar::{of_knmi, of_odim};

/// The weights of old pixels along an axis in each new one.
pub(in crate::dataset) type Weights = [Vec<(usize, f64)>];

/// Where the pixels of frames lie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Georeference {
    /// The projection, if the frames have one and it is known.
    pub mapping: Option<GridMapping>,
    /// The coordinate of the rows, `[H]`.
    pub rows: Option<Coordinate>,
    /// The coordinate of the columns, `[W]`.
    pub columns: Option<Coordinate>,
    /// Coordinates of each pixel, `[H, W]`, such as latitude and longitude.
    pub pixels: Vec<Coordinate>,
}

/// A projection, or the figure of the earth, as a variable without numbers (CF conventions, section 5.6).
#[derive(Clone, Debug, PartialEq)]
pub struct GridMapping {
    /// The name of the variable.
    pub name: String,
    /// What it is, such as `grid_mapping_name`.
    pub attributes: Vec<Attribute>,
}

/// Numbers along an axis, or of each pixel.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate {
    /// The name of the variable.
    pub name: String,
    /// What it is, such as `standard_name` and `units`.
    pub attributes: Vec<Attribute>,
    /// Its numbers, row by row.
    pub values: Vec<f64>,
}

/// What a file says about its frames besides their numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// The name of the variable with the frames; empty where it has none.
    pub name: String,
    /// Its attributes `standard_name`, `long_name` and `units`.
    pub attributes: Vec<Attribute>,
    /// Where the pixels lie.
    pub georeference: Georeference,
    /// The attributes `institution`, `references`, `comment`, `license` and `history` of the file.
    pub file: Vec<Attribute>,
}

impl Description {
    /// Of radar images, which are rain rates in mm/h.
    pub(crate) fn of_rain_rates(georeference: Georeference) -> Self {
        let attributes = [("standard_name", "rainfall_rate"), ("long_name", "rain rate"), ("units", "mm/h")];
        Self {
            name: "rainfall_rate".into(),
            attributes: attributes.map(|(name, text)| Attribute::text(name, text)).into(),
            georeference,
            file: Vec::new(),
        }
    }

    /// The same with a `long_name` where it has none.
    pub(crate) fn with_long_name(mut self, name: &str) -> Self {
        if text_of(&self.attributes, "long_name").is_none() {
            self.attributes.push(Attribute::text("long_name", name));
        }
        self
    }

    /// The same where pixels are means over others, which `rows` and `columns` weigh.
    pub(in crate::dataset) fn averaged(self, rows: &Weights, columns: &Weights) -> Self {
        Self { georeference: self.georeference.averaged(rows, columns), ..self }
    }
}

impl Georeference {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The coordinates of pixels that are means over others, which `rows` and `columns` weigh. Coordinates of another number of pixels are left out.
    pub(in crate::dataset) fn averaged(self, rows: &Weights, columns: &Weights) -> Self {
        let [height, width] = [rows, columns].map(length);
        let along = |coordinate: Option<Coordinate>, weights: &Weights| {
            let coordinate = coordinate.filter(|own| own.values.len() == length(weights))?;
            let values = weights.iter().map(|of_one| mean(of_one, |at| coordinate.values[at])).collect();
            Some(Coordinate { values, ..coordinate })
        };
        let planes = self.pixels.into_iter().filter(|own| own.values.len() == height * width).map(|own| {
            let value = |row: usize, of_one: &[(usize, f64)]| mean(of_one, |at| own.values[row * width + at]);
            let lines = |of_row: &Vec<(usize, f64)>| -> Vec<f64> {
                columns.iter().map(|of_one| mean(of_row, |row| value(row, of_one))).collect()
            };
            let values = rows.iter().flat_map(lines).collect();
            Coordinate { values, ..own }
        });
        Self {
            mapping: self.mapping,
            rows: along(self.rows, rows),
            columns: along(self.columns, columns),
            pixels: planes.collect(),
        }
    }
}

/// The old pixels that weights are of.
fn length(weights: &Weights) -> usize {
    weights.iter().flatten().map(|(at, _)| at + 1).max().unwrap_or(0)
}

/// The mean of values at some places.
fn mean(places: &[(usize, f64)], value: impl Fn(usize) -> f64) -> f64 {
    let sum: f64 = places.iter().map(|&(at, weight)| weight * value(at)).sum();
    sum / places.iter().map(|(_, weight)| weight).sum::<f64>()
}

/// The weights of squares of `side` pixels along an axis, of which the last may be cut.
pub(in crate::dataset) fn squares(length: usize, side: usize) -> Vec<Vec<(usize, f64)>> {
    (0..length)
        .step_by(side.max(1))
        .map(|first| (first..length.min(first + side)).map(|at| (at, 1.0)).collect())
        .collect()
}
