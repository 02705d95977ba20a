//! Datasets of HDF5 and netCDF files and of Zarr stores.

use std::ops::Range;

use super::array::{Array, VisitBlock};
use super::named_axes::{self, NamedAxes};
use super::natural_order;
use super::number_type::NumberType;
use super::radar::composite;
use super::times::Times;
use super::{Content, Extent};
use crate::dataset::georeference::{Place, described};
use crate::dataset::gridded::{self, Attributes, GriddedFile, Packing, Variable};
use crate::dataset::{Description, FULL_SCALE_RANGE, FramesConfig};
use crate::printable::escaped;
use crate::read_budget::ReadBudget;
use crate::{Error, Result};

/// Names of auxiliary coordinates that are looked at.
const MOST_COORDINATES: usize = 64;

/// A dataset, and what its numbers stand for.
pub(super) struct Dataset {
    file: GriddedFile,
    budget: ReadBudget,
    /// Where it lies in the file.
    path: String,
    variable: Variable,
    packing: Packing,
}

impl Dataset {
    /// The dataset with the frames of a file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if there is none or several, with those there are.
    pub(super) fn of(file: GriddedFile, config: &FramesConfig, budget: &ReadBudget) -> Result<Self> {
        let within = chosen(&file, config)?;
        let variable = file.variable(&within)?;
        let packing = Packing::of(&variable.attributes(), variable.kind(), file.is_netcdf()?)?;
        Ok(Self { file, budget: budget.clone(), path: within, variable, packing })
    }
}

impl Dataset {
    /// The times of a coordinate with a unit of time.
    fn times_of(&self, path: &str, coordinate: &Variable, attributes: &Attributes) -> Result<Option<Times>> {
        let numbers = self.coordinate(coordinate, attributes)?;
        if let Some(step) = numbers.iter().position(|number| !number.is_finite()) {
            let reason = format!(
                "its coordinate {path} has no time for step {step} (from 0); leave the step out, or write its time"
            );
            return Err(Error::Format { path: self.file.path().into(), reason });
        }
        Ok(times(attributes, &numbers))
    }

    /// The numbers of a coordinate.
    fn coordinate(&self, coordinate: &Variable, attributes: &Attributes) -> Result<Vec<f64>> {
        let _working = self.budget.work(self.file.path(), coordinate.working(0))?;
        let packing = Packing::of(attributes, coordinate.kind(), self.file.is_netcdf()?)?;
        Ok(coordinate.numbers()?.into_iter().map(|number| packing.unpacked(number)).collect())
    }

    /// The coordinate of time, with its path, that the attribute `coordinates` names for an axis without a coordinate of time of its own, or for
    /// a frame without an axis of time (CF conventions, chapter 5). Of several the one that says it is the time.
    fn auxiliary(&self, axis: Option<usize>) -> Result<Option<(String, Variable)>> {
        let Some(names) = self.variable.attributes().text("coordinates").ok().flatten() else {
            return Ok(None);
        };
        let along =
            |of: &Variable, axis: usize| of.dimensions().get(axis)?.as_ref().map(|own| own.name.clone());
        let mut found = Vec::new();
        for name in names.split_whitespace().take(MOST_COORDINATES) {
            let path = self.beside(name);
            // What is no number or cannot be read tells no time.
            let Ok(coordinate) = self.file.variable(&path) else { continue };
            let fits = match axis {
                Some(axis) => {
                    let is_named =
                        along(&coordinate, 0).is_some_and(|name| along(&self.variable, axis) == Some(name));
                    is_named && coordinate.shape() == [self.variable.shape()[axis]]
                }
                None => coordinate.shape().iter().all(|&length| length == 1),
            };
            let text = |name| coordinate.attributes().text(name).ok().flatten().unwrap_or_default();
            if fits
                && text("units").to_ascii_lowercase().contains(" since ")
                && text("standard_name") != "forecast_reference_time"
            {
                found.push((text("standard_name") == "time", path, coordinate));
            }
        }
        if found.len() > 1 {
            found.retain(|(is_time, _, _)| *is_time);
        }
        let only = if found.len() == 1 { found.pop() } else { None };
        Ok(only.map(|(_, path, coordinate)| (path, coordinate)))
    }

    /// The dates along an axis of time, of texts that the attribute `coordinates` names, or that the weather model WRF calls `Times`.
    fn auxiliary_dates(&self, axis: usize) -> Option<Times> {
        let dimension =
            self.variable.dimensions().get(axis)?.as_ref().filter(|own| named_axes::is_called_time(own))?;
        let names = self.variable.attributes().text("coordinates").ok().flatten().unwrap_or_default();
        let of_wrf = (dimension.name == "Time").then_some("Times");
        names.split_whitespace().take(MOST_COORDINATES).chain(of_wrf).find_map(|name| {
            let texts = self.file.texts(&self.beside(name), self.variable.shape()[axis])?;
            Times::of_dates(&texts)
        })
    }

    /// The path of a name in the group of the dataset.
    fn beside(&self, name: &str) -> String {
        self.path.rsplit_once('/').map_or(name.into(), |(group, _)| format!("{group}/{name}"))
    }

