//! What the variable of a forecast is called, and its unit.

use super::Forecast;
use crate::dataset::{Attribute, are_same, text_of};

/// Names that coordinates of a forecast have.
pub(super) const OF_COORDINATES: [&str; 6] =
    ["time", "lead_time", "forecast_reference_time", "realization", "channel", "crs"];

impl Forecast {
    /// The name of the variable: its name in the file that was read, otherwise the name of the quantity.
    pub fn name(&self) -> String {
        let name = match self.description.name.as_str() {
            "" => &self.quantity.name,
            name => name,
        };
        let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
        let mut name: String = name.chars().map(allowed).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "data_");
        }
        let georeference = &self.description.georeference;
        let coordinates =
            [&georeference.rows, &georeference.columns].into_iter().flatten().chain(&georeference.pixels);
        let is_taken = OF_COORDINATES.contains(&name.as_str())
            || ["x", "y"].contains(&name.as_str())
            || georeference.mapping.as_ref().is_some_and(|mapping| mapping.name == name)
            || coordinates.into_iter().any(|own| own.name == name);
        if is_taken { format!("{name}_forecast") } else { name }
    }

    /// The unit: the unit of the configuration, otherwise of the file that was read; `1` where none is told.
    pub fn unit(&self) -> &str {
        let of_file = text_of(&self.description.attributes, "units").unwrap_or_default();
        match (self.quantity.unit.as_str(), of_file) {
            ("", "") => "1",
            ("", unit) => unit,
            (unit, _) => unit,
        }
    }

    /// Names of the input and the unit as attributes. Readers ask for a name for people: without any it is the name of the variable.
    pub(super) fn names(&self) -> Vec<Attribute> {
        let of_file = |name| text_of(&self.description.attributes, name).filter(|text| !text.is_empty());
        // A standard name says which units a number may have.
        let is_unit_of_file = of_file("units").is_none_or(|unit| are_same(unit, self.unit()));
        let standard_name = of_file("standard_name");
        // Amounts and fluxes of rain become rain rates.
        let is_rain =
            self.quantity.is_rain() && standard_name.is_some_and(|name| name.starts_with("rainfall_"));
        let standard_name = match is_unit_of_file {
            true => standard_name,
            false => is_rain.then_some("rainfall_rate"),
        };
        let own_name = self.name().replace('_', " ");
        let own_name = standard_name.is_none().then_some(own_name.as_str());
        let names = [
            ("standard_name", standard_name),
            ("long_name", of_file("long_name").filter(|_| !is_rain || is_unit_of_file).or(own_name)),
            ("units", Some(self.unit())),
        ];
        names.into_iter().filter_map(|(name, text)| Some(Attribute::text(name, text?))).collect()
    }
}
