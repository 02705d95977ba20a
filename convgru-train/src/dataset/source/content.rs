//! What files say about their numbers, and how that differs from file to file.

use crate::dataset::{Coordinate, Description, FramesConfig, text_of, unit_names};
use crate::printable::escaped;

/// What a file says about its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    /// The name of the dataset, without digits.
    pub(crate) name: String,
    /// The CF standard name; empty where none is told.
    pub(crate) standard_name: String,
    /// Whether numbers are stored with a factor or an offset.
    pub(crate) is_scaled: bool,
    /// The unit; empty where none is told.
    pub(crate) unit: String,
    /// The CF cell methods, such as `time: sum (interval: 1 hour)`; empty where none are told.
    pub(crate) cell_methods: String,
    /// Whether the file is a radar image, whose numbers are read as they are stored.
    pub(crate) is_radar: bool,
    /// The axes whose coordinates run downwards.
    pub(crate) downwards: Vec<String>,
    /// From where to where the coordinates of other axes than time go.
    pub(crate) extents: Vec<Extent>,
}

/// From where to where a coordinate goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Extent {
    /// Its name.
    pub(crate) name: String,
    /// The number of its first place.
    pub(crate) first: f64,
    /// The number of its last place.
    pub(crate) last: f64,
    /// How many places there are.
    pub(crate) count: usize,
}

/// The share of the distance of pixels by which coordinates of frames of one sequence may differ.
const SAME_PLACE: f64 = 0.1;

impl Extent {
    /// Of the numbers of a coordinate; `None` of fewer than two.
    pub(in crate::dataset) fn of(name: &str, numbers: &[f64]) -> Option<Self> {
        match *numbers {
            [first, .., last] => Some(Self { name: name.into(), first, last, count: numbers.len() }),
            _ => None,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        let distance = (self.last - self.first).abs().min((other.last - other.first).abs());
        let most = SAME_PLACE * distance / (self.count.max(2) - 1) as f64;
        let is_near = |own: f64, other: f64| (own - other).abs() <= most.max(1e-6 * own.abs());
        self.count == other.count && is_near(self.first, other.first) && is_near(self.last, other.last)
    }
}

impl Content {
    /// Of radar images, which are rain rates.
    pub(in crate::dataset) fn of_radar(description: &Description) -> Self {
        let georeference = &description.georeference;
        Self {
            name: description.name.clone(),
            unit: text_of(&description.attributes, "units").unwrap_or_default().into(),
            is_radar: true,
            ..Self::default()
        }
        .with_extents([&georeference.rows, &georeference.columns])
    }

    /// The same with coordinates.
    pub(in crate::dataset) fn with_extents(mut self, coordinates: [&Option<Coordinate>; 2]) -> Self {
        let known = coordinates.into_iter().flatten();
        self.extents = known.filter_map(|own| Extent::of(&own.name, &own.values)).collect();
        self
    }

    /// How frames of one sequence differ, as [`difference`](Self::difference) and in where their pixels lie.
    pub(crate) fn difference_in_sequence(
        &self,
        other: &Self,
        file: &str,
        config: &FramesConfig,
    ) -> Option<String> {
        self.difference(other, file, config).or_else(|| self.difference_of_place(other, file))
    }

    /// How the coordinates of a frame differ from the coordinates of another.
    fn difference_of_place(&self, other: &Self, file: &str) -> Option<String> {
        let axes = |content: &Self| match content.downwards.is_empty() {
            true => "no axis".to_owned(),
            false => escaped(&content.downwards.join(", ")).into_owned(),
        };
        if self.downwards != other.downwards {
            return Some(format!(
                "has coordinates that run downwards on {}, but {file} on {}; all frames of a sequence must lie the same way round",
                axes(self),
                axes(other)
            ));
        }
        let same_axis =
            |own: &Extent| Some(own.clone()).zip(other.extents.iter().find(|other| other.name == own.name));
        let (own, other) =
            self.extents.iter().filter_map(same_axis).find(|(own, other)| !own.is_like(other))?;
        Some(format!(
            "has {} from {} to {}, but {file} from {} to {}; all frames of a sequence must lie at one place, so put those of other places into a \
             folder of their own",
            escaped(&own.name),
            own.first,
            own.last,
            other.first,
            other.last
        ))
    }

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
