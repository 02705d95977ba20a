//! Digits drawn from strokes: every one differs, and no file is needed.

mod glyphs;
mod rasterizer;

use rand_chacha::ChaCha8Rng;

use self::glyphs::{GLYPHS, Glyph};
use self::rasterizer::{Canvas, Dot};
use super::moving_digits::DigitSource;
use super::random::{below, between, triangular};

/// Straight pieces per pair of neighbouring points of a stroke.
const PIECES: usize = 6;
/// Points of the lattice of random displacements along x and y.
const LATTICE: usize = 4;
/// Where the glyphs of [`glyphs`] end along x.
const GLYPH_WIDTH: f32 = 0.7;

/// A writer of digits, in images of `size` x `size` pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct SyntheticDigits {
    size: usize,
}

impl SyntheticDigits {
    pub(super) fn new(size: usize) -> Self {
        Self { size }
    }

    /// Writes `digit`, 0 to 9, onto an image, over whatever it held.
    pub(super) fn write(&self, digit: usize, random: &mut ChaCha8Rng, image: &mut [u8]) {
        let glyphs = GLYPHS[digit];
        let glyph = glyphs[below(random, glyphs.len())];
        let style = Style::random(random, self.size);
        let mut strokes: Vec<Vec<Dot>> = glyph.iter().map(|stroke| style.shape(stroke)).collect();
        style.place(random, self.size, &mut strokes);
        image.fill(0);
        let mut canvas = Canvas { pixels: image, size: self.size, softness: style.softness };
        for stroke in &strokes {
            for pair in stroke.windows(2) {
                canvas.segment(pair[0], pair[1]);
            }
        }
    }
}

impl DigitSource for SyntheticDigits {
    fn draw(&self, random: &mut ChaCha8Rng, image: &mut [u8]) {
        let digit = below(random, 10);
        self.write(digit, random, image);
    }
}

/// What makes one written digit differ from another of the same glyph. Lengths
/// are in pixels.
struct Style {
    /// Displacements of the points of a lattice over the glyph: the wobble.
    wobble: [[[f32; 2]; LATTICE]; LATTICE],
    /// Width in relation to the glyph's own.
    aspect: f32,
    /// How far the top leans to the right per unit of height.
    slant: f32,
    /// Cosine and sine of the rotation.
    rotation: [f32; 2],
    /// Longer side of the box that the ink fills.
    extent: f32,
    /// Half the thickness of the line.
    radius: f32,
    /// Change of the thickness from the beginning to the end of a stroke.
    pressure: f32,
    /// Width of the soft edge.
    softness: f32,
}

impl Style {
    /// A style for images of `size` pixels. In an image of 28 pixels the digit
    /// fills a box of about 20, as the digits of MNIST do, with lines of 2 to 4.
    fn random(random: &mut ChaCha8Rng, size: usize) -> Self {
        let scale = size as f64 / 28.0;
        let mut wobble = [[[0.0; 2]; LATTICE]; LATTICE];
        for displacement in wobble.iter_mut().flatten().flatten() {
            *displacement = (0.095 * triangular(random)) as f32;
        }
        let aspect = between(random, 0.8, 1.4) as f32;
        let slant = (0.12 + 0.38 * triangular(random)) as f32;
        // t = tan(angle / 2) gives cosine and sine without trigonometry.
        let t = 0.11 * triangular(random);
        let rotation = [(1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)].map(|v| v as f32);
        let extent = (scale * (20.0 + 1.6 * triangular(random))) as f32;
        let radius = (scale * between(random, 0.95, 1.9)).max(0.7) as f32;
        let pressure = (0.3 * triangular(random)) as f32;
        let softness = (scale * between(random, 1.1, 1.8)).max(1.0) as f32;
        Self { wobble, aspect, slant, rotation, extent, radius, pressure, softness }
    }

    /// A stroke as a chain of short straight pieces in this style, around the
    /// origin and in the units of the glyph.
    ///
    /// The curve is a Catmull-Rom spline (Catmull and Rom 1974): between the
    /// points b and c, with neighbours a and d and u from 0 to 1,
    ///
    /// ```text
    /// p = (2 b + (c - a) u + (2 a - 5 b + 4 c - d) u^2 + (3 b - a - 3 c + d) u^3) / 2
    /// ```
    fn shape(&self, stroke: &[[f32; 2]]) -> Vec<Dot> {
        let last = stroke.len() - 1;
        let pieces = last * PIECES;
        let point = |at: usize| {
            let span = (at / PIECES).min(last - 1);
            let u = (at - span * PIECES) as f32 / PIECES as f32;
            let [a, b, c, d] =
                [span.saturating_sub(1), span, span + 1, (span + 2).min(last)].map(|i| stroke[i]);
            let curve: [f32; 2] = std::array::from_fn(|k| {
                let (a, b, c, d) = (a[k], b[k], c[k], d[k]);
                let quadratic = 2.0 * a - 5.0 * b + 4.0 * c - d;
                let cubic = 3.0 * b - a - 3.0 * c + d;
                0.5 * (2.0 * b + u * ((c - a) + u * (quadratic + u * cubic)))
            });
            let [x, y] = self.bend(curve);
            let way = at as f32 / pieces as f32 - 0.5;
            Dot { x, y, radius: self.radius * (1.0 + self.pressure * way) }
        };
        (0..=pieces).map(point).collect()
    }

    /// Wobble, width, slant and rotation of one point of a glyph.
    fn bend(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [dx, dy] = self.displacement(x / GLYPH_WIDTH, y);
        let (x, y) = (self.aspect * (x + dx - 0.5 * GLYPH_WIDTH), y + dy - 0.5);
        let x = x - self.slant * y;
        let [cosine, sine] = self.rotation;
        [cosine * x - sine * y, sine * x + cosine * y]
    }

