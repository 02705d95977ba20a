//! Forecasts of every kind, written with what they mean.

use std::fs;
use std::path::Path;

use anyhow::Context;
use convgru_model::{Forecaster, Tensor};
use convgru_train::ReadBudget;
use convgru_train::config::RunConfig;
use convgru_train::dataset::{
    Attribute, AttributeValue, Axes, Coordinate, Description, Georeference, GridMapping, InputOptions,
    Quantity, Transform,
};
use convgru_train::forecast::{About, Forecast, ForecastTimes, Members, Provenance};
use convgru_train::trainer::TrainedModel;
use serde_json::{Map, Value, json};

const STEPS: usize = 4;
const HEIGHT: usize = 30;
const WIDTH: usize = 44;
/// 28 September 2016, 14:45 UTC.
const BEGINS: f64 = 1_475_073_900.0;

/// A network for frames of `data.frames.range`, whose weights are those that it begins with.
const NETWORK: &str = r#"
name = "untrained"
[data]
source = "frames"
input_frames = 4
output_frames = 4
[data.frames]
range = [0.0, 100.0]
[model]
patch = 2
hidden_channels = [4]
output_activation = "sigmoid"
"#;

/// Writes all forecasts into a folder, as netCDF and as Zarr; how many.
pub(super) fn write(folder: &Path) -> anyhow::Result<usize> {
    let cases = all()?;
    for (name, forecast) in &cases {
        save(folder, name, forecast)?;
    }
    let continued = continued(&folder.join("projection.nc"))?;
    save(folder, "continued", &continued)?;
    Ok(cases.len() + 1)
}

/// Writes a forecast, and what it means.
fn save(folder: &Path, name: &str, forecast: &Forecast) -> anyhow::Result<()> {
    let at = |end: &str| folder.join(format!("{name}.{end}"));
    for end in ["nc", "zarr"] {
        forecast.write(&at(end)).with_context(|| format!("{name}.{end}"))?;
    }
    let bytes: Vec<u8> = forecast.values.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(at("f32"), bytes)?;
    fs::write(at("json"), meant(forecast).to_string())?;
    Ok(())
}

/// What a reader is to find.
fn meant(forecast: &Forecast) -> Value {
    let [members, steps, channels, height, width] = forecast.shape();
    let times = &forecast.times;
    let georeference = &forecast.description.georeference;
    let along =
        |own: &Option<Coordinate>, name: &str| own.as_ref().map_or(name.to_owned(), |own| own.name.clone());
    let [row, column] = [along(&georeference.rows, "y"), along(&georeference.columns, "x")];
    let step = if times.reference.is_some() { "time" } else { "lead_time" };
    let axes = [
        ("realization", members, members > 1),
        (step, steps, true),
        ("channel", channels, channels > 1),
        (&row, height, true),
        (&column, width, true),
    ];
    let there = axes.into_iter().filter(|(_, _, is_there)| *is_there);
    let (dimensions, shape): (Vec<String>, Vec<usize>) =
        there.map(|(name, length, _)| (name.to_owned(), length)).unzip();
    let coordinates =
        [&georeference.rows, &georeference.columns].into_iter().flatten().chain(&georeference.pixels);
    let coordinates: Map<String, Value> =
        coordinates.map(|own| (own.name.clone(), json!(own.values))).collect();
    let mapping = georeference.mapping.as_ref().and_then(|own| {
        let named = own.attributes.iter().find(|attribute| attribute.name == "grid_mapping_name")?;
        match &named.value {
            AttributeValue::Text(text) => Some(text.clone()),
            _ => None,
        }
    });
    let frames = || (1..=steps).map(|lead| lead as f64).collect();
    json!({
        "variable": forecast.name(),
        "dimensions": dimensions,
        "shape": shape,
        "unit": forecast.unit(),
        "times": times.seconds(steps),
        "reference_time": times.reference,
        "lead_times": times.lead_minutes(steps).unwrap_or_else(frames),
        "grid_mapping": mapping,
        "coordinates": coordinates,
    })
}

