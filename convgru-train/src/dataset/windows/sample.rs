//! One sequence of a recording: when it begins, where it lies and how it is turned.

use super::clip::{Clip, Codebook};
use crate::dataset::SequenceMut;

/// A sequence: some frames of a clip from `first` on, a part of each, turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::dataset) struct Sample {
    pub(in crate::dataset) clip: usize,
    pub(in crate::dataset) first: usize,
    pub(in crate::dataset) top: usize,
    pub(in crate::dataset) left: usize,
    pub(in crate::dataset) symmetry: Symmetry,
}

/// How a part of a frame is turned: first mirrored, then transposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::dataset) struct Symmetry {
    pub(in crate::dataset) upside_down: bool,
    pub(in crate::dataset) mirrored: bool,
    /// Rows and columns exchanged; of squares alone.
    pub(in crate::dataset) transposed: bool,
}

/// How much of the pixels of a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Coverage {
    /// The share of pixels that were measured.
    pub(super) measured: f64,
    /// The share of measured pixels with a value above 0.
    pub(super) above_zero: f64,
}

/// The clip a sample lies in, with what its codes mean and the size of sequences.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) clip: &'a Clip,
    pub(super) codebook: &'a Codebook,
    pub(super) steps: usize,
    /// Height and width of a sequence.
    pub(super) size: [usize; 2],
}

impl View<'_> {
    /// Calls `visit` for each pixel in the order `[T, C, H, W]` with its number and value.
    fn each(self, sample: Sample, mut visit: impl FnMut(usize, f32)) {
        let [channels, height, width] = self.clip.shape;
        let [rows, columns] = self.size;
        let Symmetry { upside_down, mirrored, transposed } = sample.symmetry;
        let mut number = 0;
        for plane in sample.first * channels..(sample.first + self.steps) * channels {
            for row in 0..rows {
                for column in 0..columns {
                    let (y, x) = if transposed { (column, row) } else { (row, column) };
                    let y = if upside_down { rows - 1 - y } else { y };
                    let x = if mirrored { columns - 1 - x } else { x };
                    let at = (plane * height + sample.top + y) * width + sample.left + x;
                    visit(number, self.clip.pixels.value(at, self.codebook));
                    number += 1;
                }
            }
        }
    }

    /// Writes the sequence; a missing pixel is 0.
    pub(super) fn write(self, sample: Sample, into: &mut SequenceMut<'_>) {
        let frames = &mut *into.frames;
        match into.valid.as_deref_mut() {
            Some(valid) => self.each(sample, |at, value| {
                frames[at] = if value.is_nan() { 0.0 } else { value };
                valid[at] = if value.is_nan() { 0.0 } else { 1.0 };
            }),
            None => self.each(sample, |at, value| frames[at] = if value.is_nan() { 0.0 } else { value }),
        }
    }

    /// How much of the sequence was measured, and how much of that is above 0.
    pub(super) fn coverage(self, sample: Sample) -> Coverage {
        let (mut pixels, mut measured, mut above_zero) = (0usize, 0usize, 0usize);
        self.each(sample, |_, value| {
            pixels += 1;
            measured += usize::from(!value.is_nan());
            above_zero += usize::from(value > 0.0);
        });
        Coverage {
            measured: measured as f64 / pixels.max(1) as f64,
            above_zero: above_zero as f64 / measured.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::clip::Pixels;
    use super::*;

    /// Two frames of 3 x 4 pixels whose values are their places, the last one missing.
    fn clip() -> Clip {
        let mut values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        values[23] = f32::NAN;
        Clip { name: String::new(), time_axis: None, shape: [1, 3, 4], pixels: Pixels::Values(values) }
    }

    fn written(size: [usize; 2], sample: Sample) -> (Vec<f32>, Vec<f32>) {
        let (clip, codebook) = (clip(), Codebook::default());
        let view = View { clip: &clip, codebook: &codebook, steps: 1, size };
        let (mut frames, mut valid) = (vec![7.0; size[0] * size[1]], vec![7.0; size[0] * size[1]]);
        view.write(sample, &mut SequenceMut { frames: &mut frames, valid: Some(&mut valid) });
        (frames, valid)
    }

    #[test]
    fn a_part_is_cut_out_and_turned() {
        let at = |symmetry| Sample { clip: 0, first: 1, top: 1, left: 2, symmetry };
        let plain = Symmetry::default();
        assert_eq!(written([2, 2], at(plain)), (vec![18.0, 19.0, 22.0, 0.0], vec![1.0, 1.0, 1.0, 0.0]));
        let turned = |upside_down, mirrored, transposed| {
            written([2, 2], at(Symmetry { upside_down, mirrored, transposed })).0
        };
        assert_eq!(turned(true, false, false), [22.0, 0.0, 18.0, 19.0]);
        assert_eq!(turned(false, true, false), [19.0, 18.0, 0.0, 22.0]);
        assert_eq!(turned(false, false, true), [18.0, 22.0, 19.0, 0.0]);
        let all: std::collections::HashSet<Vec<u32>> = (0..8)
            .map(|bits| {
                turned(bits & 1 > 0, bits & 2 > 0, bits & 4 > 0).iter().map(|v| v.to_bits()).collect()
            })
            .collect();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn rectangles_are_mirrored() {
        let symmetry = Symmetry { upside_down: true, mirrored: true, transposed: false };
        let sample = Sample { clip: 0, first: 0, top: 0, left: 1, symmetry };
        assert_eq!(written([3, 2], sample).0, [10.0, 9.0, 6.0, 5.0, 2.0, 1.0]);
    }

    #[test]
    fn surveys_count_measured_and_rainy_pixels() {
        let (clip, codebook) = (clip(), Codebook::default());
        let view = View { clip: &clip, codebook: &codebook, steps: 2, size: [3, 4] };
        let whole = Sample { clip: 0, first: 0, top: 0, left: 0, symmetry: Symmetry::default() };
        let coverage = view.coverage(whole);
        assert_eq!(coverage, Coverage { measured: 23.0 / 24.0, above_zero: 22.0 / 23.0 });
    }
}
