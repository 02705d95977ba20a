//! What the axes of an array are by their names and by the attributes of their coordinates, after the CF conventions.

use super::axes::{Axes, Axis, OPTION_FOR_AXES};
use crate::dataset::gridded::{Attributes, Dimension};
use crate::printable::escaped;

/// What an axis is called where its coordinates do not tell it, in small letters.
const NAMES: [(Axis, &[&str]); 5] = [
    (
        Axis::Sequence,
        &[
            "n",
            "sample",
            "samples",
            "sequence",
            "sequences",
            "event",
            "events",
            "case",
            "batch",
            "ens",
            "member",
            "members",
        ],
    ),
    (
        Axis::Step,
        &[
            "t",
            "nt",
            "time",
            "time0",
            "times",
            "ntime",
            "ntimes",
            "time_counter",
            "timestep",
            "step",
            "steps",
            "frame",
            "frames",
            "valid_time",
            "datetime",
            "date",
        ],
    ),
    (
        Axis::Channel,
        &[
            "c",
            "channel",
            "channels",
            "band",
            "bands",
            "var",
            "vars",
            "variable",
            "variables",
            "feature",
            "features",
            "wavelength",
            "lev",
            "level",
            "levels",
            "plev",
            "pressure",
            "altitude",
            "depth",
            "z",
            "z0",
        ],
    ),
    (
        Axis::Row,
        &[
            "h",
            "y",
            "y0",
            "yc",
            "ny",
            "ydim",
            "y_dim",
            "grid_yt",
            "projection_y_coordinate",
            "lat",
            "lats",
            "nlat",
            "latitude",
            "latitudes",
            "rlat",
            "grid_latitude",
            "row",
            "rows",
            "nrow",
            "nrows",
            "nj",
            "south_north",
            "northing",
            "height",
        ],
    ),
    (
        Axis::Column,
        &[
            "w",
            "x",
            "x0",
            "xc",
            "nx",
            "xdim",
            "x_dim",
            "grid_xt",
            "projection_x_coordinate",
            "lon",
            "lons",
            "nlon",
            "longitude",
            "longitudes",
            "rlon",
            "grid_longitude",
            "col",
            "cols",
            "ncol",
            "ncols",
            "column",
            "columns",
            "ni",
            "west_east",
            "easting",
            "width",
        ],
    ),
];
/// Times counted from the beginning of a forecast.
const LEAD_TIMES: [&str; 6] =
    ["lead_time", "leadtime", "lead", "forecast_period", "prediction_timedelta", "forecast_time"];
/// Members of an ensemble and beginnings of forecasts: a sequence for each.
const OF_SEQUENCES: [&str; 5] =
    ["realization", "ensemble", "number", "forecast_reference_time", "reference_time"];

/// Parts of dates: time where nothing else is.
const PARTS_OF_DATES: [&str; 6] = ["year", "month", "day", "dayofyear", "hour", "minute"];

/// What a dimension says it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Axis(Axis),
    /// Time from the beginning of a forecast: the steps, beside which another axis of time tells sequences apart.
    LeadTime,
    /// A part of dates, such as the hour.
    PartOfDate,
    /// One place along what is no axis of frames, such as a height.
    Single,
}

/// What a file tells about the axes of an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamedAxes {
    /// What each axis is, where it is told; empty where the file names none.
    axes: Vec<Option<Axis>>,
    /// The same without what was concluded of axes of one place, which may be anything.
    certain: Vec<Option<Axis>>,
    /// The names, for messages.
    names: Vec<String>,
}

