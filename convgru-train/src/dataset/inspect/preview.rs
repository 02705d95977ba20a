//! Frames as one picture: side by side, or one after the other, with the pixels that were not measured in a colour of their own.

use convgru_model::Tensor;

use crate::dataset::frames::resized_plane;
use crate::dataset::source::Frame;
use crate::media::{DEFAULT_DELAY, encode_gif, encode_png};
use crate::report::difference_colour;
use crate::{Error, Result};

/// Sides of the frames that are kept, in pixels.
const LARGEST_SIDE: usize = 256;
/// Sides of frames below which pixels are drawn larger.
const SMALL_SIDE: usize = 96;
/// Frames of a strip.
const STRIP: usize = 6;
/// Pixels between the frames of a strip.
const BORDER: usize = 4;
/// The mean share of the range below which weak numbers are drawn lighter, and the least power for it.
const USUAL_MEAN: f64 = 0.25;
const LEAST_GAMMA: f32 = 0.25;
/// The colour between frames.
const BETWEEN: [u8; 3] = [255, 255, 255];

/// Frames to look at.
///
/// Numbers are drawn from black over red to yellow, pictures in their own colours, and pixels that were not measured in
/// [`MISSING`](Self::MISSING).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// The file that they are from.
    pub source: String,
    /// What each frame is called.
    pub labels: Vec<String>,
    /// The numbers that are drawn darkest and lightest.
    pub range: [f64; 2],
    /// Numbers that stand for pixels that were not measured.
    marks: Vec<f64>,
    /// The power of shares of the range that is drawn; below 1 where most numbers are near to the lowest.
    gamma: f32,
    size: [usize; 2],
    /// Planes of one or three channels of each frame.
    frames: Vec<Vec<Vec<f32>>>,
}

impl Preview {
    /// The colour of pixels that were not measured.
    pub const MISSING: [u8; 3] = [64, 132, 160];

    /// No frames yet of a file.
    pub(super) fn of(source: String) -> Self {
        Self { source, ..Self::default() }
    }

    /// Adds a frame, made smaller if it is large.
    pub(super) fn add(&mut self, frame: &Frame<'_>, label: String) {
        let [channels, height, width] = frame.shape;
        let shrink = height.max(width).div_ceil(LARGEST_SIDE);
        let size = [height.div_ceil(shrink), width.div_ceil(shrink)];
        if !self.frames.is_empty() && size != self.size {
            return;
        }
        self.size = size;
        let shown = if channels == 3 { 3 } else { 1 };
        let planes = frame.values.chunks_exact(height * width).take(shown);
        let smaller = |plane: &[f32]| match shrink {
            1 => plane.to_vec(),
            // A pixel for each square, which keeps marks as they are.
            _ => (0..size[0] * size[1])
                .map(|at| plane[at / size[1] * shrink * width + at % size[1] * shrink])
                .collect(),
        };
        self.frames.push(planes.map(smaller).collect());
        self.labels.push(label);
    }

    /// Says which numbers are drawn darkest and lightest, and which stand for pixels that were not measured.
    pub(super) fn with(mut self, range: [f64; 2], marks: Vec<f64>) -> Self {
        let is_mark = |value: f32| marks.iter().any(|&mark| value == mark as f32);
        for value in self.frames.iter_mut().flatten().flatten() {
            if is_mark(*value) || value.is_infinite() {
                *value = f32::NAN;
            }
        }
        // Of what is shown; a range with one high number would leave all dark.
        let numbers = self.frames.iter().flatten().flatten().copied().filter(|value| !value.is_nan());
        let high = numbers.clone().fold(f32::NEG_INFINITY, f32::max);
        let low = numbers.fold(f32::INFINITY, f32::min);
        let is_colour = self.frames.first().is_some_and(|planes| planes.len() == 3);
        self.range = match low < high && !is_colour {
            true => [f64::from(low).min(range[0].max(f64::from(low))), f64::from(high)],
            false => range,
        };
        self.marks = marks;
        let shares = self.frames.iter().flatten().flatten().map(|&value| self.share(value));
        let (sum, count) = shares
            .filter(|share| !share.is_nan())
            .fold((0.0, 0), |(sum, count), share| (sum + f64::from(share), count + 1));
        let mean = sum / f64::from(count.max(1));
        self.gamma = match mean > 0.0 && mean < USUAL_MEAN && !is_colour {
            true => ((USUAL_MEAN.ln() / mean.ln()) as f32).max(LEAST_GAMMA),
            false => 1.0,
        };
        self
    }

