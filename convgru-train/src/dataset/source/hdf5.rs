//! Datasets of HDF5 and netCDF files.

use std::path::Path;

use super::array::{Array, VisitBlock};
use super::number_type::NumberType;
use crate::dataset::FramesConfig;
use crate::dataset::gridded::{self, GriddedFile, Packing, Variable};
use crate::read_budget::ReadBudget;
use crate::{Error, Result};

/// A dataset, and what its numbers stand for.
pub(super) struct Dataset {
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
        let packing = Packing::of(&variable.attributes(), variable.kind())?;
        Ok(Self { variable, packing })
    }
}

impl Array for Dataset {
    fn stored_shape(&self) -> Vec<usize> {
        self.variable.shape().to_vec()
    }

    fn number_type(&self) -> NumberType {
        match self.variable.kind() {
            NumberType::Signed(bytes) if self.packing.is_unsigned() => NumberType::Unsigned(bytes),
            stored => stored,
        }
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
    let mut datasets = file.datasets()?;
    let named = config.variable.trim_matches('/');
    let axes = config.axes.counts();
    let fits = |dataset: &&gridded::VariableInfo| match named {
        "" => dataset.kind.is_some() && axes.contains(&dataset.shape.len()),
        _ => dataset.path == named,
    };
    let fitting: Vec<&gridded::VariableInfo> = datasets.iter().filter(fits).collect();
    if let [only] = fitting[..] {
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
