//! Ink on canvas: line segments to grey levels.

/// A place on the canvas and the half-width of the line there, in pixels. Pixel
/// `i` covers `i..i + 1`; its centre is at `i + 0.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dot {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) radius: f32,
}

/// A square image being drawn on.
pub(super) struct Canvas<'a> {
    /// Grey levels, row by row; 0 = no ink.
    pub(super) pixels: &'a mut [u8],
    /// Pixels per side.
    pub(super) size: usize,
    /// Pixels over which an edge fades from full ink to none.
    pub(super) softness: f32,
}

impl Canvas<'_> {
    /// Draws a segment with round ends whose half-width changes linearly from
    /// one end to the other.
    ///
    /// With `d` the distance of a pixel's centre from the segment, `r` the
    /// half-width at the nearest point, and `s` the softness,
    ///
    /// ```text
    /// v = clamp((r - d) / s + 1/2, 0, 1)     ink = v^2 (3 - 2 v)
    /// ```
    ///
    /// which is half the full ink on the edge of the line. Where lines cross,
    /// the darker one counts.
    pub(super) fn segment(&mut self, from: Dot, to: Dot) {
        let reach = from.radius.max(to.radius) + 0.5 * self.softness;
        let columns = self.covered(from.x.min(to.x) - reach, from.x.max(to.x) + reach);
        let rows = self.covered(from.y.min(to.y) - reach, from.y.max(to.y) + reach);
        let (along_x, along_y) = (to.x - from.x, to.y - from.y);
        let squared = along_x * along_x + along_y * along_y;
        let inverse = if squared > 0.0 { 1.0 / squared } else { 0.0 };
        for row in rows {
            let y = row as f32 + 0.5 - from.y;
            let line = &mut self.pixels[row * self.size..(row + 1) * self.size];
            for column in columns.clone() {
                let x = column as f32 + 0.5 - from.x;
                let nearest = ((x * along_x + y * along_y) * inverse).clamp(0.0, 1.0);
                let (away_x, away_y) = (x - nearest * along_x, y - nearest * along_y);
                let distance = (away_x * away_x + away_y * away_y).sqrt();
                let radius = from.radius + nearest * (to.radius - from.radius);
                let v = ((radius - distance) / self.softness + 0.5).clamp(0.0, 1.0);
                let ink = (v * v * (3.0 - 2.0 * v) * 255.0 + 0.5) as u8;
                line[column] = line[column].max(ink);
            }
        }
    }

    /// The pixels whose centres may lie between two places.
    fn covered(&self, low: f32, high: f32) -> std::ops::Range<usize> {
        let size = self.size as f32;
        low.floor().clamp(0.0, size) as usize..high.ceil().clamp(0.0, size) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(from: [f32; 3], to: [f32; 3]) -> Vec<u8> {
        let mut pixels = vec![0; 100];
        let dot = |[x, y, radius]: [f32; 3]| Dot { x, y, radius };
        Canvas { pixels: &mut pixels, size: 10, softness: 1.0 }.segment(dot(from), dot(to));
        pixels
    }

    #[test]
    fn a_horizontal_line_has_full_ink_inside_and_half_on_its_edge() {
        // Centre line through the centres of row 4; the edge, 1 away, runs through rows 3 and 5.
        let pixels = drawn([2.5, 4.5, 1.0], [7.5, 4.5, 1.0]);
        for column in 2..8 {
            let ink: Vec<u8> = (0..10).map(|row| pixels[row * 10 + column]).collect();
            assert_eq!(ink, [0, 0, 0, 128, 255, 128, 0, 0, 0, 0], "column {column}");
        }
        assert_eq!((pixels[40], pixels[41], pixels[48], pixels[49]), (0, 128, 128, 0));
    }

    #[test]
    fn lines_beyond_the_paper_are_cut() {
        assert!(drawn([-50.0, -50.0, 2.0], [-20.0, -20.0, 2.0]).iter().all(|&ink| ink == 0));
        assert!(drawn([-50.0, 5.0, 20.0], [50.0, 5.0, 20.0]).iter().all(|&ink| ink == 255));
    }

    #[test]
    fn a_segment_without_length_is_a_dot() {
        let pixels = drawn([5.0, 5.0, 1.0], [5.0, 5.0, 1.0]);
        assert_eq!(pixels.iter().filter(|&&ink| ink > 200).count(), 4);
        assert_eq!(pixels.iter().filter(|&&ink| ink > 0).count(), 4);
    }
}
