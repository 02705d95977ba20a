//! What the numbers of a message are: a parameter at a level.

use super::message::{signed, word4};

/// A parameter at a level.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Field {
    /// Discipline, category and number (tables 0.0, 4.1 and 4.2).
    pub(super) parameter: [u8; 3],
    /// The type of the level (table 4.5), and its value as it is written: a power of ten, and a number.
    level: (u8, i8, i32),
}

/// Names, standard names (CF conventions) and units of parameters that are used most.
const KNOWN: [([u8; 3], &str, &str, &str); 22] = [
    ([0, 0, 0], "TMP", "air_temperature", "K"),
    ([0, 0, 6], "DPT", "dew_point_temperature", "K"),
    ([0, 1, 0], "SPFH", "specific_humidity", "kg kg-1"),
    ([0, 1, 1], "RH", "relative_humidity", "%"),
    ([0, 1, 3], "PWAT", "atmosphere_mass_content_of_water_vapor", "kg m-2"),
    ([0, 1, 7], "PRATE", "precipitation_flux", "kg m-2 s-1"),
    ([0, 1, 8], "APCP", "precipitation_amount", "kg m-2"),
    ([0, 1, 52], "TPRATE", "precipitation_flux", "kg m-2 s-1"),
    ([0, 2, 0], "WDIR", "wind_from_direction", "degree"),
    ([0, 2, 1], "WIND", "wind_speed", "m s-1"),
    ([0, 2, 2], "UGRD", "eastward_wind", "m s-1"),
    ([0, 2, 3], "VGRD", "northward_wind", "m s-1"),
    ([0, 2, 22], "GUST", "wind_speed_of_gust", "m s-1"),
    ([0, 3, 0], "PRES", "air_pressure", "Pa"),
    ([0, 3, 1], "PRMSL", "air_pressure_at_mean_sea_level", "Pa"),
    ([0, 3, 5], "HGT", "geopotential_height", "gpm"),
    ([0, 6, 1], "TCDC", "cloud_area_fraction", "%"),
    ([0, 16, 4], "REFD", "equivalent_reflectivity_factor", "dBZ"),
    ([0, 16, 5], "REFC", "equivalent_reflectivity_factor", "dBZ"),
    ([0, 16, 195], "REFD", "equivalent_reflectivity_factor", "dBZ"),
    ([0, 16, 196], "REFC", "equivalent_reflectivity_factor", "dBZ"),
    ([0, 15, 1], "BREF", "equivalent_reflectivity_factor", "dBZ"),
];

impl Field {
    /// The field of a product, section 4.
    pub(super) fn of(discipline: u8, section: &[u8]) -> Option<Self> {
        let level = (*section.get(22)?, *section.get(23)?, word4(section, 24)?);
        let power = signed(u32::from(level.1), 8) as i8;
        Some(Self {
            parameter: [discipline, *section.get(9)?, *section.get(10)?],
            level: (level.0, power, signed(level.2, 32)),
        })
    }

    /// Its numbers in the tables, such as `0.1.8`.
    pub(super) fn numbers(&self) -> String {
        let [discipline, category, number] = self.parameter;
        format!("{discipline}.{category}.{number}")
    }

    fn known(&self) -> Option<&'static ([u8; 3], &'static str, &'static str, &'static str)> {
        KNOWN.iter().find(|(parameter, ..)| *parameter == self.parameter)
    }

    /// What it is called: by its name where that is known, otherwise by its numbers.
    pub(super) fn name(&self) -> String {
        self.known().map_or_else(|| self.numbers(), |(_, name, ..)| (*name).to_owned())
    }

    /// The standard name of the parameter, where it is known.
    pub(super) fn standard_name(&self) -> Option<&'static str> {
        self.known().map(|(_, _, standard_name, _)| *standard_name)
    }

    /// The unit of its numbers; empty where it is not known.
    pub(super) fn unit(&self) -> &'static str {
        self.known().map_or("", |(.., unit)| unit)
    }

    /// Its level, such as `103:2` for 2 m above the ground.
    pub(super) fn level(&self) -> String {
        let (kind, power, value) = self.level;
        match kind {
            255 => "none".into(),
            _ if matches!(value, i32::MIN..=-0x7fff_ffff) || power == -127 => format!("{kind}"),
            _ => format!("{kind}:{}", f64::from(value) / 10f64.powi(i32::from(power))),
        }
    }

    /// Whether a user means it by a name, a standard name or numbers, perhaps with a level behind `@`.
    pub(super) fn is_meant(&self, text: &str) -> bool {
        let (parameter, level) = text.split_once('@').map_or((text, None), |(own, level)| (own, Some(level)));
        let is_parameter = parameter == self.numbers()
            || parameter.eq_ignore_ascii_case(&self.name())
            || self.standard_name() == Some(parameter);
        is_parameter && level.is_none_or(|level| level == self.level())
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name(), self.level())?;
        if self.known().is_some() { write!(f, " ({}, {})", self.numbers(), self.unit()) } else { Ok(()) }
    }
}
