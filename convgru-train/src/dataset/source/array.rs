//! Sequences in arrays of files: which numbers make a frame, and what values they become.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::axes::{Axes, Axis};
use super::blocks::{Blocks, Place, is_frame, leading, lies_within, offsets};
use super::named_axes::NamedAxes;
use super::number_type::NumberType;
use super::times::Times;
use super::{Content, Frame, FrameInfo, FrameSource, Given, Visit};
use crate::dataset::{Description, FramesConfig};
use crate::printable::escaped;
use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result, input};

/// No frame may have more numbers.
const LARGEST_FRAME: usize = 1 << 27;
/// How far rounding may carry a value out of 0 to 1; it is clamped then.
const TOLERANCE: f64 = 1e-6;

/// Gets the numbers of a block in the order of the file; an error ends the reading.
pub(in crate::dataset) type VisitBlock<'a> = &'a mut dyn FnMut(&mut dyn Iterator<Item = f64>) -> Result<()>;

/// Numbers in a file, read block by block.
pub(super) trait Array: Send + Sync {
    /// The lengths of the axes as they lie in the file, the one that varies slowest first.
    fn stored_shape(&self) -> Vec<usize>;

    /// Whether the first axis varies fastest: the shape that the user sees is the stored one backwards.
    fn is_column_major(&self) -> bool {
        false
    }

    /// What the file tells about the axes of the shape that the user sees.
    fn named_axes(&self) -> NamedAxes {
        NamedAxes::default()
    }

    /// When the places along an axis were seen, where the file has a coordinate of time there; without an axis when all was seen.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if the coordinate cannot be read.
    fn times(&self, _axis: Option<usize>) -> Result<Option<Times>> {
        Ok(None)
    }

    /// What the file says about its numbers, where it does.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if coordinates cannot be read.
    fn content(&self) -> Result<Option<Content>> {
        Ok(None)
    }

    /// What the file says besides numbers, of which these are the axes of rows and columns.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if it cannot be read.
    fn description(&self, _axes: [usize; 2]) -> Result<Description> {
        Ok(Description::default())
    }

    /// How numbers are stored.
    fn number_type(&self) -> NumberType;

    /// The numbers of the values 0 and 1 where the configuration names none.
    fn natural_range(&self) -> [f64; 2] {
        self.number_type().natural_range()
    }

    /// Whether numbers may stand for missing pixels.
    fn may_miss(&self) -> bool {
        matches!(self.number_type(), NumberType::Float(_))
    }

    /// Whether a block is found without reading those before it.
    fn is_seekable(&self) -> bool;

    /// Working memory of [`visit`](Self::visit).
    fn working(&self, leading: usize) -> u64;

    /// Calls `visit` with some blocks, in ascending order of `wanted`; NaN where a number stands for none. A block is what the axes
    /// after the first `leading` stored ones span; blocks are counted over those.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] if the file is damaged, after the blocks before the damage were visited; the errors of `visit`.
    fn visit(
        &self,
        leading: usize,
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()>;

    /// As [`visit`](Self::visit), of blocks of which a part of each axis is wanted: the numbers of that part are given.
    ///
    /// # Errors
    /// The errors of [`visit`](Self::visit).
    fn visit_part(
        &self,
        leading: usize,
        within: &[Range<usize>],
        wanted: &mut dyn Iterator<Item = usize>,
        visit: VisitBlock<'_>,
    ) -> Result<()> {
        let kept = lies_within(&self.stored_shape()[leading..], within);
        self.visit(leading, wanted, &mut |numbers| {
            visit(&mut numbers.zip(&kept).filter(|(_, is_kept)| **is_kept).map(|(number, _)| number))
        })
    }
}

/// Sequences of frames in an array.
pub(super) struct ArraySource {
    path: PathBuf,
    budget: ReadBudget,
    array: Box<dyn Array>,
    /// What the stored axes are, and their lengths.
    axes: Vec<(Axis, usize)>,
    /// How many of them lie outside of the blocks that are read.
    leading: usize,
    /// The numbers of the values 0 and 1.
    range: [f64; 2],
    /// Whether the range is 0 to 1 because nothing tells another one.
    is_by_type: bool,
    /// Numbers that stand for pixels that were not measured.
    missing: Vec<f64>,
    given: Given,
    info: FrameInfo,
}

impl ArraySource {
    /// The frames of an array with the axes and the range of a configuration.
    ///
    /// # Errors
    /// [`Error::Format`] with the shape if it does not hold frames.
    pub(super) fn new(
        path: &Path,
        array: Box<dyn Array>,
        config: &FramesConfig,
        budget: &ReadBudget,
    ) -> Result<Self> {
        let refuse = |reason| Error::Format { path: path.into(), reason };
        let mut shape = array.stored_shape();
        if array.is_column_major() {
            shape.reverse();
        }
        if shape.contains(&0) {
            return Err(refuse(format!("has shape {shape:?}, whose frames hold nothing")));
        }
        let by_shape = || config.axes.of_shape(&shape);
        let named = if config.axes.is_auto() {
            array.named_axes().resolved(&shape, &Axes::orders_of_shape(&shape), by_shape)
        } else {
            by_shape().and_then(|named| array.named_axes().expect(&shape, &named).map(|()| named))
        };
        let named = named.map_err(refuse)?;
        let mut axes: Vec<(Axis, usize)> = named.into_iter().zip(shape.iter().copied()).collect();
        let length =
            |axis| axes.iter().find(|(own, _)| *own == axis).map_or(1, |(_, length): &(Axis, usize)| *length);
        let frame = [Axis::Channel, Axis::Row, Axis::Column].map(length);
        let pixels = frame.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        if pixels.is_none_or(|pixels| pixels > LARGEST_FRAME) {
            return Err(refuse(format!(
                "has shape {shape:?}, whose frames hold more than {LARGEST_FRAME} numbers"
            )));
        }
        let info = FrameInfo {
            sequences: length(Axis::Sequence),
            steps: length(Axis::Step),
            channels: Some(frame[0]),
            height: frame[1],
            width: frame[2],
            number_type: array.number_type(),
            natural_range: array.natural_range(),
            may_miss: array.may_miss() || !config.missing.is_empty(),
        };
        if array.is_column_major() {
            axes.reverse();
        }
        let range = config.explicit_range().unwrap_or(info.natural_range);
        let is_by_type = config.explicit_range().is_none() && info.natural_range == [0.0, 1.0];
        let missing = config.missing.clone();
        let (path, budget) = (path.into(), budget.clone());
        let given = Given::Values;
        Ok(Self {
            path,
            budget,
            array,
            leading: leading(&axes),
            axes,
            range,
            is_by_type,
            missing,
            given,
            info,
        })
    }

