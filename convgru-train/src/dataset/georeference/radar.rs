//! Radar composites in HDF5: a projection, and where the image lies on its plane.

use super::Georeference;
use super::projection::Projection;
use crate::Result;
use crate::dataset::gridded::{Attributes, GriddedFile};

/// Where the image of a file of ODIM_H5 lies: `/where` has the projection and the corners of the image (of the outermost pixels, not their
/// centres). Nothing where they do not say it.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) if the file is damaged.
pub(in crate::dataset) fn of_odim(file: &GriddedFile, [height, width]: [usize; 2]) -> Result<Georeference> {
    let (Some(own), dataset) = (file.attributes("where")?, file.attributes("dataset1/where")?) else {
        return Ok(Georeference::default());
    };
    let text = |name: &str| text(&own, name).or_else(|| text(dataset.as_ref()?, name));
    let number = |name: &str| number(&own, name).or_else(|| number(dataset.as_ref()?, name));
    let Some(projection) = text("projdef").map(|text| Projection::of_text(&text)) else {
        return Ok(Georeference::default());
    };
    let corner = |name: &str| {
        let at = [number(&format!("{name}_lon"))?, number(&format!("{name}_lat"))?];
        projection.place(at)
    };
    let corners = corner("LL").zip(corner("UR")).or_else(|| {
        let (upper_left, lower_right) = corner("UL").zip(corner("LR"))?;
        Some(([upper_left[0], lower_right[1]], [lower_right[0], upper_left[1]]))
    });
    Ok(of_corners(&projection, corners, [height, width]))
}

/// Where the image of a file of KNMI lies: `/geographic` has the distance of its corner from the origin in pixels, and
/// `/geographic/map_projection` the projection.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) if the file is damaged.
pub(in crate::dataset) fn of_knmi(file: &GriddedFile, [height, width]: [usize; 2]) -> Result<Georeference> {
    let (Some(own), Some(map)) =
        (file.attributes("geographic")?, file.attributes("geographic/map_projection")?)
    else {
        return Ok(Georeference::default());
    };
    let Some(projection) = text(&map, "projection_proj4_params").map(|text| Projection::of_text(&text))
    else {
        return Ok(Georeference::default());
    };
    // Pixels are in km unless they are in another unit.
    let unit = text(&own, "geo_dim_pixel").unwrap_or_default().to_ascii_uppercase();
    let metres = if unit.starts_with("M") { 1.0 } else { 1000.0 };
    let centres = |offset, size, count: usize| {
        let (offset, size) = (number(&own, offset)?, number(&own, size)? * metres);
        Some((0..count).map(|at| (offset + at as f64 + 0.5) * size).collect::<Vec<f64>>())
    };
    let rows = centres("geo_row_offset", "geo_pixel_size_y", height);
    let columns = centres("geo_column_offset", "geo_pixel_size_x", width);
    let mapping = Some(projection.mapping());
    let Some((rows, columns)) = rows.zip(columns).filter(|_| !projection.is_geographic()) else {
        return Ok(Georeference { mapping, ..Georeference::default() });
    };
    let [rows, columns] = projection.coordinates(rows, columns);
    Ok(Georeference { mapping, rows: Some(rows), columns: Some(columns), pixels: Vec::new() })
}

/// An image whose lower left and upper right corners lie at these places; the first row is the upper one.
pub(super) fn of_corners(
    projection: &Projection,
    corners: Option<([f64; 2], [f64; 2])>,
    [height, width]: [usize; 2],
) -> Georeference {
    let mapping = Some(projection.mapping());
    let is_image = |(low, high): &([f64; 2], [f64; 2])| low[0] < high[0] && low[1] < high[1];
    let Some((low, high)) = corners.filter(is_image) else {
        return Georeference { mapping, ..Georeference::default() };
    };
    let [across, down] = [(high[0] - low[0]) / width as f64, (high[1] - low[1]) / height as f64];
    let rows = (0..height).map(|row| high[1] - (row as f64 + 0.5) * down).collect();
    let columns = (0..width).map(|column| low[0] + (column as f64 + 0.5) * across).collect();
    let [rows, columns] = projection.coordinates(rows, columns);
    Georeference { mapping, rows: Some(rows), columns: Some(columns), pixels: Vec::new() }
}

/// A text that can be read.
fn text(attributes: &Attributes, name: &str) -> Option<String> {
    attributes.text(name).ok().flatten()
}

/// A number that can be read, and is one.
fn number(attributes: &Attributes, name: &str) -> Option<f64> {
    attributes.numbers(name).ok()?.first().copied().filter(|number| number.is_finite())
}
