//! Where some numbers of a variable of classic netCDF lie: one after the other, in runs.

use std::ops::Range;

use netcdf_reader::NcVariable;

/// The places of the runs in a file, in the order of the numbers.
pub(super) struct Extents {
    /// Of the axes outside of a run, the outermost first: how many places there are, and bytes from one to the next.
    outer: Vec<(u64, u64)>,
    /// Where the first run begins.
    first: u64,
    /// Bytes of a run, and of a number.
    bytes: u64,
    number: u64,
    /// How many runs were given, and how many there are.
    given: u64,
    total: u64,
}

impl Extents {
    /// Those between a beginning and an end on each axis, of numbers of so many bytes in records of so many. `None` if they lie
    /// where no file reaches, or the ranges do not fit the axes of the variable.
    pub(super) fn new(
        variable: &NcVariable,
        record: u64,
        number: u64,
        ranges: &[(u64, u64)],
    ) -> Option<Self> {
        let shape = variable.shape();
        if shape.len() != ranges.len()
            || ranges.iter().zip(&shape).any(|(range, axis)| range.0 > range.1 || range.1 > *axis)
        {
            return None;
        }
        // Bytes from a place to the next, of the innermost axis first.
        let mut steps = Vec::with_capacity(shape.len());
        let mut step = number;
        for (at, &axis) in shape.iter().enumerate().rev() {
            let of_records = at == 0 && variable.is_record_var;
            steps.push(if of_records { record } else { step });
            step = step.checked_mul(axis.max(1))?;
        }
        let (mut first, mut bytes, mut outer) = (variable.data_offset, number, Vec::new());
        // A run goes on while what it spans so far is all there is between one place and the next.
        let mut is_run = true;
        for (&(start, end), &step) in ranges.iter().rev().zip(&steps) {
            first = first.checked_add(start.checked_mul(step)?)?;
            is_run = is_run && step == bytes;
            match is_run {
                true => bytes = bytes.checked_mul(end - start)?,
                false => outer.push((end - start, step)),
            }
        }
        outer.reverse();
        let total = outer.iter().try_fold(1u64, |total, (count, _)| total.checked_mul(*count))?;
        let last = outer.iter().try_fold(bytes, |last, (count, step)| {
            last.checked_add(count.saturating_sub(1).checked_mul(*step)?)
        })?;
        first.checked_add(last)?;
        let total = if bytes == 0 { 0 } else { total };
        usize::try_from(total.checked_mul(bytes / number)?).ok()?;
        Some(Self { outer, first, bytes, number, given: 0, total })
    }

    /// How many numbers there are.
    pub(super) fn numbers(&self) -> usize {
        // It fits, which was checked when this was made.
        (self.total * (self.bytes / self.number)) as usize
    }
}

impl Iterator for Extents {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        if self.given == self.total {
            return None;
        }
        let (mut rest, mut start) = (self.given, self.first);
        for (count, step) in self.outer.iter().rev() {
            start += rest % count * step;
            rest /= count;
        }
        self.given += 1;
        Some(start..start + self.bytes)
    }
}