    /// How many frames it has.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Height and width of its frames.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The frames of a strip: some, spread evenly.
    pub fn strip(&self, most: usize) -> Vec<usize> {
        let count = self.frames.len().min(most);
        (0..count).map(|at| at * (self.frames.len() - 1) / (count - 1).max(1)).collect()
    }

    /// Values 0 to 1 of a frame in another size, `None` where pixels are missing: red, green, blue.
    pub fn colours(&self, frame: usize, size: [usize; 2]) -> Vec<[u8; 3]> {
        let planes: Vec<Vec<f32>> =
            self.frames[frame].iter().map(|plane| resized_plane(plane, self.size, size)).collect();
        (0..size[0] * size[1]).map(|at| self.colour(&planes, at)).collect()
    }

    /// How light, 0 to 1, the pixels of a frame in another size are, NaN where pixels are missing; of colours their mean.
    pub fn lights(&self, frame: usize, size: [usize; 2]) -> Vec<f32> {
        let planes: Vec<Vec<f32>> =
            self.frames[frame].iter().map(|plane| resized_plane(plane, self.size, size)).collect();
        let mean =
            |at: usize| planes.iter().map(|plane| self.light(plane[at])).sum::<f32>() / planes.len() as f32;
        (0..size[0] * size[1]).map(mean).collect()
    }

    /// Whether weak numbers are drawn lighter than their share of the range is.
    pub fn lifts_weak_numbers(&self) -> bool {
        self.gamma < 1.0
    }

    fn share(&self, value: f32) -> f32 {
        let [low, high] = self.range;
        ((f64::from(value) - low) / (high - low)) as f32
    }

    /// How light a number is drawn.
    fn light(&self, value: f32) -> f32 {
        self.share(value).clamp(0.0, 1.0).powf(self.gamma)
    }

    fn colour(&self, planes: &[Vec<f32>], at: usize) -> [u8; 3] {
        let light = |plane: &Vec<f32>| self.light(plane[at]);
        if planes.iter().any(|plane| plane[at].is_nan()) {
            return Self::MISSING;
        }
        match planes {
            [red, green, blue] => [red, green, blue].map(|plane| (light(plane) * 255.0).round() as u8),
            _ => difference_colour(planes.first().map_or(0.0, light)),
        }
    }

    /// A frame with pixels drawn as squares where it is small.
    fn enlarged(&self, frame: usize) -> ([usize; 2], Vec<[u8; 3]>) {
        let factor = (SMALL_SIDE / self.size[0].max(self.size[1]).max(1)).max(1);
        let [height, width] = self.size;
        let colours = self.colours(frame, self.size);
        let size = [height * factor, width * factor];
        let pixel = |at: usize| colours[at / size[1] / factor * width + at % size[1] / factor];
        (size, (0..size[0] * size[1]).map(pixel).collect())
    }

    /// A PNG of some frames side by side.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no frames.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let chosen = self.strip(STRIP);
        let Some(&first) = chosen.first() else { return Err(none()) };
        let ([height, width], _) = self.enlarged(first);
        let whole = chosen.len() * (width + BORDER) - BORDER;
        let mut pixels = vec![BETWEEN; height * whole];
        for (at, &frame) in chosen.iter().enumerate() {
            let (_, colours) = self.enlarged(frame);
            for (row, colours) in colours.chunks_exact(width).enumerate() {
                let begin = row * whole + at * (width + BORDER);
                pixels[begin..begin + width].copy_from_slice(colours);
            }
        }
        encode_png(whole, height, 3, pixels.as_flattened())
    }

    /// A GIF of all frames, one after the other.
    ///
    /// # Errors
    /// [`Error::Data`] if there are no frames.
    pub fn to_gif(&self) -> Result<Vec<u8>> {
        if self.frames.is_empty() {
            return Err(none());
        }
        let mut values = Vec::new();
        let mut size = [0; 2];
        for frame in 0..self.frames.len() {
            let (own, colours) = self.enlarged(frame);
            size = own;
            for channel in 0..3 {
                values.extend(colours.iter().map(|colour| f32::from(colour[channel]) / 255.0));
            }
        }
        encode_gif(&Tensor::from_vec(&[self.frames.len(), 3, size[0], size[1]], values)?, DEFAULT_DELAY)
    }
}

fn none() -> Error {
    Error::Data { what: "picture".into(), reason: "there are no frames to draw".into() }
}
