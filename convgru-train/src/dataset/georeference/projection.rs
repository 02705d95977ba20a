//! Projections in the words of PROJ.4, such as `+proj=stere +lat_0=90 +lon_0=25 +lat_ts=60`, or in the words of the CF conventions (appendix F).

use proj4rs::{Proj, transform};

use super::{Attribute, Coordinate, GridMapping};

/// What the variable of a projection is called.
const NAME: &str = "crs";
/// Figures of the earth: name, larger half axis in metres and the reciprocal of the flattening.
const ELLIPSOIDS: [(&str, f64, f64); 7] = [
    ("WGS84", 6_378_137.0, 298.257_223_563),
    ("GRS80", 6_378_137.0, 298.257_222_101),
    ("bessel", 6_377_397.155, 299.152_812_8),
    ("intl", 6_378_388.0, 297.0),
    ("clrk66", 6_378_206.4, 294.978_698_213_898),
    ("WGS72", 6_378_135.0, 298.26),
    ("krass", 6_378_245.0, 298.3),
];

/// A projection by its parameters.
pub(super) struct Projection {
    text: String,
    parameters: Vec<(String, String)>,
}

/// The figure of the earth, in metres.
enum Figure {
    Sphere(f64),
    Ellipsoid { major: f64, minor: f64 },
}

impl Projection {
    /// Parameters such as `+proj=laea +lat_0=55`. Half axes in km, as some services write them, are brought to metres.
    pub(super) fn of_text(text: &str) -> Self {
        let words = text.split_whitespace().filter_map(|word| word.strip_prefix('+'));
        let mut parameters: Vec<(String, String)> = words
            .map(|word| {
                word.split_once('=').map_or((word.into(), String::new()), |(a, b)| (a.into(), b.into()))
            })
            .collect();
        for (name, value) in &mut parameters {
            if ["a", "b", "R"].contains(&name.as_str())
                && let Ok(half_axis) = value.parse::<f64>()
                && half_axis > 6000.0
                && half_axis < 7000.0
            {
                *value = (half_axis * 1000.0).to_string();
            }
        }
        Self { text: text.trim().into(), parameters }
    }

    fn text_of(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// A number; angles may end with the letter of a direction.
    fn number(&self, name: &str) -> Option<f64> {
        let text = self.text_of(name)?;
        let (digits, sign) = match text.strip_suffix(['E', 'N', 'e', 'n']) {
            Some(digits) => (digits, 1.0),
            None => text.strip_suffix(['W', 'S', 'w', 's']).map_or((text, 1.0), |digits| (digits, -1.0)),
        };
        digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| sign * number)
    }

    fn or_zero(&self, name: &str) -> f64 {
        self.number(name).unwrap_or(0.0)
    }

    /// Whether its plane has degrees of longitude and latitude.
    pub(super) fn is_geographic(&self) -> bool {
        matches!(self.text_of("proj"), Some("longlat" | "latlong" | "lonlat" | "latlon"))
    }

    fn figure(&self) -> Figure {
        if let Some(radius) = self.number("R") {
            return Figure::Sphere(radius);
        }
        let ellipsoid = self.text_of("ellps").or(self.text_of("datum"));
        if let Some(major) = self.number("a") {
            let flattening = self.number("f").or(self.number("rf").map(|reciprocal| 1.0 / reciprocal));
            return match self.number("b").or(flattening.map(|flattening| major * (1.0 - flattening))) {
                Some(minor) if minor != major => Figure::Ellipsoid { major, minor },
                _ => Figure::Sphere(major),
            };
        }
        if ellipsoid == Some("sphere") {
            return Figure::Sphere(6_370_997.0);
        }
        let named = ELLIPSOIDS.iter().find(|(name, _, _)| Some(*name) == ellipsoid).unwrap_or(&ELLIPSOIDS[0]);
        Figure::Ellipsoid { major: named.1, minor: named.1 * (1.0 - 1.0 / named.2) }
    }

    /// As a variable of CF. A projection that CF does not know keeps the text alone.
    pub(super) fn mapping(&self) -> GridMapping {
        let mut attributes = self.named().unwrap_or_default();
        if !attributes.is_empty() {
            match self.figure() {
                Figure::Sphere(radius) => attributes.push(Attribute::numbers("earth_radius", &[radius])),
                Figure::Ellipsoid { major, minor } => {
                    attributes.push(Attribute::numbers("semi_major_axis", &[major]));
                    attributes.push(Attribute::numbers("semi_minor_axis", &[minor]));
                }
            }
            attributes.push(Attribute::numbers("longitude_of_prime_meridian", &[0.0]));
        }
        attributes.push(Attribute::text("proj4", &self.text));
        GridMapping { name: NAME.into(), attributes }
    }