/// Numbers of an input that move by a pixel from frame to frame, as values 0 to 1.
fn frames(steps: usize, channels: usize) -> Tensor<f32> {
    Tensor::from_fn(&[steps, channels, HEIGHT, WIDTH], |at| {
        let (step, row, column) = (at / (channels * HEIGHT * WIDTH), at / WIDTH % HEIGHT, at % WIDTH);
        ((row * 5 + (column + 3 * step) * 7 + at / (HEIGHT * WIDTH)) % 97) as f32 / 97.0
    })
}

/// Pixels at the left, which no radar reaches, are missing.
fn valid(channels: usize) -> Vec<f32> {
    let is_measured = |at: usize| if at % WIDTH < 3 || at.is_multiple_of(101) { 0.0 } else { 1.0 };
    (0..channels * HEIGHT * WIDTH).map(is_measured).collect()
}

fn quantity(name: &str, unit: &str, low: f64, high: f64) -> Quantity {
    let transform = Transform::Linear { scale: high - low, offset: low };
    Quantity { name: name.into(), unit: unit.into(), minutes_per_step: Some(5.0), transform }
}

fn about(quantity: Quantity, description: Description) -> About {
    let times = ForecastTimes { reference: Some(BEGINS), minutes_per_step: Some(5.0) };
    let provenance = Provenance::now("check-forecasts", "untrained", "00");
    About { quantity, description, axes: Axes::default(), times, provenance, is_mean: false }
}

/// The forecasts, with their names.
fn all() -> anyhow::Result<Vec<(&'static str, Forecast)>> {
    let rain = || quantity("rain rate", "mm/h", 0.0, 100.0);
    let projected = || about(rain(), Description { georeference: projection(), ..Description::default() });
    let [one, several] = [valid(1), valid(3)];
    let undated = ForecastTimes { reference: None, minutes_per_step: None };
    let unknown_day = ForecastTimes { reference: None, minutes_per_step: Some(7.5) };
    let half_minutes = ForecastTimes { reference: Some(BEGINS + 30.0), minutes_per_step: Some(2.5) };
    let plain = || about(Quantity::intensity(), Description::default());
    Ok(vec![
        ("projection", Forecast::new(&frames(STEPS, 1), 1, Some(&one), projected())?),
        ("ensemble", Forecast::new(&frames(STEPS, 3), 3, Some(&one), projected())?),
        ("mean", Forecast::new(&frames(STEPS, 1), 1, Some(&one), About { is_mean: true, ..projected() })?),
        (
            "geographic",
            Forecast::new(
                &frames(STEPS, 1),
                1,
                None,
                about(quantity("echo", "", -32.0, 95.0), geographic()),
            )?,
        ),
        (
            "curvilinear",
            Forecast::new(
                &frames(STEPS, 1),
                1,
                None,
                about(quantity("temperature", "", 200.0, 330.0), curvilinear()),
            )?,
        ),
        (
            "half_minutes",
            Forecast::new(&frames(STEPS, 1), 1, None, About { times: half_minutes, ..projected() })?,
        ),
        ("unknown_day", Forecast::new(&frames(STEPS, 1), 1, None, About { times: unknown_day, ..plain() })?),
        ("undated", Forecast::new(&frames(1, 1), 1, None, About { times: undated, ..plain() })?),
        ("colour", Forecast::new(&frames(STEPS, 3), 1, Some(&several), plain())?),
        ("colour_ensemble", Forecast::new(&frames(STEPS, 6), 2, Some(&several), plain())?),
    ])
}

/// What a network forecasts from a forecast in a file.
fn continued(path: &Path) -> anyhow::Result<Forecast> {
    let config = RunConfig::from_toml(NETWORK).map_err(anyhow::Error::msg)?;
    let trained = TrainedModel { model: Forecaster::new(config.model.clone(), 0)?, config, step: 0 };
    let budget = ReadBudget::new(64, "memory");
    let input = trained.read_input(path, &InputOptions::default(), &budget)?;
    let provenance = Provenance::now("check-forecasts", "untrained", "00");
    let forecast = Forecast::of_input(&trained, &input, 2, Members::Mean, provenance)?;
    let first = BEGINS + 300.0 * STEPS as f64;
    anyhow::ensure!(
        forecast.times.reference == Some(first),
        "it begins at {:?}, not {first}",
        forecast.times.reference
    );
    // A forecast says which coordinate is of which axis.
    let Georeference { rows, columns, .. } = projection();
    let expected = Georeference { rows: on_axis(rows, "Y"), columns: on_axis(columns, "X"), ..projection() };
    anyhow::ensure!(forecast.description.georeference == expected, "it lies elsewhere than its input");
    Ok(forecast)
}