    /// Refuses an axis that is called time and whose coordinate, which tells no times, does not run upwards: the order of its frames is
    /// unknown.
    fn expect_upwards(&self, axis: Option<usize>) -> Result<()> {
        let dimension = axis.and_then(|axis| Some((axis, self.variable.dimensions().get(axis)?.as_ref()?)));
        let Some((axis, dimension)) = dimension.filter(|(_, own)| named_axes::is_called_time(own)) else {
            return Ok(());
        };
        let (Some(path), Some(attributes)) = (&dimension.variable, &dimension.coordinates) else {
            return Ok(());
        };
        let length = self.variable.shape()[axis];
        let holds = match self.file.variable(path) {
            Ok(coordinate) if coordinate.shape().len() != 1 || is_time(attributes) => return Ok(()),
            Ok(coordinate) => {
                let Ok(numbers) = self.coordinate(&coordinate, attributes) else { return Ok(()) };
                let mut sorted = numbers.clone();
                sorted.sort_by(f64::total_cmp);
                let is_order = sorted.windows(2).all(|two| two[0] < two[1]);
                if !is_order || numbers == sorted {
                    return Ok(());
                }
                "does not run upwards and has no unit of time"
            }
            Err(_) if length < 2 => return Ok(()),
            Err(_) => match self.file.texts(path, length) {
                Some(texts)
                    if texts.windows(2).all(|two| natural_order::compare(&two[0], &two[1]).is_lt()) =>
                {
                    return Ok(());
                }
                Some(_) => "has texts that are no dates and do not run upwards",
                None => "holds neither numbers nor short texts that can be read",
            },
        };
        let reason = format!(
            "its coordinate {path} {holds}, which leaves the order of the frames open; write numbers with units, such as \"minutes since \
             2020-01-01\", or save the frames in the order of time"
        );
        Err(Error::Format { path: self.file.path().into(), reason })
    }
}

impl Array for Dataset {
    fn stored_shape(&self) -> Vec<usize> {
        self.variable.shape().to_vec()
    }

    fn named_axes(&self) -> NamedAxes {
        NamedAxes::of(self.variable.dimensions(), self.variable.shape())
    }

    fn times(&self, axis: Option<usize>) -> Result<Option<Times>> {
        let dimension = axis.and_then(|axis| self.variable.dimensions().get(axis)?.as_ref());
        let own = dimension.and_then(|own| Some((own.variable.clone()?, own.coordinates.as_ref()?)));
        if let (Some((path, attributes)), Some(axis)) = (own, axis) {
            let length = self.variable.shape()[axis];
            if is_time(attributes) {
                let coordinate = self.file.variable(&path)?;
                if coordinate.shape() == [length] {
                    return self.times_of(&path, &coordinate, attributes);
                }
            }
            let dates = self.file.texts(&path, length).and_then(|dates| Times::of_dates(&dates));
            if dates.is_some() {
                return Ok(dates);
            }
        }
        if let Some(dates) = axis.and_then(|axis| self.auxiliary_dates(axis)) {
            return Ok(Some(dates));
        }
        if let Some((path, coordinate)) = self.auxiliary(axis)? {
            let times = self.times_of(&path, &coordinate, &coordinate.attributes())?;
            // One time for all orders nothing.
            let is_one = |times: &Times| {
                times.seconds.len() > 1 && times.seconds.iter().all(|own| *own == times.seconds[0])
            };
            return Ok(times.filter(|times| !is_one(times)));
        }
        self.expect_upwards(axis).map(|()| None)
    }

    fn number_type(&self) -> NumberType {
        self.packing.meant(self.variable.kind())
    }

    fn natural_range(&self) -> [f64; 2] {
        let told = self.variable.attributes().numbers(FULL_SCALE_RANGE).unwrap_or_default();
        if let [low, high] = told[..]
            && low < high
            && low.is_finite()
            && high.is_finite()
        {
            return [low, high];
        }
        // Scaled numbers are of no type.
        if self.packing.scale.is_some() { [0.0, 1.0] } else { self.number_type().natural_range() }
    }

    fn content(&self) -> Result<Option<Content>> {
        let mut downwards = Vec::new();
        let mut extents = Vec::new();
        for dimension in self.variable.dimensions().iter().flatten() {
            let (Some(path), Some(attributes)) = (&dimension.variable, &dimension.coordinates) else {
                continue;
            };
            if is_time(attributes) || named_axes::is_called_time(dimension) {
                continue;
            }
            let Ok(coordinate) = self.file.variable(path) else { continue };
            if coordinate.shape().len() == 1
                && let Ok(numbers) = self.coordinate(&coordinate, attributes)
                && let Some(extent) = Extent::of(&dimension.name, &numbers)
            {
                if extent.first > extent.last {
                    downwards.push(dimension.name.clone());
                }
                if extent.first.is_finite() && extent.last.is_finite() {
                    extents.push(extent);
                }
            }
        }
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let text = |name| self.variable.attributes().text(name).ok().flatten().unwrap_or_default();
        Ok(Some(Content {
            // Names may have a time in them.
            name: name.chars().filter(|letter| !letter.is_ascii_digit()).collect(),
            standard_name: text("standard_name"),
            is_scaled: self.packing.scale.is_some(),
            unit: text("units"),
            cell_methods: text("cell_methods"),
            is_radar: composite::is_observed(&self.file).unwrap_or(false),
            downwards,
            extents,
        }))
    }

