//! Whether data have the numbers that a training found.

use std::path::Path;

use super::super::unit_names::are_same;
use super::{FoundData, OF_NAMED_RANGE, PICTURES, SCALED};
use crate::dataset::cadence::ROUGH_CLOCK;
use crate::printable::{escaped, printable};
use crate::{Error, Result};

impl FoundData {
    /// Compares the data of a file or folder with these, of a training. Returns what the user should know although they can be read.
    ///
    /// # Errors
    /// [`Error::Data`] with the file where its numbers would be read as others than they are, with both units or ranges and what to do.
    pub(crate) fn expect(&self, own: &Self, path: &Path) -> Result<Vec<String>> {
        let difference = match () {
            () if own.is_of_radar() && !self.is_of_radar() => self.other_than_rates(),
            () if self.numbers == OF_NAMED_RANGE => self.other_unit(own).or_else(|| self.other_scale(own)),
            () if self.is_full_scale() => self.other_than_full_scale(own),
            () => self.other_unit(own).or_else(|| self.other_numbers(own)),
        };
        match difference {
            Some(reason) => Err(Error::Data { what: printable(path), reason }),
            None => Ok(self.doubts(own, path)),
        }
    }

    /// Compares the minutes from a frame to the next, where both are known.
    ///
    /// # Errors
    /// [`Error::Data`] with both numbers if they differ.
    pub(crate) fn expect_minutes(&self, own: f64, path: &Path) -> Result<()> {
        let minutes = self.minutes_per_step;
        if minutes <= 0.0 || own <= 0.0 || (own - minutes).abs() <= ROUGH_CLOCK * minutes {
            return Ok(());
        }
        let reason = format!(
            "has a frame every {own} minutes, but the training had one every {minutes}; give frames at the distance of the training, or, if \
             a forecast in other steps is meant, say --minutes-per-step {own} (data.frames.minutes_per_step)"
        );
        Err(Error::Data { what: printable(path), reason })
    }

    /// Why rain rates of radar images are no numbers like these.
    fn other_than_rates(&self) -> Option<String> {
        let is_rate = !self.is_full_scale() && are_same(&self.unit, "mm/h") && self.range[0] == 0.0;
        (!is_rate).then(|| {
            let unit = if self.unit.is_empty() { "without a unit".into() } else { format!("in {}", escaped(&self.unit)) };
            format!(
                "holds radar images, which are rain rates in mm/h from 0 on, but the training had numbers of {} {unit} ({}); give data like its own",
                range(self.range),
                self.numbers
            )
        })
    }

    /// How data differ from shares of the full scale.
    fn other_than_full_scale(&self, own: &Self) -> Option<String> {
        let has_range = !own.is_full_scale() && own.unit.is_empty();
        (has_range && !self.numbers.is_empty()).then(|| {
            format!(
                "is read with the range {}, but the training had shares of the full scale of {}; leave data.frames.range out",
                range(own.range),
                self.numbers
            )
        })
    }

    /// How the unit of data differs from this one.
    fn other_unit(&self, own: &Self) -> Option<String> {
        let is_told = own.unit == own.unit_in_files;
        let is_same = are_same(&own.unit, &self.unit) || is_told && are_same(&own.unit, &self.unit_in_files);
        let is_known = !own.unit.is_empty() && !self.unit.is_empty();
        (is_known && !is_same).then(|| {
            format!(
                "has the unit \"{}\", but the training had \"{}\" (numbers of {}); bring the numbers to that unit, or, if they have it \
                 already, say --unit \"{}\" (data.frames.unit)",
                escaped(&own.unit),
                escaped(&self.unit),
                range(self.range),
                escaped(&self.unit)
            )
        })
    }

    /// How a range that a user names would change numbers that the file tells in the unit of the training.
    fn other_scale(&self, own: &Self) -> Option<String> {
        let told = &own.unit_in_files;
        let is_same = !told.is_empty() && (are_same(told, &self.unit) || are_same(told, &self.unit_in_files));
        (is_same && own.range != self.range).then(|| {
            format!(
                "has the unit \"{}\", as the training had with numbers of {}; the range {} would make other numbers of the same unit of \
                 them; leave --range out: numbers beyond the range of the training are read by a model whose training had a wider \
                 data.frames.range",
                escaped(told),
                range(self.range),
                range(own.range)
            )
        })
    }

