//! Where the pixels of a grid lie.

use super::message::{Grid, signed, word4};
use crate::dataset::georeference::Attribute;
use crate::dataset::{Coordinate, Georeference};

/// The template of grids of latitude and longitude.
const LATITUDE_LONGITUDE: u16 = 0;
/// A millionth of a degree, the unit of angles.
const UNIT: f64 = 1e-6;

impl Grid {
    /// Latitudes of the rows and longitudes of the columns, where the grid is one of these.
    pub(super) fn georeference(&self) -> Georeference {
        if self.template != LATITUDE_LONGITUDE {
            return Georeference::default();
        }
        let angle = |at: usize| word4(&self.section, at).map(|bits| UNIT * f64::from(signed(bits, 32)));
        // A basic angle and its subdivisions, where they are not 0 or missing, make another unit.
        let is_usual = |at: usize| matches!(word4(&self.section, at), Some(0 | u32::MAX));
        let along =
            |first: usize, last: usize, count: usize, [name, standard_name, units]: [&str; 3], turn: f64| {
                let (first, mut last) = (angle(first)?, angle(last)?);
                if turn * (last - first) < 0.0 && turn != 0.0 {
                    last += 360.0 * turn;
                }
                let step = (last - first) / (count.max(2) - 1) as f64;
                Some(Coordinate {
                    name: name.into(),
                    attributes: vec![
                        Attribute::text("standard_name", standard_name),
                        Attribute::text("units", units),
                    ],
                    values: (0..count).map(|at| first + step * at as f64).collect(),
                })
            };
        if !is_usual(38) {
            return Georeference::default();
        }
        let east = if self.from_east { -1.0 } else { 1.0 };
        Georeference {
            mapping: None,
            rows: along(46, 55, self.rows, ["latitude", "latitude", "degrees_north"], 0.0),
            columns: along(50, 59, self.columns, ["longitude", "longitude", "degrees_east"], east),
            pixels: Vec::new(),
        }
    }
}
