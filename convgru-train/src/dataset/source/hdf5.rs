//! Datasets of HDF5 and netCDF files.

use std::path::Path;

use super::array::{Array, VisitBlock};
use super::named_axes::NamedAxes;
use super::number_type::NumberType;
use super::times::Times;
use crate::dataset::FramesConfig;
use crate::dataset::gridded::{self, GriddedFile, Packing, Variable};
use crate::read_budget::ReadBudget;
use crate::{Error, Result};

/// A dataset, and what its numbers stand for.
pub(super) struct Dataset {
    file: GriddedFile,
    budget: ReadBudget,
    variable: Variable,
    packing: Packing,
}

impl Dataset {
    /// The dataset with the frames of a file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if there is none or several, with those there are.
    pub(super) fn open(path: &Path, config: &FramesConfig, budget: &ReadBudget) -> Result<Self> {
        let file = GriddedFile::open(path, budget)?;
        let variable = file.variable(&chosen(&file, config)?)?;
        let packing = Packing::of(&variable.attributes(), variable.kind(), file.is_netcdf()?)?;
        Ok(Self { file, budget: budget.clone(), variable, packing })
    }
}

impl Array for Dataset {
    fn stored_shape(&self) -> Vec<usize> {
        self.variable.shape().to_vec()
    }

    fn named_axes(&self) -> NamedAxes {
        NamedAxes::of(self.variable.dimensions(), self.variable.shape())
    }

    fn times(&self, axis: usize) -> Result<Option<Times>> {
        let Some(Some(dimension)) = self.variable.dimensions().get(axis) else { return Ok(None) };
        let (Some(path), Some(attributes)) = (&dimension.variable, &dimension.coordinates) else {
            return Ok(None);
        };
        let text = |name| attributes.text(name).ok().flatten();
        let Some(units) = text("units") else { return Ok(None) };
        let coordinate = self.file.variable(path)?;
        if coordinate.shape() != [self.variable.shape()[axis]] {
            return Ok(None);
        }
        let _working = self.budget.work(self.file.path(), coordinate.working(0))?;
        let packing = Packing::of(attributes, coordinate.kind(), self.file.is_netcdf()?)?;
        let numbers: Vec<f64> =
            coordinate.numbers()?.into_iter().map(|number| packing.unpacked(number)).collect();
        let times = Times::of(&numbers, &units, text("calendar").as_deref());
        if times.is_some()
            && let Some(step) = numbers.iter().position(|number| !number.is_finite())
        {
            let reason = format!(
                "its coordinate {path} has no time for step {step} (from 0); leave the step out, or write its time"
            );
            return Err(Error::Format { path: self.file.path().into(), reason });
        }
        Ok(times)
    }

    fn number_type(&self) -> NumberType {
        self.packing.meant(self.variable.kind())
    }

    fn natural_range(&self) -> [f64; 2] {
        // Scaled numbers are of no type.
        if self.packing.scale.is_some() { [0.0, 1.0] } else { self.number_type().natural_range() }
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
}

/// The path of the dataset with the frames in a file: the one that is named, otherwise the only one with numbers and
/// as many axes as frames have.
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
    let fitting: Vec<&gridded::VariableInfo> = datasets.iter().filter(fits).collect();
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
        ("", 0) => {
            "none of them has numbers and the axes of frames, [T, H, W], [N, T, H, W] or [N, T, C, H, W]; \
                    where other axes are meant, set data.frames.axes and data.frames.variable"
                .to_owned()
        }
        ("", count) => format!("set data.frames.variable to the one of {count} with the frames"),
        _ => format!("set data.frames.variable to one of them (it is \"{}\")", config.variable),
    };
    // What may be meant comes first.
    datasets.sort_by_key(|dataset| !(dataset.kind.is_some() && axes.contains(&dataset.shape.len())));
    let reason = format!("holds {}; {advice}", gridded::shown(&datasets));
    Err(Error::Format { path: file.path().into(), reason })
}
