//! Events of an event camera as frames that networks read.
//!
//! An event says that the brightness of a pixel rose or fell by a threshold at a time. Networks such as FireNet read the events of a
//! short time as a voxel grid: a frame whose channels are bins of time.

use convgru_kernels::Scalar;

use crate::config::invalid;
use crate::error::{Error, Result, expect_count};
use crate::tensor::Tensor;

/// Events, one in each place of all four lists, in the order of their times.
#[derive(Debug, Clone, Copy, Default)]
pub struct Events<'a> {
    /// Columns of pixels.
    pub x: &'a [u16],
    /// Rows of pixels.
    pub y: &'a [u16],
    /// Times, in any unit; they do not fall.
    pub t: &'a [f64],
    /// Whether the brightness rose (1) or fell (-1, or 0 as some files have it).
    pub p: &'a [i8],
}

/// How events become a voxel grid.
///
/// Each event adds its polarity, 1 or -1, to the two bins that its time lies between (Rebecq et al. 2019, arXiv 1906.07165, section 3.1):
///
/// ```text
/// E(b, y, x) = sum over events at (x, y) of p max(0, 1 - |b - t'|)        t' = (B - 1) (t - t0) / (t1 - t0)
/// ```
///
/// ```
/// use convgru_model::events::{Events, VoxelGrid};
///
/// // A pixel becomes brighter at the beginning and darker a quarter of the time between two bins later.
/// let events = Events { x: &[1, 1], y: &[0, 0], t: &[0.0, 0.125], p: &[1, -1] };
/// let grid = VoxelGrid { bins: 3, height: 1, width: 2, normalized: false };
/// let frame = grid.of::<f32>(events, Some([0.0, 1.0]))?;
/// assert_eq!(frame.shape(), [3, 1, 2]);
/// assert_eq!(frame.as_slice(), [0.0, 1.0 - 0.75, 0.0, -0.25, 0.0, 0.0]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoxelGrid {
    /// Bins of time, the channels of a frame: 5 for E2VID and FireNet.
    pub bins: usize,
    /// Rows of the camera.
    pub height: usize,
    /// Columns of the camera.
    pub width: usize,
    /// Whether the numbers that are not zero get the mean 0 and the standard deviation 1, as the networks of Rebecq et al. read them;
    /// zeros stay zero.
    pub normalized: bool,
}

impl VoxelGrid {
    /// The grid of events. `window` holds the time of the first bin and the time of the last bin, by default the times of the first and the last event.
    ///
    /// Without events the grid is zero. Where the window has no length, all events are in the first bin. Numbers that are all the same have no
    /// standard deviation: normalised they become zero.
    ///
    /// # Shapes
    /// result: `[bins, height, width]`; as a frame of a network it is one sample, `[1, bins, height, width]`
    ///
    /// # Errors
    /// [`Error::Count`] for lists of different lengths, [`Error::OutOfRange`] for a pixel that the camera does not have,
    /// [`Error::InvalidConfig`] for times that fall, are not finite or lie outside the window, for polarities other than -1, 0 and 1, and for a
    /// grid without bins or pixels; [`Error::TooLarge`] for one that memory does not hold.
    pub fn of<T: Scalar>(&self, events: Events<'_>, window: Option<[f64; 2]>) -> Result<Tensor<T>> {
        if [self.bins, self.height, self.width].contains(&0) {
            return invalid("bins", format!("{} bins of {} x {} pixels", self.bins, self.height, self.width));
        }
        self.check(events)?;
        let mut grid = Tensor::try_zeros(&[self.bins, self.height, self.width])?;
        let [first, last] = match (window, events.t) {
            (Some(window), times) => expect_window(window, times)?,
            (None, [first, .., last]) => [*first, *last],
            (None, [only]) => [*only; 2],
            (None, []) => return Ok(grid),
        };
        let pixels = self.height * self.width;
        let bins_per_time = if last > first { (self.bins - 1) as f64 / (last - first) } else { 0.0 };
        let values = grid.as_mut_slice();
        for index in 0..events.t.len() {
            let pixel = usize::from(events.y[index]) * self.width + usize::from(events.x[index]);
            let polarity = if events.p[index] > 0 { 1.0 } else { -1.0 };
            let time = (events.t[index] - first) * bins_per_time;
            // Rounding can put the last event behind the last bin.
            let bin = (time as usize).min(self.bins - 1);
            let part = (time - bin as f64).min(1.0);
            values[bin * pixels + pixel] += T::from_f64(polarity * (1.0 - part));
            if bin + 1 < self.bins {
                values[(bin + 1) * pixels + pixel] += T::from_f64(polarity * part);
            }
        }
        if self.normalized {
            normalize(values);
        }
        Ok(grid)
    }

    fn check(&self, Events { x, y, t, p }: Events<'_>) -> Result<()> {
        for (what, count) in [("columns", x.len()), ("rows", y.len()), ("polarities", p.len())] {
            expect_count(&format!("{what} of events"), t.len(), count)?;
        }
        for (what, places, size) in [("column", x, self.width), ("row", y, self.height)] {
            let beyond = places.iter().position(|&place| usize::from(place) >= size);
            if let Some(index) = beyond {
                let what = format!("{what} of event {index}");
                return Err(Error::OutOfRange { what, got: places[index].into(), most: size - 1 });
            }
        }
        if let Some(index) = p.iter().position(|polarity| !(-1..=1).contains(polarity)) {
            let reason = format!("{} of event {index}, where 1 or -1 (or 0 for -1) is needed", p[index]);
            return invalid("p", reason);
        }
        if let Some(index) = t.iter().position(|time| !time.is_finite()) {
            return invalid("t", format!("{} of event {index} is no time", t[index]));
        }
        match t.windows(2).position(|two| two[1] < two[0]) {
            Some(index) => {
                let [before, after] = [t[index], t[index + 1]];
                invalid("t", format!("{after} of event {} after {before}: sort events by time", index + 1))
            }
            None => Ok(()),
        }
    }
}

/// The window, unless a time is outside of it.
fn expect_window([first, last]: [f64; 2], times: &[f64]) -> Result<[f64; 2]> {
    if !(first.is_finite() && last.is_finite() && first <= last) {
        return invalid("window", format!("it begins at {first} and ends at {last}"));
    }
    match times.iter().position(|&time| time < first || time > last) {
        Some(index) => {
            let reason =
                format!("{} of event {index} is outside the window from {first} to {last}", times[index]);
            invalid("t", reason)
        }
        None => Ok([first, last]),
    }
}

/// Gives the numbers that are not zero the mean 0 and the standard deviation 1 (over all of them).
fn normalize<T: Scalar>(values: &mut [T]) {
    let there = || values.iter().map(|value| value.to_f64()).filter(|value| *value != 0.0);
    let count = there().count() as f64;
    if count == 0.0 {
        return;
    }
    let mean = there().sum::<f64>() / count;
    let deviation = (there().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
    for value in values.iter_mut().filter(|value| **value != T::ZERO) {
        *value = T::from_f64((value.to_f64() - mean) * scale);
    }
}