    fn description(&self, axes: [usize; 2]) -> Result<Description> {
        let Self { file, budget, path, variable, .. } = self;
        described(&Place { file, budget, path, variable }, axes)
    }

    fn may_miss(&self) -> bool {
        matches!(self.variable.kind(), NumberType::Float(_)) || self.packing.has_missing()
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn working(&self, leading: usize) -> u64 {
        self.variable.working(leading)
    }

    fn visit(
        &self,
        leading: usize,
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        self.variable.frames(leading, wanted, &mut |stored| {
            visit(&mut stored.map(|number| self.packing.unpacked(number)))
        })
    }

    fn visit_part(
        &self,
        leading: usize,
        within: &[Range<usize>],
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        self.variable.frames_within(leading, within, wanted, &mut |stored| {
            visit(&mut stored.map(|number| self.packing.unpacked(number)))
        })
    }
}

/// What numbers stand for in the unit and the calendar of attributes; `None` where the unit is none of time.
fn times(attributes: &Attributes, numbers: &[f64]) -> Option<Times> {
    let text = |name| attributes.text(name).ok().flatten();
    Times::of(numbers, &text("units")?, text("calendar").as_deref())
}

/// Whether attributes have a unit of time.
fn is_time(attributes: &Attributes) -> bool {
    times(attributes, &[]).is_some()
}

/// The path of the dataset with the frames in a file: the one that is named, by its path or else by the standard name of its quantity (CF
/// conventions), otherwise the only one with numbers and as many axes as frames have.
fn chosen(file: &GriddedFile, config: &FramesConfig) -> Result<String> {
    let named = config.variable.trim_matches('/');
    if !named.is_empty() && file.has(named)? {
        return Ok(named.into());
    }
    let mut datasets = file.datasets()?;
    let axes = config.axes.counts();
    let fits = |dataset: &&gridded::VariableInfo| match named {
        "" => dataset.kind.is_some() && axes.contains(&dataset.shape.len()),
        _ => dataset.path == named,
    };
    let mut fitting: Vec<&gridded::VariableInfo> = datasets.iter().filter(fits).collect();
    if !named.is_empty() && fitting.is_empty() {
        fitting = datasets.iter().filter(|own| has_standard_name(file, own, named)).collect();
        if fitting.len() > 1 {
            let paths: Vec<String> = fitting.iter().map(|own| own.path.clone()).collect();
            let reason = format!(
                "holds {} datasets with the standard_name \"{}\", {}; set data.frames.variable to the path of one of them",
                paths.len(),
                escaped(named),
                escaped(&paths.join(", "))
            );
            return Err(Error::Format { path: file.path().into(), reason });
        }
    }
    if let [only] = fitting[..] {
        return Ok(only.path.clone());
    }
    // A file for each time may hold its frame without an axis of time.
    let is_frame = |own: &&gridded::VariableInfo| own.kind.is_some() && own.shape.len() == 2;
    if let ("", true, [only]) =
        (named, fitting.is_empty(), &datasets.iter().filter(is_frame).collect::<Vec<_>>()[..])
    {
        return Ok(only.path.clone());
    }
    let advice = match (named, fitting.len()) {
        ("", 0) if !config.axes.is_auto() => format!(
            "none of them has numbers and the {} axes of data.frames.axes = \"{}\" (of a trained model it is that of the training); name each \
             axis of the dataset once, or let its names or its shape tell them (\"auto\"; eval, predict and watch: --axes auto)",
            axes.start(),
            config.axes
        ),
        ("", 0) => {
            "none of them has numbers and the axes of frames, [T, H, W], [N, T, H, W] or [N, T, C, H, W]; \
                    where other axes are meant, set data.frames.axes and data.frames.variable"
                .to_owned()
        }
        ("", count) => format!("set data.frames.variable to the one of {count} with the frames"),
        _ => format!(
            "set data.frames.variable to one of them, or to the standard_name of one (it is \"{}\")",
            config.variable
        ),
    };
    // What may be meant comes first.
    datasets.sort_by_key(|dataset| !(dataset.kind.is_some() && axes.contains(&dataset.shape.len())));
    let reason = format!("holds {}; {advice}", gridded::shown(&datasets));
    Err(Error::Format { path: file.path().into(), reason })
}

/// Whether a dataset has numbers of a quantity. One that cannot be read has none.
fn has_standard_name(file: &GriddedFile, dataset: &gridded::VariableInfo, name: &str) -> bool {
    if dataset.kind.is_none() || dataset.unreadable.is_some() {
        return false;
    }
    let attributes = file.variable(&dataset.path).map(|variable| variable.attributes());
    attributes.is_ok_and(|own| own.text("standard_name").ok().flatten().as_deref() == Some(name))
}
