//! What files say about their numbers, and how that differs from file to file.

use crate::dataset::{FramesConfig, unit_names};
use crate::printable::escaped;

/// What a file says about its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dataset) struct Content {
    /// The name of the dataset, without digits.
    pub(in crate::dataset) name: String,
    /// The CF standard name; empty where none is told.
    pub(in crate::dataset) standard_name: String,
    /// Whether numbers are stored with a factor or an offset.
    pub(in crate::dataset) is_scaled: bool,
    /// The unit; empty where none is told.
    pub(in crate::dataset) unit: String,
    /// Whether the file is a radar image, whose numbers are read as they are stored.
    pub(in crate::dataset) is_radar: bool,
    /// The axes whose coordinates run downwards.
    pub(in crate::dataset) downwards: Vec<String>,
}

impl Content {
    /// How these numbers differ from others, of another file, as the end of a sentence about the file of these; `None` where they do not, or the
    /// configuration tells the unit of all. Names count where no unit is told.
    pub(in crate::dataset) fn difference(
        &self,
        other: &Self,
        file: &str,
        config: &FramesConfig,
    ) -> Option<String> {
        if !config.unit.is_empty() {
            return None;
        }
        if !unit_names::are_same(&self.unit, &other.unit) {
            return Some(format!(
                "has the unit \"{}\", but {file} has \"{}\"; bring all files to one unit, or set data.frames.unit if they have it already",
                escaped(&self.unit),
                escaped(&other.unit)
            ));
        }
        if self.name != other.name && self.unit.is_empty() && config.variable.is_empty() {
            return Some(format!(
                "has frames in the dataset {}, but {file} in {}; set data.frames.variable to the one of all files, or \
                 data.frames.unit if they hold one quantity",
                escaped(&self.name),
                escaped(&other.name)
            ));
        }
        None
    }
}
