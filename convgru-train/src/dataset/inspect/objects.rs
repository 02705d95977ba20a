//! What lies in a file: arrays, datasets, pictures, with what the file tells about each.

use std::path::Path;

use serde::Serialize;

use crate::dataset::gridded::{self, GriddedFile};
use crate::dataset::source::{self, Npz};
use crate::dataset::{Axes, FramesConfig};
use crate::{Error, ReadBudget, Result};

/// Something that a file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Object {
    /// Its name or path in the file; empty where the file is the object.
    pub name: String,
    /// The lengths of its axes.
    pub shape: Vec<usize>,
    /// How its numbers are stored, such as `float32`; empty where it has none.
    #[serde(rename = "type")]
    pub number_type: String,
    /// The names of its axes; empty where the file names none.
    pub dimensions: Vec<String>,
    /// Its unit; empty where the file tells none.
    pub unit: String,
    /// What it is in words; empty where the file does not tell.
    pub long_name: String,
    /// Why it cannot be read; `None` where it can.
    pub unreadable: Option<String>,
}

impl Object {
    fn unreadable(name: String, error: &Error) -> Self {
        Self { name, unreadable: Some(reason(error)), ..Self::default() }
    }

    /// Whether its numbers may be frames, by its type and the number of its axes.
    pub(super) fn may_hold_frames(&self, axes: &Axes) -> bool {
        self.unreadable.is_none() && !self.number_type.is_empty() && axes.counts().contains(&self.shape.len())
    }

    /// How many numbers it has.
    pub(super) fn numbers(&self) -> usize {
        self.shape.iter().fold(1, |product, &length| product.saturating_mul(length))
    }
}

/// The reason of an error, without the file that it names.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Format { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// What lies in a file. What cannot be read is among it with the reason.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`] if the file itself cannot be read.
pub(super) fn objects(path: &Path, budget: &ReadBudget) -> Result<Vec<Object>> {
    let is = |extension: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
    match () {
        () if is("npz") => of_archive(path),
        () if gridded::is_named(path) || source::is_store(path) => of_gridded(path, budget),
        () if source::is_grib(path) => of_grib(path, budget),
        () => of_frames(path, budget).map(|object| vec![object]),
    }
}

fn of_archive(path: &Path) -> Result<Vec<Object>> {
    let archive = Npz::open(path)?;
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    let object = |name: String| {
        let bare = name.trim_end_matches(".npy").to_owned();
        match archive.header(&name) {
            Ok(header) => Object {
                name: bare,
                number_type: header.element.number_type().to_string(),
                shape: header.shape,
                ..Object::default()
            },
            Err(error) => Object::unreadable(bare, &error),
        }
    };
    Ok(names.into_iter().map(object).collect())
}

fn of_gridded(path: &Path, budget: &ReadBudget) -> Result<Vec<Object>> {
    let file = GriddedFile::open(path, budget)?;
    let object = |found: gridded::VariableInfo| {
        let plain = Object { name: found.path.clone(), shape: found.shape.clone(), ..Object::default() };
        if found.unreadable.is_some() {
            return Object { unreadable: found.unreadable, ..plain };
        }
        let Some(kind) = found.kind else { return plain };
        let variable = match file.variable(&found.path) {
            Ok(variable) => variable,
            Err(error) => return Object { shape: found.shape, ..Object::unreadable(found.path, &error) },
        };
        let attributes = variable.attributes();
        let text = |name| attributes.text(name).ok().flatten().unwrap_or_default();
        let names = variable.dimensions();
        let is_named = names.iter().any(Option::is_some);
        let name = |own: &Option<gridded::Dimension>| own.as_ref().map_or("?".into(), |own| own.name.clone());
        let [long_name, standard_name] = ["long_name", "standard_name"].map(text);
        Object {
            number_type: kind.to_string(),
            dimensions: if is_named { names.iter().map(name).collect() } else { Vec::new() },
            unit: text("units"),
            long_name: if long_name.is_empty() { standard_name } else { long_name },
            ..plain
        }
    };
    Ok(file.readable_and_other_datasets()?.into_iter().map(object).collect())
}

/// The fields of a file of GRIB.
fn of_grib(path: &Path, budget: &ReadBudget) -> Result<Vec<Object>> {
    let object = |held: source::HeldInGrib| Object {
        name: held.name,
        shape: held.shape,
        number_type: "float32".into(),
        dimensions: ["time", "y", "x"].map(str::to_owned).into(),
        unit: held.unit.into(),
        long_name: held.standard_name.into(),
        unreadable: None,
    };
    Ok(source::held_in_grib(path, budget)?.into_iter().map(object).collect())
}

/// A file or folder whose frames are the object: `[T, H, W]`, or for an array its shape.
fn of_frames(path: &Path, budget: &ReadBudget) -> Result<Object> {
    let config = FramesConfig::default();
    if let Some((shape, number_type)) = source::shape_of_npy(path)? {
        return Ok(Object { shape, number_type: number_type.to_string(), ..Object::default() });
    }
    let info = source::open(path, &config, budget)?.info()?;
    Ok(Object {
        shape: vec![info.steps, info.height, info.width],
        number_type: "pictures".into(),
        ..Object::default()
    })
}