fn coordinate(name: &str, standard_name: &str, units: &str, values: Vec<f64>) -> Coordinate {
    let attributes = [("standard_name", standard_name), ("units", units)];
    let attributes = attributes.map(|(name, text)| Attribute::text(name, text)).into();
    Coordinate { name: name.into(), attributes, values }
}

/// A coordinate that says of which axis it is.
fn on_axis(coordinate: Option<Coordinate>, axis: &str) -> Option<Coordinate> {
    coordinate.map(|mut coordinate| {
        coordinate.attributes.push(Attribute::text("axis", axis));
        coordinate
    })
}

/// A plane as that of the Finnish composites.
fn projection() -> Georeference {
    let number = |name: &str, number: f64| Attribute::numbers(name, &[number]);
    let mapping = GridMapping {
        name: "crs".into(),
        attributes: vec![
            Attribute::text("grid_mapping_name", "polar_stereographic"),
            number("straight_vertical_longitude_from_pole", 25.0),
            number("latitude_of_projection_origin", 90.0),
            number("standard_parallel", 60.0),
            number("false_easting", 0.0),
            number("false_northing", 0.0),
            number("earth_radius", 6_371_288.0),
        ],
    };
    let rows = (0..HEIGHT).map(|row| -2_170_633.5 - 999.628_59 * row as f64).collect();
    let columns = (0..WIDTH).map(|column| -380_386.5 + 999.674_053 * column as f64).collect();
    Georeference {
        mapping: Some(mapping),
        rows: Some(coordinate("y", "projection_y_coordinate", "m", rows)),
        columns: Some(coordinate("x", "projection_x_coordinate", "m", columns)),
        pixels: Vec::new(),
    }
}

/// Reflectivities on longitudes and latitudes, as a file tells them.
fn geographic() -> Description {
    let rows = (0..HEIGHT).map(|row| 52.0 - 0.01 * row as f64).collect();
    let columns = (0..WIDTH).map(|column| -5.8 + 0.01 * column as f64).collect();
    let names =
        [("standard_name", "equivalent_reflectivity_factor"), ("long_name", "echoes"), ("units", "dBZ")];
    let file = [("institution", "A weather service"), ("history", "2016-09-28 made"), ("references", "none")];
    Description {
        name: "dbz".into(),
        attributes: names.map(|(name, text)| Attribute::text(name, text)).into(),
        georeference: Georeference {
            mapping: None,
            rows: Some(coordinate("lat", "latitude", "degrees_north", rows)),
            columns: Some(coordinate("lon", "longitude", "degrees_east", columns)),
            pixels: Vec::new(),
        },
        file: file.map(|(name, text)| Attribute::text(name, text)).into(),
    }
}

/// Temperatures with a latitude and a longitude for each pixel.
fn curvilinear() -> Description {
    let place = |at: usize| (at / WIDTH) as f64 + 0.1 * (at % WIDTH) as f64;
    let values = |first: f64| (0..HEIGHT * WIDTH).map(|at| first + 0.1 * place(at)).collect();
    let names = [("standard_name", "air_temperature"), ("units", "K")];
    Description {
        name: "t2m".into(),
        attributes: names.map(|(name, text)| Attribute::text(name, text)).into(),
        georeference: Georeference {
            pixels: vec![
                coordinate("latitude", "latitude", "degrees_north", values(50.0)),
                coordinate("longitude", "longitude", "degrees_east", values(4.0)),
            ],
            ..Georeference::default()
        },
        file: Vec::new(),
    }
}