impl NamedAxes {
    /// What dimensions tell about the axes of an array of a shape.
    pub(super) fn of(dimensions: &[Option<Dimension>], shape: &[usize]) -> Self {
        if dimensions.len() != shape.len() {
            return Self::default();
        }
        let known = |(dimension, &length): (&Option<Dimension>, &usize)| {
            let dimension = dimension.as_ref()?;
            role(dimension).or((length == 1).then_some(Role::Single))
        };
        let roles: Vec<Option<Role>> = dimensions.iter().zip(shape).map(known).collect();
        let has_lead_time = roles.contains(&Some(Role::LeadTime));
        let is_time = |role: &&Option<Role>| {
            matches!(role, Some(Role::LeadTime | Role::PartOfDate | Role::Axis(Axis::Step)))
        };
        let times = roles.iter().filter(is_time).count();
        let axis = |role: &Option<Role>| match role.as_ref()? {
            Role::LeadTime => Some(Axis::Step),
            // The times at which forecasts begin.
            Role::Axis(Axis::Step) if has_lead_time => Some(Axis::Sequence),
            Role::PartOfDate if times == 1 => Some(Axis::Step),
            Role::Axis(axis) => Some(*axis),
            Role::Single | Role::PartOfDate => None,
        };
        let mut axes: Vec<Option<Axis>> = roles.iter().map(axis).collect();
        let certain = axes.clone();
        for (at, _) in roles.iter().enumerate().filter(|(_, role)| **role == Some(Role::Single)) {
            // A single place takes the part of an axis that is not there.
            let parts = [Axis::Channel, Axis::Sequence, Axis::Step];
            axes[at] = parts.into_iter().find(|part| !axes.contains(&Some(*part)));
        }
        let name =
            |dimension: &Option<Dimension>| dimension.as_ref().map_or("?".into(), |own| own.name.clone());
        Self { axes, certain, names: dimensions.iter().map(name).collect() }
    }

    /// Fails if the names contradict axes that a configuration names: the names decide. An axis of one place may be called anything, and names
    /// of which several tell the same decide nothing.
    ///
    /// # Errors
    /// The names and the axes, as the end of a sentence about the file.
    pub(super) fn expect(&self, shape: &[usize], named: &[Axis]) -> Result<(), String> {
        let is_told_once =
            |own: &Axis| self.certain.iter().filter(|other| **other == Some(*own)).count() == 1;
        let differs = |at: usize| {
            let told = self.certain[at].filter(is_told_once);
            shape[at] > 1 && told.is_some_and(|told| told != named[at])
        };
        if self.certain.len() != named.len() || !(0..named.len()).any(differs) {
            return Ok(());
        }
        let told = |(name, axis): (&String, &Option<Axis>)| match axis {
            Some(axis) => format!("{} ({})", escaped(name), axis.letter()),
            None => escaped(name).into_owned(),
        };
        let dimensions: Vec<String> = self.names.iter().zip(&self.certain).map(told).collect();
        Err(format!(
            "has the dimensions {} of shape {shape:?}, which data.frames.axes = \"{}\" contradicts (of a trained model it is that of the \
             training); leave data.frames.axes out (eval, predict and watch: --axes auto), so that the dimensions tell the axes, or rename the dimensions if their \
             names or coordinates are wrong",
            dimensions.join(", "),
            named.iter().copied().collect::<Axes>()
        ))
    }

    /// The axes of the array, of which its shape alone allows `orders`, and tells `by_shape` where there are no names.
    ///
    /// # Errors
    /// The names, as the end of a sentence about the file, if they contradict each other or the shape, or leave several orders; the error of
    /// `by_shape` if there are none.
    pub(super) fn resolved(
        &self,
        shape: &[usize],
        orders: &[Vec<Axis>],
        by_shape: impl FnOnce() -> Result<Vec<Axis>, String>,
    ) -> Result<Vec<Axis>, String> {
        let told: Vec<Axis> = self.axes.iter().flatten().copied().collect();
        let once = |axis: &Axis| told.iter().filter(|own| *own == axis).count() == 1;
        let is_image = told.contains(&Axis::Row) && told.contains(&Axis::Column);
        let contradiction = || {
            format!(
                "has the dimensions {} of shape {shape:?}, which leave open what each axis is; set data.frames.axes ({OPTION_FOR_AXES}) to a letter \
                 for each: n sequences, t frames (time), c channels, h rows, w columns",
                escaped(&self.names.join(", "))
            )
        };
        match told.len() {
            0 => by_shape(),
            _ if !told.iter().all(once) => Err(contradiction()),
            all if all == self.axes.len() && is_image => Ok(told),
            _ => {
                let agrees = |(own, may_be): (&Option<Axis>, &Axis)| own.is_none_or(|own| own == *may_be);
                let fits = |order: &&Vec<Axis>| {
                    order.len() == self.axes.len() && self.axes.iter().zip(*order).all(agrees)
                };
                // Where the shape allows several orders and two axes or more are not told, all of the orders may be wrong.
                let is_sure = orders.len() == 1 || is_image || told.len() + 1 == self.axes.len();
                match orders.iter().filter(fits).collect::<Vec<_>>()[..] {
                    [only] if is_sure => Ok(only.clone()),
                    _ => Err(contradiction()),
                }
            }
        }
    }
}