    /// The name of the projection in CF and its parameters; `None` for one that CF does not know.
    fn named(&self) -> Option<Vec<Attribute>> {
        let one = |name: &str, number: f64| Attribute::numbers(name, &[number]);
        let origin = self.or_zero("lat_0");
        let meridian = self.or_zero("lon_0");
        let scale = self.number("k_0").or(self.number("k"));
        let (name, mut attributes) = match self.text_of("proj")? {
            _ if self.is_geographic() => {
                return Some(vec![Attribute::text("grid_mapping_name", "latitude_longitude")]);
            }
            "stere" if origin.abs() == 90.0 => {
                let scale = match (self.number("lat_ts"), scale) {
                    (Some(parallel), _) => one("standard_parallel", parallel),
                    (None, scale) => one("scale_factor_at_projection_origin", scale.unwrap_or(1.0)),
                };
                let pole = one("straight_vertical_longitude_from_pole", meridian);
                ("polar_stereographic", vec![pole, one("latitude_of_projection_origin", origin), scale])
            }
            "stere" => (
                "stereographic",
                vec![
                    one("longitude_of_projection_origin", meridian),
                    one("latitude_of_projection_origin", origin),
                    one("scale_factor_at_projection_origin", scale.unwrap_or(1.0)),
                ],
            ),
            known @ ("laea" | "aeqd") => {
                let name =
                    if known == "laea" { "lambert_azimuthal_equal_area" } else { "azimuthal_equidistant" };
                let longitude = one("longitude_of_projection_origin", meridian);
                (name, vec![longitude, one("latitude_of_projection_origin", origin)])
            }
            "lcc" => {
                let first = self.number("lat_1").unwrap_or(origin);
                let parallels = match self.number("lat_2") {
                    Some(second) if second != first => vec![first, second],
                    _ => vec![first],
                };
                let origin = self.number("lat_0").unwrap_or(first);
                (
                    "lambert_conformal_conic",
                    vec![
                        Attribute::numbers("standard_parallel", &parallels),
                        one("longitude_of_central_meridian", meridian),
                        one("latitude_of_projection_origin", origin),
                    ],
                )
            }
            "tmerc" => (
                "transverse_mercator",
                vec![
                    one("scale_factor_at_central_meridian", scale.unwrap_or(1.0)),
                    one("longitude_of_central_meridian", meridian),
                    one("latitude_of_projection_origin", origin),
                ],
            ),
            "merc" => {
                let scale = match (self.number("lat_ts"), scale) {
                    (Some(parallel), _) => one("standard_parallel", parallel),
                    (None, scale) => one("scale_factor_at_projection_origin", scale.unwrap_or(1.0)),
                };
                ("mercator", vec![one("longitude_of_projection_origin", meridian), scale])
            }
            _ => return None,
        };
        attributes.insert(0, Attribute::text("grid_mapping_name", name));
        attributes.push(one("false_easting", self.or_zero("x_0")));
        attributes.push(one("false_northing", self.or_zero("y_0")));
        Some(attributes)
    }

    /// The place in metres of a longitude and latitude in degrees; of a geographic plane these themselves. `None` for what has no place.
    pub(super) fn place(&self, [longitude, latitude]: [f64; 2]) -> Option<[f64; 2]> {
        if self.is_geographic() {
            return Some([longitude, latitude]);
        }
        // Places are in metres, whatever the unit of the plane; the figure of the earth is that of the plane.
        let is_plain = |name: &str| {
            !["units", "to_meter", "ellps", "datum", "a", "b", "R", "rf", "f", "towgs84"].contains(&name)
        };
        let figure = match self.figure() {
            Figure::Sphere(radius) => format!("+a={radius} +b={radius}"),
            Figure::Ellipsoid { major, minor } => format!("+a={major} +b={minor}"),
        };
        let words = self.parameters.iter().filter(|(name, _)| is_plain(name));
        let word = |(name, _): &(String, String)| match self.number(name) {
            Some(number) => format!("+{name}={number}"),
            None => {
                format!("+{name}={}", self.text_of(name).unwrap_or_default()).trim_end_matches('=').to_owned()
            }
        };
        let plane = words.map(word).chain([figure.clone()]).collect::<Vec<_>>().join(" ");
        let plane = Proj::from_proj_string(&plane).ok()?;
        let earth = Proj::from_proj_string(&format!("+proj=longlat {figure}")).ok()?;
        let mut point = (longitude.to_radians(), latitude.to_radians(), 0.0);
        transform::transform(&earth, &plane, &mut point).ok()?;
        (point.0.is_finite() && point.1.is_finite()).then_some([point.0, point.1])
    }

    /// The coordinates of rows and columns whose centres are these.
    pub(super) fn coordinates(&self, rows: Vec<f64>, columns: Vec<f64>) -> [Coordinate; 2] {
        let coordinate = |name: &str, standard_name: &str, units: &str, axis: &str, values| Coordinate {
            name: name.into(),
            attributes: vec![
                Attribute::text("standard_name", standard_name),
                Attribute::text("long_name", standard_name.replace('_', " ")),
                Attribute::text("units", units),
                Attribute::text("axis", axis),
            ],
            values,
        };
        if self.is_geographic() {
            return [
                coordinate("lat", "latitude", "degrees_north", "Y", rows),
                coordinate("lon", "longitude", "degrees_east", "X", columns),
            ];
        }
        [
            coordinate("y", "projection_y_coordinate", "m", "Y", rows),
            coordinate("x", "projection_x_coordinate", "m", "X", columns),
        ]
    }
}
