//! Composites of the Finnish Meteorological Institute: comments in the header of the image.
//!
//! ```text
//! # projection radar {
//! # type stereographic
//! # centrallongitude 25
//! # centrallatitude 90
//! # truelatitude 60
//! # bottomleft 18.600000 57.930000
//! # topright 34.903000 69.005000
//! ```

use super::Georeference;
use super::projection::Projection;
use super::radar::of_corners;

/// The radius of the earth in metres of which the institute's sizes of pixels (`metersperpixel_x`, `metersperpixel_y`) follow from the corners.
const RADIUS: f64 = 6_371_288.0;

/// Where the image of a header lies; nothing where its comments do not say it.
pub(in crate::dataset) fn of_comments(header: &str, size: [usize; 2]) -> Georeference {
    let after = |name: &str| {
        let words = header.lines().filter_map(|line| line.strip_prefix('#'));
        let mut found = words.filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(' '));
        found.next().map(str::trim)
    };
    let numbers =
        |name| after(name).map(|text| text.split_whitespace().map(str::parse::<f64>).collect::<Vec<_>>());
    let one = |name| match numbers(name)?[..] {
        [Ok(number)] => Some(number),
        _ => None,
    };
    let corner = |name| match numbers(name)?[..] {
        [Ok(longitude), Ok(latitude)] => Some([longitude, latitude]),
        _ => None,
    };
    let is_stereographic = after("type") == Some("stereographic");
    let (true, Some(longitude), Some(latitude), Some(parallel)) =
        (is_stereographic, one("centrallongitude"), one("centrallatitude"), one("truelatitude"))
    else {
        return Georeference::default();
    };
    let text = format!(
        "+proj=stere +lat_0={latitude} +lon_0={longitude} +lat_ts={parallel} +R={RADIUS} +units=m +no_defs"
    );
    let projection = Projection::of_text(&text);
    let place = |name| corner(name).and_then(|at| projection.place(at));
    of_corners(&projection, place("bottomleft").zip(place("topright")), size)
}