/// What a dimension is: by its coordinates, otherwise by its name.
fn role(dimension: &Dimension) -> Option<Role> {
    let names = std::iter::once(&dimension.name).chain(&dimension.other_names);
    let mut by_names = names.map(|name| by_name(&name.to_ascii_lowercase()));
    dimension.coordinates.as_ref().and_then(by_coordinates).or_else(|| by_names.find_map(|role| role))
}

/// Whether a dimension is called as time is.
pub(super) fn is_called_time(dimension: &Dimension) -> bool {
    by_name(&dimension.name.to_ascii_lowercase()) == Some(Role::Axis(Axis::Step))
}

/// What coordinates say: `axis`, `standard_name`, then `units` and `positive` (CF conventions, chapter 4).
fn by_coordinates(coordinates: &Attributes) -> Option<Role> {
    let text = |name| coordinates.text(name).ok().flatten().map(|text| text.to_ascii_lowercase());
    let (axis, standard_name, units) = (text("axis"), text("standard_name"), text("units"));
    let lead = standard_name.as_deref().and_then(by_name).filter(|role| *role != Role::Axis(Axis::Channel));
    let by_axis = match axis.as_deref() {
        Some("t") => Some(Role::Axis(Axis::Step)),
        Some("y") => Some(Role::Axis(Axis::Row)),
        Some("x") => Some(Role::Axis(Axis::Column)),
        Some("z") => Some(Role::Axis(Axis::Channel)),
        Some("e") => Some(Role::Axis(Axis::Sequence)),
        _ => None,
    };
    let by_standard_name = match standard_name.as_deref() {
        Some("projection_y_coordinate" | "grid_latitude") => Some(Role::Axis(Axis::Row)),
        Some("projection_x_coordinate" | "grid_longitude") => Some(Role::Axis(Axis::Column)),
        Some("altitude" | "height" | "depth" | "air_pressure" | "model_level_number") => {
            Some(Role::Axis(Axis::Channel))
        }
        _ => lead,
    };
    let by_units = match units.as_deref() {
        Some(units) if units.contains(" since ") => Some(Role::Axis(Axis::Step)),
        Some("degrees_north" | "degree_north" | "degrees_n") => Some(Role::Axis(Axis::Row)),
        Some("degrees_east" | "degree_east" | "degrees_e") => Some(Role::Axis(Axis::Column)),
        // Vertical coordinates have a unit of pressure or say which direction is up.
        Some("pa" | "hpa" | "mb" | "mbar" | "millibar" | "millibars" | "dbar" | "bar") => {
            Some(Role::Axis(Axis::Channel))
        }
        _ if text("positive").is_some() => Some(Role::Axis(Axis::Channel)),
        _ => None,
    };
    // A standard name tells lead times and beginnings of forecasts apart, which the letter of an axis does not.
    match by_standard_name {
        Some(role @ (Role::LeadTime | Role::Axis(Axis::Sequence))) => Some(role),
        _ => by_axis.or(by_standard_name).or(by_units),
    }
}

fn by_name(name: &str) -> Option<Role> {
    if LEAD_TIMES.contains(&name) {
        return Some(Role::LeadTime);
    }
    if OF_SEQUENCES.contains(&name) {
        return Some(Role::Axis(Axis::Sequence));
    }
    if PARTS_OF_DATES.contains(&name) {
        return Some(Role::PartOfDate);
    }
    NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(axis, _)| Role::Axis(*axis))
}

#[cfg(test)]
mod tests;
