//! A forecast after the CF conventions.

use std::borrow::Cow;

use super::cf::{CfDataset, CfDimension, CfValues, CfVariable};
use super::{Forecast, variable};
use crate::dataset::{Attribute, Coordinate, FULL_SCALE_RANGE};
use crate::{Error, Result};

/// The version of the conventions.
const CONVENTIONS: &str = "CF-1.8";
/// The numbers of the values 0 and 1 where the type of the data of the training tells them: 8 and 16 bits.
const OF_TYPES: [[f64; 2]; 2] = [[0.0, 255.0], [0.0, 65535.0]];
const SINCE_1970: &str = "seconds since 1970-01-01 00:00:00";

impl Forecast {
    /// The forecast as named dimensions, variables and attributes.
    ///
    /// The dimensions are `realization` (of several members), `time` (`lead_time` where the time of day is not known), `channel` (of several),
    /// and the coordinates of rows and columns.
    ///
    /// # Errors
    /// [`Error::Data`] if coordinates are not as many as rows and columns, or two variables have one name.
    pub fn dataset(&self) -> Result<CfDataset<'_>> {
        let [members, steps, channels, height, width] = self.shape();
        let georeference = &self.description.georeference;
        let along = |coordinate: &Option<Coordinate>, name: &str| {
            coordinate.as_ref().map_or(name.into(), |own| own.name.clone())
        };
        let [row, column] = [along(&georeference.rows, "y"), along(&georeference.columns, "x")];
        let mut variables = self.times_and_members();
        let step = if self.times.seconds(steps).is_some() { "time" } else { "lead_time" };
        let axes =
            [("realization", members, members > 1), (step, steps, true), ("channel", channels, channels > 1)];
        let axes = axes.into_iter().filter(|(_, _, is_there)| *is_there);
        let axes = axes
            .map(|(name, length, _)| (name.to_owned(), length))
            .chain([(row.clone(), height), (column.clone(), width)]);
        let dimensions: Vec<CfDimension> = axes.map(|(name, length)| CfDimension { name, length }).collect();
        for (coordinate, axis, name, length) in
            [(&georeference.rows, "Y", &row, height), (&georeference.columns, "X", &column, width)]
        {
            let Some(coordinate) = coordinate else { continue };
            let mut variable = of_coordinate(coordinate, vec![name.clone()], length)?;
            if !variable.attributes.iter().any(|own| own.name == "axis") {
                variable.attributes.push(Attribute::text("axis", axis));
            }
            variables.push(variable);
        }
        let mut auxiliary: Vec<String> = variables
            .iter()
            .filter(|own| own.dimensions != [own.name.as_str()])
            .map(|own| own.name.clone())
            .collect();
        for own in &georeference.pixels {
            variables.push(of_coordinate(own, vec![row.clone(), column.clone()], height * width)?);
            auxiliary.push(own.name.clone());
        }
        let mut attributes = self.names();
        // Numbers without a unit are read again as numbers of a full scale.
        let full_scale = [0.0, 1.0].map(|value| self.quantity.transform.to_units(value));
        if self.quantity.unit.is_empty() && OF_TYPES.contains(&full_scale) {
            attributes.push(Attribute::numbers(FULL_SCALE_RANGE, &full_scale));
        }
        if self.is_mean {
            attributes.push(Attribute::text("cell_methods", "realization: mean"));
        }
        if !auxiliary.is_empty() {
            attributes.push(Attribute::text("coordinates", auxiliary.join(" ")));
        }
        if let Some(mapping) = &georeference.mapping {
            attributes.push(Attribute::text("grid_mapping", &mapping.name));
            variables.push(CfVariable {
                name: mapping.name.clone(),
                dimensions: Vec::new(),
                attributes: mapping.attributes.clone(),
                values: CfValues::Integers(vec![0]),
            });
        }
        let forecast = CfVariable {
            name: self.name(),
            dimensions: dimensions.iter().map(|own| own.name.clone()).collect(),
            attributes,
            values: CfValues::Measured(Cow::Borrowed(self.values.as_slice())),
        };
        variables.insert(0, forecast);
        expect_distinct(&variables)?;
        let mut of_file = vec![Attribute::text("Conventions", CONVENTIONS)];
        of_file.extend(self.provenance.attributes(&self.description.file));
        Ok(CfDataset { dimensions, variables, attributes: of_file })
    }

    /// The coordinates of time and members.
    fn times_and_members(&self) -> Vec<CfVariable<'static>> {
        let [members, steps, ..] = self.shape();
        let of_time = |name: &str, standard_name: &str, dimension: Option<&str>, seconds: Vec<f64>| {
            let mut attributes = vec![
                Attribute::text("standard_name", standard_name),
                Attribute::text("long_name", standard_name.replace('_', " ")),
                Attribute::text("units", SINCE_1970),
                Attribute::text("calendar", "standard"),
            ];
            attributes.extend(dimension.map(|_| Attribute::text("axis", "T")));
            doubles(name, dimension, attributes, seconds)
        };
        let mut variables = Vec::new();
        if let Some(reference) = self.times.reference {
            variables.push(of_time(
                "forecast_reference_time",
                "forecast_reference_time",
                None,
                vec![reference],
            ));
        }
        let times = self.times.seconds(steps);
        let along = if times.is_some() { "time" } else { "lead_time" };
        variables.extend(times.map(|times| of_time("time", "time", Some("time"), times)));
        let (attributes, leads) = match self.times.lead_minutes(steps) {
            Some(minutes) => {
                let names = ["standard_name", "long_name", "units"].into_iter().zip([
                    "forecast_period",
                    "lead time",
                    "minutes",
                ]);
                (names.map(|(name, text)| Attribute::text(name, text)).collect(), minutes)
            }
            None => {
                let long_name = "frames after the last frame that was read";
                let attributes = vec![Attribute::text("long_name", long_name), Attribute::text("units", "1")];
                (attributes, (1..=steps).map(|lead| lead as f64).collect())
            }
        };
        variables.push(doubles("lead_time", Some(along), attributes, leads));
        if members > 1 {
            let attributes = vec![
                Attribute::text("standard_name", "realization"),
                Attribute::text("long_name", "member of the ensemble"),
                Attribute::text("units", "1"),
            ];
            variables.push(CfVariable {
                name: "realization".into(),
                dimensions: vec!["realization".into()],
                attributes,
                values: CfValues::Integers((0..members).map(|member| member as i32).collect()),
            });
        }
        variables
    }
}