    /// The same frames, given as is asked for.
    pub(super) fn giving(self, given: Given) -> Self {
        Self { given, ..self }
    }

    /// The numbers of a frame.
    fn size(&self) -> usize {
        self.info.channels.unwrap_or(1) * self.info.height * self.info.width
    }

    /// Where the wanted part of each stored axis lies in `[N, T, C, H, W]` of the wanted frames.
    fn places(&self, sequences: &Range<usize>, steps: &Range<usize>) -> Vec<Place> {
        let FrameInfo { channels, height, width, .. } = self.info;
        let place = |&(axis, length): &(Axis, usize)| {
            let (wanted, stride) = match axis {
                Axis::Sequence => (sequences.clone(), steps.len() * self.size()),
                Axis::Step => (steps.clone(), self.size()),
                Axis::Channel => (0..channels.unwrap_or(1), height * width),
                Axis::Row => (0..height, width),
                Axis::Column => (0..width, 1),
            };
            Place { length, wanted, stride }
        };
        self.axes.iter().map(place).collect()
    }

    /// What is given for a number: NaN where there is none, `None` if it is out of the range.
    fn value(&self, number: f64) -> Option<f32> {
        let [low, high] = self.range;
        if self.given == Given::Numbers {
            return Some(number as f32);
        }
        if self.missing.iter().any(|&missing| stands_for(number, missing)) {
            return Some(f32::NAN);
        }
        let value = (number - low) / (high - low);
        match value.is_nan() {
            true => Some(f32::NAN),
            false => (-TOLERANCE..=1.0 + TOLERANCE).contains(&value).then(|| value.clamp(0.0, 1.0) as f32),
        }
    }

    fn out_of_range(&self, number: f64, sequence: usize, step: usize) -> Error {
        let [low, high] = self.range;
        if number.is_infinite() {
            let reason = format!(
                "has the number {number} in frame {step} of sequence {sequence} (from 0), and infinite numbers are not read; save NaN there where \
                 nothing was measured, or the lowest number that can be measured where nothing was seen"
            );
            return Error::Format { path: self.path.clone(), reason };
        }
        let unit = self.array.content().ok().flatten().map_or(String::new(), |content| content.unit);
        let is_share = self.is_by_type && matches!(self.info.number_type, NumberType::Float(_));
        let unit = unit.trim();
        let is_share = is_share && ["", "1"].contains(&unit);
        let advice = match unit {
            _ if is_share => {
                "floating-point numbers of which no range is known are shares of the full scale; if these have another range, such as a \
                 forecast of a model of uint8, say --range 0,255 (data.frames.range), with the lowest and the highest number that can be \
                 measured"
                    .to_owned()
            }
            "" | "1" => {
                "set data.frames.range (--range) to the lowest and highest number that can be measured".to_owned()
            }
            unit => format!(
                "the numbers are in {} and go beyond that range; a model reads those of the range of its training alone, which \
                 data.frames.range names there: the lowest and the highest number that can be measured",
                escaped(unit)
            ),
        };
        let mark = format!(
            "if it marks pixels that were not measured, set data.frames.missing = [{number:?}] (--missing)"
        );
        let advice =
            if is_share { format!("{advice}; {mark}") } else { format!("{mark}; otherwise {advice}") };
        Error::Format {
            path: self.path.clone(),
            reason: format!(
                "has the number {number} in frame {step} of sequence {sequence} (from 0), but {low} to {high} is expected; {advice}"
            ),
        }
    }