    /// Why numbers of a type cannot be numbers of a training that have a unit or a range.
    fn other_numbers(&self, own: &Self) -> Option<String> {
        let [low, high] = self.range;
        let wanted = format!(
            "numbers of {}{}{}",
            range(self.range),
            if self.unit.is_empty() { String::new() } else { format!(" {}", escaped(&self.unit)) },
            if self.numbers.is_empty() { String::new() } else { format!(" ({})", self.numbers) }
        );
        let advice = format!("say --range {low},{high} (data.frames.range)");
        if self.numbers.is_empty() && self.range == own.range {
            return None;
        }
        let full_scale = |numbers: &str| limits(numbers).filter(|_| ["uint8", "uint16"].contains(&numbers));
        // If the range is the range of the type, shares of white and numbers of the type are the same.
        let is_of_type = |numbers: &str| full_scale(numbers) == Some(self.range);
        if own.numbers == PICTURES && !self.has(PICTURES) && !self.kinds().any(is_of_type) {
            return Some(format!(
                "holds pictures, whose numbers are shares of white, but the training had {wanted}; give arrays of such numbers, or, if black \
                 and white stand for {low} and {high}, {advice}"
            ));
        }
        if self.has(PICTURES)
            && !self.has(&own.numbers)
            && full_scale(&own.numbers).is_some_and(|own| own != self.range)
        {
            return Some(format!(
                "holds numbers of the type {}, but the training had pictures, whose black and white stand for {low} and {high}; if the numbers \
                 are shares of white as in pictures, say --range 0,{}, and if they are {low} to {high}, {advice}",
                own.numbers,
                limits(&own.numbers).map_or(1.0, |[_, most]| most)
            ));
        }
        if own.range != self.range {
            return Some(format!(
                "holds {} by its type and scale, but the training had {wanted}; set data.frames.range to the lowest and highest number that can \
                 be measured",
                range(own.range)
            ));
        }
        let is_known = self.has(&own.numbers)
            || own.numbers == SCALED
            || !own.unit.is_empty() && are_same(&own.unit, &self.unit);
        match limits(&own.numbers) {
            Some([least, most]) if !is_known && (low < least || high > most) => Some(format!(
                "has numbers of the type {}, which can be {} alone, but the training had {wanted}; give an array of another type, or, if its \
                 numbers have that range, {advice}",
                own.numbers,
                range([least, most])
            )),
            _ => None,
        }
    }

    /// What is not known of data that can be read.
    fn doubts(&self, own: &Self, path: &Path) -> Vec<String> {
        let mut doubts = Vec::new();
        let file = printable(path);
        match (self.unit.is_empty(), own.unit.is_empty()) {
            (true, false) if own.unit != "1" => doubts.push(format!(
                "{file} has the unit \"{}\", and the training had numbers without a unit; whether they are the same is not known",
                escaped(&own.unit)
            )),
            (false, true) if !self.unit_in_files.is_empty() => doubts.push(format!(
                "{file} tells no unit; its numbers are read as \"{}\", as in the training (--unit \"{}\" says so)",
                escaped(&self.unit),
                escaped(&self.unit)
            )),
            _ => {}
        }
        if let Some([_, most]) = limits(&self.numbers).filter(|_| self.is_full_scale())
            && own.is_full_scale()
            && own.numbers.starts_with("float")
        {
            doubts.push(format!(
                "{file} holds floating-point numbers without a unit, which are read as shares 0 to 1 of the full scale; if they are numbers of 0 \
                 to {most}, such as a forecast in .npy, say --range 0,{most} (--range 0,1 says that they are shares)"
            ));
        }
        let names = [&self.standard_name, &own.standard_name];
        if names.iter().all(|name| !name.is_empty()) && names[0] != names[1] {
            doubts.push(format!(
                "{file} holds {}, and the training had {}",
                escaped(names[1]),
                escaped(names[0])
            ));
        }
        doubts
    }
}

/// The smallest and the largest number of a type of whole numbers.
fn limits(numbers: &str) -> Option<[f64; 2]> {
    let power = |bits: &str| bits.parse::<i32>().ok().map(|bits| 2f64.powi(bits));
    match numbers {
        "bool" => Some([0.0, 1.0]),
        _ => match (numbers.strip_prefix("uint"), numbers.strip_prefix("int")) {
            (Some(bits), _) => power(bits).map(|count| [0.0, count - 1.0]),
            (None, Some(bits)) => power(bits).map(|count| [-0.5 * count, 0.5 * count - 1.0]),
            (None, None) => None,
        },
    }
}

fn range([low, high]: [f64; 2]) -> String {
    format!("{low} to {high}")
}