fn doubles(
    name: &str,
    dimension: Option<&str>,
    attributes: Vec<Attribute>,
    values: Vec<f64>,
) -> CfVariable<'static> {
    let dimensions = dimension.map(str::to_owned).into_iter().collect();
    CfVariable { name: name.into(), dimensions, attributes, values: CfValues::Doubles(values.into()) }
}

/// A coordinate of the file that was read.
fn of_coordinate(own: &Coordinate, dimensions: Vec<String>, length: usize) -> Result<CfVariable<'_>> {
    if own.values.len() != length {
        let reason =
            format!("the coordinate {} has {} numbers where {length} are needed", own.name, own.values.len());
        return Err(Error::Data { what: "forecast".into(), reason });
    }
    let values = CfValues::Doubles(Cow::Borrowed(own.values.as_slice()));
    Ok(CfVariable { name: own.name.clone(), dimensions, attributes: own.attributes.clone(), values })
}

/// Refuses two variables of one name: a coordinate of the input may be called as one of the forecast.
fn expect_distinct(variables: &[CfVariable<'_>]) -> Result<()> {
    let twice = variables
        .iter()
        .enumerate()
        .find(|(at, own)| variables[..*at].iter().any(|other| other.name == own.name));
    let Some((_, own)) = twice else { return Ok(()) };
    let reason = format!(
        "two variables would be called {}; rename the coordinate or the grid mapping of the input that is called so ({} are names of a forecast)",
        own.name,
        variable::OF_COORDINATES.join(", ")
    );
    Err(Error::Data { what: "forecast".into(), reason })
}
