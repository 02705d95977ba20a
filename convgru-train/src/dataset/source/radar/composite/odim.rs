//! ODIM_H5, the information model of EUMETNET OPERA: a tree of groups whose subgroups `what` say what is stored.
//!
//! `/what` has the object (`COMP` or `IMAGE`) and the nominal time, `/dataset1/data1/data` is the image. Its quantity, gain, offset
//! and the numbers for "outside" and "nothing seen" lie in `what` of data or dataset; some writers put them into the groups
//! themselves.

use super::{Image, Unit};
use crate::dataset::gridded::{Attributes, GriddedFile};
use crate::dataset::timestamp::Timestamp;
use crate::{Error, Result};

/// Objects that are an image of one time.
const OBJECTS: [&str; 2] = ["COMP", "IMAGE"];
/// Reflectivities in dBZ.
const REFLECTIVITIES: [&str; 6] = ["DBZH", "TH", "DBZV", "TV", "DBZ", "DBZHC"];

/// The nominal time of a file.
///
/// # Errors
/// [`Error::Format`] if there is none.
pub(in crate::dataset) fn time(file: &GriddedFile) -> Result<Timestamp> {
    let what = file.attributes("what")?;
    moment(what.as_ref(), ["date", "time"])?.ok_or_else(|| {
        refuse(file, "has no date and time in /what, such as 20180607 and 120000, as ODIM_H5 demands".into())
    })
}

fn moment(attributes: Option<&Attributes>, [date, time]: [&str; 2]) -> Result<Option<Timestamp>> {
    let Some(attributes) = attributes else { return Ok(None) };
    let (Some(date), Some(time)) = (attributes.text(date)?, attributes.text(time)?) else { return Ok(None) };
    Ok(Timestamp::in_text(&format!("{date} {time}")))
}

/// The first image of rain in a file.
///
/// # Errors
/// [`Error::Format`] if there is none, with what there is instead.
pub(in crate::dataset) fn image(file: &GriddedFile) -> Result<Image> {
    let what = file.attributes("what")?;
    let object = what.map_or(Ok(None), |what| what.text("object"))?.unwrap_or_default();
    if !OBJECTS.contains(&object.as_str()) {
        return Err(refuse(
            file,
            format!(
                "is an object \"{object}\" of ODIM_H5, but composites (COMP) and images (IMAGE) are read; project polar data \
                 onto a grid first"
            ),
        ));
    }
    let mut others = Vec::new();
    for dataset in numbered(file, "", "dataset")? {
        for data in numbered(file, &dataset, "data")? {
            let places = Places::new(file, &dataset, &data)?;
            let quantity = places.text("quantity")?.unwrap_or_default();
            if let Some(unit) = unit(file, &places, &quantity)? {
                return Ok(Image {
                    variable: file.variable(&format!("{data}/data"))?,
                    unit,
                    gain: places.number("gain")?.unwrap_or(1.0),
                    offset: places.number("offset")?.unwrap_or(0.0),
                    missing: places.number("nodata")?.into_iter().collect(),
                    dry: places.number("undetect")?.into_iter().collect(),
                });
            }
            others.push(format!("/{data} \"{quantity}\""));
        }
    }
    others.truncate(20);
    let others = if others.is_empty() { "no /dataset1/data1".into() } else { others.join(", ") };
    Err(refuse(
        file,
        format!("has {others}, but an image of {}, RATE or ACRR is needed", REFLECTIVITIES.join(", ")),
    ))
}

/// What a quantity's numbers are; `None` if they are no rain.
fn unit(file: &GriddedFile, places: &Places, quantity: &str) -> Result<Option<Unit>> {
    if REFLECTIVITIES.contains(&quantity) {
        return Ok(Some(Unit::Reflectivity));
    }
    match quantity {
        "RATE" => Ok(Some(Unit::Rain(1.0))),
        "ACRR" => {
            let time = |names: [&str; 2]| {
                places.0.iter().find_map(|one| moment(Some(one), names).transpose()).transpose()
            };
            let (start, end) = (time(["startdate", "starttime"])?, time(["enddate", "endtime"])?);
            let minutes = start.zip(end).map_or(0, |(start, end)| end.minutes_since(start));
            if minutes <= 0 {
                return Err(refuse(
                    file,
                    format!(
                        "has rain of {minutes} minutes (ACRR): startdate, starttime, enddate and endtime of /dataset1/what must be \
                         there, the end after the start"
                    ),
                ));
            }
            Ok(Some(Unit::Rain(60.0 / minutes as f64)))
        }
        _ => Ok(None),
    }
}

/// The groups in a group that are called by a word and a number, by their paths.
fn numbered(file: &GriddedFile, group: &str, word: &str) -> Result<Vec<String>> {
    let is_numbered = |name: &String| {
        name.strip_prefix(word).is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()))
    };
    let path = |name| if group.is_empty() { name } else { format!("{group}/{name}") };
    Ok(file.groups(group)?.into_iter().filter(is_numbered).map(path).collect())
}

/// Attributes of all groups that may say something about an image, the nearest first.
struct Places(Vec<Attributes>);

impl Places {
    fn new(file: &GriddedFile, dataset: &str, data: &str) -> Result<Self> {
        let groups = [&format!("{data}/what"), data, &format!("{dataset}/what"), dataset, "what"];
        let found: Result<Vec<_>> = groups.into_iter().map(|group| file.attributes(group)).collect();
        Ok(Self(found?.into_iter().flatten().collect()))
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        self.0.iter().find_map(|attributes| attributes.text(name).transpose()).transpose()
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        self.0.iter().find_map(|attributes| attributes.number(name).transpose()).transpose()
    }
}

fn refuse(file: &GriddedFile, reason: String) -> Error {
    Error::Format { path: file.path().into(), reason }
}