    /// Whether each block is a frame as it is wanted.
    fn is_in_order(&self) -> bool {
        is_frame(&self.axes, self.leading)
    }

    fn frame<'a>(&self, sequence: usize, step: usize, values: &'a [f32]) -> Frame<'a> {
        let shape = [self.info.channels.unwrap_or(1), self.info.height, self.info.width];
        Frame { sequence, step, shape, values }
    }

    /// The blocks are frames: each is given as it is read.
    fn visit_in_order(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        let size = self.size();
        let _working = self.budget.work(
            &self.path,
            bytes_of(size_of::<f32>(), &[size]).saturating_add(self.array.working(self.leading)),
        )?;
        let places = self.places(&sequences, &steps);
        let outer = &places[..self.leading];
        let mut blocks = Blocks::new(outer);
        let mut values: Vec<f32> = input::zeros(size).map_err(Error::io("read", &self.path))?;
        self.array.visit(self.leading, &mut Blocks::new(outer).map(|(block, _)| block), &mut |numbers| {
            let Some((_, place)) = blocks.next() else { return Ok(()) };
            let (sequence, step) =
                (sequences.start + place / size / steps.len(), steps.start + place / size % steps.len());
            for (value, number) in values.iter_mut().zip(numbers) {
                *value = self.value(number).ok_or_else(|| self.out_of_range(number, sequence, step))?;
            }
            visit(self.frame(sequence, step, &values))
        })
    }

    /// Numbers of a frame lie in many blocks: all frames are put in order before the first is given.
    fn visit_scattered(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        let (size, long) = (self.size(), steps.len() * self.size());
        let block: Vec<usize> = self.axes[self.leading..].iter().map(|(_, length)| *length).collect();
        let numbers = bytes_of(size_of::<f32>(), &[sequences.len(), steps.len()]).saturating_mul(size as u64);
        let taken = [bytes_of(size_of::<usize>(), &block), self.array.working(self.leading)];
        let taken = taken.iter().fold(numbers, |sum, own| sum.saturating_add(*own));
        let _working = self.budget.work(&self.path, taken)?;
        let places = self.places(&sequences, &steps);
        let (outer, inner) = places.split_at(self.leading);
        let within: Vec<Range<usize>> = inner.iter().map(|axis| axis.wanted.clone()).collect();
        let (offsets, mut blocks) = (offsets(inner), Blocks::new(outer));
        let mut values: Vec<f32> =
            input::zeros(sequences.len() * long).map_err(Error::io("read", &self.path))?;
        let mut wanted = Blocks::new(outer).map(|(block, _)| block);
        self.array.visit_part(self.leading, &within, &mut wanted, &mut |numbers| {
            let Some((_, begin)) = blocks.next() else { return Ok(()) };
            for (number, &offset) in numbers.zip(&offsets) {
                let at = begin + offset;
                let place = || (sequences.start + at / long, steps.start + at % long / size);
                values[at] =
                    self.value(number).ok_or_else(|| self.out_of_range(number, place().0, place().1))?;
            }
            Ok(())
        })?;
        for (at, values) in values.chunks_exact(size).enumerate() {
            visit(self.frame(sequences.start + at / steps.len(), steps.start + at % steps.len(), values))?;
        }
        Ok(())
    }
}

impl FrameSource for ArraySource {
    fn info(&self) -> Result<FrameInfo> {
        Ok(self.info)
    }

    fn step_times(&self) -> Result<Option<Times>> {
        let step = self.axes.iter().position(|(axis, _)| *axis == Axis::Step);
        // Arrays whose first axis varies fastest come from files without coordinates.
        if self.array.is_column_major() { Ok(None) } else { self.array.times(step) }
    }

    fn content(&self) -> Result<Option<Content>> {
        self.array.content()
    }

    fn description(&self) -> Result<Description> {
        let place = |axis| self.axes.iter().position(|(own, _)| *own == axis);
        match (place(Axis::Row), place(Axis::Column)) {
            (Some(row), Some(column)) => self.array.description([row, column]),
            _ => Ok(Description::default()),
        }
    }

    fn axes(&self) -> Option<Axes> {
        let stored = self.axes.iter().map(|(axis, _)| *axis);
        Some(if self.array.is_column_major() { stored.rev().collect() } else { stored.collect() })
    }

    fn is_seekable(&self) -> bool {
        self.array.is_seekable() && self.is_in_order()
    }

    fn is_scattered(&self) -> bool {
        self.array.is_seekable() && !self.is_in_order()
    }

    fn visit(&self, sequences: Range<usize>, steps: Range<usize>, visit: Visit<'_>) -> Result<()> {
        match () {
            () if sequences.is_empty() || steps.is_empty() => Ok(()),
            () if self.is_in_order() => self.visit_in_order(sequences, steps, visit),
            () => self.visit_scattered(sequences, steps, visit),
        }
    }
}

/// Whether a stored number is the one that stands for missing pixels, as it is written or as `f32` has it.
fn stands_for(number: f64, missing: f64) -> bool {
    number == missing || number == f64::from(missing as f32)
}