    /// The displacement at a place in the unit square, smoothly interpolated
    /// between the points of the lattice. Strokes that meet still meet.
    fn displacement(&self, x: f32, y: f32) -> [f32; 2] {
        let cell = |v: f32| {
            let v = v.clamp(0.0, 1.0) * (LATTICE - 1) as f32;
            let low = (v as usize).min(LATTICE - 2);
            let u = v - low as f32;
            (low, u * u * (3.0 - 2.0 * u))
        };
        let ((column, u), (row, v)) = (cell(x), cell(y));
        std::array::from_fn(|k| {
            let at = |r: usize, c: usize| self.wobble[row + r][column + c][k];
            let upper = at(0, 0) + u * (at(0, 1) - at(0, 0));
            let lower = at(1, 0) + u * (at(1, 1) - at(1, 0));
            upper + v * (lower - upper)
        })
    }

    /// Scales the strokes so that the ink fills the box of this style, and
    /// moves them to the middle of the image, give or take a pixel.
    fn place(&self, random: &mut ChaCha8Rng, size: usize, strokes: &mut [Vec<Dot>]) {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for dot in strokes.iter().flatten() {
            low = [low[0].min(dot.x), low[1].min(dot.y)];
            high = [high[0].max(dot.x), high[1].max(dot.y)];
        }
        let longer = (high[0] - low[0]).max(high[1] - low[1]);
        let scale = (self.extent - 2.0 * self.radius) / longer;
        let pixel = size as f64 / 28.0;
        let middle = [0, 1].map(|_| (0.5 * size as f64 + pixel * triangular(random)) as f32);
        for dot in strokes.iter_mut().flatten() {
            dot.x = middle[0] + scale * (dot.x - 0.5 * (low[0] + high[0]));
            dot.y = middle[1] + scale * (dot.y - 0.5 * (low[1] + high[1]));
        }
    }
}

/// Whether every glyph can be drawn: two points or more per stroke.
const _: () = {
    let mut digit = 0;
    while digit < GLYPHS.len() {
        let glyphs: &[Glyph] = GLYPHS[digit];
        assert!(!glyphs.is_empty());
        let mut glyph = 0;
        while glyph < glyphs.len() {
            let mut stroke = 0;
            while stroke < glyphs[glyph].len() {
                assert!(glyphs[glyph][stroke].len() >= 2);
                stroke += 1;
            }
            glyph += 1;
        }
        digit += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;
    use crate::dataset::random::{Purpose, SampleKey, generator};

    fn random(index: u64) -> ChaCha8Rng {
        generator(Purpose::Digits, SampleKey { seed: 5, split: Split::Train, epoch: 0, index })
    }

    fn written(digit: usize, size: usize, index: u64) -> Vec<u8> {
        let mut image = vec![77; size * size];
        SyntheticDigits::new(size).write(digit, &mut random(index), &mut image);
        image
    }

    #[test]
    fn digits_have_ink_and_a_margin_without() {
        for size in [8, 20, 28, 60] {
            for digit in 0..10 {
                for index in 0..50 {
                    let image = written(digit, size, index);
                    let margin = size / 20;
                    let inside = margin..size - margin;
                    for (at, &ink) in image.iter().enumerate() {
                        let in_margin = !inside.contains(&(at / size)) || !inside.contains(&(at % size));
                        assert!(!(in_margin && ink > 0), "digit {digit} of size {size}, index {index}");
                    }
                    let share = image.iter().map(|&v| f64::from(v)).sum::<f64>() / (255 * size * size) as f64;
                    assert!((0.03..0.35).contains(&share), "digit {digit} of size {size}: {share}");
                    assert!(image.iter().any(|&ink| ink > 200), "digit {digit} of size {size}");
                }
            }
        }
    }

    #[test]
    fn the_same_numbers_draw_the_same_digit_and_others_another() {
        for digit in 0..10 {
            assert_eq!(written(digit, 28, 0), written(digit, 28, 0));
            assert_ne!(written(digit, 28, 0), written(digit, 28, 1));
        }
    }

    #[test]
    fn every_draw_is_a_digit_of_its_own() {
        let mut images = std::collections::HashSet::new();
        let mut image = vec![0; 28 * 28];
        for index in 0..200 {
            SyntheticDigits::new(28).draw(&mut random(index), &mut image);
            images.insert(image.clone());
        }
        assert_eq!(images.len(), 200);
    }

    /// A digit is nearer to the average of its own kind than to most others,
    /// or the glyphs would be no digits that a model could tell apart.
    #[test]
    fn digits_resemble_their_own_kind() {
        let average = |digit: usize| {
            let mut sum = vec![0.0; 28 * 28];
            for index in 0..200 {
                for (s, ink) in sum.iter_mut().zip(written(digit, 28, index)) {
                    *s += f64::from(ink) / 200.0;
                }
            }
            sum
        };
        let averages: Vec<Vec<f64>> = (0..10).map(average).collect();
        let mut right = 0;
        for digit in 0..10 {
            for index in 1000..1030 {
                let image = written(digit, 28, index);
                let distance = |average: &Vec<f64>| {
                    average.iter().zip(&image).map(|(a, &b)| (a - f64::from(b)).powi(2)).sum::<f64>()
                };
                let nearest = (0..10)
                    .min_by(|&a, &b| distance(&averages[a]).total_cmp(&distance(&averages[b])))
                    .unwrap();
                right += usize::from(nearest == digit);
            }
        }
        assert!(right > 210, "{right} of 300 digits are nearest to their own kind");
    }
}
